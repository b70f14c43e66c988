// Command reference writes the topic behov-yaml: every setting of behov.yaml and
// catalogue.yaml, from the types that these files are decoded into and the comments of
// their fields. "go generate ./internal/manual" runs it.
//
// It must describe nothing by itself: what is not said beside a field is not in the
// reference, and a setting without a comment is an error.
package main

import (
	_ "embed"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

//go:embed head.md
var head string

//go:embed tail.md
var tail string

// width is the maximum length of a line: manual.Width.
const width = 90

func main() {
	text, err := generate("../..")
	if err == nil {
		err = os.WriteFile("topics/behov-yaml.md", []byte(text), 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

// packages are the directories of the types, the first one being that of the files' own.
var packages = []string{"internal/config", "connectors/ldap", "connectors/scim", "connectors/graph", "connectors/manual", "connectors/memory", "connectors/limit"}

// generate returns the topic. The root is the directory of the module.
func generate(root string) (string, error) {
	r := &reference{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}}
	for _, dir := range packages {
		if err := r.parse(filepath.Join(root, filepath.FromSlash(dir))); err != nil {
			return "", err
		}
	}
	r.b.WriteString(head)
	for _, file := range []struct{ title, name string }{{"The settings of behov.yaml", "fileYAML"}, {"The settings of catalogue.yaml", "catalogueYAML"}, {"The settings of controls.yaml", "controlsYAML"}, {"The settings of conflicts.yaml", "conflictsYAML"}, {"The settings of tests.yaml", "testsYAML"}} {
		r.section(section{title: file.title, pkg: "config", name: file.name, t: r.types["config."+file.name].Type})
	}
	r.b.WriteString("\n" + tail)
	return r.b.String(), errors.Join(r.errs...)
}

// reference collects the text.
type reference struct {
	types map[string]*ast.TypeSpec // by package and name
	docs  map[string]string
	b     strings.Builder
	errs  []error
}

// parse reads the types of a package.
func (r *reference) parse(dir string) error {
	names, err := fs.Glob(os.DirFS(dir), "*.go")
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			decl, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range decl.Specs {
				if t, ok := s.(*ast.TypeSpec); ok {
					r.types[f.Name.Name+"."+t.Name.Name] = t
					r.docs[f.Name.Name+"."+t.Name.Name] = t.Doc.Text() + onlyOne(decl)
				}
			}
		}
	}
	return nil
}

// onlyOne returns the comment of a declaration of one type.
func onlyOne(decl *ast.GenDecl) string {
	if decl.Lparen.IsValid() {
		return ""
	}
	return decl.Doc.Text()
}

// section is a mapping with settings.
type section struct {
	title string
	path  string // of its settings, as targets.NAME
	key   string // the last part of it
	pkg   string
	name  string // of the type; empty for one without
	t     ast.Expr
}

// setting is one key.
type setting struct {
	key, goName, doc string
	t                ast.Expr
	pkg              string
}

// settings returns the keys of a struct, those of embedded ones too.
func (r *reference) settings(pkg string, s *ast.StructType) []setting {
	var all []setting
	for _, f := range s.Fields.List {
		if f.Tag == nil {
			continue
		}
		tag := reflect.StructTag(strings.Trim(f.Tag.Value, "`")).Get("yaml")
		key, option, _ := strings.Cut(tag, ",")
		if option == "inline" {
			below, inner := r.resolve(pkg, f.Type)
			if st, ok := inner.(*ast.StructType); ok {
				all = append(all, r.settings(below, st)...)
			}
			continue
		}
		if key == "-" || key == "" {
			continue
		}
		doc := f.Doc.Text()
		if doc == "" {
			doc = f.Comment.Text()
		}
		all = append(all, setting{key: key, goName: f.Names[0].Name, doc: doc, t: f.Type, pkg: pkg})
	}
	return all
}

// section writes the settings of a mapping, and then those below it.
func (r *reference) section(s section) {
	st, ok := s.t.(*ast.StructType)
	if !ok {
		r.errs = append(r.errs, fmt.Errorf("%s is no mapping", s.path))
		return
	}
	all := r.settings(s.pkg, st)
	fmt.Fprintf(&r.b, "\n## %s\n\n", s.title)
	if s.path != "" && s.name != "" {
		if doc := r.docs[s.pkg+"."+s.name]; doc != "" {
			r.b.WriteString(wrap(r.worded(doc, setting{key: s.key, goName: s.name}, all, false), "", "") + "\n")
		}
	}
	var below []section
	for _, field := range all {
		path := strings.TrimPrefix(s.path+"."+field.key, ".")
		kind, inner := r.kind(path, field)
		doc := field.doc
		if doc == "" && inner != nil {
			doc = r.docs[inner.pkg+"."+inner.name]
			if inner.name != "" {
				field.goName = inner.name
			}
		}
		if strings.TrimSpace(doc) == "" {
			r.errs = append(r.errs, fmt.Errorf("%s: there is no comment beside the field %s that says what it is for, its unit, its default and an example", path, field.goName))
		}
		if inner != nil {
			below = append(below, *inner)
		}
		r.b.WriteString(wrap("`"+field.key+"` ("+kind+"): "+r.worded(doc, field, all, true), "- ", "  "))
	}
	for _, one := range below {
		r.section(one)
	}
}

// kind returns what is written under a key, and the mapping below it, if it is one.
func (r *reference) kind(path string, s setting) (string, *section) {
	t := s.t
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	key := path[strings.LastIndex(path, ".")+1:]
	switch x := t.(type) {
	case *ast.StructType:
		return "settings of its own, below", &section{title: path, path: path, key: key, pkg: s.pkg, t: x}
	case *ast.MapType:
		value := setting{t: x.Value, pkg: s.pkg}
		if _, inner := r.kind(path+".NAME", value); inner != nil {
			inner.key = key
			return "by name, with settings below", inner
		}
		what, _ := r.kind(path, value)
		return "by name: " + what, nil
	case *ast.ArrayType:
		value := setting{t: x.Elt, pkg: s.pkg}
		what, inner := r.kind(path, value)
		if inner != nil {
			what = "such settings"
		}
		return "a list of " + what, inner
	case *ast.SelectorExpr:
		if x.Sel.Name == "Duration" {
			return "a time, as 30s, 5m or 2h", nil
		}
	case *ast.Ident:
		if basic, ok := map[string]string{"string": "text", "int": "a whole number", "float64": "a number", "bool": "true or false"}[x.Name]; ok {
			return basic, nil
		}
	}
	pkg, inner := r.resolve(s.pkg, t)
	name := nameOf(t)
	switch x := inner.(type) {
	case *ast.StructType:
		// A type that reads itself may also be written in a shorter way; its comment says so.
		if len(r.settings(pkg, x)) == 0 {
			return "in several forms", nil
		}
		return "settings of its own, below", &section{title: path, path: path, key: key, pkg: pkg, name: name, t: x}
	case nil:
		r.errs = append(r.errs, fmt.Errorf("%s: the type is not known here", path))
		return "", nil
	default:
		what, below := r.kind(path, setting{t: inner, pkg: pkg})
		if name == "namesYAML" {
			what += ", or one text"
		}
		return what, below
	}
}

// resolve returns a named type's package and definition.
func (r *reference) resolve(pkg string, t ast.Expr) (string, ast.Expr) {
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	switch x := t.(type) {
	case *ast.SelectorExpr:
		pkg = x.X.(*ast.Ident).Name
	case *ast.Ident:
	default:
		return pkg, t
	}
	if spec := r.types[pkg+"."+nameOf(t)]; spec != nil {
		return pkg, spec.Type
	}
	return pkg, nil
}

func nameOf(t ast.Expr) string {
	switch x := t.(type) {
	case *ast.StarExpr:
		return nameOf(x.X)
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.Ident:
		return x.Name
	}
	return ""
}

// worded returns a comment in which Go's names of settings are those of the file: the name
// with which it begins, and those that are no words. A brief one leaves out "NAME is".
func (r *reference) worded(doc string, own setting, all []setting, brief bool) string {
	doc = strings.Join(strings.Fields(doc), " ")
	if rest, ok := strings.CutPrefix(doc, own.goName+" "); ok && own.goName != "" {
		doc = "`" + own.key + "` " + rest
		for _, verb := range []string{"is ", "are "} { // "`format` (text): `format` is …"
			if what, ok := strings.CutPrefix(rest, verb); ok && brief {
				doc = what
			}
		}
	}
	for _, s := range all {
		if strings.ContainsFunc(s.goName[1:], func(c rune) bool { return c >= 'A' && c <= 'Z' }) && strings.ToUpper(s.goName) != s.goName {
			doc = regexp.MustCompile(`\b`+s.goName+`\b`).ReplaceAllString(doc, "`"+s.key+"`")
		}
	}
	return doc
}

// wrap returns a paragraph in lines, of which the first begins in one way and the others in
// another.
func wrap(text, first, other string) string {
	var lines []string
	line := first
	for i, word := range strings.Fields(text) {
		if i > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines, line = append(lines, line), other+word
			continue
		}
		if i > 0 {
			line += " "
		}
		line += word
	}
	return strings.Join(slices.Concat(lines, []string{line}), "\n") + "\n"
}
