package hr

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Guards against a column whose content was lost or shifted: one changed cell is
// ordinary, the same change of many people at a time is not.

// cell is a value of a person or an employment that an export may empty.
type cell struct {
	column string
	was    string
	now    *string
	would  identity.Kind // of the event that takes the empty value
}

// emptiedCell is a cell that a row has emptied, of a column of which a single one may be
// emptied without a hold.
type emptiedCell struct {
	subject *PersonRows
	key     string // of the employment
	line    int
	would   identity.Kind
	restore func()
}

// keepMassEmptied keeps the values of a column that more rows have emptied than may vanish
// at a time, and holds them. A source of changes is warned of: its rows are not read
// again. Columns of which every emptied cell is held are in keepEmptied and
// keepEmptiedEmail.
func (r *run) keepMassEmptied() {
	if r.released || r.endingsReleased {
		return
	}
	columns := map[string][]emptiedCell{}
	for _, s := range r.subjects {
		r.findEmptied(s, columns)
	}
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		cells := columns[column]
		base := max(r.filledBefore[column], len(cells)) // the last import may have been held with these
		if r.Export.Partial {
			base = len(r.Export.Rows)
		}
		if len(cells) <= r.Source.Shrink.Most(base) {
			continue
		}
		shown := r.Source.Shown(column)
		if r.Export.Partial {
			r.warnAll(inColumn(shown, reason.ColumnGone{Rows: len(cells)}))
			continue
		}
		r.warnAll(inColumn(shown, reason.ColumnKept{Rows: len(cells), Line: cells[0].line}))
		for _, c := range cells {
			c.restore()
			delete(r.hashes, c.key) // it is looked at again
			r.emptied = append(r.emptied, emptied{person: c.subject.Person.ID, column: column, would: c.would})
		}
	}
}

// findEmptied adds, by column, the cells that the rows of a person have emptied.
func (r *run) findEmptied(s *PersonRows, columns map[string][]emptiedCell) {
	for n := range s.Rows {
		row := &s.Rows[n]
		known, ok := r.employment(s, *row)
		if !ok || row.startHeld || row.Removed || row.cancelled() || r.Export.BadPeople[row.PersonKey] || known.Withdrawn != "" || r.isOver(row.End) || r.isOver(known.End) || r.Export.Partial && row.Stamp < known.Stamp {
			continue
		}
		add := func(c cell) {
			if _, there := r.Export.Filled[c.column]; !there || c.was == "" || *c.now != "" {
				return
			}
			columns[c.column] = append(columns[c.column], emptiedCell{subject: s, key: row.EmploymentKey, line: row.Line, would: c.would, restore: func() { *c.now = c.was }})
		}
		before := known.On(max(cmp.Or(row.ValidFrom, r.today), known.Start))
		add(cell{"job_title", before.JobTitle, &row.Terms.JobTitle, identity.EmploymentChanged})
		add(cell{"manager_id", before.ManagerKey, &row.Terms.ManagerKey, identity.EmploymentChanged})
		add(cell{"sponsor_id", known.SponsorKey, &row.SponsorKey, identity.EmploymentChanged})
		for _, name := range r.Config.Attributes {
			if _, there := r.Export.Filled[name]; !there || before.Attributes[name] == "" || row.Terms.Attributes[name] != "" || r.Config.Rules.Reads(name) {
				continue
			}
			columns[name] = append(columns[name], emptiedCell{subject: s, key: row.EmploymentKey, line: row.Line, would: identity.EmploymentChanged, restore: func() {
				attributes := maps.Clone(row.Terms.Attributes)
				if attributes == nil {
					attributes = map[string]string{}
				}
				attributes[name] = before.Attributes[name]
				row.Terms.Attributes = attributes
			}})
		}
		k := slices.IndexFunc(s.Person.Keys, func(k identity.Record) bool {
			return k.Source == r.Source.Name && k.Key == row.PersonKey && k.Facts != nil && (!r.Export.Partial || row.Stamp >= k.Stamp)
		})
		if k < 0 {
			continue
		}
		facts := s.Person.Keys[k].Facts
		for _, c := range []struct {
			cell
			of func(identity.PersonFacts) string
		}{
			{cell{"national_id", facts.NationalID, &row.Person.NationalID, identity.PersonChanged}, func(f identity.PersonFacts) string { return f.NationalID }},
			{cell{"phone", facts.Phone, &row.Person.Phone, identity.PersonChanged}, func(f identity.PersonFacts) string { return f.Phone }},
		} {
			// Another row of the same person may have the value.
			if !slices.ContainsFunc(s.Rows, func(other Row) bool { return other.PersonKey == row.PersonKey && c.of(other.Person) != "" }) {
				add(c.cell)
			}
		}
	}
}

// warnShifted warns of a column of units or job codes in which more people than may vanish
// at a time have another value than before: it may be the content of another column. It
// is not held, as a reorganisation does the same.
func (r *run) warnShifted() {
	if r.Export.Partial {
		return // it lists changes, and not everybody
	}
	people, changed := map[identity.PersonID]bool{}, map[string]map[identity.PersonID]bool{"unit": {}, "job_code": {}}
	for _, said := range r.said {
		if !said.Withdrawn && (said.Last == "" || said.Last >= r.today) {
			people[said.Person] = true
		}
	}
	for _, s := range r.subjects {
		for _, row := range s.Rows {
			known, ok := r.employment(s, row)
			if !ok || !people[s.Person.ID] || row.startHeld || row.Removed || r.Export.BadPeople[row.PersonKey] || r.isOver(row.End) {
				continue
			}
			before := known.On(max(cmp.Or(row.ValidFrom, r.today), known.Start))
			for column, values := range map[string][2]string{"unit": {before.Unit, row.Terms.Unit}, "job_code": {before.JobCode, row.Terms.JobCode}} {
				if values[0] != "" && values[1] != "" && values[0] != values[1] {
					changed[column][s.Person.ID] = true
				}
			}
		}
	}
	known := len(people)
	for _, column := range []string{"unit", "job_code"} {
		n := len(changed[column])
		if most := r.Source.Shrink.Most(known); n > most {
			r.warnAll(inColumn(r.Source.Shown(column), reason.ColumnShifted{Changed: n, Known: known, Percent: int(math.Ceil(100 * float64(n) / float64(known))), Most: most}))
		}
	}
}

// warnAll reports a finding about a whole export.
func (r *run) warnAll(why reason.Reason) {
	r.Export.Problems = append(r.Export.Problems, diagnostic.Problem{File: r.Name, Sheet: r.Export.Sheet, Warning: true, Reason: why})
}
