package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

var update = flag.Bool("update", false, "write the golden files and the documentation of the shapes")

// withoutJSON are commands that print no JSON.
var withoutJSON = []string{"demo", "serve"}

// notGolden are commands without a golden file, with the one that prints the same shape.
var notGolden = map[string]string{
	"enable":         "resume", // needs an account that another program disabled
	"people readmit": "resume", // needs an erased person
}

// golden compares what a command prints with its golden file. What differs from run to run is
// replaced.
func (h *household) golden(command, out string) {
	h.t.Helper()
	got := h.scrub(out)
	name := filepath.Join("testdata", "json", strings.ReplaceAll(command, " ", "-")+".golden")
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			h.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(name)
	if err != nil {
		h.t.Errorf("behov %s --json has no golden file: run the test with -update: %v", command, err)
		return
	}
	if got != string(want) {
		h.t.Errorf("behov %s --json is not %s: a program that reads it breaks. When it is meant, run the test with -update.\n%s", command, name, firstDifference(string(want), got))
	}
}

func firstDifference(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("line %d is\n%s\nand was\n%s", i+1, b[i], a[i])
		}
	}
	return fmt.Sprintf("it has %d lines and had %d", len(b), len(a))
}

var (
	personIDs = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	digests   = regexp.MustCompile(`\b[0-9a-f]{8,64}\b`)
	instants  = regexp.MustCompile(`20\d\d-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:\d\d)?`)
	logins    = regexp.MustCompile(`\bu[0-9a-f]{7}\b`)
	reported  = regexp.MustCompile(`\bR[A-Z2-7]{10}\b`) // the keys of reported people
	passes    = regexp.MustCompile(`"(token|pass)": "[^"]*"`)
	opaque    = regexp.MustCompile(`"(hash|prev|head|payload|public_key|checkpoint|proof|entry)":(\s?)"([^"\\]|\\.)*"`)
)

// scrub replaces IDs by their number, in the order in which the test met them.
func (h *household) scrub(out string) string {
	out = strings.ReplaceAll(out, h.dir, "DIR")
	out = personIDs.ReplaceAllStringFunc(out, func(id string) string {
		i := slices.Index(h.ids, id)
		if i < 0 {
			i, h.ids = len(h.ids), append(h.ids, id)
		}
		return fmt.Sprintf("ID-%d", i+1)
	})
	out = passes.ReplaceAllString(out, `"$1": "SECRET"`)
	out = opaque.ReplaceAllString(out, `"$1":$2"OPAQUE"`)
	out = instants.ReplaceAllString(out, "TIME")
	out = reported.ReplaceAllString(out, "KEY")
	out = digests.ReplaceAllString(out, "HEX")
	return logins.ReplaceAllString(out, "LOGIN")
}

// TestGoldenJSON runs every command with --json in one story, and compares what each prints
// with its golden file: these shapes are an interface.
func TestGoldenJSON(t *testing.T) {
	t.Setenv("BEHOV_TEST_ON", "sqlite") // the shapes do not depend on it
	h := newHousehold(t)
	h.now = func() time.Time { return time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC) }
	seen := map[string]bool{}
	shapeOf := map[string]reflect.Type{}
	for _, s := range shapes {
		shapeOf[s.command] = reflect.TypeOf(s.prints)
	}
	// print runs a command, whose name in the list of shapes is as given.
	print := func(code int, command string, args ...string) string {
		t.Helper()
		got, out, errs := h.run(append(args, "--json")...)
		if got != code {
			t.Fatalf("behov %s --json: exit status %d\n%s%s", strings.Join(args, " "), got, out, errs)
		}
		shape, known := shapeOf[command]
		if !known {
			t.Fatalf("behov %s is in no list of shapes", command)
		}
		d := json.NewDecoder(strings.NewReader(out))
		for n := 0; ; n++ {
			var object map[string]json.RawMessage
			if err := d.Decode(&object); errors.Is(err, io.EOF) && n > 0 {
				break
			} else if err != nil {
				t.Fatalf("behov %s --json: %v\n%s", command, err, out)
			}
			if string(object["version"]) != "1" {
				t.Errorf("behov %s --json has version %q", command, object["version"])
			}
			checkFields(t, command, shape, object)
		}
		seen[command] = true
		h.golden(command, out)
		return out
	}
	field := func(out, path string) string {
		t.Helper()
		var v any
		if err := json.Unmarshal([]byte(out), &v); err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(path, ".") {
			switch x := v.(type) {
			case map[string]any:
				v = x[part]
			case []any:
				v = x[0].(map[string]any)[part]
			}
		}
		text, ok := v.(string)
		if !ok {
			t.Fatalf("there is no %s in %s", path, out)
		}
		return text
	}
	print(0, "init", "init", h.dir)
	h.edit("hr.csv", "1003,E3,", "1011,E98,Gun,Gammal,,,,care,1120,Head of care,permanent,100,1001,2010-01-08,2011-01-08,,,no,30\n1012,E99,Petter,Nyström,,peter.nystrom@example.org,,care,5330,Care assistant,permanent,100,4711,2018-01-08,,,,no,30\n1003,E3,")
	print(0, "hr import", "hr", "import", h.file("hr.csv"))
	print(0, "hr imports", "hr", "imports")
	print(0, "check", "check")
	print(exitChanges, "plan", "plan", "--values", "--person", "1004")
	if err := os.Mkdir(h.file("rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	policy, err := os.ReadFile(h.file("policy.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(h.file("rules/policy.csv"), append(policy, "p, desk-for-all, true, library:desk, allow, all of us lend books\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	print(exitChanges, "simulate", "simulate", "--rules", h.file("rules"))
	if err := os.WriteFile(h.file("known_test.yaml"), []byte("cases:\n  - {case: the head librarian, date: 2026-11-30, person: \"1006\", has: [base:staff, library:loans, care:record]}\n  - {case: wrong, date: 2026-11-30, has: [base:stuff]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	print(exitError, "rules test", "rules", "test", "--run", "libra")
	if err := os.Remove(h.file("known_test.yaml")); err != nil {
		t.Fatal(err)
	}
	print(0, "people duplicates", "people", "duplicates")
	print(0, "people apart", "people", "apart", "1009", "1012", "--reason", "r", "--by", "1001")
	print(0, "apply", "apply", "--yes")
	print(0, "explain PERSON", "explain", "1004")
	print(0, "explain PERSON ENTITLEMENT", "explain", "1004", "care:record")
	print(0, "audit changes", "audit", "changes")
	print(0, "audit who-had", "audit", "who-had", "school:register")
	print(0, "audit access", "audit", "access", "1004")
	print(0, "audit log", "audit", "log", "1012")
	print(0, "audit verify", "audit", "verify")
	print(0, "audit head", "audit", "head", "--at", "3")
	print(0, "audit publish", "audit", "publish", filepath.Join(h.dir, "log"))
	print(0, "audit prove", "audit", "prove", "3")
	print(0, "people list", "people", "list")
	print(0, "people show", "people", "show", "1008")
	print(0, "people managers", "people", "managers", "--all")
	print(0, "people legal-hold", "people", "legal-hold", "1005", "--reason", "r")
	print(0, "people screened", "people", "screened", "1006", "--until", "2031-03-03", "--reason", "r")
	print(0, "mfa exempt", "mfa", "exempt", "1006", "--until", "2026-12-24", "--reason", "r")
	print(0, "people protect", "people", "protect", "1006", "--reason", "r")
	h.putSession("1006")
	h.putSession("1006")
	print(0, "people sessions", "people", "sessions", "1006")
	print(0, "people sessions --end", "people", "sessions", "1006", "--end", "--reason", "r")
	print(0, "people extract", "people", "extract", "1006", "--by", "1001")
	print(0, "people main", "people", "main", "1004", "E5", "--reason", "r")
	print(0, "people merge", "people", "merge", "1012", "1011", "--reason", "r", "--by", "1001")
	print(0, "people split", "people", "split", "1012", "hr/1011", "--reason", "r", "--by", "1001")
	print(0, "people erase", "people", "erase", "1011", "--reason", "r", "--yes")
	print(0, "account list", "account", "list", "1004")
	print(0, "rights", "rights")
	print(0, "rights PERSON", "rights", "1001")
	print(0, "review start", "review", "start", "--system", "school", "--all", "--by", "1001")
	print(0, "review decide", "review", "decide", "1-1", "change-rule", "--reason", "r", "--by", "1001")
	print(0, "review hand-on", "review", "hand-on", "1-2", "1002", "--reason", "r", "--by", "1001")
	for _, line := range strings.Split(h.ok("review", "list"), "\n")[1:] {
		if f := strings.Fields(line); len(f) > 1 && f[1] != "rule" {
			h.ok("review", "decide", f[0], "keep", "--until", "2027-06-30", "--reason", "r", "--by", "1001")
		}
	}
	print(0, "review list", "review", "list", "--all")
	print(0, "review tasks", "review", "tasks")
	print(0, "review sign-off", "review", "sign-off", "1", "--reason", "r", "--by", "1001")
	print(0, "review status", "review", "status")
	print(0, "review report", "review", "report", "1")
	print(0, "review due", "review", "due")
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nservice_accounts:\n  payroll: {purpose: says who is hired, responsible: [1001]}\n")
	h.ok("token", "make", "--service", "payroll", "--scope", "hr:write", "--name", "the payroll system")
	if err := os.WriteFile(h.file("conflicts.yaml"), []byte("conflicts:\n  lend-and-teach: {why: nobody lends to their own pupils, between: [\"library:desk\", \"base:staff\"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	print(0, "conflicts allow", "conflicts", "allow", "1006", "lend-and-teach", "--until", "2027-01-31", "--reason", "r", "--by", "1001")
	print(0, "compliance", "compliance")
	print(0, "conflicts", "conflicts")
	print(0, "absences set", "absences", "set", "1006", "--deputy", "1001", "--until", "2027-01-31", "--reason", "r", "--by", "1002")
	print(0, "absences", "absences")
	print(0, "absences end", "absences", "end", "1006", "--reason", "r", "--by", "1001")
	print(0, "requests catalogue", "requests", "catalogue")
	print(0, "requests ask", "requests", "ask", "1005", "library:loans", "--until", "2026-12-24", "--reason", "r", "--by", "1005")
	print(0, "requests approve", "requests", "approve", "1", "--reason", "r", "--by", "1006")
	print(0, "requests renew", "requests", "renew", "1", "--until", "2027-01-31", "--reason", "r", "--by", "1005")
	print(0, "requests show", "requests", "show", "2")
	print(0, "requests refuse", "requests", "refuse", "2", "--reason", "r", "--by", "1006")
	print(0, "requests emergency", "requests", "emergency", "1007", "library:loans", "--reason", "r", "--by", "1007")
	print(0, "requests", "requests")
	print(0, "requests withdraw", "requests", "withdraw", "3", "--reason", "r", "--by", "1007")
	print(0, "rules suggest", "rules", "suggest")
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nrules: {approval: true}\n")
	h.edit("policy.csv", "whoever works in the library can lend", "who works in the library lends")
	version := field(print(0, "rules propose", "rules", "propose", "--reason", "r", "--by", "1001"), "subject")
	print(0, "rules list", "rules", "list")
	h.edit("rights.csv", "g, hr/1001, administrator\n", "g, hr/1001, administrator\ng, hr/1002, operator\n")
	print(0, "rules reject", "rules", "reject", version[:8], "--reason", "r", "--by", "1002")
	h.ok("rules", "propose", "--reason", "r", "--by", "1001")
	print(0, "rules approve", "rules", "approve", version[:8], "--reason", "r", "--by", "1002")
	h.edit("behov.yaml", "rules: {approval: true}\n", "")
	print(0, "systems revise", "systems", "revise", "school", "--reason", "r", "--by", "1001")
	print(0, "systems", "systems")
	print(0, "systems SYSTEM", "systems", "school")
	print(0, "systems revisions", "systems", "revisions")
	print(0, "pause", "pause", "directory", "--reason", "r")
	print(exitHeld, "status", "status")
	print(0, "resume", "resume", "directory", "--reason", "r")
	held := print(0, "hold list", "hold", "list")
	print(0, "hold show", "hold", "show", field(held, "items.digest"))
	print(0, "hold reject", "hold", "reject", field(held, "items.digest"), "--reason", "r", "--by", "1001")
	h.putFailingStep("aa11", "1004", "library:desk")
	print(exitHeld, "steps", "steps")
	print(0, "steps give-up", "steps", "give-up", "aa11", "--reason", "r")
	print(0, "steps retry", "steps", "retry", "aa11", "--reason", "r")
	print(0, "suspend", "suspend", "1010", "--reason", "r")
	print(0, "hr report hire", "hr", "report", "hire", "--given-name", "Eva", "--family-name", "Ek", "--unit", "library", "--job-code", "4410", "--first-day", "2026-11-30", "--reason", "r", "--by", "1001")
	print(0, "hr report end", "hr", "report", "end", "1004", "E5", "--last-day", "2026-11-29", "--reason", "r", "--by", "1001")
	print(0, "hr report list", "hr", "report", "list")
	print(0, "hr report take-back", "hr", "report", "take-back", "1004", "E5", "--reason", "r", "--by", "1001")
	// No local kind of target has passes, and TestOverServer signs in.
	for command, empty := range map[string]any{"mfa pass": passJSON{}, "mfa withdraw": withdrawJSON{}, "login": api.Me{}, "whoami": api.Me{}, "logout": loggedOutJSON{}} {
		var out bytes.Buffer
		if err := (&app{stdout: &out}).printJSON(empty); err != nil {
			t.Fatal(err)
		}
		seen[command] = true
		h.golden(command, out.String())
	}
	h.addOrphan("robot-1")
	print(0, "non-human-accounts register", "non-human-accounts", "register", "directory", "robot-1", "--kind", "robot", "--system", "library", "--owner", "1006", "--purpose", "sends reminders", "--until", "2027-06-30", "--reason", "r", "--by", "1001")
	print(0, "non-human-accounts hand-over", "non-human-accounts", "hand-over", "robot-1", "--to", "1001", "--reason", "r", "--by", "1006")
	print(0, "non-human-accounts renew", "non-human-accounts", "renew", "directory/robot-1", "--until", "2027-09-30", "--reason", "r", "--by", "1001")
	print(0, "non-human-accounts list", "non-human-accounts", "list")
	print(0, "non-human-accounts retire", "non-human-accounts", "retire", "robot-1", "--reason", "r", "--by", "1001")
	h.addOrphan("orphan-1")
	bound := print(0, "account bind", "account", "bind", "1012", "orphan-1", "--target", "directory", "--reason", "r", "--by", "1001")
	print(0, "hold release", "hold", "release", field(bound, "hold"), "--reason", "r", "--by", "1002")
	print(0, "db migrate", "db", "migrate")
	print(0, "backup", "backup", h.file("backup.db"))
	print(0, "db copy", "db", "copy", "--to", "sqlite:"+h.file("copy.db"))
	h.loseDatabase()
	print(0, "restore", "restore", h.file("backup.db"))
	h.ok("resume", "--reason", "r")
	h.edit("behov.yaml", "    hr:\n", "    pushed: {scim: true}\n    hr:\n")
	h.edit("behov.yaml", "  sources:\n", "  precedence: {default: [hr, pushed]}\n  sources:\n")
	made := print(0, "token make", "token", "make", "pushed", "--name", "Entra ID", "--expires", "2160h")
	print(0, "token list", "token", "list")
	print(0, "token revoke", "token", "revoke", field(made, "id"), "--reason", "r")
	h.edit("behov.yaml", "target: directory", "target: registry")
	h.edit("behov.yaml", "\n  directory:\n", "\n  registry:\n")
	h.edit("behov.yaml", "file: directory.json", "file: registry.json")
	h.edit("catalogue.yaml", "target: directory", "target: registry")
	print(exitChanges, "target retire", "target", "retire", "directory")
	print(0, "connectors", "connectors", "memory")
	h = withDirectory(t)
	h.drop("hr-2026-11-01.csv")
	print(0, "hr pull", "hr", "pull", "hr")
	h.now = func() time.Time { return time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC) }
	h.edit("behov.yaml", "\ntargets:\n", "\ntargets:\n  doors: {manual: {to: \"1006\", escalate: \"1001\"}}\n")
	h.edit("catalogue.yaml", "systems:\n", "systems:\n  doors: {owner: \"1001\", target: doors, entitlements: {outer: {}}}\n")
	h.edit("policy.csv", "p, librarians,", "p, doors, \"r.sub.job_code == '4410'\", doors:outer, allow, librarians come in\np, librarians,")
	if code, out, errs := h.run("check"); code != 0 {
		t.Fatal(code, out, errs)
	}
	if code, out, errs := h.run("apply", "--yes"); code != 0 {
		t.Fatal(code, out, errs)
	}
	print(0, "work-orders list", "work-orders", "list", "--target", "doors")
	print(0, "work-orders confirm", "work-orders", "confirm", "1", "--reason", "r")
	print(0, "work-orders cannot", "work-orders", "cannot", "2", "--reason", "r")
	if err := os.WriteFile(h.file("doors.csv"), []byte("account,entitlement\nvisitor,outer\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	print(0, "work-orders upload", "work-orders", "upload", "doors", h.file("doors.csv"), "--reason", "r")
	print(0, "work-orders targets", "work-orders", "targets")
	_, out, _ := h.run("version", "--json")
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(out), &object); err != nil || string(object["version"]) != "1" || object["program"] == nil {
		t.Errorf("version --json: %v\n%s", err, out)
	}
	seen["version"] = true // what it prints is of the build
	for _, s := range shapes {
		if as := notGolden[s.command]; !seen[s.command] && (as == "" || shapeOf[as] != shapeOf[s.command]) {
			t.Errorf("behov %s --json has no golden file", s.command)
		}
	}
}

// putSession signs a person in.
func (h *household) putSession(person string) {
	h.t.Helper()
	db := openStore(h.t, h.dir)
	p, err := db.FindPerson(h.t.Context(), person, "hr")
	if err != nil {
		h.t.Fatal(err)
	}
	now := h.now()
	at := func(d time.Duration) store.Micros { return store.Micros(now.Add(d).UnixMicro()) }
	id := uuid.Must(uuid.NewV7()).String()
	if err := db.PutSession(h.t.Context(), store.Session{Hash: store.HashSession(id), ID: id, Person: p.ID, Data: "{}", BeganUS: at(-time.Hour), UsedUS: at(0), ExpiresUS: at(time.Hour)}, now); err != nil {
		h.t.Fatal(err)
	}
}

// putFailingStep records a step of a person that the target refused.
func (h *household) putFailingStep(key, person, entitlement string) {
	h.t.Helper()
	db := openStore(h.t, h.dir)
	p, err := db.FindPerson(h.t.Context(), person, "hr")
	if err != nil {
		h.t.Fatal(err)
	}
	body, err := json.Marshal(plan.Step{ID: "s-1", Target: "directory", Person: p.ID, Op: connectors.AddMember, Entitlement: "library:desk", Native: "library-desk", Reason: reason.Of(reason.Answer{Text: "r"})})
	if err != nil {
		h.t.Fatal(err)
	}
	if err := db.Write(h.t.Context(), func(tx *store.Tx) error {
		return tx.PutFailingStep(h.t.Context(), store.FailingStep{Key: audit.StepKey(key), Target: "directory", Person: p.ID, Body: string(body), Tries: 8, FirstUS: h.now().UnixMicro(), LastUS: h.now().UnixMicro(),
			Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "insufficient access to " + entitlement}), State: store.Parked}, h.now())
	}); err != nil {
		h.t.Fatal(err)
	}
}

// addOrphan adds an account to the directory that is no person's.
func (h *household) addOrphan(id string) {
	h.t.Helper()
	b, err := os.ReadFile(h.file("directory.json"))
	if err != nil {
		h.t.Fatal(err)
	}
	var directory map[string]any
	if err := json.Unmarshal(b, &directory); err != nil {
		h.t.Fatal(err)
	}
	accounts, _ := directory["accounts"].([]any)
	directory["accounts"] = append(accounts, map[string]any{"id": id, "name": id, "enabled": true, "attributes": map[string]any{}})
	if b, err = json.Marshal(directory); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(h.file("directory.json"), b, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// checkFields checks that an object has no field that its shape does not declare.
func checkFields(t *testing.T, command string, shape reflect.Type, object map[string]json.RawMessage) {
	t.Helper()
	declared := map[string]bool{"version": true}
	for _, f := range jsonFields(shape) {
		declared[f.name] = true
		if _, there := object[f.name]; !there && !f.optional {
			t.Errorf("behov %s --json lacks %s", command, f.name)
		}
	}
	for name := range object {
		if !declared[name] {
			t.Errorf("behov %s --json has %s, which its shape does not declare", command, name)
		}
	}
}

// jsonField is a field of a shape.
type jsonField struct {
	name     string
	of       reflect.Type
	in       reflect.Type // the struct that declares it
	goName   string
	optional bool
}

// jsonFields returns the fields of a struct as JSON has them: those of embedded structs,
// unless a field of the struct itself has the name.
func jsonFields(t reflect.Type) (fields []jsonField) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var embedded []jsonField
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case f.Anonymous && name == "":
			embedded = append(embedded, jsonFields(f.Type)...)
		default:
			if name == "" {
				name = f.Name
			}
			fields = append(fields, jsonField{name, f.Type, t, f.Name, strings.Contains(options, "omit")})
		}
	}
	for _, e := range embedded {
		if !slices.ContainsFunc(fields, func(f jsonField) bool { return f.name == e.name }) {
			fields = append(fields, e)
		}
	}
	return fields
}

// TestEveryCommandHasAShape: a command prints a shape that is documented, or no JSON.
func TestEveryCommandHasAShape(t *testing.T) {
	var commands []string
	var visit func(*cobra.Command)
	visit = func(c *cobra.Command) {
		if name := strings.TrimPrefix(c.CommandPath(), "behov "); c.Runnable() && name != "behov" {
			commands = append(commands, name)
		}
		for _, sub := range c.Commands() {
			visit(sub)
		}
	}
	visit((&app{}).root())
	for _, c := range commands {
		if slices.Contains(withoutJSON, c) {
			continue
		}
		if !slices.ContainsFunc(shapes, func(s shape) bool { return s.command == c || strings.HasPrefix(s.command, c+" PERSON") }) {
			t.Errorf("behov %s prints what is in no list of shapes", c)
		}
	}
	for _, s := range shapes {
		name, _, _ := strings.Cut(s.command, " PERSON")
		name, _, _ = strings.Cut(name, " SYSTEM")
		name, _, _ = strings.Cut(name, " --") // with a flag it prints another shape
		if !slices.Contains(commands, name) {
			t.Errorf("there is no command behov %s", name)
		}
	}
}

// TestShapesAreDocumented: the documentation of the shapes is made of the types and their
// comments.
func TestShapesAreDocumented(t *testing.T) {
	const file = "../../internal/manual/topics/json-reference.md"
	got := documentShapes(t)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what the types say: run the test with -update.\n%s", file, firstDifference(string(want), got))
	}
}

var snakeCase = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func documentShapes(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, `# Look up what a command prints with --json

You want to read, from a program, what a command prints with --json.

A command prints one JSON object, and behov audit log one on each line. Its first field,
version, is %d. A new field does not change the version; a field that goes, or means
something else, does. Fields that are optional are left out when they are empty. Instants
are UTC, as RFC 3339 writes them; dates are civil dates of the organisation.

A reason is an object: its code, the parameters of the code, and as text the sentence in
the language of BEHOV_LANG.

| command | prints |
|---|---|
`, jsonVersion)
	comments := typeComments{dirs: map[string]map[string]typeComment{}}
	var types []reflect.Type
	var name func(reflect.Type) string
	name = func(of reflect.Type) string {
		switch of.Kind() {
		case reflect.Pointer:
			return name(of.Elem())
		case reflect.Slice:
			if of.Elem().Kind() == reflect.Uint8 {
				return "text"
			}
			return "list of " + name(of.Elem())
		case reflect.Map:
			return "object of " + name(of.Elem()) + ", by " + name(of.Key())
		case reflect.Struct:
			switch {
			case of == reflect.TypeFor[time.Time]():
				return "instant"
			case strings.HasSuffix(of.Name(), "Reason") && len(jsonFields(of)) < 2:
				return "reason"
			case strings.HasPrefix(of.Name(), "list["):
				items, _ := of.FieldByName("Items")
				return "items: " + name(items.Type)
			}
			if !slices.Contains(types, of) {
				types = append(types, of)
			}
			title := displayType(of)
			return "[" + title + "](#" + strings.ToLower(strings.ReplaceAll(title, " ", "-")) + ")"
		case reflect.Bool:
			return "true or false"
		case reflect.String:
			if of.Name() == "Date" {
				return "date"
			}
			return "text"
		case reflect.Interface:
			return "anything"
		}
		if of.Name() == "Micros" {
			return "instant"
		}
		return "number"
	}
	for _, s := range shapes {
		fmt.Fprintf(&b, "| behov %s | %s |\n", s.command, name(reflect.TypeOf(s.prints)))
	}
	for i := 0; i < len(types); i++ { // documenting one may add others
		of := types[i]
		fmt.Fprintf(&b, "\n## %s\n\n", displayType(of))
		if text := comments.of(t, of).text; text != "" {
			fmt.Fprintf(&b, "%s\n\n", strings.TrimSpace(text))
		}
		b.WriteString("| field | is | |\n|---|---|---|\n")
		for _, f := range jsonFields(of) {
			if !snakeCase.MatchString(f.name) {
				t.Errorf("%s: the field %s is not in snake_case", displayType(of), f.name)
			}
			optional := ""
			if f.optional {
				optional = ", optional"
			}
			text := comments.of(t, f.in).fields[f.goName]
			if values := comments.of(t, elementOf(f.of)).values; len(values) > 0 {
				text = strings.TrimPrefix(text+"; one of "+strings.Join(values, ", "), "; ")
			}
			fmt.Fprintf(&b, "| %s | %s%s | %s |\n", f.name, name(f.of), optional, strings.ReplaceAll(text, "|", "\\|"))
		}
	}
	b.WriteString(`
## Codes of reasons

A later version can have more. The parameters that are empty are left out.

| code | parameters |
|---|---|
`)
	all := reason.All()
	for _, code := range slices.Sorted(maps.Keys(all)) {
		var parameters []string
		for _, f := range jsonFields(reflect.TypeOf(all[code])) {
			parameters = append(parameters, f.name)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", code, strings.Join(parameters, ", "))
	}
	b.WriteString(`
## What can go wrong

> unknown command … for …

A script calls a command that this version does not have. A field that is not there is
optional, and empty. A program that meets a version it does not know stops, and does not
guess.
`)
	return b.String()
}

// displayType is a type's name as words: what a package calls Person is "person".
func displayType(of reflect.Type) string {
	name := strings.TrimSuffix(of.Name(), "JSON")
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	words := strings.ToLower(b.String())
	if at := filepath.Base(of.PkgPath()); at != "behov" && at != "main" && at != "access" && at != "api" {
		words = at + " " + words
	}
	return words
}

// typeComment is what the source says of a type and of its fields.
type typeComment struct {
	text   string
	fields map[string]string
	values []string // of a type of text, in the order of the code
}

type typeComments struct {
	dirs map[string]map[string]typeComment
}

func (c typeComments) of(t *testing.T, of reflect.Type) typeComment {
	t.Helper()
	dir := "."
	if path, inside := strings.CutPrefix(of.PkgPath(), "github.com/behov/behov/"); inside && path != "cmd/behov" {
		dir = filepath.Join("../..", path)
	}
	if c.dirs[dir] == nil {
		c.dirs[dir] = readComments(t, dir)
	}
	return c.dirs[dir][of.Name()]
}

// withoutName drops the name in Go, which readers of JSON do not know, from the beginning
// of a comment: "ID names the step" becomes "Names the step".
func withoutName(text, name string) string {
	rest, named := strings.CutPrefix(text, name+" ")
	if !named {
		rest = strings.TrimPrefix(text, name+": ")
	}
	if named {
		rest = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(rest, "is "), "is, "), "are ")
	}
	if rest == text || rest == "" {
		return text
	}
	return strings.ToUpper(rest[:1]) + rest[1:]
}

// elementOf returns the type of the values in a field.
func elementOf(of reflect.Type) reflect.Type {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	return of
}

// addValues adds the constants of named types of text.
func addValues(to map[string]typeComment, g *ast.GenDecl) {
	for _, s := range g.Specs {
		spec := s.(*ast.ValueSpec)
		of, named := spec.Type.(*ast.Ident)
		if !named || len(spec.Values) != 1 || of.Name == "string" {
			continue
		}
		text, ok := spec.Values[0].(*ast.BasicLit)
		if !ok || text.Kind != token.STRING || text.Value == `""` {
			continue
		}
		c := to[of.Name]
		c.values = append(c.values, strings.Trim(text.Value, `"`))
		to[of.Name] = c
	}
}

func readComments(t *testing.T, dir string) map[string]typeComment {
	t.Helper()
	all := map[string]typeComment{}
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	oneLine := func(g *ast.CommentGroup) string { return strings.Join(strings.Fields(g.Text()), " ") }
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if ok && g.Tok == token.CONST {
				addValues(all, g)
			}
			if !ok || g.Tok != token.TYPE {
				continue
			}
			for _, s := range g.Specs {
				spec := s.(*ast.TypeSpec)
				of, ok := spec.Type.(*ast.StructType)
				if !ok {
					continue
				}
				var p comment.Parser
				c := typeComment{text: string((&comment.Printer{TextWidth: 90}).Text(p.Parse(withoutName(g.Doc.Text(), spec.Name.Name)))), fields: map[string]string{}}
				for _, field := range of.Fields.List {
					text := oneLine(field.Doc)
					if text == "" {
						text = oneLine(field.Comment)
					}
					for _, n := range field.Names {
						c.fields[n.Name] = withoutName(text, n.Name)
					}
				}
				all[spec.Name.Name] = c
			}
		}
	}
	return all
}

// TestJSONIsVersioned: an object begins with its version, and what is no object is no answer.
func TestJSONIsVersioned(t *testing.T) {
	var out bytes.Buffer
	a := &app{stdout: &out}
	if err := a.printJSON(itemsOf([]string(nil))); err != nil || out.String() != "{\n  \"version\": 1,\n  \"items\": []\n}\n" {
		t.Errorf("%v %q", err, out.String())
	}
	if err := a.printJSON([]int{1}); err == nil {
		t.Error("a list was printed as an answer")
	}
}
