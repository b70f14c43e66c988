// Package identity models people: their names, their employments, and the HR
// events that state them. It folds events into a person as of a date.
//
// It is pure: it must never read a clock, a file or a database, and must never
// know which access a person's employments give.
package identity

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode"
)

// PersonID is behov's own opaque, immutable ID of a person, a UUIDv7. Plans,
// steps, events and audit records identify people only by it.
type PersonID string

// EmploymentID is behov's own opaque, immutable ID of an employment.
type EmploymentID string

// SourceKey is an HR source's key of a person or an employment.
type SourceKey struct {
	Source string
	Key    string
}

// maskedKey replaces a key that is not shown.
const maskedKey = "…"

// Shown returns the key for a screen, a log or a record: a key that contains a
// national identity number is masked.
func (k SourceKey) Shown() string {
	if HasNationalID(k.Key) {
		return maskedKey
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

// ForDisplay returns the employment with its keys as returned by SourceKey.Shown.
func (e Employment) ForDisplay() Employment {
	show := func(key string) string { return SourceKey{Key: key}.Shown() }
	e.Key.Key, e.PersonKey, e.SponsorKey = show(e.Key.Key), show(e.PersonKey), show(e.SponsorKey)
	e.Terms = slices.Clone(e.Terms)
	for i := range e.Terms {
		e.Terms[i].ManagerKey = show(e.Terms[i].ManagerKey)
	}
	return e
}

// PersonFacts is what HR states about a person. All of it is personal data.
type PersonFacts struct {
	GivenName  string `json:"given_name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	NationalID string `json:"national_id,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	// Protected marks a person with protected identity (skyddade
	// personuppgifter), whose data is masked for every viewer without clearance.
	Protected bool `json:"protected,omitempty"`
}

// Record is one HR source's record of a person.
type Record struct {
	SourceKey
	// Facts is what the record states; nil where only the key was read.
	Facts *PersonFacts
	// Stamp orders the source's statements; empty when it has none.
	Stamp string
}

// Precedence lists the sources of each column of a person's facts, in order, by
// the column's name, and under "" for the columns without a list. For a column
// with a list of its own the first source with a value supplies it. For the
// others it is the first source that has a record of the person, also where its
// value is empty: no other source fills it. A source that is not listed never
// supplies the fact. Without any list, as with a single source, every source
// does, in the order of their names.
type Precedence map[string][]string

// PersonColumns are the columns of Precedence, as HR sources name them. A person
// is protected when any source says so.
var PersonColumns = []string{"given_name", "family_name", "national_id", "email", "phone"}

// order returns the sources that supply a column; all reports whether every
// source does.
func (r Precedence) order(column string) (order []string, all bool) {
	if order, listed := r[column]; listed {
		return order, false
	}
	order, listed := r[""]
	return order, !listed
}

// ChangedFields returns the names of the columns in which two sets of facts
// differ: contact data and names, and whether the identity is protected, which
// implies them all; not the national identity number.
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

// Merge merges several records into one set of facts. A person is protected when
// any record says so.
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

// Person is a person with all records folded.
type Person struct {
	ID   PersonID
	Keys []Record
	// PersonFacts is the result of Merge on the records.
	PersonFacts
	// Login is the person's login name in every target. It is assigned once and
	// never reused.
	Login string
	// MainEmployment is the main employment by an operator's decision, whatever
	// the rule, while it is active; empty without a decision.
	MainEmployment EmploymentID
	// MergedInto is the person into which this one was merged; empty otherwise.
	MergedInto  PersonID
	Employments []Employment // sorted by ID
	// Version is the sequence of the last event of the person.
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

// Kind is the kind of an event.
type Kind string

// The kinds of event.
const (
	PersonAdded         Kind = "person-added"
	PersonJoined        Kind = "person-joined" // another record of a known person
	PersonChanged       Kind = "person-changed"
	EmploymentAdded     Kind = "employment-added"
	EmploymentChanged   Kind = "employment-changed"
	EmploymentWithdrawn Kind = "employment-withdrawn"
	// EmploymentReported: people report something of an employment before its HR source
	// says it, or what they reported holds no longer.
	EmploymentReported Kind = "employment-reported"
)

// Event is one statement of HR. It is immutable once recorded.
type Event struct {
	// Seq is the sequence number, from 1; zero before the event is recorded.
	Seq        int64
	Source     string
	Kind       Kind
	Person     PersonID
	Employment EmploymentID // empty on events of the person
	// Key is the source's key of the person or the employment; PersonKey, on
	// events of an employment, that of the person.
	Key       string
	PersonKey string
	// Effective is the first civil date on which the event has an effect; it may
	// be long before the day on which it was recorded.
	Effective Date
	// Recorded is when behov recorded the event, UTC.
	Recorded time.Time
	// Stamp orders the source's statements about a person; empty when it has
	// none.
	Stamp string
	// Login is set on PersonAdded.
	Login           string
	PersonFacts     *PersonFacts
	EmploymentFacts *EmploymentFacts
	// Report is set on EmploymentReported; nil when it holds no longer.
	Report *Report
	// RowHash is a keyed hash of the source's row of the employment; nil when it
	// is not known. It is stored with the employment, and not with the event.
	RowHash []byte
}

// Fold applies the events of one person to the earlier state, in the order of
// recording, and returns the person. Events of other people must not be among
// them. The result holds all that is known today; dates in the employments tell
// what applies on a day.
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
	case EmploymentReported:
		if i := p.employment(e.Employment); i >= 0 {
			p.Employments[i].Report = e.Report
		}
	}
}

func (p *Person) employment(id EmploymentID) int {
	return slices.IndexFunc(p.Employments, func(x Employment) bool { return x.ID == id })
}
