package store

import (
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// IntervalQuery selects access intervals. Empty fields select everything.
type IntervalQuery struct {
	Person      identity.PersonID
	Target      string
	Entitlement string
	// From and To select intervals that overlap the stretch from From
	// (included) to To (not included); an instant is the stretch of a
	// microsecond. A zero To has no end.
	From, To time.Time
	// Changed selects, of these, those that began or ended within From and To.
	Changed bool
	// Open selects those that have not ended.
	Open bool
	// After and Most select, of one entitlement or one person, at most so many after an
	// interval, sorted by person and beginning; no Most is all.
	After IntervalKey
	Most  int
}

// IntervalKey is where an interval stands in the order of person and beginning.
type IntervalKey struct {
	Person  identity.PersonID
	SinceUS int64
	Record  int64 // with which it began
}

// At makes the query select what held at an instant.
func (q IntervalQuery) At(t time.Time) IntervalQuery {
	q.From, q.To = t, t.Add(time.Microsecond)
	return q
}

// Intervals returns access intervals, sorted by person, target, entitlement
// and time.
func (db *DB) Intervals(ctx context.Context, q IntervalQuery) ([]audit.Interval, error) {
	return intervals(ctx, db.read, q)
}

func intervals(ctx context.Context, queryer sqlx.QueryerContext, q IntervalQuery) ([]audit.Interval, error) {
	query := `SELECT ` + intervalColumns + ` FROM access_interval WHERE 1 = 1`
	var args []any
	where := func(condition string, value any) {
		args = append(args, value)
		query += fmt.Sprintf(" AND "+condition, len(args))
	}
	if q.Person != "" {
		where("person_id = $%d", q.Person)
	}
	if q.Target != "" {
		where("target = $%d", q.Target)
	}
	if q.Entitlement != "" {
		where("entitlement = $%d", q.Entitlement)
	}
	if q.Changed {
		to := int64(math.MaxInt64)
		if !q.To.IsZero() {
			to = micros(q.To)
		}
		n := len(args) + 1
		args = append(args, micros(q.From), to)
		query += fmt.Sprintf(" AND (since_us >= $%d AND since_us < $%d OR until_us >= $%[1]d AND until_us < $%[2]d)", n, n+1)
		q.From, q.To = time.Time{}, time.Time{}
	}
	if !q.To.IsZero() {
		where("since_us < $%d", q.To.UnixMicro())
	}
	if !q.From.IsZero() {
		where("(until_us IS NULL OR until_us > $%d)", q.From.UnixMicro())
	}
	if q.Open {
		query += " AND until_us IS NULL"
	}
	if q.Most > 0 {
		n := len(args) + 1
		args = append(args, string(q.After.Person), q.After.SinceUS, q.After.Record, q.Most)
		query += fmt.Sprintf(" AND (person_id, since_us, since_record) > ($%d, $%d, $%d) ORDER BY person_id, since_us, since_record LIMIT $%d", n, n+1, n+2, n+3)
	}
	all, err := scanIntervals(ctx, queryer, query, args)
	if q.Most == 0 {
		audit.SortIntervals(all)
	}
	return all, err
}

// ChangeQuery selects access that began, or ended, within a stretch of time.
type ChangeQuery struct {
	Ended    bool // those that ended
	From, To time.Time
	// After is the place of the one before: the instant and the record of its beginning or
	// end.
	After IntervalKey
	Most  int
}

// AccessChanged returns at most so many intervals that began, or ended, within From
// (included) and To (not included), in order of that. A zero To has no end.
func (db *DB) AccessChanged(ctx context.Context, q ChangeQuery) ([]audit.Interval, error) {
	at, record := "since_us", "since_record"
	if q.Ended {
		at, record = "until_us", "until_record"
	}
	to := int64(math.MaxInt64)
	if !q.To.IsZero() {
		to = micros(q.To)
	}
	return scanIntervals(ctx, db.read, fmt.Sprintf(`SELECT `+intervalColumns+` FROM access_interval WHERE %[1]s >= $1 AND %[1]s < $2 AND (%[1]s, %[2]s, person_id) > ($3, $4, $5) ORDER BY %[1]s, %[2]s, person_id LIMIT $6`, at, record),
		[]any{max(micros(q.From), q.After.SinceUS), to, q.After.SinceUS, q.After.Record, string(q.After.Person), q.Most})
}

// NewestChanged returns at most so many intervals that began, or ended, since an instant, the
// last ones first.
func (db *DB) NewestChanged(ctx context.Context, ended bool, since time.Time, most int) ([]audit.Interval, error) {
	at, record := "since_us", "since_record"
	if ended {
		at, record = "until_us", "until_record"
	}
	return scanIntervals(ctx, db.read, fmt.Sprintf(`SELECT `+intervalColumns+` FROM access_interval WHERE %[1]s >= $1 ORDER BY %[1]s DESC, %[2]s DESC, person_id DESC LIMIT $2`, at, record), []any{micros(since), most})
}

// OpenIntervalsOf returns the open intervals of some people, sorted by person and beginning.
func (db *DB) OpenIntervalsOf(ctx context.Context, people []identity.PersonID) ([]audit.Interval, error) {
	var all []audit.Interval
	for page := range slices.Chunk(people, peoplePage) {
		where, args := in(db.read, "person_id", page, nil)
		part, err := scanIntervals(ctx, db.read, `SELECT `+intervalColumns+` FROM access_interval WHERE `+where+` AND until_us IS NULL`, args)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	audit.SortIntervals(all)
	return all, nil
}

// ChangedOf returns the access of some people that began or ended since an instant, sorted by
// person and beginning.
func (db *DB) ChangedOf(ctx context.Context, people []identity.PersonID, since time.Time) ([]audit.Interval, error) {
	var all []audit.Interval
	for page := range slices.Chunk(people, peoplePage) {
		where, args := in(db.read, "person_id", page, []any{micros(since)})
		part, err := scanIntervals(ctx, db.read, `SELECT `+intervalColumns+` FROM access_interval WHERE `+where+` AND (since_us >= $1 OR until_us >= $1)`, args)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	audit.SortIntervals(all)
	return all, nil
}

const intervalColumns = `person_id, target, entitlement, since_us, since_record, until_us, until_record, unseen_us, unseen_record, given, reason`

func scanIntervals(ctx context.Context, queryer sqlx.QueryerContext, query string, args []any) ([]audit.Interval, error) {
	rows, err := queryer.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read access intervals: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	var all []audit.Interval
	for rows.Next() {
		var i audit.Interval
		var since int64
		var until, untilRecord, unseen, unseenRecord sql.NullInt64
		if err := rows.Scan((*string)(&i.Person), &i.Target, &i.Entitlement, &since, &i.SinceRecord, &until, &untilRecord, &unseen, &unseenRecord, &i.Given, &i.Reason); err != nil {
			return nil, fmt.Errorf("read access intervals: %w", err)
		}
		i.Since, i.Until, i.UntilRecord = instant(since), instant(until.Int64), untilRecord.Int64
		i.UnseenSince, i.UnseenRecord = instant(unseen.Int64), unseenRecord.Int64
		all = append(all, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read access intervals: %w", err)
	}
	return all, nil
}
