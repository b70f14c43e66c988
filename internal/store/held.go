package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// HeldRecord is a person who gets nothing in any target until a person decides
// whose record it is.
type HeldRecord struct {
	Person identity.PersonID `db:"person_id"`
	// Other is the person whose record it may be; empty when they are erased.
	Other identity.PersonID `db:"other_id"`
	// Columns are what joining the records would change of Other, by the names
	// of the columns, parted by commas.
	Columns string `db:"columns"`
}

// Reason returns why the person gets nothing.
func (h HeldRecord) Reason() reason.Reason {
	if h.Other == "" {
		return reason.Of(reason.RecordOfErased{})
	}
	return reason.Of(reason.RecordHeld{Person: h.Person, Other: h.Other, Columns: h.columns()})
}

// columns returns the names of the columns.
func (h HeldRecord) columns() []string {
	names := strings.Split(h.Columns, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// HoldRecord keeps everything from a person until a person decides whose record
// it is.
func (tx *Tx) HoldRecord(ctx context.Context, h HeldRecord, at time.Time) error {
	if err := tx.exec(ctx, `INSERT INTO held_record (person_id, other_id, columns, held_us) VALUES ($1, $2, $3, $4)
		ON CONFLICT (person_id, other_id) DO UPDATE SET columns = excluded.columns`, string(h.Person), string(h.Other), h.Columns, micros(at)); err != nil {
		return fmt.Errorf("hold the record of person %s: %w", h.Person, err)
	}
	return nil
}

// HeldRecords returns the held records of people, who get nothing until a person decides,
// sorted.
func (db *DB) HeldRecords(ctx context.Context, of PersonSet) ([]HeldRecord, error) {
	return heldRecords(ctx, db.read, of)
}

// A record is held until a person decides about the two: that they are one, or
// that they are two.
func heldRecords(ctx context.Context, q queryer, of PersonSet) ([]HeldRecord, error) {
	var all []HeldRecord
	where, args := of.condition(q, "h.person_id", []any{string(RecordDecision), Apart, Merge})
	if err := sqlx.SelectContext(ctx, q, &all, `SELECT h.person_id, h.other_id, h.columns FROM held_record h
		LEFT JOIN person p ON p.id = h.person_id LEFT JOIN person o ON o.id = h.other_id
		WHERE COALESCE(p.merged_into, '') = '' AND COALESCE(o.merged_into, '') = '' AND NOT EXISTS (SELECT 1 FROM decision d WHERE d.kind = $1 AND d.verdict IN ($2, $3)
			AND (d.person_id = h.person_id AND d.subject = h.other_id OR d.person_id = h.other_id AND d.subject = h.person_id)) AND `+where+`
		ORDER BY h.person_id, h.other_id`, args...); err != nil {
		return nil, fmt.Errorf("read held records: %w", err)
	}
	return all, nil
}

// SourcesWithNationalKeys returns the sources that call any person by a national
// identity number, sorted.
func (db *DB) SourcesWithNationalKeys(ctx context.Context) ([]string, error) {
	var rows []struct {
		Source string `db:"source"`
		Key    string `db:"key"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT source, key FROM person_source_key WHERE LENGTH(key) >= 10 ORDER BY source, key`); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	var sources []string
	for _, r := range rows {
		if (len(sources) == 0 || sources[len(sources)-1] != r.Source) && identity.HasNationalID(r.Key) {
			sources = append(sources, r.Source)
		}
	}
	return sources, nil
}
