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
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
	"modernc.org/sqlite"

	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/migrations"
)

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
	if db.write, err = db.openPostgres(databaseURL); err != nil {
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

// ErrNotCurrent is returned for a database that is not there, or whose schema
// is that of another version of behov.
var ErrNotCurrent = errors.New("there is no database yet, or its schema is that of another version of behov")

// OpenCurrent opens a database to read it, without making one or bringing its
// schema up to date.
func OpenCurrent(ctx context.Context, databaseURL string, master *seal.Master) (*DB, error) {
	db := &DB{master: master, wrap: func(c driver.Connector) driver.Connector { return c }}
	dir := "sqlite"
	if file, ok := strings.CutPrefix(databaseURL, "sqlite:"); ok {
		if info, err := os.Stat(file); err != nil || info.Size() == 0 {
			return nil, ErrNotCurrent
		}
	} else {
		dir = "postgres"
	}
	if err := db.connect(databaseURL); err != nil {
		return nil, err
	}
	newest, err := newestSchema(dir)
	if err == nil {
		var has int64
		if has, err = db.SchemaVersion(ctx); err != nil || has != newest {
			err = errors.Join(ErrNotCurrent, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// newestSchema returns the number of the last migration that this version of
// behov knows.
func newestSchema(dir string) (newest int64, err error) {
	steps, err := fs.ReadDir(migrations.FS, dir)
	for _, step := range steps {
		number, _, _ := strings.Cut(step.Name(), "_")
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migrations: %w", err)
		}
		newest = max(newest, n)
	}
	return newest, err
}

// ForgetRolledBack leaves nothing in SQLite's log of what was written and rolled back: it
// stands there in clear until something else is written over it. It does nothing on
// PostgreSQL, and nothing while others read: it does not wait for them, as no one else can
// write meanwhile, and what is written later goes over it.
func (db *DB) ForgetRolledBack(ctx context.Context) (err error) {
	if db.file == "" {
		return nil
	}
	c, err := db.write.Conn(ctx)
	if err != nil {
		return fmt.Errorf("truncate the log: %w", err)
	}
	defer func() {
		_, restored := c.ExecContext(context.WithoutCancel(ctx), `PRAGMA busy_timeout = 10000`)
		err = errors.Join(err, restored, c.Close())
	}()
	for _, pragma := range []string{`PRAGMA busy_timeout = 0`, `PRAGMA wal_checkpoint(TRUNCATE)`} {
		if _, err := c.ExecContext(ctx, pragma); err != nil {
			return fmt.Errorf("truncate the log: %w", err)
		}
	}
	return nil
}
