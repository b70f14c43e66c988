package signin_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

// secretName is what a value that lets somebody in is called here.
var secretName = regexp.MustCompile(`(?i)^(token|secret|code|hash|sum|state|nonce|verifier|password|cookie|sealed|value)$`)

// TestSecretsAreComparedInConstantTime reads the code by which people and programs are let
// in: no value that a client shows is compared with a secret by ==, which ends at the first
// difference. What is constant, as the empty text, is no secret.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	compared, constant := 0, 0
	for _, pattern := range []string{"*.go", "../store/tokens.go", "../store/sessions.go", "../api/api.go", "../outbound/handler.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			set := token.NewFileSet()
			parsed, err := parser.ParseFile(set, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch x := n.(type) {
				case *ast.CallExpr:
					switch calledAs(x) {
					case "subtle.ConstantTimeCompare":
						constant++
					case "bytes.Equal", "strings.EqualFold", "slices.Equal", "reflect.DeepEqual":
						for _, arg := range x.Args {
							if secretName.MatchString(lastName(arg)) {
								t.Errorf("%s: %s of %s", set.Position(x.Pos()), calledAs(x), lastName(arg))
							}
						}
					}
				case *ast.BinaryExpr:
					if x.Op != token.EQL && x.Op != token.NEQ || isConstant(x.X) || isConstant(x.Y) {
						return true
					}
					compared++
					for _, side := range []ast.Expr{x.X, x.Y} {
						if secretName.MatchString(lastName(side)) {
							t.Errorf("%s: %s is compared by %s", set.Position(x.Pos()), lastName(side), x.Op)
						}
					}
				}
				return true
			})
		}
	}
	if compared < 10 || constant < 4 {
		t.Errorf("%d comparisons were looked at, %d of them in constant time", compared, constant)
	}
}

// isConstant reports whether an expression is a literal, nil or a constant of net/http.
func isConstant(e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.BasicLit, *ast.CompositeLit:
		return true
	case *ast.Ident:
		return x.Name == "nil" || x.Name == "true" || x.Name == "false"
	case *ast.SelectorExpr:
		of, ok := x.X.(*ast.Ident)
		return ok && of.Name == "http"
	}
	return false
}

// lastName is the last name of an expression: hash of t.hash[:].
func lastName(e ast.Expr) string {
	switch x := e.(type) {
	case *ast.Ident:
		return x.Name
	case *ast.SelectorExpr:
		return x.Sel.Name
	case *ast.SliceExpr:
		return lastName(x.X)
	case *ast.ParenExpr:
		return lastName(x.X)
	}
	return ""
}

// calledAs is the name of the function that is called, with its package.
func calledAs(c *ast.CallExpr) string {
	s, ok := c.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	return lastName(s.X) + "." + s.Sel.Name
}

// TestNoSecretIsKept: the database has the hash of a token and of a session alone, by which
// they are found: how long a search takes tells of the hash, which nobody can choose.
func TestNoSecretIsKept(t *testing.T) {
	o := office.New(t, nil)
	text, made, err := store.NewToken(store.Token{Name: "a test", Owner: o.Person("staff").ID, Scopes: "*:read"}, o.Time, o.Time.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.DB.Write(t.Context(), func(tx *store.Tx) error {
		return tx.PutToken(t.Context(), made, store.Decision{Maker: identity.PersonActor(made.Owner)})
	}); err != nil {
		t.Fatal(err)
	}
	if _, refusal, err := o.DB.CheckToken(t.Context(), text, o.Time); err != nil || refusal != "" {
		t.Fatalf("the token: %s, %v", refusal, err)
	}
	for n := range text {
		for _, other := range []string{text[:n], text[:n] + "x" + text[n:], text[:n] + string(text[n]^1) + text[n+1:]} {
			if _, refusal, err := o.DB.CheckToken(t.Context(), other, o.Time); err != nil || refusal != store.TokenUnknown {
				t.Errorf("another at %d: %s, %v", n, refusal, err)
			}
		}
	}
	if strings.Contains(string(made.Hash), text) || len(made.Hash) != 32 {
		t.Errorf("%d bytes are kept of a token", len(made.Hash))
	}
}
