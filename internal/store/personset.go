package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// PersonSet selects people: given ones, or everyone, which has to be said. The zero
// value selects no one: a set that was forgotten must not reach everyone's access.
type PersonSet struct {
	ids []identity.PersonID // sorted, each once
	all bool
}

// Everyone selects all people.
func Everyone() PersonSet { return PersonSet{all: true} }

// Only selects the given people, and no one without any.
func Only(ids ...identity.PersonID) PersonSet {
	return PersonSet{ids: slices.Compact(slices.Sorted(slices.Values(ids)))}
}

// IsEveryone reports whether the set is Everyone.
func (s PersonSet) IsEveryone() bool { return s.all }

// Contains reports whether the set selects a person.
func (s PersonSet) Contains(id identity.PersonID) bool {
	_, found := slices.BinarySearch(s.ids, id)
	return s.all || found
}

// IDs returns the people whom Only selected, sorted; nil of Everyone, whose IDs the
// database has.
func (s PersonSet) IDs() []identity.PersonID { return s.ids }

// queryer is a database or a transaction, of which it is known which kind it is.
type queryer interface {
	sqlx.QueryerContext
	DriverName() string
}

// condition returns an SQL condition that a column names a selected person, and args
// with the parameter that it needs.
func (s PersonSet) condition(q queryer, column string, args []any) (string, []any) {
	if s.all {
		return "1 = 1", args
	}
	return in(q, column, s.ids, args)
}

// in returns a condition that a column has one of some values, and the arguments
// with what it needs: one more, however many values there are. A parameter for each
// would make each number of values a statement of its own, and SQLite looks up each
// numbered parameter among all.
func in[T ~string | ~int64](q queryer, column string, values []T, args []any) (string, []any) {
	switch {
	case len(values) == 0:
		return "1 = 0", args
	case len(values) == 1:
		args = append(args, plain(values[0]))
		return fmt.Sprintf("%s = $%d", column, len(args)), args
	case q.DriverName() == "sqlite":
		text, err := json.Marshal(values)
		if err != nil {
			return "1 = 0", args // strings and numbers are JSON always
		}
		args = append(args, string(text))
		return fmt.Sprintf("%s IN (SELECT value FROM json_each($%d))", column, len(args)), args
	}
	args = append(args, arrayParameter(values))
	return fmt.Sprintf("%s = ANY($%d)", column, len(args)), args
}

// inHashes is in for hashes.
func inHashes(q queryer, column string, hashes [][]byte, args []any) (string, []any) {
	if q.DriverName() != "sqlite" {
		args = append(args, hashes)
		return fmt.Sprintf("%s = ANY($%d)", column, len(args)), args
	}
	texts := make([]string, len(hashes)) // JSON has no bytes
	for i, h := range hashes {
		texts[i] = hex.EncodeToString(h)
	}
	text, err := json.Marshal(texts)
	if err != nil {
		return "1 = 0", args // strings are JSON always
	}
	args = append(args, string(text))
	return fmt.Sprintf("%s IN (SELECT unhex(value) FROM json_each($%d))", column, len(args)), args
}

// plain is a value as a driver takes it.
func plain[T ~string | ~int64](v T) any {
	if n := reflect.ValueOf(v); n.Kind() == reflect.Int64 {
		return n.Int()
	}
	return fmt.Sprint(v)
}

// arrayParameter is values as PostgreSQL's driver takes them.
func arrayParameter[T ~string | ~int64](values []T) any {
	if reflect.TypeFor[T]().Kind() == reflect.Int64 {
		numbers := make([]int64, len(values))
		for i, v := range values {
			numbers[i] = reflect.ValueOf(v).Int()
		}
		return numbers
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = reflect.ValueOf(v).String()
	}
	return texts
}

// PeopleByID returns those of them who are known, sorted by ID.
func (db *DB) PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error) {
	people, err := peopleAmong(ctx, db.read, ids, true)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return people, nil
}

// PersonNames is PeopleByID without employments, for those who are only to be named.
func (db *DB) PersonNames(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error) {
	people, err := peopleAmong(ctx, db.read, ids, false)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return people, nil
}

// peopleAmong reads people who lie scattered among all, a page at a time.
func peopleAmong(ctx context.Context, q queryer, ids []identity.PersonID, employed bool) ([]identity.Person, error) {
	all := make([]identity.Person, 0, len(ids))
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(ids))), peoplePage) {
		where, args := in(q, "id", page, nil)
		of, ofArgs := in(q, "person_id", page, nil)
		people, err := peopleWhere(ctx, q, where+` ORDER BY id`, args, of, ofArgs, employed)
		if err != nil {
			return nil, err
		}
		all = append(all, people...)
	}
	return all, nil
}

// SponsoredBy returns the people whose contracts one of the sponsors answers for, sorted.
func (db *DB) SponsoredBy(ctx context.Context, sponsors []identity.PersonID) ([]identity.PersonID, error) {
	var ids []identity.PersonID
	for page := range slices.Chunk(sponsors, peoplePage) {
		var some []identity.PersonID
		where, args := in(db.read, "k.person_id", page, nil)
		if err := db.read.SelectContext(ctx, &some, `SELECT e.person_id FROM person_source_key k JOIN employment e ON e.sponsor_key = k.key WHERE e.sponsor_key <> '' AND `+where, args...); err != nil {
			return nil, fmt.Errorf("read sponsored people: %w", err)
		}
		ids = append(ids, some...)
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// PeopleAffectedSince returns those of the people about whom something was recorded after
// the sequences were read: an HR event, a decision, a step in the target that another
// plan made or is about to make, or a bind. A plan for them may be wrong now.
func (tx *Tx) PeopleAffectedSince(ctx context.Context, target string, of PersonSet, since Sequences) (map[identity.PersonID]bool, error) {
	touched := map[identity.PersonID]bool{}
	if !of.all && len(of.ids) == 0 {
		return touched, nil
	}
	ask := func(query string, args ...any) error {
		where, args := of.condition(tx.tx, "person_id", args)
		var ids []identity.PersonID
		if err := tx.tx.SelectContext(ctx, &ids, query+" AND "+where, args...); err != nil {
			return fmt.Errorf("read what happened meanwhile: %w", err)
		}
		for _, id := range ids {
			touched[id] = true
		}
		return nil
	}
	var now Sequences
	if err := tx.tx.GetContext(ctx, &now, `SELECT event_seq, decision_seq, audit_idx FROM head`); err != nil {
		return nil, fmt.Errorf("read the sequence numbers: %w", err)
	}
	if now.Events > since.Events {
		if err := ask(eventsSince, since.Events); err != nil {
			return nil, err
		}
	}
	if now.Decisions > since.Decisions {
		if err := ask(decisionsSince, since.Decisions); err != nil {
			return nil, err
		}
	}
	if now.Audit > since.Audit {
		if err := ask(`SELECT person_id FROM audit_record WHERE idx > $1 AND target = $2 AND action IN ($3, $4, $5, $6)`,
			since.Audit, target, string(audit.StepIntended), string(audit.StepEnded), string(audit.AccountBound), string(audit.AccountRegistered)); err != nil {
			return nil, err
		}
	}
	return touched, nil
}

// Activity is what was recorded after sequences were read: the people with an HR event or
// a decision, and by person the last audit record of a step that another plan made, or is
// about to make, in a target, or of a bind or a registration there.
type Activity struct {
	Sequences   Sequences // as they are now
	People      []identity.PersonID
	StepRecords map[identity.PersonID]int64
}

// ActivitySince reads what happened in a target since, but for the steps of a plan. It reads
// what was recorded since and nothing else: a caller who asks again asks since the Sequences of
// the last answer. People are those of every target, StepRecords of this one.
func (tx *Tx) ActivitySince(ctx context.Context, target string, since Sequences, plan audit.PlanDigest) (Activity, error) {
	n := Activity{StepRecords: map[identity.PersonID]int64{}}
	if err := tx.tx.GetContext(ctx, &n.Sequences, `SELECT event_seq, decision_seq, audit_idx FROM head`); err != nil {
		return n, fmt.Errorf("read the sequence numbers: %w", err)
	}
	for _, q := range []struct {
		query      string
		since, now int64
	}{{eventsSince, since.Events, n.Sequences.Events}, {decisionsSince, since.Decisions, n.Sequences.Decisions}} {
		if q.now <= q.since {
			continue
		}
		var ids []identity.PersonID
		if err := tx.tx.SelectContext(ctx, &ids, q.query, q.since); err != nil {
			return n, fmt.Errorf("read what happened meanwhile: %w", err)
		}
		n.People = append(n.People, ids...)
	}
	if n.Sequences.Audit > since.Audit {
		var rows []struct {
			Index  int64             `db:"idx"`
			Person identity.PersonID `db:"person_id"`
		}
		if err := tx.tx.SelectContext(ctx, &rows, `SELECT idx, person_id FROM audit_record WHERE idx > $1 AND target = $2 AND action IN ($3, $4, $5, $6) AND plan <> $7 ORDER BY idx`,
			since.Audit, target, string(audit.StepIntended), string(audit.StepEnded), string(audit.AccountBound), string(audit.AccountRegistered), plan); err != nil {
			return n, fmt.Errorf("read what happened meanwhile: %w", err)
		}
		for _, r := range rows {
			n.StepRecords[r.Person] = r.Index
		}
	}
	return n, nil
}

const (
	eventsSince    = `SELECT person_id FROM hr_event WHERE seq > $1`
	decisionsSince = `SELECT person_id FROM decision WHERE seq > $1`
)

// PeopleChangedSince returns those of the people about whom there is an HR event or a
// decision after the given ones.
func (db *DB) PeopleChangedSince(ctx context.Context, of PersonSet, events, decisions int64) (map[identity.PersonID]bool, error) {
	changed := map[identity.PersonID]bool{}
	for query, seq := range map[string]int64{eventsSince: events, decisionsSince: decisions} {
		where, args := of.condition(db.read, "person_id", []any{seq})
		var ids []identity.PersonID
		if err := db.read.SelectContext(ctx, &ids, query+" AND "+where, args...); err != nil {
			return nil, fmt.Errorf("read what is new: %w", err)
		}
		for _, id := range ids {
			changed[id] = true
		}
	}
	return changed, nil
}

// LockSequences keeps other transactions from recording an HR event or a decision until
// this one ends, and returns the sequences.
func (tx *Tx) LockSequences(ctx context.Context) (Sequences, error) {
	var h Sequences
	if err := tx.tx.GetContext(ctx, &h, `UPDATE head SET event_seq = event_seq WHERE id = 1 RETURNING event_seq, decision_seq, audit_idx`); err != nil {
		return h, fmt.Errorf("read the sequence numbers: %w", err)
	}
	return h, nil
}

// TargetState is what the last run over everyone saw of a target.
type TargetState struct {
	Target  string `db:"target" json:"target"`
	Enabled int    `db:"enabled" json:"enabled"` // people with a usable account
	ReadUS  int64  `db:"read_us" json:"-"`
	// Events and Decisions are where the sequences stood when it began.
	Events    int64 `db:"event_seq" json:"events"`
	Decisions int64 `db:"decision_seq" json:"decisions"`
	// Missed says why it was not seen as a whole, or why not everything was done
	// there; empty when it was.
	Missed reason.Reason `db:"missed" json:"missed,omitzero"`
	// LoadedUS is when a run first brought everything there that belongs there; 0
	// until then.
	LoadedUS int64 `db:"loaded_us" json:"-"`
}

// Loaded reports whether a run has ever brought everything to the target that
// belongs there.
func (s TargetState) Loaded() bool { return s.LoadedUS != 0 }

// Read is when the run began that read the target, UTC.
func (s TargetState) Read() time.Time { return instant(s.ReadUS) }

// TargetStates returns what was last seen of each target that was ever read;
// under EveryTarget, of the last run that read all of them.
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

// SetTargetState notes when the run began that read a target, what it knew, what
// was missed, and how many people have a usable account there now, as the trail
// has it.
func (tx *Tx) SetTargetState(ctx context.Context, target string, missed reason.Reason, began time.Time, knew Sequences) error {
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO target_state (target, missed, read_us, event_seq, decision_seq, enabled)
		SELECT $1, $2, $3, $4, $5, COUNT(*) FROM access_interval WHERE target = $1 AND entitlement = $6 AND until_us IS NULL AND unseen_us IS NULL
		ON CONFLICT (target) DO UPDATE SET enabled = excluded.enabled, read_us = excluded.read_us, event_seq = excluded.event_seq, decision_seq = excluded.decision_seq, missed = excluded.missed`,
		target, missed, micros(began), knew.Events, knew.Decisions, audit.Account); err != nil {
		return fmt.Errorf("note what was seen of target %s: %w", target, err)
	}
	return nil
}

// MarkTargetLoaded records that a target has everything that belongs there. It does
// nothing when that is recorded already, or when no account there is known: a run before
// the first HR import loads nothing.
func (tx *Tx) MarkTargetLoaded(ctx context.Context, target string, at time.Time) error {
	if err := tx.exec(ctx, `UPDATE target_state SET loaded_us = $2 WHERE target = $1 AND loaded_us = 0 AND EXISTS (SELECT 1 FROM account a WHERE a.target = $1)`, target, micros(at)); err != nil {
		return fmt.Errorf("note that target %s is loaded: %w", target, err)
	}
	return nil
}

// RecordLimitUsage notes that something is done to people in a target that counts against
// its limits.
func (tx *Tx) RecordLimitUsage(ctx context.Context, target string, kind blastradius.Kind, people []identity.PersonID, at time.Time) error {
	for _, id := range people {
		if err := tx.exec(ctx, `INSERT INTO limit_usage (target, kind, person_id, at_us) VALUES ($1, $2, $3, $4)
			ON CONFLICT (target, kind, person_id) DO UPDATE SET at_us = excluded.at_us`, target, kind, string(id), micros(at)); err != nil {
			return fmt.Errorf("count what was done in target %s: %w", target, err)
		}
	}
	return nil
}

// PruneLimitUsage forgets what was done in a target before an instant.
func (tx *Tx) PruneLimitUsage(ctx context.Context, target string, before time.Time) error {
	if err := tx.exec(ctx, `DELETE FROM limit_usage WHERE target = $1 AND at_us < $2`, target, micros(before)); err != nil {
		return fmt.Errorf("count what was done in target %s: %w", target, err)
	}
	return nil
}

// LimitUsage returns, by kind, the people who count against a target's limits since an
// instant.
func (db *DB) LimitUsage(ctx context.Context, target string, since time.Time) (map[blastradius.Kind]map[identity.PersonID]bool, error) {
	return limitUsage(ctx, db.read, target, since)
}

// LimitUsage is DB.LimitUsage as the transaction sees it.
func (tx *Tx) LimitUsage(ctx context.Context, target string, since time.Time) (map[blastradius.Kind]map[identity.PersonID]bool, error) {
	return limitUsage(ctx, tx.tx, target, since)
}

func limitUsage(ctx context.Context, q sqlx.QueryerContext, target string, since time.Time) (map[blastradius.Kind]map[identity.PersonID]bool, error) {
	var rows []struct {
		Kind   blastradius.Kind  `db:"kind"`
		Person identity.PersonID `db:"person_id"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT kind, person_id FROM limit_usage WHERE target = $1 AND at_us >= $2`, target, micros(since)); err != nil {
		return nil, fmt.Errorf("read what counts against the limits of %s: %w", target, err)
	}
	counted := map[blastradius.Kind]map[identity.PersonID]bool{}
	for _, r := range rows {
		if counted[r.Kind] == nil {
			counted[r.Kind] = map[identity.PersonID]bool{}
		}
		counted[r.Kind][r.Person] = true
	}
	return counted, nil
}

// HeldSteps returns the steps of some people in a target that are held: by the
// step's key, the digest of the hold.
func (db *DB) HeldSteps(ctx context.Context, target string, of PersonSet) (map[audit.StepKey]audit.HoldDigest, error) {
	var rows []struct {
		Key    audit.StepKey    `db:"key"`
		Digest audit.HoldDigest `db:"digest"`
	}
	where, args := of.condition(db.read, "s.person_id", []any{target, PlanHold})
	if err := db.read.SelectContext(ctx, &rows, `SELECT s.key, s.digest FROM hold_step s JOIN hold h ON h.digest = s.digest WHERE h.subject = $1 AND h.kind = $2 AND `+where, args...); err != nil {
		return nil, fmt.Errorf("read what is held in target %s: %w", target, err)
	}
	held := map[audit.StepKey]audit.HoldDigest{}
	for _, r := range rows {
		held[r.Key] = r.Digest
	}
	return held, nil
}
