package access

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Organisation is how many people and how much access there is, by unit and system, and how
// people came, moved and left. It names no one but by ID, and people whose identity is
// protected are not counted by unit: where they work is not told. It is for those who may
// see everyone.
type Organisation struct {
	At     time.Time // when it was counted, UTC
	Units  []UnitCount
	Months []MonthCount // the last thirteen, the oldest first
	// Unexplained are people with access that behov neither gave nor adopted, by unit and
	// system; at most peopleListed of each. WithoutMFA are people with access who were not
	// seen to be enrolled for MFA; nil when no target says who is.
	Unexplained, WithoutMFA map[UnitSystem][]identity.PersonID
	lastWithoutMFA          map[UnitSystem]identity.PersonID // whom a cell counted last
	// Shortfalls are what people have though a control of the system's class does not let
	// them, or they lack the MFA that is demanded, by system.
	Shortfalls map[string]Shortfalls
	// LeaversOpen is how many people have no employment any more and an account that can be used.
	LeaversOpen int
	// Conflicts are the people who have both sides of one: the first of each, and how many.
	Conflicts map[string]ConflictCount
}

// ConflictCount is how many people have both sides of a conflict.
type ConflictCount struct {
	Count int
	First []ConflictHolder // at most peopleListed
}

// ConflictHolder is a person with an entitlement of every side of a conflict.
type ConflictHolder struct {
	Person identity.PersonID
	Sides  []policy.EntitlementID
}

// Shortfalls is how much access there is in a system against its controls, and the first.
type Shortfalls struct {
	Count int
	First []Shortfall // at most peopleListed
}

// Shortfall is access that a person has and should not.
type Shortfall struct {
	Person      identity.PersonID
	Entitlement policy.EntitlementID
	Why         reason.Reason
}

// UnitSystem is a system in a unit; the unit is empty for people without an active
// employment.
type UnitSystem struct{ Unit, System string }

// UnitCount is a unit of the tree, in its order: each before those below it.
type UnitCount struct {
	Unit, Name  string
	Depth       int
	People      int // with an active employment in it
	Below       int // and in the units below it
	Access      int // what people have of whom it is the first unit
	Unexplained int // of these, what behov neither gave nor adopted
	Systems     map[string]SystemCount
}

// SystemCount is how much access there is in a system, how much of it has no reason, and how
// many people have any without being enrolled for MFA.
type SystemCount struct{ Access, Unexplained, WithoutMFA int }

// MonthCount is how many people came, moved and left in a month.
type MonthCount struct {
	First               identity.Date
	Joined, Moved, Left int
}

// peopleListed is how many people a cell of a map leads to at most.
const peopleListed = 200

// months is how many months are counted.
const months = 13

// Organisation counts, in one pass over everyone: it is not for a request to wait for.
func (a *Answers) Organisation(ctx context.Context) (*Organisation, error) {
	day := a.Today()
	tree := a.Config.Rules.Units.On(day)
	o := &Organisation{At: a.Now().UTC(), Unexplained: map[UnitSystem][]identity.PersonID{}, Shortfalls: map[string]Shortfalls{}, Conflicts: map[string]ConflictCount{}}
	facts, err := reconcile.FactsOf(ctx, a.DB, store.Everyone(), day, a.Config.Zone)
	if err != nil {
		return nil, err
	}
	first := day[:8] + "01"
	for n := range months {
		o.Months = append(o.Months, MonthCount{First: monthsBefore(first, months-1-n)})
	}
	at := map[string]*UnitCount{}
	unit := func(id string) *UnitCount {
		if at[id] == nil {
			at[id] = &UnitCount{Unit: id, Name: a.Config.Rules.Units.Name(id), Systems: map[string]SystemCount{}}
		}
		return at[id]
	}
	var enrolled map[identity.PersonID]string
	if slices.ContainsFunc(a.Config.Targets, func(t config.Target) bool { return t.MFA }) {
		var err error
		if enrolled, err = a.DB.Enrolments(ctx, store.Everyone()); err != nil {
			return nil, err
		}
		o.WithoutMFA, o.lastWithoutMFA = map[UnitSystem][]identity.PersonID{}, map[UnitSystem]identity.PersonID{}
	}
	next, stop := iter.Pull2(a.DB.OpenAccess(ctx))
	defer stop()
	open, err, more := next()
	for p, readErr := range a.DB.People(ctx) {
		if readErr != nil {
			return nil, readErr
		}
		var home *UnitCount
		if !p.Protected && p.MergedInto == "" {
			o.moves(p, day)
			home = o.place(p, day, tree, unit)
		}
		var has []policy.EntitlementID
		for ; more && err == nil && open.Person <= p.ID; open, err, more = next() {
			if open.Person == p.ID {
				has = append(has, policy.EntitlementID(open.Entitlement))
			}
			if open.Person == p.ID && home != nil {
				o.count(home, open, a.systemOf(open.Entitlement), enrolled[p.ID] != "")
			}
		}
		if err != nil {
			return nil, err
		}
		if slices.Contains(has, audit.Account) && hasLeft(a.Config.Lifecycle.StageOf(p, day, false)) {
			o.LeaversOpen++
		}
		for name, sides := range a.Config.Rules.Catalogue.Held(func(id policy.EntitlementID) bool { return slices.Contains(has, id) }) {
			c := o.Conflicts[name]
			if c.Count++; len(c.First) < peopleListed {
				c.First = append(c.First, ConflictHolder{p.ID, sides})
			}
			o.Conflicts[name] = c
		}
		a.shortfalls(o, p, has, facts[p.ID], enrolled)
	}
	o.order(tree, at, a.Config.Rules.Units.Name)
	return o, nil
}

// hasLeft reports whether a person has no employment any more, and none to come.
func hasLeft(s identity.Stage) bool {
	return s.State == identity.Ended || s.State == identity.Retained || s.State == identity.ToErase
}

// shortfalls counts what a person has against controls. With protected identity it is
// counted, and the person is not among the first who are named.
func (a *Answers) shortfalls(o *Organisation, p identity.Person, has []policy.EntitlementID, facts policy.Facts, enrolled map[identity.PersonID]string) {
	if enrolled != nil {
		facts.MFA, facts.Method = policy.NotEnrolled, policy.Method(enrolled[p.ID])
		if facts.Method != "" {
			facts.MFA = policy.Enrolled
		}
	} else {
		facts.MFA = policy.NotEnrolled // no target says who is
	}
	for _, id := range has {
		e, known := a.Config.Rules.Catalogue.Entitlement(id)
		if !known || !e.IsControlled() {
			continue
		}
		why := e.Closes(p, a.Today(), facts)
		if why.IsZero() {
			continue
		}
		s := o.Shortfalls[e.System]
		s.Count++
		if len(s.First) < peopleListed && !p.Protected {
			s.First = append(s.First, Shortfall{p.ID, id, why})
		}
		o.Shortfalls[e.System] = s
	}
}

func (a *Answers) systemOf(entitlement string) string {
	e, _ := a.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(entitlement))
	return e.System
}

// place counts a person in the units where they work, and returns the first.
func (o *Organisation) place(p identity.Person, day identity.Date, tree *identity.Tree, unit func(string) *UnitCount) *UnitCount {
	var units, above []string
	for _, e := range p.Active(day) {
		id := tree.Current(e.On(day).Unit)
		if slices.Contains(units, id) {
			continue
		}
		units = append(units, id)
		unit(id).People++
		for up := range tree.Up(id) { // once in each, however many employments are below it
			if !slices.Contains(above, up) {
				above = append(above, up)
				unit(up).Below++
			}
		}
	}
	if len(units) == 0 {
		return unit("")
	}
	return unit(units[0])
}

// count counts what a person has.
func (o *Organisation) count(home *UnitCount, a store.OpenAccess, system string, enrolled bool) {
	if a.Entitlement == audit.Account {
		return
	}
	c := home.Systems[system]
	c.Access++
	home.Access++
	if !a.Given {
		c.Unexplained++
		home.Unexplained++
		list(o.Unexplained, UnitSystem{home.Unit, system}, a.Person)
	}
	if o.WithoutMFA != nil && !enrolled {
		key := UnitSystem{home.Unit, system}
		if o.lastWithoutMFA[key] != a.Person { // what a person has comes in one go
			o.lastWithoutMFA[key] = a.Person
			c.WithoutMFA++
			list(o.WithoutMFA, key, a.Person)
		}
	}
	home.Systems[system] = c
}

// list adds a person to a cell of a map. What a person has comes in one go.
func list(to map[UnitSystem][]identity.PersonID, key UnitSystem, person identity.PersonID) {
	if all := to[key]; len(all) < peopleListed && !slices.Contains(all, person) {
		to[key] = append(all, person)
	}
}

// moves counts when a person came, moved and left.
func (o *Organisation) moves(p identity.Person, day identity.Date) {
	var came, left identity.Date
	var changes []identity.Date
	for _, e := range p.Employments {
		last := e.LastDay()
		if last != "" && last < e.Start || e.Start > day {
			continue
		}
		if came == "" || e.Start < came {
			came = e.Start
		}
		if last == "" {
			last = "9999-12-31"
		}
		left = max(left, last)
		changes = append(changes, e.Start)
		for n, t := range e.Terms {
			if before := e.Terms[max(n-1, 0)]; n > 0 && t.From > e.Start && (t.Unit != before.Unit || t.JobCode != before.JobCode) {
				changes = append(changes, t.From)
			}
		}
	}
	if came == "" {
		return
	}
	for i := range o.Months {
		m := &o.Months[i]
		in := func(d identity.Date) bool { return len(d) >= 7 && d[:7] == m.First[:7] && d <= day }
		if in(came) {
			m.Joined++
		}
		if in(left) && left < day {
			m.Left++
		}
		if slices.ContainsFunc(changes, func(d identity.Date) bool { return d != came && in(d) }) {
			m.Moved++
		}
	}
}

// order puts the units in the order of the tree, those that are not in it behind.
func (o *Organisation) order(tree *identity.Tree, at map[string]*UnitCount, names func(string) string) {
	seen := map[string]bool{}
	var walk func(id string, depth int)
	walk = func(id string, depth int) {
		u := at[id]
		if u == nil {
			u = &UnitCount{Unit: id, Name: names(id), Systems: map[string]SystemCount{}}
		}
		seen[id] = true
		u.Depth = depth
		o.Units = append(o.Units, *u)
		for _, below := range tree.Below(id) {
			walk(below, depth+1)
		}
	}
	for _, top := range tree.Below("") {
		walk(top, 0)
	}
	for _, id := range slices.Sorted(maps.Keys(at)) {
		if !seen[id] {
			o.Units = append(o.Units, *at[id])
		}
	}
}

func monthsBefore(first identity.Date, n int) identity.Date {
	for range n {
		first = first.AddDays(-1)
		first = first[:8] + "01"
	}
	return first
}

// UnitMember is a person with an employment in a unit.
type UnitMember struct {
	Person Ref   `json:"person"`
	Spell  Spell `json:"spell"` // the one in the unit
}

// UnitPage returns a page of the people who have an employment in a unit itself on a day,
// sorted by ID, for a viewer who may see everyone; a masked person is left out, as where they
// work is not told. next is the key after which the next page begins; empty at the end.
func (v *View) UnitPage(unit string, day identity.Date, page Page) (members []UnitMember, next string, err error) {
	members = []UnitMember{}
	if !v.everyone {
		return members, "", nil
	}
	after := identity.PersonID(page.After)
	for looked := 0; looked < scanned; {
		size := max(page.Limit+1, 100)
		batch, err := v.DB.PeopleInUnit(v.ctx, unit, after, size)
		if err != nil {
			return nil, "", err
		}
		for _, p := range batch {
			if err := v.Add(p); err != nil {
				return nil, "", err
			}
			spell, there := v.inUnit(p, unit, day)
			if there && v.sees[p.ID] == full {
				if len(members) == page.Limit {
					return members, string(after), nil
				}
				members = append(members, UnitMember{v.Ref(p.ID), spell})
			}
			after = p.ID
		}
		if len(batch) < size {
			return members, "", nil
		}
		looked += len(batch)
	}
	return members, string(after), nil
}

// inUnit returns the terms with which a person is in a unit on a day.
func (v *View) inUnit(p identity.Person, unit string, day identity.Date) (Spell, bool) {
	tree := v.Config.Rules.Units.On(day)
	for _, e := range p.Active(day) {
		t := e.On(day)
		if t.Unit == unit || tree.Current(t.Unit) == unit {
			return Spell{Employment: EmploymentRef{ID: e.ID, Source: e.Key.Source, Key: e.Key.Key}, From: max(t.From, e.Start), To: e.LastDay(), Leaves: []SpellOfLeave{},
				Terms: Terms{From: t.From, JobTitle: t.JobTitle, Unit: t.Unit, UnitName: v.Config.Rules.Units.Name(t.Unit), Percent: t.Percent}}, true
		}
	}
	return Spell{}, false
}
