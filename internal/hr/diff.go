package hr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
)

// PersonRows is a person with the export's rows about them.
type PersonRows struct {
	// Person is the stored person, with each source's record. It is the zero
	// person for a new one.
	Person identity.Person
	// Rows are those of all keys by which the source identifies the person.
	Rows []Row
	// Joins holds the new keys whose rows are those of a known person.
	Joins map[string]bool
}

// differ converts the rows of a person into events.
type differ struct {
	source string
	full   bool // the export is complete
	today  identity.Date
	now    time.Time
	newID  func() string
	// keep reports, by the source's key, whether an employment must not be
	// withdrawn although the export lacks it.
	keep   func(key string) bool
	events []identity.Event
}

// diff compares what an export states about people with what is stored, and
// returns the differences as events. The order of subjects and rows does not
// affect the events, except the IDs of new people and employments. With full, the
// rows are all that the source has, and a known employment without a row is
// withdrawn, unless keep reports otherwise.
func diff(subjects []PersonRows, source string, full bool, today identity.Date, now time.Time, newID func() string, keep func(key string) bool) []identity.Event {
	d := &differ{source: source, full: full, today: today, now: now, newID: newID, keep: keep}
	subjects = slices.Clone(subjects)
	slices.SortFunc(subjects, func(a, b PersonRows) int {
		return cmp.Or(cmp.Compare(a.firstKey(), b.firstKey()), cmp.Compare(a.Person.ID, b.Person.ID))
	})
	for _, s := range subjects {
		d.subject(s)
	}
	return d.events
}

// firstKey returns the smallest key of the person, for an order that does not
// depend on new IDs.
func (s PersonRows) firstKey() string {
	key := ""
	for _, r := range s.Rows {
		if key == "" || r.PersonKey < key {
			key = r.PersonKey
		}
	}
	return key
}

func (d *differ) event(e identity.Event) {
	e.Source, e.Recorded = d.source, d.now
	if e.Effective == "" {
		e.Effective = d.today
	}
	d.events = append(d.events, e)
}

func (d *differ) subject(s PersonRows) {
	p := s.Person
	known := p.ID != ""
	byKey := map[string][]Row{}
	var keys []string
	for _, r := range s.Rows {
		if byKey[r.PersonKey] == nil {
			keys = append(keys, r.PersonKey)
		}
		byKey[r.PersonKey] = append(byKey[r.PersonKey], r)
	}
	slices.Sort(keys)
	for _, key := range keys {
		p.ID = d.person(p, known, s.Joins[key], key, byKey[key])
		known = true
	}
	d.employments(p, s.Rows)
}

// person emits the changes of a person's own facts, and returns their ID.
func (d *differ) person(p identity.Person, known, joins bool, key string, rows []Row) identity.PersonID {
	newest := newestOf(rows)
	facts := newest.Person
	e := identity.Event{Kind: identity.PersonChanged, Person: p.ID, Key: key, PersonFacts: &facts, Stamp: newest.Stamp}
	i := slices.IndexFunc(p.Keys, func(k identity.Record) bool { return k.Source == d.source && k.Key == key })
	switch {
	case !known:
		e.Kind, e.Person = identity.PersonAdded, identity.PersonID(d.newID())
	case i < 0 || joins:
		e.Kind = identity.PersonJoined
	case p.Keys[i].Stamp > newest.Stamp || *p.Keys[i].Facts == facts:
		return p.ID
	}
	d.event(e)
	return e.Person
}

// newestOf returns the row with the current facts of a person.
func newestOf(rows []Row) Row {
	return slices.MaxFunc(rows, func(a, b Row) int { return cmp.Or(cmp.Compare(a.Stamp, b.Stamp), cmp.Compare(b.Line, a.Line)) })
}

func (d *differ) employments(p identity.Person, rows []Row) {
	byKey := map[string][]Row{}
	for _, r := range rows {
		if !r.startHeld {
			byKey[r.EmploymentKey] = append(byKey[r.EmploymentKey], r)
		}
	}
	known := map[string]identity.Employment{}
	keys := make([]string, 0, len(byKey))
	for _, e := range p.Employments {
		if e.Key.Source == d.source {
			known[e.Key.Key] = e
			keys = append(keys, e.Key.Key)
		}
	}
	for key := range byKey {
		if _, ok := known[key]; !ok {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		e, is := known[key]
		switch {
		case len(byKey[key]) > 0:
			d.employment(p.ID, key, e, is, byKey[key])
		case d.full && e.Withdrawn == "" && !d.keep(key):
			d.event(identity.Event{Kind: identity.EmploymentWithdrawn, Person: p.ID, Employment: e.ID, Key: key})
		}
	}
}

func (d *differ) employment(person identity.PersonID, key string, e identity.Employment, known bool, rows []Row) {
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Stamp, b.Stamp), cmp.Compare(a.ValidFrom, b.ValidFrom), cmp.Compare(a.Line, b.Line))
	})
	before := e.EmploymentFacts // as stored, possibly by a version that did not clean it
	e.EmploymentFacts = cleanFacts(before)
	facts, withdrawn := e.EmploymentFacts, e.Withdrawn
	moved := known && e.PersonKey != rows[len(rows)-1].PersonKey // moved from one of the person's records to another
	if d.full {
		facts, withdrawn = d.fullTerms(e, rows), ""
	} else {
		for _, r := range rows {
			facts, withdrawn = d.applyChange(facts, withdrawn, r)
		}
	}
	if facts.StatedEnd = e.StatedEnd; facts.End != e.End {
		facts.StatedEnd = ""
		if facts.End != "" {
			facts.StatedEnd = d.today
		}
	}
	event := identity.Event{Kind: identity.EmploymentChanged, Person: person, Employment: e.ID, Key: key, PersonKey: rows[len(rows)-1].PersonKey, EmploymentFacts: &facts}
	switch {
	case !known:
		event.Kind, event.Employment, event.Effective = identity.EmploymentAdded, identity.EmploymentID(d.newID()), min(d.today, facts.Start)
	case e.Withdrawn == withdrawn && e.Equal(facts) && !moved:
		if !before.Equal(facts) { // not only equal in another encoding
			d.event(event)
		}
		return
	case !e.Equal(facts):
		event.Effective = min(d.today, firstDifference(e.EmploymentFacts, facts))
		if e.Withdrawn != "" && withdrawn == "" {
			event.Effective = min(event.Effective, e.Withdrawn)
		}
	case e.Withdrawn != "" && withdrawn == "": // it is listed again
		event.Effective = min(d.today, e.Withdrawn)
	}
	if !known || moved || !e.Equal(facts) || e.Withdrawn != "" && withdrawn == "" {
		d.event(event)
	}
	if withdrawn != "" && (!known || withdrawn != e.Withdrawn || !e.Equal(facts)) {
		d.event(identity.Event{Kind: identity.EmploymentWithdrawn, Person: person, Employment: event.Employment, Key: key, Effective: withdrawn})
	}
}

// cleanFacts returns facts with their text in canonical form. Keys are unchanged.
func cleanFacts(f identity.EmploymentFacts) identity.EmploymentFacts {
	f.Terms = slices.Clone(f.Terms)
	for i, t := range f.Terms {
		t.Unit, t.JobCode, t.JobTitle, t.Type = identity.CleanText(t.Unit), identity.CleanText(t.JobCode), identity.CleanText(t.JobTitle), identity.CleanText(t.Type)
		t.Attributes = maps.Clone(t.Attributes)
		for name, v := range t.Attributes {
			t.Attributes[name] = identity.CleanText(v)
		}
		f.Terms[i] = t
	}
	return f
}

// fullTerms returns the terms of an employment from the rows of a full export.
// Terms without a valid_from apply from today on: earlier terms are unchanged.
func (d *differ) fullTerms(e identity.Employment, rows []Row) identity.EmploymentFacts {
	last := rows[len(rows)-1]
	f := identity.EmploymentFacts{Start: last.Start, End: last.End, SponsorKey: last.SponsorKey, Stamp: last.Stamp}
	for _, r := range rows {
		if r.Leave.Start != "" && !slices.Contains(f.Leaves, r.Leave) {
			f.Leaves = append(f.Leaves, r.Leave)
		}
	}
	sortLeaves(f.Leaves)
	if rows[0].ValidFrom == "" {
		f.Terms = d.reviseTerms(e, last)
		return f
	}
	for _, r := range rows {
		t := r.Terms
		t.From = r.ValidFrom
		f.Terms = identity.Put(f.Terms, t)
	}
	return f
}

func sortLeaves(leaves []identity.Leave) {
	slices.SortFunc(leaves, func(a, b identity.Leave) int { return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.End, b.End)) })
}

// reviseTerms returns the terms of an employment of which a source lists only the
// current ones.
func (d *differ) reviseTerms(e identity.Employment, r Row) []identity.Terms {
	begins := r.Start
	if e.Start != "" {
		begins = max(begins, e.Start)
	}
	if len(e.Terms) == 0 || d.today <= begins {
		return []identity.Terms{r.Terms}
	}
	past := slices.DeleteFunc(slices.Clone(e.Terms), func(t identity.Terms) bool { return t.From > d.today })
	if len(past) == 0 {
		return []identity.Terms{r.Terms}
	}
	if current := past[len(past)-1]; current.Same(r.Terms) {
		if len(past) == len(e.Terms) {
			return e.Terms
		}
		return past
	}
	t := r.Terms
	t.From = d.today
	return identity.Put(past, t)
}

// applyChange returns the facts after a row of a delta. Statements with a later
// stamp win, in whatever order they arrive.
func (d *differ) applyChange(f identity.EmploymentFacts, withdrawn identity.Date, r Row) (identity.EmploymentFacts, identity.Date) {
	fresh := f.Start == ""
	if fresh || r.Stamp >= f.Stamp {
		f.Start, f.End, f.SponsorKey, f.Stamp = r.Start, r.End, r.SponsorKey, r.Stamp
		f.Leaves = nil
		if r.Leave.Start != "" {
			f.Leaves = []identity.Leave{r.Leave}
		}
		switch {
		case !r.Removed:
			withdrawn = ""
		case r.ValidFrom != "":
			withdrawn = r.ValidFrom
		case withdrawn == "":
			withdrawn = d.today
		}
	}
	t := r.Terms
	switch {
	case r.Removed: // a removal states no terms
		return f, withdrawn
	case r.ValidFrom != "":
		t.From = r.ValidFrom
	case len(f.Terms) > 0:
		if f.On(max(d.today, f.Start)).Same(t) {
			return f, withdrawn
		}
		if d.today > f.Start {
			t.From = d.today
		}
	}
	f.Terms = identity.Put(f.Terms, t)
	return f, withdrawn
}

// firstDifference returns the first day on which two sets of facts about one
// employment differ.
func firstDifference(a, b identity.EmploymentFacts) identity.Date {
	var days []identity.Date
	day := func(differ bool, of ...identity.Date) {
		for _, d := range of {
			if differ && d != "" {
				days = append(days, d)
			}
		}
	}
	day(a.Start != b.Start, a.Start, b.Start)
	if a.End != b.End {
		for _, end := range []identity.Date{a.End, b.End} {
			if end != "" {
				days = append(days, end.AddDays(1))
			}
		}
	}
	for _, l := range a.Leaves {
		day(!slices.Contains(b.Leaves, l), l.Start)
	}
	for _, l := range b.Leaves {
		day(!slices.Contains(a.Leaves, l), l.Start)
	}
	for _, pair := range [][2][]identity.Terms{{a.Terms, b.Terms}, {b.Terms, a.Terms}} {
		for _, t := range pair[0] {
			if !slices.ContainsFunc(pair[1], func(u identity.Terms) bool { return u.From == t.From && u.Same(t) }) {
				day(true, max(t.From, b.Start))
			}
		}
	}
	if len(days) == 0 {
		return b.Start
	}
	return slices.Min(days)
}

// hashText returns everything that a row states, for its hash.
func (r Row) hashText() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q %q %q %q %q %q %t %q %q %q %q %q %q %q %t", r.PersonKey, r.EmploymentKey, r.Person.GivenName, r.Person.FamilyName, r.Person.NationalID, r.Person.Email,
		r.Person.Phone, r.Person.Protected, r.Start, r.End, r.Leave.Start, r.Leave.End, r.SponsorKey, r.ValidFrom, r.Stamp, r.Removed)
	t := r.Terms
	fmt.Fprintf(&b, " %q %q %q %q %v %q %t", t.Unit, t.JobCode, t.JobTitle, t.Type, t.Percent, t.ManagerKey, t.Main)
	names := make([]string, 0, len(t.Attributes))
	for name := range t.Attributes {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, " %q=%q", name, t.Attributes[name])
	}
	return b.String()
}
