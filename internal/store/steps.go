package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// OpenStep is a step that was intended and not yet seen to end.
type OpenStep struct {
	AttemptID  audit.AttemptID   `db:"id"`
	Target     string            `db:"target"`
	Person     identity.PersonID `db:"person_id"`
	Body       string            `db:"body"` // the plan's step, as JSON
	Plan       audit.PlanDigest  `db:"plan"`
	IntendedUS int64             `db:"intended_us"`
	// Detail is what a target answered when its answer was not usable.
	Detail reason.Reason `db:"detail"`
}

// Intended is when the step was intended, UTC.
func (s OpenStep) Intended() time.Time { return instant(s.IntendedUS) }

// OpenSteps returns the open steps of people in a target, oldest first.
func (db *DB) OpenSteps(ctx context.Context, target string, of PersonSet) ([]OpenStep, error) {
	var steps []OpenStep
	where, args := of.condition(db.read, "person_id", []any{target})
	if err := db.read.SelectContext(ctx, &steps, `SELECT `+columns[OpenStep]("")+` FROM open_step WHERE target = $1 AND `+where+` ORDER BY id`, args...); err != nil {
		return nil, fmt.Errorf("read open steps: %w", err)
	}
	return steps, nil
}

// IntendSteps records steps as intended.
func (tx *Tx) IntendSteps(ctx context.Context, steps []OpenStep, at time.Time) error {
	insert, err := tx.tx.PrepareContext(ctx, `INSERT INTO open_step (id, target, person_id, body, plan, intended_us) VALUES ($1, $2, $3, $4, $5, $6)`)
	if err != nil {
		return fmt.Errorf("intend steps: %w", err)
	}
	defer insert.Close() //nolint:errcheck // closed with the transaction at the latest
	for _, s := range steps {
		if _, err := insert.ExecContext(ctx, s.AttemptID, s.Target, s.Person, s.Body, s.Plan, micros(at)); err != nil {
			return fmt.Errorf("intend step %s: %w", s.AttemptID, err)
		}
	}
	return nil
}

// SetStepDetail records the error of a step whose outcome is not known.
func (tx *Tx) SetStepDetail(ctx context.Context, id audit.AttemptID, detail reason.Reason) error {
	if _, err := tx.tx.ExecContext(ctx, `UPDATE open_step SET detail = $2 WHERE id = $1`, id, detail); err != nil {
		return fmt.Errorf("step %s: %w", id, err)
	}
	return nil
}

// EndSteps is EndStep for many, and returns those that were open.
func (tx *Tx) EndSteps(ctx context.Context, ids []audit.AttemptID) (map[audit.AttemptID]bool, error) {
	open := make(map[audit.AttemptID]bool, len(ids))
	if len(ids) == 0 {
		return open, nil
	}
	var ended []audit.AttemptID
	where, args := in(tx.tx, "id", ids, nil)
	if err := tx.tx.SelectContext(ctx, &ended, `DELETE FROM open_step WHERE `+where+` RETURNING id`, args...); err != nil {
		return nil, fmt.Errorf("end steps: %w", err)
	}
	for _, id := range ended {
		open[id] = true
	}
	return open, nil
}

// EndStep deletes an open step; its outcome stands in the audit trail. It reports whether
// the step was open: no step ends twice.
func (tx *Tx) EndStep(ctx context.Context, id audit.AttemptID) (bool, error) {
	res, err := tx.tx.ExecContext(ctx, `DELETE FROM open_step WHERE id = $1`, id)
	if err != nil {
		return false, fmt.Errorf("end step %s: %w", id, err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// Accounts returns the native ID of the account in a target of each of the
// people who has one there.
func (db *DB) Accounts(ctx context.Context, target string, of PersonSet) (map[identity.PersonID]string, error) {
	return collect(db.EachAccount(ctx, target, of))
}

// Account is a person's account in a target, by the target's own ID, and what
// behov knows of it.
type Account struct {
	Person identity.PersonID
	Native string
	// Created and Closed are when behov created and disabled it, Disabled is when
	// a run first found it disabled though behov had not disabled it; zero for
	// never. UTC.
	Created, DisabledByBehov, FoundDisabled time.Time
	// Missing is when a run first saw that it is nowhere in the target; zero while
	// nothing shows it. UTC.
	Missing time.Time
}

// EachAccount is Accounts, sorted by person, one after another.
func (db *DB) EachAccount(ctx context.Context, target string, of PersonSet) iter.Seq2[Account, error] {
	where, args := of.condition(db.read, "person_id", []any{target})
	return db.accounts(ctx, where, args)
}

func collect(accounts iter.Seq2[Account, error]) (map[identity.PersonID]string, error) {
	all := map[identity.PersonID]string{}
	for a, err := range accounts {
		if err != nil {
			return nil, err
		}
		all[a.Person] = a.Native
	}
	return all, nil
}

// AccountOf returns the native ID of a person's account in a target, empty
// without one.
func (db *DB) AccountOf(ctx context.Context, target string, person identity.PersonID) (string, error) {
	accounts, err := db.Accounts(ctx, target, Only(person))
	return accounts[person], err
}

// HasAccount reports whether a person has a known account in a target; one that a run saw
// to be missing does not count.
func (db *DB) HasAccount(ctx context.Context, target string, person identity.PersonID) (bool, error) {
	for a, err := range db.EachAccount(ctx, target, Only(person)) {
		if err != nil || a.Missing.IsZero() {
			return true, err
		}
	}
	return false, nil
}

// AccountsByNativeID returns, by person, those of the given accounts in a target that are
// known as the person's.
func (db *DB) AccountsByNativeID(ctx context.Context, target string, native []string) (map[identity.PersonID]string, error) {
	where, args := in(db.read, "native_id", native, []any{target})
	return collect(db.accounts(ctx, where, args))
}

func (db *DB) accounts(ctx context.Context, where string, args []any) iter.Seq2[Account, error] {
	return func(yield func(Account, error) bool) {
		eachRow(ctx, db.read, `SELECT person_id, native_id, created_us, closed_us, disabled_us, gone_us FROM account WHERE target = $1 AND `+where+` ORDER BY person_id`, args, func(rows *sql.Rows, err error) bool {
			var a Account
			var created, closed, disabled, gone int64
			if err == nil {
				err = rows.Scan(&a.Person, &a.Native, &created, &closed, &disabled, &gone)
				a.Created, a.DisabledByBehov, a.FoundDisabled, a.Missing = instant(created), instant(closed), instant(disabled), instant(gone)
			}
			if err != nil {
				return yield(a, fmt.Errorf("read accounts: %w", err))
			}
			return yield(a, nil)
		})
	}
}

// AccountRef names a person's account in a target by the target's own ID.
type AccountRef struct {
	Target string
	Person identity.PersonID
	Native string
}

// BindAccount records which account in a target is the person's. When it is another one
// than before, what was recorded of the former one is reset.
func (tx *Tx) BindAccount(ctx context.Context, a AccountRef) error {
	_, err := tx.tx.ExecContext(ctx, `INSERT INTO account (target, person_id, native_id) VALUES ($1, $2, $3)
		ON CONFLICT (target, person_id) DO UPDATE SET native_id = excluded.native_id, created_us = 0, closed_us = 0, disabled_us = 0, gone_us = 0, signed_in = ''
		WHERE account.native_id <> excluded.native_id`, a.Target, a.Person, a.Native)
	if err != nil {
		return fmt.Errorf("account of person %s in %s: %w", a.Person, a.Target, err)
	}
	return nil
}

// RecordAccountCreated records that behov created an account. Like the other RecordAccount
// methods it does nothing unless that account is bound to the person.
func (tx *Tx) RecordAccountCreated(ctx context.Context, a AccountRef, at time.Time) error {
	return tx.updateAccount(ctx, a, `created_us = $4`, at)
}

// RecordAccountDisabled records that behov disabled an account.
func (tx *Tx) RecordAccountDisabled(ctx context.Context, a AccountRef, at time.Time) error {
	return tx.updateAccount(ctx, a, `closed_us = $4, disabled_us = 0`, at)
}

// RecordAccountFoundDisabled records that a run found an account disabled which behov did
// not disable.
func (tx *Tx) RecordAccountFoundDisabled(ctx context.Context, a AccountRef, at time.Time) error {
	return tx.updateAccount(ctx, a, `disabled_us = $4, closed_us = 0`, at)
}

// RecordAccountEnabled records that an account is enabled.
func (tx *Tx) RecordAccountEnabled(ctx context.Context, a AccountRef) error {
	return tx.updateAccount(ctx, a, `closed_us = $4, disabled_us = $4`, time.Time{})
}

// RecordAccountMissing records that a run saw that an account is nowhere in its target.
func (tx *Tx) RecordAccountMissing(ctx context.Context, a AccountRef, at time.Time) error {
	return tx.updateAccount(ctx, a, `gone_us = $4`, at)
}

// RecordAccountFound records that an account that was missing is in its target again.
func (tx *Tx) RecordAccountFound(ctx context.Context, a AccountRef) error {
	return tx.updateAccount(ctx, a, `gone_us = $4`, time.Time{})
}

func (tx *Tx) updateAccount(ctx context.Context, a AccountRef, set string, at time.Time) error {
	if err := tx.exec(ctx, `UPDATE account SET `+set+` WHERE target = $1 AND person_id = $2 AND native_id = $3`, a.Target, a.Person, a.Native, micros(at)); err != nil {
		return fmt.Errorf("account of person %s in %s: %w", a.Person, a.Target, err)
	}
	return nil
}

// ForgetAccount removes the note that BindAccount made.
func (tx *Tx) ForgetAccount(ctx context.Context, target string, person identity.PersonID) error {
	if _, err := tx.tx.ExecContext(ctx, `DELETE FROM account WHERE target = $1 AND person_id = $2`, target, person); err != nil {
		return fmt.Errorf("account of person %s in %s: %w", person, target, err)
	}
	return nil
}

// GatedGrant is a grant that waits at a gate.
type GatedGrant struct {
	Person      identity.PersonID `db:"person_id"`
	Entitlement string            `db:"entitlement"`
	Gate        string            `db:"gate"`
	SinceUS     Micros            `db:"since_us"` // when it was first seen to wait
}

// GatedGrants returns the grants of people that are known to wait.
func (db *DB) GatedGrants(ctx context.Context, of PersonSet) ([]GatedGrant, error) {
	var all []GatedGrant
	where, args := of.condition(db.read, "person_id", nil)
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[GatedGrant]("")+` FROM gated_grant WHERE `+where+` ORDER BY person_id, entitlement`, args...); err != nil {
		return nil, fmt.Errorf("read waiting grants: %w", err)
	}
	return all, nil
}

// AddGatedGrant notes that a grant waits, or waits at another gate, since a time.
func (tx *Tx) AddGatedGrant(ctx context.Context, w GatedGrant) error {
	if _, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO gated_grant (person_id, entitlement, gate, since_us) VALUES (:person_id, :entitlement, :gate, :since_us)
		ON CONFLICT (person_id, entitlement) DO UPDATE SET gate = excluded.gate, since_us = excluded.since_us`, w); err != nil {
		return fmt.Errorf("waiting grant: %w", err)
	}
	return nil
}

// RemoveGatedGrant notes that a grant waits no more.
func (tx *Tx) RemoveGatedGrant(ctx context.Context, person identity.PersonID, entitlement string) error {
	if _, err := tx.tx.ExecContext(ctx, `DELETE FROM gated_grant WHERE person_id = $1 AND entitlement = $2`, person, entitlement); err != nil {
		return fmt.Errorf("waiting grant: %w", err)
	}
	return nil
}

// VersionKind says of what a Version is one.
type VersionKind string

// The kinds of version.
const (
	RulesVersion         VersionKind = "rules"
	ConfigurationVersion VersionKind = "configuration"
	ProgramVersion       VersionKind = "program"
)

// Version is a version of the rules, the configuration or the program.
type Version struct {
	Kind    VersionKind
	Digest  string
	Content string // the text of which it is the digest
}

// RecordVersionInUse records which version is in use, and keeps its text, once. It reports
// whether another version, or none, was in use before.
func (tx *Tx) RecordVersionInUse(ctx context.Context, v Version, at time.Time) (bool, error) {
	res, err := tx.tx.ExecContext(ctx, `INSERT INTO version_in_use (kind, digest) VALUES ($1, $2)
		ON CONFLICT (kind) DO UPDATE SET digest = excluded.digest WHERE version_in_use.digest <> excluded.digest`, v.Kind, v.Digest)
	if err != nil {
		return false, fmt.Errorf("version of the %s: %w", v.Kind, err)
	}
	n, err := res.RowsAffected()
	if err != nil || n == 0 {
		return false, err
	}
	if err := tx.exec(ctx, `INSERT INTO rules_version (digest, content, recorded_us) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING`, v.Digest, v.Content, micros(at)); err != nil {
		return false, fmt.Errorf("version of the %s: %w", v.Kind, err)
	}
	return true, nil
}

// VersionTexts returns the texts of versions by digest, of those that are kept.
func (db *DB) VersionTexts(ctx context.Context, digests []string) (map[string]string, error) {
	where, args := in(db.read, "digest", digests, nil)
	var rows []struct{ Digest, Content string }
	if err := db.read.SelectContext(ctx, &rows, `SELECT digest, content FROM rules_version WHERE `+where, args...); err != nil {
		return nil, fmt.Errorf("read versions: %w", err)
	}
	texts := make(map[string]string, len(rows))
	for _, r := range rows {
		texts[r.Digest] = r.Content
	}
	return texts, nil
}

// GivenAccess is access that behov gave, and why.
type GivenAccess struct {
	Person      identity.PersonID
	Entitlement string
	Reason      reason.Reason
}

// GivenAccess returns the access of people in a target that behov gave or
// adopted, and has not taken back, sorted by person and entitlement. What was
// seen only, and what was bound only, is not in it.
func (db *DB) GivenAccess(ctx context.Context, target string, of PersonSet) iter.Seq2[GivenAccess, error] {
	return func(yield func(GivenAccess, error) bool) {
		where, args := of.condition(db.read, "person_id", []any{target})
		names, reasons := interner[string]{}, interner[reason.Reason]{}
		eachRow(ctx, db.read, `SELECT person_id, entitlement, reason FROM access_interval
			WHERE target = $1 AND until_us IS NULL AND given AND `+where+` ORDER BY person_id, entitlement`, args, func(rows *sql.Rows, err error) bool {
			var g GivenAccess
			if err == nil {
				err = rows.Scan(&g.Person, &g.Entitlement, &g.Reason)
			}
			if err != nil {
				return yield(g, fmt.Errorf("read access: %w", err))
			}
			names.intern(&g.Entitlement)
			reasons.intern(&g.Reason)
			return yield(g, nil)
		})
	}
}

// UnrepairedDrift returns what was taken away in a target behind our back and is left
// so.
func (db *DB) UnrepairedDrift(ctx context.Context, target string, of PersonSet) ([]audit.Key, error) {
	where, args := of.condition(db.read, "person_id", []any{target})
	var rows []struct {
		Person      identity.PersonID `db:"person_id"`
		Entitlement string            `db:"entitlement"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT person_id, entitlement FROM unrepaired_drift WHERE target = $1 AND `+where+` ORDER BY person_id, entitlement`, args...); err != nil {
		return nil, fmt.Errorf("read what is left so: %w", err)
	}
	keys := make([]audit.Key, len(rows))
	for i, r := range rows {
		keys[i] = audit.Key{Person: r.Person, Target: target, Entitlement: r.Entitlement}
	}
	return keys, nil
}

// RecordUnrepairedDrift records access that was changed in the target and is left so.
func (tx *Tx) RecordUnrepairedDrift(ctx context.Context, k audit.Key, at time.Time) error {
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO unrepaired_drift (target, person_id, entitlement, since_us) VALUES ($1, $2, $3, $4) ON CONFLICT (target, person_id, entitlement) DO NOTHING`,
		k.Target, k.Person, k.Entitlement, micros(at)); err != nil {
		return fmt.Errorf("leave access: %w", err)
	}
	return nil
}

// ClearUnrepairedDrift deletes what RecordUnrepairedDrift recorded.
func (tx *Tx) ClearUnrepairedDrift(ctx context.Context, k audit.Key) error {
	if _, err := tx.tx.ExecContext(ctx, `DELETE FROM unrepaired_drift WHERE target = $1 AND person_id = $2 AND entitlement = $3`, k.Target, k.Person, k.Entitlement); err != nil {
		return fmt.Errorf("leave access: %w", err)
	}
	return nil
}

// ActiveAccess is access that has not ended by the audit trail.
type ActiveAccess struct {
	Person      identity.PersonID
	Entitlement string
	Unseen      bool // readings of the target do not show it any more
}

// ActiveAccess returns the access that people have in a target by the audit trail, sorted
// by person.
func (db *DB) ActiveAccess(ctx context.Context, target string, of PersonSet) iter.Seq2[ActiveAccess, error] {
	return func(yield func(ActiveAccess, error) bool) {
		where, args := of.condition(db.read, "person_id", []any{target})
		once := interner[string]{}
		eachRow(ctx, db.read, `SELECT person_id, entitlement, unseen_us IS NOT NULL FROM access_interval WHERE target = $1 AND until_us IS NULL AND `+where+` ORDER BY person_id, entitlement`, args, func(rows *sql.Rows, err error) bool {
			var k ActiveAccess
			if err == nil {
				err = rows.Scan(&k.Person, &k.Entitlement, &k.Unseen)
			}
			if err != nil {
				return yield(k, fmt.Errorf("read access: %w", err))
			}
			once.intern(&k.Entitlement)
			return yield(k, nil)
		})
	}
}

// OpenAccess is access that lasts, by the audit trail.
type OpenAccess struct {
	Person      identity.PersonID
	Entitlement string
	Given       bool // behov gave or adopted it, and did not only see it
}

// OpenAccess returns all access that lasts, in every target, sorted by person.
func (db *DB) OpenAccess(ctx context.Context) iter.Seq2[OpenAccess, error] {
	return func(yield func(OpenAccess, error) bool) {
		once := interner[string]{}
		eachRow(ctx, db.read, `SELECT person_id, entitlement, given FROM access_interval WHERE until_us IS NULL ORDER BY person_id`, nil, func(rows *sql.Rows, err error) bool {
			var a OpenAccess
			if err == nil {
				err = rows.Scan(&a.Person, &a.Entitlement, &a.Given)
			}
			if err != nil {
				return yield(a, fmt.Errorf("read access: %w", err))
			}
			once.intern(&a.Entitlement)
			return yield(a, nil)
		})
	}
}

// eachRow reads the rows of a query one by one, and ends with the first error.
func eachRow(ctx context.Context, q sqlx.QueryerContext, query string, args []any, each func(rows *sql.Rows, err error) bool) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		each(nil, err)
		return
	}
	defer rows.Close() //nolint:errcheck // reading
	for rows.Next() {
		if !each(rows, nil) {
			return
		}
	}
	if err := rows.Err(); err != nil {
		each(nil, err)
	}
}

// interner keeps one copy of equal strings.
type interner[T comparable] map[T]T

func (o interner[T]) intern(all ...*T) {
	for _, s := range all {
		one, ok := o[*s]
		if !ok {
			one = *s
			o[one] = one
		}
		*s = one
	}
}

// FingerprintKey returns the key of the fingerprints that plans carry in place
// of personal values.
func (db *DB) FingerprintKey() ([]byte, error) {
	return db.master.Hash("plan.fingerprint", "")
}
