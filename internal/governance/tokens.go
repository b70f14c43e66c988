package governance

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
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
	if n > 0 || !by.IsZero() {
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
		d.Authority, d.Reason = authority(asFirstToken, "", ""), "for "+name
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

// RevokeToken ends a token for good. A person ends their own without being asked.
func (g *Governance) RevokeToken(ctx context.Context, id string, by rights.Subject, reason string) error {
	own, err := g.ownsToken(ctx, id, by)
	if err != nil {
		return err
	}
	d := store.Decision{Maker: by.Actor(), Authority: authority(asOwner, by.How, ""), Reason: identity.CleanText(reason)}
	if !own {
		if d, err = g.authorize(ctx, by, rights.RevokeToken, rights.Object{}, reason); err != nil {
			return err
		}
	}
	d.Kind, d.Verdict, d.Subject = store.TokenDecision, store.Revoke, store.TokenSubject(id)
	_, err = g.record(ctx, d, func(tx *store.Tx, d store.Decision) error { return tx.RevokeToken(ctx, id, d, g.Now()) })
	if errors.Is(err, store.ErrNoToken) {
		return noSuchToken(id)
	}
	return err
}

func (g *Governance) ownsToken(ctx context.Context, id string, by rights.Subject) (bool, error) {
	tokens, err := g.DB.Tokens(ctx)
	return by.Person != "" && slices.ContainsFunc(tokens, func(t store.Token) bool { return t.ID == id && t.Owner == by.Person }), err
}

// ServiceToken says what a token of a service account is for.
type ServiceToken struct {
	Service         string // the service account
	Name            string
	Scopes, Systems []string // no systems are all
	Expires         time.Time
}

// OwnToken says what a person's own token is for.
type OwnToken struct {
	Name            string
	Scopes, Systems []string // no systems are all
	Expires         time.Time
	// SignedIn is when the person showed who they are: the token is no fresher than that.
	SignedIn time.Time
	// Login: the token stands for a sign-in on a machine, with all that the person was
	// identified by.
	Login bool
}

// longestAPIToken is how long a token may work with which the API is called.
const longestAPIToken = 366 * 24 * time.Hour

// checkAPIToken returns an error for a token that would have expired, or work for too long,
// and for one that a program asks for.
func (g *Governance) checkAPIToken(expires time.Time, action rights.Action, by rights.Subject) error {
	now := g.Now()
	switch {
	case by.Service != "":
		return needsPerson(action, by.Service)
	case by.How == rights.ByToken:
		return tokenByToken()
	case !expires.After(now) || expires.After(now.Add(longestAPIToken)):
		return ErrTokenExpiry
	}
	return nil
}

// CreateOwnToken makes a token as which a program calls the API as a person, and returns
// it, this once. Nobody is asked: it may do no more than the person, and ends with them. A
// person who shows a token makes no other one by it.
func (g *Governance) CreateOwnToken(ctx context.Context, own OwnToken, by rights.Subject) (token string, t store.Token, err error) {
	if err := g.checkAPIToken(own.Expires, rights.MakeToken, by); err != nil {
		return "", t, err
	}
	t = store.Token{Name: identity.CleanText(own.Name), Owner: by.Person, Scopes: strings.Join(own.Scopes, " "), Systems: strings.Join(own.Systems, " "), Factors: factorsOf(by)}
	if !own.SignedIn.IsZero() {
		t.SignedUS = own.SignedIn.UnixMicro()
	}
	if own.Login {
		t.How, t.Groups = string(by.How), by.Groups
	}
	if token, t, err = store.NewToken(t, g.Now(), own.Expires); err != nil {
		return "", t, err
	}
	d := store.Decision{Maker: by.Actor(), Authority: authority(asOwner, by.How, ""), Reason: "for " + t.Name, Kind: store.TokenDecision, Verdict: store.Make, Subject: store.TokenSubject(t.ID)}
	_, err = g.record(ctx, d, func(tx *store.Tx, d store.Decision) error { return tx.PutToken(ctx, t, d) })
	return token, t, err
}

// CreateServiceToken makes a token as which a program calls the API as a service account, and
// returns it, this once. It does what rights allow the service account, as far as its scopes
// and systems go.
func (g *Governance) CreateServiceToken(ctx context.Context, made ServiceToken, by rights.Subject) (token string, t store.Token, err error) {
	if err := g.checkAPIToken(made.Expires, rights.MakeServiceToken, by); err != nil {
		return "", t, err
	}
	d, err := g.authorize(ctx, by, rights.MakeServiceToken, rights.Object{}, "for "+made.Name)
	if err != nil {
		return "", t, err
	}
	account, declared := g.Config.ServiceAccount(made.Service)
	if !declared {
		return "", t, noSuchService(made.Service, g.Config.ServiceAccounts)
	}
	known, err := access.KnownSubject(ctx, g.DB, g.Config, g.today(), rights.Subject{Service: account.Name, How: rights.ByToken})
	switch {
	case err != nil:
		return "", t, err
	case !known.Works:
		return "", t, serviceUnattended(account.Name)
	}
	t = store.Token{Name: identity.CleanText(made.Name), Service: account.Name, Scopes: strings.Join(made.Scopes, " "), Systems: strings.Join(made.Systems, " ")}
	if token, t, err = store.NewToken(t, g.Now(), made.Expires); err != nil {
		return "", t, err
	}
	d.Kind, d.Verdict, d.Subject = store.TokenDecision, store.Make, store.TokenSubject(t.ID)
	_, err = g.record(ctx, d, func(tx *store.Tx, d store.Decision) error { return tx.PutToken(ctx, t, d) })
	return token, t, err
}

func factorsOf(by rights.Subject) string {
	if by.How == rights.SignedIn && by.Assurance >= rights.MultiFactor {
		return store.ManyFactors
	}
	return ""
}
