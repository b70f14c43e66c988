package store

import (
	"context"
	"encoding/json"

	"github.com/behov/behov/internal/identity"
)

// projection writes what HR events say into the identity tables. The rows that events
// add wait, to be written many at a time; an event of another kind may be about one of
// them, so they are written before it.
type projection struct {
	tx         *Tx
	precedence identity.Precedence
	// version has the last event of each person whose events are not applied yet.
	version map[identity.PersonID]int64

	people, records, words, employments, managers, units []any
	waiting                                              map[identity.SourceKey]bool // the records
}

var (
	personRows = inserts{table: "person", columns: []string{"id", "given_name", "family_name", "email", "phone", "national_id_sealed", "national_id_hash", "protected", "login", "version"}}
	recordRows = inserts{table: "person_source_key", columns: []string{"source", "key", "person_id", "given_name", "family_name", "email", "phone", "national_id_sealed", "protected", "stamp"},
		conflict: `ON CONFLICT (source, key) DO UPDATE SET person_id = excluded.person_id, given_name = excluded.given_name, family_name = excluded.family_name, email = excluded.email,
		phone = excluded.phone, national_id_sealed = excluded.national_id_sealed, protected = excluded.protected, stamp = excluded.stamp`}
	employmentRows = inserts{table: "employment", columns: []string{"id", "start_date", "end_date", "leaves", "terms", "sponsor_key", "stamp", "person_key", "end_said", "said", "person_id", "source", "key"}}
)

// add projects an event, which the tables have after flush.
func (p *projection) add(ctx context.Context, e identity.Event) error {
	switch e.Kind {
	case identity.PersonAdded:
		return p.addPerson(ctx, e)
	case identity.EmploymentAdded:
		row, err := p.tx.employmentRow(e)
		if err != nil {
			return err
		}
		p.employments = append(p.employments, append(row, string(e.Person), e.Source, e.Key)...)
		p.managers = append(p.managers, managerValues(e)...)
		p.units = append(p.units, unitValues(e)...)
	default:
		if err := p.flush(ctx); err != nil {
			return err
		}
		if err := p.change(ctx, e); err != nil {
			return err
		}
	}
	newest, unset := p.version[e.Person]
	if !unset {
		return nil
	}
	delete(p.version, e.Person)
	return p.tx.exec(ctx, `UPDATE person SET version = $2 WHERE id = $1`, string(e.Person), newest)
}

// addPerson projects a person's first event, with the number of the last one.
func (p *projection) addPerson(ctx context.Context, e identity.Event) error {
	record := recordOf(e)
	if p.waiting[record.SourceKey] { // PostgreSQL updates no row twice in a statement
		if err := p.flush(ctx); err != nil {
			return err
		}
	}
	f := p.precedence.Merge([]identity.Record{record}) // what the source is named for
	sealed, err := p.tx.sealNationalID(ctx, e.Person, f.NationalID)
	if err != nil {
		return err
	}
	hash, err := p.tx.hashNationalID(f.NationalID)
	if err != nil {
		return err
	}
	row, err := p.tx.recordValues(ctx, e.Person, record)
	if err != nil {
		return err
	}
	p.people = append(p.people, string(e.Person), f.GivenName, f.FamilyName, f.Email, f.Phone, sealed, hash, f.Protected, e.Login, p.version[e.Person])
	p.records = append(p.records, row...)
	p.words = append(p.words, wordValues(e.Person, f, e.Login)...)
	if p.waiting == nil {
		p.waiting = map[identity.SourceKey]bool{}
	}
	p.waiting[record.SourceKey] = true
	delete(p.version, e.Person)
	return nil
}

// change projects an event about what is in the tables.
func (p *projection) change(ctx context.Context, e identity.Event) error {
	switch e.Kind {
	case identity.PersonJoined, identity.PersonChanged:
		if err := p.tx.putRecord(ctx, e.Person, recordOf(e)); err != nil {
			return err
		}
		return p.tx.mergeRecords(ctx, p.precedence, e.Person)
	case identity.EmploymentChanged:
		row, err := p.tx.employmentRow(e)
		if err != nil {
			return err
		}
		if err := p.tx.putPlaces(ctx, e); err != nil {
			return err
		}
		return p.tx.exec(ctx, `UPDATE employment SET start_date = $2, end_date = $3, leaves = $4, terms = $5, sponsor_key = $6, stamp = $7, person_key = $8, end_said = $9, withdrawn_from = '', said = $10 WHERE id = $1`, row...)
	case identity.EmploymentWithdrawn:
		return p.tx.exec(ctx, `UPDATE employment SET withdrawn_from = $2, said = NULL WHERE id = $1`, string(e.Employment), string(e.Effective))
	case identity.EmploymentReported:
		reported := ""
		if e.Report != nil {
			b, err := json.Marshal(e.Report)
			if err != nil {
				return err
			}
			reported = string(b)
		}
		return p.tx.exec(ctx, `UPDATE employment SET reported = $2 WHERE id = $1`, string(e.Employment), reported)
	}
	return nil
}

// flush writes the rows that wait, each after those that it refers to.
func (p *projection) flush(ctx context.Context) error {
	for _, of := range []struct {
		table inserts
		rows  *[]any
	}{{personRows, &p.people}, {recordRows, &p.records}, {wordRows, &p.words}, {employmentRows, &p.employments}, {managerRows, &p.managers}, {unitRows, &p.units}} {
		if err := p.tx.insert(ctx, of.table, *of.rows); err != nil {
			return err
		}
		*of.rows = (*of.rows)[:0]
	}
	clear(p.waiting)
	return nil
}

func recordOf(e identity.Event) identity.Record {
	return identity.Record{SourceKey: identity.SourceKey{Source: e.Source, Key: e.Key}, Facts: e.PersonFacts, Stamp: e.Stamp}
}

// putRecord keeps what a source says of a person.
func (tx *Tx) putRecord(ctx context.Context, person identity.PersonID, r identity.Record) error {
	row, err := tx.recordValues(ctx, person, r)
	if err != nil {
		return err
	}
	return tx.insert(ctx, recordRows, row)
}

// recordValues returns what a source says of a person, as recordRows has it.
func (tx *Tx) recordValues(ctx context.Context, person identity.PersonID, r identity.Record) ([]any, error) {
	sealed, err := tx.sealNationalID(ctx, person, r.Facts.NationalID)
	if err != nil {
		return nil, err
	}
	return []any{r.Source, r.Key, string(person), r.Facts.GivenName, r.Facts.FamilyName, r.Facts.Email, r.Facts.Phone, sealed, r.Facts.Protected, r.Stamp}, nil
}

// employmentRow is employmentValues with the hash of what the source said bound to them.
func (tx *Tx) employmentRow(e identity.Event) ([]any, error) {
	row, err := employmentValues(e)
	if err != nil {
		return nil, err
	}
	text := func(i int) string {
		s, _ := row[i].(string)
		return s
	}
	last := len(row) - 1
	row[last], err = tx.db.bind(e.RowHash, boundFacts{start: text(1), end: text(2), leaves: text(3), terms: text(4), sponsor: text(5), stamp: text(6), personKey: text(7), endSaid: text(8)})
	return row, err
}

// employmentValues returns what an event says of an employment: the first columns of
// employmentRows.
func employmentValues(e identity.Event) ([]any, error) {
	f := *e.EmploymentFacts
	terms, err := json.Marshal(f.Terms)
	if err != nil {
		return nil, err
	}
	leaves := ""
	if len(f.Leaves) > 0 {
		b, err := json.Marshal(f.Leaves)
		if err != nil {
			return nil, err
		}
		leaves = string(b)
	}
	return []any{string(e.Employment), string(f.Start), string(f.End), leaves, string(terms), f.SponsorKey, f.Stamp, e.PersonKey, string(f.StatedEnd), e.RowHash}, nil
}
