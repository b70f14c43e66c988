package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/migrations"
)

// EvaluatorDifference is an entitlement of a person on which the fast evaluator
// and Casbin did not agree.
type EvaluatorDifference struct {
	RulesDigest string `db:"rules_digest" json:"rules_digest"`
	Person      string `db:"person_id" json:"person"`
	Entitlement string `db:"entitlement" json:"entitlement"`
	Detail      string `db:"detail" json:"detail"` // names the rule
	FoundUS     Micros `db:"found_us" json:"found"`
}

// EvaluatorDifferences returns the differences that were found with rules about
// people, sorted by person and entitlement.
func (db *DB) EvaluatorDifferences(ctx context.Context, rulesDigest string, of PersonSet) ([]EvaluatorDifference, error) {
	where, args := of.condition(db.read, "person_id", []any{rulesDigest})
	var all []EvaluatorDifference
	if err := db.read.SelectContext(ctx, &all, `SELECT rules_digest, person_id, entitlement, detail, found_us FROM evaluator_difference
		WHERE rules_digest = $1 AND `+where+` ORDER BY person_id, entitlement`, args...); err != nil {
		return nil, fmt.Errorf("read differences between the evaluators: %w", err)
	}
	return all, nil
}

// SetEvaluatorDifferences replaces what was found about a person with rules.
func (tx *Tx) SetEvaluatorDifferences(ctx context.Context, rulesDigest string, person identity.PersonID, found []EvaluatorDifference, at time.Time) error {
	err := tx.exec(ctx, `DELETE FROM evaluator_difference WHERE rules_digest = $1 AND person_id = $2`, rulesDigest, string(person))
	for _, d := range found {
		if err == nil {
			err = tx.exec(ctx, `INSERT INTO evaluator_difference (rules_digest, person_id, entitlement, detail, found_us) VALUES ($1, $2, $3, $4, $5)`,
				rulesDigest, string(person), d.Entitlement, d.Detail, micros(at))
		}
	}
	if err != nil {
		return fmt.Errorf("note differences between the evaluators about person %s: %w", person, err)
	}
	return nil
}

// PersonIDs returns the IDs of all people, sorted.
func (db *DB) PersonIDs(ctx context.Context) ([]identity.PersonID, error) {
	var all []identity.PersonID
	if err := db.read.SelectContext(ctx, &all, `SELECT id FROM person ORDER BY id`); err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return all, nil
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
