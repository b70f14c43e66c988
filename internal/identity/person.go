// Package identity holds what is known of people: who they are, which
// employments they have, and the HR events that said so. It folds events into
// a person as of a date.
//
// It is pure: it must never read a clock, a file or a database, and must
// never know what a person's employments entitle them to.
package identity

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
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

// masked stands for a key that is not shown.
const masked = "…"

// Shown returns the key as it may stand on a screen, in a log or in a record:
// one with a national identity number in it is masked.
func (k SourceKey) Shown() string {
	if HasNationalID(k.Key) {
		return masked
	}
	return k.Key
}

// MayTellName reports whether a key may be made of a person's name, as a user name is:
// it has three letters in a row. Of people with protected identity no such key is shown.
func (k SourceKey) MayTellName() bool {
	row := 0
	for _, r := range k.Key {
		if row++; !unicode.IsLetter(r) {
			row = 0
		}
		if row == 3 {
			return true
		}
	}
	return false
}

// String returns the source and the key as Shown has it.
func (k SourceKey) String() string { return k.Source + "/" + k.Shown() }

// ForDisplay returns the employment with its keys as SourceKey.Shown has them.
func (e Employment) ForDisplay() Employment {
	show := func(key string) string { return SourceKey{Key: key}.Shown() }
	e.Key.Key, e.PersonKey, e.SponsorKey = show(e.Key.Key), show(e.PersonKey), show(e.SponsorKey)
	e.Terms = slices.Clone(e.Terms)
	for i := range e.Terms {
		e.Terms[i].ManagerKey = show(e.Terms[i].ManagerKey)
	}
	return e
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

// Record is what one HR source has on a person.
type Record struct {
	SourceKey
	// Facts is what it says; nil where only the key was read.
	Facts *PersonFacts
	// Stamp orders what the source said; empty when it does not say.
	Stamp string
}

// Precedence says which source's word counts for each of a person's facts,
// by the column's name, and under "" for those that have none of their own. For a
// column with a list of its own it is the first source that says anything. For the
// others it is the first source that has a record of the person, also where that
// says nothing: another source, which is not named for the column, does not fill it.
// A source that is not listed never supplies the fact. Without any list, as with a
// single source, every source does, in the order of their names.
type Precedence map[string][]string

// PersonColumns are the columns that Precedence is about, as HR sources call
// them. A person is protected when any source says so.
var PersonColumns = []string{"given_name", "family_name", "national_id", "email", "phone"}

// order returns the sources that supply a column; all is true when every source
// does.
func (r Precedence) order(column string) (order []string, all bool) {
	if order, listed := r[column]; listed {
		return order, false
	}
	order, listed := r[""]
	return order, !listed
}

// ChangedFields returns the names of the columns in which two sets of facts differ:
// those by which a person is addressed, and whether the identity is protected, which
// takes them all; not the national identity number.
func (f PersonFacts) ChangedFields(g PersonFacts) []string {
	var changed []string
	for _, c := range []struct{ name, before, after string }{
		{"given_name", f.GivenName, g.GivenName}, {"family_name", f.FamilyName, g.FamilyName}, {"email", f.Email, g.Email}, {"phone", f.Phone, g.Phone},
	} {
		if CleanText(c.before) != CleanText(c.after) {
			changed = append(changed, c.name)
		}
	}
	if f.Protected != g.Protected {
		changed = append(changed, "protected")
	}
	return changed
}

// Merge makes one set of facts of what several records say. Whoever is
// protected in one of them is protected.
func (r Precedence) Merge(records []Record) PersonFacts {
	pick := func(column string, of func(PersonFacts) string) string {
		order, all := r.order(column)
		rank := func(source string) int { return slices.Index(order, source) }
		_, own := r[column]
		primary := -1 // the rank of the only source that counts; -1 for any
		for _, k := range records {
			if at := rank(k.Source); !own && !all && k.Facts != nil && at >= 0 && (primary < 0 || at < primary) {
				primary = at
			}
		}
		best := -1
		for i, k := range records {
			if k.Facts == nil || of(*k.Facts) == "" || !all && rank(k.Source) < 0 || primary >= 0 && rank(k.Source) != primary {
				continue
			}
			if best < 0 || cmp.Or(cmp.Compare(rank(k.Source), rank(records[best].Source)), strings.Compare(k.Source, records[best].Source),
				-strings.Compare(k.Stamp, records[best].Stamp), -strings.Compare(k.Key, records[best].Key)) < 0 {
				best = i
			}
		}
		if best < 0 {
			return ""
		}
		return of(*records[best].Facts)
	}
	f := PersonFacts{
		GivenName:  pick("given_name", func(f PersonFacts) string { return f.GivenName }),
		FamilyName: pick("family_name", func(f PersonFacts) string { return f.FamilyName }),
		NationalID: pick("national_id", func(f PersonFacts) string { return f.NationalID }),
		Email:      pick("email", func(f PersonFacts) string { return f.Email }),
		Phone:      pick("phone", func(f PersonFacts) string { return f.Phone }),
	}
	for _, k := range records {
		f.Protected = f.Protected || k.Facts != nil && k.Facts.Protected
	}
	return f
}

// Person is a person as known.
type Person struct {
	ID   PersonID
	Keys []Record
	// PersonFacts is what Merge makes of what the records say.
	PersonFacts
	// Login is the name the person signs in with everywhere, given once and
	// never to anyone else.
	Login string
	// MainEmployment speaks for the person whatever the rule, while it runs, as
	// somebody decided; empty when nobody did.
	MainEmployment EmploymentID
	// MergedInto is whose this person's records turned out to be.
	MergedInto  PersonID
	Employments []Employment // sorted by ID
	// Version is the sequence of the last event that concerned the person.
	Version int64
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
	PersonJoined        Kind = "person-joined" // another record of somebody known
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
	// Key is what the source calls the person or the employment; PersonKey, on
	// events of an employment, what it calls the person.
	Key       string
	PersonKey string
	// Effective is the first civil date on which it makes a difference; it may
	// lie long before the day on which it was recorded.
	Effective Date
	// Recorded is the instant at which we learnt it, UTC.
	Recorded time.Time
	// Stamp orders what the source said of a person; empty when it does not say.
	Stamp string
	// Login is set on PersonAdded.
	Login           string
	PersonFacts     *PersonFacts
	EmploymentFacts *EmploymentFacts
	// RowHash is a keyed hash of what the source says of the employment; nil when it
	// is not known. It is kept with the employment, and not with the event.
	RowHash []byte
}

// Fold applies the events of one person to what was known before, in the order
// of recording, and returns the person. Events of other people must not be
// among them. What it returns is known today: As of which day it holds, the
// dates of the employments say.
func Fold(before Person, events []Event) Person {
	p := before
	p.Keys = slices.Clone(before.Keys)
	p.Employments = slices.Clone(before.Employments)
	ordered := slices.Clone(events)
	slices.SortStableFunc(ordered, func(a, b Event) int { return cmp.Compare(a.Seq, b.Seq) })
	for _, e := range ordered {
		p.apply(e)
	}
	slices.SortFunc(p.Employments, func(a, b Employment) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return p
}

func (p *Person) apply(e Event) {
	p.Version = max(p.Version, e.Seq)
	switch e.Kind {
	case PersonAdded, PersonJoined, PersonChanged:
		if e.Kind == PersonAdded {
			p.ID, p.Login = e.Person, e.Login
		}
		i := slices.IndexFunc(p.Keys, func(k Record) bool { return k.Source == e.Source && k.Key == e.Key })
		if i < 0 {
			p.Keys = append(p.Keys, Record{SourceKey: SourceKey{Source: e.Source, Key: e.Key}})
			i = len(p.Keys) - 1
		}
		p.Keys[i].Facts, p.Keys[i].Stamp = e.PersonFacts, e.Stamp
	case EmploymentAdded, EmploymentChanged:
		i := p.employment(e.Employment)
		if i < 0 {
			p.Employments = append(p.Employments, Employment{ID: e.Employment, Key: SourceKey{Source: e.Source, Key: e.Key}})
			i = len(p.Employments) - 1
		}
		p.Employments[i].EmploymentFacts, p.Employments[i].PersonKey, p.Employments[i].Withdrawn = *e.EmploymentFacts, e.PersonKey, ""
	case EmploymentWithdrawn:
		if i := p.employment(e.Employment); i >= 0 {
			p.Employments[i].Withdrawn = e.Effective
		}
	}
}

func (p *Person) employment(id EmploymentID) int {
	return slices.IndexFunc(p.Employments, func(x Employment) bool { return x.ID == id })
}
