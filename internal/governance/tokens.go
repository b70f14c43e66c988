package governance

import (
	"context"
	"slices"
	"time"

	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// longestToken is how long a token may work.
const longestToken = 5 * 365 * 24 * time.Hour

// ErrTokenExpiry is returned for a token that would have expired, or work for too long.
var ErrTokenExpiry = refuse(reason.TokenExpiry{})

// CreateToken makes a token with which the holder pushes people to an HR source until
// an instant, and returns it, this once. While no person is known who could decide
// it, the operating system's user makes it: by is the zero Subject then.
func (g *Governance) CreateToken(ctx context.Context, name, source string, until time.Time, by rights.Subject) (token string, t store.Token, err error) {
	if now := g.Now(); !until.After(now) || until.After(now.Add(longestToken)) {
		return "", t, ErrTokenExpiry
	}
	var d store.Decision
	n, err := g.DB.CountPeople(ctx)
	if err != nil {
		return "", t, err
	}
	if n > 0 || by.Person != "" {
		if d, err = g.authorize(ctx, by, rights.MakeToken, rights.Object{}, "for "+name); err != nil {
			return "", t, err
		}
	} else {
		tokens, err := g.DB.Tokens(ctx)
		if err != nil {
			return "", t, err
		}
		if slices.ContainsFunc(tokens, func(t store.Token) bool { return t.Valid(g.Now()) }) {
			return "", t, tokenThere()
		}
		if d.Maker = g.DB.Operator(); d.Maker == "" {
			return "", t, noTokenMaker()
		}
		d.Authority, d.Reason = "the first token", "for "+name
	}
	now := g.Now()
	if token, t, err = store.NewToken(store.Token{Name: name, Source: source}, now, until); err != nil {
		return "", t, err
	}
	d.Kind, d.Verdict, d.Subject = store.TokenDecision, store.Make, store.TokenSubject(t.ID)
	_, err = g.record(ctx, d, func(tx *store.Tx, d store.Decision) error { return tx.PutToken(ctx, t, d) })
	if err != nil {
		return "", t, err
	}
	return token, t, nil
}

// RevokeToken ends a token for good.
func (g *Governance) RevokeToken(ctx context.Context, id string, by rights.Subject, reason string) error {
	d, err := g.authorize(ctx, by, rights.RevokeToken, rights.Object{}, reason)
	if err != nil {
		return err
	}
	d.Kind, d.Verdict, d.Subject = store.TokenDecision, store.Revoke, store.TokenSubject(id)
	_, err = g.record(ctx, d, func(tx *store.Tx, d store.Decision) error { return tx.RevokeToken(ctx, id, d, g.Now()) })
	return err
}
