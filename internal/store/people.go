package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
)

const (
	eventContext      = "hr_event.payload"
	nationalIDContext = "person.national_id"
)

// AnyPerson selects every person in People.
const AnyPerson identity.PersonID = ""

// People streams people as known, sorted by ID: everyone, or one.
func (db *DB) People(ctx context.Context, only identity.PersonID) iter.Seq2[identity.Person, error] {
	return people(ctx, db.read, only)
}

// People is DB.People as the transaction sees it.
func (tx *Tx) People(ctx context.Context, only identity.PersonID) iter.Seq2[identity.Person, error] {
	return people(ctx, tx.tx, only)
}

type personRow struct {
	ID         string `db:"id"`
	GivenName  string `db:"given_name"`
	FamilyName string `db:"family_name"`
	Email      string `db:"email"`
	Phone      string `db:"phone"`
	Protected  bool   `db:"protected"`
	Login      string `db:"login"`
	Version    int64  `db:"version"`
}

type employmentRow struct {
	ID         string  `db:"id"`
	Person     string  `db:"person_id"`
	Source     string  `db:"source"`
	Key        string  `db:"key"`
	Unit       string  `db:"unit"`
	JobCode    string  `db:"job_code"`
	JobTitle   string  `db:"job_title"`
	Type       string  `db:"type"`
	Percent    float64 `db:"percent"`
	ManagerKey string  `db:"manager_key"`
	Start      string  `db:"start_date"`
	End        string  `db:"end_date"`
	LeaveStart string  `db:"leave_start"`
	LeaveEnd   string  `db:"leave_end"`
	Attributes string  `db:"attributes"`
	Withdrawn  bool    `db:"withdrawn"`
}

func (r employmentRow) employment() (identity.Employment, error) {
	e := identity.Employment{
		ID: identity.EmploymentID(r.ID), Key: identity.SourceKey{Source: r.Source, Key: r.Key}, Withdrawn: r.Withdrawn,
		EmploymentFacts: identity.EmploymentFacts{
			Unit: r.Unit, JobCode: r.JobCode, JobTitle: r.JobTitle, Type: r.Type, Percent: r.Percent, ManagerKey: r.ManagerKey,
			Start: identity.Date(r.Start), End: identity.Date(r.End), LeaveStart: identity.Date(r.LeaveStart), LeaveEnd: identity.Date(r.LeaveEnd),
		},
	}
	if r.Attributes != "" {
		if err := json.Unmarshal([]byte(r.Attributes), &e.Attributes); err != nil {
			return e, fmt.Errorf("attributes of employment %s: %w", r.ID, err)
		}
	}
	return e, nil
}

// people reads three streams sorted by person and merges them, so that memory
// does not grow with their number. The two lesser streams are read ahead by
// one row each.
func people(ctx context.Context, q sqlx.QueryerContext, only identity.PersonID) iter.Seq2[identity.Person, error] {
	return func(yield func(identity.Person, error) bool) {
		if err := eachPerson(ctx, q, only, func(p identity.Person) bool { return yield(p, nil) }); err != nil {
			yield(identity.Person{}, fmt.Errorf("read people: %w", err))
		}
	}
}

// peoplePage is how many people are read at a time. A transaction has one
// connection, on which PostgreSQL cannot have two result sets open; so pages,
// and not three cursors side by side.
const peoplePage = 2000

func eachPerson(ctx context.Context, q sqlx.QueryerContext, only identity.PersonID, yield func(identity.Person) bool) error {
	after := ""
	for {
		var page []personRow
		if err := sqlx.SelectContext(ctx, q, &page, `SELECT id, given_name, family_name, email, phone, protected, login, version FROM person
			WHERE id > $1 AND ($2 = '' OR id = $2) ORDER BY id LIMIT $3`, after, string(only), peoplePage); err != nil {
			return err
		}
		if len(page) == 0 {
			return nil
		}
		last := page[len(page)-1].ID
		var keys []struct {
			Person string `db:"person_id"`
			Source string `db:"source"`
			Key    string `db:"key"`
		}
		if err := sqlx.SelectContext(ctx, q, &keys, `SELECT person_id, source, key FROM person_source_key
			WHERE person_id >= $1 AND person_id <= $2 ORDER BY person_id, source, key`, page[0].ID, last); err != nil {
			return err
		}
		var employments []employmentRow
		if err := sqlx.SelectContext(ctx, q, &employments, `SELECT * FROM employment
			WHERE person_id >= $1 AND person_id <= $2 ORDER BY person_id, id`, page[0].ID, last); err != nil {
			return err
		}
		for _, r := range page {
			p := identity.Person{ID: identity.PersonID(r.ID), Login: r.Login, Version: r.Version, PersonFacts: identity.PersonFacts{
				GivenName: r.GivenName, FamilyName: r.FamilyName, Email: r.Email, Phone: r.Phone, Protected: r.Protected}}
			for len(keys) > 0 && keys[0].Person == r.ID {
				p.Keys = append(p.Keys, identity.SourceKey{Source: keys[0].Source, Key: keys[0].Key})
				keys = keys[1:]
			}
			for len(employments) > 0 && employments[0].Person == r.ID {
				e, err := employments[0].employment()
				if err != nil {
					return err
				}
				p.Employments = append(p.Employments, e)
				employments = employments[1:]
			}
			if !yield(p) {
				return nil
			}
		}
		if only != AnyPerson || len(page) < peoplePage {
			return nil
		}
		after = last
	}
}

// Person returns one person as known.
func (db *DB) Person(ctx context.Context, id identity.PersonID) (identity.Person, error) {
	for p, err := range db.People(ctx, id) {
		return p, err
	}
	return identity.Person{}, fmt.Errorf("no person %s", id)
}

// ErrNoPerson is returned when a reference names nobody.
var ErrNoPerson = errors.New("nobody is known by that")

// FindPerson returns the person whom an HR key, a login, an e-mail address or
// an opaque ID names. Nobody gives ErrNoPerson; several people an error that
// says to name one more exactly.
func (db *DB) FindPerson(ctx context.Context, ref string) (identity.Person, error) {
	var ids []string
	err := db.read.SelectContext(ctx, &ids, `SELECT id FROM person WHERE id = $1 OR login = $1 OR (email = $1 AND email <> '')
		UNION SELECT person_id FROM person_source_key WHERE key = $1`, ref)
	switch {
	case err != nil:
		return identity.Person{}, fmt.Errorf("find a person: %w", err)
	case ref == "" || len(ids) == 0:
		return identity.Person{}, fmt.Errorf("%w (%q): give an HR person_id, a login, an e-mail address or an ID", ErrNoPerson, ref)
	case len(ids) > 1:
		return identity.Person{}, fmt.Errorf("%q names %d people (%s): give one of these IDs", ref, len(ids), strings.Join(ids, ", "))
	}
	return db.Person(ctx, identity.PersonID(ids[0]))
}

// NationalIDHashes returns the keyed hash of every known national identity
// number, by person.
func (tx *Tx) NationalIDHashes(ctx context.Context) (map[identity.PersonID]string, error) {
	rows, err := tx.tx.QueryContext(ctx, `SELECT id, national_id_hash FROM person WHERE national_id_hash IS NOT NULL`)
	if err != nil {
		return nil, fmt.Errorf("read hashes: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	hashes := map[identity.PersonID]string{}
	for rows.Next() {
		var id string
		var hash []byte
		if err := rows.Scan(&id, &hash); err != nil {
			return nil, fmt.Errorf("read hashes: %w", err)
		}
		hashes[identity.PersonID(id)] = string(hash)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read hashes: %w", err)
	}
	return hashes, nil
}

// HashNationalID returns the keyed hash under which a number is known; empty
// for the empty number.
func (tx *Tx) HashNationalID(number string) (string, error) {
	if number == "" {
		return "", nil
	}
	hash, err := tx.db.master.Hash(nationalIDContext, number)
	return string(hash), err
}

// TakeLogin gives the person a login made of the base that nobody has or had,
// for good: base, or base2, base3 … Numbers are taken in order and never given
// back, so the first free one is found in steps that double and then halve.
func (tx *Tx) TakeLogin(ctx context.Context, base string, person identity.PersonID) (string, error) {
	const most = 1 << 30
	taken, free := 0, 1 // every number to taken is taken, as far as we know
	for free < most {
		is, err := tx.loginTaken(ctx, base, free)
		if err != nil {
			return "", err
		}
		if !is {
			break
		}
		taken, free = free, free*2
	}
	for taken+1 < free {
		middle := (taken + free) / 2
		is, err := tx.loginTaken(ctx, base, middle)
		if err != nil {
			return "", err
		}
		if is {
			taken = middle
		} else {
			free = middle
		}
	}
	login := identity.LoginCandidate(base, free)
	hash, err := tx.db.master.Hash("login", login)
	if err != nil {
		return "", fmt.Errorf("login: %w", err)
	}
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO login_register (login_hash, person_id) VALUES ($1, $2)`, hash, string(person)); err != nil {
		return "", fmt.Errorf("login register: %w", err)
	}
	return login, nil
}

func (tx *Tx) loginTaken(ctx context.Context, base string, n int) (bool, error) {
	hash, err := tx.db.master.Hash("login", identity.LoginCandidate(base, n))
	if err != nil {
		return false, fmt.Errorf("login: %w", err)
	}
	var found bool
	if err := tx.tx.GetContext(ctx, &found, `SELECT EXISTS (SELECT 1 FROM login_register WHERE login_hash = $1)`, hash); err != nil {
		return false, fmt.Errorf("login register: %w", err)
	}
	return found, nil
}

// eventPayload is the sealed part of an event.
type eventPayload struct {
	Key        string                    `json:"key,omitempty"`
	Login      string                    `json:"login,omitempty"`
	Person     *identity.PersonFacts     `json:"person,omitempty"`
	Employment *identity.EmploymentFacts `json:"employment,omitempty"`
}

// RecordEvents records HR events of an import in the order given and brings
// what is known of the people concerned up to date.
func (tx *Tx) RecordEvents(ctx context.Context, importID string, events []identity.Event) error {
	if len(events) == 0 {
		return nil
	}
	var last int64
	if err := tx.tx.GetContext(ctx, &last, `UPDATE head SET event_seq = event_seq + $1 WHERE id = 1 RETURNING event_seq`, len(events)); err != nil {
		return fmt.Errorf("event sequence: %w", err)
	}
	seq := last - int64(len(events))
	insert, err := tx.tx.PrepareContext(ctx, `INSERT INTO hr_event
		(seq, import_id, source, kind, person_id, employment_id, effective, recorded_us, payload_sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
	if err != nil {
		return fmt.Errorf("HR events: %w", err)
	}
	defer insert.Close() //nolint:errcheck // closed with the transaction at the latest
	for _, e := range events {
		seq++
		e.Seq = seq
		key, err := tx.key(ctx, string(e.Person))
		if err != nil {
			return err
		}
		payload, err := json.Marshal(eventPayload{Key: e.Key, Login: e.Login, Person: e.PersonFacts, Employment: e.EmploymentFacts})
		if err != nil {
			return fmt.Errorf("event payload: %w", err)
		}
		sealed, err := key.Seal(eventContext, payload)
		if err != nil {
			return fmt.Errorf("seal an event: %w", err)
		}
		if _, err := insert.ExecContext(ctx, e.Seq, importID, e.Source, string(e.Kind), string(e.Person), string(e.Employment),
			string(e.Effective), micros(e.Recorded), sealed); err != nil {
			return fmt.Errorf("HR event %d: %w", e.Seq, err)
		}
		if err := tx.project(ctx, e); err != nil {
			return fmt.Errorf("HR event %d (%s of person %s): %w", e.Seq, e.Kind, e.Person, err)
		}
	}
	return nil
}

// project writes what an event says into the identity tables.
func (tx *Tx) project(ctx context.Context, e identity.Event) error {
	exec := func(query string, args ...any) error {
		_, err := tx.tx.ExecContext(ctx, query, args...)
		return err
	}
	switch e.Kind {
	case identity.PersonAdded, identity.PersonChanged:
		f := *e.PersonFacts
		sealed, hash, err := tx.sealNationalID(ctx, e.Person, f.NationalID)
		if err != nil {
			return err
		}
		if e.Kind == identity.PersonChanged {
			return exec(`UPDATE person SET given_name = $2, family_name = $3, email = $4, phone = $5, national_id_sealed = $6, national_id_hash = $7,
				protected = $8, version = $9 WHERE id = $1`, string(e.Person), f.GivenName, f.FamilyName, f.Email, f.Phone, sealed, hash, f.Protected, e.Seq)
		}
		if err := exec(`INSERT INTO person (id, given_name, family_name, email, phone, national_id_sealed, national_id_hash, protected, login, version)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`, string(e.Person), f.GivenName, f.FamilyName, f.Email, f.Phone, sealed, hash, f.Protected, e.Login, e.Seq); err != nil {
			return err
		}
		return exec(`INSERT INTO person_source_key (source, key, person_id) VALUES ($1, $2, $3)`, e.Source, e.Key, string(e.Person))
	case identity.EmploymentAdded, identity.EmploymentChanged:
		f := *e.EmploymentFacts
		attributes := ""
		if len(f.Attributes) > 0 {
			b, err := json.Marshal(f.Attributes)
			if err != nil {
				return err
			}
			attributes = string(b)
		}
		args := []any{string(e.Employment), f.Unit, f.JobCode, f.JobTitle, f.Type, f.Percent, f.ManagerKey,
			string(f.Start), string(f.End), string(f.LeaveStart), string(f.LeaveEnd), attributes, false}
		query := `UPDATE employment SET unit = $2, job_code = $3, job_title = $4, type = $5, percent = $6, manager_key = $7,
			start_date = $8, end_date = $9, leave_start = $10, leave_end = $11, attributes = $12, withdrawn = $13 WHERE id = $1`
		if e.Kind == identity.EmploymentAdded {
			args = append(args, string(e.Person), e.Source, e.Key)
			query = `INSERT INTO employment (id, unit, job_code, job_title, type, percent, manager_key, start_date, end_date, leave_start, leave_end,
				attributes, withdrawn, person_id, source, key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`
		}
		if err := exec(query, args...); err != nil {
			return err
		}
	case identity.EmploymentWithdrawn:
		if err := exec(`UPDATE employment SET withdrawn = $2 WHERE id = $1`, string(e.Employment), true); err != nil {
			return err
		}
	}
	return exec(`UPDATE person SET version = $2 WHERE id = $1`, string(e.Person), e.Seq)
}

func (tx *Tx) sealNationalID(ctx context.Context, person identity.PersonID, number string) (sealed, hash []byte, err error) {
	if number == "" {
		return nil, nil, nil
	}
	key, err := tx.key(ctx, string(person))
	if err != nil {
		return nil, nil, err
	}
	if sealed, err = key.Seal(nationalIDContext, []byte(number)); err != nil {
		return nil, nil, fmt.Errorf("seal a national ID: %w", err)
	}
	hash, err = tx.db.master.Hash(nationalIDContext, number)
	return sealed, hash, err
}

// Events streams the recorded events of a person in their order, opened.
func (db *DB) Events(ctx context.Context, person identity.PersonID) ([]identity.Event, error) {
	rows, err := db.read.QueryContext(ctx, `SELECT seq, source, kind, employment_id, effective, recorded_us, payload_sealed
		FROM hr_event WHERE person_id = $1 ORDER BY seq`, string(person))
	if err != nil {
		return nil, fmt.Errorf("read HR events: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	key, err := loadKey(ctx, db.read, db.master, string(person))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // nothing was ever sealed for the person, or they are erased
	}
	if err != nil {
		return nil, fmt.Errorf("key of person %s: %w", person, err)
	}
	var events []identity.Event
	for rows.Next() {
		var kind, employment, effective string
		var recorded int64
		var sealed []byte
		e := identity.Event{Person: person}
		if err := rows.Scan(&e.Seq, &e.Source, &kind, &employment, &effective, &recorded, &sealed); err != nil {
			return nil, fmt.Errorf("read HR events: %w", err)
		}
		value, err := key.Open(eventContext, sealed)
		if err != nil {
			return nil, err
		}
		var payload eventPayload
		if err := json.Unmarshal(value, &payload); err != nil {
			return nil, fmt.Errorf("HR event %d: %w", e.Seq, err)
		}
		e.Kind, e.Employment, e.Effective, e.Recorded = identity.Kind(kind), identity.EmploymentID(employment), identity.Date(effective), instant(recorded)
		e.Key, e.Login, e.PersonFacts, e.EmploymentFacts = payload.Key, payload.Login, payload.Person, payload.Employment
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read HR events: %w", err)
	}
	return events, nil
}
