package desired_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/rules"
)

const today = identity.Date("2026-11-30")

// example loads the example configuration.
func example(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	entries, err := fs.ReadDir(rules.Example, "example")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		text, err := fs.ReadFile(rules.Example, "example/"+e.Name())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, e.Name()), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	return c
}

// nurse returns a person who works as a nurse from one day to another.
func nurse(id string, start, end identity.Date) identity.Person {
	return identity.Person{ID: identity.PersonID(id), Login: "login" + id, PersonFacts: identity.PersonFacts{GivenName: "Eva", FamilyName: "Ek", Email: "eva@example.org"},
		Keys: []identity.Record{{SourceKey: identity.SourceKey{Source: "hr", Key: id}}},
		Employments: []identity.Employment{{ID: identity.EmploymentID("e" + id), Key: identity.SourceKey{Source: "hr", Key: "e" + id}, PersonKey: id,
			EmploymentFacts: identity.EmploymentFacts{Start: start, End: end, Terms: []identity.Terms{{Unit: "home-care", JobCode: "2221", Percent: 100}}}}}}
}

// TestGrants: what a person should have follows from the stage, the rules, and what is
// decided; what cannot be worked out changes nothing.
func TestGrants(t *testing.T) {
	c := example(t)
	for name, of := range map[string]struct {
		person  identity.Person
		facts   policy.Facts
		problem reason.Reason
		want    string
	}{
		"works here":     {nurse("1", "2020-01-01", ""), policy.Facts{}, reason.Reason{}, "base:staff"},
		"left":           {nurse("1", "2020-01-01", "2026-11-01"), policy.Facts{}, reason.Reason{}, "needs nothing"},
		"begins soon":    {nurse("1", "2026-12-02", ""), policy.Facts{}, reason.Reason{}, "base:staff, needs nothing, prepared"},
		"begins later":   {nurse("1", "2027-12-02", ""), policy.Facts{}, reason.Reason{}, "needs nothing"},
		"suspended":      {nurse("1", "2020-01-01", ""), policy.Facts{Suspended: reason.Of(reason.Suspended{Decision: 7, Maker: identity.System})}, reason.Reason{}, "base:staff, suspended"},
		"not worked out": {nurse("1", "2020-01-01", ""), policy.Facts{}, reason.Of(reason.EvaluatorsDiffer{Detail: "two ways"}), "base:staff, undecided"},
	} {
		people := desired.NewPeople(c, today)
		people.All = []identity.Person{of.person}
		people.Facts["1"] = of.facts
		if !of.problem.IsZero() {
			people.Undecided["1"] = of.problem
		}
		p := people.Grants(of.person)
		var got []string
		for _, g := range p.Grants {
			if g.Entitlement == "base:staff" {
				got = append(got, string(g.Entitlement))
			}
		}
		for what, is := range map[string]bool{"prepared": p.Prepare, "needs nothing": !p.NoEntitlementReason.IsZero(), "suspended": !p.SuspendedReason.IsZero(), "undecided": !p.UndecidedReason.IsZero()} {
			if is {
				got = append(got, what)
			}
		}
		slices.Sort(got)
		if strings.Join(got, ", ") != of.want {
			t.Errorf("%s: got %v, want %s", name, got, of.want)
		}
	}
}

// TestAccount: an account that is there keeps its name, one that is to come gets the one
// that was chosen; nothing is known of a person who is not among the people.
func TestAccount(t *testing.T) {
	c := example(t)
	there, comes := nurse("1", "2020-01-01", ""), nurse("2", "2026-12-01", "")
	people := desired.NewPeople(c, today)
	people.All = []identity.Person{there, comes}
	observed := plan.NewObserved()
	if err := observed.Account(connectors.Account{ID: "17", Anchor: "1", Name: "an-old-name"}); err != nil {
		t.Fatal(err)
	}
	observed.Done(connectors.Completeness{Complete: true})
	target := c.Targets[0].Name
	accounts := desired.Accounts{People: people, Targets: []plan.Target{{Name: target, Observed: observed}},
		Names: map[string]map[identity.PersonID]desired.Name{target: {"2": {Name: "eva2"}}}}
	if got := accounts.Account("1", target); got.Name != "an-old-name" || len(got.Attributes) == 0 {
		t.Errorf("the account that is there: %+v", got)
	}
	if got := accounts.Account("2", target); got.Name != "eva2" || !slices.Equal(got.Attributes["mail"], accounts.Account("1", target).Attributes["mail"]) {
		t.Errorf("the account that comes: %+v", got)
	}
	for _, unknown := range [][2]string{{"3", target}, {"1", "nowhere"}} {
		if got := accounts.Account(identity.PersonID(unknown[0]), unknown[1]); got.Name != "" || got.Attributes != nil {
			t.Errorf("%v: %+v", unknown, got)
		}
	}
	if p := accounts.Of(there); len(p.Accounts) != 1 || p.ID != "1" || len(p.Grants) == 0 {
		t.Errorf("everything of the person: %+v", p)
	}
}
