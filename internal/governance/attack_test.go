package governance_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// What an attacker with the source open did to the built binary, each as a case of
// its kind.

// planHold raises a hold of steps.
func (o *office) planHold(steps ...plan.Step) string {
	o.t.Helper()
	o.serial++
	h := store.Hold{Digest: audit.HoldDigest(fmt.Sprintf("%016x", o.serial)), Kind: store.PlanHold, Subject: "one"}
	o.raise(h, "behov", steps...)
	return string(h.Digest)
}

// A disabled account of an administrator is bound by one operator, and enabled.
func TestAnAccountIsBoundAndEnabledByTwo(t *testing.T) {
	o := newOffice(t)
	m, ok := o.e.Targets["one"].(*memory.Connector)
	if !ok {
		t.Fatal("no memory target")
	}
	account, err := m.Put(connectors.Account{Name: "adm-root"}, false)
	if err != nil {
		t.Fatal(err)
	}
	temp, operator := o.person("temp"), o.by("operator")
	proposal, err := o.g.Bind(t.Context(), temp, "one", account, operator, "found it")
	if err != nil || proposal.Hold == nil {
		t.Fatalf("a disabled account is bound at once: %+v, %v", proposal, err)
	}
	if _, err := o.g.DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, operator, "mine"); !rights.IsCause(err) {
		t.Errorf("by the proposer: %v", err)
	}
	// What came under ignore since is not bound.
	o.g.Config.Targets[0].Ignore = append(o.g.Config.Targets[0].Ignore, "adm-*")
	if _, err := o.g.DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, o.by("administrator"), "looked at it"); err == nil || !strings.Contains(err.Error(), "ignore") {
		t.Errorf("an account under ignore: %v", err)
	}
	o.g.Config.Targets[0].Ignore = nil
	if _, err := o.g.DecideHold(t.Context(), string(proposal.Hold.Digest), store.Release, nil, o.by("administrator"), "looked at it"); err != nil {
		t.Fatal(err)
	}
	for who, cause := range map[string]bool{"administrator": true, "operator": false} {
		if _, err := o.g.Enable(t.Context(), temp, "", o.by(who), "needed"); rights.IsCause(err) != cause {
			t.Errorf("enabled by the %s: %v", who, err)
		}
	}
}

// A harmless later decision hid the decision that caused the steps, and the account's
// own steps had no entitlement to be caused by.
func TestNothingHidesTheCause(t *testing.T) {
	o := newOffice(t)
	stranger, staff, other, temp := o.person("stranger"), o.person("staff"), o.person("other"), o.person("temp")
	admin := o.by("administrator")
	o.decide(o.g.Merge(t.Context(), stranger, staff, admin, "one person"))
	o.decide(o.g.MarkDistinct(t.Context(), stranger, other, admin, "two people"))
	closes := plan.Step{Target: "one", Person: staff.ID, Op: connectors.DisableAccount}
	if _, err := o.g.DecideHold(t.Context(), o.planHold(closes), store.Release, nil, admin, "mine"); !rights.IsCause(err) {
		t.Errorf("after another decision about one of the two: %v", err)
	}
	if _, err := o.g.DecideHold(t.Context(), o.planHold(closes), store.Release, nil, o.by("operator"), "looked at it"); err != nil {
		t.Errorf("by another person: %v", err)
	}
	o.decide(o.g.DecideItem(t.Context(), o.item("lib", "lib:library", temp, ""), governance.Answer{Verdict: store.Revoke, Reason: "no longer"}, admin))
	closes.Person = temp.ID
	if _, err := o.g.DecideHold(t.Context(), o.planHold(closes), store.Release, nil, admin, "mine"); !rights.IsCause(err) {
		t.Errorf("the account of whom the last access was revoked: %v", err)
	}
}

// A file that a person chose to import causes what follows from it.
func TestAnImportIsACause(t *testing.T) {
	o := newOffice(t)
	admin := o.by("administrator")
	im := hr.Importer{DB: o.g.DB, Config: o.g.Config, Now: time.Now, Actor: identity.PersonActor(admin.Person)}
	source := o.g.Config.Sources["hr"]
	source.Changes = true
	text := []byte("person_id,employment_id,given_name,family_name,unit,start_date,end_date\ntemp,Etemp,Given,Familytemp,office,2020-01-01,2021-01-01\n")
	export, err := hr.Read("mine.csv", text, source, nil, o.g.Config.Rules.Units, im.Today())
	if err != nil {
		t.Fatal(err)
	}
	if r, err := im.Deliver(t.Context(), hr.Delivery{Source: source, Name: "mine.csv", Hash: hr.HashOf(text), Export: export, ByHand: true}); err != nil || r.Events == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	step := func(p identity.Person) plan.Step {
		return plan.Step{Target: "one", Person: p.ID, Op: connectors.DisableAccount}
	}
	if _, err := o.g.DecideHold(t.Context(), o.planHold(step(o.person("temp"))), store.Release, nil, admin, "mine"); !rights.IsCause(err) {
		t.Errorf("what the own import asks for: %v", err)
	}
	if _, err := o.g.DecideHold(t.Context(), o.planHold(step(o.person("other"))), store.Release, nil, admin, "looked at it"); err != nil {
		t.Errorf("of a person whom it did not change: %v", err)
	}
	if _, err := o.g.DecideHold(t.Context(), o.planHold(step(o.person("temp"))), store.Release, nil, o.by("operator"), "looked at it"); err != nil {
		t.Errorf("by another person: %v", err)
	}
}

// Records that are named where rights are given do not pass to another person.
func TestRightsDoNotPassWithARecord(t *testing.T) {
	o := newOffice(t)
	for _, who := range []string{"administrator", "owner", "deputy"} {
		if _, err := o.g.Merge(t.Context(), o.person("temp"), o.person(who), o.by("hr"), "one person"); err == nil || !strings.Contains(testenv.ErrorText(err), "take it out there first") {
			t.Errorf("HR makes a temp the %s: %v", who, err)
		}
	}
	if of, err := o.rolesOf(o.person("temp").ID); err != nil || len(of.Roles)+len(of.Owns) > 0 {
		t.Errorf("%+v, %v", of, err)
	}
	if _, err := o.g.Erase(t.Context(), o.person("gone"), o.by("hr"), "asked for it"); err == nil || !strings.Contains(testenv.ErrorText(err), "take it out there first") {
		t.Errorf("a record that rights.csv names is erased: %v", err)
	}
}

const number = "19811218-9876"

// Another source, and another record of one's own, give nothing.
func TestASecondRecordGivesNothing(t *testing.T) {
	o := newOffice(t)
	o.imports("hr", "person_id,employment_id,given_name,family_name,national_id,unit,job_code,manager_id,start_date\n"+
		"boss,Eboss,Eva,Ek,"+number+",office,,,2020-01-01\n")
	o.imports("pushed", "person_id,employment_id,given_name,family_name,national_id,unit,manager_id,start_date\n"+
		"K6,E6,Eve,Eke,"+number+",office,,2020-01-01\nM1,E7,Mallory,Mallory,,office,,2020-01-01\nC1,E8,Carl,Carlsson,,office,M1,2020-01-01\n")
	pushed := func(key string) identity.Person {
		t.Helper()
		p, known, err := o.g.DB.PersonByKey(t.Context(), identity.SourceKey{Source: "pushed", Key: key})
		if err != nil || !known {
			t.Fatal(key, known, err)
		}
		return p
	}
	var err error
	if o.g.Config.Rights, err = rights.New([]rights.Line{{Member: "hr/boss", Role: rights.Administrator}}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.g.SetLegalHold(t.Context(), pushed("K6"), false, o.by("boss"), "my own second record"); !rights.IsSelf(err) {
		t.Errorf("about another record of one's own: %v", err)
	}
	if _, err := o.g.Suspend(t.Context(), pushed("C1"), false, rights.Subject{Person: pushed("M1").ID}, "I am the manager"); !refused(err) {
		t.Errorf("a manager by another source: %v", err)
	}
	// While it is not decided which person a record is, it decides nothing.
	if err := o.g.DB.Write(t.Context(), func(tx *store.Tx) error {
		return tx.HoldRecord(t.Context(), store.HeldRecord{Person: o.person("boss").ID, Other: o.person("other").ID, Columns: "email"}, time.Now())
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := o.g.Pause(t.Context(), "one", store.Pause, o.by("boss"), "r"); !refused(err) {
		t.Errorf("a person who is held: %v", err)
	}
}

// Who has the number of a person with protected identity is protected, until it is
// known better.
func TestANumberIsProtectedWhereverItStands(t *testing.T) {
	o := newOffice(t)
	o.imports("hr", "person_id,employment_id,given_name,family_name,national_id,unit,start_date,protected\nsecret,Es,Lena,Bergström,"+number+",office,2020-01-01,yes\n")
	o.imports("pushed", "person_id,employment_id,given_name,family_name,national_id,unit,start_date,protected\nK8,E8,Lena,Bergström,"+number+",office,2020-01-01,no\nK9,E9,Nils,Ny,,office,2020-01-01,no\n")
	for key, want := range map[string]bool{"K8": true, "K9": false} {
		if p, _, err := o.g.DB.PersonByKey(t.Context(), identity.SourceKey{Source: "pushed", Key: key}); err != nil || p.Protected != want || want && strings.Contains(p.Name(), "Lena") {
			t.Errorf("%s is %q, protected %v, %v", key, p.Name(), p.Protected, err)
		}
	}
}

// A reason is one line of text.
func TestAReasonHasNoControls(t *testing.T) {
	o := newOffice(t)
	d, err := o.g.Pause(t.Context(), "one", store.Pause, o.by("administrator"), "r\x1b[2J\nHELD: none")
	if err != nil || strings.ContainsFunc(d.Reason, unicode.IsControl) {
		t.Errorf("%q, %v", d.Reason, err)
	}
	if _, err := o.g.Pause(t.Context(), "one", store.Resume, o.by("administrator"), "\u200b \u2060"); err == nil || !strings.Contains(err.Error(), "no-reason-given") {
		t.Errorf("a reason that cannot be seen: %v", err)
	}
}
