package governance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// lateDays is for how many days a review that was due is still started, when nothing could start
// it on its day. One of a longer time ago is left to the next occurrence: a series that is new
// in the configuration does not begin with last year's.
const lateDays = 31

// Started is a review that was started by itself.
type Started struct {
	Series    string
	Campaign  int64
	Questions int
}

// StartDue starts the reviews that the configuration says are due today, or at events since they
// were last looked for. Each is started once, however many processes look. One with nothing to
// ask is not started.
func (g *Governance) StartDue(ctx context.Context) (started []Started, err error) {
	changed, seen, err := g.changedSystems(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, s := range g.Config.Reviews {
		occurrences, err := g.occurrences(ctx, s, changed)
		errs = append(errs, err)
		for _, o := range occurrences {
			one, err := g.startOccurrence(ctx, s, o)
			if err == nil && one.Campaign != 0 {
				started = append(started, one)
			}
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil || len(seen) == 0 {
		return started, err // what changed is looked for again
	}
	return started, g.DB.Write(ctx, func(tx *store.Tx) error {
		for _, t := range seen {
			if err := tx.PutReviewTrigger(ctx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// occurrence is one time that a series begins.
type occurrence struct {
	name   string
	review Review
}

// occurrences returns when a series begins now.
func (g *Governance) occurrences(ctx context.Context, s config.ReviewSeries, changed []store.ReviewTrigger) ([]occurrence, error) {
	r, err := g.reviewOf(ctx, s)
	if err != nil {
		return nil, err
	}
	var all []occurrence
	if last, ok := s.Last(g.today()); ok && last.AddDays(lateDays) >= g.today() {
		all = append(all, occurrence{string(last), r})
	}
	for _, t := range changed {
		if !slices.Contains(s.On, config.ReviewEvent(t.Event)) || s.System != "" && s.System != t.System {
			continue
		}
		of := r
		of.Scope, of.Of = store.SystemScope, t.System
		all = append(all, occurrence{fmt.Sprintf("%s %s %s", g.today(), t.Event, t.System), of})
	}
	if slices.Contains(s.On, config.LongLeave) {
		for p, err := range g.DB.People(ctx) {
			if err != nil {
				return nil, err
			}
			since, on := leaveSince(p, g.today(), s.LeaveDays+lateDays)
			if long := since.AddDays(s.LeaveDays); on && long <= g.today() && g.today() <= long.AddDays(lateDays) {
				of := r
				of.Scope, of.Of, of.People, of.All = store.PeopleScope, "", []identity.PersonID{p.ID}, true
				all = append(all, occurrence{fmt.Sprintf("%s %s %s", since, config.LongLeave, p.ID), of})
			}
		}
	}
	return all, nil
}

// reviewOf returns the review of a series.
func (g *Governance) reviewOf(ctx context.Context, s config.ReviewSeries) (Review, error) {
	r := Review{Scope: store.EverythingScope, Days: s.Days, AfterDue: store.Keep, All: s.All}
	switch {
	case s.System != "":
		r.Scope, r.Of = store.SystemScope, s.System
	case s.Unit != "":
		r.Scope, r.Of = store.UnitScope, s.Unit
	case s.Entitlement != "":
		r.Scope, r.Of = store.EntitlementScope, s.Entitlement
	}
	switch {
	case s.ThenOwner:
		r.Asks = store.AsksManagerThenOwner
	case s.Manager:
		r.Asks = store.AsksManager
	}
	if s.Revoke {
		r.AfterDue = store.Revoke
	}
	if s.Fallback != "" {
		p, err := g.DB.FindPerson(ctx, s.Fallback, g.Config.First)
		if err != nil {
			return r, fmt.Errorf("review %s: its fallback: %w", s.Name, err)
		}
		if p.IsActive(g.today()) { // who has left is no reason to ask no one
			r.Fallback = p.ID
		}
	}
	return r, nil
}

// startOccurrence starts a review, unless it was started before or has nothing to ask.
func (g *Governance) startOccurrence(ctx context.Context, s config.ReviewSeries, o occurrence) (Started, error) {
	if done, err := g.DB.Occurred(ctx, s.Name, o.name); err != nil || done {
		return Started{}, err
	}
	asked, err := g.asks(ctx, o.review)
	var refused *reason.Refusal
	if errors.As(err, &refused) || err == nil && len(asked.Items) == 0 {
		return Started{}, nil // nothing to ask
	}
	if err != nil {
		return Started{}, err
	}
	asked.Campaign.StartedBy, asked.Campaign.Series, asked.Campaign.Occurrence = identity.System, s.Name, o.name
	if err := g.start(ctx, &asked, ""); err != nil {
		if errors.Is(err, store.ErrReviewStarted) {
			err = nil
		}
		return Started{}, err
	}
	return Started{s.Name, asked.Campaign.ID, len(asked.Items)}, nil
}

// changedSystems returns which systems have another owner or a higher class than when it was last
// looked, and what is seen now that was not.
func (g *Governance) changedSystems(ctx context.Context) (changed, seen []store.ReviewTrigger, err error) {
	before, err := g.DB.ReviewTriggers(ctx)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range g.Config.Rules.Catalogue.Systems {
		class := ""
		if s.Class != nil {
			text, err := json.Marshal(s.Class)
			if err != nil {
				return nil, nil, fmt.Errorf("the class of %s: %w", s.ID, err)
			}
			class = string(text)
		}
		for event, value := range map[config.ReviewEvent]string{config.OwnerChanged: s.Owner, config.ClassRaised: class} {
			key := store.ReviewTrigger{Event: string(event), System: s.ID}
			was, known := before[key]
			if known && was == value {
				continue
			}
			key.Value = value
			seen = append(seen, key)
			if known && value != "" && (event == config.OwnerChanged || raised(was, *s.Class)) {
				changed = append(changed, key)
			}
		}
	}
	return changed, seen, nil
}

// raised reports whether a class demands more than one that was noted; one that was noted as none
// demands nothing.
func raised(noted string, now policy.Class) bool {
	var was policy.Class
	if noted != "" && json.Unmarshal([]byte(noted), &was) != nil {
		return true
	}
	return now.Confidentiality > was.Confidentiality || now.Integrity > was.Integrity || now.Availability > was.Availability || now.SecurityProtected && !was.SecurityProtected
}

// leaveSince returns since when a person has been on leave from all employments that they have
// on a day, as far as so many days back; it reports false for one who is not.
func leaveSince(p identity.Person, day identity.Date, most int) (since identity.Date, on bool) {
	whole := func(day identity.Date) bool {
		active := p.Active(day)
		return len(active) > 0 && !slices.ContainsFunc(active, func(e identity.Employment) bool { return !e.OnLeave(day) })
	}
	if !whole(day) {
		return "", false
	}
	for since = day; most > 0 && whole(since.AddDays(-1)); most-- {
		since = since.AddDays(-1)
	}
	return since, true
}
