package reconcile_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// withPasses is a target that issues temporary access passes.
type withPasses struct {
	*scripted
	valid map[string]bool // by account ID
	fails bool
}

func (w *withPasses) IssuePass(_ context.Context, account connectors.AccountRef, valid time.Duration) (connectors.Pass, error) {
	if w.fails {
		return connectors.Pass{}, connectors.Errorf(connectors.Permanent, "not allowed by policy")
	}
	w.valid[account.ID] = true
	return connectors.Pass{Code: "secret-pass", Expires: time.Now().Add(valid)}, nil
}

func (w *withPasses) WithdrawPass(_ context.Context, account connectors.AccountRef) (connectors.Outcome, error) {
	if !w.valid[account.ID] {
		return connectors.Outcome{Status: connectors.AlreadyApplied}, nil
	}
	delete(w.valid, account.ID)
	return connectors.Outcome{Status: connectors.Applied}, nil
}

// A pass is recorded and its code is not; nobody who does not work here gets
// one; one that cannot be recorded is withdrawn.
func TestPasses(t *testing.T) {
	h := newFixture(t)
	w := &withPasses{scripted: h.one, valid: map[string]bool{}}
	h.e.Targets["one"] = w
	g := h.governance()
	h.hire("1 school T", "2 school T 2020-12-31", "3 school T")
	anna, err := h.e.DB.FindPerson(t.Context(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "first day"); err == nil || !strings.Contains(err.Error(), "run behov apply first") {
		t.Errorf("without an account: %v", err)
	}
	h.settledRun()
	pass, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "first day")
	if err != nil || pass.Code != "secret-pass" || len(w.valid) != 1 {
		t.Fatalf("%+v, %v", pass, err)
	}
	if h.told(audit.PassIssued) != 1 {
		t.Error("the pass is not in the trail")
	}
	for _, r := range records(t, h) {
		if strings.Contains(r.Reason+string(r.Payload), "secret-pass") {
			t.Errorf("the code is in the trail: %+v", r)
		}
	}
	for _, want := range []bool{true, false} {
		if withdrawn, err := g.WithdrawPass(t.Context(), h.e, anna, h.decider(), "wrong number"); err != nil || withdrawn != want {
			t.Errorf("%v, %v", withdrawn, err)
		}
	}
	// What was intended stands before the target was asked: also of what it refused.
	w.fails = true
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "first day"); err == nil {
		t.Error("a pass that is refused is issued")
	}
	w.fails = false
	all := records(t, h)
	if last, before := all[len(all)-1], all[len(all)-2]; last.Action != audit.PassIssued || last.Outcome != audit.Refused || before.Action != audit.DecisionMade || before.Outcome != audit.Outcome(store.Issue) {
		t.Errorf("of a refused pass the trail says %+v, %+v", before, last)
	}
	left, err := h.e.DB.FindPerson(t.Context(), "2", "hr")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.IssuePass(t.Context(), h.e, left, time.Hour, h.decider(), "x"); err == nil || !strings.Contains(err.Error(), "the last one ended on 2020-12-31") {
		t.Errorf("a leaver: %v", err)
	}
	w.fails = true
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "x"); err == nil || !strings.Contains(err.Error(), "target one: not allowed by policy") {
		t.Errorf("a pass that is refused: %v", err)
	}
	w.fails = false
	h.decider() // is imported while there is room
	h.noRoom("INSERT", "audit_record")
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "x"); err == nil || len(w.valid) != 0 {
		t.Errorf("a pass that cannot be recorded: %v, %v", err, w.valid)
	}
	h.e.Targets["one"] = h.one
	if _, err := g.IssuePass(t.Context(), h.e, anna, time.Hour, h.decider(), "x"); err == nil || !strings.Contains(err.Error(), "has no temporary access passes") {
		t.Errorf("a target without passes: %v", err)
	}
}

// First passwords go to a directory that nobody else can read, or to a program
// on its standard input, and nowhere else.
func TestFirstPasswordsAreHandedOver(t *testing.T) {
	account := connectors.AccountRef{ID: "id", Anchor: "0198-person", Name: "anna"}
	dir := filepath.Join(t.TempDir(), "passwords")
	if h := reconcile.PasswordSink("ad", config.FirstPassword{}); h != nil {
		t.Errorf("by default it goes to %+v", h)
	}
	if err := reconcile.PasswordSink("ad", config.FirstPassword{Directory: dir}).FirstPassword(t.Context(), account, "p4ss"); err != nil {
		t.Fatal(err)
	}
	var got struct{ Person, Account, Password string }
	file := filepath.Join(dir, "0198-person.ad.json")
	b, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(b, &got) != nil || got.Person != "0198-person" || got.Account != "anna" || got.Password != "p4ss" {
		t.Errorf("%s, %v", b, err)
	}
	// Another target's, and one made anew, have files of their own.
	for _, target := range []string{"ad", "ldap"} {
		if err := reconcile.PasswordSink(target, config.FirstPassword{Directory: dir}).FirstPassword(t.Context(), account, "other"); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := reconcile.PasswordSink("ad", config.FirstPassword{Directory: dir}).FirstPassword(t.Context(), account, "p4ss"); err == nil || !strings.Contains(err.Error(), "can be read by others") || strings.Contains(err.Error(), "p4ss") {
		t.Errorf("a directory for everybody: %v", err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := reconcile.PasswordSink("ad", config.FirstPassword{Command: []string{"/bin/sh", "-c", "cat > " + out}}).FirstPassword(t.Context(), account, "p4ss"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(out); err != nil || !strings.Contains(string(b), `"password":"p4ss"`) {
		t.Errorf("the program got %s, %v", b, err)
	}
	// The program gets no secret that is in our environment.
	t.Setenv("BEHOV_TEST_SECRET", "s3cret")
	t.Setenv("AD_PASSWORD", "s3cret")
	t.Setenv("TZ", "Europe/Stockholm")
	if err := reconcile.PasswordSink("ad", config.FirstPassword{Command: []string{"/usr/bin/env", "sh", "-c", "env > " + out}}).FirstPassword(t.Context(), account, "p4ss"); err != nil {
		t.Error(err)
	}
	env, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(env), "s3cret") || !strings.Contains(string(env), "TZ=Europe/Stockholm\n") || !strings.Contains(string(env), "PATH=") {
		t.Errorf("the program's environment: %s, %v", env, err)
	}
	if err := reconcile.PasswordSink("ad", config.FirstPassword{Command: []string{"/bin/sh", "-c", "cat >&2; exit 3"}}).FirstPassword(t.Context(), account, "p4ss"); err == nil || strings.Contains(err.Error(), "p4ss") {
		t.Errorf("a program that fails: %v", err)
	}
	if err := reconcile.PasswordSink("ad", config.FirstPassword{Command: []string{"/nonexistent/x"}}).FirstPassword(t.Context(), account, "p4ss"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
}

// A first password that got lost with the answer is told of.
func TestALostFirstPasswordIsTold(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.e.Config.Targets[0].FirstPassword = config.FirstPassword{Directory: "somewhere"}
	h.one.answer = func(connectors.Result) connectors.Result {
		return connectors.Result{Err: connectors.Errorf(connectors.TargetDown, "the connection broke")}
	}
	h.run()
	h.one.answer = nil
	if r := h.settledRun(); len(r.Notes) != 1 || !strings.Contains(r.Notes[0].Detail, "set another one") {
		t.Errorf("notes %+v", r.Notes)
	}
}

// What a target has to say of a step that it did is told and recorded.
func TestANoteOnWhatWasDoneIsTold(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T")
	h.one.answer = func(r connectors.Result) connectors.Result {
		if r.AccountID != "" {
			r.Detail = "the first password was not handed over"
		}
		return r
	}
	r := h.settledRun()
	if len(r.Notes) != 1 || r.Notes[0].Detail != "the first password was not handed over" || len(r.NotDone) > 0 {
		t.Errorf("notes %+v, undone %+v", r.Notes, r.NotDone)
	}
	n := 0
	for _, record := range records(t, h) {
		if strings.HasSuffix(record.Reason, "; the first password was not handed over") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d records tell of it", n)
	}
}
