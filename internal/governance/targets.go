package governance

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Retire says that a target that is not in the configuration any more is not
// looked after: what is known of it ends.
func (g *Governance) Retire(ctx context.Context, target string, by rights.Subject, reason string) (store.Decision, error) {
	d, err := g.authorize(ctx, by, rights.RetireTarget, rights.Object{}, reason)
	if err != nil {
		return d, err
	}
	left, err := reconcile.UnconfiguredTargets(ctx, g.DB, g.Config)
	if err != nil {
		return d, err
	}
	if _, configured := g.Config.Target(target); !configured && !slices.ContainsFunc(left, func(k store.TargetInventory) bool { return k.Target == target }) {
		return d, nothingOfTarget(target)
	}
	d.Kind, d.Verdict, d.Subject = store.TargetDecision, store.Retire, store.TargetSubject(target)
	e := &reconcile.Engine{DB: g.DB, Config: g.Config, Now: g.Now, Actor: d.Maker}
	return e.Retire(ctx, target, d)
}

// Pause stops changes to a target, or to all when it is store.EveryTarget; with
// Resume as verdict it lets them go on.
func (g *Governance) Pause(ctx context.Context, target string, verdict store.Verdict, by rights.Subject, reason string) (store.Decision, error) {
	action := rights.PauseTarget
	if verdict == store.Resume {
		action = rights.ResumeTarget
	}
	d, err := g.authorize(ctx, by, action, rights.Object{}, reason)
	if err != nil {
		return d, err
	}
	if _, ok := g.Config.Target(target); !ok && target != store.EveryTarget {
		return d, noSuchTarget(target)
	}
	pauses, err := g.DB.Pauses(ctx)
	if err != nil {
		return d, err
	}
	before, paused := pauses[target]
	switch {
	case !paused && verdict == store.Resume:
		return d, notPaused()
	case paused && before.Verdict == verdict && before.Reason == reason:
		return before, &AlreadyDecidedError{Decision: before}
	}
	d.Kind, d.Verdict, d.Subject = store.PauseDecision, verdict, store.TargetSubject(target)
	return g.record(ctx, d, nil)
}

// PauseEverything pauses every target after the database was moved or restored, unless all
// are paused already. It needs no right: who could do that can read the key and the
// database.
func (g *Governance) PauseEverything(ctx context.Context, maker identity.Actor, why string) error {
	pauses, err := g.DB.Pauses(ctx)
	if _, paused := pauses[store.EveryTarget]; paused || err != nil {
		return err
	}
	_, err = g.record(ctx, store.Decision{Kind: store.PauseDecision, Verdict: store.Pause, Subject: store.TargetSubject(store.EveryTarget), Maker: maker, Reason: why}, nil)
	return err
}

// RetrySteps is DecideSteps for all steps in a target, or in every one when it is empty,
// that were not given up.
func (g *Governance) RetrySteps(ctx context.Context, target string, by rights.Subject, reason string) (decided []store.FailingStep, asked int, err error) {
	if _, known := g.Config.Target(target); target != "" && !known {
		return nil, 0, noSuchTarget(target)
	}
	failing, err := g.DB.FailingSteps(ctx, target, store.Everyone())
	if err != nil {
		return nil, 0, err
	}
	var keys []string
	for _, f := range failing {
		if f.State != store.GivenUp {
			keys = append(keys, string(f.Key))
		}
	}
	decided, err = g.DecideSteps(ctx, keys, store.Retry, by, reason)
	return decided, len(keys), err
}

// DecideSteps says of failing steps, by their keys or how those begin, that they are
// to be tried again, or given up. Steps about the person who decides are left out,
// and returned by none.
func (g *Governance) DecideSteps(ctx context.Context, keys []string, verdict store.Verdict, by rights.Subject, reason string) ([]store.FailingStep, error) {
	action := rights.RetryStep
	if verdict == store.GiveUp {
		action = rights.GiveUpStep
	} else {
		reason = cmp.Or(strings.TrimSpace(reason), "tried again")
	}
	var steps []store.FailingStep
	var object rights.Object
	for _, key := range keys {
		f, err := g.DB.FailingStep(ctx, key)
		if err != nil {
			return nil, err
		}
		if f.Person != by.Person {
			steps, object.About = append(steps, f), append(object.About, f.Person)
		}
	}
	if len(steps) == 0 && len(keys) > 0 {
		object.About = []identity.PersonID{by.Person}
	}
	decision, err := g.authorize(ctx, by, action, object, reason)
	if err != nil {
		return nil, err
	}
	now := g.Now()
	err = g.DB.Write(ctx, func(tx *store.Tx) error {
		for n := range steps {
			f, err := tx.FailingStep(ctx, string(steps[n].Key)) // as it is now
			if err != nil {
				return err
			}
			next := time.Time{}
			if f.State = store.GivenUp; verdict == store.Retry {
				f.State, f.Tries, next = store.Trying, 0, now
			}
			if err := tx.PutFailingStep(ctx, f, next); err != nil {
				return err
			}
			steps[n] = f
		}
		// Only then: a run has its steps first, too, and the trail's end last.
		for _, f := range steps {
			d := decision
			d.Kind, d.Verdict, d.Person, d.Subject = store.StepDecision, verdict, f.Person, store.StepSubject(f.Key)
			if _, err := tx.Decide(ctx, d, now); err != nil {
				return err
			}
		}
		return nil
	})
	return steps, err
}

// Proposal is a decision and, when it waits for another person, the hold that this
// person has to release.
type Proposal struct {
	store.Decision
	Hold *store.Hold `json:"hold,omitempty"`
}

// proposed is the body of the hold of a proposal.
type proposed struct {
	Person   identity.PersonID `json:"person"`
	Target   string            `json:"target,omitempty"`
	Account  string            `json:"account,omitempty"`
	Decision int64             `json:"decision"`
}

// propose records what waits for another person.
func (g *Governance) propose(ctx context.Context, d store.Decision, kind store.HoldKind, subject string, why func(store.Decision) reason.Kind, p proposed) (Proposal, error) {
	d.Verdict = store.Propose
	var h store.Hold
	d, err := g.record(ctx, d, func(tx *store.Tx, d store.Decision) error {
		p.Decision = d.Seq
		body, err := json.Marshal(p)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(slices.Concat([]byte(kind+"\x00"), body))
		h = store.Hold{Digest: audit.HoldDigest(hex.EncodeToString(sum[:8])), Kind: kind, Subject: subject, Why: reason.Of(why(d)), Body: string(body)}
		return tx.RaiseHold(ctx, h, nil, d.Maker, g.Now())
	})
	return Proposal{Decision: d, Hold: &h}, err
}

// Bind proposes that an account in a target is a person's: it was made by someone else
// than behov, and what it has would be the person's. Another person has to let it
// through. Targets reads the target.
func (g *Governance) Bind(ctx context.Context, p identity.Person, target, account string, by rights.Subject, reason string) (Proposal, error) {
	d, err := g.authorize(ctx, by, rights.BindAccount, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return Proposal{}, err
	}
	if g.Targets == nil {
		return Proposal{}, notConnected()
	}
	enabled, err := g.Targets.CheckBind(ctx, p, target, account)
	if err != nil {
		return Proposal{}, err
	}
	d.Kind, d.Person, d.Subject = store.BindDecision, p.ID, store.TargetSubject(target)
	return g.propose(ctx, d, store.AccountBindHold, target, bindProposed(p.ID, account, enabled), proposed{Person: p.ID, Target: target, Account: account})
}

func bindProposed(p identity.PersonID, account string, enabled bool) func(store.Decision) reason.Kind {
	return func(d store.Decision) reason.Kind {
		return reason.BindProposed{Person: p, Account: account, Enabled: enabled, Decision: d.Seq, Maker: d.Maker}
	}
}

// bind carries out what was proposed.
func (g *Governance) bind(ctx context.Context, d store.Decision, what proposed) (store.Decision, error) {
	p, err := g.DB.Person(ctx, what.Person)
	if err != nil {
		return d, err
	}
	e := &reconcile.Engine{DB: g.DB, Config: g.Config, Now: g.Now, Actor: d.Maker}
	d.Kind, d.Verdict, d.Person, d.Subject = store.BindDecision, store.Bind, p.ID, store.TargetSubject(what.Target)
	return e.Bind(ctx, p, what.Target, what.Account, d)
}

// IssuePass issues a temporary access pass, with which a person enrols for MFA.
func (g *Governance) IssuePass(ctx context.Context, e *reconcile.Engine, p identity.Person, valid time.Duration, by rights.Subject, reason string) (reconcile.Pass, error) {
	d, err := g.authorize(ctx, by, rights.IssuePass, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return reconcile.Pass{}, err
	}
	d.Kind, d.Verdict, d.Person = store.PassDecision, store.Issue, p.ID
	return e.IssuePass(ctx, p, valid, d)
}

// WithdrawPass ends the temporary access passes of a person. It reports whether
// there was one.
func (g *Governance) WithdrawPass(ctx context.Context, e *reconcile.Engine, p identity.Person, by rights.Subject, reason string) (withdrawn bool, err error) {
	d, err := g.authorize(ctx, by, rights.WithdrawPass, rights.Object{About: []identity.PersonID{p.ID}}, reason)
	if err != nil {
		return false, err
	}
	d.Kind, d.Verdict, d.Person = store.PassDecision, store.Withdraw, p.ID
	return e.WithdrawPass(ctx, p, d)
}
