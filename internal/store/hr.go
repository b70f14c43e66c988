package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
)

// ImportStatus is the outcome of an import.
type ImportStatus string

// The statuses of an import. What went in is done, or done but for its endings.
const (
	ImportDone        ImportStatus = "done"
	ImportEndingsHeld ImportStatus = "endings-held"
	ImportHeld        ImportStatus = "held"
	ImportRefused     ImportStatus = "refused"
)

// wentIn is a condition on imports.
const wentIn = `status IN ('` + string(ImportDone) + `', '` + string(ImportEndingsHeld) + `')`

// Import is a record of one import.
type Import struct {
	ID       string       `db:"id" json:"id"`
	Source   string       `db:"source" json:"source"`
	FileHash string       `db:"file_hash" json:"file_hash"` // SHA-256, in hex
	Rows     int          `db:"rows" json:"rows"`
	BadRows  int          `db:"bad_rows" json:"bad_rows"`
	Events   int          `db:"events" json:"events"`
	Status   ImportStatus `db:"status" json:"status"`
	Recorded int64        `db:"recorded_us" json:"-"`
	MadeUS   int64        `db:"made_us" json:"-"`
	// Filled is JSON: for each column, how many rows had a value. Problems is
	// JSON, too.
	Filled   string `db:"filled" json:"-"`
	Problems string `db:"problems" json:"-"`
	// Actor is who chose what was imported; empty when it was
	// read from where the configuration says.
	Actor identity.Actor `db:"actor" json:"actor,omitempty"`
}

// At is when it was recorded, UTC.
func (i Import) At() time.Time { return instant(i.Recorded) }

// ExportedAt returns when the source made the export, UTC; the zero time when that is not
// known.
func (i Import) ExportedAt() time.Time { return instant(i.MadeUS) }

// RecordImport records an import.
func (tx *Tx) RecordImport(ctx context.Context, i Import, made, at time.Time) error {
	i.Recorded, i.MadeUS = micros(at), micros(made)
	if _, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO hr_import (id, source, file_hash, rows, bad_rows, events, status, recorded_us, made_us, filled, problems, actor)
		VALUES (:id, :source, :file_hash, :rows, :bad_rows, :events, :status, :recorded_us, :made_us, :filled, :problems, :actor)`, i); err != nil {
		return fmt.Errorf("HR import: %w", err)
	}
	return nil
}

// PeopleImportedBy returns the people that files changed which an actor imported by
// hand since an instant, and that no other import changed later.
func (db *DB) PeopleImportedBy(ctx context.Context, actor identity.Actor, since time.Time) ([]identity.PersonID, error) {
	var imports []string
	if err := db.read.SelectContext(ctx, &imports, `SELECT id FROM hr_import WHERE actor = $1 AND actor <> '' AND recorded_us >= $2`, actor, micros(since)); err != nil {
		return nil, fmt.Errorf("read imports: %w", err)
	}
	if len(imports) == 0 {
		return nil, nil
	}
	var people []identity.PersonID
	where, args := in(db.read, "e.import_id", imports, nil)
	if err := db.read.SelectContext(ctx, &people, `SELECT e.person_id FROM hr_event e
		WHERE NOT EXISTS (SELECT 1 FROM hr_event l WHERE l.person_id = e.person_id AND l.seq > e.seq AND l.import_id <> e.import_id) AND `+where, args...); err != nil {
		return nil, fmt.Errorf("read imports: %w", err)
	}
	slices.Sort(people)
	return slices.Compact(people), nil
}

// LastImport returns the newest import of a source that went in, or nil.
func (db *DB) LastImport(ctx context.Context, source string) (*Import, error) {
	return lastImport(ctx, db.read, source)
}

// LastImport is DB.LastImport as the transaction sees it.
func (tx *Tx) LastImport(ctx context.Context, source string) (*Import, error) {
	return lastImport(ctx, tx.tx, source)
}

func lastImport(ctx context.Context, q sqlx.QueryerContext, source string) (*Import, error) {
	var i Import
	err := sqlx.GetContext(ctx, q, &i, `SELECT `+columns[Import]("")+` FROM hr_import WHERE source = $1 AND `+wentIn+` ORDER BY recorded_us DESC, id DESC LIMIT 1`, source)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read HR imports: %w", err)
	}
	return &i, nil
}

// NewestImport returns when the newest of what a source ever gave was made, and the
// last import that had this very content, if any. An export that is recorded as made
// after its import, as its name may have said, counts as made at the import.
func (tx *Tx) NewestImport(ctx context.Context, source, hash string) (made time.Time, same *Import, err error) {
	var us int64
	if err := tx.tx.GetContext(ctx, &us, `SELECT COALESCE(MAX(CASE WHEN made_us > recorded_us THEN recorded_us ELSE made_us END), 0) FROM hr_import WHERE source = $1 AND `+wentIn, source); err != nil {
		return made, nil, fmt.Errorf("read HR imports: %w", err)
	}
	var i Import
	err = tx.tx.GetContext(ctx, &i, `SELECT `+columns[Import]("")+` FROM hr_import WHERE source = $1 AND `+wentIn+` AND file_hash = $2 ORDER BY recorded_us DESC, id DESC LIMIT 1`, source, hash)
	if errors.Is(err, sql.ErrNoRows) {
		return instant(us), nil, nil
	}
	if err != nil {
		return made, nil, fmt.Errorf("read HR imports: %w", err)
	}
	return instant(us), &i, nil
}

// CountProtected returns of how many people a source says that their identity is
// protected.
func (tx *Tx) CountProtected(ctx context.Context, source string) (n int, err error) {
	if err := tx.tx.GetContext(ctx, &n, `SELECT COUNT(DISTINCT person_id) FROM person_source_key WHERE source = $1 AND protected`, source); err != nil {
		return 0, fmt.Errorf("count protected identities: %w", err)
	}
	return n, nil
}

// Imports returns the newest imports, of one source or of all, the newest
// first.
func (db *DB) Imports(ctx context.Context, source string, most int) ([]Import, error) {
	all := []Import{}
	where, args := "1 = 1", []any{most}
	if source != "" {
		where, args = "source = $2", append(args, source)
	}
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Import]("")+` FROM hr_import WHERE `+where+` ORDER BY recorded_us DESC, id DESC LIMIT $1`, args...); err != nil {
		return nil, fmt.Errorf("read HR imports: %w", err)
	}
	return all, nil
}

// RowHash is a hash of what a source last exported of an employment, to see whether the
// next export differs.
type RowHash struct {
	ID     identity.EmploymentID
	Person identity.PersonID
	// Hash is the zero hash when it is not known.
	Hash [32]byte
	// Withdrawn is set when the source no longer lists it.
	Withdrawn bool
	// Last is the last day; empty when there is none.
	Last identity.Date
}

// RowHashes returns the hashes of a source's last export, by its key of the employment:
// all of them, or those with the keys.
func (tx *Tx) RowHashes(ctx context.Context, source string, keys []string) (map[string]RowHash, error) {
	said := map[string]RowHash{}
	read := func(where string, args ...any) error {
		rows, err := tx.tx.QueryContext(ctx, `SELECT key, id, person_id, said, `+boundColumns+` FROM employment WHERE source = $1`+where, append([]any{source}, args...)...)
		if err != nil {
			return fmt.Errorf("read employments: %w", err)
		}
		defer rows.Close() //nolint:errcheck // reading
		for rows.Next() {
			var key, id string
			var person identity.PersonID
			var hash sql.RawBytes
			var facts boundFacts
			if err := rows.Scan(append([]any{&key, &id, &person, &hash}, facts.fields()...)...); err != nil {
				return fmt.Errorf("read employments: %w", err)
			}
			one := RowHash{ID: identity.EmploymentID(id), Person: person, Withdrawn: facts.withdrawn != "", Last: identity.Date(facts.end)}
			bound, err := tx.db.bind(hash[:min(len(hash), len(one.Hash))], facts)
			if err != nil {
				return err
			}
			if bytes.Equal(bound, hash) { // otherwise the row was changed since, by other hands
				copy(one.Hash[:], hash)
			}
			said[key] = one
		}
		return rows.Err()
	}
	if keys == nil {
		return said, read("")
	}
	where, args := in(tx.tx, "key", keys, []any{source})
	return said, read(" AND "+where, args[1:]...)
}

// SetRowHashes notes what a source says of an employment now.
func (tx *Tx) SetRowHashes(ctx context.Context, source string, hashes map[string][]byte) error {
	read, err := tx.tx.PrepareContext(ctx, `SELECT `+boundColumns+` FROM employment WHERE source = $1 AND key = $2`)
	if err != nil {
		return fmt.Errorf("note employments: %w", err)
	}
	defer read.Close() //nolint:errcheck // closed with the transaction at the latest
	update, err := tx.tx.PrepareContext(ctx, `UPDATE employment SET said = $3 WHERE source = $1 AND key = $2`)
	if err != nil {
		return fmt.Errorf("note employments: %w", err)
	}
	defer update.Close() //nolint:errcheck // closed with the transaction at the latest
	for key, hash := range hashes {
		var facts boundFacts
		switch err := read.QueryRowContext(ctx, source, key).Scan(facts.fields()...); {
		case errors.Is(err, sql.ErrNoRows):
			continue
		case err != nil:
			return fmt.Errorf("note employments: %w", err)
		}
		hash, err := tx.db.bind(hash, facts)
		if err != nil {
			return err
		}
		if _, err := update.ExecContext(ctx, source, key, hash); err != nil {
			return fmt.Errorf("note employments: %w", err)
		}
	}
	return nil
}

// boundFacts are the columns of an employment to which the hash of what its source said is
// bound: changed by other hands than an event's, the hash counts for nothing, and the next
// export is compared with the row itself.
type boundFacts struct {
	start, end, endSaid, leaves, terms, sponsor, stamp, personKey, withdrawn string
}

const boundColumns = `start_date, end_date, end_said, leaves, terms, sponsor_key, stamp, person_key, withdrawn_from`

func (f *boundFacts) fields() []any {
	return []any{&f.start, &f.end, &f.endSaid, &f.leaves, &f.terms, &f.sponsor, &f.stamp, &f.personKey, &f.withdrawn}
}

// bind returns the hash of what a source said of an employment, with a keyed hash of it and of
// what is known of the employment behind it; nil for no hash.
func (db *DB) bind(hash []byte, f boundFacts) ([]byte, error) {
	if len(hash) == 0 {
		return nil, nil
	}
	var text strings.Builder
	text.Write(hash)
	for _, s := range []string{f.start, f.end, f.endSaid, f.leaves, f.terms, f.sponsor, f.stamp, f.personKey, f.withdrawn} {
		fmt.Fprintf(&text, "%d:", len(s))
		text.WriteString(s)
	}
	bound, err := db.master.Hash("employment.bound", text.String())
	if err != nil {
		return nil, err
	}
	return append(slices.Clone(hash), bound...), nil
}

// HashRow returns a keyed hash of the text of a source's rows.
func (db *DB) HashRow(text string) ([]byte, error) { return db.master.Hash("employment.said", text) }

// PersonByKey returns the person with a source's key, with each source's record of them;
// false without one.
func (tx *Tx) PersonByKey(ctx context.Context, key identity.SourceKey) (identity.Person, bool, error) {
	return tx.oneWithRecords(ctx, `SELECT person_id FROM person_source_key WHERE source = $1 AND key = $2`, key.Source, key.Key)
}

// PeopleWithRecords returns people with what each source says of them. An ID that no
// person has is an error.
func (tx *Tx) PeopleWithRecords(ctx context.Context, ids []identity.PersonID) (map[identity.PersonID]identity.Person, error) {
	people, err := peopleAmong(ctx, tx.tx, ids, true)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	records, err := tx.recordsOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	all := make(map[identity.PersonID]identity.Person, len(people))
	for _, p := range people {
		p.Keys = records[p.ID]
		all[p.ID] = p
	}
	for _, id := range ids {
		if _, found := all[id]; !found {
			return nil, fmt.Errorf("no person %s", id)
		}
	}
	return all, nil
}

func (tx *Tx) oneWithRecords(ctx context.Context, query string, args ...any) (identity.Person, bool, error) {
	people, err := peopleByQuery(ctx, tx.tx, query, args...)
	if err != nil || len(people) == 0 {
		return identity.Person{}, false, err
	}
	people[0].Keys, err = tx.HRRecords(ctx, people[0].ID)
	return people[0], err == nil, err
}

// PersonByKey returns the person with a source's key; false without one.
func (db *DB) PersonByKey(ctx context.Context, key identity.SourceKey) (identity.Person, bool, error) {
	people, err := peopleByQuery(ctx, db.read, `SELECT person_id FROM person_source_key WHERE source = $1 AND key = $2`, key.Source, key.Key)
	if err != nil || len(people) == 0 {
		return identity.Person{}, false, err
	}
	return people[0], true, nil
}

// personIDsByKeys returns who is called by the keys; those of no one are left out.
func (db *DB) personIDsByKeys(ctx context.Context, keys []identity.SourceKey) (map[identity.SourceKey]identity.PersonID, error) {
	return personIDsByKeys(ctx, db.read, keys)
}

// PersonIDsByKeys is DB.personIDsByKeys as the transaction sees it.
func (tx *Tx) PersonIDsByKeys(ctx context.Context, keys []identity.SourceKey) (map[identity.SourceKey]identity.PersonID, error) {
	return personIDsByKeys(ctx, tx.tx, keys)
}

func personIDsByKeys(ctx context.Context, q queryer, keys []identity.SourceKey) (map[identity.SourceKey]identity.PersonID, error) {
	bySource := map[string][]string{}
	for _, k := range keys {
		bySource[k.Source] = append(bySource[k.Source], k.Key)
	}
	ids := make(map[identity.SourceKey]identity.PersonID, len(keys))
	for source, of := range bySource {
		for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(of))), peoplePage) {
			var rows []struct {
				Key    string            `db:"key"`
				Person identity.PersonID `db:"person_id"`
			}
			where, args := in(q, "key", page, []any{source})
			if err := sqlx.SelectContext(ctx, q, &rows, `SELECT key, person_id FROM person_source_key WHERE source = $1 AND `+where, args...); err != nil {
				return nil, fmt.Errorf("read people by their keys: %w", err)
			}
			for _, r := range rows {
				ids[identity.SourceKey{Source: source, Key: r.Key}] = r.Person
			}
		}
	}
	return ids, nil
}

// PeopleByKeys is personIDsByKeys with the people as known.
func (db *DB) PeopleByKeys(ctx context.Context, keys []identity.SourceKey) (map[identity.SourceKey]identity.Person, error) {
	ids, err := db.personIDsByKeys(ctx, keys)
	if err != nil {
		return nil, err
	}
	known, err := db.PeopleByID(ctx, slices.Collect(maps.Values(ids)))
	if err != nil {
		return nil, err
	}
	byID := make(map[identity.PersonID]identity.Person, len(known))
	for _, p := range known {
		byID[p.ID] = p
	}
	people := make(map[identity.SourceKey]identity.Person, len(ids))
	for key, id := range ids {
		people[key] = byID[id]
	}
	return people, nil
}

// Keys returns the keys by which a source calls people, and those by which it
// calls employments, sorted.
func (tx *Tx) Keys(ctx context.Context, source string) (people, employments []string, err error) {
	for table, keys := range map[string]*[]string{"person_source_key": &people, "employment": &employments} {
		if err := tx.tx.SelectContext(ctx, keys, `SELECT key FROM `+table+` WHERE source = $1 ORDER BY key`, source); err != nil {
			return nil, nil, fmt.Errorf("read keys: %w", err)
		}
	}
	return people, employments, nil
}

// HasKeys reports whether a source has a person and an employment with these keys.
func (tx *Tx) HasKeys(ctx context.Context, source, person, employment string) (bool, error) {
	var n int
	if err := tx.tx.GetContext(ctx, &n, `SELECT (SELECT COUNT(*) FROM person_source_key WHERE source = $1 AND key = $2) + (SELECT COUNT(*) FROM employment WHERE source = $1 AND key = $3)`, source, person, employment); err != nil {
		return false, fmt.Errorf("read keys: %w", err)
	}
	return n == 2, nil
}

// Position is how far a source that gives changes has been read.
type Position struct {
	Position string `db:"position"`
	ETag     string `db:"etag"`
}

// SourceCursor returns how far a source has been read; the zero value when it
// never was.
func (db *DB) SourceCursor(ctx context.Context, source string) (Position, error) {
	var p Position
	err := db.read.GetContext(ctx, &p, `SELECT position, etag FROM hr_position WHERE source = $1`, source)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err != nil {
		return p, fmt.Errorf("position of source %s: %w", source, err)
	}
	return p, nil
}

// SetSourceCursor notes how far a source has been read, in the transaction that
// records what was read.
func (tx *Tx) SetSourceCursor(ctx context.Context, source string, p Position, at time.Time) error {
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO hr_position (source, position, etag, moved_us) VALUES ($1, $2, $3, $4)
		ON CONFLICT (source) DO UPDATE SET position = excluded.position, etag = excluded.etag, moved_us = excluded.moved_us`,
		source, p.Position, p.ETag, micros(at)); err != nil {
		return fmt.Errorf("position of source %s: %w", source, err)
	}
	return nil
}

// ImportedAt returns when what has this hash, in hex, was read from a source
// last, whatever came of it, UTC; the zero time when it never was.
func (db *DB) ImportedAt(ctx context.Context, source, hash string) (time.Time, error) {
	var us int64
	if err := db.read.GetContext(ctx, &us, `SELECT COALESCE(MAX(recorded_us), 0) FROM hr_import WHERE source = $1 AND file_hash = $2`, source, hash); err != nil {
		return time.Time{}, fmt.Errorf("read HR imports: %w", err)
	}
	return instant(us), nil
}
