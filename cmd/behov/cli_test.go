package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
)

// fails runs a command that must fail with one line that has want in it.
func (h *household) fails(want string, args ...string) {
	h.t.Helper()
	code, out, errs := h.run(args...)
	line := strings.TrimSuffix(errs, "\n")
	if code != exitError || !strings.Contains(line, want) || strings.Contains(line, "\n") || !strings.HasPrefix(line, "behov: ") {
		h.t.Errorf("behov %s: exit status %d\n%s%q\nwant one line with %q", strings.Join(args, " "), code, out, errs, want)
	}
}

// says runs a command that must succeed and say all that is wanted.
func (h *household) says(args []string, want ...string) string {
	h.t.Helper()
	out := h.ok(args...)
	for _, w := range want {
		if !strings.Contains(out, w) {
			h.t.Errorf("behov %s does not say %q:\n%s", strings.Join(args, " "), w, out)
		}
	}
	return out
}

// applied is a household in which everyone has what they need.
func applied(t *testing.T) *household {
	t.Helper()
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	return h
}

// TestWhoDecidesNeedNotBeKnownToImport: BEHOV_BY in a person's profile is no
// reason for the first import to fail, nor for any other that decides nothing;
// what decides says where the name is from.
func TestWhoDecidesNeedNotBeKnownToImport(t *testing.T) {
	t.Setenv("BEHOV_BY", "7777")
	h := newHousehold(t)
	h.says([]string{"hr", "import", h.file("hr.csv")}, "10 new people")
	h.ok("apply", "--yes")
	h.fails("the person who decides, by the environment variable BEHOV_BY: no person matches that (\"7777\")", "suspend", "1004", "--reason", "dismissed")
	h.fails("the person who decides, by --by: no person matches that (\"8888\")", "suspend", "1004", "--reason", "dismissed", "--by", "8888")
}

// TestAnImportThatTookNothingFails: and one that took a part counts rows, not
// problems.
func TestAnImportThatTookNothingFails(t *testing.T) {
	h := newHousehold(t)
	content, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(content)), "\n")
	broken := strings.Replace(strings.Replace(lines[1], "school", "moon", 1), "20", "x", 1)
	for name, text := range map[string]string{"none.csv": lines[0] + "\n" + broken + "\n", "some.csv": strings.Join(append(lines, strings.Replace(broken, "1001", "7777", 1)), "\n")} {
		if err := os.WriteFile(h.file(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"hr", "import", h.file("none.csv")}, {"--json", "hr", "import", h.file("none.csv")}} {
		if code, out, errs := h.run(args...); code != exitError || !strings.Contains(out, "every row was left out") && args[0] != "--json" {
			t.Errorf("%s: exit status %d\n%s%s", args, code, out, errs)
		}
	}
	h.says([]string{"hr", "import", h.file("some.csv")}, "1 row left out; the people concerned keep the access they have.", "10 new people")
	h.says([]string{"hr", "import", "--made", "now", h.file("hr.csv")}, "nothing new") // its file is the oldest
}

// TestAnImportWithAFutureDateStopsNoLaterOne: the date in a file's name is warned of, the
// next file goes in, and --made takes no date to come.
func TestAnImportWithAFutureDateStopsNoLaterOne(t *testing.T) {
	h := newHousehold(t)
	text, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range [][2]string{{"personal-2062-12-01.csv", ""}, {"personal.csv", "\n"}} { // in the order in which they are made
		if err := os.WriteFile(h.file(file[0]), append(text, file[1]...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h.says([]string{"hr", "import", h.file("personal-2062-12-01.csv")}, "the date in the file's name, 2062-12-01, lies in the future", "1 warning to look at")
	h.says([]string{"hr", "import", h.file("personal.csv")}, "nothing new")
	h.says([]string{"hr", "import", "--made", "now", h.file("hr.csv")}, "nothing new")
	h.fails("--made: \"2062-12-01\" lies in the future", "hr", "import", "--made", "2062-12-01", h.file("hr.csv"))
	// A row that goes with one that is named is counted apart.
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	twice := append(lines, lines[1]+"9")
	if err := os.WriteFile(h.file("personal.csv"), []byte(strings.Join(twice, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.says([]string{"hr", "import", "--made", "now", h.file("personal.csv")}, "2 rows left out (1 named above, and 1 of the same people or employments, or with the same mistake); the people concerned keep the access they have.")
}

func TestInitLeavesWhatIsThere(t *testing.T) {
	h := newHousehold(t)
	key, err := os.ReadFile(h.file("behov.key"))
	if err != nil {
		t.Fatal(err)
	}
	h.edit("policy.csv", "everybody who works here", "everybody, says the chief,")
	if err := os.Remove(h.file("units.csv")); err != nil {
		t.Fatal(err)
	}
	h.says([]string{"init", h.dir}, "Wrote units.csv to", "Left alone, as they were there: .gitignore, behov.key, behov.yaml")
	after, err := os.ReadFile(h.file("behov.key"))
	if err != nil || !bytes.Equal(key, after) {
		t.Errorf("the key was replaced: %v", err)
	}
	h.edit("policy.csv", "everybody, says the chief,", "everybody who works here")
	for _, name := range []string{"behov.key", "behov.yaml"} {
		if info, err := os.Stat(h.file(name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	h.says([]string{"check"}, "Configuration OK: 9 entitlements, 8 rules, 1 target (all of which answer).")
	h.says([]string{"check", "--offline"}, "1 target (not asked)")
}

func TestCheckNamesThePlace(t *testing.T) {
	h := newHousehold(t)
	h.edit("policy.csv", "r.sub.job_code == '2120'", "r.sub.jobcode == '2120'")
	for _, args := range [][]string{{"check"}, {"check", "--json"}, {"plan"}, {"hr", "import", h.file("hr.csv")}} {
		code, out, errs := h.run(args...)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		if code != exitError || out != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], "policy.csv:17:15: rule teachers: unknown attribute r.sub.jobcode") || lines[1] != "behov: the configuration has 1 problem" {
			t.Errorf("behov %v: %d\n%s%s", args, code, out, errs)
		}
	}
	h.edit("policy.csv", "r.sub.jobcode", "r.sub.job_code")
	if err := os.WriteFile(h.file("directory.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := h.run("check"); code != exitError || !strings.Contains(errs, "target directory") || !strings.HasSuffix(errs, "behov: 1 target cannot be used\n") {
		t.Errorf("a target that cannot be read: %d, %s", code, errs)
	}
}

func TestASavedPlanIsAppliedOnce(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	if code, out, errs := h.run("plan", "-o", h.file("p")); code != exitChanges || !strings.Contains(out, "Saved as ") {
		t.Fatalf("%d\n%s%s", code, out, errs)
	}
	if info, err := os.Stat(h.file("p")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the plan's file: %v, %v", info.Mode(), err)
	}
	h.says([]string{"apply", h.file("p")}, "applied: 10 accounts created", "applied).")
	h.fails("the saved plan is out of date: target directory changed. Make a new plan", "apply", h.file("p"))
	h.fails("is no saved plan", "apply", h.file("hr.csv"))
	h.fails("no such file", "apply", h.file("none"))
	saved, err := os.ReadFile(h.file("p"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.file("p"), bytes.Replace(saved, []byte(`"all-staff"`), []byte(`"finance-ledger"`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	h.fails("the plan was changed after it was made", "apply", h.file("p"))
}

func TestExplain(t *testing.T) {
	h := applied(t)
	h.says([]string{"explain", "1004", "school:register"}, "Sven Öberg (1004)", "school:register: has\n", "employment E4", "rule teachers@", "policy.csv:17", "teachers keep the register")
	h.says([]string{"explain", "1004", "library:loans"}, "library:loans: has not\n", "nearest: rule librarians-half-time@", "fails  r.sub.percent >= 50   — percent is 25")
	h.says([]string{"explain", "1005", "care:record"}, "care:record: waits", "MFA is demanded and not enrolled")
	h.says([]string{"explain", "sven.oberg@example.org"}, "base:staff: has\n", "library:desk: has\n", "school:register: has\n")
	h.fails(`there is no entitlement "loans" in the catalogue; did you mean "library:loans"?`, "explain", "1004", "loans")
	h.fails(`9999`, "explain", "9999")
	h.fails("behov explain takes PERSON [ENTITLEMENT]", "explain")
}

// What a person decided about access that no rule gives can be explained, too.
func TestExplainADecisionWithoutARule(t *testing.T) {
	h := applied(t)
	target, err := memory.New(memory.Config{File: h.file("directory.json")})
	if err != nil {
		t.Fatal(err)
	}
	observed := plan.NewObserved()
	if _, err := target.Snapshot(t.Context(), observed); err != nil {
		t.Fatal(err)
	}
	for account := range observed.All() {
		if account.Name == "amihad" {
			target.Apply(t.Context(), []connectors.Change{{Op: connectors.AddMember, Account: connectors.AccountRef{ID: account.ID}, Entitlement: "library-desk"}})
		}
	}
	h.ok("apply", "--yes")
	h.says([]string{"explain", "1003", "library:desk"}, "library:desk: has, and no rule, request or decision gives it")
	h.ok("review", "start", "--system", "library", "--by", "1006")
	item := ""
	for _, line := range strings.Split(h.ok("review", "list"), "\n") {
		if strings.Contains(line, "Amira Haddad") {
			item = strings.Fields(line)[0]
		}
	}
	h.ok("review", "decide", item, "keep", "--reason", "covers on Saturdays", "--by", "1006")
	h.says([]string{"explain", "1003", "library:desk"}, "library:desk: keeps", "kept by decision 1 by Elin Sjögren (1006): covers on Saturdays")
	h.ok("review", "decide", item, "revoke", "--reason", "no longer", "--by", "1006")
	h.says([]string{"explain", "1003", "library:desk"}, "library:desk: loses at the next apply", "revoked by decision 2")
	h.ok("apply", "--yes")
	h.says([]string{"explain", "1003", "library:desk"}, "library:desk: has not")
}

func TestReviews(t *testing.T) {
	h := applied(t)
	t.Setenv("BEHOV_BY", "")
	h.fails("say which person decides", "review", "start", "--system", "library")
	h.fails(`there is no system "librarium"`, "review", "start", "--system", "librarium", "--by", "1006")
	h.fails("the person who decides", "review", "start", "--system", "library", "--by", "9999")
	h.says([]string{"review", "start", "--system", "library", "--preview", "--by", "1006"}, "It would ask 2 questions: 2 about rules and 0 about access, where one for each holder would be 3.")
	h.fails("one of a system, a unit", "review", "start", "--system", "library", "--everything", "--by", "1006")
	h.says([]string{"review", "start", "--system", "library", "--all", "--by", "1006"}, "Review 1 started with 5 questions: 2 about rules and 3 about access")
	own, other := "", ""
	for _, line := range strings.Split(h.ok("review", "list"), "\n") {
		switch {
		case strings.Contains(line, "Elin Sjögren"):
			own = strings.Fields(line)[0]
		case strings.Contains(line, "Sven Öberg"):
			other = strings.Fields(line)[0]
		}
	}
	h.fails("no one decides about themselves", "review", "decide", own, "keep", "--reason", "mine", "--by", "1006")
	h.fails("a decision needs a reason", "review", "decide", other, "revoke", "--by", "1006")
	h.fails("is no answer: keep, revoke, change-rule or not-mine", "review", "decide", other, "perhaps", "--reason", "r", "--by", "1006")
	h.fails("is no review item", "review", "decide", "first", "keep", "--reason", "r", "--by", "1006")
	h.fails(`there is no review item "1-99"`, "review", "decide", "1-99", "keep", "--reason", "r", "--by", "1006")
	t.Setenv("BEHOV_BY", "1006")
	h.says([]string{"review", "decide", other, "revoke", "--reason", "works in the school now"}, "Decided: access revoked (item ", "It goes at the next apply.")
	if out := h.ok("review", "list"); strings.Contains(out, "Sven Öberg") {
		t.Errorf("what is decided is listed: %s", out)
	}
	h.says([]string{"review", "list", "--all"}, "revoke by Elin Sjögren (1006)")
	h.ok("apply", "--yes")
	h.says([]string{"audit", "access", "1004", "--from", "2020-01-01"}, "library:desk", "revoked by decision 1 by Elin Sjögren (1006): works in the school now")
	h.says([]string{"plan"}, "nothing to do")
	h.fails("have no answer", "review", "sign-off", "1", "--reason", "r")
	for _, line := range strings.Split(h.ok("review", "list"), "\n")[1:] {
		if f := strings.Fields(line); len(f) > 1 {
			by, verdict := "1006", "keep"
			if strings.Contains(strings.Join(f[:4], " "), "Elin Sjögren") {
				by = "1001" // an administrator
			}
			if f[1] == "rule" {
				verdict = "change-rule"
			}
			h.ok("review", "decide", f[0], verdict, "--reason", "only the desk", "--by", by)
		}
	}
	h.says([]string{"review", "tasks"}, "rule librarians gives library:desk", "Elin Sjögren (1006): only the desk", "-p, librarians, \"r.sub.unit == 'library'\"")
	h.says([]string{"review", "report", "1"}, "Review 1: system library", "Answers until")
	h.says([]string{"review", "sign-off", "1", "--reason", "done"}, "review signed off")
	h.says([]string{"review", "status"}, "signed off by Elin Sjögren (1006)", "5 of 5")
	h.fails("is signed off", "review", "decide", other, "keep", "--reason", "r")
	h.says([]string{"review", "due"}, "0 reviews ended.")
}

func TestHolds(t *testing.T) {
	h := applied(t)
	h.says([]string{"hold", "list"}, "No holds are waiting for a decision.")
	h.edit("hr.csv", ",,,,no,", ",2026-01-31,,,no,")
	h.ok("hr", "import", h.file("hr.csv"))
	if code, out, _ := h.run("plan"); code != exitHeld || !strings.Contains(out, "HELD in directory: it would close the accounts of 8 people, where 10 have an account in directory") {
		t.Fatalf("%d, %s", code, out)
	}
	digest := strings.Fields(h.says([]string{"hold", "list"}, "plan of directory"))[0]
	h.says([]string{"hold", "show", digest[:6]}, digest, ", until ", "8 accounts disabled", "Karin Lindqvist (1001)", "- disable account", "ended")
	t.Setenv("BEHOV_BY", "")
	h.fails("say which person decides", "hold", "release", digest, "--reason", "r")
	h.fails("no person matches", "hold", "release", digest, "--reason", "r", "--by", "7777")
	h.fails("nothing is held whose digest begins with", "hold", "release", "ffffffffffffffff", "--reason", "r", "--by", "1008")
	h.fails(`nothing is held whose digest begins with ""`, "hold", "release", "", "--reason", "r", "--by", "1008")
	h.fails("a decision needs a reason", "hold", "release", digest, "--reason", " ", "--by", "1008")
	h.says([]string{"hold", "reject", digest, "--reason", "no", "--by", "1008"}, "Rejected: hold "+digest+": ", " steps of 8 people in directory stay undone.")
	h.says([]string{"hold", "list"}, "No holds are waiting for a decision.", "1 hold was rejected and stays held")
	h.says([]string{"hold", "list", "--all"}, "reject by ")
	if code, _, _ := h.run("apply", "--yes"); code != exitHeld {
		t.Errorf("rejected, apply exits with %d", code)
	}
	h.says([]string{"audit", "who-had", "base:staff"}, "Karin Lindqvist")
	h.says([]string{"hold", "release", digest[:6], "--reason", "it is so", "--by", "1008"}, "Released: hold "+digest+": ", " steps of 8 people in directory go through at the next apply, or with behov serve at once.")
	h.ok("apply", "--yes")
	if out := h.ok("audit", "who-had", "base:staff"); strings.Contains(out, "Karin Lindqvist") {
		t.Errorf("released, and still: %s", out)
	}
}

// TestHoldDecisionsSayWhatWasDecidedOn: a release of two people names them, one of
// an import says nothing of steps, and reject has examples of its own.
func TestHoldDecisionsSayWhatWasDecidedOn(t *testing.T) {
	h := applied(t)
	before, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	h.edit("hr.csv", ",,,,no,", ",2026-01-31,,,no,")
	h.ok("hr", "import", h.file("hr.csv"))
	h.run("plan")
	digest := strings.Fields(h.says([]string{"hold", "list"}, "plan of directory"))[0]
	out := h.says([]string{"hold", "reject", digest, "--person", "1001", "--reason", "no", "--by", "1008"}, "Rejected: hold "+digest+": ", " of Karin Lindqvist (1001) in directory stay", " undone.")
	if strings.Contains(out, "people") || strings.Contains(out, "apply") {
		t.Errorf("one person: %s", out)
	}
	lines := strings.SplitAfter(string(before), "\n")
	if err := os.WriteFile(h.file("hr.csv"), []byte(lines[0]+lines[1]+lines[9]), 0o600); err != nil {
		t.Fatal(err)
	}
	h.run("hr", "import", h.file("hr.csv"))
	digest = strings.Fields(h.says([]string{"hold", "list"}, "hr-import of hr"))[0]
	h.says([]string{"hold", "reject", digest, "--reason", "half", "--by", "1008"}, "Rejected: hold "+digest+": the import of hr stays out.")
	if _, again, _ := h.run("hr", "import", h.file("hr.csv")); !strings.Contains(again, "this import was rejected by ") || !strings.Contains(again, "(1008) (decision 2): half\n") {
		t.Errorf("a rejected file once more: %s", again)
	}
	out = h.says([]string{"hold", "release", digest, "--reason", "whole", "--by", "1008"}, "Released: hold "+digest+": the import of hr goes in at the next import of the same file.")
	if strings.Contains(out, "apply") || strings.Contains(out, "step") {
		t.Errorf("an import: %s", out)
	}
	if help := h.says([]string{"hold", "reject", "--help"}, "behov hold reject 3f9c2a --reason"); strings.Contains(help, "two have left") || strings.Contains(help, "closes on 1 July") {
		t.Errorf("the examples of a release: %s", help)
	}
}

// TestAHoldOfSeveralKindsIsAList checks that a held import with several kinds of changes
// prints a line for each, with its count and up to three people.
func TestAHoldOfSeveralKindsIsAList(t *testing.T) {
	h := applied(t)
	text, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer(",library,4410,", ",library,,", ",home-care,5330,", ",home-care,,", ",home-care,3300,", ",home-care,,", ",finance,1520,", ",finance,,", ",nursing-home,3300,", ",,3300,", ",2009-05-04,", ",2099-05-04,").Replace(string(text)))
	if err := os.WriteFile(h.file("hr.csv"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	reasons := func(out string) (lines []string) {
		for _, line := range strings.Split(out, "\n") {
			if strings.HasPrefix(line, "  - ") {
				lines = append(lines, line)
			}
		}
		return lines
	}
	code, out, _ := h.run("hr", "import", h.file("hr.csv"))
	lines := reasons(out)
	if code != exitHeld || len(lines) != 3 || !strings.HasPrefix(lines[0], "  - 1 active employment has a start in the future") || !strings.HasPrefix(lines[1], "  - 4 cells are empty in the file and were not before, in the column job_code:") ||
		!strings.HasSuffix(lines[1], " and 1 more): behov hr imports --problems") || !strings.Contains(lines[1], "Sven Öberg (1004), Ali Karimi (1007), Peter Nyström (1009)") || !strings.HasPrefix(lines[2], "  - 1 cell is empty in the file and was not before, in the column unit:") {
		t.Errorf("%d, %s", code, out)
	}
	for _, args := range [][]string{{"hold", "list"}, {"hold", "show", strings.Fields(h.ok("hold", "list"))[0]}} {
		out := h.ok(args...)
		if lines := reasons(out); len(lines) != 3 || !strings.Contains(lines[0], "(Elin Sjögren (1006))") || !strings.Contains(lines[2], "(Maria Łukasik (1005))") {
			t.Errorf("%v: %s", args, out)
		}
	}
}

func TestAuditQuestions(t *testing.T) {
	h := newHousehold(t)
	h.now = func() time.Time { return time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC) }
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.says([]string{"audit", "who-had", "account"}, "Karin Lindqvist", "2026-11-02 10:00:00", "now")
	h.says([]string{"audit", "who-had", "care:record"}, "No one had care:record then.")
	h.says([]string{"audit", "who-had", "base:staff", "--at", "2026-11-02T10:00:00+01:00"}, "Karin Lindqvist")
	h.says([]string{"audit", "who-had", "base:staff", "--at", "2026-11-02 09:59:59"}, "No one had")
	h.says([]string{"audit", "access", "1004", "--to", "2026-11-01"}, "Nothing then.")
	h.fails(`no entitlement "base:stuff" is in the catalogue or was ever given`, "audit", "who-had", "base:stuff")
	h.fails("--at: \"yesterday\" is no instant", "audit", "who-had", "base:staff", "--at", "yesterday")
	h.fails("--from:", "audit", "access", "1004", "--from", "2026-02-30")
	h.fails("--at goes without --from and --to", "audit", "access", "1004", "--at", "2026-11-02", "--to", "2026-11-03")
	h.says([]string{"audit", "verify"}, "Audit trail verified: ")
}

// Nothing but the answer is on standard output, whatever it is that failed.
func TestFailuresAreOneLineOnStandardError(t *testing.T) {
	h := newHousehold(t)
	for want, args := range map[string][]string{
		`unknown command "plann" for "behov"; Did you mean this? plan`: {"plann"},
		"unknown flag":                   {"plan", "--colour"},
		"behov hr import takes FILE":     {"hr", "import"},
		"no such file":                   {"hr", "import", h.file("none.csv")},
		"which source is it from":        {"hr", "import", "--source", "payroll", h.file("hr.csv")},
		"apply changes your targets":     {"apply"},
		"--as-of":                        {"plan", "--as-of", "2026-02-30"},
		"2020-01-01 has passed":          {"plan", "--as-of", "2020-01-01"},
		"nobody":                         {"plan", "--person", "nobody"},
		"is the first apply done?":       {"review", "start", "--system", "library", "--by", "1006"},
		"the line of column names":       {"hr", "import", h.file("policy.csv")},
		"is there and is no saved plan:": {"plan", "-o", h.file("hr.csv")},
	} {
		if want == "is the first apply done?" {
			h.ok("hr", "import", h.file("hr.csv"))
		}
		h.fails(want, args...)
		if _, out, _ := h.run(args...); out != "" && want != "is there and is no saved plan:" {
			t.Errorf("behov %v says on standard output: %s", args, out)
		}
	}
	missing := filepath.Join(h.dir, "none")
	if code, _, errs := h.run("-c", missing, "plan"); code != exitError || !strings.Contains(errs, "behov.yaml: there is no such file in "+missing) {
		t.Errorf("no configuration: %d, %s", code, errs)
	}
	if err := os.Remove(h.file("behov.key")); err != nil {
		t.Fatal(err)
	}
	h.fails("the key that personal values are sealed with (key: file:behov.key)", "plan")
}

// A row that cannot be read is told of without naming whom it is about.
func TestABadRowOfAProtectedPerson(t *testing.T) {
	h := applied(t)
	h.edit("hr.csv", "2010-08-16", "2010-02-30")
	_, out, errs := h.run("hr", "import", h.file("hr.csv"))
	if !strings.Contains(out, "hr.csv:10") {
		t.Errorf("the row is not named: %s%s", out, errs)
	}
	for _, secret := range []string{"Lena", "Bergström", "lena.", "19770404", "0026"} {
		if strings.Contains(out+errs, secret) {
			t.Errorf("%q is said: %s%s", secret, out, errs)
		}
	}
	h.says([]string{"plan"}, "nothing to do")
}

// Every command prints its help, from which its examples can be copied: they
// name commands and flags that there are.
func TestHelpIsPrinted(t *testing.T) {
	h := newHousehold(t)
	root := (&app{}).root()
	var visit func(c *cobra.Command)
	visit = func(c *cobra.Command) {
		args := strings.Fields(c.CommandPath())[1:]
		h.says(append(args, "--help"), "Usage:", "behov")
		for _, line := range strings.Split(c.Example, "\n") {
			for _, part := range strings.Split(line, "&&") {
				words := strings.Fields(part)
				if len(words) < 2 || words[0] != "behov" {
					continue
				}
				found, rest, err := root.Find(words[1:])
				if err != nil || !found.Runnable() {
					t.Errorf("the example %q: %v", part, err)
					continue
				}
				for _, word := range rest {
					if name, ok := strings.CutPrefix(word, "--"); ok && found.Flags().Lookup(name) == nil && root.PersistentFlags().Lookup(name) == nil {
						t.Errorf("the example %q: there is no flag --%s", part, name)
					}
				}
			}
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit(root)
}

// TestErrorsTellInstantsInTheZone: to the second, in the zone of the installation, of each
// of several errors.
func TestErrorsTellInstantsInTheZone(t *testing.T) {
	older := &hr.OutdatedExportError{Reason: reason.Of(reason.ExportOlder{File: "hr.csv", Made: time.Date(2026, 6, 30, 22, 1, 2, 0, time.UTC), Last: time.Date(2026, 6, 30, 22, 1, 3, 0, time.UTC)})}
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	if code := status(inZone{errors.Join(older, errors.New("other"), exit(exitHeld)), zone}, &said); code != exitError {
		t.Errorf("exit status %d", code)
	}
	want := "behov: hr.csv was made 2026-07-01 00:01:02, before what was imported last, made 2026-07-01 00:01:03"
	if !strings.HasPrefix(said.String(), want) || !strings.HasSuffix(said.String(), "\nbehov: other\n") {
		t.Errorf("%q, want %q", said.String(), want)
	}
}
