package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// appended announces that this process committed audit records.
type appended struct {
	mu   sync.Mutex
	next chan struct{}
}

func (a *appended) wait() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next == nil {
		a.next = make(chan struct{})
	}
	return a.next
}

func (a *appended) announce() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.next != nil {
		close(a.next)
		a.next = nil
	}
}

// AuditAppended returns a channel that is closed when this process next commits audit
// records. What other processes commit only Sequences shows.
func (db *DB) AuditAppended() <-chan struct{} { return db.appended.wait() }

// AuditRecordsAfter returns the first so many records of the trail after an index, in
// their order, without their payloads. There is no gap that a later commit could fill:
// the head is locked from the assignment of an index until its commit.
func (db *DB) AuditRecordsAfter(ctx context.Context, index int64, most int) ([]audit.Record, error) {
	var rows []recordRow
	if err := db.read.SelectContext(ctx, &rows, `SELECT `+columns[recordRow]("")+` FROM audit_record WHERE idx > $1 ORDER BY idx LIMIT $2`, index, most); err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	all := make([]audit.Record, len(rows))
	for i, r := range rows {
		r.Payload = nil
		all[i] = r.record()
	}
	return all, nil
}

// RulesRecords returns the records of which rules came into use, the newest first.
func (db *DB) RulesRecords(ctx context.Context, most int) ([]audit.Record, error) {
	var rows []recordRow
	if err := db.read.SelectContext(ctx, &rows, `SELECT `+columns[recordRow]("")+` FROM audit_record WHERE action = 'rules.in-use' ORDER BY idx DESC LIMIT $1`, most); err != nil {
		return nil, fmt.Errorf("read the audit trail: %w", err)
	}
	all := make([]audit.Record, len(rows))
	for i, r := range rows {
		all[i] = r.record()
	}
	return all, nil
}

// RecordsOfPersonBefore streams the records about a person before an index, the newest
// first, without their payloads.
func (db *DB) RecordsOfPersonBefore(ctx context.Context, person identity.PersonID, index int64) iter.Seq2[audit.Record, error] {
	return func(yield func(audit.Record, error) bool) {
		const page = 100
		for {
			var rows []recordRow
			if err := db.read.SelectContext(ctx, &rows, `SELECT `+columns[recordRow]("")+` FROM audit_record WHERE person_id = $1 AND idx < $2 ORDER BY idx DESC LIMIT $3`, person, index, page); err != nil {
				yield(audit.Record{}, fmt.Errorf("read the audit trail: %w", err))
				return
			}
			for _, r := range rows {
				r.Payload = nil
				if !yield(r.record(), nil) {
					return
				}
				index = r.Index
			}
			if len(rows) < page {
				return
			}
		}
	}
}

// HadOpenAccount reports whether a person had a usable account in any target once the
// record with the index was written.
func (db *DB) HadOpenAccount(ctx context.Context, person identity.PersonID, index int64) (open bool, err error) {
	if err := db.read.GetContext(ctx, &open, `SELECT EXISTS (SELECT 1 FROM access_interval
		WHERE person_id = $1 AND entitlement = $2 AND since_record <= $3 AND (until_record IS NULL OR until_record > $3))`, person, audit.Account, index); err != nil {
		return false, fmt.Errorf("read access intervals: %w", err)
	}
	return open, nil
}

// Contact is by what a receiver outside may know a person.
type Contact struct {
	Email     string `db:"email"`
	Login     string `db:"login"`
	Protected bool   `db:"protected"` // the identity is protected
}

// Contact returns by what a receiver may know a person; the zero value for a person who
// is not there any more.
func (db *DB) Contact(ctx context.Context, person identity.PersonID) (Contact, error) {
	var c Contact
	err := db.read.GetContext(ctx, &c, `SELECT email, login, (protected OR protected_by_hand) AS protected FROM person WHERE id = $1`, person)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return c, fmt.Errorf("person %s: %w", person, err)
	}
	return c, nil
}

// OutboundCursor is how far a stream of events out is delivered.
type OutboundCursor struct {
	Stream string `db:"stream"`
	// Index is that of the last record that the receiver took.
	Index int64 `db:"audit_idx"`
	// Pending is JSON that package outbound keeps beside it; empty for nothing.
	Pending string `db:"pending"`
	MovedUS Micros `db:"moved_us"`
}

// OutboundCursors returns the cursors by stream, and the index of the last record.
func (db *DB) OutboundCursors(ctx context.Context) (cursors map[string]OutboundCursor, head int64, err error) {
	now, err := db.Sequences(ctx)
	if err != nil {
		return nil, 0, err
	}
	var all []OutboundCursor
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[OutboundCursor]("")+` FROM outbound_cursor`); err != nil {
		return nil, 0, fmt.Errorf("read how far events are delivered: %w", err)
	}
	cursors = make(map[string]OutboundCursor, len(all))
	for _, c := range all {
		cursors[c.Stream] = c
	}
	return cursors, now.Audit, nil
}

// OutboundCursor returns the cursor of a stream. A stream without one begins: after the
// last record that there is, or at the first one.
func (db *DB) OutboundCursor(ctx context.Context, stream string, atFirst bool, now time.Time) (OutboundCursor, error) {
	var c OutboundCursor
	err := db.read.GetContext(ctx, &c, `SELECT `+columns[OutboundCursor]("")+` FROM outbound_cursor WHERE stream = $1`, stream)
	if errors.Is(err, sql.ErrNoRows) {
		err = db.Write(ctx, func(tx *Tx) error {
			if err := tx.exec(ctx, `INSERT INTO outbound_cursor (stream, audit_idx, moved_us) SELECT CAST($1 AS TEXT), CASE WHEN CAST($2 AS BOOLEAN) THEN 0 ELSE audit_idx END, CAST($3 AS BIGINT) FROM head WHERE id = 1
				ON CONFLICT (stream) DO NOTHING`, stream, atFirst, micros(now)); err != nil {
				return err
			}
			return tx.tx.GetContext(ctx, &c, `SELECT `+columns[OutboundCursor]("")+` FROM outbound_cursor WHERE stream = $1`, stream)
		})
	}
	if err != nil {
		return c, fmt.Errorf("read how far events are delivered: %w", err)
	}
	return c, nil
}

// OldestUndelivered returns when the first record after an index was written; the zero
// time without one.
func (db *DB) OldestUndelivered(ctx context.Context, index int64) (time.Time, error) {
	var us sql.NullInt64
	if err := db.read.GetContext(ctx, &us, `SELECT MIN(at_us) FROM audit_record WHERE idx = $1`, index+1); err != nil {
		return time.Time{}, fmt.Errorf("read the audit trail: %w", err)
	}
	return instant(us.Int64), nil
}

// MoveOutboundCursor moves the cursor of a stream from an index to a later one. It
// reports whether the cursor was there: another process may have moved it.
func (tx *Tx) MoveOutboundCursor(ctx context.Context, stream string, from, to int64, at time.Time) (moved bool, err error) {
	res, err := tx.tx.ExecContext(ctx, `UPDATE outbound_cursor SET audit_idx = $3, moved_us = $4 WHERE stream = $1 AND audit_idx = $2`, stream, from, to, micros(at))
	if err != nil {
		return false, fmt.Errorf("record how far events are delivered: %w", err)
	}
	n, err := res.RowsAffected()
	return n > 0, err
}

// ChangeOutboundCursor changes the cursor of a stream, which no other process changes
// meanwhile. It never moves back.
func (tx *Tx) ChangeOutboundCursor(ctx context.Context, stream string, at time.Time, change func(*OutboundCursor) error) error {
	if err := tx.exec(ctx, `UPDATE outbound_cursor SET audit_idx = audit_idx + 0 WHERE stream = $1`, stream); err != nil { // which locks it
		return fmt.Errorf("record how far events are delivered: %w", err)
	}
	var c OutboundCursor
	if err := tx.tx.GetContext(ctx, &c, `SELECT `+columns[OutboundCursor]("")+` FROM outbound_cursor WHERE stream = $1`, stream); err != nil {
		return fmt.Errorf("read how far events are delivered: %w", err)
	}
	was := c.Index
	if err := change(&c); err != nil {
		return err
	}
	if err := tx.exec(ctx, `UPDATE outbound_cursor SET audit_idx = $2, pending = $3, moved_us = $4 WHERE stream = $1`, stream, max(was, c.Index), c.Pending, micros(at)); err != nil {
		return fmt.Errorf("record how far events are delivered: %w", err)
	}
	return nil
}
