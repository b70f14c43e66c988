package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCompletion: the shell completes commands, topics, and names of the configuration, and
// no person; it opens no database.
func TestCompletion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "k")
	var out bytes.Buffer
	if err := run(t.Context(), []string{"init", dir}, nil, &out, &out); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"explain 1004 library:":  "library:desk",
		"explain ":               "",
		"audit who-had ":         "account",
		"pause ":                 "directory",
		"pause directory ":       "",
		"steps --target ":        "directory",
		"steps retry --target ":  "directory",
		"token make ":            "hr",
		"hr import --source ":    "hr",
		"review start --system ": "finance",
		"review decide 1-1 ":     "revoke",
		"help hol":               "holds",
		"help hold ":             "release",
		"hol":                    "hold",
		"people show ":           "",
	} {
		var out bytes.Buffer
		words := strings.Split(line, " ")
		if err := run(context.Background(), append([]string{"__complete", "-c", dir}, words...), nil, &out, &out); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		found := false
		for got := range strings.Lines(out.String()) {
			name, _, _ := strings.Cut(strings.TrimSpace(got), "\t")
			found = found || name == want
		}
		if want == "" { // nothing but the directive that says so: no file either
			found = strings.HasPrefix(out.String(), ":4\n")
		}
		if !found {
			t.Errorf("%q completes to\n%s", line, out.String())
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "behov.db")); err == nil {
		t.Error("completing made a database")
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var out bytes.Buffer
		if err := run(t.Context(), []string{"completion", shell}, nil, &out, &out); err != nil || !strings.Contains(out.String(), "behov") {
			t.Errorf("completion %s: %v", shell, err)
		}
	}
	// Without a configuration nothing is completed, and nothing is printed that the shell
	// would take for a word.
	out.Reset()
	if err := run(t.Context(), []string{"__complete", "-c", t.TempDir(), "pause", ""}, nil, &out, &out); err != nil || !strings.HasPrefix(out.String(), ":4\n") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
