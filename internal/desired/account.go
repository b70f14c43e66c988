package desired

import (
	"iter"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
)

// Name is the name that an account gets, or why there is none to give.
type Name struct {
	Name string
	Bad  reason.Reason
}

// Accounts are what the people's accounts look like in targets as they were observed.
type Accounts struct {
	*People
	Targets []plan.Target
	// Names are those that were chosen, by target and person. An account without one
	// keeps the name that it has.
	Names map[string]map[identity.PersonID]Name
}

// Account returns what a person's account in a target looks like; the zero value for a
// person or a target that is not among them.
func (d *Accounts) Account(person identity.PersonID, target string) plan.Account {
	c, configured := d.Config.Target(target)
	t := slices.IndexFunc(d.Targets, func(t plan.Target) bool { return t.Name == target })
	p, known := d.Person(person)
	if t < 0 || !known || !configured {
		return plan.Account{}
	}
	return d.account(c, &d.Targets[t], p)
}

// Of returns a person with everything that they should have.
func (d *Accounts) Of(p identity.Person) plan.Person {
	desired := d.Grants(p)
	desired.Accounts = make(map[string]plan.Account, len(d.Targets))
	for i := range d.Targets {
		t := &d.Targets[i]
		if c, configured := d.Config.Target(t.Name); configured {
			desired.Accounts[t.Name] = d.account(c, t, p)
		}
	}
	return desired
}

// account works out what a person's account in a target looks like.
func (d *Accounts) account(c config.Target, t *plan.Target, p identity.Person) plan.Account {
	a := d.Claims(c, p)
	a.Rename = c.Account.Rename
	there := "" // the name that the account has
	if t.Observed != nil {
		there, _ = t.OwnName(p.ID)
	}
	if chosen, ok := d.Names[c.Name][p.ID]; ok {
		a.Name, a.BadName = chosen.Name, chosen.Bad
	} else {
		a.Name = there
	}
	if p.Protected && there != "" {
		a.Exposed = Exposed(c, p, there)
	}
	view := p.ViewOn(d.Day, c.Main, d.Config.Forms)
	view.Unit = d.Config.Rules.Units.On(d.Day).Current(view.Unit)
	view.Zone = d.Config.Zone
	view.Account = a.Name
	boss, known := Manager(p, d.Day, c.Main, d.ByKey)
	if len(c.References()) > 0 {
		switch {
		case !known:
			a.Manager = plan.ManagerUnknown
		case boss != "" && d.hasLeft(boss):
			a.Manager = plan.ManagerLeft
		}
	}
	attributes(&a, c, view, boss)
	return a
}

// Claimants are the people with what each claims in a target: the values by which an
// existing account is recognised as theirs.
func (d *People) Claimants(c config.Target) iter.Seq[plan.Person] {
	return func(yield func(plan.Person) bool) {
		for _, p := range d.All {
			desired := plan.Person{ID: p.ID}
			d.applyStage(&desired, d.Stage(p), d.Day)
			desired.Accounts = map[string]plan.Account{c.Name: d.Claims(c, p)}
			if !yield(desired) {
				return
			}
		}
	}
}

// Claims returns the part of a person's account by which an existing account is recognised
// as theirs. An account of a person who has not started is adopted on the first day and
// not before: until then it may serve a purpose that HR does not know.
func (d *People) Claims(c config.Target, p identity.Person) (a plan.Account) {
	held := d.Undecided[p.ID].Code()
	if len(c.Adopt) == 0 || held == reason.CodeOf(reason.RecordHeld{}) || held == reason.CodeOf(reason.RecordOfErased{}) {
		return a // who may be another person claims nothing
	}
	var desired plan.Person
	d.applyStage(&desired, d.Stage(p), d.Day)
	a.NotStarted = !desired.NoEntitlementReason.IsZero() && !hasStarted(p, d.Day)
	for _, claim := range c.Adopt {
		value, err := claim.Value.Execute(p.ViewOn(d.Day, c.Main, d.Config.Forms))
		if err != nil {
			a.Bad = reason.Of(reason.ClaimFailed{Attribute: claim.Attribute, Detail: err.Error()})
		}
		a.Claims = append(a.Claims, plan.Claim{Attribute: claim.Attribute, Value: value})
	}
	return a
}

// hasStarted reports whether any employment of the person has started, ended ones
// included.
func hasStarted(p identity.Person, day identity.Date) bool {
	return slices.ContainsFunc(p.Employments, func(e identity.Employment) bool { return e.HasStarted(day) })
}

// Manager returns the person's manager by their main employment. known is false when HR
// names a manager whom it does not list.
func Manager(p identity.Person, day identity.Date, rule identity.MainRule, byKey map[identity.SourceKey]identity.PersonID) (id identity.PersonID, known bool) {
	main, ok := p.Main(day, rule)
	if !ok {
		return "", true
	}
	key := main.On(max(day, main.Start)).Manager(main.Key.Source)
	if key.Key == "" {
		return "", true
	}
	id, known = byKey[key]
	return id, known
}

// hasLeft reports whether all employments of a person to whom others refer have ended.
func (d *People) hasLeft(id identity.PersonID) bool {
	p, ok := d.Person(id)
	if !ok {
		p, ok = d.Managers[id]
	}
	switch d.Stage(p).State {
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
			a.Bad = reason.Of(reason.AttributeFailed{Attribute: name, Detail: err.Error()})
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
