package plan_test

import (
	"slices"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
)

// TestCorrelate: an account is a person's when exactly one account and one
// person come together in a target that was read completely.
func TestCorrelate(t *testing.T) {
	account := func(id, name string, numbers ...string) connectors.Account {
		return connectors.Account{ID: id, Name: name, Enabled: true, Attributes: map[string][]string{"number": numbers}}
	}
	person := func(number, name string) plan.Person {
		p := plan.Person{ID: "p", Accounts: map[string]plan.Account{"t1": {Claims: []plan.Claim{{Attribute: "number", Value: number}, {Attribute: connectors.LoginName, Value: name}}}}}
		return p
	}
	owned := account("1", "anna", "7")
	owned.Anchor = "somebody"
	disabled := account("1", "x", "7")
	disabled.Enabled = false
	elsewhere := disabled
	elsewhere.MasteredExternally = true
	notYet, leaver := person("7", "anna"), person("7", "anna")
	notYet.NoEntitlementReason = reason.Of(reason.StartsLater{Next: "2026-12-01"})
	a := notYet.Accounts["t1"]
	a.NotStarted = true
	notYet.Accounts["t1"] = a
	leaver.NoEntitlementReason = reason.Of(reason.EmploymentEnded{Last: "2026-11-01"})
	for _, c := range []struct {
		name       string
		accounts   []connectors.Account
		person     plan.Person
		incomplete bool
		want       string
	}{
		{"by number", []connectors.Account{account("1", "x", "7"), account("2", "y", "8")}, person("7", "z"), false, "1"},
		{"by name, in any case", []connectors.Account{account("1", "ANNA")}, person("7", "anna"), false, "1"},
		{"the number is stronger", []connectors.Account{account("1", "anna", "8"), account("2", "x", "7")}, person("7", "anna"), false, "2"},
		{"one of several values", []connectors.Account{account("1", "x", "5", "7", "7")}, person("7", "z"), false, "1"},
		{"two accounts", []connectors.Account{account("1", "x", "7"), account("2", "anna", "7")}, person("7", "anna"), false, ""},
		{"somebody else's", []connectors.Account{owned}, person("7", "anna"), false, ""},
		{"a name whose number is another's", []connectors.Account{account("1", "anna", "8")}, person("7", "anna"), false, ""},
		{"a name with a number, of somebody whose number is not known", []connectors.Account{account("1", "anna", "8")}, person("", "anna"), false, ""},
		{"disabled on purpose", []connectors.Account{disabled}, person("7", "anna"), false, ""},
		{"disabled where it is mastered", []connectors.Account{elsewhere}, person("7", "anna"), false, "1"},
		{"a leaver's, disabled", []connectors.Account{disabled}, leaver, false, "1"},
		{"of somebody who has not begun", []connectors.Account{account("1", "x", "7")}, notYet, false, ""},
		{"half read", []connectors.Account{account("1", "x", "7")}, person("7", "z"), true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := plan.Target{Name: "t1", Observed: observed(t, groups, c.accounts), Adopts: true, Claims: []string{"number", connectors.LoginName, "mail"}}
			target.Observed.Completeness.Complete = !c.incomplete
			target.Correlate(slices.Values([]plan.Person{c.person}))
			got := ""
			if own, _ := target.Owned("p"); own != nil {
				got = own.ID
			}
			if got != c.want {
				t.Errorf("got account %q, want %q", got, c.want)
			}
		})
	}
}

// TestTwoClaimOne: what could be two people's is no one's, also when one of
// them has not begun.
func TestTwoClaimOne(t *testing.T) {
	for _, begun := range []bool{true, false} {
		target := plan.Target{Name: "t1", Adopts: true, Claims: []string{"number", connectors.LoginName, "mail"}, Observed: observed(t, groups, []connectors.Account{{ID: "1", Name: "x", Enabled: true, Attributes: map[string][]string{"mail": {"shared@x"}}}})}
		claims := []plan.Claim{{Attribute: "mail", Value: "Shared@x"}}
		target.Correlate(slices.Values([]plan.Person{{ID: "p", Accounts: map[string]plan.Account{"t1": {Claims: claims}}}, {ID: "q", Accounts: map[string]plan.Account{"t1": {Claims: claims, NotStarted: !begun}}}}))
		for _, person := range []identity.PersonID{"p", "q"} {
			if own, _ := target.Owned(person); own != nil {
				t.Errorf("%s gets it", person)
			}
		}
	}
}

// TestARecreatedAccountIsAdopted: an account that a person deleted and made
// again is told by the same rules as one that was there before.
func TestARecreatedAccountIsAdopted(t *testing.T) {
	target := plan.Target{Name: "t1", Adopts: true, Claims: []string{"number", connectors.LoginName, "mail"}, Observed: observed(t, groups, []connectors.Account{{ID: "2", Name: "x", Enabled: true, Attributes: map[string][]string{"number": {"7"}}}})}
	target.Bound.Bind("p", "1")
	target.Correlate(slices.Values([]plan.Person{{ID: "p", Accounts: map[string]plan.Account{"t1": {Claims: []plan.Claim{{Attribute: "number", Value: "7"}}}}}}))
	if own, _ := target.Owned("p"); own == nil || own.ID != "2" {
		t.Errorf("got %+v", own)
	}
}

// TestWhatIsHeld: what a wrong rule or mapping does in masses waits for a look,
// with everything that depends on it.
func TestWhatIsHeld(t *testing.T) {
	person := func(id identity.PersonID, name string, claims ...plan.Claim) plan.Person {
		return plan.Person{ID: id, Grants: teller.Grants, Accounts: map[string]plan.Account{"t1": {Name: name, Claims: claims, Attributes: map[string][]string{"mail": {"new@x"}},
			References: map[string]identity.PersonID{"boss": "p"}}}}
	}
	claim := plan.Claim{Attribute: "number", Value: "7"}
	account := connectors.Account{ID: "1", Anchor: "p", Name: "p", Enabled: true, Attributes: map[string][]string{"mail": {"old@x"}}}
	for _, c := range []struct {
		name     string
		accounts []connectors.Account
		person   plan.Person
		want     int // steps that are held
	}{
		{"an account is changed", []connectors.Account{account}, person("p", "p"), 2}, // mail and boss; the membership goes through
		{"one is made", nil, person("p", "p"), 0},
		{"one is made though there may be one", nil, person("p", "p", claim), 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := plan.Target{Name: "t1", Adopts: true, Claims: []string{"number", connectors.LoginName, "mail"}, Observed: observed(t, groups, c.accounts), Loading: true, Limits: changesAreHeld(), References: map[string]bool{"boss": true}}
			target.Correlate(slices.Values([]plan.Person{c.person}))
			p := build(t, plan.Input{Catalogue: &catalogue, People: slices.Values([]plan.Person{c.person}), Targets: []plan.Target{target}})
			held := 0
			for _, h := range p.Holds {
				held += len(h.Steps)
			}
			if held != c.want {
				t.Errorf("%d steps are held, want %d: %+v", held, c.want, p.Holds)
			}
			for _, s := range p.Steps {
				for _, id := range s.DependsOn {
					for _, h := range p.Holds {
						for _, x := range h.Steps {
							if x.ID == id {
								t.Errorf("%+v goes through, and what it depends on is held", s)
							}
						}
					}
				}
			}
		})
	}
}

// changesAreHeld lets nothing be changed or made without a release.
func changesAreHeld() map[blastradius.Kind]blastradius.Limit {
	l := atMost(10)
	l[blastradius.Changes], l[blastradius.Creations] = blastradius.Limit{Share: -1}, blastradius.Limit{Share: -1}
	return l
}
