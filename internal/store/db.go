// Package store keeps behov's state in SQLite or PostgreSQL: people and HR events,
// decisions, steps under way, the audit trail and what is projected from it. It owns the
// schema's invariants: an audit record is appended in the transaction of the state
// change, personal values outside the identity tables are sealed, sequences have no gaps.
//
// It must never decide anything about access.
package store

import (
	"context"
	"crypto/subtle"
	"database/sql"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/migrations"
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
	operator    string
	wrap        func(driver.Connector) driver.Connector
}

// SetOperator says which user of the operating system runs the process, as
// audit.Record.Operator: every record from then on bears it. It is called before
// the database is used.
func (db *DB) SetOperator(operator string) { db.operator = operator }

// Operator returns the operating system's user that SetOperator set; empty without one.
func (db *DB) Operator() string { return db.operator }

// Open opens the database named by a URL, "sqlite:FILE" or
// "postgres://user@host/db", creates a missing SQLite file readable for its
// owner only, and brings the schema up to date.
func Open(ctx context.Context, databaseURL string, master *seal.Master) (*DB, error) {
	return open(ctx, databaseURL, master, func(c driver.Connector) driver.Connector { return c })
}

// open is Open with connections that a test wraps.
func open(ctx context.Context, databaseURL string, master *seal.Master, wrap func(driver.Connector) driver.Connector) (*DB, error) {
	db := &DB{master: master, wrap: wrap}
	if err := db.connect(databaseURL); err != nil {
		return nil, err
	}
	var err error
	if db.jobs, err = queue.New(db.write.DB, db.read.DB, db.postgres); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.registerMasterKey(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// connect opens the connections to a database.
func (db *DB) connect(databaseURL string) (err error) {
	if file, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		return db.openSQLite(file)
	}
	if !strings.HasPrefix(databaseURL, "postgres://") && !strings.HasPrefix(databaseURL, "postgresql://") {
		return errors.New(`the database must be "sqlite:FILE" or "postgres://…"`)
	}
	db.postgres = true
	db.write, err = db.openPostgres(databaseURL)
	if err != nil {
		return err
	}
	db.read, db.locks = db.write, lock.OnPostgres(db.write.DB)
	return nil
}

func (db *DB) openSQLite(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	db.file, db.locks = file, lock.OnFile(file)
	// SQLite gets no statistics (ANALYZE, PRAGMA optimize): statistics of tables that
	// were empty make it scan them when they are large. Without statistics it uses an
	// index wherever one serves, and a test checks that one does.
	//
	// Pragmas stand in the DSN so that every pooled connection has them.
	// synchronous(FULL): an intent must survive a power cut. secure_delete: an erased
	// name must not linger in free pages.
	q := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "busy_timeout(10000)", "foreign_keys(1)", "secure_delete(1)", "cache_size(-16384)"}}
	base := "file:" + (&url.URL{Path: file}).EscapedPath() + "?" + q.Encode()
	db.write = sqlx.NewDb(sql.OpenDB(db.wrap(statementCache{&sqlite.Driver{}, base + "&_txlock=immediate"})), "sqlite")
	db.write.SetMaxOpenConns(1)
	db.read = sqlx.NewDb(sql.OpenDB(db.wrap(statementCache{&sqlite.Driver{}, base})), "sqlite")
	return nil
}

// migrate brings the schema up to date; of several that begin at the same time
// one does it, and the others wait.
func (db *DB) migrate(ctx context.Context) error {
	alone, err := db.locks.Wait(ctx, time.Minute, "migrate")
	if err != nil {
		return err
	}
	defer alone.Unlock()
	dialect, dir := goose.DialectSQLite3, "sqlite"
	if db.postgres {
		dialect, dir = goose.DialectPostgres, "postgres"
	}
	files, err := fs.Sub(migrations.FS, dir)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	provider, err := goose.NewProvider(dialect, db.write.DB, files)
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	done, err := provider.Up(ctx)
	if IsOutOfSpace(err) {
		return fmt.Errorf("database %s: no space left on its disk: free space and run the command again: %w", db.file, err)
	}
	if err != nil {
		return fmt.Errorf("bring the schema of the database %s up to date: %w", db.file, err)
	}
	for _, m := range done {
		db.migrated = append(db.migrated, filepath.Base(m.Source.Path))
	}
	return db.jobs.Migrate(ctx)
}

// registerMasterKey records the master key of a new database and refuses another key
// afterwards: values sealed with it could not be opened with the right one.
func (db *DB) registerMasterKey(ctx context.Context) error {
	sum, err := db.master.Hash("master.print", "")
	if err != nil {
		return err
	}
	mine, noted := hex.EncodeToString(sum), ""
	err = db.read.GetContext(ctx, &noted, `SELECT print FROM master_key`)
	if errors.Is(err, sql.ErrNoRows) {
		err = db.Write(ctx, func(tx *Tx) error {
			if err := tx.checkMasterKey(ctx); err != nil { // it may be older than this
				return err
			}
			if err := tx.exec(ctx, `INSERT INTO master_key (id, print) VALUES (1, $1) ON CONFLICT DO NOTHING`, mine); err != nil {
				return err
			}
			return tx.tx.GetContext(ctx, &noted, `SELECT print FROM master_key`)
		})
	}
	if err == nil && subtle.ConstantTimeCompare([]byte(noted), []byte(mine)) != 1 {
		err = errors.New("what is in it was sealed with another key file: use the one that belongs to it")
	}
	if err != nil {
		return fmt.Errorf("database: %w", err)
	}
	return nil
}

// AppliedMigrations returns the migrations that were carried out when the database was
// opened. Each keeps the version of behov before it running.
func (db *DB) AppliedMigrations() []string { return db.migrated }

// IsNew reports whether the database was new and empty when it was opened.
func (db *DB) IsNew() bool {
	return slices.ContainsFunc(db.migrated, func(m string) bool { return strings.HasPrefix(m, "00001_") })
}

// SchemaVersion returns the number of the last migration that was carried out;
// a later version of behov may have carried out more than this one knows.
func (db *DB) SchemaVersion(ctx context.Context) (version int64, err error) {
	if err := db.read.GetContext(ctx, &version, `SELECT MAX(version_id) FROM goose_db_version WHERE is_applied`); err != nil {
		return 0, fmt.Errorf("read the schema's version: %w", err)
	}
	return version, nil
}

// Close closes the database.
func (db *DB) Close() error {
	db.locks.Close()
	if db.read != db.write {
		return errors.Join(db.read.Close(), db.write.Close())
	}
	return db.write.Close()
}

// Tx is a writing transaction.
type Tx struct {
	tx      *sqlx.Tx
	db      *DB
	keys    map[string]*seal.PersonKey
	logins  loginNames
	records []pendingRecord
	changed map[string]bool // people about whom the transaction records something
	asked   bool            // an operator waits: the job runs even when a target was unavailable
	last    string          // the event or decision that was recorded last
	jobs    []queue.Job

	statements map[insertKey]string
	headLocked bool
}

// Write runs f in a transaction, commits it when f returns nil and rolls it
// back otherwise. Audit records appended in it are linked into the chain last
// of all, so that the chain's head is locked for as short as can be.
func (db *DB) Write(ctx context.Context, f func(*Tx) error) error {
	err := db.writeOnce(ctx, f)
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
	tx := &Tx{tx: sqlTx, db: db, keys: map[string]*seal.PersonKey{}}
	if err := f(tx); err != nil {
		return errors.Join(err, ignoreDone(sqlTx.Rollback()))
	}
	if err := tx.flushJobs(ctx); err != nil {
		return errors.Join(err, ignoreDone(sqlTx.Rollback()))
	}
	if err := tx.flushAudit(ctx); err != nil {
		return errors.Join(err, ignoreDone(sqlTx.Rollback()))
	}
	if err := sqlTx.Commit(); err != nil {
		return fmt.Errorf("database: %w", err)
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
		return Sequences{}, fmt.Errorf("read the heads: %w", err)
	}
	return h, nil
}

// key returns the person's key, as loadKeys has it.
func (tx *Tx) key(ctx context.Context, person string) (*seal.PersonKey, error) {
	if k := tx.keys[person]; k != nil {
		return k, nil
	}
	if err := tx.loadKeys(ctx, []string{person}); err != nil {
		return nil, err
	}
	return tx.keys[person], nil
}

// loadKeys brings the keys of people into the transaction's cache: from the table, or
// newly made.
func (tx *Tx) loadKeys(ctx context.Context, people []string) error {
	var missing []string
	for _, person := range people {
		if tx.keys[person] == nil {
			missing = append(missing, person)
		}
	}
	slices.Sort(missing)
	var made []any
	for page := range slices.Chunk(slices.Compact(missing), peoplePage) {
		where, args := in(tx.tx, "person_id", page, nil)
		if err := scanEach(ctx, tx.tx, `SELECT person_id, wrapped FROM person_key WHERE `+where, args, func(row *sql.Rows) error {
			var person string
			var wrapped []byte
			if err := row.Scan(&person, &wrapped); err != nil {
				return err
			}
			var err error
			tx.keys[person], err = tx.db.master.OpenPersonKey(person, wrapped)
			return err
		}); err != nil {
			return fmt.Errorf("read keys of people: %w", err)
		}
		for _, person := range page {
			if tx.keys[person] != nil {
				continue
			}
			key, wrapped, err := tx.db.master.NewPersonKey(person)
			if err != nil {
				return err
			}
			tx.keys[person] = key
			made = append(made, person, wrapped)
		}
	}
	if err := tx.insert(ctx, inserts{table: "person_key", columns: []string{"person_id", "wrapped"}}, made); err != nil {
		return fmt.Errorf("keys of people: %w", err)
	}
	return nil
}

func loadKey(ctx context.Context, q sqlx.QueryerContext, master *seal.Master, person string) (*seal.PersonKey, error) {
	var wrapped []byte
	if err := sqlx.GetContext(ctx, q, &wrapped, `SELECT wrapped FROM person_key WHERE person_id = $1`, person); err != nil {
		return nil, err
	}
	return master.OpenPersonKey(person, wrapped)
}

// keys opens the keys of people; of those who are erased there is none.
func (db *DB) keys(ctx context.Context, of []identity.PersonID) (map[string]*seal.PersonKey, error) {
	keys := make(map[string]*seal.PersonKey, len(of))
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(of))), peoplePage) {
		where, args := in(db.read, "person_id", page, nil)
		var rows []struct {
			Person  string `db:"person_id"`
			Wrapped []byte `db:"wrapped"`
		}
		if err := db.read.SelectContext(ctx, &rows, `SELECT person_id, wrapped FROM person_key WHERE `+where, args...); err != nil {
			return nil, fmt.Errorf("read keys of people: %w", err)
		}
		for _, r := range rows {
			key, err := db.master.OpenPersonKey(r.Person, r.Wrapped)
			if err != nil {
				return nil, fmt.Errorf("key of person %s: %w", r.Person, err)
			}
			keys[r.Person] = key
		}
	}
	return keys, nil
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
