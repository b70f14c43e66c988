package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/behov/behov/internal/identity"
)

// The limits of a condition. Both parsers, behov's and govaluate's, recurse.
const (
	maxCondition = 16 << 10 // bytes
	maxNesting   = 32       // nested parentheses
	maxDigits    = 15       // of a number: more digits are not exact
)

// syntaxError is an error in a condition, at a byte offset of its text.
type syntaxError struct {
	at   int
	text string
}

func (e *syntaxError) Error() string { return e.text }

func wrong(at int, format string, args ...any) error {
	return &syntaxError{at: at, text: fmt.Sprintf(format, args...)}
}

type tokenKind int

const (
	textToken tokenKind = iota
	patternToken
	numberToken
	boolToken
	nameToken // r.sub.unit
	functionToken
	operatorToken // also ( ) and ,
	endToken
)

// token is a token of a condition.
type token struct {
	kind    tokenKind
	text    string // of a name, a function or an operator
	value   any    // of a literal
	at, end int    // byte offsets
}

func (t token) is(operators ...string) bool {
	return t.kind == operatorToken && slices.Contains(operators, t.text)
}

// The operators of conditions; of two with a common prefix the longer comes
// first. Those that only govaluate has are refused by name.
var (
	operators = []string{"&&", "||", "==", "!=", "<=", ">=", "=~", "!~", "<", ">", "!", "?", ":", "+", "-", "*", "/", "(", ")", ","}
	refused   = []string{"**", "<<", ">>", "??", "&", "|", "^", "%", "~", "="}
)

// tokenize splits a condition into tokens. Literals are returned as they are
// compared: without quotes and backslashes, and in the form of
// [identity.CleanText].
func tokenize(text string) ([]token, error) {
	if len(text) > maxCondition {
		return nil, wrong(0, "the condition has %d bytes, the maximum is %d: split the rule", len(text), maxCondition)
	}
	var tokens []token
	for at := 0; at < len(text); {
		r, size := utf8.DecodeRuneInString(text[at:])
		switch {
		case strings.ContainsRune(" \t\r\n", r):
			at += size
			continue
		case r == utf8.RuneError && size == 1:
			return nil, wrong(at, "the text is not UTF-8")
		}
		t, err := nextToken(text, at, r, tokens)
		if err != nil {
			return nil, err
		}
		tokens = append(tokens, t)
		at = t.end
	}
	return append(tokens, token{kind: endToken, at: len(text), end: len(text)}), nil
}

func nextToken(text string, at int, r rune, before []token) (token, error) {
	switch {
	case r == '\'' || r == '"':
		pattern := len(before) > 0 && before[len(before)-1].is("=~", "!~")
		return textLiteral(text, at, byte(r), pattern)
	case r >= '0' && r <= '9':
		return numberLiteral(text, at)
	case unicode.IsLetter(r) || r == '_':
		return word(text, at), nil
	}
	for _, operator := range refused {
		if strings.HasPrefix(text[at:], operator) && !slices.ContainsFunc(operators, func(o string) bool { return len(o) > len(operator) && strings.HasPrefix(text[at:], o) }) {
			return token{}, wrong(at, "conditions have no operator %s: use && || ! == != < <= > >= in =~ !~ ?: + - * /", operator)
		}
	}
	for _, operator := range operators {
		if strings.HasPrefix(text[at:], operator) {
			return token{kind: operatorToken, text: operator, at: at, end: at + len(operator)}, nil
		}
	}
	return token{}, wrong(at, "the character %s (%U) is outside quotes: delete it, or put text in quotes", strconv.QuoteRune(r), r)
}

// word reads a name, in the letters of any language, a function, in, true or
// false.
func word(text string, at int) token {
	end := at
	for end < len(text) {
		r, size := utf8.DecodeRuneInString(text[end:])
		if !unicode.In(r, unicode.L, unicode.M, unicode.Nd) && r != '_' && r != '.' {
			break
		}
		end += size
	}
	// In the form of column names: some editors write ä as a and a combining
	// mark.
	t := token{kind: nameToken, text: norm.NFC.String(text[at:end]), at: at, end: end}
	switch t.text {
	case "true", "false":
		t.kind, t.value = boolToken, t.text == "true"
	case "in", "IN":
		t.kind, t.text = operatorToken, "in"
	default:
		if rest := strings.TrimLeft(text[end:], " \t\r\n"); strings.HasPrefix(rest, "(") && !strings.Contains(t.text, ".") {
			t.kind = functionToken
		}
	}
	return t
}

var decimal = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?`)

func numberLiteral(text string, at int) (token, error) {
	found := decimal.FindString(text[at:])
	end := at + len(found)
	if r, _ := utf8.DecodeRuneInString(text[end:]); end < len(text) && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_' || r == '.') {
		return token{}, wrong(at, "a number is written in decimal, as 75 or 37.5; text, such as a code with a zero in front, is put in quotes")
	}
	if len(found) > maxDigits {
		return token{}, wrong(at, "the number %s has more than %d digits", found, maxDigits)
	}
	value, err := strconv.ParseFloat(found, 64)
	if err != nil {
		return token{}, wrong(at, "%s is not a number", found)
	}
	return token{kind: numberToken, value: value, at: at, end: end}, nil
}

// textLiteral reads a quoted text. A backslash may precede a quotation mark or
// another backslash; before any other character Casbin would drop it silently.
func textLiteral(text string, at int, quote byte, pattern bool) (token, error) {
	var b strings.Builder
	for i := at + 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == quote:
			return finishLiteral(b.String(), at, i+1, pattern)
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(text) && strings.IndexByte(`'"\`, text[i+1]) >= 0:
			i++
			b.WriteByte(text[i])
		default:
			return token{}, wrong(i, `a backslash in a literal is written twice, \\; only \', \" and \\ are valid`)
		}
	}
	return token{}, wrong(at, "the condition does not compile: the text that begins here has no closing %c", quote)
}

func finishLiteral(value string, at, end int, pattern bool) (token, error) {
	if !utf8.ValidString(value) {
		return token{}, wrong(at, "the text is not UTF-8")
	}
	if !pattern {
		clean := identity.CleanText(value)
		if clean == "" && value != "" {
			return token{}, wrong(at, "the text contains only invisible characters: write '' for empty")
		}
		return token{kind: textToken, value: clean, at: at, end: end}, nil
	}
	// Spaces are significant in a pattern.
	for _, r := range value {
		if identity.IsInvisible(r) {
			return token{}, wrong(at, "the pattern has the invisible character %U: delete it", r)
		}
	}
	re, err := regexp.Compile(norm.NFC.String(value))
	if err != nil {
		return token{}, wrong(at, "the pattern does not compile: %v", err)
	}
	return token{kind: patternToken, value: re, at: at, end: end}, nil
}

// casbinText returns a condition for Casbin: token by token, with each literal in
// the one form that neither Casbin's escaping nor govaluate changes. Casbin
// rewrites "p." and "r2." wherever it finds them, also in literals, unless a
// backslash precedes the dot.
func casbinText(tokens []token) string {
	var b strings.Builder
	for _, t := range tokens {
		if t.kind == endToken {
			break
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		switch v := t.value.(type) {
		case string:
			b.WriteString(casbinLiteral(v))
		case *regexp.Regexp:
			b.WriteString(casbinLiteral(v.String()))
		case float64:
			b.WriteString(strconv.FormatFloat(v, 'f', -1, 64))
		case bool:
			b.WriteString(strconv.FormatBool(v))
		default:
			b.WriteString(t.text)
		}
	}
	return b.String()
}

var casbinEscapes = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `"`, `\"`, `.`, `\.`)

func casbinLiteral(value string) string { return "'" + casbinEscapes.Replace(value) + "'" }

// node is a part of a condition. Its op is an operator, "under", "literal",
// "pattern" or "attribute".
type node struct {
	op        string
	args      []*node
	value     any
	attribute int // index into the schema
	at, end   int // byte offsets, including parentheses
}

// parser parses conditions with govaluate's precedence. It refuses expressions
// that govaluate groups in an unexpected way: comparisons of comparisons and ?:
// inside ?: need parentheses.
type parser struct {
	text   string
	tokens []token
	next   int
	depth  int
	schema schema
}

func parseCondition(text string, tokens []token, s schema) (*node, error) {
	p := &parser{text: text, tokens: tokens, schema: s}
	n, err := p.ternary()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.kind != endToken {
		return nil, wrong(t.at, "the condition does not compile: %s is not expected here", p.quote(t))
	}
	return n, nil
}

func (p *parser) peek() token { return p.tokens[p.next] }

func (p *parser) take() token {
	t := p.tokens[p.next]
	if t.kind != endToken {
		p.next++
	}
	return t
}

func (p *parser) quote(t token) string {
	if t.kind == endToken {
		return "the end"
	}
	return shorten(p.text[t.at:t.end])
}

func (p *parser) expect(operator, where string) (token, error) {
	t := p.take()
	if !t.is(operator) {
		return t, wrong(t.at, "the condition does not compile: %s is expected %s, not %s", operator, where, p.quote(t))
	}
	return t, nil
}

func (p *parser) ternary() (*node, error) {
	test, err := p.or()
	if err != nil || !p.peek().is("?") {
		return test, err
	}
	p.take()
	yes, err := p.or()
	if err != nil {
		return nil, err
	}
	if _, err := p.expect(":", "after ?"); err != nil {
		return nil, err
	}
	no, err := p.or()
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.is("?", ":") {
		return nil, wrong(t.at, "one ?: inside another needs parentheses")
	}
	return &node{op: "?:", args: []*node{test, yes, no}, at: test.at, end: no.end}, nil
}

func (p *parser) or() (*node, error)  { return p.joined("||", p.and) }
func (p *parser) and() (*node, error) { return p.joined("&&", p.comparison) }

func (p *parser) joined(operator string, part func() (*node, error)) (*node, error) {
	first, err := part()
	if err != nil || !p.peek().is(operator) {
		return first, err
	}
	n := &node{op: operator, args: []*node{first}, at: first.at}
	for p.peek().is(operator) {
		p.take()
		more, err := part()
		if err != nil {
			return nil, err
		}
		n.args = append(n.args, more)
		n.end = more.end
	}
	return n, nil
}

var comparators = []string{"==", "!=", "<", "<=", ">", ">=", "=~", "!~", "in"}

func (p *parser) comparison() (*node, error) {
	left, err := p.sum()
	if err != nil || !p.peek().is(comparators...) {
		return left, err
	}
	operator := p.take()
	n := &node{op: operator.text, args: []*node{left}, at: left.at}
	var right *node
	switch operator.text {
	case "in":
		if err := p.list(n); err != nil {
			return nil, err
		}
	case "=~", "!~":
		t := p.take()
		if t.kind != patternToken {
			return nil, wrong(t.at, "%s is followed by a pattern in quotes, as in r.sub.job_code =~ '^33'", operator.text)
		}
		right = &node{op: "pattern", value: t.value, at: t.at, end: t.end}
	default:
		if right, err = p.sum(); err != nil {
			return nil, err
		}
	}
	if right != nil {
		n.args, n.end = append(n.args, right), right.end
	}
	if t := p.peek(); t.is(comparators...) {
		return nil, wrong(t.at, "a comparison of a comparison needs parentheses")
	}
	return n, nil
}

// list parses the literals after in.
func (p *parser) list(n *node) error {
	if _, err := p.expect("(", "after in"); err != nil {
		return err
	}
	for {
		t := p.take()
		if t.kind != textToken && t.kind != numberToken && t.kind != boolToken {
			return wrong(t.at, "a list after in has text in quotes or numbers in it, as in r.sub.job_code in ('2120', '3300'), not %s", p.quote(t))
		}
		n.args = append(n.args, &node{op: "literal", value: t.value, at: t.at, end: t.end})
		switch t := p.take(); {
		case t.is(")"):
			n.end = t.end
			return nil
		case !t.is(","):
			return wrong(t.at, "the condition does not compile: a list is written ('a', 'b'); %s is not expected here", p.quote(t))
		}
	}
}

func (p *parser) sum() (*node, error)     { return p.leftToRight(p.product, "+", "-") }
func (p *parser) product() (*node, error) { return p.leftToRight(p.unary, "*", "/") }

func (p *parser) leftToRight(part func() (*node, error), operators ...string) (*node, error) {
	n, err := part()
	for err == nil && p.peek().is(operators...) {
		operator := p.take()
		var right *node
		if right, err = part(); err == nil {
			n = &node{op: operator.text, args: []*node{n, right}, at: n.at, end: right.end}
		}
	}
	return n, err
}

func (p *parser) unary() (*node, error) {
	t := p.peek()
	if !t.is("!", "-") {
		return p.primary()
	}
	p.take()
	if again := p.peek(); again.is("!", "-") {
		return nil, wrong(again.at, "%s after %s needs parentheses", again.text, t.text)
	}
	of, err := p.primary()
	if err != nil {
		return nil, err
	}
	op := t.text
	if op == "-" {
		op = "negative"
	}
	return &node{op: op, args: []*node{of}, at: t.at, end: of.end}, nil
}

func (p *parser) primary() (*node, error) {
	switch t := p.take(); {
	case t.is("("):
		return p.parenthesis(t)
	case t.kind == functionToken:
		return p.call(t)
	case t.kind == nameToken:
		return p.attribute(t)
	case t.kind == textToken || t.kind == numberToken || t.kind == boolToken:
		return &node{op: "literal", value: t.value, at: t.at, end: t.end}, nil
	default:
		return nil, wrong(t.at, "the condition does not compile: an attribute, text in quotes or a number is expected here, not %s", p.quote(t))
	}
}

func (p *parser) parenthesis(open token) (*node, error) {
	if p.depth++; p.depth > maxNesting {
		return nil, wrong(open.at, "parentheses are nested more than %d deep", maxNesting)
	}
	n, err := p.ternary()
	if err != nil {
		return nil, err
	}
	p.depth--
	last, err := p.expect(")", "to close a parenthesis")
	if err != nil {
		return nil, err
	}
	n.at, n.end = open.at, last.end
	if n.op == "&&" { // it remains one part of the surrounding condition
		return &node{op: "()", args: []*node{n}, at: n.at, end: n.end}, nil
	}
	return n, nil
}

func (p *parser) attribute(t token) (*node, error) {
	path := strings.Split(t.text, ".")
	switch {
	case len(path) == 1:
		return nil, wrong(t.at, "unknown name %q: an attribute is written r.sub.%s, text in quotes", t.text, t.text)
	case len(path) != 3 || path[0] != "r" || path[1] != "sub" || path[2] == "":
		return nil, wrong(t.at, "unknown name %q: an attribute is written r.sub.NAME", t.text)
	}
	i, ok := p.schema.index[path[2]]
	if !ok {
		return nil, wrong(t.at, "unknown attribute r.sub.%s: use one of %s; custom columns are listed under hr.attributes", path[2], strings.Join(p.schema.names, ", "))
	}
	return &node{op: "attribute", attribute: i, at: t.at, end: t.end}, nil
}

// call parses under(r.sub.unit, 'UNIT').
func (p *parser) call(t token) (*node, error) {
	if t.text != "under" {
		return nil, wrong(t.at, "unknown function %s: use under(r.sub.unit, 'school')", t.text)
	}
	open, unit, comma, other, last := p.take(), p.take(), p.take(), p.take(), p.take()
	if !open.is("(") || unit.text != "r.sub.unit" || !comma.is(",") || other.kind != textToken || !last.is(")") {
		return nil, wrong(t.at, "under tests whether the employment's unit is below another: under(r.sub.unit, 'school')")
	}
	return &node{op: "under", args: []*node{{op: "attribute", attribute: p.schema.index["unit"], at: unit.at, end: unit.end},
		{op: "literal", value: other.value, at: other.at, end: other.end}}, at: t.at, end: last.end}, nil
}

// shorten returns a part of a condition, short enough for a message.
func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > 40 {
		text = string(runes[:40]) + "…"
	}
	return text
}
