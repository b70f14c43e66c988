package hr

import (
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
)

// Known is what is known of a source's people before an import.
type Known struct {
	People map[string]identity.Person // by the source's person key
	// NationalIDChanged marks people whose number is not the one in the file.
	NationalIDChanged map[string]bool
}

// Difference is what an export says that is new.
type Difference struct {
	Events []identity.Event
	// Vanished are employments that run or will, and that the export no
	// longer has.
	Vanished []identity.EmploymentID
	// Running counts the source's known employments that run or will.
	Running int
}

// Diff compares an export with what is known and says, as events, what is
// new. Rows in any order give the same events, but for the IDs given to what
// is new. People with a bad row are left out.
func Diff(known Known, export *Export, source string, today identity.Date, now time.Time, newID func() string) Difference {
	var d Difference
	byPerson := map[string][]Row{}
	for _, row := range export.Rows {
		byPerson[row.PersonKey] = append(byPerson[row.PersonKey], row)
	}
	owner := map[string]string{}
	for key, p := range known.People {
		for _, e := range p.Employments {
			if e.Key.Source == source {
				owner[e.Key.Key] = key
			}
		}
	}
	keys := make([]string, 0, len(byPerson)+len(known.People))
	for key := range byPerson {
		keys = append(keys, key)
	}
	for key := range known.People {
		if byPerson[key] == nil {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		rows := byPerson[key]
		slices.SortFunc(rows, func(a, b Row) int { return strings.Compare(a.EmploymentKey, b.EmploymentKey) })
		w := worker{d: &d, source: source, today: today, now: now, newID: newID, untouched: export.BadPeople[key]}
		person, ok := known.People[key]
		w.person(key, person, ok, rows, known.NationalIDChanged[key], owner, export)
	}
	return d
}

type worker struct {
	d         *Difference
	source    string
	today     identity.Date
	now       time.Time
	newID     func() string
	untouched bool
}

func (w worker) event(e identity.Event) {
	if w.untouched {
		return
	}
	e.Source, e.Recorded = w.source, w.now
	if e.Effective == "" {
		e.Effective = w.today
	}
	w.d.Events = append(w.d.Events, e)
}

func (w worker) person(key string, p identity.Person, known bool, rows []Row, nationalIDChanged bool, owner map[string]string, export *Export) {
	if len(rows) > 0 {
		facts := rows[0].Person
		switch before := p.PersonFacts; {
		case !known:
			p.ID = identity.PersonID(w.newID())
			w.event(identity.Event{Kind: identity.PersonAdded, Person: p.ID, Key: key, PersonFacts: &facts})
		default:
			before.NationalID = facts.NationalID // compared by keyed hash
			if before != facts || nationalIDChanged {
				w.event(identity.Event{Kind: identity.PersonChanged, Person: p.ID, PersonFacts: &facts})
			}
		}
	}
	employments := map[string]identity.Employment{}
	for _, e := range p.Employments {
		if e.Key.Source == w.source {
			employments[e.Key.Key] = e
		}
	}
	seen := map[string]bool{}
	for _, row := range rows {
		seen[row.EmploymentKey] = true
		facts := row.Employment
		e, ok := employments[row.EmploymentKey]
		switch {
		case !ok && owner[row.EmploymentKey] != "":
			// Import has reported it: the employment is somebody else's.
		case !ok:
			w.event(identity.Event{Kind: identity.EmploymentAdded, Person: p.ID, Employment: identity.EmploymentID(w.newID()), Key: row.EmploymentKey,
				Effective: min(w.today, facts.Start), EmploymentFacts: &facts})
		case e.Withdrawn || !e.Equal(facts):
			w.event(identity.Event{Kind: identity.EmploymentChanged, Person: p.ID, Employment: e.ID, EmploymentFacts: &facts})
		}
	}
	for _, e := range p.Employments {
		if e.Key.Source != w.source || e.Withdrawn {
			continue
		}
		running := e.End == "" || e.End >= w.today
		if running {
			w.d.Running++
		}
		if seen[e.Key.Key] || export.BadEmployments[e.Key.Key] || w.untouched {
			continue
		}
		if running {
			w.d.Vanished = append(w.d.Vanished, e.ID)
		}
		if export.Unattributed == 0 {
			w.event(identity.Event{Kind: identity.EmploymentWithdrawn, Person: p.ID, Employment: e.ID})
		}
	}
}
