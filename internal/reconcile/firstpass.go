package reconcile

import (
	"context"
	"errors"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// PassSink hands the passes over with which people who begin enrol for MFA.
type PassSink interface {
	// FirstPass hands over a pass, a secret. An error means that it was not handed over.
	FirstPass(ctx context.Context, target string, account connectors.AccountRef, pass connectors.Pass) error
}

const (
	// firstPassDays is for how many days after the first one a person counts as beginning.
	firstPassDays = 7
	// passRetry is after how long a pass that could not be handed over is issued again.
	passRetry = time.Hour
)

// issueFirstPasses issues a pass to each person who began a short while ago, works, is known
// not to be enrolled, has an account that is open, and was not issued any since. It hands the
// passes over, and withdraws what could not be handed over. The failure for one person does
// not stop the rest: it is recorded, and tried again later.
func (e *Engine) issueFirstPasses(ctx context.Context, in *inputs) error {
	if e.Config.FirstPass.Valid == 0 || e.Passes == nil {
		return nil
	}
	begin := e.beginners(in)
	if len(begin) == 0 {
		return nil
	}
	ids := make([]identity.PersonID, len(begin))
	for i, b := range begin {
		ids[i] = b.person.ID
	}
	newest, err := e.DB.NewestDecisionPerPerson(ctx, store.PassDecision, store.Only(ids...))
	if err != nil {
		return err
	}
	last := map[identity.PersonID]store.Decision{}
	for _, d := range newest {
		last[d.Person] = d
	}
	var errs []error
	for _, b := range begin {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		d, any := last[b.person.ID]
		since := identity.DateOf(d.At(), e.Config.Zone) >= b.first
		if any && since && (d.Verdict == store.Issue || d.Maker != identity.System || e.Now().Sub(d.At()) < passRetry) {
			continue
		}
		errs = append(errs, e.issueFirstPass(ctx, b))
	}
	return errors.Join(errs...)
}

// beginner is a person who began a short while ago, and the first day.
type beginner struct {
	person identity.Person
	first  identity.Date
}

func (e *Engine) beginners(in *inputs) (begin []beginner) {
	day := in.people.Day
	for _, p := range in.people.All {
		facts := in.people.Facts[p.ID]
		if facts.MFA != policy.NotEnrolled || !facts.Suspended.IsZero() || !p.IsActive(day) {
			continue
		}
		first := identity.Date("")
		for _, x := range p.Active(day) {
			if first == "" || x.Start < first {
				first = x.Start
			}
		}
		if first != "" && first.AddDays(firstPassDays) > day {
			begin = append(begin, beginner{p, first})
		}
	}
	return begin
}

// issueFirstPass issues and hands over one pass. An error is the database's: what the target
// or the sink refuses is recorded.
func (e *Engine) issueFirstPass(ctx context.Context, b beginner) error {
	t, _, account, err := e.passes(ctx, b.person)
	var refused *reason.Refusal
	if errors.As(err, &refused) {
		return nil // there is no account yet, or no target that can
	}
	if err != nil {
		return err
	}
	d := store.Decision{Kind: store.PassDecision, Verdict: store.Issue, Person: b.person.ID, Maker: identity.System, Because: reason.Of(reason.FirstPass{Start: b.first})}
	pass, err := e.IssuePass(ctx, b.person, e.Config.FirstPass.Valid, d)
	if err == nil {
		if err = e.Passes.FirstPass(ctx, t.Name, account, pass); err == nil {
			return nil
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused):
		return nil
	}
	// The withdrawal is behov's own decision, so that the pass is issued again later.
	d.Verdict, d.Because = store.Withdraw, reason.Of(reason.PassNotHandedOver{Detail: err.Error()})
	_, undo := e.WithdrawPass(ctx, b.person, d)
	if ofTarget := (*connectors.Error)(nil); errors.As(undo, &ofTarget) {
		return nil // which is recorded
	}
	return undo
}
