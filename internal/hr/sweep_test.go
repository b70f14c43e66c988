package hr_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/testenv"
)

// TestArchiveIsSwept checks that files that behov archived or refused are deleted
// after the retention period, and no others.
func TestArchiveIsSwept(t *testing.T) {
	f, dir := newFixture(t), t.TempDir()
	s := source
	s.Directory = &config.Directory{Path: dir, Pattern: "*.csv", Archive: filepath.Join(dir, "archive"), KeepDays: 30}
	put := func(name, text string, age int) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		when := now.AddDate(0, 0, -age)
		if err := os.Chtimes(filepath.Join(dir, name), when, when); err != nil {
			t.Fatal(err)
		}
	}
	left := func() string {
		var names []string
		_ = filepath.WalkDir(filepath.Join(dir, "archive"), func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				names = append(names, e.Name())
			}
			return nil
		})
		return strings.Join(names, " ")
	}
	put("a.csv", twoPeople, 400) // old when it arrives
	put("b.csv", "no export\n", 300)
	put("archive/notes.txt", "of a person of the house", 400)
	f.pulled(s, 2)
	if got := left(); got != "a.csv notes.txt b.csv b.csv.problem.txt" {
		t.Fatalf("archived: %s", got)
	}
	f.pulled(s, 0)
	if got := left(); got != "a.csv notes.txt b.csv b.csv.problem.txt" {
		t.Errorf("at once: %s", got)
	}
	later := now.AddDate(0, 0, 31)
	f.im.Now = func() time.Time { return later }
	f.pulled(s, 0)
	if got := left(); got != "notes.txt" {
		t.Errorf("a month later: %s", got)
	}
	found := ""
	for i := int64(1); ; i++ {
		r, err := f.db.Record(t.Context(), i)
		if err != nil {
			break
		}
		if r.Action == audit.ArchiveSwept {
			found += testenv.Words(r.Reason)
		}
	}
	if found != "2 files that were archived more than 30 days ago were deleted" {
		t.Errorf("the trail says %q", found)
	}
}
