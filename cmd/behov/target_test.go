package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// TestStatus: where everything stands, and what waits for a person.
func TestStatus(t *testing.T) {
	h := newHousehold(t)
	h.says([]string{"status"}, "nothing came yet", "was never read whole")
	h.ok("hr", "import", h.file("hr.csv"))
	h.says([]string{"status"}, "last change at", "1 job to reconcile")
	h.ok("apply", "--yes")
	if out := h.says([]string{"status"}, "read completely at", "10 people have a usable account"); strings.Contains(out, "to reconcile") {
		t.Errorf("everything is done: %s", out)
	}
	lines, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	few := slices.Collect(strings.Lines(string(lines)))[:4]
	if err := os.WriteFile(h.file("hr.csv"), []byte(strings.Join(few, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := h.run("hr", "import", h.file("hr.csv")); code != exitHeld {
		t.Fatalf("an export that lacks nearly everybody: %d", code)
	}
	h.ok("pause", "directory", "--reason", "it is moved", "--by", "1001")
	code, out, _ := h.run("status")
	if code != exitHeld || !strings.Contains(out, "1 import is HELD") || !strings.Contains(out, "PAUSED since") {
		t.Errorf("%d %s", code, out)
	}
	var holds list[access.Hold]
	if out := h.ok("hold", "list", "--json"); json.Unmarshal([]byte(out), &holds) != nil || len(holds.Items) != 1 || time.Since(holds.Items[0].RaisedAt) > time.Hour {
		t.Errorf("whoever reads holds by program knows since when: %s", out)
	}
	var s access.Status
	if _, out, _ = h.run("status", "--json"); json.Unmarshal([]byte(out), &s) != nil || s.Sources[0].Held != 1 || s.Targets[0].Paused == nil || s.Targets[0].Paused.DecidedAt == 0 || !s.Waits {
		t.Errorf("%s", out)
	}
}

// TestRetire: what is known of a target that is out of the configuration is kept
// until a person says that it does not come back. Then every step has its end,
// no one has anything there any more, and the trail is whole.
func TestRetire(t *testing.T) {
	h := applied(t)
	db := openStore(t, h.dir)
	person, err := db.FindPerson(t.Context(), "1004", "hr")
	if err != nil {
		t.Fatal(err)
	}
	step := plan.Step{ID: "s-1", Target: "directory", Person: person.ID, Op: connectors.AddMember, Entitlement: "library:desk", Reason: reason.Of(reason.Answer{Text: "r"})}
	body, err := json.Marshal(step)
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: before, Actor: "behov", Action: audit.StepIntended, Person: person.ID, Target: "directory", Entitlement: "library:desk", Op: string(step.Op), Attempt: audit.AttemptID(step.ID)})
		if err := tx.PutFailingStep(t.Context(), store.FailingStep{Key: "aa", Target: "directory", Person: person.ID, Body: string(body), State: store.Parked}, time.Time{}); err != nil {
			return err
		}
		return tx.IntendSteps(t.Context(), []store.OpenStep{{AttemptID: audit.AttemptID(step.ID), Target: "directory", Person: person.ID, Body: string(body)}}, before)
	}); err != nil {
		t.Fatal(err)
	}
	h.fails("target directory is in the configuration", "target", "retire", "directory")
	h.edit("behov.yaml", "target: directory", "target: registry")
	h.edit("behov.yaml", "\n  directory:\n", "\n  registry:\n")
	h.edit("behov.yaml", "file: directory.json", "file: registry.json")
	h.edit("catalogue.yaml", "target: directory", "target: registry")
	code, out, _ := h.run("status")
	if code != exitHeld || !strings.Contains(out, "directory      NOT IN THE CONFIGURATION") || !strings.Contains(out, "10 accounts") || !strings.Contains(out, "1 step whose end is not known, 1 failing step") {
		t.Fatalf("%d %s", code, out)
	}
	h.run("steps", "--target", "directory") // what is left of it can be looked at
	h.fails("nothing is known of a target", "target", "retire", "nowhere")
	if code, out, _ := h.run("target", "retire", "directory"); code != exitChanges || !strings.Contains(out, "It would end") {
		t.Errorf("%d %s", code, out)
	}
	h.fails("a decision needs a reason", "target", "retire", "directory", "--yes", "--by", "1001")
	t.Setenv("BEHOV_BY", "")
	h.fails("say which person decides", "target", "retire", "directory", "--yes", "--reason", "r")
	h.fails("nothing is known of a target", "target", "retire", "nowhere", "--yes", "--reason", "r", "--by", "1001")
	h.says([]string{"target", "retire", "directory", "--yes", "--reason", "replaced by the registry", "--by", "1001"}, "target directory is retired")
	h.says([]string{"audit", "verify"}, "Audit trail verified")
	if out := h.ok("status"); strings.Contains(out, "NOT IN THE CONFIGURATION") {
		t.Errorf("%s", out)
	}
	has := func(target string, at time.Time) bool {
		t.Helper()
		intervals, err := db.Intervals(t.Context(), store.IntervalQuery{Target: target}.At(at))
		if err != nil {
			t.Fatal(err)
		}
		return len(intervals) > 0
	}
	if !has("directory", before) || has("directory", time.Now()) {
		t.Error("access in a retired target is known until it was retired, and no longer")
	}
	ended := slices.Collect(func(yield func(audit.Record) bool) {
		for r := range db.AuditRecords(t.Context(), store.Only(person.ID)) {
			if r.Action == audit.StepEnded && r.Attempt == audit.AttemptID(step.ID) && !yield(r) {
				return
			}
		}
	})
	if len(ended) != 1 || ended[0].Outcome != audit.NotKnown {
		t.Errorf("the open step ended so: %+v", ended)
	}
	h.ok("apply", "--yes")
	if !has("registry", time.Now()) {
		t.Error("nobody has anything in the target that came instead")
	}
	h.says([]string{"audit", "verify"}, "Audit trail verified")
}
