package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"regexp"
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

// TestSteps: failing steps are listed, retried, or given up by a person who
// says why.
func TestSteps(t *testing.T) {
	h := applied(t)
	h.says([]string{"steps"}, "No step is failing.")
	h.fails("there is no target", "steps", "--target", "nowhere")
	h.fails("say which", "steps", "retry")
	h.fails("say which", "steps", "retry", "ff", "--all")
	h.fails(`no failing step has the key "ff"`, "steps", "retry", "ff")
	db := openStore(t, h.dir)
	person, err := db.FindPerson(t.Context(), "1004", "hr")
	if err != nil {
		t.Fatal(err)
	}
	step := plan.Step{ID: "x", Target: "directory", Person: person.ID, Op: connectors.AddMember, Entitlement: "library:desk", Reason: reason.Of(reason.Answer{Text: "r"})}
	body, err := json.Marshal(step)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for key, state := range map[string]store.StepState{"aa11": store.Parked, "bb22": store.Trying} {
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			f, err := tx.NextStepFailure(t.Context(), store.FailingStep{Key: audit.StepKey(key), Target: "directory", Person: person.ID, Body: string(body), Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "insufficient access"})}, at)
			f.State = state
			return errors.Join(err, tx.PutFailingStep(t.Context(), f, at.Add(time.Hour)))
		}); err != nil {
			t.Fatal(err)
		}
	}
	code, out, _ := h.run("steps")
	if code != exitHeld || !strings.Contains(out, "aa11  Sven Öberg (1004), library:desk in directory: refused\n  tried 1 time, PARKED") || !strings.Contains(out, "bb22") || !strings.Contains(out, "again at 2026-11-24 10:00") {
		t.Errorf("%d, %s", code, out)
	}
	h.fails("a decision needs a reason", "steps", "give-up", "aa")
	h.fails("no one decides about themselves", "steps", "give-up", "aa", "--reason", "r", "--by", "1004")
	h.says([]string{"steps", "give-up", "aa", "--reason", "the desk is closed", "--by", "1006"}, "Decided: 1 step given up.")
	if out := h.ok("steps"); strings.Contains(out, "aa11") {
		t.Errorf("what was given up is listed: %s", out)
	}
	h.says([]string{"steps", "--all"}, "given up")
	h.says([]string{"steps", "retry", "--target", "directory"}, "Decided: 1 step to be tried again.")
	h.says([]string{"steps", "retry", "aa11"}, "Decided: 1 step to be tried again.")
	var shown list[access.FailingStep]
	if err := json.Unmarshal([]byte(h.ok("steps", "--json")), &shown); err != nil || len(shown.Items) != 2 || shown.Items[0].State != "trying" || shown.Items[0].Tries != 0 {
		t.Errorf("%+v %v", shown, err)
	}
	h.ok("apply", "--yes") // which does not need them
	h.says([]string{"steps"}, "No step is failing.")
	h.says([]string{"audit", "verify"}, "Audit trail verified")
}

// TestParkedIsSeen: what waits for a person to look is said by whatever says what
// there is to do.
func TestParkedIsSeen(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	_, out, _ := h.run("plan", "--json")
	var p access.Plan
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		t.Fatal(err)
	}
	db := openStore(t, h.dir)
	for _, planned := range p.Steps {
		s := planned.Step
		s.Person, s.Reason = planned.Person.ID, planned.Reason.Reason
		if s.Op != connectors.AddMember {
			continue
		}
		body, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			return tx.PutFailingStep(t.Context(), store.FailingStep{Key: s.Key(), Target: s.Target, Person: s.Person, Body: string(body), Tries: 8, Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "insufficient access"}), State: store.Parked}, time.Time{})
		}); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, errs := h.run("apply", "--yes"); code != exitHeld || !strings.Contains(out, "steps failed before") {
		t.Errorf("apply: %d %s%s", code, out, errs)
	}
	if code, out, _ := h.run("plan"); code != exitHeld || !strings.Contains(out, "FAILED before, and not tried now") || !strings.Contains(out, "failed 8 times and is parked until an operator decides: insufficient access: behov steps retry") {
		t.Errorf("plan: %d %s", code, out)
	}
	h.says([]string{"explain", "1004", "school:register"}, "does not get: insufficient access; it failed 8 times")
	for _, key := range parkedKeys(t, h) { // the first that is not the decider's own
		if code, _, _ := h.run("steps", "give-up", key, "--reason", "r"); code == 0 {
			break
		}
	}
	h.says([]string{"steps", "retry", "--all"}, "is about the person who decides: another person decides on that")
	h.ok("steps", "retry", "--all", "--by", "1008")
	h.ok("apply", "--yes")
	if code, out, _ := h.run("plan"); code != 0 || strings.Contains(out, "FAILED") {
		t.Errorf("one is given up, the others are done: %d %s", code, out)
	}
}

func parkedKeys(t *testing.T, h *household) (keys []string) {
	t.Helper()
	_, out, _ := h.run("steps", "--json")
	var shown list[access.FailingStep]
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatal(err)
	}
	for _, s := range shown.Items {
		keys = append(keys, string(s.Key))
	}
	return keys
}

// TestPause: nothing is changed while changes are paused, and everyone is
// told.
func TestPause(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.fails("a decision needs a reason", "pause")
	h.fails("there is no target", "pause", "nowhere", "--reason", "r")
	h.fails("that is not paused", "resume", "--reason", "r")
	loud := func(want string, args ...string) string {
		t.Helper()
		_, out, errs := h.run(args...)
		if !strings.Contains(errs, want) {
			t.Errorf("behov %s does not say %q: %s", strings.Join(args, " "), want, errs)
		}
		return out
	}
	loud("*** PAUSED: EVERY target", "pause", "--reason", "the rules are wrong")
	h.says([]string{"pause", "--reason", "the rules are wrong"}, "Decided: every target: paused")
	if out := loud("the rules are wrong. To go on: behov resume --reason \"…\" ***", "apply", "--yes"); !strings.Contains(out, "Nothing to do") || strings.Count(out, "the rules are wrong") != 1 || !strings.Contains(out, "WAITING in directory: paused by decision 1") {
		t.Error(out)
	}
	loud("*** PAUSED", "people", "list")
	h.says([]string{"resume", "--reason", "they are right"}, "Decided: every target: resumed")
	loud("*** PAUSED: target directory, except for leavers", "pause", "directory", "--except-leavers", "--reason", "it moves")
	h.ok("resume", "directory", "--reason", "it moved")
	h.ok("apply", "--yes")
	h.ok("pause", "--except-leavers", "--reason", "r")
	var d struct {
		Verdict string `json:"verdict"`
	}
	if err := json.Unmarshal([]byte(h.ok("resume", "--reason", "r", "--json")), &d); err != nil || d.Verdict != "resume" {
		t.Errorf("%+v %v", d, err)
	}
	h.says([]string{"plan"}, "nothing to do")
	h.ok("audit", "verify")
}

// TestAHoldExpires: who does not decide in time is asked again.
func TestAHoldExpires(t *testing.T) {
	h := applied(t)
	h.edit("hr.csv", ",,,,no,", ",2026-01-31,,,no,")
	h.ok("hr", "import", h.file("hr.csv"))
	h.run("plan")
	digest := strings.Fields(h.says([]string{"hold", "list"}, "plan of directory"))[0]
	h.ok("hold", "release", digest, "--reason", "it is so", "--by", "1008")
	h.now = func() time.Time { return time.Now().AddDate(0, 0, 8) }
	if code, out, _ := h.run("apply", "--yes"); code != exitHeld || !strings.Contains(out, "HELD in directory") {
		t.Errorf("eight days after it was held: %d %s", code, out)
	}
	h.says([]string{"hold", "list"}, digest)
	h.says([]string{"audit", "verify"}, "Audit trail verified")
}

// TestTheLogNamesNoOne: what a service logs is for many eyes, also while
// changes are paused by a person for a reason.
func TestTheLogNamesNoOne(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("pause", "--reason", "because of Sven", "--by", "1001")
	var errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: io.Discard, stderr: &errs, now: h.now}
	root := a.root()
	root.SetArgs([]string{"-c", h.dir, "serve", "--apply", "--json"})
	root.SetOut(io.Discard)
	root.SetErr(&errs)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := root.ExecuteContext(ctx); err != nil {
		t.Fatal(err)
	}
	// The digits of a number stand in times and in IDs as well, as a part of
	// them.
	named := regexp.MustCompile(`Karin|Lindqvist|Sven|(^|[^0-9a-f.-])1001([^0-9a-f-]|$)`)
	for _, line := range []string{`"by":"1001"`, "by 1001"} {
		if !named.MatchString(line) {
			t.Errorf("%s names somebody, and is not seen", line)
		}
	}
	for line := range strings.Lines(errs.String()) {
		if !json.Valid([]byte(line)) {
			t.Errorf("this is no JSON: %s", line)
		}
		if name := named.FindString(line); name != "" {
			t.Errorf("%q is in the log: %s", name, line)
		}
	}
	if !strings.Contains(errs.String(), "PAUSED") {
		t.Errorf("the log does not say that everything is paused: %s", errs.String())
	}
}
