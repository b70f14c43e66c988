package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
)

// AccountList is what a target without an interface is known to hold: the newest list of its
// accounts, and what was confirmed since. It implements manual.Records.
type AccountList struct {
	db     *DB
	target string
}

// AccountList returns what the target is known to hold.
func (db *DB) AccountList(target string) *AccountList { return &AccountList{db: db, target: target} }

// ListVersion says which list of a target is in use.
type ListVersion struct {
	Target      string        `db:"target"`
	Day         identity.Date `db:"day"` // of which it is
	Decision    int64         `db:"decision"`
	Accounts    int           `db:"accounts"`
	Memberships int           `db:"memberships"`
}

// ListedAccount is an account as a list has it.
type ListedAccount struct {
	Name         string
	Disabled     bool
	Attributes   map[string][]string
	Entitlements []string // as the target names them
}

const listContext = "listed_account"

// listedRow is a row of listed_account.
type listedRow struct {
	ID      string            `db:"id"`
	Person  identity.PersonID `db:"person_id"`
	Enabled bool              `db:"enabled"`
	Sealed  []byte            `db:"sealed"`
}

// listedValues are what is sealed of it.
type listedValues struct {
	Name       string              `json:"name"`
	Attributes map[string][]string `json:"attributes,omitempty"`
}

// Each calls account with every account, and member with every membership.
func (l *AccountList) Each(ctx context.Context, account func(connectors.Account) error, member func(accountID, entitlement string) error) error {
	if err := l.accounts(ctx, "1 = 1", []any{l.target}, account); err != nil {
		return err
	}
	return l.members(ctx, "1 = 1", []any{l.target}, member)
}

// Some does so with the accounts that match a reference by ID, anchor or login name.
func (l *AccountList) Some(ctx context.Context, refs []connectors.AccountRef, account func(connectors.Account) error, member func(accountID, entitlement string) error) error {
	var ids, anchors, hashes []string
	for _, ref := range refs {
		if ref.ID != "" && storable(ref.ID) {
			ids = append(ids, ref.ID)
		}
		if ref.Anchor != "" && storable(ref.Anchor) {
			anchors = append(anchors, ref.Anchor)
		}
		if ref.Name != "" {
			hash, err := l.db.listedHash(l.target, ref.Name)
			if err != nil {
				return err
			}
			hashes = append(hashes, hash)
		}
	}
	seen := map[string]bool{}
	var found []string
	once := func(a connectors.Account) error {
		if seen[a.ID] {
			return nil
		}
		seen[a.ID], found = true, append(found, a.ID)
		return account(a)
	}
	for page := range slices.Chunk(ids, peoplePage) {
		where, args := in(l.db.read, "id", page, []any{l.target})
		if err := l.accounts(ctx, where, args, once); err != nil {
			return err
		}
	}
	for page := range slices.Chunk(anchors, peoplePage) {
		where, args := in(l.db.read, "person_id", page, []any{l.target})
		if err := l.accounts(ctx, where+" AND person_id <> ''", args, once); err != nil {
			return err
		}
	}
	for page := range slices.Chunk(hashes, peoplePage) {
		where, args := in(l.db.read, "name_hash", page, []any{l.target})
		if err := l.accounts(ctx, where, args, once); err != nil {
			return err
		}
	}
	for page := range slices.Chunk(found, peoplePage) {
		where, args := in(l.db.read, "account_id", page, []any{l.target})
		if err := l.members(ctx, where, args, member); err != nil {
			return err
		}
	}
	return nil
}

// storable reports whether a text can be in a column: PostgreSQL refuses to look for another.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// Losing returns how many of the accounts that are known would be gone by a list, or lose
// something, and how many are known.
func (l *AccountList) Losing(ctx context.Context, list []ListedAccount) (losing, known int, err error) {
	listed := map[string]ListedAccount{}
	for _, a := range list {
		listed[strings.ToLower(a.Name)] = a
	}
	names, loses := map[string]string{}, map[string]bool{}
	err = l.Each(ctx, func(a connectors.Account) error {
		names[a.ID] = strings.ToLower(a.Name)
		if of, there := listed[names[a.ID]]; !there || a.Enabled && of.Disabled {
			loses[a.ID] = true
		}
		return nil
	}, func(accountID, entitlement string) error {
		if !slices.Contains(listed[names[accountID]].Entitlements, entitlement) {
			loses[accountID] = true
		}
		return nil
	})
	return len(loses), len(names), err
}

// Adopt notes whose an account is.
func (l *AccountList) Adopt(ctx context.Context, accountID, anchor string) error {
	return l.db.Write(ctx, func(tx *Tx) error {
		return wrapped(tx.exec(ctx, `UPDATE listed_account SET person_id = $3 WHERE target = $1 AND id = $2 AND person_id = ''`, l.target, accountID, anchor), "adopt an account of "+l.target)
	})
}

// Version returns which list is in use; the zero value before the first one.
func (l *AccountList) Version(ctx context.Context) (ListVersion, error) {
	var v ListVersion
	err := l.db.read.GetContext(ctx, &v, `SELECT `+columns[ListVersion]("")+` FROM account_list WHERE target = $1`, l.target)
	if errors.Is(err, sql.ErrNoRows) {
		return ListVersion{}, nil
	}
	return v, wrapped(err, "list of target "+l.target)
}

func (l *AccountList) accounts(ctx context.Context, where string, args []any, account func(connectors.Account) error) error {
	var rows []listedRow
	if err := l.db.read.SelectContext(ctx, &rows, `SELECT `+columns[listedRow]("")+` FROM listed_account WHERE target = $1 AND `+where+` ORDER BY id`, args...); err != nil {
		return fmt.Errorf("list of target %s: %w", l.target, err)
	}
	for _, r := range rows {
		values, err := l.db.openListed(l.target, r.Sealed)
		if err != nil {
			return err
		}
		if err := account(connectors.Account{ID: r.ID, Anchor: string(r.Person), Name: values.Name, Enabled: r.Enabled, Attributes: values.Attributes}); err != nil {
			return err
		}
	}
	return nil
}

func (l *AccountList) members(ctx context.Context, where string, args []any, member func(accountID, entitlement string) error) error {
	var rows []struct {
		Account     string `db:"account_id"`
		Entitlement string `db:"entitlement"`
	}
	if err := l.db.read.SelectContext(ctx, &rows, `SELECT account_id, entitlement FROM listed_membership WHERE target = $1 AND `+where+` ORDER BY account_id, entitlement`, args...); err != nil {
		return fmt.Errorf("list of target %s: %w", l.target, err)
	}
	for _, r := range rows {
		if err := member(r.Account, r.Entitlement); err != nil {
			return err
		}
	}
	return nil
}

func (db *DB) listedHash(target, name string) (string, error) {
	hash, err := db.nameHash(target, name)
	return hex.EncodeToString(hash), err
}

func (db *DB) openListed(target string, sealed []byte) (v listedValues, err error) {
	text, err := db.master.Open(listContext+" "+target, sealed)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	return v, wrapped(err, "list of target "+target)
}

// UseList replaces what a target is known to hold by a list. Accounts of a login name that
// was there keep their ID and their person. Orders that were done after the day of the list
// are made in it. It returns what the list is then.
func (tx *Tx) UseList(ctx context.Context, target string, day identity.Date, decision int64, list []ListedAccount) (ListVersion, error) {
	v := ListVersion{Target: target, Day: day, Decision: decision}
	fail := func(err error) (ListVersion, error) { return v, wrapped(err, "list of target "+target) }
	var before []struct {
		listedRow
		Hash string `db:"name_hash"`
	}
	if err := tx.tx.SelectContext(ctx, &before, `SELECT id, person_id, enabled, sealed, name_hash FROM listed_account WHERE target = $1`, target); err != nil {
		return fail(err)
	}
	known := map[string]listedRow{}
	for _, b := range before {
		known[b.Hash] = b.listedRow
	}
	for _, table := range []string{"listed_membership", "listed_account"} {
		if err := tx.exec(ctx, `DELETE FROM `+table+` WHERE target = $1`, target); err != nil {
			return fail(err)
		}
	}
	var accounts, memberships []any
	for _, a := range list {
		hash, err := tx.db.listedHash(target, a.Name)
		if err != nil {
			return fail(err)
		}
		sealed, err := tx.sealListed(target, listedValues{Name: a.Name, Attributes: a.Attributes})
		if err != nil {
			return fail(err)
		}
		row, there := known[hash]
		if !there {
			row.ID = uuid.NewString()
		}
		accounts = append(accounts, target, row.ID, string(row.Person), hash, !a.Disabled, sealed)
		for _, e := range a.Entitlements {
			memberships = append(memberships, target, row.ID, e)
		}
		v.Accounts, v.Memberships = v.Accounts+1, v.Memberships+len(a.Entitlements)
	}
	if err := tx.insert(ctx, inserts{table: "listed_account", columns: []string{"target", "id", "person_id", "name_hash", "enabled", "sealed"}}, accounts); err != nil {
		return fail(err)
	}
	if err := tx.insert(ctx, inserts{table: "listed_membership", columns: []string{"target", "account_id", "entitlement"}}, memberships); err != nil {
		return fail(err)
	}
	var later []WorkOrder
	if err := tx.tx.SelectContext(ctx, &later, `SELECT `+columns[WorkOrder]("")+` FROM work_order WHERE target = $1 AND state = 'done' AND done_on > $2 ORDER BY ended_us, id`, target, string(day)); err != nil {
		return fail(err)
	}
	for _, o := range later {
		if err := tx.openOrder(ctx, &o); err != nil {
			return fail(err)
		}
		if _, err := tx.MakeOrdered(ctx, o); err != nil && !errors.Is(err, ErrOrderNeedsAccount) && !errors.Is(err, ErrOrderNameTaken) {
			return fail(err)
		}
	}
	return v, wrapped(tx.exec(ctx, `INSERT INTO account_list (target, day, decision, accounts, memberships) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (target) DO UPDATE SET day = excluded.day, decision = excluded.decision, accounts = excluded.accounts, memberships = excluded.memberships`,
		target, string(day), decision, v.Accounts, v.Memberships), "list of target "+target)
}

func (tx *Tx) sealListed(target string, v listedValues) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return tx.db.master.Seal(listContext+" "+target, text)
}

// openOrder opens the login name of a work order; of a person who is erased it stays empty.
func (tx *Tx) openOrder(ctx context.Context, o *WorkOrder) error {
	key, err := loadKey(ctx, tx.tx, tx.db.master, o.Person)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	name, err := key.Open(orderContext, o.Sealed)
	o.Name = string(name)
	return err
}

// Why a change that was ordered cannot be noted.
var (
	// ErrOrderNeedsAccount: the account that it is about is not in the target, as far as is
	// known.
	ErrOrderNeedsAccount = errors.New("the account is not there")
	// ErrOrderNameTaken: another account has the login name.
	ErrOrderNameTaken = errors.New("another account has the login name")
)

// MakeOrdered notes that the change of a work order was made in the target, and returns the
// ID of the account. It can be repeated.
func (tx *Tx) MakeOrdered(ctx context.Context, o WorkOrder) (accountID string, err error) {
	fail := func(err error) (string, error) { return "", wrapped(err, fmt.Sprintf("work order %d", o.ID)) }
	var own string
	err = tx.tx.GetContext(ctx, &own, `SELECT id FROM listed_account WHERE target = $1 AND person_id = $2 AND person_id <> ''`, o.Target, string(o.Person))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fail(err)
	}
	op := connectors.Op(o.Op)
	if op == connectors.CreateAccount || op == prepareAccount {
		if own != "" {
			return own, nil
		}
		return tx.createListed(ctx, o, op == connectors.CreateAccount)
	}
	id := own
	if o.AccountID != "" {
		id = o.AccountID
	}
	var there int
	if err := tx.tx.GetContext(ctx, &there, `SELECT COUNT(*) FROM listed_account WHERE target = $1 AND id = $2`, o.Target, id); err != nil {
		return fail(err)
	}
	gives := op == connectors.AddMember || op == connectors.EnableAccount
	if there == 0 && gives {
		return "", ErrOrderNeedsAccount
	}
	switch op {
	case connectors.AddMember:
		err = tx.exec(ctx, `INSERT INTO listed_membership (target, account_id, entitlement) VALUES ($1, $2, $3) ON CONFLICT (target, account_id, entitlement) DO NOTHING`, o.Target, id, o.Native)
	case connectors.EnableAccount, connectors.DisableAccount:
		err = tx.exec(ctx, `UPDATE listed_account SET enabled = $3 WHERE target = $1 AND id = $2`, o.Target, id, op == connectors.EnableAccount)
	case connectors.DeleteAccount:
		if err = tx.exec(ctx, `DELETE FROM listed_membership WHERE target = $1 AND account_id = $2`, o.Target, id); err == nil {
			err = tx.exec(ctx, `DELETE FROM listed_account WHERE target = $1 AND id = $2`, o.Target, id)
		}
	default: // a membership ends
		err = tx.exec(ctx, `DELETE FROM listed_membership WHERE target = $1 AND account_id = $2 AND entitlement = $3`, o.Target, id, o.Native)
	}
	if err != nil {
		return fail(err)
	}
	return id, nil
}

// prepareAccount is plan.PrepareAccount.
const prepareAccount = connectors.Op("prepare-account")

func (tx *Tx) createListed(ctx context.Context, o WorkOrder, enabled bool) (string, error) {
	if o.Name == "" {
		return "", ErrOrderNeedsAccount
	}
	hash, err := tx.db.listedHash(o.Target, o.Name)
	if err != nil {
		return "", err
	}
	sealed, err := tx.sealListed(o.Target, listedValues{Name: o.Name})
	if err != nil {
		return "", fmt.Errorf("work order %d: %w", o.ID, err)
	}
	id := uuid.NewString()
	res, err := tx.tx.ExecContext(ctx, `INSERT INTO listed_account (target, id, person_id, name_hash, enabled, sealed) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (target, name_hash) DO NOTHING`,
		o.Target, id, string(o.Person), hash, enabled, sealed)
	if err != nil {
		return "", fmt.Errorf("work order %d: %w", o.ID, err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 1 {
		return id, err
	}
	// A list has it already, as nobody's: it is this person's then.
	err = tx.tx.GetContext(ctx, &id, `UPDATE listed_account SET person_id = $3, enabled = $4 WHERE target = $1 AND name_hash = $2 AND person_id = '' RETURNING id`, o.Target, hash, string(o.Person), enabled)
	if errors.Is(err, sql.ErrNoRows) {
		return "", ErrOrderNameTaken
	}
	return id, wrapped(err, fmt.Sprintf("work order %d", o.ID))
}
