package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jmoiron/sqlx"
	"modernc.org/sqlite"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/seal"
)

// Tx is a writing transaction.
type Tx struct {
	tx      *sqlx.Tx
	db      *DB
	keys    map[identity.PersonID]*seal.PersonKey
	logins  loginNames
	records []pendingRecord
	events  *pendingEvents             // that no record is about yet
	changed map[identity.PersonID]bool // people about whom the transaction records something
	asked   bool                       // an operator waits: the job runs even when a target was unavailable
	last    string                     // the event or decision that was recorded last
	jobs    []queue.Job

	statements map[insertKey]string
	headLocked bool
}

// Write runs f in a transaction, commits it when f returns nil and rolls it
// back otherwise. Audit records appended in it are linked into the chain last
// of all, so that the chain's head is locked for as short as can be.
func (db *DB) Write(ctx context.Context, f func(*Tx) error) error {
	err := db.writeOnce(ctx, besideOf(ctx).with(f))
	if isDatabaseFault(err) {
		db.unwritten.Store(&writeFault{time.Now(), err})
	}
	return err
}

// writeFault is what could not be written down, and when.
type writeFault struct {
	at  time.Time
	err error
}

// LastWriteFault returns why something could not be written down within so long, for
// want of room or for another fault of the database; nil when nothing was.
// Something small may find room where something large does not.
func (db *DB) LastWriteFault(within time.Duration) error {
	if u := db.unwritten.Load(); u != nil && time.Since(u.at) < within {
		return u.err
	}
	return nil
}

// isDatabaseFault reports whether an error is a fault of the database itself: no space,
// no permission, a failing disk. Sources: sqlite.org/rescode.html, and PostgreSQL's
// Appendix A for classes 53, 58 and read_only_sql_transaction.
func isDatabaseFault(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		switch lite.Code() & 0xff {
		case 8, 10, 11, 13, 14, 26: // READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB
			return true
		}
	}
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (strings.HasPrefix(refused.Code, "53") || strings.HasPrefix(refused.Code, "58") || refused.Code == "25006")
}

// IsBadText reports whether an error says that a text cannot be one of PostgreSQL's: it has a
// NUL, or is no UTF-8 (class 22 of its Appendix A). SQLite takes any.
func IsBadText(err error) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && (refused.Code == "22021" || refused.Code == "22P05")
}

// IsOutOfSpace reports whether an error says that a disk is full, or that its
// owner's quota is used up.
func IsOutOfSpace(err error) bool {
	var lite *sqlite.Error
	if errors.As(err, &lite) && lite.Code()&0xff == 13 { // FULL
		return true
	}
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == "53100" { // disk_full
		return true
	}
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// CheckWritable writes something that changes nothing, and says why it cannot.
func (db *DB) CheckWritable(ctx context.Context) error {
	return db.Write(ctx, func(tx *Tx) error {
		_, err := tx.LockSequences(ctx)
		return err
	})
}

func (db *DB) writeOnce(ctx context.Context, f func(*Tx) error) error {
	sqlTx, err := db.write.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	tx := &Tx{tx: sqlTx, db: db, keys: map[identity.PersonID]*seal.PersonKey{}}
	if err := f(tx); err != nil {
		return errors.Join(err, ignoreDone(sqlTx.Rollback()))
	}
	if err := tx.flushJobs(ctx); err != nil {
		return errors.Join(err, ignoreDone(sqlTx.Rollback()))
	}
	records := len(tx.records)
	if err := tx.flushAudit(ctx); err != nil {
		return errors.Join(err, ignoreDone(sqlTx.Rollback()))
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if records > 0 {
		db.appended.announce()
	}
	return nil
}

// ignoreDone drops the error that says a transaction has ended already, as a
// cancelled context ends it by itself.
func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

func (tx *Tx) exec(ctx context.Context, query string, args ...any) error {
	_, err := tx.tx.ExecContext(ctx, query, args...)
	return err
}
