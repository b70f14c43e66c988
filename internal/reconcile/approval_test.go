package reconcile_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// approving is a fixture whose rules need approval, with two people who may propose and
// approve them.
type approving struct {
	*fixture
	one, other rights.Subject
}

func newApproving(t *testing.T) *approving {
	h := newFixtureWith(t, "rules: {approval: true}\n"+configuration)
	h.hire("1 school T", "2 library T", "3 school T", "4 school T")
	return &approving{h, h.deciderCalled("boss"), h.deciderCalled("boss2")}
}

// reload loads the configuration again, as a process does that starts or sees that files or
// approvals have changed.
func (a *approving) reload() {
	a.t.Helper()
	c, problems := config.Load(a.e.Config.Dir)
	if c == nil {
		a.t.Fatal(problems)
	}
	c.Rights, c.Database = a.e.Config.Rights, a.e.Config.Database
	inForce, err := reconcile.RulesInForce(a.t.Context(), a.e.DB, c)
	if err != nil {
		a.t.Fatal(err)
	}
	inForce.Rights, inForce.Database = c.Rights, c.Database
	a.e.Config = inForce
}

func (a *approving) write(name, text string) {
	a.t.Helper()
	if err := os.WriteFile(filepath.Join(a.e.Config.Dir, name), []byte(text), 0o600); err != nil {
		a.t.Fatal(err)
	}
	a.reload()
}

func (a *approving) governance() *governance.Governance {
	return &governance.Governance{DB: a.e.DB, Config: a.e.Config, Now: a.e.Now}
}

func (a *approving) propose(by rights.Subject) (store.Decision, error) {
	return a.governance().ProposeRules(a.t.Context(), a.e, by, "a ticket")
}

func (a *approving) decide(digest string, verdict store.Verdict, by rights.Subject) error {
	_, err := a.governance().DecideRules(a.t.Context(), digest, verdict, by, "looked at it")
	if err == nil {
		a.reload()
	}
	return err
}

func (a *approving) approved(by, other rights.Subject) {
	a.t.Helper()
	d, err := a.propose(by)
	if err != nil {
		a.t.Fatal(err)
	}
	if err := a.decide(string(d.Subject)[:12], store.Approve, other); err != nil {
		a.t.Fatal(err)
	}
}

func refusedWith[K reason.Kind](err error) bool {
	var refused *reason.Refusal
	if !errors.As(err, &refused) {
		return false
	}
	k, wrong := refused.Reason.Kind()
	_, is := k.(K)
	return wrong == nil && is
}

// TestRulesNeedApproval: where rules need approval no run changes anything by rules that
// no second person approved: before the first approval, after an edit, and after an edit of
// what was approved. What was approved stays in force meanwhile, and takes effect as it was
// proposed.
func TestRulesNeedApproval(t *testing.T) {
	a := newApproving(t)
	if _, err := a.e.Run(t.Context(), reconcile.Scope{}); !refusedWith[reason.RulesNotApproved](err) {
		t.Fatalf("a first run without an approval: %v", err)
	}
	if has := a.has("1"); has != "" {
		t.Fatal(has)
	}
	a.approved(a.one, a.other)
	a.settledRun()
	if has := a.has("1"); has != everything {
		t.Fatal(has)
	}
	// An edit that takes the school from everyone, and gives a secret, does nothing.
	first := a.e.Config.Rules.Digest
	edited := strings.Replace(rulesCSV, "r.sub.unit == 'school'", "r.sub.unit == 'library'", 1)
	a.write("policy.csv", edited)
	if a.e.Config.Rules.Digest != first || a.e.Config.InDirectory == nil || a.e.Config.InDirectory.Rules.Digest == first {
		t.Fatal("the edit is in force")
	}
	if r := a.settledRun(); len(r.Plan.Steps) != 0 || a.has("1") != everything {
		t.Errorf("an edit that no one approved: %+v, %s", r.Plan.Steps, a.has("1"))
	}
	// A joiner is still worked out with what was approved.
	a.hire("1 school T", "2 library T", "3 school T", "4 school T", "5 school T")
	a.settledRun()
	if a.has("5") != everything {
		t.Error(a.has("5"))
	}
	d, err := a.propose(a.one)
	if err != nil {
		t.Fatal(err)
	}
	var said reason.RulesSimulated
	k, err := d.Because.Kind()
	if said, _ = k.(reason.RulesSimulated); err != nil || said.Count != 5 || said.Begin != 1 || said.End != 4 || said.Holds != 1 {
		t.Errorf("the evidence is %+v, %v", k, err)
	}
	a.reload()
	if _, err := a.propose(a.other); !refusedWith[reason.RulesInForce](err) {
		t.Errorf("what waits is proposed again: %v", err)
	}
	// The proposer does not decide on it, and neither does anyone by another digest.
	var refused *rights.RefusedError
	for _, verdict := range []store.Verdict{store.Approve, store.Reject} {
		if err := a.decide(string(d.Subject), verdict, a.one); !errors.As(err, &refused) {
			t.Errorf("the proposer decides: %v", err)
		}
	}
	for _, digest := range []string{first, string(d.Subject)[:7], "", "0123456789ab"} {
		if err := a.decide(digest, store.Approve, a.other); !refusedWith[reason.NoRulesWaiting](err) {
			t.Errorf("%q is approved: %v", digest, err)
		}
	}
	if r := a.settledRun(); len(r.Plan.Steps) != 0 {
		t.Errorf("a proposal does something: %+v", r.Plan.Steps)
	}
	// An edit after the proposal, and after the approval, is not what was approved.
	sneaked := edited + "p, sneaked, true, base:secret, allow, x\n"
	a.write("policy.csv", sneaked)
	if err := a.decide(string(d.Subject), store.Approve, a.other); err != nil {
		t.Fatal(err)
	}
	if a.e.Config.Rules.Digest != string(d.Subject) || a.e.Config.Rules.Text != edited || a.e.Config.InDirectory == nil || a.e.Config.InDirectory.Rules.Text != sneaked {
		t.Errorf("in force is\n%s", a.e.Config.Rules.Text)
	}
	r := a.run()
	for _, s := range r.Plan.Steps {
		if s.Entitlement == "base:secret" {
			t.Errorf("what was not approved is done: %+v", s)
		}
	}
	if a.has("2") != everything {
		t.Errorf("what was approved is not done: %s", a.has("2"))
	}
	if len(r.Plan.Holds) != 1 { // four lose the school, which is above the limit
		t.Errorf("%+v", r.Plan.Holds)
	}
	// Rejected, it is not in force and may be proposed again.
	if d, err = a.propose(a.other); err != nil {
		t.Fatal(err)
	}
	if err := a.decide(string(d.Subject), store.Reject, a.one); err != nil {
		t.Fatal(err)
	}
	if a.e.Config.Rules.Text != edited {
		t.Error("what was rejected is in force")
	}
	if _, err = a.propose(a.one); err != nil {
		t.Error(err)
	}
	// Both people proposed it by now: neither approves it.
	if err := a.decide(string(d.Subject), store.Approve, a.other); !errors.As(err, &refused) {
		t.Errorf("a person who once proposed it approves it: %v", err)
	}
}

// TestApprovalCoversAllOfTheRules: an edit of the catalogue, the units, the controls or the
// conflicts waits as well, and a file of conflicts that is new is not in force by the way.
func TestApprovalCoversAllOfTheRules(t *testing.T) {
	for name, text := range map[string]string{
		"catalogue.yaml": strings.Replace(catalogue, "secret: {mfa: true, authoritative: true}", "secret: {authoritative: true}", 1),
		"units.csv":      "unit,parent,name\nschool,library,\nlibrary,,\n",
		"conflicts.yaml": "conflicts:\n  c: {why: x, refused: true, between: ['base:staff', 'base:school']}\n",
		"controls.yaml":  "controls:\n  c: {purpose: x, from: {confidentiality: 0}, mfa: strong}\n",
	} {
		t.Run(name, func(t *testing.T) {
			classified := strings.Replace(catalogue, "    target: two\n", "    target: two\n    classification: {confidentiality: 1, integrity: 0, availability: 0}\n", 1)
			a := newApproving(t)
			a.write("catalogue.yaml", classified)
			a.approved(a.one, a.other)
			a.settledRun()
			before := a.e.Config.Rules.Digest
			a.write(name, text)
			if a.e.Config.Rules.Digest != before || a.e.Config.InDirectory == nil || a.e.Config.InDirectory.Rules.Digest == before {
				t.Fatal("the edit is in force")
			}
			if r := a.settledRun(); len(r.Plan.Steps) != 0 {
				t.Errorf("%+v", r.Plan.Steps)
			}
			if err := os.Remove(filepath.Join(a.e.Config.Dir, name)); name == "conflicts.yaml" && err == nil {
				if a.reload(); a.e.Config.InDirectory != nil {
					t.Error("the directory is as approved, and waits")
				}
			}
		})
	}
}

// TestApprovalSwitchedOn: an installation that turns approval on goes on with the rules of its
// last run, also when the files were edited at the same time.
func TestApprovalSwitchedOn(t *testing.T) {
	h := newFixture(t)
	h.hire("1 school T", "2 library T", "3 school T")
	h.settledRun()
	a := &approving{h, h.deciderCalled("boss"), h.deciderCalled("boss2")}
	before := a.e.Config.Rules.Digest
	if err := os.WriteFile(filepath.Join(a.e.Config.Dir, "policy.csv"), []byte("p, everyone, true, base:staff, allow, everybody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	a.write("behov.yaml", "rules: {approval: true}\n"+configuration)
	if a.e.Config.Rules.Digest != before || a.e.Config.InDirectory == nil {
		t.Fatal("the edit is in force")
	}
	if r := a.settledRun(); len(r.Plan.Steps) != 0 {
		t.Errorf("%+v", r.Plan.Steps)
	}
	// An engine that was given rules past all that refuses to run.
	a.e.Config = a.e.Config.InDirectory
	if _, err := a.e.Run(t.Context(), reconcile.Scope{}); !refusedWith[reason.RulesNotApproved](err) {
		t.Errorf("rules that no one approved are run: %v", err)
	}
}

// TestApprovedRulesThatCannotBeUsed: when the rest of the configuration does not fit the
// approved version any more, that is an error, and no other rules take its place.
func TestApprovedRulesThatCannotBeUsed(t *testing.T) {
	a := newApproving(t)
	a.approved(a.one, a.other)
	a.settledRun()
	source, err := a.e.DB.RulesSource(t.Context(), a.e.Config.Rules.Digest)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range [][]byte{source, nil} { // of which that is not the digest
		if _, err := reconcile.LoadRules(a.e.Config, "0123456789ab", text); !refusedWith[reason.RulesUnusable](err) {
			t.Error(err)
		}
	}
	a.write("catalogue.yaml", strings.ReplaceAll(catalogue, "target: two", "target: one"))
	yaml, _, _ := strings.Cut("rules: {approval: true}\n"+configuration, "  two:")
	if err := os.WriteFile(filepath.Join(a.e.Config.Dir, "behov.yaml"), []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Load(a.e.Config.Dir)
	if c == nil {
		t.Fatal(problems)
	}
	if _, err := reconcile.RulesInForce(t.Context(), a.e.DB, c); !refusedWith[reason.RulesUnusable](err) {
		t.Error(err)
	}
}
