package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/testenv"
)

// TestWholePathOnPostgreSQL takes the example from HR file to verified trail
// with PostgreSQL as the database.
func TestWholePathOnPostgreSQL(t *testing.T) {
	url := testenv.StartPostgres(t).Database()
	t.Setenv("BEHOV_TEST_DATABASE", url)
	dir := filepath.Join(t.TempDir(), "k")
	behov := func(want string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		code := status(run(t.Context(), append([]string{"-c", dir}, args...), nil, &out, &errs), &errs)
		if !strings.Contains(out.String(), want) {
			t.Fatalf("behov %s: exit status %d, want %q in\n%s%s", strings.Join(args, " "), code, want, out.String(), errs.String())
		}
	}
	behov("Wrote", "init", dir)
	file := filepath.Join(dir, "behov.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, bytes.Replace(b, []byte("database: sqlite:behov.db"), []byte("database: env:BEHOV_TEST_DATABASE"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	behov("Configuration OK", "check")
	behov("10 new people", "hr", "import", filepath.Join(dir, "hr.csv"))
	behov("10 accounts created", "plan")
	behov("30 applied", "apply", "--yes")
	behov("nothing to do", "plan")
	behov("library:desk: has", "explain", "1004")
	behov("Sven Öberg (1004)", "audit", "who-had", "school:register")
	behov("Review 1 started with", "review", "start", "--system", "library", "--all", "--by", "1006")
	behov("access revoked", "review", "decide", "1-3", "revoke", "--reason", "no longer", "--by", "1006")
	behov("1 entitlement taken away", "apply", "--yes")
	behov("Audit trail verified", "audit", "verify")
	if _, err := os.Stat(filepath.Join(dir, "behov.db")); err == nil {
		t.Error("a SQLite database was made all the same")
	}
}
