// Package store keeps behov's state in SQLite or PostgreSQL: people and HR events,
// decisions, steps under way, the audit trail and what is projected from it. It owns the
// schema's invariants: an audit record is appended in the transaction of the state
// change, personal values outside the identity tables are sealed, sequences have no gaps.
//
// It must never decide anything about access.
package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/seal"
)

// DB is an open database.
type DB struct {
	write, read *sqlx.DB
	master      *seal.Master
	postgres    bool
	file        string // SQLite
	locks       *lock.Locks
	jobs        *queue.Jobs
	migrated    []string
	unwritten   atomic.Pointer[writeFault]
	operator    identity.Actor
	wrap        func(driver.Connector) driver.Connector
	appended    appended
}

// SetOperator says which user of the operating system runs the process, as
// audit.Record.Operator: every record from then on bears it. It is called before
// the database is used.
func (db *DB) SetOperator(operator identity.Actor) { db.operator = operator }

// Operator returns the operating system's user that SetOperator set; empty without one.
func (db *DB) Operator() identity.Actor { return db.operator }

// Close closes the database.
func (db *DB) Close() error {
	db.locks.Close()
	if db.read != db.write {
		return errors.Join(db.read.Close(), db.write.Close())
	}
	return db.write.Close()
}

// Sequences says where the sequences stand.
type Sequences struct {
	Events    int64 `db:"event_seq"`
	Decisions int64 `db:"decision_seq"`
	Audit     int64 `db:"audit_idx"`
}

// Sequences returns where the sequences stand.
func (db *DB) Sequences(ctx context.Context) (Sequences, error) {
	var h Sequences
	if err := db.read.GetContext(ctx, &h, `SELECT event_seq, decision_seq, audit_idx FROM head`); err != nil {
		return Sequences{}, fmt.Errorf("read the sequence numbers: %w", err)
	}
	return h, nil
}

// Micros is an instant as it is stored, in microseconds since 1970. In JSON it is
// what RFC 3339 says, UTC.
type Micros int64

// Time returns the instant, UTC; the zero time for 0.
func (m Micros) Time() time.Time { return instant(int64(m)) }

// MarshalJSON implements json.Marshaler.
func (m Micros) MarshalJSON() ([]byte, error) { return instant(int64(m)).MarshalJSON() }

// UnmarshalJSON implements json.Unmarshaler.
func (m *Micros) UnmarshalJSON(text []byte) error {
	var t time.Time
	err := t.UnmarshalJSON(text)
	*m = Micros(micros(t))
	return err
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// scanEach reads the rows of a query one by one.
func scanEach(ctx context.Context, q sqlx.QueryerContext, query string, args []any, scan func(row *sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // reading
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
