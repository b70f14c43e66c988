package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/behov/behov/internal/policy"
)

// document is a parsed YAML file, in which places can be named.
type document struct {
	file     string
	ast      *ast.File
	problems *[]policy.Problem
}

// parseYAML reads a file into a value and refuses fields that it does not
// know, so that a misspelt one is not silently a default.
func parseYAML(file, text string, into any) (*document, *policy.Problem) {
	tree, err := parser.ParseBytes([]byte(text), 0)
	if err == nil {
		err = yaml.UnmarshalWithOptions([]byte(text), into, yaml.Strict())
	}
	if err != nil {
		p := policy.Problem{File: file, Text: oneLine(err.Error())}
		var located yaml.Error
		if errors.As(err, &located) {
			p.Text = inWords(located)
			if t := located.GetToken(); t != nil && t.Position != nil {
				p.Line, p.Column = t.Position.Line, t.Position.Column
			}
		}
		if tree != nil && p.Line == 0 {
			if p.Line, p.Column = badDuration(tree); p.Line > 0 {
				p.Text = notDuration
			}
		}
		return nil, &p
	}
	if len(tree.Docs) > 1 && tree.Docs[1].Body != nil {
		at := positionOf(tree.Docs[1].Body)
		return nil, &policy.Problem{File: file, Line: at.Line, Column: at.Column, Text: "a second document begins here, which nobody would read: remove the line ---"}
	}
	return &document{file: file, ast: tree}, nil
}

const notDuration = "it must be a time such as 30s or 2m"

// inWords says what is wrong without naming Go's types.
func inWords(err yaml.Error) string {
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

// badDuration finds the one kind of wrong value that the parser does not place.
func badDuration(tree *ast.File) (line, column int) {
	find := visitor(func(n ast.Node) {
		v, ok := n.(*ast.MappingValueNode)
		if !ok || line > 0 || v.Key.String() != "timeout" {
			return
		}
		if _, err := time.ParseDuration(v.Value.String()); err != nil {
			line, column = v.Value.GetToken().Position.Line, v.Value.GetToken().Position.Column
		}
	})
	for _, doc := range tree.Docs {
		ast.Walk(find, doc)
	}
	return line, column
}

type visitor func(ast.Node)

// Visit implements ast.Visitor.
func (v visitor) Visit(n ast.Node) ast.Visitor {
	v(n)
	return v
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return s
}

// report adds a problem at the place of a path, such as $.targets.ad; where
// nothing stands at the path, at the nearest place above it.
func (d *document) report(path, format string, args ...any) {
	p := policy.Problem{File: d.file, Text: fmt.Sprintf(format, args...)}
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
	// A mapping's token is its first key's colon; name the key instead.
	if m, isMapping := node.(*ast.MappingNode); isMapping && len(m.Values) > 0 {
		position = m.Values[0].Key.GetToken().Position
	}
	if v, isValue := node.(*ast.MappingValueNode); isValue {
		position = v.Key.GetToken().Position
	}
	return position
}
