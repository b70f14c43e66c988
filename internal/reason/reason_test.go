package reason_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// TestKinds checks that every struct that is a kind is in the table, with a code of its
// own, and that its parameters have names.
func TestKinds(t *testing.T) {
	all := reason.All()
	listed := map[string]bool{}
	for code, k := range all {
		kind := reflect.TypeOf(k)
		if listed[kind.Name()] {
			t.Errorf("%s has two codes", kind.Name())
		}
		listed[kind.Name()] = true
		if r := reason.Of(k); r.Code() != code {
			t.Errorf("%s: the code is %q, not %q", kind.Name(), r.Code(), code)
		}
	}
	for _, name := range declared(t) {
		if !listed[name] {
			t.Errorf("%s is a kind and has no code", name)
		}
	}
	if len(declared(t)) != len(all) {
		t.Errorf("there are %d codes for %d kinds", len(all), len(declared(t)))
	}
}

// declared returns the names of the structs that embed kind.
func declared(t *testing.T) (names []string) {
	t.Helper()
	files := token.NewFileSet()
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			s, ok := spec.Type.(*ast.StructType)
			if !ok || len(s.Fields.List) == 0 {
				return true
			}
			if id, ok := s.Fields.List[0].Type.(*ast.Ident); ok && len(s.Fields.List[0].Names) == 0 && id.Name == "kind" {
				names = append(names, spec.Name.Name)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// fill sets every parameter of a kind to a value.
func fill(rt *rapid.T, v reflect.Value) {
	text := rapid.StringMatching(`[a-zåäö"<&\\]{1,8}`)
	for i := range v.NumField() {
		f := v.Field(i)
		if v.Type().Field(i).Name == "kind" {
			continue
		}
		switch f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(time.Unix(rapid.Int64Range(0, 1<<33).Draw(rt, "at"), 0).UTC()))
			continue
		case reason.Reason:
			f.Set(reflect.ValueOf(reason.Of(reason.Rule{Rule: text.Draw(rt, "rule"), Why: text.Draw(rt, "why")})))
			continue
		}
		switch f.Kind() {
		case reflect.String:
			f.SetString(text.Draw(rt, "text"))
		case reflect.Int, reflect.Int64:
			f.SetInt(rapid.Int64Range(1, 1<<40).Draw(rt, "number"))
		case reflect.Bool:
			f.SetBool(rapid.Bool().Draw(rt, "bool"))
		case reflect.Slice:
			list := reflect.MakeSlice(f.Type(), 2, 2)
			for n := range list.Len() {
				if list.Index(n).Kind() == reflect.String {
					list.Index(n).SetString(text.Draw(rt, "text"))
				} else {
					list.Index(n).Set(reflect.ValueOf(reason.Of(reason.Rule{Rule: text.Draw(rt, "rule")})))
				}
			}
			f.Set(list)
		case reflect.Struct:
			if f.CanSet() {
				fill(rt, f)
			}
		default:
			rt.Fatalf("a parameter of kind %s", f.Kind())
		}
	}
}

// TestLawReasonsAreCanonical says that a reason comes back from its text as it was, and equal
// parameters give equal text.
func TestLawReasonsAreCanonical(t *testing.T) {
	for code, k := range reason.All() {
		t.Run(string(code), func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				v := reflect.New(reflect.TypeOf(k)).Elem()
				fill(rt, v)
				kind := v.Interface().(reason.Kind)
				r := reason.Of(kind)
				back, err := r.Kind()
				if err != nil || !reflect.DeepEqual(back, kind) {
					rt.Fatalf("%s came back as %#v: %v", r.JSON(), back, err)
				}
				if p, err := reason.Parse(r.JSON()); err != nil || p != r || p != reason.Of(back) {
					rt.Fatalf("%s was parsed as %s: %v", r.JSON(), p.JSON(), err)
				}
				spaced, err := json.MarshalIndent(r, "", "  ")
				if err != nil {
					rt.Fatal(err)
				}
				var u reason.Reason
				if err := json.Unmarshal(spaced, &u); err != nil || u != r {
					rt.Fatalf("%s was read as %s: %v", spaced, u.JSON(), err)
				}
				if !json.Valid([]byte(r.JSON())) {
					rt.Fatalf("%s is no JSON", r.JSON())
				}
			})
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		`no longer needed`, `{}`, `{"code":"nothing-like-it"}`, `{"code": "ready"}`, `{"code":"ready","more":1}`,
		`{"code":"kept","maker":"behov","decision":4}`, `{"code":"kept","decision":"4","maker":"behov"}`,
	} {
		if r, err := reason.Parse(text); err == nil {
			t.Errorf("%s is taken for %v", text, r)
		}
	}
	if r, err := reason.Parse(""); err != nil || !r.IsZero() {
		t.Errorf("the empty text is %v: %v", r, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(reason.Of(reason.Kept{Decision: 4, Maker: identity.PersonActor("p")}).JSON())
	f.Add(`{"code":"several","reasons":[{"code":"ready"},null]}`)
	f.Fuzz(func(t *testing.T, text string) {
		r, err := reason.Parse(text)
		if err == nil && r.JSON() != text {
			t.Errorf("%q became %q", text, r.JSON())
		}
	})
}

func TestJoin(t *testing.T) {
	a, b := reason.Of(reason.Ready{}), reason.Of(reason.NothingNeeded{})
	if got := reason.Join(); !got.IsZero() {
		t.Errorf("no reasons are %s", got.JSON())
	}
	if got := reason.Join(a, reason.Reason{}, a); got != a {
		t.Errorf("one reason is %s", got.JSON())
	}
	if got, want := reason.Join(a, b, a), `{"code":"several","reasons":[{"code":"ready"},{"code":"nothing-needed"}]}`; got.JSON() != want {
		t.Errorf("two reasons are %s, not %s", got.JSON(), want)
	}
}

func TestMentions(t *testing.T) {
	var m reason.Mentions
	suspended := reason.Of(reason.Suspended{Decision: 4, Maker: identity.PersonActor("boss")})
	for range 2 {
		m.Add(reason.Of(reason.With{Because: suspended, Note: reason.Join(suspended, reason.Of(reason.ExportTruncated{People: reason.People{People: []identity.PersonID{"a", "b"}}}))}))
	}
	m.Add(reason.Of(reason.Kept{Decision: 5, Maker: identity.System}))
	m.Add(reason.Reason{})
	if !slices.Equal(m.People, []identity.PersonID{"boss", "a", "b"}) || !slices.Equal(m.Decisions, []int64{4, 5}) {
		t.Errorf("%v, %v", m.People, m.Decisions)
	}
}

func BenchmarkOf(b *testing.B) {
	given := reason.Of(reason.Rule{Rule: "library-staff", Version: "3", Place: "policy.csv:12", Via: "librarian"})
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			reason.Of(reason.NoLongerNeeded{})
		}
	})
	b.Run("nested", func(b *testing.B) {
		for b.Loop() {
			reason.Of(reason.NoLongerNeeded{Given: given})
		}
	})
}
