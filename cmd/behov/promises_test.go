package main

import (
	"bytes"
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/testenv"
)

// TestMain runs the tests, or, for tests that run a shell, the command itself.
func TestMain(m *testing.M) {
	if os.Getenv("BEHOV_TEST_COMMAND") != "" {
		main()
	}
	os.Exit(testenv.Main(m))
}

// household is an initialised example in which commands are run in process.
type household struct {
	t   *testing.T
	dir string
	now func() time.Time
	url string   // of the database, when it is not the usual one
	ids []string // that golden files call by their number
}

func newHousehold(t *testing.T) *household {
	t.Helper()
	h := &household{t: t, dir: filepath.Join(t.TempDir(), "k"), now: time.Now}
	h.ok("init", h.dir)
	// Most tests are not about who may decide.
	if _, set := os.LookupEnv("BEHOV_BY"); !set {
		t.Setenv("BEHOV_BY", "1009")
	}
	var all strings.Builder
	for key := 1001; key <= 1010; key++ {
		if key != 1007 { // who can be merged and erased
			fmt.Fprintf(&all, "g, hr/%d, administrator\n", key)
		}
	}
	if err := os.WriteFile(h.file("rights.csv"), []byte(all.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if testenv.OnPostgres() {
		h.moveTo(testenv.Database(t))
	}
	return h
}

// moveTo makes another database the household's.
func (h *household) moveTo(url string) {
	h.t.Helper()
	if err := os.WriteFile(h.file("database.url"), []byte(url), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if h.url == "" {
		h.edit("behov.yaml", "database: sqlite:behov.db", "database: file:database.url")
	}
	h.url = url
}

// database is the household's database behind behov's back.
func (h *household) database() *sql.DB {
	h.t.Helper()
	return testenv.Raw(h.t, cmp.Or(h.url, "sqlite:"+h.file("behov.db")))
}

func (h *household) run(args ...string) (code int, stdout, stderr string) {
	h.t.Helper()
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: h.now}
	root := a.root()
	root.SetArgs(append([]string{"-c", h.dir}, args...))
	root.SetOut(&out)
	root.SetErr(&errs)
	code = status(root.ExecuteContext(h.t.Context()), &errs)
	return code, out.String(), errs.String()
}

func (h *household) ok(args ...string) string {
	h.t.Helper()
	code, out, errs := h.run(args...)
	if code != 0 {
		h.t.Fatalf("behov %s: exit status %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func (h *household) file(name string) string { return filepath.Join(h.dir, name) }

func (h *household) edit(name, old, text string) {
	h.t.Helper()
	b, err := os.ReadFile(h.file(name))
	if err != nil {
		h.t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		h.t.Fatalf("%s has no %q", name, old)
	}
	if err := os.WriteFile(h.file(name), []byte(strings.ReplaceAll(string(b), old, text)), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func TestExitStatuses(t *testing.T) {
	h := newHousehold(t)
	want := func(want int, args ...string) string {
		t.Helper()
		code, out, errs := h.run(args...)
		if code != want {
			t.Fatalf("behov %s: exit status %d, want %d\n%s%s", strings.Join(args, " "), code, want, out, errs)
		}
		if code == exitError && strings.Count(strings.TrimSpace(errs), "\n") > 0 {
			t.Errorf("behov %s: more than a line: %s", strings.Join(args, " "), errs)
		}
		return out + errs
	}
	want(0, "plan")
	want(0, "hr", "import", h.file("hr.csv"))
	want(exitChanges, "plan")
	want(exitError, "apply")
	want(0, "apply", "--yes")
	want(0, "plan")
	want(exitError, "plan", "--as-of", "tomorrow")
	want(exitError, "plan", "--person", "nobody")
	want(exitError, "explain", "1004", "loans")
	// Everyone but the first two vanishes from the export: it is held.
	b, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(b), "\n")
	if err := os.WriteFile(h.file("cut.csv"), []byte(strings.Join(lines[:3], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	want(exitHeld, "hr", "import", h.file("cut.csv"))
	want(0, "plan")
	// Eight of ten leave for good, in a whole file: the plan is held.
	h.edit("hr.csv", ",,,,no,", ",2026-01-31,,,no,")
	want(0, "hr", "import", h.file("hr.csv"))
	held := want(exitHeld, "plan", "-o", h.file("p"))
	want(exitHeld, "apply", h.file("p"))
	digest := strings.Fields(held[strings.Index(held, "hold release ")+len("hold release "):])[0]
	want(exitError, "hold", "release", digest)
	want(0, "hold", "release", digest, "--reason", "so it is", "--by", "1008")
	if out := want(exitError, "apply", h.file("p")); !strings.Contains(out, "1 decisions were made") {
		t.Errorf("after the release the old plan says %s", out)
	}
	want(exitChanges, "plan")
	want(0, "apply", "--yes")
	want(0, "audit", "verify")
}

// TestJSON: with --json every command prints one JSON value, and nothing else,
// on standard output.
func TestJSON(t *testing.T) {
	h := newHousehold(t)
	for _, args := range []string{"check", "hr import " + h.file("hr.csv"), "plan", "apply --yes", "explain 1004", "explain 1004 library:loans", "audit who-had school:register",
		"audit access 1004", "audit verify", "review start --system school --by 1001", "review list", "review decide 1-1 keep --reason r --by 1001", "hold list", "init " + h.dir} {
		_, out, errs := h.run(append(strings.Fields(args), "--json")...)
		var v any
		d := json.NewDecoder(strings.NewReader(out))
		if err := d.Decode(&v); err != nil || d.More() {
			t.Errorf("behov %s --json: %v\n%s%s", args, err, out, errs)
		}
	}
}

// TestProtectedIdentityIsMasked: no command, and no saved plan, names the
// person with protected identity, in any form.
func TestProtectedIdentityIsMasked(t *testing.T) {
	h := newHousehold(t)
	var said strings.Builder
	for _, args := range []string{"hr import " + h.file("hr.csv"), "plan -o " + h.file("p"), "plan --json", "apply --yes", "explain 1008", "explain 1008 --json", "explain 1008 care:record",
		"audit who-had base:staff", "audit who-had base:staff --json", "audit access 1008", "audit access 1008 --json", "review start --system school --by 1001", "review list", "review list --json", "plan --all",
		"people list", "people list --json", "people show 1008", "people show 1008 --json", "people duplicates", "people protect 1008 --reason r", "people legal-hold 1008 --reason r",
		"people merge 1008 1009 --reason r", "people split 1008 hr/1009 --reason r", "people apart 1008 1009 --reason r", "suspend 1008 --reason r", "suspend 1008 --lift --reason r --json",
		"people erase 1008 --reason r --yes", "plan --values --all", "plan --as-of 2027-01-01 --values", "account list 1008", "hr imports --problems", "hold list", "mfa pass 1008 --reason r",
		"account bind 1008 x --target directory --reason r", "audit verify", "explain nobody", "check", "connectors"} {
		_, out, errs := h.run(strings.Fields(args)...)
		said.WriteString(out + errs)
	}
	saved, err := os.ReadFile(h.file("p"))
	if err != nil {
		t.Fatal(err)
	}
	said.Write(saved)
	for _, secret := range []string{"Lena", "Bergström", "lenber", "lena.bergstrom", "19770404"} {
		if strings.Contains(said.String(), secret) {
			t.Errorf("%q is said", secret)
		}
	}
	if !strings.Contains(said.String(), "[protected identity] (1008)") {
		t.Error("the person is not spoken of at all: the test shows nothing")
	}
	for _, personal := range []string{"Sven", "sveobe", "example.org"} {
		if bytes.Contains(saved, []byte(personal)) {
			t.Errorf("the saved plan has %q in it", personal)
		}
	}
}

// TestWhoHadThenAndNow asks about two instants of a move.
func TestWhoHadThenAndNow(t *testing.T) {
	h := newHousehold(t)
	at := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	h.now = func() time.Time { return at }
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	at = at.AddDate(0, 0, 7)
	h.edit("hr.csv", "north-school,2120,Teacher", "library,4410,Librarian")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	at = at.AddDate(0, 0, 3)
	for when, want := range map[string]bool{"2026-11-01": false, "2026-11-02": true, "2026-11-05 12:00": true, "2026-11-09": true, "2026-11-10": false} {
		out := h.ok("audit", "who-had", "school:register", "--at", when)
		if strings.Contains(out, "Sven Öberg") != want {
			t.Errorf("at %s: %s", when, out)
		}
	}
	if out := h.ok("audit", "access", "1004", "--from", "2026-11-01", "--to", "2026-11-30"); !strings.Contains(out, "2026-11-09 10:00:00") || !strings.Contains(out, "it was given by rule teachers@") {
		t.Errorf("access says %s", out)
	}
}

// TestTamperingIsFound changes the audit trail behind the program's back.
func TestTamperingIsFound(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.ok("review", "start", "--system", "school", "--all", "--by", "1001")
	h.ok("review", "decide", "1-2", "revoke", "--reason", "r", "--by", "1001")
	db := h.database()
	for name, change := range map[string][2]string{
		"a reason":                 {`UPDATE audit_record SET reason = reason || 'x' WHERE idx = 5`, `UPDATE audit_record SET reason = substr(reason, 1, length(reason) - 1) WHERE idx = 5`},
		"a person":                 {`UPDATE audit_record SET entitlement = 'finance:ledger' WHERE idx = 9 AND entitlement = ''`, `UPDATE audit_record SET entitlement = '' WHERE idx = 9 AND entitlement = 'finance:ledger'`},
		"a decision":               {`UPDATE decision SET verdict = 'keep'`, `UPDATE decision SET verdict = 'revoke'`},
		"the head":                 {`UPDATE head SET audit_idx = audit_idx - 1`, `UPDATE head SET audit_idx = audit_idx + 1`},
		"whether access was given": {`UPDATE access_interval SET given = NOT given WHERE since_record = (SELECT min(since_record) FROM access_interval)`, `UPDATE access_interval SET given = NOT given WHERE since_record = (SELECT min(since_record) FROM access_interval)`},
		"why access was given":     {`UPDATE access_interval SET reason = reason || 'x' WHERE since_record = (SELECT min(since_record) FROM access_interval)`, `UPDATE access_interval SET reason = substr(reason, 1, length(reason) - 1) WHERE since_record = (SELECT min(since_record) FROM access_interval)`},
		"a stored interval":        {`UPDATE access_interval SET since_us = since_us - 1000000 WHERE since_record = (SELECT min(since_record) FROM access_interval)`, `UPDATE access_interval SET since_us = since_us + 1000000 WHERE since_record = (SELECT min(since_record) FROM access_interval)`},
	} {
		for i, statement := range change {
			if r, err := db.Exec(statement); err != nil {
				t.Fatal(err)
			} else if n, _ := r.RowsAffected(); n == 0 {
				t.Fatalf("%s: nothing was changed", name)
			}
			code, out, errs := h.run("audit", "verify")
			if want := []int{exitError, 0}[i]; code != want {
				t.Errorf("%s, %s: exit status %d\n%s%s", name, []string{"changed", "changed back"}[i], code, out, errs)
			}
		}
	}
	if _, err := db.Exec(`UPDATE review_item SET decision = NULL; DELETE FROM decision`); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := h.run("audit", "verify"); code != exitError || !strings.Contains(errs, "decisions are missing") {
		t.Errorf("the decisions are missing: %d, %s", code, errs)
	}
	if _, err := db.Exec(`DELETE FROM audit_record WHERE idx = 7`); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := h.run("audit", "verify"); code != exitError || !strings.Contains(errs, "record 8 follows record 6") {
		t.Errorf("a record is missing: %d, %s", code, errs)
	}
}

// TestHelp: every command says what it is for, with an example where it does
// something.
func TestHelp(t *testing.T) {
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if c.Short == "" || c.Runnable() && c.Example == "" {
			t.Errorf("%s: short %q, example %q", c.CommandPath(), c.Short, c.Example)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit((&app{}).root())
}

// TestDecidersWorkHere: the person who has left decides nothing any more.
func TestDecidersWorkHere(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.ok("review", "start", "--system", "school", "--by", "1002")
	h.edit("hr.csv", "1110,Head of education,permanent,100,1001,2012-08-15,", "1110,Head of education,permanent,100,1001,2012-08-15,2026-01-31")
	h.ok("hr", "import", h.file("hr.csv"))
	for _, args := range []string{"review start --system school --by 1002", "review decide 1-1 keep --reason r --by 1002"} {
		if code, _, errs := h.run(strings.Fields(args)...); code != exitError || !strings.Contains(errs, "only a person who works here today decides") {
			t.Errorf("behov %s: %d, %s", args, code, errs)
		}
	}
}

// TestSavingAPlanOverwritesNothingElse: -o takes a new file, or a saved plan.
func TestSavingAPlanOverwritesNothingElse(t *testing.T) {
	h := newHousehold(t)
	key, err := os.ReadFile(h.file("behov.key"))
	if err != nil {
		t.Fatal(err)
	}
	if code, _, errs := h.run("plan", "-o", h.file("behov.key")); code != exitError || !strings.Contains(errs, "is no saved plan") {
		t.Errorf("over the key: %d, %s", code, errs)
	}
	if after, err := os.ReadFile(h.file("behov.key")); err != nil || !bytes.Equal(after, key) {
		t.Error("the key is gone")
	}
	h.ok("plan", "-o", h.file("p"))
	h.ok("plan", "-o", h.file("p"))
}

// TestAPlanThatCouldNotReadATargetFails, as "nothing to do" would be a lie.
func TestAPlanThatCouldNotReadATargetFails(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	if err := os.WriteFile(h.file("directory.json"), []byte("{ broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"plan", "apply --yes", "check"} {
		if code, out, errs := h.run(strings.Fields(args)...); code != exitError {
			t.Errorf("behov %s: %d\n%s%s", args, code, out, errs)
		}
	}
}
