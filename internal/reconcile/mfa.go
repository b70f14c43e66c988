package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// readMFA reads who is enrolled for MFA. When the target that knows is outside the scope,
// the recorded bindings say which account is whose.
func (e *Engine) readMFA(ctx context.Context, w *inputs) error {
	if e.mfaTarget() == "" {
		e.withoutMFA(w)
	}
	for _, c := range e.Config.Targets {
		if !c.MFA {
			continue
		}
		t := plan.Target{Name: c.Name, Observed: plan.NewObserved()}
		t.Observed.Done(connectors.Completeness{Complete: true})
		if i := slices.IndexFunc(w.targets, func(t plan.Target) bool { return t.Name == c.Name }); i >= 0 {
			t = w.targets[i]
		} else {
			var err error
			if t.Bound, err = e.readBound(ctx, w, c.Name); err != nil {
				return err
			}
		}
		if t.Observed == nil {
			continue
		}
		reader, ok := e.Targets[t.Name].(connectors.MFAReader)
		if !ok {
			return fmt.Errorf("target %s is to say who is enrolled for MFA, and its kind cannot: choose another under mfa.target", t.Name)
		}
		enrolled := map[string]policy.Method{}
		completeness, err := reader.MFAEnrolled(ctx, func(accountID string, method connectors.MFAMethod) error {
			enrolled[accountID] = e.strengthOf(method)
			return nil
		})
		if err != nil && ctx.Err() != nil {
			return ctx.Err()
		}
		whole := err == nil && completeness.Complete && t.Observed.Completeness.Complete
		for _, p := range w.people.All {
			state, method := policy.MFA(""), enrolled[t.Bound.AccountOf(p.ID)]
			if whole {
				state = policy.NotEnrolled
			}
			if own, _ := t.Owned(p.ID); own != nil && enrolled[own.ID] != "" {
				method = enrolled[own.ID]
			}
			if method != "" {
				state = policy.Enrolled
			}
			f := w.people.Facts[p.ID]
			f.MFA, f.Method = state, method
			w.people.Facts[p.ID] = f
		}
	}
	return nil
}

// changedEnrolments returns whose enrolment is another than was last seen. Of people whose
// enrolment is unknown it says nothing.
func (e *Engine) changedEnrolments(ctx context.Context, w *inputs) (map[identity.PersonID]string, error) {
	if e.mfaTarget() == "" {
		return nil, nil
	}
	last, err := e.DB.Enrolments(ctx, w.covers.people)
	if err != nil {
		return nil, err
	}
	changed := map[identity.PersonID]string{}
	for _, p := range w.people.All {
		f := w.people.Facts[p.ID]
		if f.MFA == "" || !w.covers.shows(p.ID) {
			continue
		}
		now := string(f.Method)
		if f.MFA == policy.NotEnrolled {
			now = ""
		}
		if last[p.ID] != now {
			changed[p.ID] = now
		}
	}
	return changed, nil
}

// recordEnrolments records whose enrolment has changed, in the order of their IDs.
func (e *Engine) recordEnrolments(ctx context.Context, tx *store.Tx, changed map[identity.PersonID]string, at time.Time) error {
	for _, person := range slices.Sorted(maps.Keys(changed)) {
		if err := tx.RecordEnrolment(ctx, person, changed[person], e.Actor, e.mfaTarget(), at); err != nil {
			return err
		}
	}
	return nil
}

// mfaTarget returns the name of the target that says who is enrolled; empty for none.
func (e *Engine) mfaTarget() string {
	for _, t := range e.Config.Targets {
		if t.MFA {
			return t.Name
		}
	}
	return ""
}

// withoutMFA has no one be enrolled, as no target is named that says who is: what needs MFA is
// given to no one.
func (e *Engine) withoutMFA(w *inputs) {
	if !slices.ContainsFunc(e.Config.Rules.Catalogue.Entitlements, func(of policy.Entitlement) bool { return of.NeedsMFA() != "" }) {
		return
	}
	for _, p := range w.people.All {
		f := w.people.Facts[p.ID]
		f.MFA = policy.NotEnrolled
		w.people.Facts[p.ID] = f
	}
}

// strengthOf returns how strong a method is; empty for none.
func (e *Engine) strengthOf(m connectors.MFAMethod) policy.Method {
	switch m {
	case connectors.NoMethod:
		return ""
	case connectors.PhoneMethod:
		return policy.AnyMethod
	case connectors.AppMethod:
		return policy.StrongMethod
	case connectors.PhishingResistantMethod:
		return policy.PhishingResistant
	}
	return e.Config.MFAMethod
}

// PersonStatus is PersonStatusOf for today, with what the target says about the
// person's enrolment for MFA. A target that cannot say leaves that unknown.
func (e *Engine) PersonStatus(ctx context.Context, p identity.Person) (PersonStatus, error) {
	s, err := PersonStatusOf(ctx, e.DB, e.Config, p, identity.DateOf(e.Now(), e.Config.Zone))
	if err != nil {
		return s, err
	}
	s.Facts.MFA, s.Facts.Method, err = e.mfaState(ctx, p)
	return s, err
}

// mfaState returns whether one person is enrolled for MFA, and how strong their method is.
func (e *Engine) mfaState(ctx context.Context, p identity.Person) (policy.MFA, policy.Method, error) {
	state, method := policy.MFA(""), policy.Method("")
	if e.mfaTarget() == "" {
		state = policy.NotEnrolled
	}
	for _, t := range e.Config.Targets {
		reader, ok := e.Targets[t.Name].(connectors.MFAReader)
		if !t.MFA || !ok {
			continue
		}
		account, err := e.DB.AccountOf(ctx, t.Name, p.ID)
		if err != nil {
			return state, method, err
		}
		if account == "" { // without an account no one can be enrolled
			state = policy.NotEnrolled
			continue
		}
		if single, ok := e.Targets[t.Name].(connectors.SingleMFAReader); ok && account != "" {
			if found, err := single.MFAEnrolledFor(ctx, connectors.AccountRef{ID: account, Anchor: string(p.ID)}); err == nil {
				state = policy.NotEnrolled
				if method = e.strengthOf(found); method != "" {
					state = policy.Enrolled
				}
			}
			continue
		}
		completeness, err := reader.MFAEnrolled(ctx, func(accountID string, of connectors.MFAMethod) error {
			if accountID == account {
				method = e.strengthOf(of)
			}
			return nil
		})
		switch {
		case method != "":
			state = policy.Enrolled
		case err == nil && completeness.Complete:
			state = policy.NotEnrolled
		}
	}
	return state, method, nil
}
