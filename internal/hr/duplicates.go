package hr

import (
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// markBadRow records the people and employments that a bad row concerns.
func (p *parser) markBadRow(row Row) {
	if row.PersonKey != "" {
		p.export.BadPeople[row.PersonKey] = true
	}
	if row.EmploymentKey != "" {
		p.export.BadEmployments[row.EmploymentKey] = true
	}
	switch {
	case row.PersonKey == "" && row.EmploymentKey == "":
		p.export.Unattributed++
	case row.PersonKey == "":
		p.export.Ownerless = append(p.export.Ownerless, row.EmploymentKey)
	}
}

// removeDuplicates leaves out rows that contradict each other, and drops exact
// repetitions. An employment may have several rows with different valid_from.
func (p *parser) removeDuplicates() {
	type slot struct {
		employment string
		from       identity.Date
		stamp      string // of a delta, which may list one after the other
	}
	rows := p.export.Rows
	kept := rows[:0]
	at, first := make(map[slot]int, len(rows)), make(map[string]int, len(rows)) // indexes into kept
	wrong := map[string]bool{}
	clash := func(a, b Row, k reason.Kind) {
		why := reason.Of(k)
		if a.PersonKey != b.PersonKey && !p.source.SCIM {
			why = reason.Of(reason.AnotherPersonsThere{Advice: p.perPersonAdvice()})
		}
		p.problem(b.Line, 0, b.PersonKey, b.EmploymentKey, reason.Of(reason.EmploymentTwice{Line: a.Line, Because: why}))
		wrong[b.EmploymentKey] = true
		p.markBadRow(a)
		p.markBadRow(b)
	}
	for _, row := range rows {
		s := slot{employment: row.EmploymentKey, from: row.ValidFrom}
		if p.export.Partial {
			s.stamp = row.Stamp
		}
		same, twice := at[s]
		before, again := first[row.EmploymentKey]
		again = again && (!p.export.Partial || kept[before].Stamp == row.Stamp)
		switch {
		case twice && kept[same].sameContent(row):
			p.export.Repeated++
			continue
		case twice:
			clash(kept[same], row, reason.AllRowsLeftOut{})
		case again && kept[before].differsLastingly(row):
			clash(kept[before], row, reason.LastingDiffers{})
		case again && (row.ValidFrom == "") != (kept[before].ValidFrom == "") && !p.export.Partial:
			clash(kept[before], row, reason.ValidFromMissing{})
		}
		at[s] = len(kept)
		if _, ok := first[row.EmploymentKey]; !ok {
			first[row.EmploymentKey] = len(kept)
		}
		kept = append(kept, row)
	}
	if len(wrong) > 0 {
		kept = slices.DeleteFunc(kept, func(r Row) bool { return wrong[r.EmploymentKey] })
	}
	people := make(map[string]int, len(kept))
	for i, row := range kept {
		of, ok := people[row.PersonKey]
		if !ok {
			people[row.PersonKey] = i
		} else if first := kept[of]; first.Person != row.Person && first.Stamp == row.Stamp && !p.export.BadPeople[row.PersonKey] {
			p.problem(row.Line, 0, row.PersonKey, "", reason.Of(reason.PersonDiffers{Line: first.Line}))
			p.export.BadPeople[row.PersonKey] = true
		}
	}
	p.export.Rows = kept
}
