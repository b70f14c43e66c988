package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/behov/behov/internal/identity"
)

// Session is a person's sign-in. What the browser shows is stored nowhere.
type Session struct {
	Hash   []byte            `db:"token_hash" json:"-"`
	ID     string            `db:"id" json:"id"` // names it in lists; it lets no one in
	Person identity.PersonID `db:"person_id" json:"person"`
	// SubjectHash and ProviderHash are what the identity provider calls the person and the
	// session there, as HashProvider makes them; nil when it does not.
	SubjectHash  []byte `db:"subject_hash" json:"-"`
	ProviderHash []byte `db:"provider_hash" json:"-"`
	Data         string `db:"data" json:"-"` // JSON, without personal values
	BeganUS      Micros `db:"began_us" json:"began_at"`
	UsedUS       Micros `db:"used_us" json:"used_at"` // give or take a minute
	ExpiresUS    Micros `db:"expires_us" json:"expires_at"`
}

// HashSession returns the hash by which a session is found. The token has 256 random bits.
func HashSession(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

// HashProvider returns the keyed hash of what the identity provider calls something of a
// kind: a person or a session; nil of nothing.
func (db *DB) HashProvider(kind, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	return db.master.Hash("session."+kind, name)
}

// Session returns the session whose token has the hash, unless it has expired.
func (db *DB) Session(ctx context.Context, hash []byte, now time.Time) (s Session, found bool, err error) {
	err = db.read.GetContext(ctx, &s, `SELECT `+columns[Session]("")+` FROM session WHERE token_hash = $1 AND expires_us > $2`, hash, micros(now))
	if errors.Is(err, sql.ErrNoRows) {
		return s, false, nil
	}
	if err != nil {
		return s, false, fmt.Errorf("read a session: %w", err)
	}
	return s, true, nil
}

// PutSession keeps a session, and drops those that have expired.
func (db *DB) PutSession(ctx context.Context, s Session, now time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.exec(ctx, `DELETE FROM session WHERE expires_us <= $1`, micros(now)); err != nil {
			return fmt.Errorf("drop expired sessions: %w", err)
		}
		if err := tx.exec(ctx, `INSERT INTO session (`+columns[Session]("")+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
			ON CONFLICT (token_hash) DO UPDATE SET data = excluded.data, used_us = excluded.used_us, expires_us = excluded.expires_us`,
			s.Hash, s.ID, string(s.Person), s.SubjectHash, s.ProviderHash, s.Data, s.BeganUS, s.UsedUS, s.ExpiresUS); err != nil {
			return fmt.Errorf("keep a session: %w", err)
		}
		return nil
	})
}

// SessionsOf returns the sessions of a person that have not expired, the newest first.
func (db *DB) SessionsOf(ctx context.Context, person identity.PersonID, now time.Time) ([]Session, error) {
	all := []Session{}
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Session]("")+` FROM session WHERE person_id = $1 AND expires_us > $2 ORDER BY began_us DESC, id`, person, micros(now)); err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return all, nil
}

// EndSession ends the session whose token has the hash.
func (db *DB) EndSession(ctx context.Context, hash []byte) error {
	_, err := db.endSessions(ctx, `token_hash = $1`, hash)
	return err
}

// EndSessionOf ends a person's session by its ID, and reports whether there was one.
func (db *DB) EndSessionOf(ctx context.Context, person identity.PersonID, id string) (bool, error) {
	n, err := db.endSessions(ctx, `person_id = $1 AND id = $2`, string(person), id)
	return n > 0, err
}

// EndSessionsOf ends all sessions of a person.
func (db *DB) EndSessionsOf(ctx context.Context, person identity.PersonID) error {
	_, err := db.endSessions(ctx, `person_id = $1`, string(person))
	return err
}

// EndProviderSessions ends the sessions that the identity provider calls so; with a nil
// provider hash all of the subject.
func (db *DB) EndProviderSessions(ctx context.Context, subject, provider []byte) error {
	var err error
	switch {
	case provider != nil && subject != nil:
		_, err = db.endSessions(ctx, `provider_hash = $1 AND subject_hash = $2`, provider, subject)
	case provider != nil:
		_, err = db.endSessions(ctx, `provider_hash = $1`, provider)
	case subject != nil:
		_, err = db.endSessions(ctx, `subject_hash = $1`, subject)
	}
	return err
}

// EndSessions ends a session of a person, or all of them when id is empty, and returns how
// many there were. The caller records why in the same transaction.
func (tx *Tx) EndSessions(ctx context.Context, person identity.PersonID, id string) (int64, error) {
	res, err := tx.tx.ExecContext(ctx, `DELETE FROM session WHERE person_id = $1 AND (id = $2 OR $2 = '')`, string(person), id)
	if err != nil {
		return 0, fmt.Errorf("end sessions: %w", err)
	}
	return res.RowsAffected()
}

func (db *DB) endSessions(ctx context.Context, where string, args ...any) (n int64, err error) {
	err = db.Write(ctx, func(tx *Tx) error {
		res, err := tx.tx.ExecContext(ctx, `DELETE FROM session WHERE `+where, args...)
		if err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// Seal encrypts a value that a client keeps for a while, for a purpose.
func (db *DB) Seal(purpose string, value []byte) ([]byte, error) {
	return db.master.Seal(purpose, value)
}

// Unseal is the inverse of Seal. It fails for what this installation did not seal for the
// purpose.
func (db *DB) Unseal(purpose string, sealed []byte) ([]byte, error) {
	return db.master.Open(purpose, sealed)
}
