package main

import (
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestReferenceIsCurrent: the topic is what the types and their comments say, and every
// setting has a description.
func TestReferenceIsCurrent(t *testing.T) {
	want, err := generate("../../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../topics/behov-yaml.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("topics/behov-yaml.md is not what the types say: run go generate ./internal/manual")
	}
	// Settings of each kind of type: of a target, by way of a map; embedded; without a
	// name; of another package.
	for _, key := range []string{"disable", "rdn_attribute", "placeholder", "mfa_attribute", "delimiter", "high_water", "requests_per_second", "token_url", "authoritative"} {
		if !strings.Contains(want, "- `"+key+"` (") {
			t.Errorf("the setting %s is not in it", key)
		}
	}
}

// TestSettingsNeedAComment: a setting without a comment is an error that names it.
func TestSettingsNeedAComment(t *testing.T) {
	dir := t.TempDir()
	source := "package config\n\ntype x struct {\n// Said is in the file.\nSaid string `yaml:\"said\"`\nUnsaid []int `yaml:\"unsaid\"`\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &reference{types: map[string]*ast.TypeSpec{}, docs: map[string]string{}}
	if err := r.parse(dir); err != nil {
		t.Fatal(err)
	}
	r.section(section{title: "x", path: "x", pkg: "config", t: r.types["config.x"].Type})
	if len(r.errs) != 1 || !strings.Contains(r.errs[0].Error(), "x.unsaid: there is no comment") {
		t.Errorf("%v", r.errs)
	}
}
