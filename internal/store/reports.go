package store

import (
	"context"
	"fmt"
	"time"

	"github.com/behov/behov/internal/identity"
)

const withReports = `SELECT DISTINCT person_id FROM employment WHERE reported <> ''`

// PeopleWithReports returns the people with an open report of an employment, sorted by ID.
func (db *DB) PeopleWithReports(ctx context.Context) ([]identity.Person, error) {
	people, err := peopleByQuery(ctx, db.read, withReports)
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	return people, nil
}

// PeopleWithReports is DB.PeopleWithReports as the transaction sees it.
func (tx *Tx) PeopleWithReports(ctx context.Context) ([]identity.Person, error) {
	people, err := peopleByQuery(ctx, tx.tx, withReports)
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	return people, nil
}

// OverruledReports returns the decisions since an instant by which the statement of an HR
// source overruled a report, the newest first.
func (db *DB) OverruledReports(ctx context.Context, since time.Time) ([]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = 'report' AND verdict = 'overrule' AND decided_us >= $1 ORDER BY decided_us DESC, seq DESC`, micros(since)); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}
