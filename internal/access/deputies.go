package access

import (
	"context"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// inPlaceOf returns those who are away on a day and in whose place a person decides: the people
// who named the person, those who named them while these are away too, and so on. Who does not
// work here, or is suspended, has no place to decide in.
func inPlaceOf(ctx context.Context, db SubjectReader, c *config.Config, day identity.Date, who identity.PersonID) ([]rights.Absent, error) {
	var ids []identity.PersonID
	between := map[identity.PersonID][]identity.PersonID{}
	for deputies := []identity.PersonID{who}; len(deputies) > 0; {
		found, err := db.AbsencesWith(ctx, deputies, day)
		if err != nil {
			return nil, err
		}
		deputies = nil
		for _, a := range found {
			if a.Person != who && !slices.Contains(ids, a.Person) {
				ids, deputies = append(ids, a.Person), append(deputies, a.Person)
				if a.Deputy != who {
					between[a.Person] = append([]identity.PersonID{a.Deputy}, between[a.Deputy]...)
				}
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	people, err := db.PeopleByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	works, err := WhoWorks(ctx, db, c, people, day)
	if err != nil {
		return nil, err
	}
	var all []rights.Absent
	for _, p := range people {
		if !works[p.ID] {
			continue
		}
		a := rights.Absent{Person: p.ID, Between: between[p.ID]}
		for _, k := range p.Keys {
			a.Records = append(a.Records, k.Source+"/"+k.Key)
		}
		all = append(all, a)
	}
	return all, nil
}

// AbsenceReader reads who is away. *store.DB implements it.
type AbsenceReader interface {
	SubjectReader
	AbsencesFrom(ctx context.Context, day identity.Date) ([]store.Absence, error)
}

// Deputies says who decides in whose place on a day.
type Deputies map[identity.PersonID]identity.PersonID

// DeputiesOn returns who decides in whose place on a day. Who does not work here, or is
// suspended, decides in no one's.
func DeputiesOn(ctx context.Context, db AbsenceReader, c *config.Config, day identity.Date) (Deputies, error) {
	all, err := db.AbsencesFrom(ctx, day)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	var ids []identity.PersonID
	for _, a := range all {
		ids = append(ids, a.Deputy)
	}
	people, err := db.PeopleByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	works, err := WhoWorks(ctx, db, c, people, day)
	of := Deputies{}
	for _, a := range all {
		if a.On(day) && works[a.Deputy] {
			of[a.Person] = a.Deputy
		}
	}
	return of, err
}

// Of returns who decides in the place of a person, the last of a chain of those who are away;
// none when the person is not away, or when one of the people whom it is about is away in the
// chain: they chose who decides.
func (d Deputies) Of(person identity.PersonID, about ...identity.PersonID) (deputy identity.PersonID) {
	for range len(d) {
		next, away := d[person]
		if !away {
			break
		}
		if slices.Contains(about, person) {
			return ""
		}
		person, deputy = next, next
	}
	return deputy
}

// Absence is a time in which a person is away and another decides in their place.
type Absence struct {
	Person Ref           `json:"person"`
	Deputy Ref           `json:"deputy"`
	Since  identity.Date `json:"since"` // the first day
	Until  identity.Date `json:"until"` // the last day
	// Now: it is a day of it today.
	Now bool `json:"now"`
}

// Absences returns who is away today or will be, by the first day: of those whom the viewer may
// see, and those in whose place the viewer decides.
func (v *View) Absences() ([]Absence, error) {
	all, err := v.DB.AbsencesFrom(v.ctx, v.Today())
	if err != nil {
		return nil, err
	}
	return v.absences(all)
}

// AbsenceOf returns the absence of a person, now or to come; nil without one.
func (v *View) AbsenceOf(person identity.PersonID) (*Absence, error) {
	all, err := v.DB.AbsencesOf(v.ctx, []identity.PersonID{person}, v.Today())
	if err != nil {
		return nil, err
	}
	shown, err := v.absences(all)
	if err != nil || len(shown) == 0 {
		return nil, err
	}
	return &shown[0], nil
}

func (v *View) absences(all []store.Absence) ([]Absence, error) {
	var ids []identity.PersonID
	for _, a := range all {
		ids = append(ids, a.Person, a.Deputy)
	}
	if err := v.Load(ids); err != nil {
		return nil, err
	}
	shown := []Absence{}
	for _, a := range all {
		if who := v.viewer.Subject.Person; v.hides(a.Person) && (who == "" || a.Deputy != who) {
			continue
		}
		shown = append(shown, Absence{Person: v.ownerRef(a.Person), Deputy: v.ownerRef(a.Deputy), Since: a.Since, Until: a.Until, Now: a.On(v.Today())})
	}
	return shown, nil
}

// owns reports whether the viewer is the owner of a system or a deputy, where people are
// concerned: in the place of a person who is away too, but for what is about that one.
func (v *View) owns(s policy.System, about ...identity.PersonID) bool {
	return isOwner(s, v.known.Names(about...))
}

// isAsked reports whether the viewer is a person who is asked about others, or decides in that
// person's place.
func (v *View) isAsked(person identity.PersonID, about ...identity.PersonID) bool {
	if person == "" || v.viewer.Subject.Person == "" {
		return false
	}
	return v.known.Place(rights.Object{About: about, Reviewer: person}).Reviewer == v.viewer.Subject.Person
}

// places are the viewer and those in whose place the viewer decides.
func (v *View) places() (people []identity.PersonID) {
	if v.viewer.Subject.Person != "" {
		people = append(people, v.viewer.Subject.Person)
	}
	for _, a := range v.known.InPlaceOf {
		people = append(people, a.Person)
	}
	return people
}
