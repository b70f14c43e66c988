package hr

import (
	"context"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// What the column protected says, in small letters. The first words are the ones that
// a warning lists.
var (
	protectedWords = []string{"ja", "yes", "true", "sant", "1", "x", "s", "skyddad", "sekretess", "sekretessmarkering", "skyddad folkbokföring", "kvarskrivning", "fingerade personuppgifter",
		"j", "y", "skyddat", "skyddade", "skydd", "skyddad identitet", "skyddad id", "skyddade personuppgifter", "skyddade uppgifter", "sekretessmarkerad", "sekretesskyddad", "sekretessbelagd", "kvarskriven", "fingerad", "fingerad identitet", "protected"}
	unprotectedWords = []string{"nej", "no", "false", "falskt", "0", "ej", "ingen", "ej skyddad", "ingen sekretess",
		"n", "inget", "inga", "ej skyddat", "inte skyddad", "oskyddad", "ej sekretess", "ingen skyddad identitet", "not protected"}
)

const listedProtected, listedUnprotected = 13, 9

// protected reads the column protected of a row. An empty cell, or one with a
// placeholder, says nothing. An unknown word is taken as protected: a mistake must not
// unmask a person.
func (p *parser) protected(line int, fields []string, person string) (protected, unprotected bool) {
	v := p.valueOf("protected", fields)
	is := func(word string) bool { return strings.EqualFold(word, v) }
	switch {
	case slices.ContainsFunc(p.source.ProtectedValues, is):
		return true, false
	case v != "" && slices.ContainsFunc(p.source.UnprotectedValues, is):
		return false, true
	case v == "" || isPlaceholder(v) && !strings.HasPrefix(v, "#"):
		return false, false
	case slices.ContainsFunc(protectedWords, is):
		return true, false
	case slices.ContainsFunc(unprotectedWords, is):
		return false, true
	}
	column := 0
	if i, ok := p.columns["protected"]; ok && i < len(fields) {
		column = p.sheet.Column(i)
	}
	p.warnAt(line, column, person, v, inColumn(defaultString(p.names["protected"], "protected"), reason.ProtectedWordUnknown{Yes: protectedWords[:listedProtected], No: unprotectedWords[:listedUnprotected], Source: p.source.Name}))
	return true, false
}

// lift is a row that lifts the protection of a person's identity.
type lift struct {
	subject *PersonRows
	row     int
}

// keepProtected keeps the protection of a person of whom a row says nothing where it
// said that their identity is protected: a cell that was emptied by mistake must not
// unmask anyone. HR lifts a protection by saying no; keepLifts looks at those.
func (r *run) keepProtected(s *PersonRows) {
	for i, row := range s.Rows {
		k := slices.IndexFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source == r.Source.Name && k.Key == row.PersonKey })
		if k < 0 || s.Person.Keys[k].Facts == nil || !s.Person.Keys[k].Facts.Protected || row.Person.Protected {
			continue
		}
		if row.unprotected {
			r.lifts = append(r.lifts, lift{s, i})
			continue
		}
		s.Rows[i].Person.Protected = true
		delete(r.hashes, row.EmploymentKey) // it is looked at again, whatever it says then
		if !r.Export.Partial {
			r.warn(row, inColumn(r.Source.Shown("protected"), reason.ProtectionEmptied{}))
		}
	}
}

// keepLifts keeps the protections that an import lifts when they are more than one and
// more than a tenth of all: it is more likely a column that says no of everyone. Of a
// full export they are held with its endings; changes, which are not read again, are held
// whole.
func (r *run) keepLifts(ctx context.Context, tx *store.Tx) error {
	r.lifts = slices.DeleteFunc(r.lifts, func(l lift) bool { return r.Export.BadPeople[l.subject.Rows[l.row].PersonKey] })
	people := map[identity.PersonID]bool{}
	for _, l := range r.lifts {
		people[l.subject.Person.ID] = true
	}
	if len(people) < 2 || r.released || r.endingsReleased {
		return nil
	}
	all, err := tx.CountProtected(ctx, r.Source.Name)
	if err != nil || 10*len(people) <= all {
		return err
	}
	if r.liftedTooMany = len(people); r.Export.Partial {
		return nil
	}
	for _, l := range r.lifts {
		row := &l.subject.Rows[l.row]
		row.Person.Protected = true
		delete(r.hashes, row.EmploymentKey) // it is looked at again
		if id := l.subject.Person.ID; people[id] {
			people[id] = false // told once
			r.lifted = append(r.lifted, id)
			r.warn(*row, inColumn(r.Source.Shown("protected"), reason.ProtectionKept{Count: r.liftedTooMany}))
		}
	}
	return nil
}
