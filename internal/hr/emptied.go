package hr

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// A cell is emptied by mistake more often than what stood in it ends. What a full export
// empties stays and is held with its endings, until a person decides; of changes, which
// are not read again, it is taken with a warning.

// emptied is a value that stays though its cell is empty.
type emptied struct {
	person identity.PersonID
	column string
	would  identity.Kind // of the event that would have taken it
}

// openEnd is an employment that runs, with an end, of which a row has none.
type openEnd struct {
	subject *PersonRows
	row     int
	was     identity.Date
}

// employment returns the known employment of a row; false when there is none.
func (r *run) employment(s *PersonRows, row Row) (identity.Employment, bool) {
	i := slices.IndexFunc(s.Person.Employments, func(e identity.Employment) bool {
		return e.Key == identity.SourceKey{Source: r.Source.Name, Key: row.EmploymentKey}
	})
	if i < 0 {
		return identity.Employment{}, false
	}
	return s.Person.Employments[i], true
}

// keepPercent keeps the percent of an employment whose n-th row has a share of one in a
// column of percent, of which reading it has warned.
func (r *run) keepPercent(s *PersonRows, n int) {
	row := &s.Rows[n]
	if known, ok := r.employment(s, *row); ok && row.percentShare {
		row.Terms.Percent = known.On(max(cmp.Or(row.ValidFrom, r.today), known.Start)).Percent
		delete(r.hashes, row.EmploymentKey) // it is looked at again
	}
}

func (r *run) isOver(end identity.Date) bool { return end != "" && end < r.today }

// keepEmptied looks for what an employment had and of which its n-th row says nothing:
// the unit, job code, type and percent, the columns of the organisation's own that rules
// read, and the end.
func (r *run) keepEmptied(s *PersonRows, n int) {
	row := &s.Rows[n]
	known, ok := r.employment(s, *row)
	if !ok || row.Removed || row.cancelled() || r.endingsReleased || r.released {
		return
	}
	if r.Export.Partial && row.Stamp < known.Stamp {
		return
	}
	if r.keepEmptiedEnd(s, n, known) || known.Withdrawn != "" || r.isOver(row.End) || r.isOver(known.End) {
		return
	}
	before := known.On(max(cmp.Or(row.ValidFrom, r.today), known.Start))
	isEmptied := func(column string, had, has bool) bool {
		_, there := r.Export.Filled[column]
		return there && had && !has
	}
	terms := &row.Terms
	for _, of := range []struct {
		column string
		was    string
		now    *string
	}{{"unit", before.Unit, &terms.Unit}, {"job_code", before.JobCode, &terms.JobCode}, {"employment_type", before.Type, &terms.Type}} {
		if isEmptied(of.column, of.was != "", *of.now != "") && r.warnEmptied(s, *row, of.column, of.was, identity.EmploymentChanged) {
			*of.now = of.was
		}
	}
	if isEmptied("employment_percent", before.Percent != 0, !row.percentEmpty) && r.warnEmptied(s, *row, "employment_percent", fmt.Sprintf("%g", before.Percent), identity.EmploymentChanged) {
		terms.Percent = before.Percent
	}
	for _, name := range r.Config.Attributes {
		was := before.Attributes[name]
		if was == "" || terms.Attributes[name] != "" || !r.Config.Rules.Reads(name) {
			continue
		}
		// What stands in a column of one's own may be personal: it is not told.
		if r.warnEmptied(s, *row, name, "", identity.EmploymentChanged) {
			terms.Attributes = maps.Clone(terms.Attributes)
			if terms.Attributes == nil {
				terms.Attributes = map[string]string{}
			}
			terms.Attributes[name] = was
		}
	}
}

// keepEmptiedEnd keeps the end of an employment that is over and of which the n-th row
// has none: no leaver comes back by an empty cell. It reports whether it did. An end to
// come that is emptied is a prolongation, unless too many are: keepOpenEnds. One that
// never took place may do so after all, and a source of changes tells an end that is
// taken back by just that.
func (r *run) keepEmptiedEnd(s *PersonRows, n int, known identity.Employment) bool {
	row := &s.Rows[n]
	if _, there := r.Export.Filled["end_date"]; !there || r.Export.Partial || !row.endEmpty || known.End == "" || known.End < known.Start || row.End == known.End {
		return false
	}
	if !r.isOver(known.End) {
		if known.Withdrawn == "" {
			r.openEnds = append(r.openEnds, openEnd{s, n, known.End})
		}
		return false
	}
	if !r.isAgain(s, n) {
		r.warnEmptied(s, *row, "end_date", string(known.End), identity.EmploymentChanged)
	}
	row.End = known.End
	return true
}

// isAgain reports whether another row before the n-th is of the same employment.
func (r *run) isAgain(s *PersonRows, n int) bool {
	return slices.ContainsFunc(s.Rows[:n], func(row Row) bool { return row.EmploymentKey == s.Rows[n].EmploymentKey })
}

// keepOpenEnds keeps the ends to come that rows have emptied when they are more than may
// vanish at a time: it would make every temporary employment a permanent one.
func (r *run) keepOpenEnds() {
	ends, emptied := 0, map[string]bool{}
	for _, said := range r.said {
		if said.Last >= r.today && !said.Withdrawn {
			ends++
		}
	}
	for _, o := range r.openEnds {
		emptied[o.subject.Rows[o.row].EmploymentKey] = true
	}
	if r.Export.Partial || len(emptied) <= r.Source.Shrink.Most(ends) {
		return
	}
	for _, o := range r.openEnds {
		row := &o.subject.Rows[o.row]
		if r.isAgain(o.subject, o.row) || r.warnEmptied(o.subject, *row, "end_date", string(o.was), identity.EmploymentChanged) {
			row.End = o.was
		}
	}
}

// keepEmptiedEmail keeps the e-mail address of a person with an employment that runs, or
// will, whose rows have none and had one.
func (r *run) keepEmptiedEmail(s *PersonRows) {
	if _, there := r.Export.Filled["email"]; !there || r.endingsReleased || r.released {
		return
	}
	for _, k := range s.Person.Keys {
		if k.Source != r.Source.Name || k.Facts == nil || k.Facts.Email == "" {
			continue
		}
		at := slices.IndexFunc(s.Rows, func(row Row) bool {
			return row.PersonKey == k.Key && row.Person.Email == "" && !row.Removed && !row.cancelled() && !r.isOver(row.End) && (!r.Export.Partial || row.Stamp >= k.Stamp)
		})
		if at < 0 || !r.warnEmptied(s, s.Rows[at], "email", "", identity.PersonChanged) {
			continue
		}
		for i, row := range s.Rows {
			if row.PersonKey == k.Key && row.Person.Email == "" {
				s.Rows[i].Person.Email = k.Facts.Email
				delete(r.hashes, row.EmploymentKey)
			}
		}
	}
}

// warnEmptied warns of an emptied cell of a row, and notes what stays. It reports whether
// it does. What it was, empty where it is personal, is shown of no protected person.
func (r *run) warnEmptied(s *PersonRows, row Row, column, was string, would identity.Kind) bool {
	if s.Person.Protected || row.Person.Protected {
		was = ""
	}
	r.warn(row, inColumn(r.Source.Shown(column), reason.CellEmptied{Was: was, Ends: r.Export.Partial}))
	if r.Export.Partial {
		return false
	}
	delete(r.hashes, row.EmploymentKey) // it is looked at again
	r.emptied = append(r.emptied, emptied{s.Person.ID, column, would})
	return true
}
