package governance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Retire says that a target that is not in the configuration any more is not
// looked after: what is known of it ends. The maker is a person.
func (g *Governance) Retire(ctx context.Context, target, maker, reason string) (store.Decision, error) {
	var d store.Decision
	if strings.TrimSpace(reason) == "" {
		return d, errors.New("a decision needs a reason: --reason \"…\"")
	}
	if err := g.mayDecide(ctx, identity.PersonID(strings.TrimPrefix(maker, ActorOf("")))); err != nil {
		return d, err
	}
	left, err := reconcile.LeftBehind(ctx, g.DB, g.Config)
	if err != nil {
		return d, err
	}
	if _, configured := g.Config.Target(target); !configured && !slices.ContainsFunc(left, func(k store.Known) bool { return k.Target == target }) {
		return d, fmt.Errorf("nothing is known of a target %q", target)
	}
	e := &reconcile.Engine{DB: g.DB, Config: g.Config, Now: g.Now, Actor: maker}
	return e.Retire(ctx, target, store.Decision{Kind: store.TargetDecision, Verdict: store.Retire, Subject: target, Maker: maker, Reason: reason})
}
