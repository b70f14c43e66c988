package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/identity"
)

// NewLogin is a login that a person is to get, made of a base.
type NewLogin struct {
	Base   string
	Person identity.PersonID
}

// loginNames is what a transaction knows of the register of logins.
type loginNames struct {
	taken map[string]int  // by base, how many numbers are taken
	known map[string]bool // by login, whether it is taken
}

// ReserveLogin gives the person, for good, a login made of the base that no one has or
// had: base, or base2, base3 … Numbers are taken in order and never given back, so the
// first free one is found in steps that double and then halve.
func (tx *Tx) ReserveLogin(ctx context.Context, base string, person identity.PersonID) (string, error) {
	logins, err := tx.TakeLogins(ctx, []NewLogin{{base, person}})
	if err != nil {
		return "", err
	}
	return logins[0], nil
}

// TakeLogins is ReserveLogin for many people, in their order.
func (tx *Tx) TakeLogins(ctx context.Context, people []NewLogin) ([]string, error) {
	logins := make([]string, 0, len(people))
	if tx.logins.taken == nil {
		tx.logins.taken = map[string]int{}
	}
	for page := range slices.Chunk(people, peoplePage) {
		if err := tx.readLogins(ctx, page); err != nil {
			return nil, err
		}
		rows := make([]any, 0, 2*len(page))
		for _, p := range page {
			login, err := tx.freeLogin(ctx, p.Base)
			if err != nil {
				return nil, err
			}
			hash, err := tx.hashLogin(login)
			if err != nil {
				return nil, err
			}
			tx.logins.known[login] = true
			rows, logins = append(rows, hash, string(p.Person)), append(logins, login)
		}
		if err := tx.insert(ctx, inserts{table: "login_register", columns: []string{"login_hash", "person_id"}}, rows); err != nil {
			return nil, fmt.Errorf("login register: %w", err)
		}
	}
	return logins, nil
}

// freeLogin returns the first free login of a base.
func (tx *Tx) freeLogin(ctx context.Context, base string) (string, error) {
	const most = 1 << 30
	taken := tx.logins.taken[base] // every number to taken is taken, as far as we know
	free := taken + 1
	for free < most {
		is, err := tx.loginTaken(ctx, base, free)
		if err != nil {
			return "", err
		}
		if !is {
			break
		}
		taken, free = free, free*2
	}
	for taken+1 < free {
		middle := (taken + free) / 2
		is, err := tx.loginTaken(ctx, base, middle)
		if err != nil {
			return "", err
		}
		if is {
			taken = middle
		} else {
			free = middle
		}
	}
	tx.logins.taken[base] = free
	return identity.LoginCandidate(base, free), nil
}

// readLogins finds out which of the logins that people are likely to get are taken:
// the next numbers of each base, as many as there are people with it.
func (tx *Tx) readLogins(ctx context.Context, people []NewLogin) error {
	tx.logins.known = make(map[string]bool, len(people))
	byHash, hashes, next := map[string]string{}, [][]byte{}, map[string]int{}
	for _, p := range people {
		next[p.Base]++
		login := identity.LoginCandidate(p.Base, tx.logins.taken[p.Base]+next[p.Base])
		hash, err := tx.hashLogin(login)
		if err != nil {
			return err
		}
		tx.logins.known[login] = false
		hashes, byHash[string(hash)] = append(hashes, hash), login
	}
	where, args := inHashes(tx.tx, "login_hash", hashes, nil)
	if err := scanEach(ctx, tx.tx, `SELECT login_hash FROM login_register WHERE `+where, args, func(row *sql.Rows) error {
		var hash []byte
		err := row.Scan(&hash)
		tx.logins.known[byHash[string(hash)]] = true
		return err
	}); err != nil {
		return fmt.Errorf("login register: %w", err)
	}
	return nil
}

func (tx *Tx) loginTaken(ctx context.Context, base string, n int) (bool, error) {
	login := identity.LoginCandidate(base, n)
	if is, known := tx.logins.known[login]; known {
		return is, nil
	}
	hash, err := tx.hashLogin(login)
	if err != nil {
		return false, err
	}
	var found bool
	if err := tx.tx.GetContext(ctx, &found, `SELECT EXISTS (SELECT 1 FROM login_register WHERE login_hash = $1)`, hash); err != nil {
		return false, fmt.Errorf("login register: %w", err)
	}
	return found, nil
}

// hashLogin returns the keyed hash by which the register knows a login.
func (tx *Tx) hashLogin(login string) ([]byte, error) {
	hash, err := tx.db.master.Hash("login", login)
	if err != nil {
		return nil, fmt.Errorf("login: %w", err)
	}
	return hash, nil
}
