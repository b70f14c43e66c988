package governance

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// MostAbsentDays is for how many days from now a person can be away with another who decides in
// their place.
const MostAbsentDays = 366

// Absence is a time in which a person is away.
type Absence struct {
	Deputy       string        // who decides in their place: a person ID, a login, a key or an e-mail address
	Since, Until identity.Date // the first and the last day; Since is today when it is empty
}

// SetAbsence says when a person is away, and who decides in their place meanwhile. Another absence
// of the person is replaced. No one makes themselves the deputy: what another may decide would be
// theirs by their own word.
func (g *Governance) SetAbsence(ctx context.Context, p identity.Person, away Absence, by rights.Subject, why string) (store.Decision, error) {
	today := g.today()
	since, until := cmp.Or(away.Since, today), away.Until
	d, err := g.authorize(ctx, by, rights.SetAbsence, rights.Object{About: []identity.PersonID{p.ID}}, why)
	if err != nil {
		return d, err
	}
	last := today.AddDays(MostAbsentDays)
	switch {
	case noDate(since) || since < today || since > last:
		return d, refuse(reason.FirstDayWrong{From: today, To: last})
	case noDate(until) || until < since || until > last:
		return d, lastDayWrong(since, last)
	}
	deputy, err := g.DB.FindPerson(ctx, away.Deputy, g.Config.First)
	if errors.Is(err, store.ErrNoPerson) || errors.Is(err, store.ErrSeveralPeople) {
		return d, refuse(reason.DeputyAway{}) // no one learns by it who works here
	}
	if err != nil {
		return d, err
	}
	linked, err := g.DB.LinkedPeople(ctx, p.ID)
	if err != nil {
		return d, err
	}
	works, err := access.WhoWorks(ctx, g.DB, g.Config, []identity.Person{deputy}, today)
	if err != nil {
		return d, err
	}
	mine, err := g.DB.LinkedPeople(ctx, by.Person)
	if err != nil {
		return d, err
	}
	if slices.Contains(append(mine, by.Person), deputy.ID) {
		return d, refuse(reason.DeputySelf{})
	}
	for _, same := range append(linked, p.ID) {
		if !works[deputy.ID] || same == deputy.ID {
			return d, refuse(reason.DeputyAway{})
		}
	}
	a := store.Absence{Person: p.ID, Deputy: deputy.ID, Since: since, Until: until}
	before, err := g.DB.AbsencesOf(ctx, []identity.PersonID{p.ID}, today)
	if err != nil {
		return d, err
	}
	if len(before) > 0 {
		if a.Decision = before[0].Decision; a == before[0] {
			earlier, err := g.DB.Decision(ctx, a.Decision)
			return earlier, errors.Join(err, g.DB.DecryptReasons(ctx, &earlier), &AlreadyDecidedError{Decision: earlier})
		}
	}
	d.Verdict, d.Subject, d.Until, d.Because = store.Absent, store.PersonSubject(deputy.ID), until, reason.Of(reason.AbsentSince{Since: since})
	return g.decideAbsence(ctx, a, d)
}

// EndAbsence says that a person is not away, or will not be.
func (g *Governance) EndAbsence(ctx context.Context, p identity.Person, by rights.Subject, why string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.SetAbsence, rights.Object{About: []identity.PersonID{p.ID}}, why)
	if err != nil {
		return d, err
	}
	before, err := g.DB.AbsencesOf(ctx, []identity.PersonID{p.ID}, g.today())
	if err != nil {
		return d, err
	}
	if len(before) == 0 {
		return d, nothingToLift(store.AbsenceDecision)
	}
	d.Verdict, d.Subject = store.Lift, store.PersonSubject(before[0].Deputy)
	return g.decideAbsence(ctx, before[0], d)
}

func (g *Governance) decideAbsence(ctx context.Context, a store.Absence, d store.Decision) (store.Decision, error) {
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		d, err = tx.DecideAbsence(ctx, a, d, g.Now(), g.today(), func(others []store.Absence) error {
			if d.Verdict == store.Lift {
				return nil
			}
			return checkCycle(a, others)
		})
		return err
	})
	return d, err
}

// checkCycle returns an error when on a day the deputies lead back to the person: none of them
// would decide.
func checkCycle(a store.Absence, others []store.Absence) error {
	byPerson := map[identity.PersonID]store.Absence{}
	for _, o := range others {
		byPerson[o.Person] = o
	}
	since, until := a.Since, a.Until
	for next, away := byPerson[a.Deputy]; away; next, away = byPerson[next.Deputy] {
		if since, until = max(since, next.Since), min(until, next.Until); since > until {
			return nil // they are not away at the same time
		}
		if next.Deputy == a.Person {
			return refuse(reason.DeputyCycle{Deputy: a.Deputy, Person: next.Person, Day: since})
		}
		delete(byPerson, next.Person)
	}
	return nil
}
