//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestInitClosesWhatItWrites: whatever the umask, what init writes is accepted,
// also in a directory that was there; and a key that was opened is not.
func TestInitClosesWhatItWrites(t *testing.T) {
	before := syscall.Umask(0o002)
	defer syscall.Umask(before)
	reachable := t.TempDir()
	for _, dir := range []string{filepath.Dir(reachable), reachable} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dir := filepath.Join(reachable, "there")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (string, error) {
		var out, errs strings.Builder
		err := run(context.Background(), args, strings.NewReader(""), &out, &errs)
		return out.String() + errs.String(), err
	}
	for _, dir := range []string{dir, filepath.Join(reachable, "new")} {
		if said, err := run("init", dir); err != nil {
			t.Fatal(said, err)
		}
		if said, err := run("-c", dir, "hr", "import", filepath.Join(dir, "hr.csv")); err != nil {
			t.Fatal(said, err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "behov.key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := run("-c", dir, "status"); err == nil || !strings.Contains(said+err.Error(), "permissions 0644") {
		t.Errorf("a key for all to read: %s, %v", said, err)
	}
}
