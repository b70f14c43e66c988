package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
)

// NameRegister are the names that accounts in a target ever had.
type NameRegister struct {
	db     *DB
	target string
	owner  map[string]identity.PersonID // by hash; nil when it is not read
}

// NameRegister returns the register of names in a target, which reads each name when it
// is asked for.
func (db *DB) NameRegister(target string) *NameRegister { return &NameRegister{db: db, target: target} }

// LoadNameRegister returns the register of names in a target, read as a whole.
func (db *DB) LoadNameRegister(ctx context.Context, target string) (*NameRegister, error) {
	n := &NameRegister{db: db, target: target, owner: map[string]identity.PersonID{}}
	rows, err := db.read.QueryContext(ctx, `SELECT name_hash, person_id FROM account_name WHERE target = $1`, target)
	if err != nil {
		return nil, fmt.Errorf("read account names: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	for rows.Next() {
		var hash []byte
		var person identity.PersonID
		if err := rows.Scan(&hash, &person); err != nil {
			return nil, fmt.Errorf("read account names: %w", err)
		}
		n.owner[string(hash)] = person
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read account names: %w", err)
	}
	return n, nil
}

// Owner returns whose the name is or was, however it is capitalised; empty
// when it never was anyone's.
func (n *NameRegister) Owner(ctx context.Context, name string) (identity.PersonID, error) {
	hash, err := n.db.nameHash(n.target, name)
	if err != nil || n.owner != nil {
		return n.owner[string(hash)], err
	}
	var owner identity.PersonID
	err = n.db.read.GetContext(ctx, &owner, `SELECT person_id FROM account_name WHERE target = $1 AND name_hash = $2`, n.target, hash)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("read account names: %w", err)
	}
	return owner, nil
}

func (db *DB) nameHash(target, name string) ([]byte, error) {
	hash, err := db.master.Hash("account.name", target+"\x00"+strings.ToLower(name))
	if err != nil {
		return nil, fmt.Errorf("account name: %w", err)
	}
	return hash, nil
}

// AccountNameTakenError is the error for a name that is or was another person's.
type AccountNameTakenError struct {
	Target        string
	Person, Owner identity.PersonID
}

func (n *AccountNameTakenError) Error() string {
	return fmt.Sprintf("the account name of person %s in %s is or was person %s's: a name is never given to a second person", n.Person, n.Target, n.Owner)
}

// ReserveName registers the name of a person's account for good. It fails with a
// *AccountNameTakenError when the name is or was another person's.
func (tx *Tx) ReserveName(ctx context.Context, target, name string, person identity.PersonID) error {
	hash, err := tx.db.nameHash(target, name)
	if err != nil {
		return err
	}
	var owner identity.PersonID
	err = tx.tx.GetContext(ctx, &owner, `INSERT INTO account_name (target, name_hash, person_id) VALUES ($1, $2, $3)
		ON CONFLICT (target, name_hash) DO UPDATE SET person_id = account_name.person_id RETURNING person_id`, target, hash, person)
	if err != nil {
		return fmt.Errorf("account name: %w", err)
	}
	if owner != person {
		return &AccountNameTakenError{Target: target, Person: person, Owner: owner}
	}
	return nil
}

// RegisterNameIfFree registers the name of a person's account as it was seen, unless it is or
// was another person's.
func (tx *Tx) RegisterNameIfFree(ctx context.Context, target, name string, person identity.PersonID) error {
	hash, err := tx.db.nameHash(target, name)
	if err != nil {
		return err
	}
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO account_name (target, name_hash, person_id) VALUES ($1, $2, $3) ON CONFLICT (target, name_hash) DO NOTHING`, target, hash, person); err != nil {
		return fmt.Errorf("account name: %w", err)
	}
	return nil
}

const memoryContext = "connector_memory.sealed"

// ConnectorState is what a target's connector keeps from one reading to the next. It
// implements connectors.StateStore.
type ConnectorState struct {
	db     *DB
	target string
	now    func() time.Time
}

// ConnectorState returns the state that the target's connector keeps.
func (db *DB) ConnectorState(target string, now func() time.Time) *ConnectorState {
	return &ConnectorState{db: db, target: target, now: now}
}

// Load returns what was last saved. What cannot be opened any more is as good
// as nothing.
func (m *ConnectorState) Load(ctx context.Context) ([]byte, error) {
	var sealed []byte
	err := m.db.read.GetContext(ctx, &sealed, `SELECT sealed FROM connector_memory WHERE target = $1`, m.target)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("memory of target %s: %w", m.target, err)
	}
	state, err := m.db.master.Open(memoryContext+" "+m.target, sealed)
	if err != nil {
		return nil, nil //nolint:nilerr // another key file: the next reading is a full one
	}
	return state, nil
}

// Save keeps the state in place of the last one.
func (m *ConnectorState) Save(ctx context.Context, state []byte) error {
	sealed, err := m.db.master.Seal(memoryContext+" "+m.target, state)
	if err != nil {
		return fmt.Errorf("memory of target %s: %w", m.target, err)
	}
	return m.db.Write(ctx, func(tx *Tx) error {
		_, err := tx.tx.ExecContext(ctx, `INSERT INTO connector_memory (target, sealed, saved_us) VALUES ($1, $2, $3)
			ON CONFLICT (target) DO UPDATE SET sealed = excluded.sealed, saved_us = excluded.saved_us`, m.target, sealed, micros(m.now()))
		if err != nil {
			return fmt.Errorf("memory of target %s: %w", m.target, err)
		}
		return nil
	})
}

// EveryTarget is the subject of a decision about all targets.
const EveryTarget = "*"
