package store

import (
	"context"
	"fmt"
	"time"
)

// Stats are counts and ages for monitoring. They name no person.
type Stats struct {
	Oldest  map[string]time.Time // by target, when the oldest step was intended that has not ended
	Failing map[string]int       // by target, steps that failed and are tried again
	Parked  map[string]int       // by target, steps that wait for a person
	Holds   map[string]int       // by what is held
	Heard   map[string]time.Time // by HR source, when something new came last
	Heads   Sequences
}

// Stats returns the figures of now.
func (db *DB) Stats(ctx context.Context) (Stats, error) {
	f := Stats{Oldest: map[string]time.Time{}, Failing: map[string]int{}, Parked: map[string]int{}, Holds: map[string]int{}, Heard: map[string]time.Time{}}
	each := func(query string, note func(name string, n int64)) error {
		var rows []struct {
			Name string `db:"name"`
			N    int64  `db:"n"`
		}
		if err := db.read.SelectContext(ctx, &rows, query); err != nil {
			return fmt.Errorf("read figures: %w", err)
		}
		for _, r := range rows {
			note(r.Name, r.N)
		}
		return nil
	}
	for _, q := range []struct {
		query string
		note  func(name string, n int64)
	}{
		{`SELECT target AS name, MIN(intended_us) AS n FROM open_step GROUP BY target`, func(name string, n int64) { f.Oldest[name] = instant(n) }},
		{`SELECT target AS name, COUNT(*) AS n FROM failing_step WHERE state = '` + string(Trying) + `' GROUP BY target`, func(name string, n int64) { f.Failing[name] = int(n) }},
		{`SELECT target AS name, COUNT(*) AS n FROM failing_step WHERE state = '` + string(Parked) + `' GROUP BY target`, func(name string, n int64) { f.Parked[name] = int(n) }},
		{`SELECT subject AS name, COUNT(*) AS n FROM hold GROUP BY subject`, func(name string, n int64) { f.Holds[name] = int(n) }},
		{`SELECT s.value AS name, COALESCE((SELECT recorded_us FROM hr_import WHERE source = s.value AND ` + wentIn + ` ORDER BY recorded_us DESC LIMIT 1), 0) AS n FROM (` + distinct("hr_import", "source", "1 = 1") + `) AS s`, func(name string, n int64) {
			if n != 0 {
				f.Heard[name] = instant(n)
			}
		}},
	} {
		if err := each(q.query, q.note); err != nil {
			return f, err
		}
	}
	var err error
	f.Heads, err = db.Sequences(ctx)
	return f, err
}
