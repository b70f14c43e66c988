package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/seal"
)

// Dialer connects to PostgreSQL.
var Dialer = dialer

// OpenWrapped is Open with connections that a test wraps.
func OpenWrapped(ctx context.Context, url string, master *seal.Master, wrap func(driver.Connector) driver.Connector) (*DB, error) {
	return open(ctx, url, master, wrap)
}

// ErrNotEmpty is errNotEmpty.
var ErrNotEmpty = errNotEmpty

// ReadPool returns the connections that the database reads with.
func ReadPool(db *DB) *sql.DB { return db.read.DB }

// Query runs a query and reads what it answers.
func Query(ctx context.Context, db *DB, query string, args ...any) error {
	return scanEach(ctx, db.read, query, args, func(*sql.Rows) error { return nil })
}

// Plan returns what scans finds in a statement's plan, whatever its parameters are.
func Plan(ctx context.Context, db *DB, query string, scans func(driver.Rows) ([]string, error)) (found []string, err error) {
	conn, err := db.read.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	most := 0
	for _, m := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(query, -1) {
		var n int
		if _, err := fmt.Sscan(m[1], &n); err != nil {
			return nil, err
		}
		most = max(most, n)
	}
	explain, args := "EXPLAIN QUERY PLAN "+query, make([]driver.NamedValue, most)
	for i := range args {
		args[i] = driver.NamedValue{Ordinal: i + 1, Value: "x"}
	}
	if db.postgres {
		name := fmt.Sprintf("plan%x", sha256.Sum256([]byte(query)))[:40]
		for _, s := range []string{`SET plan_cache_mode = force_generic_plan`, `PREPARE ` + name + ` AS ` + query} {
			if _, err := conn.ExecContext(ctx, s); err != nil {
				return nil, fmt.Errorf("%s: %w", s, err)
			}
		}
		explain, args = "EXPLAIN (FORMAT JSON) EXECUTE "+name, nil
		if most > 0 {
			explain += "(" + strings.Repeat("NULL, ", most-1) + "NULL)"
		}
	}
	err = conn.Raw(func(c any) error {
		rows, err := c.(driver.QueryerContext).QueryContext(ctx, explain, args)
		if err != nil {
			return fmt.Errorf("%s: %w", explain, err)
		}
		found, err = scans(rows)
		return errors.Join(err, rows.Close())
	})
	return found, err
}

// Tables returns the tables that the database has besides those of its jobs
// and of its own migrations.
func (db *DB) Tables(ctx context.Context) ([]string, error) {
	query := `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`
	if db.postgres {
		query = `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()`
	}
	var all []string
	if err := db.read.SelectContext(ctx, &all, query); err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return slices.DeleteFunc(all, func(name string) bool {
		return strings.HasPrefix(name, "river_") || strings.HasPrefix(name, "goose_") || name == "master_key" // each its own
	}), nil
}

// Events streams the recorded events of a person in their order, opened.
func (db *DB) Events(ctx context.Context, person identity.PersonID) ([]identity.Event, error) {
	key, err := loadKey(ctx, db.read, db.master, person)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil // nothing was ever sealed for the person, or they are erased
	}
	if err != nil {
		return nil, fmt.Errorf("key of person %s: %w", person, err)
	}
	rows, err := db.read.QueryContext(ctx, `SELECT seq, source, kind, employment_id, effective, recorded_us, payload_sealed
		FROM hr_event WHERE person_id = $1 ORDER BY seq`, string(person))
	if err != nil {
		return nil, fmt.Errorf("read HR events: %w", err)
	}
	defer rows.Close()
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
		e.Key, e.Login, e.PersonFacts, e.EmploymentFacts, e.Report = payload.Key, payload.Login, payload.Person, payload.Employment, payload.Report
		e.Stamp, e.PersonKey = payload.Stamp, payload.PersonKey
		events = append(events, e)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read HR events: %w", err)
	}
	return events, nil
}
