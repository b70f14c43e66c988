package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
)

const (
	eventContext      = "hr_event.payload"
	nationalIDContext = "person.national_id"
)

// People streams everyone as known, sorted by ID. PeopleByID reads some.
func (db *DB) People(ctx context.Context) iter.Seq2[identity.Person, error] {
	return func(yield func(identity.Person, error) bool) {
		if err := eachPerson(ctx, db.read, func(p identity.Person) bool { return yield(p, nil) }); err != nil {
			yield(identity.Person{}, fmt.Errorf("read people: %w", err))
		}
	}
}

// CountPeople returns how many people are known.
func (db *DB) CountPeople(ctx context.Context) (n int, err error) {
	if err := db.read.GetContext(ctx, &n, `SELECT COUNT(*) FROM person`); err != nil {
		return 0, fmt.Errorf("count people: %w", err)
	}
	return n, nil
}

type personRow struct {
	ID         identity.PersonID `db:"id"`
	GivenName  string            `db:"given_name"`
	FamilyName string            `db:"family_name"`
	Email      string            `db:"email"`
	Phone      string            `db:"phone"`
	Protected  bool              `db:"protected"`
	ByHand     bool              `db:"protected_by_hand"`
	Login      string            `db:"login"`
	Main       string            `db:"main_employment"`
	MergedInto identity.PersonID `db:"merged_into"`
	Version    int64             `db:"version"`
}

func (r personRow) person() identity.Person {
	return identity.Person{ID: r.ID, Login: r.Login, Version: r.Version, MainEmployment: identity.EmploymentID(r.Main), MergedInto: r.MergedInto, PersonFacts: identity.PersonFacts{
		GivenName: r.GivenName, FamilyName: r.FamilyName, Email: r.Email, Phone: r.Phone, Protected: r.Protected || r.ByHand}}
}

type keyRow struct {
	Person      identity.PersonID
	Source, Key string
}

// employmentRow has employmentColumns, in their order.
type employmentRow struct {
	ID         string            `db:"id"`
	Person     identity.PersonID `db:"person_id"`
	Source     string            `db:"source"`
	Key        string            `db:"key"`
	PersonKey  string            `db:"person_key"`
	Start      string            `db:"start_date"`
	End        string            `db:"end_date"`
	EndSaid    string            `db:"end_said"`
	Leaves     string            `db:"leaves"`
	Terms      string            `db:"terms"`
	SponsorKey string            `db:"sponsor_key"`
	Stamp      string            `db:"stamp"`
	Withdrawn  string            `db:"withdrawn_from"`
	Reported   string            `db:"reported"`
}

const employmentColumns = `id, person_id, source, key, person_key, start_date, end_date, end_said, leaves, terms, sponsor_key, stamp, withdrawn_from, reported`

// employment decodes the row. Many employments have the same terms, so decoded keeps
// them by their text, for the rows of one read.
func (r employmentRow) employment(decoded map[string][]identity.Terms) (identity.Employment, error) {
	e := identity.Employment{
		ID: identity.EmploymentID(r.ID), Key: identity.SourceKey{Source: r.Source, Key: r.Key}, PersonKey: r.PersonKey, Withdrawn: identity.Date(r.Withdrawn),
		EmploymentFacts: identity.EmploymentFacts{Start: identity.Date(r.Start), End: identity.Date(r.End), StatedEnd: identity.Date(r.EndSaid), SponsorKey: r.SponsorKey, Stamp: r.Stamp},
	}
	if r.Leaves != "" {
		if err := json.Unmarshal([]byte(r.Leaves), &e.Leaves); err != nil {
			return e, fmt.Errorf("leaves of employment %s: %w", r.ID, err)
		}
	}
	if r.Reported != "" {
		if err := json.Unmarshal([]byte(r.Reported), &e.Report); err != nil {
			return e, fmt.Errorf("report of employment %s: %w", r.ID, err)
		}
	}
	terms, ok := decoded[r.Terms]
	if !ok {
		if err := json.Unmarshal([]byte(r.Terms), &terms); err != nil {
			return e, fmt.Errorf("terms of employment %s: %w", r.ID, err)
		}
		decoded[r.Terms] = terms
	}
	e.Terms = slices.Clone(terms)
	for i := range e.Terms {
		e.Terms[i].Attributes = maps.Clone(e.Terms[i].Attributes)
	}
	return e, nil
}

// peoplePage is how many people are read at a time. A transaction has one
// connection, on which PostgreSQL cannot have two result sets open; so pages,
// and not three cursors side by side.
const peoplePage = 2000

// eachPerson reads everyone a page at a time, so that memory does not grow with their
// number.
func eachPerson(ctx context.Context, q queryer, yield func(identity.Person) bool) error {
	after, once := "", interner[string]{}
	for {
		// The last of the page is found first: what is read with the people is then
		// one stretch of each index.
		var last string
		err := sqlx.GetContext(ctx, q, &last, `SELECT id FROM person WHERE id > $1 ORDER BY id LIMIT 1 OFFSET $2`, after, peoplePage-1)
		if errors.Is(err, sql.ErrNoRows) {
			last, err = afterEvery, nil
		}
		if err != nil {
			return err
		}
		page, err := peopleWhere(ctx, q, `id > $1 AND id <= $2 ORDER BY id`, []any{after, last}, `person_id > $1 AND person_id <= $2`, []any{after, last}, true)
		if err != nil {
			return err
		}
		for _, p := range page {
			internPerson(once, p)
			if !yield(p) {
				return nil
			}
		}
		if last == afterEvery {
			return nil
		}
		after = last
	}
}

// afterEvery sorts after every person's ID.
const afterEvery = "\U0010FFFF"

// internPerson makes people share what most say alike.
func internPerson(o interner[string], p identity.Person) {
	for i := range p.Keys {
		o.intern(&p.Keys[i].Source)
	}
	for i := range p.Employments {
		e := &p.Employments[i]
		o.intern(&e.Key.Source)
		for _, d := range []*identity.Date{&e.Start, &e.End, &e.StatedEnd} {
			o.intern((*string)(d))
		}
		for _, k := range p.Keys {
			if k.Key == e.PersonKey {
				e.PersonKey = k.Key
			}
		}
		for j := range e.Terms {
			t := &e.Terms[j]
			o.intern((*string)(&t.From), &t.Unit, &t.JobCode, &t.JobTitle, &t.Type)
		}
	}
}

// peopleWhere reads people, sorted by ID, with their keys and employments: the people for
// whom the condition where holds, and of theirs the rows for which the condition of
// holds. It reads employments only when employed is set.
func peopleWhere(ctx context.Context, q sqlx.QueryerContext, where string, args []any, of string, ofArgs []any, employed bool) ([]identity.Person, error) {
	// Rows are scanned by hand: sqlx finds each column of each row by reflection.
	var rows []personRow
	if err := scanEach(ctx, q, `SELECT id, given_name, family_name, email, phone,
		protected OR EXISTS (SELECT 1 FROM person o WHERE o.national_id_hash = person.national_id_hash AND (o.protected OR o.protected_by_hand)) AS protected,
		protected_by_hand, login, main_employment, merged_into, version FROM person WHERE `+where, args, func(row *sql.Rows) error {
		var r personRow
		err := row.Scan(&r.ID, &r.GivenName, &r.FamilyName, &r.Email, &r.Phone, &r.Protected, &r.ByHand, &r.Login, &r.Main, &r.MergedInto, &r.Version)
		rows = append(rows, r)
		return err
	}); err != nil || len(rows) == 0 {
		return nil, err
	}
	var keys []keyRow
	if err := scanEach(ctx, q, `SELECT person_id, source, key FROM person_source_key
		WHERE `+of+` ORDER BY person_id, source, key`, ofArgs, func(row *sql.Rows) error {
		var k keyRow
		err := row.Scan(&k.Person, &k.Source, &k.Key)
		keys = append(keys, k)
		return err
	}); err != nil {
		return nil, err
	}
	var employments []employmentRow
	if employed {
		if err := scanEach(ctx, q, `SELECT `+employmentColumns+` FROM employment
			WHERE `+of+` ORDER BY person_id, id`, ofArgs, func(row *sql.Rows) error {
			var e employmentRow
			err := row.Scan(&e.ID, &e.Person, &e.Source, &e.Key, &e.PersonKey, &e.Start, &e.End, &e.EndSaid, &e.Leaves, &e.Terms, &e.SponsorKey, &e.Stamp, &e.Withdrawn, &e.Reported)
			employments = append(employments, e)
			return err
		}); err != nil {
			return nil, err
		}
	}
	people, decoded := make([]identity.Person, len(rows)), map[string][]identity.Terms{}
	for i, r := range rows {
		p := r.person()
		for ; len(keys) > 0 && keys[0].Person == r.ID; keys = keys[1:] {
			p.Keys = append(p.Keys, identity.Record{SourceKey: identity.SourceKey{Source: keys[0].Source, Key: keys[0].Key}})
		}
		for ; len(employments) > 0 && employments[0].Person == r.ID; employments = employments[1:] {
			e, err := employments[0].employment(decoded)
			if err != nil {
				return nil, err
			}
			p.Employments = append(p.Employments, e)
		}
		people[i] = p
	}
	return people, nil
}

// peopleByQuery reads the people that a query names.
func peopleByQuery(ctx context.Context, q queryer, query string, args ...any) ([]identity.Person, error) {
	var ids []identity.PersonID
	if err := sqlx.SelectContext(ctx, q, &ids, query, args...); err != nil {
		return nil, err
	}
	return peopleAmong(ctx, q, ids, true)
}

// Person returns one person as known.
func (db *DB) Person(ctx context.Context, id identity.PersonID) (identity.Person, error) {
	found, err := db.PeopleByID(ctx, []identity.PersonID{id})
	switch {
	case err != nil:
		return identity.Person{}, err
	case len(found) == 0:
		return identity.Person{}, fmt.Errorf("no person %s", id)
	}
	return found[0], nil
}

// LinkedPeople returns the people who are known to be the same as a person: those with
// the same national identity number, and those who were merged into the person or into
// whom the person was merged.
func (db *DB) LinkedPeople(ctx context.Context, id identity.PersonID) ([]identity.PersonID, error) {
	var same []identity.PersonID
	if err := db.read.SelectContext(ctx, &same, `SELECT o.id FROM person p JOIN person o ON o.national_id_hash = p.national_id_hash WHERE p.id = $1
		UNION SELECT id FROM person WHERE merged_into = $1 AND merged_into <> '' UNION SELECT merged_into FROM person WHERE id = $1 AND merged_into <> ''`, string(id)); err != nil {
		return nil, fmt.Errorf("read people with a person's number: %w", err)
	}
	return same, nil
}

// ErrNoPerson is returned when a reference matches no person.
var ErrNoPerson = errors.New("no person matches that")

var eventRows = inserts{table: "hr_event", columns: []string{"seq", "import_id", "source", "kind", "person_id", "employment_id", "effective", "recorded_us", "payload_sealed"}}

// mergeRecords makes the person's own row of what their records say.
func (tx *Tx) mergeRecords(ctx context.Context, precedence identity.Precedence, person identity.PersonID) error {
	records, err := tx.HRRecords(ctx, person)
	if err != nil {
		return err
	}
	f := precedence.Merge(records)
	sealed, err := tx.sealNationalID(ctx, person, f.NationalID)
	if err != nil {
		return err
	}
	hash, err := tx.hashNationalID(f.NationalID)
	if err != nil {
		return err
	}
	var login string
	if err := tx.tx.GetContext(ctx, &login, `SELECT login FROM person WHERE id = $1`, string(person)); err != nil {
		return fmt.Errorf("person %s: %w", person, err)
	}
	if err := tx.putWords(ctx, person, f, login); err != nil {
		return err
	}
	return tx.exec(ctx, `UPDATE person SET given_name = $2, family_name = $3, email = $4, phone = $5, national_id_sealed = $6, national_id_hash = $7, protected = $8 WHERE id = $1`,
		string(person), f.GivenName, f.FamilyName, f.Email, f.Phone, sealed, hash, f.Protected)
}

// HRRecords returns what each source says of a person, opened.
func (tx *Tx) HRRecords(ctx context.Context, person identity.PersonID) ([]identity.Record, error) {
	records, err := tx.recordsOf(ctx, []identity.PersonID{person})
	return records[person], err
}

// recordsOf returns what each source says of people, opened, sorted by source and key.
func (tx *Tx) recordsOf(ctx context.Context, people []identity.PersonID) (map[identity.PersonID][]identity.Record, error) {
	records := make(map[identity.PersonID][]identity.Record, len(people))
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(people))), peoplePage) {
		var rows []struct {
			Person     identity.PersonID `db:"person_id"`
			Source     string            `db:"source"`
			Key        string            `db:"key"`
			GivenName  string            `db:"given_name"`
			FamilyName string            `db:"family_name"`
			Email      string            `db:"email"`
			Phone      string            `db:"phone"`
			Sealed     []byte            `db:"national_id_sealed"`
			Protected  bool              `db:"protected"`
			Stamp      string            `db:"stamp"`
		}
		where, args := in(tx.tx, "person_id", page, nil)
		if err := tx.tx.SelectContext(ctx, &rows, `SELECT person_id, source, key, given_name, family_name, email, phone, national_id_sealed, protected, stamp
			FROM person_source_key WHERE `+where+` ORDER BY person_id, source, key`, args...); err != nil {
			return nil, fmt.Errorf("read HR records: %w", err)
		}
		var sealed []identity.PersonID
		for _, r := range rows {
			if r.Sealed != nil {
				sealed = append(sealed, r.Person)
			}
		}
		if err := tx.loadKeys(ctx, sealed); err != nil {
			return nil, err
		}
		for _, r := range rows {
			f := identity.PersonFacts{GivenName: r.GivenName, FamilyName: r.FamilyName, Email: r.Email, Phone: r.Phone, Protected: r.Protected}
			if r.Sealed != nil {
				number, err := tx.keys[r.Person].Open(nationalIDContext, r.Sealed)
				if err != nil {
					return nil, fmt.Errorf("record of person %s: %w", r.Person, err)
				}
				f.NationalID = string(number)
			}
			records[r.Person] = append(records[r.Person], identity.Record{SourceKey: identity.SourceKey{Source: r.Source, Key: r.Key}, Facts: &f, Stamp: r.Stamp})
		}
	}
	return records, nil
}

// PersonIDs returns the IDs of all people, sorted.
func (db *DB) PersonIDs(ctx context.Context) ([]identity.PersonID, error) {
	var all []identity.PersonID
	if err := db.read.SelectContext(ctx, &all, `SELECT id FROM person ORDER BY id`); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return all, nil
}
