package hr

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/identity"
)

// These checks compare a row with what is known about its person. A row that is
// more likely a mistake than a fact is left out, and the person is not changed.

// checkPerson reports rows that are implausible.
func (r *run) checkPerson(s *PersonRows) {
	r.keepProtected(s)
	for n, row := range s.Rows {
		if r.Export.BadPeople[row.PersonKey] {
			continue
		}
		if said, ok := r.said[row.EmploymentKey]; ok && said.Person != s.Person.ID {
			r.problem(row, "the employment_id belongs to another person: the row is left out and neither person is changed; %s", perPersonAdvice(r.Source))
			r.Export.BadEmployments[row.EmploymentKey] = true
			r.Export.BadPeople[row.PersonKey], r.badPeople[said.Person] = true, true
			continue
		}
		if row.cancelled() && row.End != row.Start.AddDays(-1) && !r.cancels(s, row) {
			continue
		}
		if s.Rows[n].startHeld = r.postpones(s, row); !s.Rows[n].startHeld {
			r.keepEmptied(s, &s.Rows[n])
		}
		i := slices.IndexFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source == r.Source.Name && k.Key == row.PersonKey })
		if i < 0 || s.Person.Keys[i].Facts == nil {
			continue
		}
		// A correction changes the number, a marriage the name; both at once more
		// likely means another person under a reused key.
		before := s.Person.Keys[i].Facts
		if name := emptiedName(*before, row.Person); name != "" {
			r.warn(row, "the %s is empty, and had a value before: the person has only the other name from now on; correct it in HR if that is not intended", name)
		}
		if before.NationalID != "" && row.Person.NationalID != "" && before.NationalID != row.Person.NationalID &&
			identity.CleanText(before.GivenName) != row.Person.GivenName && identity.CleanText(before.FamilyName) != row.Person.FamilyName {
			r.problem(row, "the national identity number and both names are others than before: is it another person under the same person_id? They stay as they are; give a new person a person_id of their own, or change the names and the number in separate exports")
			r.Export.BadPeople[row.PersonKey] = true
		}
	}
}

// keepProtected keeps a person's protection when a row's cell is empty and an
// earlier one was set: a cell that was emptied by mistake must not unmask a
// person. HR lifts a protection with an explicit no.
func (r *run) keepProtected(s *PersonRows) {
	for i, row := range s.Rows {
		k := slices.IndexFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source == r.Source.Name && k.Key == row.PersonKey })
		if k < 0 || s.Person.Keys[k].Facts == nil || !s.Person.Keys[k].Facts.Protected || row.Person.Protected || row.unprotected {
			continue
		}
		s.Rows[i].Person.Protected = true
		delete(r.hashes, row.EmploymentKey) // the next import compares it again, whatever it contains
		if !r.Export.Partial {
			r.warn(row, "column %s: it is empty, and the person's identity was protected: it stays protected; say no to lift it", r.Source.Shown("protected"))
		}
	}
}

// keepInterrupted leaves a person unchanged whose active employments are missing
// from a full export, and whose only rows there start in the future: their access
// would end until then, and most often the row is a renewal under a new number,
// listed too early. The endings of the import are held with it.
func (r *run) keepInterrupted(s *PersonRows) {
	if r.Export.Partial || r.endingsReleased {
		return
	}
	runs := false
	for _, e := range s.Person.Employments {
		if !e.ActiveOn(r.today) {
			continue
		}
		if e.Key.Source != r.Source.Name || r.Export.BadEmployments[e.Key.Key] || slices.ContainsFunc(s.Rows, func(row Row) bool { return row.EmploymentKey == e.Key.Key }) {
			return // it continues, or the export has its end
		}
		runs = true
	}
	later := slices.IndexFunc(s.Rows, func(row Row) bool { return row.Start > r.today && !row.cancelled() && !row.Removed })
	if !runs || later < 0 || slices.ContainsFunc(s.Rows, func(row Row) bool { return row.Start <= r.today && (row.End == "" || row.End >= r.today) }) {
		return
	}
	column := r.Source.Shown("start_date")
	r.problem(s.Rows[later], "column %s: the employment begins in the future, and the person's that runs is not in the file, which would end access until then: the person stays as they are; list the running one until the new one begins, or release what is held", column)
	for _, row := range s.Rows {
		r.Export.BadPeople[row.PersonKey], r.Export.BadEmployments[row.EmploymentKey] = true, true
	}
	r.badPeople[s.Person.ID] = true
	r.interrupted = append(r.interrupted, s.Person.ID)
}

// keepEmptied finds the unit, job code and type that an employment had and whose
// cell is empty now: rules depend on them, and a cell is more often emptied by
// mistake. In a full export the values are kept, and are held with the endings;
// in a delta, which is not read again, the result is a warning.
func (r *run) keepEmptied(s *PersonRows, row *Row) {
	i := slices.IndexFunc(s.Person.Employments, func(e identity.Employment) bool {
		return e.Key == identity.SourceKey{Source: r.Source.Name, Key: row.EmploymentKey}
	})
	over := func(end identity.Date) bool { return end != "" && end < r.today }
	if i < 0 || row.Removed || row.cancelled() || over(row.End) || r.endingsReleased || r.released {
		return
	}
	known := s.Person.Employments[i]
	if known.Withdrawn != "" || over(known.End) || r.Export.Partial && row.Stamp < known.Stamp {
		return
	}
	before := known.On(max(cmp.Or(row.ValidFrom, r.today), known.Start))
	for _, of := range []struct {
		column string
		was    string
		now    *string
	}{{"unit", before.Unit, &row.Terms.Unit}, {"job_code", before.JobCode, &row.Terms.JobCode}, {"employment_type", before.Type, &row.Terms.Type}} {
		if _, there := r.Export.Filled[of.column]; !there || of.was == "" || *of.now != "" {
			continue
		}
		was := fmt.Sprintf("; it was %q", of.was)
		if s.Person.Protected || row.Person.Protected {
			was = ", and was not before" // a workplace of a protected person must not be shown
		}
		column := r.Source.Shown(of.column)
		if r.Export.Partial {
			r.warn(*row, "column %s: it is empty%s: the access it gave ends; correct it in HR if that is not intended", column, was)
			continue
		}
		r.warn(*row, "column %s: it is empty%s: it stays as it was; correct it in HR, or release what is held to take the empty one", column, was)
		*of.now = of.was
		delete(r.hashes, row.EmploymentKey) // the next import compares it again
		r.emptiedOf = append(r.emptiedOf, s.Person.ID)
	}
}

// emptiedName returns the column of a name that a person had and that is empty
// now.
func emptiedName(before, now identity.PersonFacts) string {
	switch {
	case before.GivenName != "" && now.GivenName == "":
		return "given_name"
	case before.FamilyName != "" && now.FamilyName == "":
		return "family_name"
	}
	return ""
}

// cancels reports whether an end more than a day before the start cancels the
// employment. It does while the employment has not begun: it gives no access yet,
// and must not give it on a first day that HR has withdrawn. Once it has begun
// the row is bad, and the person is not changed.
func (r *run) cancels(s *PersonRows, row Row) bool {
	column := r.Source.Shown("end_date")
	begun := slices.ContainsFunc(s.Person.Employments, func(e identity.Employment) bool {
		return e.Key == identity.SourceKey{Source: r.Source.Name, Key: row.EmploymentKey} && e.HasStarted(r.today)
	})
	if begun {
		r.problem(row, "column %s: it is before the start: the row is left out, as the employment has begun; one that never took place ends on the day before its start", column)
		r.Export.BadPeople[row.PersonKey], r.Export.BadEmployments[row.EmploymentKey] = true, true
	} else {
		r.problem(row, "column %s: it is before the start: it cancels the employment, which has not begun", column)
		r.Export.Problems[len(r.Export.Problems)-1].Warning = true
	}
	r.Export.Problems[len(r.Export.Problems)-1].Column = row.endColumn
	return !begun
}
