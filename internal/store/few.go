package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// Few are some people, of whom something is read without reading everybody's.
// Nil is everybody.
type Few []identity.PersonID

// among returns a condition that a column names one of them, and the
// arguments with what it needs. Of everybody it is always true.
func (f Few) among(column string, args []any) (string, []any) {
	if f == nil {
		return "1 = 1", args
	}
	if len(f) == 0 {
		return "1 = 0", args
	}
	var b strings.Builder
	b.WriteString(column + " IN (")
	for i, id := range f {
		if i > 0 {
			b.WriteByte(',')
		}
		args = append(args, string(id))
		fmt.Fprintf(&b, "$%d", len(args))
	}
	b.WriteByte(')')
	return b.String(), args
}

// PeopleAmong returns those of them who are known, sorted by ID.
func (db *DB) PeopleAmong(ctx context.Context, f Few) ([]identity.Person, error) {
	sorted := slices.Compact(slices.Sorted(slices.Values(f)))
	var all []identity.Person
	for _, id := range sorted {
		one, err := peopleWhere(ctx, db.read, `id = $1`, string(id))
		if err != nil {
			return nil, fmt.Errorf("read people: %w", err)
		}
		all = append(all, one...)
	}
	return all, nil
}

// SponsoredBy returns whose contracts one of the people answers for.
func (db *DB) SponsoredBy(ctx context.Context, f Few) (Few, error) {
	where, args := f.among("k.person_id", nil)
	var ids Few
	if err := db.read.SelectContext(ctx, &ids, `SELECT DISTINCT e.person_id FROM employment e JOIN person_source_key k ON k.key = e.sponsor_key WHERE e.sponsor_key <> '' AND `+where+` ORDER BY e.person_id`, args...); err != nil {
		return nil, fmt.Errorf("read sponsored people: %w", err)
	}
	return ids, nil
}

// Touched returns those of the people whom something happened to since the
// heads were read: an HR event, a decision, or a step in the target that
// another plan made. What was planned for them then may be wrong now.
func (tx *Tx) Touched(ctx context.Context, target string, f Few, since Heads, plan string) (map[identity.PersonID]bool, error) {
	touched := map[identity.PersonID]bool{}
	if f != nil && len(f) == 0 {
		return touched, nil
	}
	ask := func(query string, args ...any) error {
		where, args := f.among("person_id", args)
		var ids []identity.PersonID
		if err := tx.tx.SelectContext(ctx, &ids, query+" AND "+where, args...); err != nil {
			return fmt.Errorf("read what happened meanwhile: %w", err)
		}
		for _, id := range ids {
			touched[id] = true
		}
		return nil
	}
	var now Heads
	if err := tx.tx.GetContext(ctx, &now, `SELECT event_seq, decision_seq, audit_idx FROM head`); err != nil {
		return nil, fmt.Errorf("read the heads: %w", err)
	}
	if now.Events > since.Events {
		if err := ask(`SELECT DISTINCT person_id FROM hr_event WHERE seq > $1`, since.Events); err != nil {
			return nil, err
		}
	}
	if now.Decisions > since.Decisions {
		if err := ask(`SELECT DISTINCT person_id FROM decision WHERE seq > $1`, since.Decisions); err != nil {
			return nil, err
		}
	}
	if now.Audit > since.Audit {
		if err := ask(`SELECT DISTINCT person_id FROM audit_record WHERE idx > $1 AND target = $2 AND action = $3 AND plan <> $4`, since.Audit, target, string(audit.StepEnded), plan); err != nil {
			return nil, err
		}
	}
	return touched, nil
}

// TargetState is what the last run over everybody saw of a target.
type TargetState struct {
	Target  string `db:"target" json:"target"`
	Enabled int    `db:"enabled" json:"enabled"` // people with a usable account
	ReadUS  int64  `db:"read_us" json:"-"`
	// Missed says why it was not seen as a whole; empty when it was.
	Missed string `db:"missed" json:"missed,omitempty"`
}

// Read is when the target was read, UTC.
func (s TargetState) Read() time.Time { return instant(s.ReadUS) }

// TargetStates returns what was last seen of each target that was ever read.
func (db *DB) TargetStates(ctx context.Context) (map[string]TargetState, error) {
	var rows []TargetState
	if err := db.read.SelectContext(ctx, &rows, `SELECT `+columns[TargetState]("")+` FROM target_state`); err != nil {
		return nil, fmt.Errorf("read what was seen of the targets: %w", err)
	}
	states := map[string]TargetState{}
	for _, s := range rows {
		states[s.Target] = s
	}
	return states, nil
}

// SetTargetState notes when a target was read, what was missed of it, and how
// many people have a usable account there now, as the trail has it.
func (tx *Tx) SetTargetState(ctx context.Context, target, missed string, read time.Time) error {
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO target_state (target, missed, read_us, enabled)
		SELECT $1, $2, $3, COUNT(*) FROM access_interval WHERE target = $1 AND entitlement = $4 AND until_us IS NULL
		ON CONFLICT (target) DO UPDATE SET enabled = excluded.enabled, read_us = excluded.read_us, missed = excluded.missed`,
		target, missed, micros(read), audit.Account); err != nil {
		return fmt.Errorf("note what was seen of target %s: %w", target, err)
	}
	return nil
}

// LostSince returns who lost something in a target since an instant, by a step
// of ours.
func (db *DB) LostSince(ctx context.Context, target string, since time.Time) (map[identity.PersonID]bool, error) {
	var ids []identity.PersonID
	if err := sqlx.SelectContext(ctx, db.read, &ids, `SELECT DISTINCT i.person_id FROM access_interval i JOIN audit_record r ON r.idx = i.until_record
		WHERE i.target = $1 AND i.until_us >= $2 AND r.action = $3`, target, micros(since), string(audit.StepEnded)); err != nil {
		return nil, fmt.Errorf("read who lost access: %w", err)
	}
	lost := make(map[identity.PersonID]bool, len(ids))
	for _, id := range ids {
		lost[id] = true
	}
	return lost, nil
}
