package reconcile

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
)

// desiredPeople works out what everyone needs and what their accounts look like,
// one person after another: of a hundred thousand there is never more than one
// in memory. It ends early when the context does.
func (e *Engine) desiredPeople(ctx context.Context, w *inputs) iter.Seq[plan.Person] {
	return func(yield func(plan.Person) bool) {
		// What the next need is worked out while the plan takes up these.
		ahead, stop := make(chan chan []plan.Person, runtime.GOMAXPROCS(0)), make(chan struct{})
		defer close(stop)
		go func() {
			defer close(ahead)
			for some := range slices.Chunk(w.people, 250) {
				described := make(chan []plan.Person, 1)
				select {
				case <-stop:
					return
				case ahead <- described:
				}
				go func() { described <- e.describePeople(w, some) }()
			}
		}()
		n := 0
		for described := range ahead {
			for _, desired := range <-described {
				if n%1000 == 0 {
					e.progress("plan", n, len(w.people))
				}
				n++
				if ctx.Err() != nil || !yield(desired) {
					return
				}
			}
		}
	}
}

// describePeople works out the desired grants and accounts of people. It runs for several
// chunks at once and does not change the inputs.
func (e *Engine) describePeople(w *inputs, people []identity.Person) []plan.Person {
	all := make([]plan.Person, len(people))
	for i, p := range people {
		all[i] = e.desiredGrants(w, p)
		all[i].Accounts = make(map[string]plan.Account, len(w.targetConfigs))
		for t := range w.targetConfigs {
			all[i].Accounts[w.targetConfigs[t].Name] = e.account(w, t, p)
		}
	}
	return all
}

// desiredGrants works out what a person needs.
func (e *Engine) desiredGrants(w *inputs, p identity.Person) plan.Person {
	facts := w.facts[p.ID]
	desired := plan.Person{ID: p.ID, SuspendedReason: facts.Suspended, Warnings: w.warnings[p.ID]}
	day := e.applyStage(&desired, e.lifecycleStage(w, p), w.day)
	var err error
	desired.Grants, err = e.Config.Rules.Decide(p, day, facts)
	if err == nil {
		err = e.checkUnits(p, day)
	}
	if err == nil {
		err = w.undecided[p.ID]
	}
	if err != nil {
		desired.UndecidedReason = err.Error()
	}
	return desired
}

// lifecycleStage says where a person stands.
func (e *Engine) lifecycleStage(w *inputs, p identity.Person) identity.Stage {
	return e.Config.Lifecycle.StageOf(p, w.day, w.facts[p.ID].LegalHold != "")
}

// applyStage says what a person's state means for their accounts, and returns the
// day whose needs count.
func (e *Engine) applyStage(p *plan.Person, s identity.Stage, day identity.Date) identity.Date {
	l := e.Config.Lifecycle
	switch s.State {
	case identity.Working:
		return day
	case identity.OnLeave:
		if l.Leave == identity.LeaveSuspends {
			p.DisabledReason = s.Why
		}
		return day
	}
	p.NoEntitlementReason = s.Why
	p.KeepMemberships = s.Since != "" && s.Since.AddDays(l.KeepMemberships) > day
	switch s.State {
	case identity.PreHire, identity.Between:
		if s.Next.AddDays(-l.Prepare) <= day {
			p.Prepare = true
			return s.Next
		}
	case identity.Retained, identity.ToErase:
		p.DeleteReason = s.Why
	}
	return day
}

// checkUnits returns an error when a unit in which a person works is not in the tree: a
// unit that was closed or forgotten there must not take anyone's access.
func (e *Engine) checkUnits(p identity.Person, day identity.Date) error {
	if e.Config.Rules.Units.Len() == 0 {
		return nil
	}
	tree := e.Config.Rules.Units.On(day)
	for _, employment := range p.Employments {
		if !employment.ActiveOn(day) {
			continue
		}
		unit := tree.Current(employment.On(day).Unit)
		switch {
		case unit == "" || tree.Has(unit):
		case e.Config.Rules.Units.Has(unit):
			return fmt.Errorf("the unit %q of an employment is closed on %s: name its successor in the units file, or move the employment in HR", unit, day)
		default:
			return fmt.Errorf("the unit %q of an employment is not in the units file: add it there, or correct it in HR", unit)
		}
	}
	return nil
}

// chosen is the name that an account gets, or why none.
type chosen struct{ name, bad string }

// nameAccounts finds existing accounts to adopt and chooses the names of accounts that
// are to be created. Both compare all people before anyone is planned.
func (e *Engine) nameAccounts(ctx context.Context, w *inputs) error {
	w.freshNames = map[string]map[identity.PersonID]string{}
	w.names = map[string]map[identity.PersonID]chosen{}
	for t, c := range w.targetConfigs {
		w.targets[t].Correlate(e.claimants(w, t))
		names, err := e.newNaming(ctx, w, w.targets[t], c.Account)
		if err != nil {
			return err
		}
		if w.names[c.Name], err = e.chooseNames(ctx, w, t, names); err != nil {
			return err
		}
		w.freshNames[c.Name] = names.fresh
	}
	return nil
}

// claimants are people with what they claim in a target.
func (e *Engine) claimants(w *inputs, t int) iter.Seq[plan.Person] {
	return func(yield func(plan.Person) bool) {
		for _, p := range w.people {
			desired := plan.Person{ID: p.ID}
			e.applyStage(&desired, e.lifecycleStage(w, p), w.day)
			var a plan.Account
			e.claims(w, w.targetConfigs[t], p, &a)
			desired.Accounts = map[string]plan.Account{w.targetConfigs[t].Name: a}
			if !yield(desired) {
				return
			}
		}
	}
}

// chooseNames chooses the names that accounts get, again for as long as the target
// says that one is taken where we do not see it.
func (e *Engine) chooseNames(ctx context.Context, w *inputs, t int, names *naming) (map[identity.PersonID]chosen, error) {
	c := w.targetConfigs[t]
	all := map[identity.PersonID]chosen{}
	currentNames, err := names.currentNames(ctx, w.people)
	if err != nil {
		return nil, err
	}
	for range maxRounds {
		for i, p := range w.people {
			current := currentNames[i]
			if current != "" && !c.Account.Rename {
				continue
			}
			if desired := e.desiredGrants(w, p); desired.NoEntitlementReason != "" && !desired.Prepare || !e.hasEntitlementIn(c.Name, desired) {
				continue
			}
			a := chosen{}
			if a.name, err = names.choose(ctx, p.ID, current, p.ViewOn(w.day, c.Main)); err != nil {
				a.bad = err.Error()
			}
			all[p.ID] = a
		}
		again, err := names.check(ctx, e.Targets[c.Name])
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || !again {
			return all, nil //nolint:nilerr // what cannot be asked the target itself says, by refusing the name
		}
	}
	return all, nil
}

// maxRounds is how often names are chosen again.
const maxRounds = 20

// accountOf returns the desired account of a person in a target; the zero value for a
// person whom the inputs do not cover.
func (e *Engine) accountOf(w *inputs, person identity.PersonID, target string) plan.Account {
	t := slices.IndexFunc(w.targetConfigs, func(c config.Target) bool { return c.Name == target })
	p, known := w.person(person)
	if t < 0 || !known {
		return plan.Account{}
	}
	return e.account(w, t, p)
}

// account works out what a person's account in a target looks like.
func (e *Engine) account(w *inputs, t int, p identity.Person) plan.Account {
	c := w.targetConfigs[t]
	a := plan.Account{Rename: c.Account.Rename}
	e.claims(w, c, p, &a)
	there := "" // the name that the account has
	if w.targets[t].Observed != nil {
		there, _ = w.targets[t].OwnName(p.ID)
	}
	if chosen, ok := w.names[c.Name][p.ID]; ok {
		a.Name, a.BadName = chosen.name, chosen.bad
	} else {
		a.Name = there
	}
	if p.Protected && there != "" {
		a.Exposed = Exposed(c, p, there)
	}
	view := p.ViewOn(w.day, c.Main)
	view.Unit = e.Config.Rules.Units.On(w.day).Current(view.Unit)
	view.Zone = e.Config.Zone
	view.Account = a.Name
	boss, known := manager(p, w.day, c.Main, w.peopleByKey)
	if len(c.References()) > 0 {
		switch {
		case !known:
			a.Manager = plan.ManagerUnknown
		case boss != "" && e.hasLeft(w, boss):
			a.Manager = plan.ManagerLeft
		}
	}
	attributes(&a, c, view, boss)
	return a
}

// claims works out the values by which an existing account is recognised as the person's.
// An account of a person who has not started is adopted on the first day and not before:
// until then it may serve a purpose that HR does not know.
func (e *Engine) claims(w *inputs, c config.Target, p identity.Person, a *plan.Account) {
	var held *heldError
	if len(c.Adopt) == 0 || errors.As(w.undecided[p.ID], &held) { // who may be another person claims nothing
		return
	}
	var desired plan.Person
	e.applyStage(&desired, e.lifecycleStage(w, p), w.day)
	a.NotStarted = desired.NoEntitlementReason != "" && !hasStarted(p, w.day)
	for _, claim := range c.Adopt {
		value, err := claim.Value.Execute(p.ViewOn(w.day, c.Main))
		if err != nil {
			a.Bad = fmt.Sprintf("adopt: %s: %v", claim.Attribute, err)
		}
		a.Claims = append(a.Claims, plan.Claim{Attribute: claim.Attribute, Value: value})
	}
}

// hasStarted reports whether any employment of the person has started, ended ones
// included.
func hasStarted(p identity.Person, day identity.Date) bool {
	return slices.ContainsFunc(p.Employments, func(e identity.Employment) bool { return e.HasStarted(day) })
}

// hasEntitlementIn reports whether the rules grant the person anything in the target, now
// or once a gate opens.
func (e *Engine) hasEntitlementIn(target string, p plan.Person) bool {
	return slices.ContainsFunc(p.Grants, func(g policy.Grant) bool {
		entitlement, ok := e.Config.Rules.Catalogue.Entitlement(g.Entitlement)
		return ok && entitlement.Target == target
	})
}

// manager returns the person's manager by their main employment. known is false when HR
// names a manager whom it does not list.
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

// hasLeft reports whether all employments of a person to whom others refer have ended.
func (e *Engine) hasLeft(w *inputs, id identity.PersonID) bool {
	p, ok := w.person(id)
	if !ok {
		p, ok = w.managers[id]
	}
	switch e.lifecycleStage(w, p).State {
	case identity.Ended, identity.Retained, identity.ToErase:
		return ok
	}
	return false
}

// attributes renders the values that are managed in the target.
func attributes(a *plan.Account, c config.Target, view identity.View, manager identity.PersonID) {
	a.Attributes = make(map[string][]string, len(c.Attributes))
	for _, name := range c.AttributeNames() {
		attribute := c.Attributes[name]
		withheld := view.Protected && attribute.Replaced
		if attribute.Manager {
			to := manager
			if withheld || attribute.Cleared && a.Manager != "" {
				to = ""
			}
			if a.Manager != plan.ManagerUnknown || withheld || attribute.Cleared {
				if a.References == nil {
					a.References, a.Cleared = map[string]identity.PersonID{}, map[string]bool{}
				}
				a.References[name], a.Cleared[name] = to, attribute.Cleared
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
		// What is withheld is so in an account that was there, too.
		if attribute.OnCreate && !withheld {
			if a.OnCreate == nil {
				a.OnCreate = map[string]bool{}
			}
			a.OnCreate[name] = true
		}
	}
}
