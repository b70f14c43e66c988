package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/testenv"
)

// TestBackupAndRestore: a backup is made, more happens, the database is lost;
// what was restored knows what it knew, and brings everyone to where HR says
// they should be by now.
func TestBackupAndRestore(t *testing.T) {
	h := applied(t)
	h.ok("review", "start", "--system", "library", "--all", "--by", "1006")
	h.ok("review", "decide", "1-3", "revoke", "--reason", "no longer", "--by", "1006")
	backup := filepath.Join(t.TempDir(), "behov backup.db")
	h.says([]string{"backup", backup}, "Copied 10 people, 21 HR events", "the trail verifies", "behov.key")
	h.fails("is there already", "backup", backup)
	before, err := os.ReadFile(backup)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(backup), ".behov*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}

	// What the backup does not know: a person is hired, a person leaves.
	h.edit("hr.csv", "1004,E5,Sven,Öberg", "1099,E99,Nya,Nilsson")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.loseDatabase()
	h.fails("no person matches", "explain", "1004")
	h.loseDatabase()
	h.says([]string{"restore", backup}, "Copied 10 people", "behov plan", "every target is paused")
	if after, err := os.ReadFile(backup); err != nil || string(after) != string(before) {
		t.Errorf("the backup was changed: %v", err)
	}
	h.says([]string{"audit", "verify"}, "Audit trail verified")
	h.says([]string{"audit", "access", "1004"}, "library")
	h.ok("hr", "import", h.file("hr.csv"))
	if _, out, errs := h.run("apply", "--yes"); !strings.Contains(out, "Nothing to do") || !strings.Contains(errs, "PAUSED: EVERY target") || !strings.Contains(errs, "restored from behov backup.db") {
		t.Errorf("nothing goes on by itself: %s%s", out, errs)
	}
	h.ok("resume", "--reason", "there was nothing", "--by", "1006")
	h.fails("must be a new one", "restore", backup)
	h.ok("apply", "--yes")
	h.says([]string{"plan"}, "nothing to do")
	h.says([]string{"audit", "verify"}, "Audit trail verified")
	h.says([]string{"explain", "1099"}, "has")
	h.fails("no backup of behov", "restore", h.file("hr.csv"))
}

// TestANewDatabaseIsReportedOnce checks that the first command says where it
// created the database, and later ones do not.
func TestANewDatabaseIsReportedOnce(t *testing.T) {
	h := newHousehold(t)
	place := h.file("behov.db")
	if testenv.OnPostgres() {
		place = placeOf(h.url)
	}
	if _, _, errs := h.run("hr", "import", h.file("hr.csv")); strings.Count(errs, "database") != 1 || !strings.Contains(errs, "Created a new database at "+place+".\n") {
		t.Errorf("the first command: %s", errs)
	}
	if _, _, errs := h.run("plan"); strings.Contains(errs, "database") {
		t.Errorf("the second command: %s", errs)
	}
}

// loseDatabase leaves the household with a database in which nothing is.
func (h *household) loseDatabase() {
	h.t.Helper()
	if testenv.OnPostgres() {
		h.moveTo(testenv.Database(h.t))
		return
	}
	for _, name := range []string{"behov.db", "behov.db-wal", "behov.db-shm"} {
		_ = os.Remove(h.file(name))
	}
}

// TestMoveToPostgreSQL: what began on SQLite goes on, on PostgreSQL.
func TestMoveToPostgreSQL(t *testing.T) {
	t.Setenv("BEHOV_TEST_ON", "sqlite") // whatever the others are on
	h := applied(t)
	url := testenv.StartPostgres(t).Database()
	t.Setenv("BEHOV_TEST_DATABASE", url)
	h.fails("say where to", "db", "copy")
	h.fails("BEHOV_NOWHERE is not set", "db", "copy", "--to", "env:BEHOV_NOWHERE")
	h.fails("copied from", "db", "copy", "--to", "sqlite:"+h.file("behov.db"))
	h.says([]string{"db", "copy", "--to", "env:BEHOV_TEST_DATABASE"}, "Copied 10 people", "under database in behov.yaml")
	if _, _, errs := h.run("plan"); !strings.Contains(errs, "PAUSED: EVERY target") || strings.Contains(errs, "secret") {
		t.Errorf("nobody goes on with both: %s", errs)
	}
	h.edit("behov.yaml", "database: sqlite:behov.db", "database: env:BEHOV_TEST_DATABASE")
	if err := os.Remove(h.file("behov.db")); err != nil {
		t.Fatal(err)
	}
	if _, _, errs := h.run("plan"); strings.Contains(errs, "PAUSED") {
		t.Errorf("the copy is paused: %s", errs)
	}
	h.says([]string{"plan"}, "nothing to do")
	h.says([]string{"audit", "who-had", "school:register"}, "Sven Öberg (1004)")
	h.edit("hr.csv", "1004,E5,Sven,Öberg", "1099,E99,Nya,Nilsson")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.says([]string{"plan"}, "nothing to do")
	h.says([]string{"audit", "verify"}, "Audit trail verified")
	var said struct {
		Version  int64 `json:"schema_version"`
		Migrated []string
	}
	if err := json.Unmarshal([]byte(h.ok("db", "migrate", "--json")), &said); err != nil || said.Version < 1 || len(said.Migrated) > 0 {
		t.Errorf("%+v %v", said, err)
	}
	backup := filepath.Join(t.TempDir(), "b.db")
	h.says([]string{"backup", backup}, "Copied 11 people")
	if out := h.ok("db", "copy", "--to", "sqlite:"+h.file("again.db"), "--json"); !strings.Contains(out, `"person": 11`) {
		t.Error(out)
	}
}
