package rights

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

// Line is a line of rights.csv: "p, role, action, allow|deny, why" or
// "g, member, role".
type Line struct {
	Role   Role
	Action Action
	Deny   bool
	Why    string
	// Member is, on grouping lines, who has the role: SOURCE/KEY, unit:ID,
	// job:CODE, group:NAME, service:NAME or another role.
	Member     string
	File       string
	LineNumber int
}

const (
	deny  = "deny"
	allow = "allow"
)

// allActions stands for all actions.
const allActions Action = "*"

func (l Line) effect() string {
	if l.Deny {
		return deny
	}
	return allow
}

// The prefixes of members that are groups of people, or service accounts.
const (
	UnitPrefix = "unit:"
	JobPrefix  = "job:"
	// GroupPrefix is that of groups of the identity provider at which people sign in.
	GroupPrefix = "group:"
	// ServicePrefix is that of service accounts.
	ServicePrefix = "service:"
)

var roleName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// maxLines is the maximum number of lines of a rights file.
const maxLines = 10_000

// Parse parses a rights file, in Casbin's CSV. Lines that begin with # are
// comments. A malformed line is reported and left out.
func Parse(file, text string) ([]Line, []diagnostic.Problem) {
	text, comma := policy.DetectDelimiter(strings.TrimPrefix(text, "\ufeff"))
	r := csv.NewReader(strings.NewReader(text))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.Comment, r.Comma = -1, true, '#', comma
	var lines []Line
	var problems []diagnostic.Problem
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return lines, slices.Concat(problems, unknownRoles(file, lines))
		}
		if err != nil {
			p := diagnostic.Problem{File: file, Text: err.Error()}
			var pe *csv.ParseError
			if errors.As(err, &pe) {
				p.Line, p.Column, p.Text = pe.Line, pe.Column, pe.Err.Error()
			}
			return lines, append(problems, p)
		}
		if fields = policy.TrimEmptyFields(fields, 0); len(fields) == 0 {
			continue
		}
		at, _ := r.FieldPos(0)
		if len(lines)+len(problems) >= maxLines {
			return lines, append(problems, diagnostic.Problem{File: file, Line: at, Text: fmt.Sprintf("the file has more than %d lines", maxLines)})
		}
		for i := range fields {
			fields[i] = identity.CleanText(fields[i])
		}
		line, field, err := parseLine(fields)
		if err != nil {
			at, column := r.FieldPos(min(field, len(fields)-1))
			problems = append(problems, diagnostic.Problem{File: file, Line: at, Column: column, Text: err.Error()})
			continue
		}
		line.File, line.LineNumber = file, at
		lines = append(lines, line)
	}
}

// parseLine returns a line, or the error in it and the index of its field.
func parseLine(fields []string) (l Line, field int, err error) {
	switch {
	case fields[0] == "g" && len(fields) == 3:
		l = Line{Member: fields[1], Role: Role(fields[2])}
		if slices.Contains(derived, l.Role) {
			return l, 2, fmt.Errorf("the role %s follows from data and cannot be assigned: assign one of %s, or a role of your own", l.Role, words(Given))
		}
		if !roleName.MatchString(fields[2]) {
			return l, 2, fmt.Errorf("%q is not a role: use %s, or a name of your own in lower-case letters, digits and hyphens", fields[2], Operator)
		}
		return l, 1, checkMember(l.Member)
	case fields[0] == "p" && (len(fields) == 4 || len(fields) == 5):
		l = Line{Role: Role(fields[1]), Action: Action(fields[2]), Deny: fields[3] == deny}
		if len(fields) == 5 {
			l.Why = fields[4]
		}
		switch {
		case !roleName.MatchString(fields[1]):
			return l, 1, fmt.Errorf("%q is not a role: use %s, or a name of your own in lower-case letters, digits and hyphens", fields[1], Operator)
		case l.Action != allActions && !slices.Contains(Actions, l.Action) && !slices.Contains(Reads, l.Action):
			return l, 2, fmt.Errorf("%q is not an action; * means all of them but %s, %s and %s", fields[2], SeePerson, SeeProtected, Extract)
		case fields[3] != allow && fields[3] != deny:
			return l, 3, fmt.Errorf("%q is neither allow nor deny", fields[3])
		case l.Role == Self && (slices.Contains(Reads, l.Action) || slices.Contains(OwnActions, l.Action)): // a person may see and ask about themselves
		case !l.Deny && (l.Role == Self || l.Role == Cause || l.Role == Suspended || l.Role == NotWorking):
			return l, 3, fmt.Errorf("the role %s cannot have an allow line: it only denies", l.Role)
		case l.Why == "" && l.Deny:
			return l, 3, errors.New("a deny line needs a fifth field with the reason, which the refused person sees")
		}
		l.Why = orRole(l.Why, l.Role)
		return l, 0, nil
	}
	return l, 0, errors.New("a line is \"p, role, action, allow or deny, why\" or \"g, SOURCE/KEY (or unit:ID, job:CODE, group:NAME, service:NAME, a role), role\"")
}

func orRole(why string, role Role) string {
	if why == "" {
		return string(role)
	}
	return why
}

// Record returns the record of the person whom a grouping line gives a role; false when it
// gives it to a group of people or a service account.
func (l Line) Record() (source string, is bool) {
	for _, prefix := range []string{UnitPrefix, JobPrefix, GroupPrefix, ServicePrefix} {
		if strings.HasPrefix(l.Member, prefix) {
			return "", false
		}
	}
	source, _, is = strings.Cut(l.Member, "/")
	return source, is
}

func checkMember(member string) error {
	if rest, ok := strings.CutPrefix(member, UnitPrefix); ok && rest != "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(member, JobPrefix); ok && rest != "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(member, GroupPrefix); ok && rest != "" {
		return nil
	}
	if rest, ok := strings.CutPrefix(member, ServicePrefix); ok {
		if !roleName.MatchString(rest) {
			return fmt.Errorf("%q is no service account: its name is of lower-case letters, digits and hyphens, as service:payroll", member)
		}
		return nil
	}
	source, key, ok := strings.Cut(member, "/")
	switch {
	case ok && source != "" && key != "":
		return nil
	case !ok && roleName.MatchString(member) && !slices.Contains(derived, Role(member)):
		return nil
	case !ok && strings.Trim(member, "0123456789") == "":
		return fmt.Errorf("%q has no source: write SOURCE/KEY, such as hr/%s", member, member)
	}
	return fmt.Errorf("%q cannot have a role: write SOURCE/KEY of a person (hr/1001), unit:ID for all who work in a unit or below it, job:CODE, group:NAME of those who sign in, service:NAME of a service account, or another role", member)
}

// unknownRoles returns warnings about lines with roles that no person has.
func unknownRoles(file string, lines []Line) []diagnostic.Problem {
	given := map[Role]bool{}
	for _, l := range lines {
		if l.Member != "" {
			given[l.Role] = true
		}
	}
	var problems []diagnostic.Problem
	for _, l := range lines {
		switch known := given[l.Role] || slices.Contains(Given, l.Role) || slices.Contains(derived, l.Role); {
		case l.Member == "" && !known:
			problems = append(problems, diagnostic.Problem{File: file, Line: l.LineNumber, Warning: true, Text: fmt.Sprintf("no line gives the role %s to anyone: add \"g, SOURCE/KEY, %s\"", l.Role, l.Role)})
		case l.Member != "" && !strings.ContainsAny(l.Member, "/:") && !given[Role(l.Member)]:
			problems = append(problems, diagnostic.Problem{File: file, Line: l.LineNumber, Warning: true, Text: fmt.Sprintf("no line gives the role %s to anyone, so this line gives %s to no one", l.Member, l.Role)})
		}
	}
	return problems
}
