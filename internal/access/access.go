// Package access is the read side: who has what, why, since when, what comes next and
// what waits for whom. It answers as typed data for a stated viewer, and masks in one
// place what the viewer may not see. The CLI, the API and the pages ask it the same
// questions.
//
// It must never change anything, and never decide: what people decide is package
// governance, and what rules give is package policy. It asks rights what a viewer may see.
package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// Answers answers questions about one installation.
type Answers struct {
	DB     Database
	Config *config.Config
	Now    func() time.Time
}

// Today is the civil date in the organisation's time zone.
func (a *Answers) Today() identity.Date { return identity.DateOf(a.Now(), a.Config.Zone) }

// Viewer is who asks.
type Viewer struct {
	// Subject is the person or the service account that asks. The zero value is an operator
	// in a shell who can read the installation's key and database, and is not identified:
	// they see every person, and no protected identity.
	Subject rights.Subject
	// Known is what KnownSubject said of the subject a moment ago; it is asked again when it
	// is of another one.
	Known    rights.Known
	Language wording.Language // English when it is empty
	Place    wording.Place
}

// visibility is how much a viewer sees of a person.
type visibility int

const (
	hidden visibility = iota // the ID
	masked                   // that the identity is protected, and keys that tell no name
	full
)

// View answers one viewer's questions. It remembers the people and decisions that it has
// read, and must not outlive the request. It is for one goroutine.
type View struct {
	*Answers
	ctx       context.Context
	viewer    Viewer
	known     rights.Known               // of a viewer who is a person or a service account
	linked    []identity.PersonID        // other records of the viewer
	owned     map[identity.PersonID]bool // those who have something in a system of the viewer's
	asked     map[identity.PersonID]bool // those about whom a review asks the viewer
	assigned  map[identity.PersonID]bool // those about whom the viewer got a work order
	everyone  bool                       // the viewer sees everyone, whatever their relation
	words     *wording.Printer
	people    map[identity.PersonID]identity.Person
	sees      map[identity.PersonID]visibility
	stages    map[identity.Stage]reason.Reason
	listed    map[identity.PersonID]bool                  // whom PlanListed shows; nil is everyone
	nonHuman  map[identity.PersonID]store.NonHumanAccount // accounts of the register, by ID
	decisions map[int64]store.Decision
	answers   map[[3]bool]bool // see mayAnswer
	allowed   map[relation]allowance
	// only are those whom the view names, whomever the viewer may see: a register extract
	// names no one else. nil is everyone.
	only []identity.PersonID
	most visibility // of only: how much of them is shown at most
}

// Subject returns who asks.
func (v *View) Subject() rights.Subject { return v.viewer.Subject }

// For returns the view of a viewer. It fails when the viewer is a person who is not known.
func (a *Answers) For(ctx context.Context, viewer Viewer) (*View, error) {
	v := &View{Answers: a, ctx: ctx, viewer: viewer, everyone: true, people: map[identity.PersonID]identity.Person{}, nonHuman: map[identity.PersonID]store.NonHumanAccount{}, sees: map[identity.PersonID]visibility{},
		owned: map[identity.PersonID]bool{}, asked: map[identity.PersonID]bool{}, assigned: map[identity.PersonID]bool{}, decisions: map[int64]store.Decision{}, answers: map[[3]bool]bool{}, allowed: map[relation]allowance{}, stages: map[identity.Stage]reason.Reason{}}
	reader := wording.Reader{Language: viewer.Language, Place: viewer.Place, Zone: a.Config.Zone, Person: v.Name, Decision: v.decisionText}
	if reader.Language == "" {
		reader.Language = wording.English
	}
	var err error
	if v.words, err = wording.New(reader); err != nil {
		return nil, err
	}
	if viewer.Subject.IsZero() {
		return v, nil
	}
	if v.known = viewer.Known; v.known.ID() != viewer.Subject.ID() {
		if v.known, err = KnownSubject(ctx, a.DB, a.Config, a.Today(), viewer.Subject); err != nil {
			return nil, fmt.Errorf("the viewer: %w", err)
		}
	}
	if viewer.Subject.Person != "" {
		if v.linked, err = a.DB.LinkedPeople(ctx, viewer.Subject.Person); err != nil {
			return nil, err
		}
	}
	v.everyone, err = v.may(rights.SeePerson, rights.Object{})
	return v, err
}

// may reports whether the viewer, a person or a service account, may take a reading action.
func (v *View) may(action rights.Action, o rights.Object) (bool, error) {
	_, err := v.Config.Rights.May(v.known, action, o)
	if err == nil || rights.IsRefused(err) {
		return err == nil, nil
	}
	return false, err
}

// visible returns how much the viewer sees of a person. The employments of the person must
// be read, unless the viewer sees everyone.
func (v *View) visible(p identity.Person) (visibility, error) {
	switch {
	case v.only == nil:
		return v.visibleByRights(p)
	case !slices.Contains(v.only, p.ID):
		return hidden, nil
	}
	sees, err := v.visibleByRights(p)
	return min(sees, v.most), err
}

func (v *View) visibleByRights(p identity.Person) (visibility, error) {
	if v.viewer.Subject.IsZero() {
		if p.Protected {
			return masked, nil
		}
		return full, nil
	}
	o := rights.Object{About: []identity.PersonID{p.ID}}
	who := v.viewer.Subject.Person
	if slices.Contains(v.linked, p.ID) {
		o.About = append(o.About, who)
	}
	if v.manages(p) {
		o.Managers = []identity.PersonID{who}
	}
	if v.owned[p.ID] {
		o.Owners = []identity.PersonID{who}
	}
	if v.asked[p.ID] {
		o.Reviewer = who
	}
	if v.assigned[p.ID] {
		o.Assignees = []identity.PersonID{who}
	}
	sees, err := v.may(rights.SeePerson, o)
	if err != nil || !sees {
		return hidden, err
	}
	if !p.Protected {
		return full, nil
	}
	if sees, err = v.may(rights.SeeProtected, o); err != nil || !sees {
		return masked, err
	}
	return full, nil
}

// manages reports whether an employment of a person names the viewer as manager. Only the
// first source makes a manager.
func (v *View) manages(p identity.Person) bool {
	day := v.Today()
	for _, e := range p.Active(day) {
		key := e.On(day).ManagerKey
		if key != "" && e.Key.Source == v.Config.First && slices.Contains(v.known.Names(p.ID), e.Key.Source+"/"+key) {
			return true
		}
	}
	return false
}

// markOwned notes who has something in a system: its owner and deputies may see them.
func (v *View) markOwned(system string, people ...identity.PersonID) {
	s, _ := v.Config.Rules.Catalogue.System(system)
	if v.viewer.Subject.Person == "" || s.ID == "" {
		return
	}
	v.mark(v.owned, slices.DeleteFunc(slices.Clone(people), func(p identity.PersonID) bool { return !v.owns(s, p) }))
}

// markAsked notes about whom a review asks a reviewer, who may see them.
func (v *View) markAsked(reviewer, person identity.PersonID) {
	if v.isAsked(reviewer, person) {
		v.mark(v.asked, []identity.PersonID{person})
	}
}

func (v *View) mark(as map[identity.PersonID]bool, people []identity.PersonID) {
	for _, id := range people {
		if !as[id] {
			as[id] = true
			delete(v.people, id) // it was read without it
		}
	}
}
