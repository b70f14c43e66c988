package web

import (
	"slices"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// startPage is what waits for the reader, and what happened today.
type startPage struct {
	Questions  int              // of reviews, that the reader may answer
	Requests   int              // that wait for the reader
	Orders     int              // work orders that wait in targets of the reader's
	Accounts   int              // that are no person's, and that the reader has to hand over or renew
	DecidesFor []access.Absence // in whose place the reader decides today
	Holds      []access.Hold
	Others     []access.Hold  // that another person decides on
	Status     *access.Status // for those who may see everyone
	Reports    access.Reports
	MayReport  bool
	Changes    []changed
	More       bool // there are more changes than are listed
}

// changed is what changed for a person at about the same time.
type changed struct {
	Person      access.Ref
	At          time.Time // the first
	Began       bool
	Entitlement string // the first
	Others      int    // beside it
}

// changesRead is how many changes of the day the first page looks at, and changesListed how
// many lines it makes of them.
const (
	changesRead   = 300
	changesListed = 8
)

// Waits reports whether anything does.
func (p startPage) Waits() bool {
	return p.Questions > 0 || p.Requests > 0 || p.Orders > 0 || p.Accounts > 0 || len(p.Holds) > 0 || p.Reports.Waits() || p.Status != nil && slices.ContainsFunc(p.Status.Targets, func(t access.TargetStatus) bool { return t.Parked > 0 || t.Paused != nil || t.LetsIn != "" })
}

// group puts together what one person got, or lost, within a minute; accounts are told of
// only where nothing else is. The newest comes first.
func group(changes []access.Change) []changed {
	var all []changed
	for _, c := range changes {
		n := len(all) - 1
		for n >= 0 && (all[n].Person.ID != c.Access.Person.ID || all[n].Began != c.Began || c.At.Sub(all[n].At) >= time.Minute) {
			n--
		}
		switch {
		case n < 0:
			all = append(all, changed{c.Access.Person, c.At, c.Began, c.Access.Entitlement, 0})
		case all[n].Entitlement == audit.Account:
			all[n].Entitlement = c.Access.Entitlement
		case c.Access.Entitlement != audit.Account:
			all[n].Others++
		}
	}
	slices.Reverse(all)
	return all
}

func (s *site) start() {
	s.page("/{$}", "start", func(v *visit) (any, error) {
		var p startPage
		reviews, err := v.Reviews()
		if err != nil {
			return nil, err
		}
		for _, r := range reviews {
			p.Questions += r.Yours
		}
		requests, err := v.RequestsWaiting(true)
		if err != nil {
			return nil, err
		}
		p.Requests = len(requests)
		if p.Orders, err = v.OrdersWaiting(); err != nil {
			return nil, err
		}
		accounts, err := v.NonHumanAccounts()
		if err != nil {
			return nil, err
		}
		for _, a := range accounts {
			if a.Mine && a.Late() {
				p.Accounts++
			}
		}
		away, err := v.Absences()
		if err != nil {
			return nil, err
		}
		for _, a := range away {
			if a.Now && a.Deputy.ID == v.caller.Subject.Person {
				p.DecidesFor = append(p.DecidesFor, a)
			}
		}
		if v.SeesEveryone() {
			holds, _, err := v.Holds(false)
			if err != nil {
				return nil, err
			}
			for _, h := range holds {
				may, _, err := v.May(actionOf(h.Kind))
				if err != nil {
					return nil, err
				}
				if may {
					p.Holds = append(p.Holds, h)
				} else {
					p.Others = append(p.Others, h)
				}
			}
			status, err := v.Status()
			if err != nil {
				return nil, err
			}
			p.Status = &status
		}
		if p.MayReport, err = v.mayReport(); err != nil {
			return nil, err
		}
		if p.MayReport {
			if p.Reports, err = v.Reports(); err != nil {
				return nil, err
			}
		}
		changes, over, err := v.NearChanges(v.midnight(v.Today()), changesRead)
		p.Changes = group(changes)
		p.More = over || len(p.Changes) > changesListed
		p.Changes = p.Changes[:min(len(p.Changes), changesListed)]
		return p, err
	})
}

// midnight returns the instant at which a day begins for the organisation.
func (b *book) midnight(d identity.Date) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, string(d), b.config.Zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

// on returns the day of the organisation as a period.
func (b *book) on(d identity.Date) access.Period {
	return access.Period{From: b.midnight(d), To: b.midnight(d.AddDays(1))}
}

// isDate reports whether a text is a civil date.
func isDate(d identity.Date) bool {
	_, err := identity.ParseDate(time.DateOnly, string(d))
	return err == nil
}
