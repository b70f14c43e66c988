package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
)

// ReadmissionDecision lets a person in again whose record was erased: "readmit".
// The subject is the source and the keyed hash of what it calls the person.
const ReadmissionDecision DecisionKind = "readmission"

// Readmit is the verdict of a ReadmissionDecision.
const Readmit Verdict = "readmit"

// ErasedRecord is what is kept of the record of an erased person.
type ErasedRecord struct {
	Source   string `db:"source"`
	KeyHash  []byte `db:"key_hash"`
	Number   []byte `db:"national_id_hash"` // nil for none
	ErasedUS int64  `db:"erased_us"`
}

// At is when the person was erased, UTC.
func (e ErasedRecord) At() time.Time { return instant(e.ErasedUS) }

func (tx *Tx) hashErasedKey(key identity.SourceKey) ([]byte, error) {
	return tx.db.master.Hash("erased_record.key", key.Source+"\x00"+key.Key)
}

// noteErased keeps the records of a person who is about to be erased, as keyed
// hashes: a later export must not bring the person back.
func (tx *Tx) noteErased(ctx context.Context, person identity.PersonID, at time.Time) error {
	records, err := tx.HRRecords(ctx, person)
	if err != nil {
		return err
	}
	for _, r := range records {
		hash, err := tx.hashErasedKey(r.SourceKey)
		if err != nil {
			return err
		}
		number, err := tx.hashNationalID(r.Facts.NationalID)
		if err != nil {
			return err
		}
		if err := tx.exec(ctx, `INSERT INTO erased_record (source, key_hash, national_id_hash, erased_us) VALUES ($1, $2, $3, $4)
			ON CONFLICT (source, key_hash) DO UPDATE SET national_id_hash = excluded.national_id_hash, erased_us = excluded.erased_us`, r.Source, hash, number, micros(at)); err != nil {
			return fmt.Errorf("erase person %s: erased_record: %w", person, err)
		}
	}
	return nil
}

// ErasedIndex finds records of erased people.
type ErasedIndex struct {
	tx *Tx
	// all are those that are read; nil when each is asked for.
	byKey, byNumber map[string]ErasedRecord
	none            bool
}

// Erased returns the index of the records of erased people. With many it reads all of
// them at once; otherwise it reads each that is asked for.
func (tx *Tx) Erased(ctx context.Context, many bool) (*ErasedIndex, error) {
	e := &ErasedIndex{tx: tx}
	var some bool
	if err := tx.tx.GetContext(ctx, &some, `SELECT EXISTS (SELECT 1 FROM erased_record)`); err != nil {
		return nil, fmt.Errorf("read erased records: %w", err)
	}
	e.none = !some
	if !many || e.none {
		return e, nil
	}
	var rows []ErasedRecord
	if err := tx.tx.SelectContext(ctx, &rows, `SELECT `+columns[ErasedRecord]("")+` FROM erased_record ORDER BY erased_us`); err != nil {
		return nil, fmt.Errorf("read erased records: %w", err)
	}
	e.byKey, e.byNumber = make(map[string]ErasedRecord, len(rows)), map[string]ErasedRecord{}
	for _, r := range rows {
		e.byKey[string(r.KeyHash)] = r
		if r.Number != nil {
			e.byNumber[string(r.Number)] = r
		}
	}
	return e, nil
}

// Find returns the erased record that a source's key, or else the national
// identity number, is of; byKey reports which. A key under which there is another
// number now was given to another person.
func (e *ErasedIndex) Find(ctx context.Context, key identity.SourceKey, number string) (r ErasedRecord, byKey, found bool, err error) {
	if e.none {
		return r, false, false, nil
	}
	hash, err := e.tx.hashErasedKey(key)
	if err != nil {
		return r, false, false, err
	}
	ofNumber, err := e.tx.hashNationalID(number)
	if err != nil {
		return r, false, false, err
	}
	find := func(read map[string]ErasedRecord, column string, hash []byte) (ErasedRecord, bool, error) {
		if e.byKey != nil {
			r, ok := read[string(hash)]
			return r, ok, nil
		}
		var r ErasedRecord
		err := e.tx.tx.GetContext(ctx, &r, `SELECT `+columns[ErasedRecord]("")+` FROM erased_record WHERE `+column+` = $1 ORDER BY erased_us DESC LIMIT 1`, hash)
		if errors.Is(err, sql.ErrNoRows) {
			return r, false, nil
		}
		return r, err == nil, err
	}
	if r, found, err = find(e.byKey, "key_hash", hash); err != nil {
		return r, false, false, fmt.Errorf("read erased records: %w", err)
	}
	if found && (r.Number == nil || ofNumber == nil || string(r.Number) == string(ofNumber)) {
		return r, true, true, nil
	}
	if ofNumber == nil {
		return r, false, false, nil
	}
	if r, found, err = find(e.byNumber, "national_id_hash", ofNumber); err != nil {
		return r, false, false, fmt.Errorf("read erased records: %w", err)
	}
	return r, false, found, nil
}

// ErrNotErased is returned for a record that is of no erased person.
var ErrNotErased = errors.New("it is no record of an erased person")

// Readmit lets a source's record in again that is of an erased person, by the
// decision whose maker and reason are given: the next import makes a new person of it.
func (tx *Tx) Readmit(ctx context.Context, key identity.SourceKey, d Decision, at time.Time) (Decision, error) {
	hash, err := tx.hashErasedKey(key)
	if err != nil {
		return Decision{}, err
	}
	res, err := tx.tx.ExecContext(ctx, `DELETE FROM erased_record WHERE source = $1 AND key_hash = $2`, key.Source, hash)
	if err != nil {
		return Decision{}, fmt.Errorf("readmit: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return Decision{}, errors.Join(ErrNotErased, err)
	}
	p, known, err := tx.PersonByKey(ctx, key) // who was pushed, and is held
	if err != nil {
		return Decision{}, err
	}
	d.Kind, d.Verdict, d.Subject = ReadmissionDecision, Readmit, readmissionSubject(key.Source, hash)
	if known {
		d.Person = p.ID
		if err := tx.exec(ctx, `DELETE FROM held_record WHERE person_id = $1 AND other_id = ''`, d.Person); err != nil {
			return d, fmt.Errorf("readmit: %w", err)
		}
	}
	tx.Enqueue(queue.Pull{Source: key.Source})
	return tx.Decide(ctx, d, at)
}

// ReadmittedSince reports whether a record of a source was readmitted since an instant.
// Content that was imported before has to be imported again then.
func (db *DB) ReadmittedSince(ctx context.Context, source string, since time.Time) (bool, error) {
	var subjects []Subject
	if err := db.read.SelectContext(ctx, &subjects, `SELECT subject FROM decision WHERE kind = $1 AND decided_us >= $2`, string(ReadmissionDecision), micros(since)); err != nil {
		return false, fmt.Errorf("read decisions: %w", err)
	}
	return slices.ContainsFunc(subjects, func(s Subject) bool { return s.readmitsTo(source) }), nil
}

// HasAuditRecords reports whether the audit trail has a record about a person, by opaque
// ID, erased people included.
func (db *DB) HasAuditRecords(ctx context.Context, person identity.PersonID) (is bool, err error) {
	if person == "" {
		return false, nil
	}
	if err := db.read.GetContext(ctx, &is, `SELECT EXISTS (SELECT 1 FROM audit_record WHERE person_id = $1)`, person); err != nil {
		return false, fmt.Errorf("read the audit trail: %w", err)
	}
	return is, nil
}
