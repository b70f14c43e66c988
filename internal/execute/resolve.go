package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// OpenSteps are steps that stopped runs left open, by target, of people whose locks this
// run holds until they are resolved.
type OpenSteps struct {
	steps map[string][]store.OpenStep
	locks locks
}

// LockOpenSteps finds the steps of people that stopped runs left open in targets, and
// locks the people. Steps whose person is locked belong to a run that is under way. Unlock
// what it returns, also with an error.
func (x *Executor) LockOpenSteps(ctx context.Context, targets []string, people store.PersonSet) (*OpenSteps, error) {
	o := &OpenSteps{steps: map[string][]store.OpenStep{}}
	for _, target := range targets {
		open, err := x.DB.OpenSteps(ctx, target, people)
		if err != nil {
			return o, err
		}
		ours := map[identity.PersonID]bool{}
		for _, s := range open {
			if _, asked := ours[s.Person]; asked {
				continue
			}
			one, err := x.DB.Locks().Try(ctx, PersonLock(target, s.Person))
			if err != nil && !errors.Is(err, lock.ErrLocked) {
				return o, err
			}
			if ours[s.Person] = err == nil; err == nil {
				o.locks = append(o.locks, one)
			}
		}
		// Again: another process may have ended a step before this one had the lock.
		if open, err = x.DB.OpenSteps(ctx, target, people); err != nil {
			return o, err
		}
		for _, s := range open {
			if ours[s.Person] {
				o.steps[target] = append(o.steps[target], s)
			}
		}
	}
	return o, nil
}

// OpenStepsOf returns the open steps of people in a target whose locks the caller holds.
func (x *Executor) OpenStepsOf(ctx context.Context, target string, people store.PersonSet) (*OpenSteps, error) {
	open, err := x.DB.OpenSteps(ctx, target, people)
	return &OpenSteps{steps: map[string][]store.OpenStep{target: open}}, err
}

// Unlock gives the locks back.
func (o *OpenSteps) Unlock() {
	if o == nil {
		return
	}
	o.locks.unlock()
	o.locks = nil
}

// people returns the people who had open steps in a target.
func (o *OpenSteps) people(target string) map[identity.PersonID]bool {
	people := map[identity.PersonID]bool{}
	if o != nil {
		for _, s := range o.steps[target] {
			people[s.Person] = true
		}
	}
	return people
}

// Resolved are open steps whose outcome was found out.
type Resolved struct {
	// Outcomes counts them by outcome. Notes are about those of which an operator
	// must know more.
	Outcomes map[string]int
	Notes    []StepResult
	// UpTo is the audit trail's end afterwards: what is recorded of their people up to
	// there is known.
	UpTo int64
}

// Resolve infers from the targets as observed the outcomes of steps that a stopped run
// intended, so that every intent has one outcome, and gives their locks back. A step whose
// outcome does not show stays open.
func (x *Executor) Resolve(ctx context.Context, o *OpenSteps, targets []plan.Target, fingerprintKey []byte) (*Resolved, error) {
	r := &Resolved{Outcomes: map[string]int{}}
	n := 0
	for _, open := range o.steps {
		n += len(open)
	}
	if n > 0 {
		if err := x.DB.Write(ctx, func(tx *store.Tx) error {
			for _, t := range targets {
				if err := x.resolveIn(ctx, tx, t, o.steps[t.Name], fingerprintKey, r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	sequences, err := x.DB.Sequences(ctx)
	r.UpTo = sequences.Audit
	o.Unlock()
	return r, err
}

// resolveIn is Resolve in one target.
func (x *Executor) resolveIn(ctx context.Context, tx *store.Tx, t plan.Target, steps []store.OpenStep, fingerprintKey []byte, r *Resolved) error {
	if t.Observed == nil {
		return nil
	}
	for _, open := range steps {
		var s plan.Step
		if err := json.Unmarshal([]byte(open.Body), &s); err != nil {
			return fmt.Errorf("open step %s: %w", open.AttemptID, err)
		}
		outcome, accountID := inferOutcome(s, t, fingerprintKey)
		if outcome == "" {
			continue
		}
		if ours, err := endStep(ctx, tx, open.AttemptID, s, accountID, outcome, x.Now()); err != nil {
			return err
		} else if !ours {
			continue
		}
		if outcome == audit.Applied {
			if err := tx.ForgetFailingStep(ctx, s.Key()); err != nil {
				return err
			}
		}
		why := with(s.Reason, reason.Of(reason.Resolved{Detail: open.Detail}))
		if x.HandsOverPasswords[t.Name] && CreatesAccount(s.Op) && outcome == audit.Applied {
			note := reason.Of(reason.PasswordMaybeLost{})
			why = with(why, note)
			r.Notes = append(r.Notes, StepResult{Step: s, Outcome: outcome, Detail: note})
		}
		tx.Audit(audit.Record{At: x.Now(), Began: open.Intended(), Actor: x.Actor, Action: audit.StepEnded, Person: open.Person, Target: t.Name,
			Entitlement: string(s.Entitlement), Op: string(s.Op), Plan: open.Plan, Attempt: open.AttemptID, Outcome: audit.Outcome(outcome), Reason: why})
		r.Outcomes[outcome]++
	}
	return nil
}

// inferOutcome says what a snapshot shows of a step that may have been done: its
// outcome, and the account's ID. The outcome is empty when it does not show.
func inferOutcome(s plan.Step, t plan.Target, fingerprintKey []byte) (outcome, accountID string) {
	accounts := t.Observed.ByAnchor(string(s.Person))
	if s.AccountID != "" {
		accounts = nil
		if a, ok := t.Observed.ByID(s.AccountID); ok {
			accounts = append(accounts, a)
		}
	}
	if len(accounts) == 0 {
		switch {
		case !t.Observed.Completeness.Complete:
			return "", ""
		case s.Op == connectors.RemoveMember || s.Op == connectors.DeleteAccount || plan.LeavesFormerGroup(s.Op):
			return audit.Applied, ""
		}
		return audit.NotDone, ""
	}
	a := accounts[0]
	done := false
	switch s.Op {
	case connectors.CreateAccount, plan.PrepareAccount:
		done = true
	case connectors.UpdateAccount:
		done = true
		for name, print := range s.Attributes {
			done = done && t.Fingerprint(fingerprintKey, name, a.Attributes[name]) == print
		}
	case connectors.AdoptAccount:
		done = a.Anchor == string(s.Person)
	case connectors.RenameAccount:
		done = t.Fingerprint(fingerprintKey, connectors.LoginName, []string{a.Name}) == s.Attributes[connectors.LoginName]
	case connectors.EnableAccount:
		done = a.Enabled
	case connectors.DisableAccount:
		done = !a.Enabled && t.SignInPossible == ""
	case connectors.AddMember:
		done = t.Observed.Member(a.ID, s.Native)
	case connectors.RemoveFormerMember:
		if !t.Observed.Completeness.Complete {
			return "", ""
		}
		done = !t.Observed.HasFormerName(a.ID, s.Native)
	case connectors.RemoveMember, plan.LeaveFormerGroup, plan.RemoveFromFormerGroup:
		done = !t.Observed.Member(a.ID, s.Native)
	}
	// A membership that an incomplete reading lacks may be there all the same.
	membership := s.Op == connectors.AddMember || s.Op == connectors.RemoveMember || plan.LeavesFormerGroup(s.Op)
	if membership && !t.Observed.Member(a.ID, s.Native) && !t.Observed.Completeness.Complete {
		return "", ""
	}
	if done {
		return audit.Applied, a.ID
	}
	return audit.NotDone, ""
}
