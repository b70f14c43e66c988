package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/behov/behov/internal/diagnostic"
)

// document is a parsed YAML file with the positions of its nodes.
type document struct {
	file     string
	ast      *ast.File
	problems *[]diagnostic.Problem
}

// The limits of a YAML file. The parser's work grows with the square of the keys
// in one mapping, and its stack with the depth.
const (
	maxYAMLTokens = 200_000
	maxYAMLDepth  = 32
)

// parseYAML decodes a file into a value and refuses unknown fields, so that a
// misspelt one does not silently get the default.
func parseYAML(file, text string, into any) (doc *document, problem *diagnostic.Problem) {
	defer func() {
		if r := recover(); r != nil { // the parser panics
			doc, problem = nil, &diagnostic.Problem{File: file, Text: fmt.Sprintf("the file is no YAML that can be read: %v", r)}
		}
	}()
	if problem := checkTokens(file, text); problem != nil {
		return nil, problem
	}
	tree, err := parser.ParseBytes([]byte(text), 0)
	if err == nil && len(tree.Docs) > 0 && tree.Docs[0].Body != nil {
		r := scalars{file: file}
		r.read(&tree.Docs[0].Body, reflect.TypeOf(into).Elem(), 0)
		if r.problem != nil {
			return nil, r.problem
		}
		err = yaml.NodeToValue(tree.Docs[0].Body, into, yaml.Strict())
	}
	if err != nil {
		return nil, yamlProblem(file, err)
	}
	if len(tree.Docs) > 1 && tree.Docs[1].Body != nil {
		at := positionOf(tree.Docs[1].Body)
		return nil, &diagnostic.Problem{File: file, Line: at.Line, Column: at.Column, Text: "a second document begins here, which is not read: remove the line ---"}
	}
	return &document{file: file, ast: tree}, nil
}

// yamlProblem returns an error of the parser or the decoder as a problem, with its place.
func yamlProblem(file string, err error) *diagnostic.Problem {
	p := &diagnostic.Problem{File: file, Text: oneLine(err.Error())}
	var located yaml.Error
	if errors.As(err, &located) {
		p.Text = plainError(located)
		if t := located.GetToken(); t != nil && t.Position != nil {
			p.Line, p.Column = t.Position.Line, t.Position.Column
		}
	}
	return p
}

const notDuration = "it must be a time such as 30s or 2m"

// checkTokens refuses what would make a small file large or deep, before the
// recursive parser sees it.
func checkTokens(file, text string) *diagnostic.Problem {
	tokens := lexer.Tokenize(text)
	depth, line, items := 0, 0, 0
	for _, t := range tokens {
		wrong := ""
		switch t.Type {
		case token.AnchorType, token.AliasType, token.MergeKeyType:
			wrong = "anchors, aliases and merge keys (&, * and <<) are not read: write the value where it is needed, or text that begins so in quotes"
		case token.TagType, token.DirectiveType:
			wrong = "tags and directives (! and %) are not read: leave them out, or put text that begins so in quotes"
		case token.MappingKeyType:
			wrong = "a key that begins with ? is not read: write KEY: VALUE"
		case token.MappingStartType, token.SequenceStartType:
			depth++
		case token.MappingEndType, token.SequenceEndType:
			depth--
		case token.SequenceEntryType:
			if t.Position.Line != line {
				line, items = t.Position.Line, 0
			}
			items++
		}
		if depth > maxYAMLDepth || items > maxYAMLDepth {
			wrong = fmt.Sprintf("more than %d lists and mappings stand inside each other", maxYAMLDepth)
		}
		if wrong != "" {
			return &diagnostic.Problem{File: file, Line: t.Position.Line, Column: t.Position.Column, Text: wrong}
		}
	}
	if len(tokens) > maxYAMLTokens {
		return &diagnostic.Problem{File: file, Line: tokens[maxYAMLTokens].Position.Line, Text: fmt.Sprintf("the file has more than %d words", maxYAMLTokens)}
	}
	return nil
}

// plainError returns an error without the names of Go types.
func plainError(err yaml.Error) string {
	var wrong *yaml.TypeError
	if !errors.As(err, &wrong) || wrong.DstType == nil {
		return oneLine(err.GetMessage())
	}
	if wrong.DstType == reflect.TypeFor[time.Duration]() {
		return notDuration
	}
	switch wrong.DstType.Kind() {
	case reflect.Bool:
		return "it must be true or false"
	case reflect.Int, reflect.Int64, reflect.Float64:
		return "it must be a number"
	case reflect.String:
		return "it must be text"
	case reflect.Slice:
		return "it must be a list"
	case reflect.Map, reflect.Struct:
		return "it must have fields of its own"
	}
	return oneLine(err.GetMessage())
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// report adds a problem at the position of a path, such as $.targets.ad; when the
// path does not exist, at the nearest one above it.
func (d *document) report(path, format string, args ...any) {
	d.add(path, diagnostic.Problem{File: d.file, Text: fmt.Sprintf(format, args...)})
}

func (d *document) add(path string, p diagnostic.Problem) {
	for at := path; at != "$" && at != ""; at = above(at) {
		if line, column, ok := d.place(at); ok {
			p.Line, p.Column = line, column
			break
		}
	}
	*d.problems = append(*d.problems, p)
}

func above(path string) string {
	i := strings.LastIndex(path, ".")
	if i < 0 {
		return ""
	}
	return path[:i]
}

func (d *document) place(path string) (line, column int, ok bool) {
	p, err := yaml.PathString(path)
	if err != nil {
		return 0, 0, false
	}
	node, err := p.FilterFile(d.ast)
	if err != nil || node == nil || node.GetToken() == nil || node.GetToken().Position == nil {
		return 0, 0, false
	}
	at := positionOf(node)
	return at.Line, at.Column, true
}

// positionOf returns where a node begins.
func positionOf(node ast.Node) *token.Position {
	position := node.GetToken().Position
	// A mapping's token is its first key's colon; report the position of the key
	// instead.
	if m, isMapping := node.(*ast.MappingNode); isMapping && len(m.Values) > 0 {
		position = m.Values[0].Key.GetToken().Position
	}
	if v, isValue := node.(*ast.MappingValueNode); isValue {
		position = v.Key.GetToken().Position
	}
	return position
}
