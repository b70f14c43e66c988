package hr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/sheet"
	"github.com/behov/behov/internal/store"
)

// pullView runs a source's query. With a high-water mark it continues from the
// largest value that it saw; rows with exactly that value are read again, as
// there may be more of them now, and change nothing.
func (im *Importer) pullView(ctx context.Context, source config.Source) ([]*Report, error) {
	before, err := im.DB.SourceCursor(ctx, source.Name)
	if err != nil {
		return nil, err
	}
	from := before.Position
	if from == "" {
		from = source.SQL.Start
	}
	s, highest, err := runQuery(ctx, source.SQL, from)
	if err != nil {
		return nil, fmt.Errorf("source %s: the query failed: %w", source.Name, withoutDatabaseDetail(err))
	}
	sum := sha256.New()
	for fields := range s.All() {
		fmt.Fprintf(sum, "%q\n", fields)
	}
	hash := hex.EncodeToString(sum.Sum(nil))
	if done, err := im.imported(ctx, source, hash); err != nil || done {
		return nil, err
	}
	if held, err := im.isHeld(ctx, source, hash); err != nil || held {
		return nil, err
	}
	name := "query of " + source.Name
	export, err := read(name, s, source, im.Config.Attributes, im.Config.Rules.Units, im.Today())
	if err != nil {
		return im.refuseOnce(ctx, source, name, hash, err)
	}
	d := Delivery{Source: source, Name: name, Hash: hash, ExportedAt: im.Now(), ExportTimeStated: true, Export: export}
	if source.SQL.HighWater != "" {
		d.Position = &store.Position{Position: highest}
	}
	report, err := im.Deliver(ctx, d)
	if err != nil {
		return nil, err
	}
	return []*Report{report}, nil
}

// withoutDatabaseDetail removes the database's text about a query that failed, as
// it may contain data. For a failed connection it returns the reason.
func withoutDatabaseDetail(err error) error {
	var connecting *pgconn.ConnectError
	var said *pgconn.PgError
	if errors.As(err, &connecting) || !errors.As(err, &said) {
		return err
	}
	return fmt.Errorf("the database says SQLSTATE %s: run it by hand to see of which row", said.Code)
}

const (
	// connectTimeout bounds connecting to HR's database, and queryTimeout a
	// query: the source is not read again before.
	connectTimeout = 15 * time.Second
	queryTimeout   = 10 * time.Minute
)

// openView opens the database of a view.
func openView(database string) (*sqlx.DB, error) {
	if file, ok := strings.CutPrefix(database, "sqlite:"); ok {
		return sqlx.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	}
	c, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, err
	}
	c.ConnectTimeout = min(c.ConnectTimeout, connectTimeout)
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	return sqlx.NewDb(stdlib.OpenDB(*c), "pgx"), nil
}

// runQuery returns a query's rows, and the largest value of the high-water
// column.
func runQuery(ctx context.Context, v *config.View, from string) (s *sheet.Records, highest string, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	db, err := openView(v.Database)
	if err != nil {
		return nil, "", errors.New("the database's URL is not valid")
	}
	defer db.Close()                     //nolint:errcheck // reading
	postgres := db.DriverName() == "pgx" // SQLite stores no time zone
	query, args := v.Query, []any{}
	if v.HighWater != "" {
		query, args = strings.ReplaceAll(query, ":high_water", "$1"), []any{from}
	}
	// The statement is from the configuration; its one value is a parameter.
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		return nil, "", err
	}
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, "", err
	}
	s, highest = sheet.NewRecords(), from
	for rows.Next() {
		values, err := sqlx.SliceScan(rows)
		if err != nil {
			return nil, "", err
		}
		fields := make([]string, len(names))
		for i, name := range names {
			fields[i] = textOf(values[i], types[i].DatabaseTypeName() == "TIMESTAMP" && postgres)
			if name == v.HighWater && greaterStamp(fields[i], highest) {
				highest = fields[i]
			}
		}
		s.Add(names, fields)
	}
	for _, name := range names { // of a query without rows
		s.Name(name)
	}
	return s, highest, rows.Err()
}

// textOf returns a database value as an export would have it; local reports that
// its time has no zone.
func textOf(v any, local bool) string {
	switch v := v.(type) {
	case nil:
		return ""
	case []byte:
		return string(v)
	case time.Time:
		if v.Equal(v.Truncate(24*time.Hour)) && v.Location() == time.UTC {
			return v.Format(time.DateOnly)
		}
		if local { // a time in the organisation's zone
			return v.Format("2006-01-02T15:04:05.999999999")
		}
		return v.UTC().Format(time.RFC3339Nano)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// greaterStamp compares numbers as numbers, and everything else as text. A number
// that is not finite is never larger: nothing would come after it.
func greaterStamp(a, b string) bool {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
		return false
	}
	if err1 == nil && err2 == nil {
		return x > y
	}
	return a > b
}
