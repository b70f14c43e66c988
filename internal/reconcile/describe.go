package reconcile

import (
	"context"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
)

// describe works out what each person's account looks like in each target, and
// finds those that were there before behov.
func (e *Engine) describe(ctx context.Context, w *world, people []plan.Person) error {
	w.accounts = make(map[identity.PersonID]map[string]plan.Account, len(w.people))
	w.freshNames = map[string]map[identity.PersonID]string{}
	byKey := w.byKey()
	tree := e.Config.Rules.Units.On(w.day)
	for i, p := range w.people {
		people[i].Accounts = make(map[string]plan.Account, len(e.Config.Targets))
		w.accounts[p.ID] = people[i].Accounts
	}
	for t, c := range e.Config.Targets {
		if err := e.claims(w, c, people); err != nil {
			return err
		}
		w.targets[t].Correlate(people)
		names, err := e.newNaming(ctx, w.targets[t], c.Account)
		if err != nil {
			return err
		}
		if err := e.nameAll(ctx, w, c, names, people); err != nil {
			return err
		}
		for i, p := range w.people {
			view := p.ViewOn(w.day, c.Main)
			view.Unit = tree.Current(view.Unit)
			view.Zone = e.Config.Zone
			a := people[i].Accounts[c.Name]
			view.Account = a.Name
			boss, known := manager(p, w.day, c.Main, byKey)
			attributes(&a, c, view, boss, known)
			people[i].Accounts[c.Name] = a
		}
		w.freshNames[c.Name] = names.fresh
	}
	return nil
}

// nameAll chooses the names of all accounts, again for as long as the target
// says that one is taken where we do not see it.
func (e *Engine) nameAll(ctx context.Context, w *world, c config.Target, names *naming, people []plan.Person) error {
	for range maxRounds {
		for i, p := range w.people {
			a := people[i].Accounts[c.Name]
			a.Rename, a.BadName = c.Account.Rename, ""
			var err error
			if a.Name, err = names.current(p.ID); err != nil {
				return err
			}
			if (people[i].NoNeed == "" || people[i].Prepare) && e.concerns(c.Name, people[i]) {
				if a.Name, err = names.choose(p.ID, a.Name, p.ViewOn(w.day, c.Main)); err != nil {
					a.BadName = err.Error()
				}
			}
			people[i].Accounts[c.Name] = a
		}
		again, err := names.check(ctx, e.Targets[c.Name])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || !again {
			return nil //nolint:nilerr // what cannot be asked the target itself says, by refusing the name
		}
	}
	return nil
}

// maxRounds is how often names are chosen again.
const maxRounds = 20

// claims works out by what an account that was there would be told as the
// person's. Of somebody who has not begun yet it is adopted only on the first
// day: until then it may be needed for something that HR does not know.
func (e *Engine) claims(w *world, c config.Target, people []plan.Person) error {
	for i, p := range w.people {
		a := people[i].Accounts[c.Name]
		a.NotYet = people[i].NoNeed != "" && !hasBegun(p, w.day)
		for _, claim := range c.Adopt {
			value, err := claim.Value.Execute(p.ViewOn(w.day, c.Main))
			if err != nil {
				return fmt.Errorf("target %s: adopt: %s: %w", c.Name, claim.Attribute, err)
			}
			a.Claims = append(a.Claims, plan.Claim{Attribute: claim.Attribute, Value: value})
		}
		people[i].Accounts[c.Name] = a
	}
	return nil
}

// hasBegun says whether any employment of the person has begun, be it over or
// not.
func hasBegun(p identity.Person, day identity.Date) bool {
	return slices.ContainsFunc(p.Employments, func(e identity.Employment) bool { return e.Start <= day })
}

// concerns says whether the rules give the person anything in the target, now
// or when a gate opens.
func (e *Engine) concerns(target string, p plan.Person) bool {
	return slices.ContainsFunc(p.Grants, func(g policy.Grant) bool {
		entitlement, ok := e.Config.Rules.Catalogue.Entitlement(g.Entitlement)
		return ok && entitlement.Target == target
	})
}

// manager returns who the person's manager is, of the employment that speaks
// for them. It is not known when HR names somebody it does not list.
func manager(p identity.Person, day identity.Date, rule identity.MainRule, byKey map[identity.SourceKey]identity.PersonID) (id identity.PersonID, known bool) {
	main, ok := p.Main(day, rule)
	if !ok {
		return "", true
	}
	key := main.On(max(day, main.Start)).ManagerKey
	if key == "" {
		return "", true
	}
	id, known = byKey[identity.SourceKey{Source: main.Key.Source, Key: key}]
	return id, known
}

// attributes renders the values that are managed in the target.
func attributes(a *plan.Account, c config.Target, view identity.View, manager identity.PersonID, known bool) {
	a.Attributes = make(map[string][]string, len(c.Attributes))
	for _, name := range c.AttributeNames() {
		attribute := c.Attributes[name]
		withheld := view.Protected && attribute.Replaced
		if attribute.Manager {
			if withheld {
				manager = ""
			}
			if known || withheld {
				if a.References == nil {
					a.References = map[string]identity.PersonID{}
				}
				a.References[name] = manager
			}
			continue
		}
		template, otherwise := attribute.Value, attribute.Default
		if withheld {
			template, otherwise = attribute.Protected, nil
		}
		value, err := "", error(nil)
		if template != nil {
			value, err = template.Execute(view)
		}
		if err == nil && value == "" && otherwise != nil {
			value, err = otherwise.Execute(view)
		}
		switch {
		case err != nil:
			a.Bad = fmt.Sprintf("attribute %s: %v", name, err)
		case value == "":
			a.Attributes[name] = nil
		default:
			a.Attributes[name] = []string{value}
		}
		if attribute.OnCreate {
			if a.OnCreate == nil {
				a.OnCreate = map[string]bool{}
			}
			a.OnCreate[name] = true
		}
	}
}
