package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

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
			p.Text = oneLine(located.GetMessage())
			if t := located.GetToken(); t != nil && t.Position != nil {
				p.Line, p.Column = t.Position.Line, t.Position.Column
			}
		}
		return nil, &p
	}
	return &document{file: file, ast: tree}, nil
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
	position := node.GetToken().Position
	// A mapping's token is its first key's colon; name the key instead.
	if m, isMapping := node.(*ast.MappingNode); isMapping && len(m.Values) > 0 {
		position = m.Values[0].Key.GetToken().Position
	}
	if v, isValue := node.(*ast.MappingValueNode); isValue {
		position = v.Key.GetToken().Position
	}
	return position.Line, position.Column, true
}
