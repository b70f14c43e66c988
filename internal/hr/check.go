package hr

import (
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// These checks compare a row with what is known about its person. A row that is
// more likely a mistake than a fact is left out, and the person is not changed.

// checkPerson reports rows that are implausible.
func (r *run) checkPerson(s *PersonRows) {
	r.keepProtected(s)
	r.keepEmptiedEmail(s)
	for n, row := range s.Rows {
		if r.Export.BadPeople[row.PersonKey] {
			continue
		}
		if said, ok := r.said[row.EmploymentKey]; ok && said.Person != s.Person.ID {
			r.problem(row, reason.Of(reason.EmploymentOfAnother{Advice: perPersonAdvice(r.Source)}))
			r.Export.BadEmployments[row.EmploymentKey] = true
			r.Export.BadPeople[row.PersonKey], r.badPeople[said.Person] = true, true
			continue
		}
		if row.cancelled() && row.End != row.Start.AddDays(-1) && !r.cancels(s, row) {
			continue
		}
		if s.Rows[n].startHeld = r.postpones(s, row); !s.Rows[n].startHeld {
			r.keepPercent(s, n)
			r.keepEmptied(s, n)
		}
		i := slices.IndexFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source == r.Source.Name && k.Key == row.PersonKey })
		if i < 0 || s.Person.Keys[i].Facts == nil {
			continue
		}
		// A correction changes the number, a marriage the name; both at once more
		// likely means another person under a reused key.
		before := s.Person.Keys[i].Facts
		if name := emptiedName(*before, row.Person); name != "" {
			r.warn(row, reason.Of(reason.NameEmptied{Name: name}))
		}
		if before.NationalID != "" && row.Person.NationalID != "" && before.NationalID != row.Person.NationalID &&
			identity.CleanText(before.GivenName) != row.Person.GivenName && identity.CleanText(before.FamilyName) != row.Person.FamilyName {
			r.problem(row, reason.Of(reason.AnotherPerson{}))
			r.Export.BadPeople[row.PersonKey] = true
		}
	}
}

// keepInterrupted keeps a person as they are whose running employments are not in a full
// export, and whose only rows there begin in the future: their access would end until
// then, and most often it is a renewal under a new number, listed too early. The
// endings of the import are held with it.
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
	r.problem(s.Rows[later], inColumn(column, reason.StartsLaterAlone{}))
	for _, row := range s.Rows {
		r.Export.BadPeople[row.PersonKey], r.Export.BadEmployments[row.EmploymentKey] = true, true
	}
	r.badPeople[s.Person.ID] = true
	r.interrupted = append(r.interrupted, s.Person.ID)
}

// emptiedName returns the column of a name that a person had and has no more.
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
		r.problem(row, inColumn(column, reason.EndsBeforeStart{}))
		r.Export.BadPeople[row.PersonKey], r.Export.BadEmployments[row.EmploymentKey] = true, true
	} else {
		r.problem(row, inColumn(column, reason.CancelsEmployment{}))
		r.Export.Problems[len(r.Export.Problems)-1].Warning = true
	}
	r.Export.Problems[len(r.Export.Problems)-1].Column = row.endColumn
	return !begun
}
