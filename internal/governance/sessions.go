package governance

import (
	"context"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Sessions returns where a person is signed in, the newest sign-in first, for who may end
// it. A person sees and ends their own without being asked here.
func (g *Governance) Sessions(ctx context.Context, p identity.Person, by rights.Subject) ([]store.Session, error) {
	if _, err := g.authorize(ctx, by, rights.EndSessions, rights.Object{About: []identity.PersonID{p.ID}}, "a look"); err != nil {
		return nil, err
	}
	return g.DB.SessionsOf(ctx, p.ID, g.Now())
}

// EndSessions ends a session of a person, or all of them when id is empty. What a program
// does with a token of the person goes on: a token is revoked.
func (g *Governance) EndSessions(ctx context.Context, p identity.Person, id string, by rights.Subject, reason string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.EndSessions, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return store.Decision{}, err
	}
	d.Kind, d.Verdict, d.Person, d.Subject = store.SessionDecision, store.End, p.ID, store.SessionSubject(id)
	return g.record(ctx, d, func(tx *store.Tx, _ store.Decision) error {
		n, err := tx.EndSessions(ctx, p.ID, id)
		if err == nil && n == 0 {
			err = noSuchSession(id)
		}
		return err
	})
}
