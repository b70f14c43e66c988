package wording_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commandText is what names a command or a flag of the program.
var commandText = regexp.MustCompile(`\bbehov (account|apply|audit|check|connectors|db|demo|enable|explain|help|hold|hr|init|mfa|pause|people|plan|resume|review|rights|serve|status|steps|suspend|target|token)\b|(^|\s)--[a-z]`)

// TestNoCommandsInInternalPackages: a package that pages and the API use does not tell its
// callers what to enter in a shell: package wording adds the hint that fits the place.
func TestNoCommandsInInternalPackages(t *testing.T) {
	// These are read in a shell only.
	allowed := map[string]string{
		"demo":   "the demo runs in a shell",
		"config": "the configuration is written by operators with a shell",
	}
	used := map[string]bool{}
	files := token.NewFileSet()
	err := fs.WalkDir(os.DirFS(".."), ".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		of, _, _ := strings.Cut(path, "/")
		if of == "testenv" || of == "wording" {
			return nil
		}
		f, err := parser.ParseFile(files, filepath.Join("..", path), nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			text, ok := n.(*ast.BasicLit)
			if !ok || text.Kind != token.STRING || !commandText.MatchString(strings.Trim(text.Value, "\"`")) {
				return true
			}
			if used[of] = true; allowed[of] == "" {
				t.Errorf("%s: %s", files.Position(text.Pos()), text.Value)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for of := range allowed {
		if _, err := os.Stat(filepath.Join("..", of)); err == nil && !used[of] {
			t.Errorf("package %s has no command in a string any more: take it out of the list", of)
		}
	}
}
