package memory_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
)

// TestWhatAKillLeftIsSwept: temporary files of the target's file are removed when
// it is written next, and nothing else is.
func TestWhatAKillLeftIsSwept(t *testing.T) {
	dir := t.TempDir()
	old, fresh := time.Now().Add(-2*time.Hour), time.Now()
	files := map[string]time.Time{".directory.json-123": old, ".directory.json-456": fresh, ".directory.json-mine": old, ".directory.json-": old, "directory.json-789": old}
	for name, at := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	c, err := memory.New(memory.Config{File: filepath.Join(dir, "directory.json")})
	if err != nil {
		t.Fatal(err)
	}
	if r := c.Apply(t.Context(), []connectors.Change{{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: "a", Anchor: "1"}}})[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	for name := range files {
		_, err := os.Stat(filepath.Join(dir, name))
		if gone := err != nil; gone != (name == ".directory.json-123") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
