package policy

import (
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
)

// Rule is a policy line.
type Rule struct {
	ID        string
	Condition string
	Grants    string // an entitlement, or a role
	Deny      bool
	Why       string // for display
	// Handover is for how many days a person who moves on keeps what the rule
	// gave.
	Handover int
	// Leave is the effect of a leave of absence on the rule's grant; empty means
	// the configuration's.
	Leave LeaveOption
	// Version changes with the line's text. The content of its role is not part
	// of it.
	Version string
	File    string
	Line    int
	// The byte offset of the condition's field, and the width of the white space
	// before the condition within the field.
	line, byteColumn, lead int
	column                 int // the same in characters
}

// Place returns where the rule stands, as file:line.
func (r Rule) Place() string { return fmt.Sprintf("%s:%d", r.File, r.Line) }

// LeaveOption is a rule's own option for leave.
type LeaveOption string

// The options.
const (
	LeaveKeep LeaveOption = "keep" // granted during leave, too
	LeaveEnd  LeaveOption = "end"  // not granted during leave
)

// leaveAttribute returns the attribute during which the rule gives nothing, by
// the rule's option or the configuration; empty when leave has no effect.
func (r Rule) leaveAttribute(leave identity.LeaveRule) string {
	switch {
	case r.Deny || r.Leave == LeaveKeep:
	case r.Leave == LeaveEnd || leave == identity.LeaveReduces:
		return "on_leave"
	case leave == identity.LeaveSuspends:
		return "works_meanwhile"
	}
	return ""
}

// casbin returns the rule's condition in the form passed to Casbin.
func (r Rule) casbin(leave identity.LeaveRule) (string, error) {
	tokens, err := tokenize(r.Condition)
	if err != nil {
		return "", err
	}
	text := casbinText(tokens)
	if attribute := r.leaveAttribute(leave); attribute != "" {
		text = "( " + text + " ) && ! r.sub." + attribute
	}
	return text, nil
}

// options parses "handover=14 leave=end".
func (r *Rule) options(text string) error {
	for _, word := range strings.Fields(text) {
		name, value, _ := strings.Cut(word, "=")
		switch name {
		case "handover":
			days, err := strconv.Atoi(value)
			if err != nil || days < 1 || days > 365 || strconv.Itoa(days) != value {
				return fmt.Errorf("handover=%s: use a number of days from 1 to 365", value)
			}
			if r.Deny {
				return errors.New("handover: a deny rule cannot have a handover")
			}
			r.Handover = days
		case "leave":
			if r.Leave = LeaveOption(value); r.Leave != LeaveKeep && r.Leave != LeaveEnd {
				return fmt.Errorf("leave=%s: use keep or end", value)
			}
		default:
			return fmt.Errorf("unknown option %q: use handover=DAYS or leave=keep|end", word)
		}
	}
	return nil
}

// membership is a grouping line: a role contains an entitlement or another role.
type membership struct {
	role, holds string
	line        int
}

// Source is a parsed policy file, not yet checked against a catalogue.
type Source struct {
	File   string
	Text   string
	Rules  []Rule
	bundle []membership
	lines  []string
}

// The limits of a policy file.
const (
	maxPolicy   = 8 << 20 // bytes
	maxLines    = 20_000  // rules, and the same number of grouping lines
	maxProblems = 1000    // reported
)

// rolePrefix distinguishes roles from entitlements.
const rolePrefix = "role:"

// Parse parses a policy in Casbin's CSV: lines "p, id, condition, grants,
// allow|deny, why", where a seventh field may hold options, and "g, role:a,
// entitlement or role". Lines that begin with # are comments. A malformed line is
// reported and left out.
func Parse(file, text string) (*Source, []diagnostic.Problem) {
	text = strings.TrimPrefix(text, "\ufeff") // a byte order mark
	text, comma := DetectDelimiter(text)
	s := &Source{File: file, Text: text}
	if len(text) > maxPolicy {
		return s, []diagnostic.Problem{{File: file, Text: fmt.Sprintf("the policy has more than %d MiB", maxPolicy>>20)}}
	}
	var problems []diagnostic.Problem
	ids := map[string]int{}
	s.lines = strings.Split(text, "\n")
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	r.Comment = '#'
	r.Comma = comma
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return s, problems
		}
		if err != nil {
			p := diagnostic.Problem{File: file, Text: err.Error()}
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				p.Line, p.Column, p.Text = pe.Line, pe.Column, pe.Err.Error()
			}
			return s, append(problems, p)
		}
		if fields = TrimEmptyFields(fields, 6); len(fields) == 0 {
			continue
		}
		line, _ := r.FieldPos(0)
		report := func(field int, format string, args ...any) {
			line, column := r.FieldPos(min(field, len(fields)-1))
			problems = append(problems, diagnostic.Problem{File: file, Line: line, Column: characters(s.lines, line, column), Text: fmt.Sprintf(format, args...)})
		}
		if len(problems) >= maxProblems {
			return s, problems
		}
		if len(s.Rules) > maxLines || len(s.bundle) > maxLines {
			report(0, "the policy has more than %d rules, or more than %d grouping lines", maxLines, maxLines)
			return s, problems
		}
		lead, invisibly := 0, false
		for i := range fields {
			if i == 2 {
				lead = len(fields[i]) - len(strings.TrimLeftFunc(fields[i], unicode.IsSpace))
			}
			fields[i] = strings.TrimSpace(fields[i])
			switch {
			case fields[0] == "p" && i == 2: // tokenized as a condition later
			case fields[0] == "p" && i == 5: // for display
				fields[i] = identity.CleanText(fields[i])
			default:
				if strings.ContainsFunc(fields[i], identity.IsInvisible) {
					report(i, "%q contains an invisible character: delete it", fields[i])
					invisibly = true
				}
				fields[i] = norm.NFC.String(fields[i])
			}
		}
		if invisibly {
			continue
		}
		switch fields[0] {
		case "p":
			if len(fields) != 6 && len(fields) != 7 {
				report(0, "a rule has 6 fields (p, id, condition, grants, allow|deny, why) and may have a seventh with options, this line has %d; put a condition with commas or quotes in \"…\"", len(fields))
				continue
			}
			if at, ok := ids[fields[1]]; ok || fields[1] == "" {
				report(1, "the rule ID %q is empty or used in line %d: give each rule a unique ID", fields[1], at)
				continue
			}
			if fields[4] != "allow" && fields[4] != "deny" {
				report(4, "%q must be allow or deny", fields[4])
				continue
			}
			ids[fields[1]] = line
			at, byteColumn := r.FieldPos(2)
			rule := Rule{line: at, byteColumn: byteColumn, lead: lead, column: characters(s.lines, at, byteColumn),
				ID: fields[1], Condition: fields[2], Grants: fields[3], Deny: fields[4] == "deny", Why: fields[5],
				Version: version(fields), File: file, Line: line}
			if len(fields) == 7 {
				if err := rule.options(fields[6]); err != nil {
					report(6, "rule %s: %v", rule.ID, err)
					continue
				}
			}
			s.Rules = append(s.Rules, rule)
		case "g":
			if len(fields) != 3 {
				report(0, "a grouping line has 3 fields (g, role, what it holds), this line has %d", len(fields))
				continue
			}
			if !strings.HasPrefix(fields[1], rolePrefix) {
				report(1, "%q is not a role: the name of a role begins with %q", fields[1], rolePrefix)
				continue
			}
			s.bundle = append(s.bundle, membership{role: fields[1], holds: fields[2], line: line})
		default:
			report(0, "a line begins with p (a rule) or g (the content of a role), not %q", fields[0])
		}
	}
}

// DetectDelimiter returns the field separator of lines that begin with p or g: a
// comma, or a semicolon or a tab, which Excel writes. It turns a line sep=; into
// a comment.
func DetectDelimiter(text string) (string, rune) {
	comma := ','
	if line, rest, _ := strings.Cut(text, "\n"); separator.MatchString(line) {
		return "#" + strings.Repeat(" ", len(line)-1) + "\n" + rest, rune(separator.FindStringSubmatch(line)[1][0])
	}
	for line := range strings.Lines(text) {
		if m := firstField.FindStringSubmatch(line); m != nil {
			return text, rune(m[1][0])
		}
	}
	return text, comma
}

var (
	separator  = regexp.MustCompile(`^"?(?i:sep)=([,;\t])"?\r?$`)
	firstField = regexp.MustCompile(`^\s*"?[pg]"?\s*([,;\t])`)
)

// TrimEmptyFields returns the fields of a line without empty ones at its end,
// which Excel writes to give all lines the same number; none for an empty line,
// or for a comment that Excel has quoted. A line that begins with p keeps at
// least the given number, as its last field may be empty.
func TrimEmptyFields(fields []string, least int) []string {
	last := 0
	for i, f := range fields {
		if strings.TrimSpace(f) != "" {
			last = i + 1
		}
	}
	switch {
	case last == 0 || strings.HasPrefix(strings.TrimSpace(fields[0]), "#"):
		return nil
	case strings.TrimSpace(fields[0]) == "p": // the last of them may be empty
		last = max(last, min(len(fields), least))
	}
	return fields[:last]
}

// characters converts a column to characters, from 1, as editors count.
func characters(lines []string, line, byteColumn int) int {
	if line < 1 || line > len(lines) {
		return byteColumn
	}
	return utf8.RuneCountInString(lines[line-1][:min(byteColumn-1, len(lines[line-1]))]) + 1
}

// place returns the position in the file of a byte offset in a rule's condition.
func (s *Source) place(rule Rule, offset int) (line, column int) {
	lines := s.lines
	line, at := rule.line, rule.byteColumn-1
	if line < 1 || line > len(lines) || at >= len(lines[line-1]) {
		return rule.Line, rule.column
	}
	quoted := lines[line-1][at] == '"'
	if quoted {
		at++
	}
	for range rule.lead + offset {
		text := strings.TrimSuffix(lines[line-1], "\r")
		switch {
		case at >= len(text):
			if line == len(lines) {
				return line, characters(lines, line, at+1)
			}
			line, at = line+1, 0
		case quoted && strings.HasPrefix(text[at:], `""`):
			at += 2
		default:
			at++
		}
	}
	return line, characters(lines, line, at+1)
}

// version returns a short hash of a line's content.
func version(fields []string) string {
	sum := sha256.Sum256([]byte(strings.Join(fields, "\x00")))
	return hex.EncodeToString(sum[:4])
}
