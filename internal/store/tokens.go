package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Token lets a client push to an HR source, or call the API as a person or as a service
// account. The token itself is stored nowhere.
type Token struct {
	ID     string `db:"id" json:"id"`
	Name   string `db:"name" json:"name"` // who has it, for people
	Source string `db:"source" json:"source"`
	// Owner is the person as whom the API is called; empty for a source's token, and for one
	// of a service account.
	Owner identity.PersonID `db:"owner" json:"owner,omitempty"`
	// Service is the name of the service account as which the API is called.
	Service string `db:"service" json:"service,omitempty"`
	// Scopes are what it may be used for, and Systems of which systems, each separated by
	// spaces; no systems are all.
	Scopes  string `db:"scopes" json:"scopes,omitempty"`
	Systems string `db:"systems" json:"systems,omitempty"`
	Factors string `db:"factors" json:"-"` // ManyFactors when the owner signed in so to make it
	// SignedUS is when the owner showed who they are, which may be long before the token was
	// made; 0 for when it was made.
	SignedUS int64 `db:"signed_us" json:"-"`
	// How is how the owner was identified, and Groups are those that the identity provider
	// said they are in, of a token that stands for a sign-in (behov login); empty for one that
	// the owner made for a program.
	How       string `db:"how" json:"-"`
	Groups    string `db:"member_of" json:"-"`
	Hash      []byte `db:"hash" json:"-"`
	MadeUS    int64  `db:"made_us" json:"-"`
	UsedUS    int64  `db:"used_us" json:"-"`
	RevokedUS int64  `db:"revoked_us" json:"-"`
	ExpiresUS int64  `db:"expires_us" json:"-"`
}

// Created is when it was made, UTC.
func (t Token) Created() time.Time { return instant(t.MadeUS) }

// SignedIn is when the owner showed who they are, UTC.
func (t Token) SignedIn() time.Time {
	if t.SignedUS == 0 {
		return t.Created()
	}
	return instant(t.SignedUS)
}

// Used is when it was last used, UTC and give or take a minute; zero for never.
func (t Token) Used() time.Time { return instant(t.UsedUS) }

// Revoked is when it was revoked, UTC; zero for never.
func (t Token) Revoked() time.Time { return instant(t.RevokedUS) }

// Expires is when it stops working, UTC; zero for never, as of tokens made before
// tokens expired.
func (t Token) Expires() time.Time { return instant(t.ExpiresUS) }

// ManyFactors says of a token that its owner had signed in with more than one factor.
const ManyFactors = "many"

// Has reports whether the token may be used for something.
func (t Token) Has(scope string) bool { return slices.Contains(strings.Fields(t.Scopes), scope) }

// Valid reports whether the token is accepted at an instant.
func (t Token) Valid(at time.Time) bool { return t.refusal(at) == "" }

func (t Token) refusal(at time.Time) TokenRefusal {
	switch {
	case t.RevokedUS != 0:
		return TokenRevoked
	case t.ExpiresUS != 0 && !at.Before(t.Expires()):
		return TokenExpired
	}
	return ""
}

// TokenRefusal says why a token is refused; empty for one that is accepted.
type TokenRefusal string

// Why a token is refused.
const (
	TokenUnknown TokenRefusal = "unknown"
	TokenRevoked TokenRefusal = "revoked"
	TokenExpired TokenRefusal = "expired"
)

// NewToken makes a token that works until expires, for what t says, and returns it, this
// once. It has 256 random bits, so that a plain hash of it is stored.
func NewToken(t Token, now, expires time.Time) (token string, made Token, err error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return "", t, fmt.Errorf("make a token: %w", err)
	}
	token = "behov_" + base64.RawURLEncoding.EncodeToString(raw)
	sum := sha256.Sum256([]byte(token))
	t.ID, t.Hash, t.MadeUS, t.ExpiresUS = uuid.Must(uuid.NewV7()).String(), sum[:], micros(now), micros(expires)
	return token, t, nil
}

// PutToken records a token, by a decision or, of the first one, by the user of the
// operating system, who is the decision's maker.
func (tx *Tx) PutToken(ctx context.Context, t Token, d Decision) error {
	tx.Audit(audit.Record{At: t.Created(), Actor: d.Maker, Authority: d.Authority, Action: audit.TokenMade, Target: t.Source, Person: t.Owner, Reason: reason.Of(reason.TokenMade{Token: t.ID, Name: t.Name, Service: t.Service, Until: t.Expires()})})
	if err := tx.exec(ctx, `INSERT INTO api_token (`+columns[Token]("")+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		t.ID, t.Name, t.Source, string(t.Owner), t.Service, t.Scopes, t.Systems, t.Factors, t.SignedUS, t.How, t.Groups, t.Hash, t.MadeUS, t.UsedUS, t.RevokedUS, t.ExpiresUS); err != nil {
		return fmt.Errorf("make a token: %w", err)
	}
	return nil
}

// Tokens returns all tokens, the oldest first.
func (db *DB) Tokens(ctx context.Context) ([]Token, error) {
	all := []Token{}
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Token]("")+` FROM api_token ORDER BY made_us, id`); err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return all, nil
}

// ErrNoToken is returned when no token has the ID, or it is revoked already.
var ErrNoToken = errors.New("there is no such token")

// RevokeToken ends a token for good, by a decision. It returns ErrNoToken when there is none
// to revoke.
func (tx *Tx) RevokeToken(ctx context.Context, id string, d Decision, now time.Time) error {
	res, err := tx.tx.ExecContext(ctx, `UPDATE api_token SET revoked_us = $2 WHERE id = $1 AND revoked_us = 0`, id, micros(now))
	if err != nil {
		return fmt.Errorf("revoke a token: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrNoToken)
	}
	tx.Audit(audit.Record{At: now, Actor: d.Maker, Authority: d.Authority, Action: audit.TokenRevoked, Reason: reason.Of(reason.TokenRevoked{Token: id, Decision: d.Seq})})
	return nil
}

// CheckToken returns the token that a bearer shows, or why it is refused. Of an
// unknown one nothing is returned.
func (db *DB) CheckToken(ctx context.Context, token string, now time.Time) (Token, TokenRefusal, error) {
	sum := sha256.Sum256([]byte(token))
	var t Token
	err := db.read.GetContext(ctx, &t, `SELECT `+columns[Token]("")+` FROM api_token WHERE hash = $1`, sum[:])
	if errors.Is(err, sql.ErrNoRows) {
		return Token{}, TokenUnknown, nil
	}
	if err != nil {
		return Token{}, TokenUnknown, fmt.Errorf("read tokens: %w", err)
	}
	if subtle.ConstantTimeCompare(t.Hash, sum[:]) != 1 {
		return Token{}, TokenUnknown, nil
	}
	if why := t.refusal(now); why != "" {
		return t, why, nil
	}
	if now.Sub(t.Used()) > time.Minute { // for operators who ask whether it is in use
		if _, err := db.write.ExecContext(ctx, `UPDATE api_token SET used_us = $2 WHERE id = $1`, t.ID, micros(now)); err != nil {
			return Token{}, TokenUnknown, fmt.Errorf("note a token's use: %w", err)
		}
	}
	return t, "", nil
}
