// Package identity holds what is known of people: who they are, which
// employments they have, and the HR events that said so. It folds events into
// a person as of a date.
//
// It is pure: it must never read a clock, a file or a database, and must
// never know what a person's employments entitle them to.
package identity

import (
	"slices"
	"strings"
	"time"
)

// PersonID is behov's own opaque, immutable name for a person, a UUIDv7. It is
// the only name by which plans, steps, events and audit records call people.
type PersonID string

// EmploymentID is behov's own opaque, immutable name for an employment.
type EmploymentID string

// SourceKey is what an HR source calls a person or an employment.
type SourceKey struct {
	Source string
	Key    string
}

// PersonFacts is what HR says of a person. All of it is personal data.
type PersonFacts struct {
	GivenName  string `json:"given_name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	NationalID string `json:"national_id,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	// Protected marks a person with protected identity (skyddade
	// personuppgifter): masked for everyone not cleared to see them.
	Protected bool `json:"protected,omitempty"`
}

// EmploymentFacts is what HR says of one employment. Dates are civil dates,
// the last day included.
type EmploymentFacts struct {
	Unit       string  `json:"unit,omitempty"`
	JobCode    string  `json:"job_code,omitempty"`
	JobTitle   string  `json:"job_title,omitempty"`
	Type       string  `json:"type,omitempty"`
	Percent    float64 `json:"percent,omitempty"`
	ManagerKey string  `json:"manager_key,omitempty"` // the source's key of the manager
	Start      Date    `json:"start"`
	End        Date    `json:"end,omitempty"`
	LeaveStart Date    `json:"leave_start,omitempty"`
	LeaveEnd   Date    `json:"leave_end,omitempty"`
	// Attributes are the organisation's own columns, by name.
	Attributes map[string]string `json:"attributes,omitempty"`
}

// Equal says whether two sets of facts say the same.
func (f EmploymentFacts) Equal(g EmploymentFacts) bool {
	if len(f.Attributes) != len(g.Attributes) {
		return false
	}
	for k, v := range f.Attributes {
		if w, ok := g.Attributes[k]; !ok || w != v {
			return false
		}
	}
	return f.Unit == g.Unit && f.JobCode == g.JobCode && f.JobTitle == g.JobTitle &&
		f.Type == g.Type && f.Percent == g.Percent && f.ManagerKey == g.ManagerKey &&
		f.Start == g.Start && f.End == g.End && f.LeaveStart == g.LeaveStart && f.LeaveEnd == g.LeaveEnd
}

// Employment is one of a person's employments.
type Employment struct {
	ID  EmploymentID
	Key SourceKey
	EmploymentFacts
	// Withdrawn is true once HR no longer lists the employment.
	Withdrawn bool
}

// ActiveOn says whether the employment runs on the day. A leave of absence
// does not end it.
func (e Employment) ActiveOn(day Date) bool {
	return !e.Withdrawn && covers(e.Start, e.End, day)
}

// OnLeave says whether the person is on leave from the employment on the day.
func (e Employment) OnLeave(day Date) bool {
	return e.LeaveStart != "" && covers(e.LeaveStart, e.LeaveEnd, day)
}

// Person is a person as known.
type Person struct {
	ID   PersonID
	Keys []SourceKey
	PersonFacts
	// Login is the name the person signs in with everywhere, given once and
	// never to anyone else.
	Login       string
	Employments []Employment // sorted by ID
	// Version is the sequence of the last event that concerned the person.
	Version int64
}

// Active returns the employments that run on the day.
func (p Person) Active(day Date) []Employment {
	var active []Employment
	for _, e := range p.Employments {
		if e.ActiveOn(day) {
			active = append(active, e)
		}
	}
	return active
}

// Main returns the employment that gives the person their title, unit and
// manager on the day: of the active ones the one with the largest percent,
// then the latest start, then the smallest ID. Without an active one it is
// the one that ended last. False when the person has no employment at all.
func (p Person) Main(day Date) (Employment, bool) {
	candidates := p.Active(day)
	if len(candidates) > 0 {
		return slices.MinFunc(candidates, func(a, b Employment) int {
			switch {
			case a.Percent != b.Percent:
				if a.Percent > b.Percent {
					return -1
				}
				return 1
			case a.Start != b.Start:
				return strings.Compare(string(b.Start), string(a.Start))
			}
			return strings.Compare(string(a.ID), string(b.ID))
		}), true
	}
	if len(p.Employments) == 0 {
		return Employment{}, false
	}
	return slices.MinFunc(p.Employments, func(a, b Employment) int {
		if a.End != b.End {
			return strings.Compare(string(b.End), string(a.End))
		}
		return strings.Compare(string(a.ID), string(b.ID))
	}), true
}

// Name returns the person's name for display, masked when the identity is
// protected.
func (p Person) Name() string {
	if p.Protected {
		return "[protected identity]"
	}
	return strings.TrimSpace(p.GivenName + " " + p.FamilyName)
}

// Kind says what an event tells.
type Kind string

// The kinds of event.
const (
	PersonAdded         Kind = "person-added"
	PersonChanged       Kind = "person-changed"
	EmploymentAdded     Kind = "employment-added"
	EmploymentChanged   Kind = "employment-changed"
	EmploymentWithdrawn Kind = "employment-withdrawn"
)

// Event is one thing HR told us. It is never changed once recorded.
type Event struct {
	// Seq is the place in the order of recording, from 1; zero before it is
	// recorded.
	Seq        int64
	Source     string
	Kind       Kind
	Person     PersonID
	Employment EmploymentID // empty on events of the person
	// Key is what the source calls the person, on PersonAdded, or the
	// employment, on EmploymentAdded.
	Key string
	// Effective is the civil date from which it holds.
	Effective Date
	// Recorded is the instant at which we learnt it, UTC.
	Recorded time.Time
	// Login is set on PersonAdded.
	Login           string
	PersonFacts     *PersonFacts
	EmploymentFacts *EmploymentFacts
}

// Fold applies the events of one person that are effective by the day to what
// was known before, in order of effective date and then of recording, and
// returns the person. Events of other people must not be among them.
func Fold(before Person, events []Event, day Date) Person {
	p := before
	p.Keys = slices.Clone(before.Keys)
	p.Employments = slices.Clone(before.Employments)
	ordered := slices.Clone(events)
	slices.SortStableFunc(ordered, func(a, b Event) int {
		if a.Effective != b.Effective {
			return strings.Compare(string(a.Effective), string(b.Effective))
		}
		return int(a.Seq - b.Seq)
	})
	for _, e := range ordered {
		if e.Effective > day {
			continue
		}
		p.apply(e)
	}
	slices.SortFunc(p.Employments, func(a, b Employment) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return p
}

func (p *Person) apply(e Event) {
	p.Version = max(p.Version, e.Seq)
	switch e.Kind {
	case PersonAdded:
		p.ID, p.Login, p.PersonFacts = e.Person, e.Login, *e.PersonFacts
		p.Keys = append(p.Keys, SourceKey{Source: e.Source, Key: e.Key})
	case PersonChanged:
		p.PersonFacts = *e.PersonFacts
	case EmploymentAdded, EmploymentChanged:
		i := slices.IndexFunc(p.Employments, func(x Employment) bool { return x.ID == e.Employment })
		if i < 0 {
			p.Employments = append(p.Employments, Employment{ID: e.Employment, Key: SourceKey{Source: e.Source, Key: e.Key}})
			i = len(p.Employments) - 1
		}
		p.Employments[i].EmploymentFacts = *e.EmploymentFacts
		p.Employments[i].Withdrawn = false
	case EmploymentWithdrawn:
		i := slices.IndexFunc(p.Employments, func(x Employment) bool { return x.ID == e.Employment })
		if i >= 0 {
			p.Employments[i].Withdrawn = true
		}
	}
}
