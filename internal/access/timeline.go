package access

import (
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
)

// Spell is a stretch of an employment with the same terms. Of a masked person it has no
// unit.
type Spell struct {
	Employment EmploymentRef  `json:"employment"`
	From       identity.Date  `json:"from"`
	To         identity.Date  `json:"to,omitempty"` // the last day
	Leaves     []SpellOfLeave `json:"leaves"`
	Terms
}

// SpellOfLeave is a leave of absence.
type SpellOfLeave struct {
	From identity.Date `json:"from"`
	To   identity.Date `json:"to,omitempty"` // the last day
}

// Spells returns the employments of a person over time, sorted by their beginning: past,
// present and to come. One that never began is left out.
func (v *View) Spells(ref string) ([]Spell, error) {
	s, err := v.about(ref, nil)
	if err != nil {
		return nil, err
	}
	return v.spells(s), nil
}

// SpellsOf is Spells of several people, read at once; of those whom the viewer may see.
func (v *View) SpellsOf(people []identity.PersonID) (map[identity.PersonID][]Spell, error) {
	read, err := v.DB.PeopleByID(v.ctx, people)
	if err != nil {
		return nil, err
	}
	all := make(map[identity.PersonID][]Spell, len(read))
	for _, p := range read {
		if err := v.Add(p); err != nil {
			return nil, err
		}
		if sees := v.sees[p.ID]; sees != hidden {
			all[p.ID] = v.spells(subject{Person: p, day: v.Today(), sees: sees})
		}
	}
	return all, nil
}

func (v *View) spells(s subject) []Spell {
	spells := []Spell{}
	for _, e := range s.Employments {
		last := e.LastDay()
		if last != "" && last < e.Start {
			continue
		}
		for i, t := range e.Terms {
			x := Spell{Employment: employmentRef(s, e), From: max(t.From, e.Start), To: last, Leaves: []SpellOfLeave{}, Terms: Terms{From: t.From, JobTitle: t.JobTitle, Percent: t.Percent}}
			if i+1 < len(e.Terms) {
				if next := e.Terms[i+1].From; x.To == "" || next <= x.To {
					x.To = next.AddDays(-1)
				}
			}
			if x.To != "" && x.To < x.From {
				continue
			}
			if s.sees == full { // the unit shows where a person can be found
				x.Unit = t.Unit
				x.UnitName = v.Config.Rules.Units.Name(t.Unit)
			}
			for _, l := range e.Leaves {
				if (l.End == "" || l.End >= x.From) && (x.To == "" || l.Start <= x.To) {
					x.Leaves = append(x.Leaves, SpellOfLeave{l.Start, l.End})
				}
			}
			spells = append(spells, x)
		}
	}
	slices.SortStableFunc(spells, func(a, b Spell) int { return strings.Compare(string(a.From), string(b.From)) })
	return spells
}

// MayDecide reports whether the viewer may take an action about a person, and what sign-in
// it takes beyond the one that the viewer has. It is for showing what can be done: the
// decision asks again.
func (v *View) MayDecide(action rights.Action, about identity.Person) (may bool, needs rights.Assurance, err error) {
	if v.viewer.Subject.Person == "" {
		return false, 0, nil
	}
	o := rights.Object{About: []identity.PersonID{about.ID}}
	if slices.Contains(v.linked, about.ID) {
		o.About = append(o.About, v.viewer.Subject.Person)
	}
	if v.manages(about) {
		o.Managers = []identity.PersonID{v.viewer.Subject.Person}
	}
	return v.mayDecide(action, o)
}

// May is MayDecide of an action that is about no person.
func (v *View) May(action rights.Action) (may bool, needs rights.Assurance, err error) {
	if v.viewer.Subject.Person == "" {
		return false, 0, nil
	}
	return v.mayDecide(action, rights.Object{})
}

// relation is an action, and what the viewer is to its object.
type relation struct {
	action                                                         rights.Action
	about, owner, reviewer, assignee, manager, cause, accountOwner bool
}

// allowance is whether an action is allowed, and what sign-in it takes beyond the one that the
// viewer has.
type allowance struct {
	may  bool
	need rights.Assurance
}

func (v *View) mayDecide(action rights.Action, o rights.Object) (bool, rights.Assurance, error) {
	// It depends on nothing else of the object.
	who, o := v.viewer.Subject.Person, v.known.Place(o)
	on := relation{action, slices.Contains(o.About, who), slices.Contains(o.Owners, who), o.Reviewer == who, slices.Contains(o.Assignees, who), slices.Contains(o.Managers, who), slices.Contains(o.CausedBy, who), slices.Contains(o.AccountOwners, who)}
	if known, asked := v.allowed[on]; asked {
		return known.may, known.need, nil
	}
	_, err := v.Config.Rights.May(v.known, action, o)
	need, needs := rights.NeedsAssurance(err)
	if err != nil && !needs && !rights.IsRefused(err) {
		return false, 0, err
	}
	answer := allowance{err == nil || needs, need}
	v.allowed[on] = answer
	return answer.may, answer.need, nil
}

// mayAnswer reports whether the viewer may answer a question of a review.
func (v *View) mayAnswer(reviewer, person identity.PersonID, system policy.System) (bool, error) {
	who := v.viewer.Subject.Person
	if who == "" {
		return false, nil
	}
	o := rights.Object{About: []identity.PersonID{person}, Reviewer: reviewer}
	if slices.Contains(v.linked, person) {
		o.About = append(o.About, who)
	}
	if v.owns(system, person) {
		o.Owners = []identity.PersonID{who}
	}
	o = v.known.Place(o)
	// It depends on nothing else of the question.
	key := [3]bool{o.Reviewer == who, len(o.Owners) > 0, slices.Contains(o.About, who)}
	may, known := v.answers[key]
	var err error
	if !known {
		may, _, err = v.mayDecide(rights.DecideReview, o)
		v.answers[key] = may
	}
	return may, err
}
