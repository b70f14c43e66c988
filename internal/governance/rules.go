package governance

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// RulesSimulator says what a version of the rules would do. *reconcile.Engine implements it.
type RulesSimulator interface {
	SimulateRules(ctx context.Context, c *config.Config) (reason.RulesSimulated, error)
}

// ProposeRules proposes that the rules in the directory come into use, with what they would do
// as evidence. Another person has to approve exactly them: when the files change after that,
// they have to be proposed again.
func (g *Governance) ProposeRules(ctx context.Context, s RulesSimulator, by rights.Subject, because string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.ProposeRules, rights.Object{}, because)
	if err != nil {
		return store.Decision{}, err
	}
	c := g.Config
	if !c.RulesApproval {
		return store.Decision{}, refuse(reason.ApprovalNotRequired{})
	}
	if c.InDirectory != nil {
		c = c.InDirectory
	}
	digest := c.Rules.Digest
	if _, waits, err := g.waitingRules(ctx, digest); err != nil || waits {
		if err == nil {
			err = refuse(reason.RulesInForce{Digest: digest})
		}
		return store.Decision{}, err
	}
	approved, any, err := g.DB.ApprovedRules(ctx)
	if err != nil {
		return store.Decision{}, err
	}
	if any && string(approved.Subject) == digest {
		return store.Decision{}, refuse(reason.RulesInForce{Digest: digest})
	}
	said, err := s.SimulateRules(ctx, c)
	if err != nil {
		return store.Decision{}, err
	}
	source, err := json.Marshal(c.RulesSource)
	if err != nil {
		return store.Decision{}, fmt.Errorf("rules %s: %w", digest, err)
	}
	if _, err := reconcile.LoadRules(c, digest, source); err != nil { // what cannot be loaded again cannot be approved
		return store.Decision{}, err
	}
	d.Kind, d.Verdict, d.Subject, d.Because = store.RulesDecision, store.Propose, store.RulesSubject(digest), reason.Of(said)
	return g.record(ctx, d, func(tx *store.Tx, _ store.Decision) error { return tx.KeepRulesSource(ctx, digest, source, g.Now()) })
}

// DecideRules approves or rejects a version of the rules that waits, by the beginning of its
// digest. An approved version is in use from then on; the person who proposed it does not
// decide on it.
func (g *Governance) DecideRules(ctx context.Context, prefix string, verdict store.Verdict, by rights.Subject, because string) (store.Decision, error) {
	waiting, found, err := g.waitingRules(ctx, prefix)
	if err != nil {
		return store.Decision{}, err
	}
	var causes []identity.PersonID
	if found {
		all, err := g.DB.RulesDecisionsOn(ctx, string(waiting.Subject))
		if err != nil {
			return store.Decision{}, err
		}
		causes = store.Proposers(all)
	}
	d, err := g.authorize(ctx, by, rights.ApproveRules, rights.Object{CausedBy: causes}, because)
	switch {
	case err != nil:
		return store.Decision{}, err
	case !found:
		return store.Decision{}, refuse(reason.NoRulesWaiting{Prefix: prefix})
	case verdict != store.Approve && verdict != store.Reject:
		return store.Decision{}, noVerdict(verdict)
	}
	if verdict == store.Approve {
		source, err := g.DB.RulesSource(ctx, string(waiting.Subject))
		if err != nil {
			return store.Decision{}, err
		}
		if _, err := reconcile.LoadRules(g.Config, string(waiting.Subject), source); err != nil {
			return store.Decision{}, err
		}
	}
	d.Kind, d.Verdict, d.Subject, d.Because = store.RulesDecision, verdict, waiting.Subject, waiting.Because
	return g.record(ctx, d, nil)
}

// shortestDigest is with how many characters a digest is named at least.
const shortestDigest = 8

// waitingRules returns the proposal of the one version of the rules that waits and has a
// digest that begins so.
func (g *Governance) waitingRules(ctx context.Context, prefix string) (proposal store.Decision, found bool, err error) {
	if len(prefix) < shortestDigest {
		return proposal, false, nil
	}
	newest, err := g.DB.NewestDecisionPerSubject(ctx, store.RulesDecision)
	if err != nil {
		return proposal, false, err
	}
	for subject, d := range newest {
		if d.Verdict == store.Propose && strings.HasPrefix(string(subject), prefix) {
			if found {
				return store.Decision{}, false, nil // of several none is named
			}
			proposal, found = d, true
		}
	}
	return proposal, found, nil
}
