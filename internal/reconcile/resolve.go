package reconcile

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// resolveOpenSteps infers from the snapshots the outcomes of steps that a stopped run
// intended, so that every intent has one outcome. A step whose outcome a snapshot cannot
// show stays open.
func (e *Engine) resolveOpenSteps(ctx context.Context, w *inputs) error {
	w.resolved = map[string]int{}
	if err := e.resolveInTransaction(ctx, w); err != nil {
		return err
	}
	heads, err := e.DB.Sequences(ctx)
	w.resolvedAt = heads.Audit
	w.unlock()
	return err
}

func (e *Engine) resolveInTransaction(ctx context.Context, w *inputs) error {
	n := 0
	for _, open := range w.openSteps {
		n += len(open)
	}
	if n == 0 {
		return nil
	}
	return e.DB.Write(ctx, func(tx *store.Tx) error {
		for _, t := range w.targets {
			if t.Observed == nil {
				continue
			}
			for _, open := range w.openSteps[t.Name] {
				var s plan.Step
				if err := json.Unmarshal([]byte(open.Body), &s); err != nil {
					return fmt.Errorf("open step %s: %w", open.ID, err)
				}
				outcome, accountID := inferOutcome(s, t, w.fingerprintKey)
				if outcome == "" {
					continue
				}
				if ours, err := endStep(ctx, tx, open.ID, s, accountID, outcome, e.Now()); err != nil {
					return err
				} else if !ours {
					continue
				}
				if outcome == audit.Applied {
					if err := tx.ForgetFailingStep(ctx, s.Key()); err != nil {
						return err
					}
				}
				told := s.Reason + resolvedReason(open.Detail)
				if note := e.lostPasswordNote(t.Name, s.Op, outcome); note != "" {
					told += "; " + note
					w.notes = append(w.notes, StepResult{Step: s, Outcome: outcome, Detail: note})
				}
				tx.Audit(audit.Record{At: e.Now(), Began: open.Intended(), Actor: e.Actor, Action: audit.StepEnded, Person: open.Person, Target: t.Name,
					Entitlement: string(s.Entitlement), Op: string(s.Op), Plan: open.Plan, Step: open.ID, Outcome: outcome,
					Reason: told})
				w.resolved[outcome]++
			}
		}
		return nil
	})
}

// lostPasswordNote says what got lost with the answer to a creation: the first password.
func (e *Engine) lostPasswordNote(target string, op connectors.Op, outcome string) string {
	t, ok := e.Config.Target(target)
	if !ok || !createsAccount(op) || outcome != audit.Applied || t.FirstPassword.Directory == "" && len(t.FirstPassword.Command) == 0 {
		return ""
	}
	return "its first password may never have been handed over: set another one"
}

func resolvedReason(detail string) string {
	if detail == "" {
		return " (settled by reading the target, after a run that was stopped)"
	}
	return " (settled by reading the target, which had given no usable answer: " + detail + ")"
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
		done = t.Fingerprint(fingerprintKey, plan.NameAttribute, []string{a.Name}) == s.Attributes[plan.NameAttribute]
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
