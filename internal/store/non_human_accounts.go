package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// NonHumanKind says what uses an account that is no person's.
type NonHumanKind string

// The kinds.
const (
	ServiceKind NonHumanKind = "service" // a program or a system
	RobotKind   NonHumanKind = "robot"   // automates what people do on a screen
	AgentKind   NonHumanKind = "agent"   // an AI agent, which decides what it does
)

// NonHumanKinds are all kinds.
var NonHumanKinds = []NonHumanKind{ServiceKind, RobotKind, AgentKind}

// RegisterState is where an account of the register is. That its owner left or its last day
// passed follows from the day, and is not stored.
type RegisterState string

// The states.
const (
	Registered RegisterState = "registered"
	Retired    RegisterState = "retired" // it stays disabled
)

// NonHumanAccount is an account in a target that is no person's, as the register has it.
type NonHumanAccount struct {
	// ID names the account where steps and records name a person; no person has it.
	ID     identity.PersonID `db:"id"`
	Target string            `db:"target"`
	Native string            `db:"native_id"` // the target's own ID
	Name   string            `db:"name"`      // the login name when it was registered
	Kind   NonHumanKind      `db:"kind"`
	System string            `db:"system"` // of the catalogue, which it serves
	Owner  identity.PersonID `db:"owner_id"`
	// Purpose is what it is for.
	Purpose string        `db:"purpose"`
	Until   identity.Date `db:"until"` // the last day
	State   RegisterState `db:"state"`
	Changed int64         `db:"changed"` // the newest decision about it
}

// registerSpace is the name space of the IDs in the register (RFC 9562 section 6.5).
var registerSpace = uuid.MustParse("b5a10c5e-3c1a-4c9b-9a55-6b6f0b3f7c21")

// NonHumanAccountID returns the ID in the register of an account, by the target's own ID. It is
// always the same for one account, so that its trail goes on when it is registered again. IDs of
// people are of another version (UUIDv7): none is the same.
func NonHumanAccountID(target, native string) identity.PersonID {
	return identity.PersonID(uuid.NewSHA1(registerSpace, []byte(target+"\x00"+native)).String())
}

// NonHumanAccounts returns the accounts of the register in a target, or in all targets for the
// empty name, sorted by target and name.
func (db *DB) NonHumanAccounts(ctx context.Context, target string) ([]NonHumanAccount, error) {
	where, args := "1 = 1", []any(nil)
	if target != "" {
		where, args = "target = $1", []any{target}
	}
	return nonHumanAccounts(ctx, db.read, where, args)
}

// NonHumanAccountsAbout returns the accounts of the register that have one of the IDs, or that
// one of them owns.
func (db *DB) NonHumanAccountsAbout(ctx context.Context, ids []identity.PersonID) ([]NonHumanAccount, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	byID, args := in(db.read, "id", ids, nil)
	all, err := nonHumanAccounts(ctx, db.read, byID, args)
	if err != nil {
		return nil, err
	}
	byOwner, args := in(db.read, "owner_id", ids, nil)
	owned, err := nonHumanAccounts(ctx, db.read, byOwner, args)
	if err != nil {
		return nil, err
	}
	for _, a := range owned {
		if !slices.ContainsFunc(all, func(b NonHumanAccount) bool { return a.ID == b.ID }) {
			all = append(all, a)
		}
	}
	return all, nil
}

// NonHumanAccount returns the entry of the register for an account, by the target's own ID, and
// whether there is one.
func (db *DB) NonHumanAccount(ctx context.Context, target, native string) (NonHumanAccount, bool, error) {
	found, err := nonHumanAccounts(ctx, db.read, "target = $1 AND native_id = $2", []any{target, native})
	if err != nil || len(found) == 0 {
		return NonHumanAccount{}, false, err
	}
	return found[0], true, nil
}

// FindNonHumanAccount returns the account of the register with the ID, the login name, or
// TARGET/NAME. Several with the name are refused.
func (db *DB) FindNonHumanAccount(ctx context.Context, ref string) (NonHumanAccount, error) {
	found, err := nonHumanAccounts(ctx, db.read, "id = $1 OR name = $1", []any{ref})
	if err != nil {
		return NonHumanAccount{}, err
	}
	if target, name, ok := strings.Cut(ref, "/"); ok && len(found) == 0 {
		if found, err = nonHumanAccounts(ctx, db.read, "name = $1 AND target = $2", []any{name, target}); err != nil {
			return NonHumanAccount{}, err
		}
	}
	switch len(found) {
	case 0:
		return NonHumanAccount{}, &reason.Refusal{Reason: reason.Of(reason.NoSuchNonHumanAccount{Account: ref})}
	case 1:
		return found[0], nil
	}
	var targets []string
	for _, a := range found {
		targets = append(targets, a.Target+"/"+a.Name)
	}
	return NonHumanAccount{}, &reason.Refusal{Reason: reason.Of(reason.AccountNameShared{Account: ref, Accounts: targets})}
}

func nonHumanAccounts(ctx context.Context, q queryer, where string, args []any) ([]NonHumanAccount, error) {
	rows, err := q.QueryxContext(ctx, `SELECT `+columns[NonHumanAccount]("")+` FROM non_human_account WHERE `+where+` ORDER BY target, name, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("read the register of accounts: %w", err)
	}
	defer rows.Close() //nolint:errcheck // what went wrong is in Err
	var all []NonHumanAccount
	for rows.Next() {
		var a NonHumanAccount
		if err := rows.StructScan(&a); err != nil {
			return nil, fmt.Errorf("read the register of accounts: %w", err)
		}
		all = append(all, a)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read the register of accounts: %w", err)
	}
	return all, nil
}

// DecideNonHumanAccount enters an account in the register or changes it there, as a decision
// about its owner says, and returns the decision with its number. before is the account as the
// caller read it, the zero value for one that was not registered: when it changed since, or is
// a person's by now, nothing is recorded.
func (tx *Tx) DecideNonHumanAccount(ctx context.Context, a, before NonHumanAccount, d Decision, at time.Time) (Decision, error) {
	d.Kind, d.Person, d.Subject = NonHumanAccountDecision, a.Owner, NonHumanAccountSubject(a.ID)
	d, err := tx.Decide(ctx, d, at) // whose lock on the sequences keeps other decisions away
	if err != nil {
		return d, err
	}
	now, err := nonHumanAccounts(ctx, tx.tx, "target = $1 AND native_id = $2", []any{a.Target, a.Native})
	if err != nil {
		return d, err
	}
	if len(now) > 0 && now[0] != before || len(now) == 0 && before.ID != "" {
		return d, &reason.Refusal{Reason: reason.Of(reason.RegisterChanged{Account: a.Name})}
	}
	var owners []identity.PersonID
	if err := tx.tx.SelectContext(ctx, &owners, `SELECT person_id FROM account WHERE target = $1 AND native_id = $2 AND person_id <> $3`, a.Target, a.Native, string(a.ID)); err != nil {
		return d, fmt.Errorf("register account %s: %w", a.ID, err)
	}
	if len(owners) > 0 {
		return d, &reason.Refusal{Reason: reason.Of(reason.AccountOfAnother{Owner: owners[0]})}
	}
	a.Changed = d.Seq
	if err := tx.exec(ctx, `INSERT INTO non_human_account (id, target, native_id, name, kind, system, owner_id, purpose, until, state, changed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, kind = excluded.kind, system = excluded.system, owner_id = excluded.owner_id, purpose = excluded.purpose, until = excluded.until, state = excluded.state, changed = excluded.changed`,
		string(a.ID), a.Target, a.Native, a.Name, string(a.Kind), a.System, string(a.Owner), a.Purpose, string(a.Until), string(a.State), a.Changed); err != nil {
		return d, fmt.Errorf("register account %s: %w", a.ID, err)
	}
	tx.Audit(audit.Record{At: at, Actor: d.Maker, Authority: d.Authority, Action: audit.AccountRegistered, Person: a.ID, Target: a.Target, Outcome: audit.Outcome(d.Verdict),
		Reason: reason.Of(reason.ByDecision{Decision: d.Seq})})
	return d, tx.BindAccount(ctx, AccountRef{Target: a.Target, Person: a.ID, Native: a.Native})
}

// ForgetNonHumanAccount removes an entry of the register: the account is a person's after all.
func (tx *Tx) ForgetNonHumanAccount(ctx context.Context, target string, id identity.PersonID) error {
	if err := tx.exec(ctx, `DELETE FROM non_human_account WHERE id = $1`, string(id)); err != nil {
		return fmt.Errorf("account %s of the register: %w", id, err)
	}
	return tx.ForgetAccount(ctx, target, id)
}

// MoveNonHumanAccounts makes a person the owner of the accounts of the register that another
// owns: the two are one.
func (tx *Tx) MoveNonHumanAccounts(ctx context.Context, from, to identity.PersonID) error {
	if err := tx.exec(ctx, `UPDATE non_human_account SET owner_id = $2 WHERE owner_id = $1`, string(from), string(to)); err != nil {
		return fmt.Errorf("accounts that person %s owns: %w", from, err)
	}
	return nil
}
