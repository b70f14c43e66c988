package plan_test

import (
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/plan"
)

// TestCorrelate: an account is a person's when exactly one account and one
// person come together in a target that was read completely.
func TestCorrelate(t *testing.T) {
	account := func(id, name string, numbers ...string) connectors.Account {
		return connectors.Account{ID: id, Name: name, Attributes: map[string][]string{"number": numbers}}
	}
	person := func(number, name string) plan.Person {
		p := plan.Person{ID: "p", Accounts: map[string]plan.Account{"t1": {Claims: []plan.Claim{{Attribute: "number", Value: number}, {Attribute: plan.NameAttribute, Value: name}}}}}
		return p
	}
	owned := account("1", "anna", "7")
	owned.Anchor = "somebody"
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
		{"half read", []connectors.Account{account("1", "x", "7")}, person("7", "z"), true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := plan.Target{Name: "t1", Observed: observed(t, groups, c.accounts), Adopts: true}
			target.Observed.Completeness.Complete = !c.incomplete
			target.Correlate([]plan.Person{c.person})
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
