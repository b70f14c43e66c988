package audit

import (
	"cmp"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Key identifies what an interval is about.
type Key struct {
	Person      identity.PersonID
	Target      string
	Entitlement string // or Account
}

// Interval is a period in which a person had an entitlement. It is an upper
// bound: it begins when the access may first have existed and ends when it was
// known to be gone.
type Interval struct {
	Key
	Since       time.Time
	SinceRecord int64
	Until       time.Time // zero while open
	UntilRecord int64     // zero while open
	// UnseenSince is since when no reading of the target has shown the access;
	// zero while readings do. Whether the access still exists is unknown.
	UnseenSince  time.Time
	UnseenRecord int64
	// Given is set when behov gave or adopted the access, and not when it was only
	// seen. Reason is that of the record that opened the interval.
	Given  bool
	Reason reason.Reason
}

// Effect is the effect of a record on intervals.
type Effect int

// The effects.
const (
	NoEffect Effect = iota
	Opens
	Closes
	// Reopens closes the open interval and opens it again, for another reason.
	Reopens
	// ClosesAll closes every interval of the person in the target.
	ClosesAll
	// ClosesTarget closes every interval in the target, of all people.
	ClosesTarget
	// Unsees marks an open interval as unseen, Sees removes the mark.
	Unsees
	Sees
)

// EffectOf returns which interval a record opens or closes. It is the only
// definition; every projection of intervals uses it.
func EffectOf(r Record) (Key, Effect) {
	key := Key{Person: r.Person, Target: r.Target, Entitlement: r.Entitlement}
	switch r.Action {
	case AccessFound:
		return key, Opens
	case AccessGone:
		return key, Closes
	case AccessAdopted:
		return key, Reopens
	case AccessUnseen:
		return key, Unsees
	case AccessSeen:
		return key, Sees
	case TargetRetired:
		return key, ClosesTarget
	case StepEnded:
		if r.Outcome != Applied && r.Outcome != AlreadyApplied {
			return key, NoEffect
		}
		switch r.Op {
		case "add-member":
			return key, Opens
		case "remove-member":
			return key, Closes
		case "create-account", "enable-account":
			key.Entitlement = Account
			return key, Opens
		case "disable-account":
			key.Entitlement = Account
			return key, Closes
		case "delete-account":
			return key, ClosesAll
		}
	}
	return key, NoEffect
}

// Opened returns the interval that the record opens for the key.
func Opened(key Key, r Record) Interval {
	since := r.At
	if !r.Began.IsZero() {
		since = r.Began
	}
	return Interval{Key: key, Since: since, SinceRecord: r.Index, Given: r.Action == StepEnded || r.Action == AccessAdopted, Reason: r.Reason}
}

// Projection computes intervals from records in their order. The zero value is
// ready to use.
type Projection struct {
	open   map[Key]*Interval
	closed []Interval
}

// Add applies the next record.
func (p *Projection) Add(r Record) {
	if p.open == nil {
		p.open = map[Key]*Interval{}
	}
	key, effect := EffectOf(r)
	switch effect {
	case Opens:
		p.begin(key, r)
	case Reopens:
		p.close(key, r)
		p.begin(key, r)
	case Closes:
		p.close(key, r)
	case Unsees:
		if i := p.open[key]; i != nil && i.UnseenRecord == 0 {
			i.UnseenSince, i.UnseenRecord = r.At, r.Index
		}
	case Sees:
		if i := p.open[key]; i != nil {
			i.UnseenSince, i.UnseenRecord = time.Time{}, 0
		}
	case ClosesAll, ClosesTarget:
		for k := range p.open {
			if k.Target == key.Target && (effect == ClosesTarget || k.Person == key.Person) {
				p.close(k, r)
			}
		}
	}
}

// begin opens an interval unless one is open. An unseen one ends: the interval
// that opens now is other access.
func (p *Projection) begin(key Key, r Record) {
	if i := p.open[key]; i != nil && i.UnseenRecord != 0 {
		p.close(key, r)
	}
	if p.open[key] == nil {
		i := Opened(key, r)
		p.open[key] = &i
	}
}

func (p *Projection) close(key Key, r Record) {
	i := p.open[key]
	if i == nil {
		return
	}
	i.Until, i.UntilRecord = r.At, r.Index
	p.closed = append(p.closed, *i)
	delete(p.open, key)
}

// Intervals returns all intervals so far, sorted by key and then by time.
func (p *Projection) Intervals() []Interval {
	all := slices.Clone(p.closed)
	for _, i := range p.open {
		all = append(all, *i)
	}
	SortIntervals(all)
	return all
}

// SortIntervals sorts by person, target, entitlement and time.
func SortIntervals(all []Interval) {
	slices.SortFunc(all, func(a, b Interval) int {
		return cmp.Or(
			cmp.Compare(a.Person, b.Person),
			cmp.Compare(a.Target, b.Target),
			cmp.Compare(a.Entitlement, b.Entitlement),
			cmp.Compare(a.SinceRecord, b.SinceRecord),
		)
	})
}
