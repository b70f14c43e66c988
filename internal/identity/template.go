package identity

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/mozillazg/go-unidecode"
	"golang.org/x/text/unicode/norm"
)

// Template renders a login or an attribute value from a person and the main
// employment. It is Go's text/template with a few functions: ascii, lower, upper,
// first N, last N, pad N, before SEPARATOR, after SEPARATOR.
type Template struct {
	t *template.Template
	// parts are the parts of a template that has only text and fields, which is
	// the common case and renders ten times as fast as with the library. Nil
	// otherwise.
	parts []templatePart
	// read are the chains of fields that the template reads: {{.Keys.hr}} is one of two
	// fields, {{.}} one of none.
	read [][]string
}

// templatePart is text, or a field of View by its index.
type templatePart struct {
	text  string
	field []int
}

// Reads reports whether the template contains the field.
func (t *Template) Reads(field string) bool {
	return t != nil && slices.ContainsFunc(t.read, func(chain []string) bool { return slices.Contains(chain, field) })
}

// Columns returns the custom columns that the template reads, as {{.Attributes.NAME}}.
func (t *Template) Columns() (names []string) {
	if t == nil {
		return nil
	}
	for _, chain := range t.read {
		if i := slices.Index(chain, "Attributes"); i >= 0 && i+1 < len(chain) {
			names = append(names, chain[i+1])
		}
	}
	return names
}

// Changes reports whether the value may change for the same person: whether the
// template reads any field but the login and the person's ID.
func (t *Template) Changes() bool {
	return t != nil && slices.ContainsFunc(t.read, func(chain []string) bool {
		return !slices.Contains([]string{"Login", "PersonID"}, strings.Join(chain, "."))
	})
}

// chainsIn returns the chains of fields that a node reads.
func chainsIn(n parse.Node) (chains [][]string) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return nil
		}
		for _, inner := range n.Nodes {
			chains = append(chains, chainsIn(inner)...)
		}
	case *parse.ActionNode:
		return chainsIn(n.Pipe)
	case *parse.IfNode:
		return slices.Concat(chainsIn(n.Pipe), chainsIn(n.List), chainsIn(n.ElseList))
	case *parse.WithNode:
		return slices.Concat(chainsIn(n.Pipe), chainsIn(n.List), chainsIn(n.ElseList))
	case *parse.PipeNode:
		if n == nil {
			return nil
		}
		for _, c := range n.Cmds {
			for _, arg := range c.Args {
				chains = append(chains, chainsIn(arg)...)
			}
		}
	case *parse.DotNode:
		return [][]string{nil}
	case *parse.FieldNode:
		return [][]string{n.Ident}
	case *parse.VariableNode: // $ is the whole
		return [][]string{n.Ident[1:]}
	case *parse.ChainNode:
		return append(chainsIn(n.Node), n.Field)
	}
	return chains
}

// personalFields are the fields with personal data.
var personalFields = []string{"GivenName", "FamilyName", "NationalID", "Email", "Phone", "Key", "Keys", "Attributes", "ManagerKey"}

// containerFields are the fields that contain personal ones.
var containerFields = []string{"PersonFacts", "Terms"}

// Personal reports whether the value may contain personal data: whether the
// template reads a name, an address, a number, a key or a custom column. The
// login and the account name do not count.
func (t *Template) Personal() bool {
	return t != nil && t.t.Tree != nil && personalList(t.t.Root, true)
}

// personalList is Personal for nodes; dot reports whether {{.}} is personal
// there.
func personalList(list *parse.ListNode, dot bool) bool {
	if list == nil {
		return false
	}
	return slices.ContainsFunc(list.Nodes, func(n parse.Node) bool {
		switch n := n.(type) {
		case *parse.ActionNode:
			return personalPipe(n.Pipe, dot)
		case *parse.IfNode:
			return personalPipe(n.Pipe, dot) || personalList(n.List, dot) || personalList(n.ElseList, dot)
		case *parse.WithNode:
			of := personalPipe(n.Pipe, dot)
			return of || personalList(n.List, of) || personalList(n.ElseList, dot)
		}
		return false
	})
}

func personalPipe(pipe *parse.PipeNode, dot bool) bool {
	if pipe == nil {
		return false
	}
	var arg func(n parse.Node) bool
	fields := func(idents []string) bool {
		return slices.ContainsFunc(idents, func(name string) bool { return slices.Contains(personalFields, name) }) || slices.Contains(containerFields, idents[len(idents)-1])
	}
	arg = func(n parse.Node) bool {
		switch n := n.(type) {
		case *parse.DotNode:
			return dot
		case *parse.FieldNode:
			return fields(n.Ident)
		case *parse.VariableNode:
			return n.Ident[0] == "$" && len(n.Ident) == 1 || fields(n.Ident)
		case *parse.ChainNode:
			return arg(n.Node) || fields(n.Field)
		case *parse.PipeNode:
			return personalPipe(n, dot)
		}
		return false
	}
	return slices.ContainsFunc(pipe.Cmds, func(c *parse.CommandNode) bool { return slices.ContainsFunc(c.Args, arg) })
}

// View is the data of a template: {{.GivenName}}, {{.Login}}, {{.Unit}} …
type View struct {
	PersonFacts
	Terms
	Start, End           Date
	LeaveStart, LeaveEnd Date // of the current or next leave
	Login                string
	PersonID             PersonID
	// Key is HR's key of the person: the employee number. Keys are those of each
	// source, by its name.
	Key  string
	Keys map[string]string
	// Account is the login name in the target of the value; empty in the template
	// of that name.
	Account string
	// Zone is the time zone of HR's dates; nil is UTC.
	Zone *time.Location
}

// Begins returns the instant at which the employment begins, as RFC 3339 in UTC;
// empty when it has no first day.
func (v View) Begins() string { return v.instant(v.Start, 0) }

// Ends returns the instant at which the employment is over, the first after its
// last day, as RFC 3339 in UTC. It is empty when the employment has no last day,
// or the maximum Date, after which RFC 3339 has no instant.
func (v View) Ends() string {
	if v.End == lastDay {
		return ""
	}
	return v.instant(v.End, 1)
}

func (v View) instant(d Date, days int) string {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return ""
	}
	zone := v.Zone
	if zone == nil {
		zone = time.UTC
	}
	return time.Date(t.Year(), t.Month(), t.Day()+days, 0, 0, 0, 0, zone).UTC().Format(time.RFC3339)
}

// The limits of a template.
const (
	maxTemplate = 4 << 10  // bytes
	maxBranches = 16       // nested if and with
	maxValue    = 16 << 10 // bytes of the value, and of each intermediate one
)

// ParseTemplate compiles a template and executes it on an empty view, so that an
// unknown field is an error here and not later. A template has fields, functions,
// if and with; anything that could run for long is refused.
func ParseTemplate(text string) (*Template, error) {
	if len(text) > maxTemplate {
		return nil, fmt.Errorf("template: it has %d bytes, the maximum is %d: shorten it", len(text), maxTemplate)
	}
	t, err := template.New("").Option("missingkey=zero").Funcs(templateFunctions).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("template %q: %s", text, templateError(err))
	}
	for _, part := range t.Templates() {
		if part != t {
			return nil, fmt.Errorf("template %q: define and block are not supported: use fields, functions, if and with", text)
		}
	}
	if t.Tree != nil {
		if err := checkNodes(t.Root, 0); err != nil {
			return nil, fmt.Errorf("template %q: %w", text, err)
		}
	}
	out := &Template{t: t, parts: simpleParts(t)}
	if t.Tree != nil {
		out.read = chainsIn(t.Root)
	}
	if _, err := out.Execute(View{}); err != nil {
		return nil, fmt.Errorf("template %q: %s", text, strings.TrimPrefix(err.Error(), "template: "))
	}
	return out, nil
}

// templateFunctions are the functions of templates. They replace the library's
// own that write text, so that the size of their results is bounded.
var templateFunctions = template.FuncMap{
	"ascii":    func(v any) (string, error) { return bounded(romanized(fmt.Sprint(v))) },
	"lower":    func(v any) (string, error) { return bounded(strings.ToLower(fmt.Sprint(v))) },
	"upper":    func(v any) (string, error) { return bounded(strings.ToUpper(fmt.Sprint(v))) },
	"first":    func(n int, v any) (string, error) { return part(first, n, v) },
	"last":     func(n int, v any) (string, error) { return part(last, n, v) },
	"pad":      pad,
	"before":   func(separator string, v any) string { return before(separator, fmt.Sprint(v)) },
	"after":    func(separator string, v any) string { return after(separator, fmt.Sprint(v)) },
	"print":    func(args ...any) (string, error) { return bounded(fmt.Sprint(args...)) },
	"println":  func(args ...any) (string, error) { return bounded(fmt.Sprintln(args...)) },
	"printf":   boundedPrintf,
	"html":     func(args ...any) (string, error) { return bounded(template.HTMLEscaper(args...)) },
	"js":       func(args ...any) (string, error) { return bounded(template.JSEscaper(args...)) },
	"urlquery": func(args ...any) (string, error) { return bounded(template.URLQueryEscaper(args...)) },
}

var errTooLong = fmt.Errorf("the value is longer than %d bytes", maxValue)

func bounded(s string) (string, error) {
	if len(s) > maxValue {
		return "", errTooLong
	}
	return s, nil
}

// pad puts zeros before a text of fewer than n characters; an empty text is
// unchanged.
func pad(n int, v any) (string, error) {
	const most = 64
	if n < 0 || n > most {
		return "", fmt.Errorf("%d is no number of characters: use 0 to %d", n, most)
	}
	text := fmt.Sprint(v)
	if text == "" {
		return "", nil
	}
	return bounded(strings.Repeat("0", max(0, n-utf8.RuneCountInString(text))) + text)
}

func part(of func(int, string) string, n int, v any) (string, error) {
	if n < 0 {
		return "", fmt.Errorf("%d is no number of characters: use 0 or more", n)
	}
	return bounded(of(n, fmt.Sprint(v)))
}

// wideVerb matches a verb whose width or precision is computed, or has more than
// two digits.
var wideVerb = regexp.MustCompile(`%[^a-zA-Z%]*(\*|[0-9]{3})`)

func boundedPrintf(format string, args ...any) (string, error) {
	if wideVerb.MatchString(format) {
		return "", fmt.Errorf("printf %q: a width has at most two digits", format)
	}
	return bounded(fmt.Sprintf(format, args...))
}

// checkNodes refuses what could run for long.
func checkNodes(list *parse.ListNode, depth int) error {
	if list == nil {
		return nil
	}
	if depth > maxBranches {
		return fmt.Errorf("if and with are nested more than %d deep", maxBranches)
	}
	for _, n := range list.Nodes {
		var branch *parse.BranchNode
		switch n := n.(type) {
		case *parse.TextNode, *parse.ActionNode, *parse.CommentNode:
			continue
		case *parse.IfNode:
			branch = &n.BranchNode
		case *parse.WithNode:
			branch = &n.BranchNode
		default:
			word, _, _ := strings.Cut(strings.Trim(n.String(), "{}"), " ")
			return fmt.Errorf("%s is not supported: use fields, functions, if and with", word)
		}
		if err := checkNodes(branch.List, depth+1); err != nil {
			return err
		}
		if err := checkNodes(branch.ElseList, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// boundedBuffer returns an error for more bytes than a value may have.
type boundedBuffer struct{ strings.Builder }

// Write implements io.Writer.
func (b *boundedBuffer) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxValue {
		return 0, errTooLong
	}
	return b.Builder.Write(p)
}

var unknownField = regexp.MustCompile(`can't evaluate field (\w+)`)

// templateError removes the library's position prefix: the caller names the place
// in the configuration.
func templateError(err error) string {
	s := err.Error()
	if m := unknownField.FindStringSubmatch(s); m != nil {
		var names []string
		for _, f := range reflect.VisibleFields(reflect.TypeFor[View]()) {
			if !f.Anonymous && f.Type.Kind() == reflect.String {
				names = append(names, f.Name)
			}
		}
		return "unknown field " + m[1] + ": use one of " + strings.Join(names, ", ")
	}
	if _, after, ok := strings.Cut(s, ": "); ok {
		s = after
	}
	s = inTemplate.ReplaceAllString(s, "")
	if m := wrongArguments.FindStringSubmatch(s); m != nil {
		return fmt.Sprintf("%s takes %s arguments, the value included, and has %s", m[1], m[2], m[3])
	}
	if m := noFunction.FindStringSubmatch(s); m != nil {
		return fmt.Sprintf("unknown function %s: use one of %s", m[1], strings.Join(functionNames, ", "))
	}
	return s
}

// Patterns of the library's error texts.
var (
	inTemplate     = regexp.MustCompile(`^:?\d+(:\d+)?: |executing "" at <[^>]*>: |error calling \w+: `)
	wrongArguments = regexp.MustCompile(`wrong number of args for (\w+): want (?:at least )?(\d+) got (\d+)`)
	noFunction     = regexp.MustCompile(`^function ("[^"]*") not defined$`)
	functionNames  = []string{"ascii", "lower", "upper", "first N", "last N", "pad N", "before S", "after S"}
)

// Execute renders the template. White space around the result is removed.
func (t *Template) Execute(v View) (string, error) {
	if t.parts != nil {
		return t.executeParts(v)
	}
	var b boundedBuffer
	if err := t.t.Execute(&b, v); err != nil {
		return "", fmt.Errorf("template: %s", templateError(err))
	}
	return strings.TrimSpace(b.String()), nil
}

// simpleParts returns the parts of a template that has only text and string
// fields; nil for another.
func simpleParts(t *template.Template) []templatePart {
	if t.Tree == nil {
		return nil
	}
	parts := []templatePart{}
	for _, n := range t.Root.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			parts = append(parts, templatePart{text: string(n.Text)})
		case *parse.ActionNode:
			if len(n.Pipe.Decl) > 0 || len(n.Pipe.Cmds) != 1 || len(n.Pipe.Cmds[0].Args) != 1 {
				return nil
			}
			field, ok := n.Pipe.Cmds[0].Args[0].(*parse.FieldNode)
			if !ok || len(field.Ident) != 1 {
				return nil
			}
			f, ok := reflect.TypeFor[View]().FieldByName(field.Ident[0])
			if !ok || f.Type.Kind() != reflect.String {
				return nil
			}
			parts = append(parts, templatePart{field: f.Index})
		default:
			return nil
		}
	}
	return parts
}

func (t *Template) executeParts(v View) (string, error) {
	of := reflect.ValueOf(&v).Elem()
	text := func(p templatePart) string {
		if p.field == nil {
			return p.text
		}
		return of.FieldByIndex(p.field).String()
	}
	if len(t.parts) == 1 && len(text(t.parts[0])) <= maxValue {
		return strings.TrimSpace(text(t.parts[0])), nil
	}
	var b boundedBuffer
	for _, p := range t.parts {
		if _, err := b.Write([]byte(text(p))); err != nil {
			return "", fmt.Errorf("template: %w", err)
		}
	}
	return strings.TrimSpace(b.String()), nil
}

// ViewOn returns the template data of the person on the day. A key of the source of reports
// is the person's only while no other source has one.
func (p Person) ViewOn(day Date, rule MainRule, reports string) View {
	v := View{PersonFacts: p.PersonFacts, Login: p.Login, PersonID: p.ID}
	if len(p.Keys) > 0 {
		v.Key = p.Keys[max(0, slices.IndexFunc(p.Keys, func(k Record) bool { return k.Source != reports }))].Key
	}
	v.Keys = make(map[string]string, len(p.Keys))
	for _, k := range p.Keys {
		v.Keys[k.Source] = k.Key
	}
	e, ok := p.Main(day, rule)
	if !ok {
		return v
	}
	v.Start, v.End = e.Start, e.LastDay()
	v.Terms = e.On(max(day, e.Start))
	for _, l := range e.Leaves {
		if l.End == "" || l.End >= day {
			v.LeaveStart, v.LeaveEnd = l.Start, l.End
			break
		}
	}
	return v
}

// before returns the text before the separator, or all of it when there is none.
func before(separator, s string) string {
	part, _, _ := strings.Cut(s, separator)
	return strings.TrimSpace(part)
}

// after returns the text after the separator, or "" when there is none.
func after(separator, s string) string {
	_, part, _ := strings.Cut(s, separator)
	return strings.TrimSpace(part)
}

func first(n int, s string) string {
	runes := []rune(s)
	if len(runes) > n {
		runes = runes[:n]
	}
	return string(runes)
}

func last(n int, s string) string {
	runes := []rune(s)
	return string(runes[max(0, len(runes)-n):])
}

// asciiLetters are the letters that do not decompose into a base letter and a mark.
var asciiLetters = map[rune]string{
	'æ': "ae", 'Æ': "AE", 'ø': "o", 'Ø': "O", 'ß': "ss", 'ł': "l", 'Ł': "L",
	'đ': "d", 'Đ': "D", 'ð': "d", 'Ð': "D", 'þ': "th", 'Þ': "TH", 'œ': "oe", 'Œ': "OE", 'ı': "i",
}

// ASCII transliterates to the letters and digits that a login allows: å and ä
// become a, é becomes e, ł becomes l; it drops other characters and punctuation.
func ASCII(s string) string {
	var b strings.Builder
	for _, r := range norm.NFD.String(s) {
		switch {
		case asciiLetters[r] != "":
			b.WriteString(asciiLetters[r])
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// romanized is ASCII for all scripts: other scripts than Latin are romanised, as
// far as a table allows, Иван to Ivan and 王伟 to WangWei.
func romanized(s string) string {
	var b strings.Builder
	for _, r := range norm.NFC.String(s) {
		if r > unicode.MaxASCII && unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) {
			b.WriteString(ASCII(unidecode.Unidecode(string(r))))
			continue
		}
		b.WriteRune(r)
	}
	return ASCII(b.String())
}

// LoginCandidate returns the n-th candidate for a login, counted from 1: the
// base, then base2, base3 … A base without letters becomes "user".
func LoginCandidate(base string, n int) string {
	base = strings.ToLower(base)
	if base == "" {
		base = "user"
	}
	return NameCandidate(base, n, 0)
}

// NameCandidate returns the n-th candidate for a name, counted from 1: the base,
// then with 2, 3 … appended; in an address, before the @. It has at most the
// given number of characters, unless that is zero: the base is truncated to fit.
func NameCandidate(base string, n, most int) string {
	local, domain, address := strings.Cut(base, "@")
	if address {
		domain = "@" + domain
	}
	number := ""
	if n > 1 {
		number = strconv.Itoa(n)
	}
	if room := most - len(number) - utf8.RuneCountInString(domain); most > 0 && utf8.RuneCountInString(local) > room {
		local = strings.TrimRight(first(max(room, 0), local), ".-_ ")
	}
	return local + number + domain
}
