package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
)

// Absence is a time in which a person is away and another decides in their place. A person has
// one at a time, now or to come.
type Absence struct {
	Person identity.PersonID `db:"person_id"`
	Deputy identity.PersonID `db:"deputy_id"`
	// Since and Until are its first and its last day.
	Since    identity.Date `db:"since"`
	Until    identity.Date `db:"until"`
	Decision int64         `db:"decision"` // that says so
}

// On reports whether a day is in it.
func (a Absence) On(day identity.Date) bool { return a.Since <= day && day <= a.Until }

// AbsencesFrom returns the absences that are not over on a day, by their first day.
func (tx *Tx) AbsencesFrom(ctx context.Context, day identity.Date) ([]Absence, error) {
	return absences(ctx, tx.tx, "until >= $1", string(day))
}

// DecideAbsence records that a person is away, or with Lift that they are not, and returns the
// decision with its number. check is told of the other absences that are not over: when it
// returns an error nothing is recorded.
func (tx *Tx) DecideAbsence(ctx context.Context, a Absence, d Decision, at time.Time, today identity.Date, check func([]Absence) error) (Decision, error) {
	d.Kind, d.Person = AbsenceDecision, a.Person
	d, err := tx.Decide(ctx, d, at) // whose lock on the sequences keeps other decisions away
	if err != nil {
		return d, err
	}
	others, err := tx.AbsencesFrom(ctx, today)
	if err != nil {
		return d, err
	}
	if err := check(slices.DeleteFunc(others, func(o Absence) bool { return o.Person == a.Person })); err != nil {
		return d, err
	}
	if d.Verdict == Lift {
		return d, wrapped(tx.exec(ctx, `DELETE FROM absence WHERE person_id = $1`, string(a.Person)), "end an absence")
	}
	return d, wrapped(tx.exec(ctx, `INSERT INTO absence (person_id, deputy_id, since, until, decision) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (person_id) DO UPDATE SET deputy_id = excluded.deputy_id, since = excluded.since, until = excluded.until, decision = excluded.decision`,
		string(a.Person), string(a.Deputy), string(a.Since), string(a.Until), d.Seq), "record an absence")
}

// MoveAbsences has a person decide in whose place another did, and drops the other's own: the
// two are one.
func (tx *Tx) MoveAbsences(ctx context.Context, from, to identity.PersonID) error {
	for _, statement := range []string{`DELETE FROM absence WHERE person_id = $1 OR person_id = $2 AND deputy_id = $1`, `UPDATE absence SET deputy_id = $2 WHERE deputy_id = $1`} {
		if err := tx.exec(ctx, statement, string(from), string(to)); err != nil {
			return fmt.Errorf("absences of person %s: %w", from, err)
		}
	}
	return nil
}

// AbsencesFrom returns the absences that are not over on a day, by their first day.
func (db *DB) AbsencesFrom(ctx context.Context, day identity.Date) ([]Absence, error) {
	return absences(ctx, db.read, "until >= $1", string(day))
}

// AbsencesWith returns the absences on a day of people in whose place one of the deputies
// decides.
func (db *DB) AbsencesWith(ctx context.Context, deputies []identity.PersonID, day identity.Date) ([]Absence, error) {
	return db.absencesOf(ctx, "deputy_id", deputies, day)
}

// AbsencesOf returns the absences of the people that are not over on a day.
func (db *DB) AbsencesOf(ctx context.Context, people []identity.PersonID, day identity.Date) ([]Absence, error) {
	return db.absencesOf(ctx, "person_id", people, day)
}

func (db *DB) absencesOf(ctx context.Context, column string, people []identity.PersonID, day identity.Date) ([]Absence, error) {
	var all []Absence
	for page := range slices.Chunk(people, peoplePage) {
		where, args := in(db.read, column, page, nil)
		some, err := absences(ctx, db.read, where, args...)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return slices.DeleteFunc(all, func(a Absence) bool { return a.Until < day || column == "deputy_id" && a.Since > day }), nil
}

func absences(ctx context.Context, q queryer, where string, args ...any) ([]Absence, error) {
	rows, err := q.QueryxContext(ctx, `SELECT `+columns[Absence]("")+` FROM absence WHERE `+where+` ORDER BY since, person_id`, args...)
	if err != nil {
		return nil, fmt.Errorf("read absences: %w", err)
	}
	defer rows.Close() //nolint:errcheck // what went wrong is in Err
	var all []Absence
	for rows.Next() {
		var a Absence
		if err := rows.StructScan(&a); err != nil {
			return nil, fmt.Errorf("read absences: %w", err)
		}
		all = append(all, a)
	}
	return all, wrapped(rows.Err(), "read absences")
}
