package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
)

// scalars prepares a document for the type it is decoded into, so that what is
// written is what is read: text is the text in the file, also where YAML would
// take it for a number (01002 is 514 there) or for null; numbers are decimal; and
// keys are in the form of [identity.CleanText]. It keeps the first problem.
type scalars struct {
	file    string
	problem *diagnostic.Problem
}

func (s *scalars) report(node ast.Node, format string, args ...any) {
	if s.problem != nil {
		return
	}
	at := positionOf(node)
	s.problem = &diagnostic.Problem{File: s.file, Line: at.Line, Column: at.Column, Text: fmt.Sprintf(format, args...)}
}

var (
	unmarshaler  = reflect.TypeFor[yaml.InterfaceUnmarshaler]()
	durationType = reflect.TypeFor[time.Duration]()
)

// read prepares a node that is decoded into a value of the type. A type that may
// be text or a mapping reads itself.
func (s *scalars) read(node *ast.Node, t reflect.Type, depth int) {
	if depth > maxYAMLDepth {
		s.report(*node, "more than %d lists and mappings stand inside each other", maxYAMLDepth)
		return
	}
	pointer := t.Kind() == reflect.Pointer
	if pointer {
		t = t.Elem()
	}
	switch n := (*node).(type) {
	case *ast.MappingNode:
		s.mapping(n.Values, t, depth)
	case *ast.MappingValueNode:
		s.mapping([]*ast.MappingValueNode{n}, t, depth)
	case *ast.SequenceNode:
		for i := range n.Values {
			s.read(&n.Values[i], elementOf(t), depth+1)
		}
	case *ast.StringNode, *ast.LiteralNode:
		if isNumber(t) && t != durationType {
			s.notNumber(*node, t)
		} else if t == durationType {
			s.duration(*node)
		}
	case *ast.NullNode:
		if isNumber(t) && t != durationType {
			s.report(*node, "it must be a number, and there is none: write %s, or leave the setting out", numberSyntax(t))
		} else if word := n.GetToken().Value; !pointer && word != "" && n.GetToken().Type == token.NullType && isText(t) {
			*node = asText(n.GetToken())
		}
	case ast.ScalarNode:
		s.scalar(node, t)
	}
}

func (s *scalars) mapping(values []*ast.MappingValueNode, t reflect.Type, depth int) {
	seen := map[string]bool{}
	for _, v := range values {
		tok := v.Key.GetToken()
		clean := identity.CleanText(tok.Value)
		if seen[clean] {
			s.report(v.Key, "the key %q is there twice", clean)
			return
		}
		seen[clean] = true
		if _, isString := v.Key.(*ast.StringNode); !isString || clean != tok.Value {
			key := asText(tok)
			key.Value = clean
			key.Token.Value = clean
			v.Key = key
		}
		s.read(&v.Value, fieldOf(t, clean), depth+1)
	}
}

var decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?$`)

// The largest accepted number and duration.
const (
	maxDigits   = 12
	maxDuration = 10 * 366 * 24 * time.Hour
)

// scalar prepares a number, a boolean or another scalar.
func (s *scalars) scalar(node *ast.Node, t reflect.Type) {
	tok := (*node).GetToken()
	switch {
	case isText(t):
		*node = asText(tok)
	case t == durationType:
		s.report(*node, notDuration)
	case isNumber(t) && (!decimal.MatchString(tok.Value) || len(tok.Value) > maxDigits || !isFloat(t) && strings.Contains(tok.Value, ".")):
		s.notNumber(*node, t)
	}
}

// notNumber reports a scalar that is no number of the type.
func (s *scalars) notNumber(node ast.Node, t reflect.Type) {
	tok := node.GetToken()
	if tok.Type == token.SingleQuoteType || tok.Type == token.DoubleQuoteType {
		s.report(node, "it must be a number, without quotes")
		return
	}
	s.report(node, "%q must be a number: write %s", oneLine(tok.Value), numberSyntax(t))
}

// numberSyntax describes how a number of the type is written.
func numberSyntax(t reflect.Type) string {
	if isFloat(t) {
		return fmt.Sprintf("decimal digits, such as 10 or 2.5, at most %d of them", maxDigits)
	}
	return fmt.Sprintf("a whole number in decimal digits, such as 10, at most %d of them, without zeros in front", maxDigits)
}

func (s *scalars) duration(node ast.Node) {
	d, err := time.ParseDuration(node.GetToken().Value)
	switch {
	case err != nil:
		s.report(node, notDuration)
	case d > maxDuration:
		s.report(node, "%s is longer than ten years", node.GetToken().Value)
	}
}

// isText reports whether a scalar that is decoded into the type is text.
func isText(t reflect.Type) bool {
	return t.Kind() == reflect.String || t.Kind() == reflect.Struct && reflect.PointerTo(t).Implements(unmarshaler)
}

func isNumber(t reflect.Type) bool {
	return t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64
}

func isFloat(t reflect.Type) bool {
	return t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64
}

func asText(t *token.Token) *ast.StringNode {
	text := *t
	text.Type = token.StringType
	return ast.String(&text)
}

var nothing = reflect.TypeFor[struct{}]()

// fieldOf returns the type of the value under a key. An unknown key is refused
// later, with its name.
func fieldOf(t reflect.Type, key string) reflect.Type {
	switch t.Kind() {
	case reflect.Slice: // a mapping is a list of one
		return fieldOf(t.Elem(), key)
	case reflect.Map:
		return t.Elem()
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(t) { // also those of an embedded struct
			name, option, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if name == key && name != "" {
				return f.Type
			}
			if option == "inline" && !f.Anonymous {
				if inner := fieldOf(f.Type, key); inner != nothing {
					return inner
				}
			}
		}
	}
	return nothing
}

func elementOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		return t.Elem()
	}
	return nothing
}
