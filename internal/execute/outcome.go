package execute

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// outcomeOf returns the audit outcome of a result. It is empty when the outcome is not
// known: whatever an error says, the target may have made the change. Then the step stays
// open until a snapshot shows it.
func (r *targetRun) outcomeOf(a attempt, res connectors.Result) (outcome string, detail reason.Reason) {
	if res.Err != nil {
		return "", answer(res.Err.Error())
	}
	switch res.Status {
	case connectors.Applied:
		return audit.Applied, answer(res.Detail)
	case connectors.AlreadyApplied:
		return audit.AlreadyApplied, reason.Reason{}
	case connectors.Refused:
		if a.marked {
			return audit.Refused, reason.Of(reason.StillSignsIn{Detail: r.target.SignInPossible})
		}
		return audit.Refused, answer(res.Detail)
	case connectors.Ordered:
		return audit.Ordered, reason.Reason{}
	}
	return "", answer(fmt.Sprintf("the connector answered with the unknown status %q", res.Status))
}

// answer returns what a target answered as a reason; none for no words.
func answer(text string) reason.Reason {
	if text == "" {
		return reason.Reason{}
	}
	return reason.Of(reason.Answer{Text: text})
}

func (r *targetRun) recordOutcomes(ctx context.Context, attempts []attempt, results []connectors.Result, began time.Time) error {
	at := r.Now()
	ended := make([]bool, len(attempts)) // by another run
	var answered []audit.AttemptID
	for i, a := range attempts {
		if outcome, _ := r.outcomeOf(a, results[i]); outcome != "" {
			answered = append(answered, a.id)
		}
	}
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		open, err := tx.EndSteps(ctx, answered)
		if err != nil {
			return err
		}
		if err := r.forgetDecisions(ctx, tx, attempts, results, open); err != nil {
			return err
		}
		for i, a := range attempts {
			outcome, detail := r.outcomeOf(a, results[i])
			if outcome == "" {
				if err := tx.SetStepDetail(ctx, a.id, detail); err != nil {
					return err
				}
				continue
			}
			accountID := results[i].AccountID
			if outcome == audit.Refused {
				accountID = ""
			}
			if open[a.id] {
				if err := noteDone(ctx, tx, a.step, accountID, outcome, at); err != nil {
					return err
				}
			}
			if a.marked { // it is behov's, for when the target enforces it
				if err := tx.RecordAccountDisabled(ctx, accountRef(a.step), at); err != nil {
					return err
				}
			}
			if !open[a.id] { // the connection broke, and another run took this one for dead
				ended[i] = true
				continue
			}
			if outcome == audit.Ordered {
				if detail, err = r.placeOrder(ctx, tx, a, at); err != nil {
					return err
				}
			}
			record := r.record(a, audit.StepEnded, at)
			record.Outcome, record.Began = audit.Outcome(outcome), began
			record.Reason = with(record.Reason, detail)
			tx.Audit(record)
		}
		if err := r.recordLimitUsage(ctx, tx, attempts, results, at); err != nil {
			return err
		}
		return r.noteFailures(ctx, tx, attempts, results, at)
	})
	if err != nil {
		return err
	}
	for i, a := range attempts {
		outcome, detail := r.outcomeOf(a, results[i])
		if ended[i] {
			outcome, detail = LeftToOtherRun, reason.Of(reason.OtherRunRecorded{})
		}
		if outcome == audit.Applied || outcome == audit.AlreadyApplied {
			r.done[a.step.ID] = true
			if id := results[i].AccountID; id != "" {
				r.accounts[a.step.Person] = id
			}
		}
		if outcome == audit.Ordered {
			r.ordered[a.step.ID] = true
		}
		if outcome == "" {
			outcome = unknown
		}
		r.report(a.step, outcome, detail)
	}
	return nil
}

// with returns why a step was planned, with what came of it, if there is something to say.
func with(because, note reason.Reason) reason.Reason {
	if note.IsZero() {
		return because
	}
	return reason.Of(reason.With{Because: because, Note: note})
}

// forgetDecisions uses up the releases of what was done.
func (r *targetRun) forgetDecisions(ctx context.Context, tx *store.Tx, attempts []attempt, results []connectors.Result, open map[audit.AttemptID]bool) error {
	any, err := tx.HasStepDecisions(ctx, r.target.Name)
	if err != nil || !any {
		return err
	}
	var digests []audit.StepDigest
	for i, a := range attempts {
		if outcome, _ := r.outcomeOf(a, results[i]); open[a.id] && done(outcome) {
			digests = append(digests, a.step.Digest())
		}
	}
	return tx.ForgetStepDecisions(ctx, digests)
}

// done reports whether an outcome is that what was to be done is so.
func done(outcome string) bool { return outcome == audit.Applied || outcome == audit.AlreadyApplied }

// LimitWindow is for how long what people lost in a target, or what was changed, counts
// against its limits, so that many small runs cannot bypass a limit.
const LimitWindow = time.Hour

// recordLimitUsage notes what of a batch counts against the target's limits.
func (r *targetRun) recordLimitUsage(ctx context.Context, tx *store.Tx, attempts []attempt, results []connectors.Result, at time.Time) error {
	var done []attempt
	for i, a := range attempts {
		if outcome, _ := r.outcomeOf(a, results[i]); outcome == audit.Applied || outcome == audit.Ordered || outcome == "" {
			done = append(done, a)
		}
	}
	for kind, people := range r.limitUsage(done) {
		if err := tx.RecordLimitUsage(ctx, r.target.Name, kind, people, at); err != nil {
			return err
		}
	}
	return nil
}

// limitUsage returns, by kind, the people whose attempts count against the target's
// limits: not what a person released, and not what must be done now whatever the
// limits.
func (r *targetRun) limitUsage(attempts []attempt) map[blastradius.Kind][]identity.PersonID {
	people := map[blastradius.Kind][]identity.PersonID{}
	for _, a := range attempts {
		kind := a.step.Kind
		if kind == "" || r.basis.Urgent || r.released[a.step.ID] != "" || r.basis.Suspended[a.step.Person] {
			continue
		}
		people[kind] = append(people[kind], a.step.Person)
	}
	for kind := range people {
		people[kind] = unique(people[kind])
	}
	return people
}

// reserveLimit returns the people for whom the target's limits leave no room, because
// other runs for some people began after this was planned. Runs ask one at a time, and
// count the people they let through before the outcome is known, so that the next run
// sees them. People who are counted already may go on.
func (r *targetRun) reserveLimit(ctx context.Context, tx *store.Tx, attempts []attempt, at time.Time) (map[identity.PersonID]bool, error) {
	counting := r.limitUsage(attempts)
	if r.basis.People.IsEveryone() || len(counting) == 0 {
		return nil, nil
	}
	if _, err := tx.LockSequences(ctx); err != nil {
		return nil, err
	}
	counted, err := tx.LimitUsage(ctx, r.target.Name, at.Add(-LimitWindow))
	if err != nil {
		return nil, err
	}
	beyond := map[identity.PersonID]bool{}
	for _, kind := range blastradius.Kinds {
		earlier := counted[kind]
		fresh := slices.DeleteFunc(counting[kind], func(id identity.PersonID) bool { return earlier[id] })
		if len(fresh) == 0 || r.target.Limits[kind].Allows(len(earlier)+len(fresh), max(r.target.Population, len(r.basis.People.IDs()))) {
			if err := tx.RecordLimitUsage(ctx, r.target.Name, kind, fresh, at); err != nil {
				return nil, err
			}
			continue
		}
		for _, id := range fresh {
			beyond[id] = true
		}
	}
	return beyond, nil
}

// endStep closes an open step, uses up a release of it, and records what is known of the
// account from then on. It reports whether the step was open.
//
// An account that a target reports as disabled already is not one that behov disabled,
// and behov does not enable it again.
func endStep(ctx context.Context, tx *store.Tx, id audit.AttemptID, s plan.Step, accountID, outcome string, at time.Time) (open bool, err error) {
	if open, err = tx.EndStep(ctx, id); err != nil || !open || !done(outcome) {
		return open, err
	}
	if err := tx.ForgetStepDecisions(ctx, []audit.StepDigest{s.Digest()}); err != nil {
		return open, err
	}
	return open, noteDone(ctx, tx, s, accountID, outcome, at)
}

// noteDone notes what is known of an account when a step on it was done.
func noteDone(ctx context.Context, tx *store.Tx, s plan.Step, accountID, outcome string, at time.Time) (err error) {
	if !done(outcome) {
		return nil
	}
	account := accountRef(s)
	switch s.Op {
	case connectors.AdoptAccount:
		err = tx.BindAccount(ctx, account)
	case connectors.CreateAccount, plan.PrepareAccount:
		if accountID == "" {
			return nil
		}
		account.Native = accountID
		if err = tx.BindAccount(ctx, account); err == nil {
			err = tx.RecordAccountCreated(ctx, account, at)
		}
		if err == nil && s.Op == plan.PrepareAccount {
			err = tx.RecordAccountDisabled(ctx, account, at)
		}
	case connectors.DisableAccount:
		if outcome == audit.Applied {
			err = tx.RecordAccountDisabled(ctx, account, at)
		}
	case connectors.EnableAccount:
		err = tx.RecordAccountEnabled(ctx, account)
	case connectors.DeleteAccount:
		err = tx.ForgetAccount(ctx, s.Target, s.Person)
	}
	return err
}

// accountRef names the account that a step is about, as far as it is there already.
func accountRef(s plan.Step) store.AccountRef {
	return store.AccountRef{Target: s.Target, Person: s.Person, Native: s.AccountID}
}
