package access

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// serviceReader reads who answers for service accounts, and their tokens.
type serviceReader interface {
	SubjectReader
	Tokens(ctx context.Context) ([]store.Token, error)
}

// ServiceStatus is where a service account stands.
type ServiceStatus struct {
	Service string `json:"service"` // the name
	Purpose string `json:"purpose,omitempty"`
	Tokens  int    `json:"tokens"` // that neither expired nor were revoked
	// Problem is why its tokens are refused, or will be soon; empty when all is well.
	Problem Reason `json:"problem,omitzero"`
}

// knownService returns what rights needs to know of a service account. It works while it is
// in the configuration and one of the people who are responsible for it works here and is
// not suspended.
func knownService(ctx context.Context, db SubjectReader, c *config.Config, day identity.Date, by rights.Subject) (rights.Known, error) {
	k := rights.Known{Subject: by}
	account, declared := c.ServiceAccount(by.Service)
	if !declared {
		return k, nil
	}
	k.Member = []string{by.ID()}
	people, err := responsible(ctx, db, c, account, day)
	k.Works = slices.ContainsFunc(people, func(p identity.Person) bool { return works(c.Lifecycle.StageOf(p, day, false)) })
	return k, err
}

// responsible returns the people who answer for a service account, without those who are
// suspended and those with an undecided record. A contract of theirs ends as its sponsor
// leaves.
func responsible(ctx context.Context, db SubjectReader, c *config.Config, account config.ServiceAccount, day identity.Date) ([]identity.Person, error) {
	byKey, err := db.PeopleByKeys(ctx, account.Responsible)
	if err != nil || len(byKey) == 0 {
		return nil, err
	}
	var people []identity.Person
	var ids []identity.PersonID
	for _, key := range account.Responsible {
		if p, known := byKey[key]; known && p.ID != "" && !slices.Contains(ids, p.ID) {
			people, ids = append(people, p), append(ids, p.ID)
		}
	}
	statuses, err := reconcile.PersonStatuses(ctx, db, c, people, day)
	if err != nil {
		return nil, err
	}
	held, err := db.HeldRecords(ctx, store.Only(ids...))
	if err != nil {
		return nil, err
	}
	var able []identity.Person
	for _, s := range statuses {
		undecided := slices.ContainsFunc(held, func(h store.HeldRecord) bool { return h.Person == s.Person.ID })
		if s.Facts.Suspended.IsZero() && !undecided {
			able = append(able, s.Person)
		}
	}
	return able, nil
}

// serviceWarnDays is how many days ahead it is said that the last responsible person leaves.
const serviceWarnDays = 30

// serviceStatuses returns where the service accounts stand, sorted by name: those of the
// configuration, and those that have tokens and are not in it any more. The problems have no
// sentences.
func serviceStatuses(ctx context.Context, db serviceReader, c *config.Config, now time.Time) ([]ServiceStatus, error) {
	all, err := db.Tokens(ctx)
	if err != nil {
		return nil, err
	}
	tokens := map[string]int{}
	for _, t := range all {
		if t.Service != "" && t.Valid(now) {
			tokens[t.Service]++
		}
	}
	statuses := []ServiceStatus{}
	day := identity.DateOf(now, c.Zone)
	for _, account := range c.ServiceAccounts {
		s := ServiceStatus{Service: account.Name, Purpose: account.Purpose, Tokens: tokens[account.Name]}
		delete(tokens, account.Name)
		people, err := responsible(ctx, db, c, account, day)
		if err != nil {
			return nil, err
		}
		for ahead := range serviceWarnDays + 1 {
			on := day.AddDays(ahead)
			if slices.ContainsFunc(people, func(p identity.Person) bool { return works(c.Lifecycle.StageOf(p, on, false)) }) {
				continue
			}
			s.Problem = Reason{Reason: reason.Of(reason.ServiceEnds{Service: s.Service, Count: s.Tokens, Day: on})}
			if ahead == 0 {
				s.Problem = Reason{Reason: reason.Of(reason.ServiceUnattended{Service: s.Service, Count: s.Tokens})}
			}
			break
		}
		statuses = append(statuses, s)
	}
	for _, name := range slices.Sorted(maps.Keys(tokens)) {
		statuses = append(statuses, ServiceStatus{Service: name, Tokens: tokens[name], Problem: Reason{Reason: reason.Of(reason.ServiceUndeclared{Service: name, Count: tokens[name]})}})
	}
	return statuses, nil
}

// services returns where the service accounts stand, in the viewer's language.
func (v *View) services() ([]ServiceStatus, error) {
	statuses, err := serviceStatuses(v.ctx, v.DB, v.Config, v.Now())
	for i := range statuses {
		statuses[i].Problem = v.Because(statuses[i].Problem.Reason)
	}
	return statuses, err
}
