package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/seal"
)

// facts are what HR's events say of employments and of people's records, folded in the events'
// order, for comparison with the tables, which are a projection of them.
type facts struct {
	master  *seal.Master
	wrapped map[string][]byte
	keys    map[string]*seal.PersonKey // nil for people whose key is gone: they were erased

	employments map[string]*employmentSaid
	records     map[identity.SourceKey]*recordSaid
}

// employmentSaid is an employment, as the columns of its row have it.
type employmentSaid struct {
	unknown bool // an event cannot be read any more
	person  string
	values  [12]string
	event   int64 // the last
}

// employmentSaidColumns are those of the values.
var employmentSaidColumns = [12]string{"source", "key", "person_key", "start_date", "end_date", "end_said", "leaves", "terms", "sponsor_key", "stamp", "withdrawn_from", "reported"}

// recordSaid is what a source says of a person.
type recordSaid struct {
	person string
	facts  identity.PersonFacts
	stamp  string
	event  int64
}

func newFacts(ctx context.Context, q *sqlx.Tx, master *seal.Master) (*facts, error) {
	f := &facts{master: master, wrapped: map[string][]byte{}, keys: map[string]*seal.PersonKey{}, employments: map[string]*employmentSaid{}, records: map[identity.SourceKey]*recordSaid{}}
	var rows []struct {
		Person  string `db:"person_id"`
		Wrapped []byte `db:"wrapped"`
	}
	if err := q.SelectContext(ctx, &rows, `SELECT person_id, wrapped FROM person_key`); err != nil {
		return nil, fmt.Errorf("read keys of people: %w", err)
	}
	for _, r := range rows {
		f.wrapped[r.Person] = r.Wrapped
	}
	return f, nil
}

// key returns a person's key, nil when it is gone.
func (f *facts) key(person string) (*seal.PersonKey, error) {
	if k, known := f.keys[person]; known {
		return k, nil
	}
	wrapped := f.wrapped[person]
	if wrapped == nil {
		f.keys[person] = nil
		return nil, nil
	}
	k, err := f.master.OpenPersonKey(person, wrapped)
	if err != nil {
		return nil, fmt.Errorf("key of person %s: %w", person, err)
	}
	f.keys[person] = k
	return k, nil
}

// add folds the next event.
func (f *facts) add(e storedEvent) error {
	seq, source, person, employment := e.seq, e.source, e.person, e.employment
	key, err := f.key(person)
	if err != nil {
		return err
	}
	said := f.employments[employment]
	if employment != "" && said == nil {
		said = &employmentSaid{person: person}
		f.employments[employment] = said
	}
	if key == nil {
		if said != nil {
			said.unknown = true
		}
		return nil
	}
	content, err := key.Open(eventContext, e.sealed)
	if err != nil {
		return fmt.Errorf("HR event %d cannot be opened with the key of its person: %w", seq, err)
	}
	var p eventPayload
	if err := json.Unmarshal(content, &p); err != nil {
		return fmt.Errorf("HR event %d: %w", seq, err)
	}
	if said != nil {
		said.event = seq
	}
	switch identity.Kind(e.kind) {
	case identity.PersonAdded, identity.PersonJoined, identity.PersonChanged:
		r := &recordSaid{person: person, stamp: p.Stamp, event: seq}
		if p.Person != nil {
			r.facts = *p.Person
		}
		f.records[identity.SourceKey{Source: source, Key: p.Key}] = r
	case identity.EmploymentAdded, identity.EmploymentChanged:
		if p.Employment == nil || said == nil {
			return fmt.Errorf("HR event %d says nothing of its employment", seq)
		}
		row, err := employmentValues(identity.Event{Employment: identity.EmploymentID(employment), EmploymentFacts: p.Employment, PersonKey: p.PersonKey})
		if err != nil {
			return fmt.Errorf("HR event %d: %w", seq, err)
		}
		text := func(i int) string {
			s, _ := row[i].(string)
			return s
		}
		of, at := source, p.Key
		if said.values[1] != "" { // its own key, by its first event
			of, at = said.values[0], said.values[1]
		}
		said.values = [12]string{of, at, text(7), text(1), text(2), text(8), text(3), text(4), text(5), text(6), "", said.values[11]}
	case identity.EmploymentWithdrawn:
		if said == nil {
			return fmt.Errorf("HR event %d names no employment", seq)
		}
		said.values[10] = e.effective
	case identity.EmploymentReported:
		if said == nil {
			return fmt.Errorf("HR event %d names no employment", seq)
		}
		if said.values[11] = ""; p.Report != nil {
			b, err := json.Marshal(p.Report)
			if err != nil {
				return fmt.Errorf("HR event %d: %w", seq, err)
			}
			said.values[11] = string(b)
		}
	}
	return nil
}

// compare compares the tables with the facts. A row of a person whose key is gone, or who has
// events that cannot be read, says nothing.
func (f *facts) compare(ctx context.Context, q *sqlx.Tx) error {
	for _, compare := range []func(context.Context, *sqlx.Tx) error{f.compareEmployments, f.compareRecords, f.comparePeople} {
		if err := compare(ctx, q); err != nil {
			return err
		}
	}
	return nil
}

func (f *facts) compareEmployments(ctx context.Context, q *sqlx.Tx) error {
	seen := map[string]bool{}
	rows, err := q.QueryxContext(ctx, `SELECT `+employmentColumns+` FROM employment ORDER BY id`)
	if err != nil {
		return fmt.Errorf("read employments: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	for rows.Next() {
		var r employmentRow
		if err := rows.StructScan(&r); err != nil {
			return fmt.Errorf("read employments: %w", err)
		}
		said := f.employments[r.ID]
		if said == nil {
			return fmt.Errorf("employment %s of person %s is in no HR event: it was put in", r.ID, r.Person)
		}
		seen[r.ID] = true
		if said.unknown {
			continue
		}
		for i, value := range []string{r.Source, r.Key, r.PersonKey, r.Start, r.End, r.EndSaid, r.Leaves, r.Terms, r.SponsorKey, r.Stamp, r.Withdrawn, r.Reported} {
			if value != said.values[i] {
				return fmt.Errorf("employment %s of person %s is not what HR event %d says: its %s was changed", r.ID, r.Person, said.event, employmentSaidColumns[i])
			}
		}
		if string(r.Person) != said.person && f.records[identity.SourceKey{Source: r.Source, Key: r.PersonKey}] == nil {
			return fmt.Errorf("employment %s is of person %s, and HR event %d of person %s", r.ID, r.Person, said.event, said.person)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read employments: %w", err)
	}
	for id, said := range f.employments {
		if !seen[id] && !said.unknown {
			return fmt.Errorf("employment %s of person %s is missing: HR event %d is about it", id, said.person, said.event)
		}
	}
	return nil
}

// personRecord is a row of person_source_key.
type personRecord struct {
	Source     string `db:"source"`
	Key        string `db:"key"`
	Person     string `db:"person_id"`
	GivenName  string `db:"given_name"`
	FamilyName string `db:"family_name"`
	Email      string `db:"email"`
	Phone      string `db:"phone"`
	Protected  bool   `db:"protected"`
	Stamp      string `db:"stamp"`
	Formerly   string `db:"formerly"`
}

func (f *facts) compareRecords(ctx context.Context, q *sqlx.Tx) error {
	var rows []personRecord
	if err := q.SelectContext(ctx, &rows, `SELECT source, key, person_id, given_name, family_name, email, phone, protected, stamp, formerly FROM person_source_key ORDER BY source, key`); err != nil {
		return fmt.Errorf("read HR records: %w", err)
	}
	for _, r := range rows {
		said := f.records[identity.SourceKey{Source: r.Source, Key: r.Key}]
		if said == nil {
			if f.wrapped[r.Person] == nil || r.Formerly != "" && f.wrapped[r.Formerly] == nil {
				continue // its events cannot be read any more
			}
			return fmt.Errorf("a record of source %s of person %s is in no HR event: it was put in", r.Source, r.Person)
		}
		for _, c := range []struct {
			column string
			same   bool
		}{
			{"given_name", r.GivenName == said.facts.GivenName}, {"family_name", r.FamilyName == said.facts.FamilyName}, {"email", r.Email == said.facts.Email}, {"phone", r.Phone == said.facts.Phone},
			{"protected", r.Protected == said.facts.Protected}, {"stamp", r.Stamp == said.stamp}, {"person_id", r.Person == said.person || r.Formerly != ""},
		} {
			if !c.same {
				return fmt.Errorf("the record of source %s of person %s is not what HR event %d says: its %s was changed", r.Source, r.Person, said.event, c.column)
			}
		}
	}
	return nil
}

// comparePeople compares each person with their records: which of them counts is the
// configuration's, and each value is one of theirs.
func (f *facts) comparePeople(ctx context.Context, q *sqlx.Tx) error {
	type values struct {
		names [4]map[string]bool
		hide  bool
	}
	of := map[string]*values{}
	for _, r := range f.records {
		v := of[r.person]
		if v == nil {
			v = &values{}
			of[r.person] = v
		}
		for i, value := range []string{r.facts.GivenName, r.facts.FamilyName, r.facts.Email, r.facts.Phone} {
			if v.names[i] == nil {
				v.names[i] = map[string]bool{}
			}
			v.names[i][value] = true
		}
		v.hide = v.hide || r.facts.Protected
	}
	var moved []string
	if err := q.SelectContext(ctx, &moved, `SELECT person_id FROM person_source_key WHERE formerly <> '' UNION SELECT formerly FROM person_source_key WHERE formerly <> ''`); err != nil {
		return fmt.Errorf("read HR records: %w", err)
	}
	for _, person := range moved {
		delete(of, person) // whose records are others than their events'
	}
	var rows []struct {
		ID         string `db:"id"`
		GivenName  string `db:"given_name"`
		FamilyName string `db:"family_name"`
		Email      string `db:"email"`
		Phone      string `db:"phone"`
		Protected  bool   `db:"protected"`
	}
	if err := q.SelectContext(ctx, &rows, `SELECT id, given_name, family_name, email, phone, protected FROM person ORDER BY id`); err != nil {
		return fmt.Errorf("read people: %w", err)
	}
	for _, r := range rows {
		v := of[r.ID]
		if v == nil {
			continue
		}
		for i, value := range []string{r.GivenName, r.FamilyName, r.Email, r.Phone} {
			if value != "" && !v.names[i][value] {
				return fmt.Errorf("person %s is not what HR's events say: the %s was changed", r.ID, []string{"given name", "family name", "email", "phone"}[i])
			}
		}
		if r.Protected != v.hide {
			return fmt.Errorf("person %s is not what HR's events say: whether the identity is protected was changed", r.ID)
		}
	}
	return nil
}
