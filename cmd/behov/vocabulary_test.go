package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	wordEnd    = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	acronymEnd = regexp.MustCompile(`([A-Z]+)([A-Z][a-z])`)
)

// words splits a Go identifier into words in lower case.
func words(identifier string) []string {
	identifier = acronymEnd.ReplaceAllString(identifier, "$1 $2")
	return strings.Fields(strings.ToLower(wordEnd.ReplaceAllString(identifier, "$1 $2")))
}

// parsePackage parses the Go files of a directory, without its tests.
func parsePackage(t *testing.T, dir string) (*token.FileSet, []*ast.File) {
	names, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: no Go files, %v", dir, err)
	}
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(files, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, f)
	}
	return files, parsed
}

// engine are the packages whose types are stored, printed as JSON or logged.
var engine = []string{"connectors", "internal/plan", "internal/execute", "internal/reconcile", "internal/store", "internal/queue", "internal/hr", "internal/policy", "internal/governance", "internal/blastradius", "internal/alert"}

// TestJSONNamesAreFieldNames checks that a JSON name is the name of its Go field in
// snake_case; an instant in microseconds, FieldUS, is field_at.
func TestJSONNamesAreFieldNames(t *testing.T) {
	checked := 0
	for _, dir := range engine {
		files, parsed := parsePackage(t, dir)
		for _, f := range parsed {
			ast.Inspect(f, func(n ast.Node) bool {
				field, ok := n.(*ast.Field)
				if !ok || field.Tag == nil || len(field.Names) != 1 {
					return true
				}
				tag, _ := strconv.Unquote(field.Tag.Value)
				got, _, _ := strings.Cut(reflect.StructTag(tag).Get("json"), ",")
				if got == "" || got == "-" {
					return true
				}
				checked++
				name := field.Names[0].Name
				if rest, isInstant := strings.CutSuffix(name, "US"); isInstant {
					name = rest + "At"
				}
				if want := strings.Join(words(name), "_"); got != want {
					t.Errorf("%s: the JSON name of %s is %q, want %q", files.Position(field.Pos()), name, got, want)
				}
				return true
			})
		}
	}
	if checked < 100 {
		t.Errorf("only %d JSON names were found", checked)
	}
}

// TestConstantValuesAreConstantNames checks that the value of an exported constant of a
// string type is the constant's name in kebab-case, with or without the words that the
// name shares with its type.
func TestConstantValuesAreConstantNames(t *testing.T) {
	other := map[string]bool{
		"Ability": true, "Blame": true, // phrases for people
		"EntitlementID": true, // AccountAccess stands among the entitlements
	}
	checked := 0
	for _, dir := range engine {
		files, parsed := parsePackage(t, dir)
		for _, f := range parsed {
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || len(spec.Values) != 1 || !spec.Names[0].IsExported() {
					return true
				}
				literal, ok := spec.Values[0].(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				kind := ""
				switch of := spec.Type.(type) {
				case *ast.Ident:
					kind = of.Name
				case *ast.SelectorExpr:
					kind = of.Sel.Name
				}
				if kind == "" || other[kind] {
					return true
				}
				checked++
				name := words(spec.Names[0].Name)
				shared := func(word string) bool { // the Match of Matching too
					return slices.ContainsFunc(words(kind), func(w string) bool { return strings.HasPrefix(w, word) })
				}
				possible := map[string]bool{}
				for first := 0; first < len(name); first++ {
					for last := len(name); last > first; last-- {
						possible[strings.Join(name[first:last], "-")] = true
						if !shared(name[last-1]) {
							break
						}
					}
					if !shared(name[first]) {
						break
					}
				}
				if got, _ := strconv.Unquote(literal.Value); !possible[got] {
					t.Errorf("%s: the value of %s %s is %q", files.Position(spec.Pos()), kind, spec.Names[0].Name, got)
				}
				return true
			})
		}
	}
	if checked < 80 {
		t.Errorf("only %d constants were found", checked)
	}
}
