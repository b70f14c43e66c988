package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/behov/behov/internal/seal"
)

// Dialer connects to PostgreSQL.
var Dialer = dialer

// OpenWrapped is Open with connections that a test wraps.
func OpenWrapped(ctx context.Context, url string, master *seal.Master, wrap func(driver.Connector) driver.Connector) (*DB, error) {
	return open(ctx, url, master, wrap)
}

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
