package reconcile

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// Values are the values that a plan's steps write, for the operator who previews it. They
// are personal data: no plan has them and nothing stores them. Those of people with
// protected identity are left out.
type Values struct {
	engine  *Engine
	inputs  *inputs
	targets map[string]plan.Target
}

// ValueChange is one attribute's old and new values.
type ValueChange struct {
	Attribute string   `json:"attribute"`
	Before    []string `json:"before,omitempty"`
	After     []string `json:"after,omitempty"`
}

// Look is Preview for a plan that is shown and not saved, which for one person today costs
// the same however many people there are: it first reads what is about the person alone.
// When that shows something to do it plans for everyone, as the limits count the steps of
// all people.
func (e *Engine) Look(ctx context.Context, s Scope) (*plan.Plan, *Values, error) {
	person := s.Person
	if person == "" || s.AsOf != "" {
		return e.Preview(ctx, s)
	}
	w, err := e.newInputs(ctx, Scope{Targets: s.Targets})
	if err != nil {
		return nil, nil, err
	}
	w.covers.people = store.Only(person)
	if err := e.readSubset(ctx, w); err != nil {
		return nil, nil, err
	}
	if err := e.readTargets(ctx, w); err != nil {
		return nil, nil, err
	}
	p, err := e.plan(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	if len(p.Deferred)+len(p.Steps)+len(p.Holds)+len(p.AwaitingCompleteRead) > 0 {
		return e.Preview(ctx, s)
	}
	one, err := p.Only(person)
	return one, e.valuesOf(w), err
}

// Preview returns what Run would do, and the values that it would write. It writes
// nothing, in no target and not in the database.
func (e *Engine) Preview(ctx context.Context, s Scope) (*plan.Plan, *Values, error) {
	p, w, err := e.preview(ctx, s)
	if err != nil {
		return p, nil, err
	}
	return p, e.valuesOf(w), nil
}

func (e *Engine) valuesOf(w *inputs) *Values {
	v := &Values{engine: e, inputs: w, targets: map[string]plan.Target{}}
	for _, t := range w.targets {
		v.targets[t.Name] = t
	}
	return v
}

func (v *Values) protected(person identity.PersonID) bool {
	p, ok := v.inputs.people.Person(person)
	return ok && p.Protected
}

// Account returns the login name of the account that a step is about: the one
// it has, or, when it is created or renamed, the one it gets.
func (v *Values) Account(s plan.Step) string {
	t := v.targets[s.Target]
	if t.Observed == nil || v.protected(s.Person) {
		return ""
	}
	if execute.CreatesAccount(s.Op) || s.Op == connectors.RenameAccount {
		return v.inputs.accounts().Account(s.Person, s.Target).Name
	}
	a, _ := t.Observed.ByID(s.AccountID)
	return a.Name
}

// FindingAccount is the account that a finding is about, for people.
type FindingAccount struct {
	Target    string `json:"target"`
	AccountID string `json:"account_id"`
	Name      string `json:"name,omitempty"`  // the login name
	Place     string `json:"place,omitempty"` // the DN of the container that the account is in, or a path
}

// FindingAccounts returns the accounts that findings are about, as far as the
// target shows them, without those of protected people. Where they are it asks
// the targets that can be searched; one that does not answer leaves it out.
func (v *Values) FindingAccounts(ctx context.Context, findings []plan.Finding) []FindingAccount {
	ctx, cancel := context.WithTimeout(ctx, locateWithin)
	defer cancel()
	var all []FindingAccount
	at := map[[2]string]int{}
	refs := map[string][]connectors.AccountRef{}
	for _, f := range findings {
		t := v.targets[f.Target]
		key := [2]string{f.Target, f.AccountID}
		if _, told := at[key]; told || f.AccountID == "" || t.Observed == nil || f.Person != "" && v.protected(f.Person) {
			continue
		}
		a, _ := t.Observed.ByID(f.AccountID)
		if v.protected(identity.PersonID(a.Anchor)) {
			continue
		}
		place := ""
		if l, located := t.Located[f.AccountID]; located {
			a, place = l.Account, l.Place
		}
		at[key] = len(all)
		all = append(all, FindingAccount{Target: f.Target, AccountID: f.AccountID, Name: a.Name, Place: place})
		refs[f.Target] = append(refs[f.Target], connectors.AccountRef{ID: f.AccountID})
	}
	for target, accounts := range refs {
		locator, able := v.engine.Targets[target].(connectors.AccountLocator)
		if !able {
			continue
		}
		_ = execute.Recover(execute.InConnector, func() error { // the names are there all the same
			_, err := locator.LocateAccounts(ctx, accounts, func(l connectors.Location) error {
				if i, asked := at[[2]string{target, l.Account.ID}]; asked {
					all[i].Name, all[i].Place = l.Account.Name, l.Place
				}
				return nil
			})
			return err
		})
	}
	return all
}

// locateWithin is how long finding out where accounts are may take.
const locateWithin = 10 * time.Second

// Changes returns the values that a step writes, in the order of their
// attributes.
func (v *Values) Changes(s plan.Step) []ValueChange {
	t := v.targets[s.Target]
	if t.Observed == nil || v.protected(s.Person) {
		return nil
	}
	now, _ := t.Observed.ByID(s.AccountID)
	desired := v.inputs.accounts().Account(s.Person, s.Target)
	var all []ValueChange
	for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
		c := ValueChange{Attribute: name, Before: now.Attributes[name], After: desired.Attributes[name]}
		if person, refers := desired.References[name]; refers {
			c.Before, c.After = v.names(t, c.Before), nil
			if person != "" {
				c.After = []string{v.inputs.accounts().Account(person, s.Target).Name}
			}
		}
		if name == connectors.LoginName {
			c.Before, c.After = []string{now.Name}, []string{desired.Name}
		}
		if len(c.Before)+len(c.After) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// names turns account IDs into login names, where they are accounts.
func (v *Values) names(t plan.Target, ids []string) []string {
	var names []string
	for _, id := range ids {
		if a, ok := t.Observed.ByID(id); ok {
			id = a.Name
		}
		names = append(names, id)
	}
	return names
}
