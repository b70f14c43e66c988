package execute

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// targetRun carries out the steps of one target.
type targetRun struct {
	*Executor
	basis           *Basis
	target          plan.Target
	plan            audit.PlanDigest
	released        map[audit.StepID]audit.HoldDigest // by released step
	steps           []plan.Step
	groups          []plan.Step                   // on groups themselves
	missingGroups   map[policy.EntitlementID]bool // those that could not be created
	report          func(s plan.Step, outcome string, detail reason.Reason)
	done            map[audit.StepID]bool // steps that were done
	ordered         map[audit.StepID]bool // steps that a person was asked to make
	accounts        map[identity.PersonID]string
	deferredWhy     map[identity.PersonID]reason.Reason // who is left to others, and why
	requeue         map[identity.PersonID]bool          // of the deferred people, those whom an older run may hold
	retryAfter      time.Duration                       // how long the target asked us to wait
	deferredBatches int                                 // how many batches it wanted to do later, in a row
	took            time.Duration                       // for how long the target worked on the last batch
	// What was recorded about people after the plan was read, up to the sequences in
	// readUpTo: the people with an HR event or a decision, and by person the last audit
	// record of a step that another plan took in this target.
	readUpTo      store.Sequences
	changedPeople map[identity.PersonID]bool
	otherSteps    map[identity.PersonID]int64
}

func newTargetRun(x *Executor, b *Basis, t plan.Target) *targetRun {
	return &targetRun{missingGroups: map[policy.EntitlementID]bool{}, Executor: x, basis: b, target: t, released: map[audit.StepID]audit.HoldDigest{}, done: map[audit.StepID]bool{}, ordered: map[audit.StepID]bool{}, accounts: map[identity.PersonID]string{}, deferredWhy: map[identity.PersonID]reason.Reason{}, requeue: map[identity.PersonID]bool{}}
}

// attempt is a step on its way: its own name in the audit trail, and the
// change that the connector is asked for.
type attempt struct {
	id     audit.AttemptID
	step   plan.Step
	change connectors.Change
	// marked: it disabled an account which can sign in all the same.
	marked bool
}

// maxDeferredBatches is how many batches in a row a target may want to do later without
// saying when: with one it may be the steps' fault.
const maxDeferredBatches = 3

// unavailableReason says why the target does not answer, or will do nothing now; empty when
// neither is so.
func (r *targetRun) unavailableReason(results []connectors.Result) string {
	later := 0
	after := time.Duration(0)
	for _, res := range results {
		switch connectors.ClassOf(res.Err) {
		case connectors.TargetDown:
			return res.Err.Error()
		case connectors.RetryLater:
			later++
			after = max(after, connectors.RetryAfter(res.Err))
		}
	}
	if later < len(results) {
		r.deferredBatches = 0
		return ""
	}
	if r.deferredBatches++; after == 0 && r.deferredBatches < maxDeferredBatches {
		return ""
	}
	r.retryAfter = after
	return results[0].Err.Error()
}

// prepare makes of a step the change to ask for, or says why it cannot.
func (r *targetRun) prepare(s plan.Step) (attempt, reason.Reason) {
	if r.missingGroup(s) {
		return attempt{}, reason.Of(reason.DependsOnUndone{})
	}
	for _, id := range s.DependsOn {
		if !r.done[id] && !r.ordered[id] { // what depends on an order is ordered with it
			return attempt{}, reason.Of(reason.DependsOnUndone{})
		}
	}
	a := attempt{id: audit.AttemptID(uuid.Must(uuid.NewV7()).String()), step: s}
	accountID := s.AccountID
	if accountID == "" {
		accountID = r.accounts[s.Person]
	}
	desired := r.desiredAccount(s)
	a.change = connectors.Change{Op: s.Op, Entitlement: s.Native, Account: connectors.AccountRef{ID: accountID, Anchor: string(s.Person), Name: desired.Name}}
	switch s.Op {
	case connectors.CreateAccount, plan.PrepareAccount, connectors.UpdateAccount:
		if CreatesAccount(s.Op) && desired.Name == "" {
			return attempt{}, reason.Of(reason.NameLost{})
		}
		a.change.Enabled = s.Op != plan.PrepareAccount
		if s.Op == plan.PrepareAccount {
			a.change.Op = connectors.CreateAccount
		}
		why := r.values(&a, desired)
		return a, why
	case plan.LeaveFormerGroup, plan.RemoveFromFormerGroup:
		a.change.Op = connectors.RemoveMember
	case connectors.RenameAccount:
		if !r.matchesPlan(s, connectors.LoginName, []string{desired.Name}) {
			return attempt{}, reason.Of(reason.ValueChanged{Attribute: connectors.LoginName})
		}
	}
	return a, reason.Reason{}
}

// CreatesAccount reports whether a step creates an account.
func CreatesAccount(op connectors.Op) bool {
	return op == connectors.CreateAccount || op == plan.PrepareAccount
}

// desiredAccount returns what the account of a step should look like.
func (r *targetRun) desiredAccount(s plan.Step) plan.Account {
	if r.basis.Accounts == nil {
		return plan.Account{}
	}
	return r.basis.Accounts.Account(s.Person, s.Target)
}

// values fills in what the change writes, or says why it cannot.
func (r *targetRun) values(a *attempt, desired plan.Account) (why reason.Reason) {
	a.change.Attributes = map[string][]string{}
	for name := range a.step.Attributes {
		values := desired.Attributes[name]
		person, refers := desired.References[name]
		if refers && person != "" {
			values = []string{plan.Referred(person)}
		}
		if !r.matchesPlan(a.step, name, values) {
			return reason.Of(reason.ValueChanged{Attribute: name})
		}
		if refers && person != "" {
			id := r.accountOf(person)
			if id == "" {
				return reason.Of(reason.ReferenceMissing{Attribute: name})
			}
			values = []string{id}
		}
		if !CreatesAccount(a.step.Op) || len(values) > 0 {
			a.change.Attributes[name] = values
		}
	}
	return reason.Reason{}
}

// matchesPlan reports whether the value is the one that the step names.
func (r *targetRun) matchesPlan(s plan.Step, attribute string, values []string) bool {
	return r.target.Fingerprint(r.basis.FingerprintKey, attribute, values) == s.Attributes[attribute]
}

// accountOf returns the ID of a person's account, one created in this run
// included.
func (r *targetRun) accountOf(person identity.PersonID) string {
	if id := r.accounts[person]; id != "" {
		return id
	}
	if own, _ := r.target.Owned(person); own != nil {
		return own.ID
	}
	return ""
}

func (r *targetRun) record(a attempt, action audit.Action, at time.Time) audit.Record {
	return audit.Record{At: at, Actor: r.Actor, Action: action, Person: a.step.Person, Target: a.step.Target,
		Entitlement: string(a.step.Entitlement), Op: string(a.step.Op), Reason: a.step.Reason, Plan: r.plan, Attempt: a.id}
}

// valueChange is what an intent says, sealed, of the values it writes.
type valueChange struct {
	Account string              `json:"account,omitempty"`
	Before  map[string][]string `json:"before,omitempty"`
	After   map[string][]string `json:"after,omitempty"`
}

// intend commits the intents of the attempts and returns those that are to be made. It
// leaves out people about whom something was recorded after the plan was read, and names
// that are or were another person's.
func (r *targetRun) intend(ctx context.Context, attempts []attempt, at time.Time) ([]attempt, error) {
	var kept []attempt
	why := map[audit.AttemptID]reason.Reason{} // by attempt, why it is not made
	err := r.DB.Write(ctx, func(tx *store.Tx) error {
		touched, err := r.affectedSince(ctx, tx, attempts)
		if err != nil {
			return err
		}
		if stopped, err := r.pausedSince(ctx, tx); err != nil {
			return err
		} else if !stopped.IsZero() {
			for _, a := range attempts {
				why[a.id] = stopped
			}
			return nil
		}
		takenBack, err := r.withdrawnReleases(ctx, tx, attempts)
		if err != nil {
			return err
		}
		for _, a := range attempts {
			if takenBack[a.step.ID] {
				why[a.id] = reason.Of(reason.ReleaseWithdrawn{})
				continue
			}
			if touched[a.step.Person] {
				r.deferredWhy[a.step.Person] = reason.Of(reason.ChangedSince{})
				continue
			}
			if CreatesAccount(a.step.Op) || a.step.Op == connectors.RenameAccount {
				var taken *store.AccountNameTakenError
				err := tx.ReserveName(ctx, a.step.Target, a.change.Account.Name, a.step.Person)
				if errors.As(err, &taken) {
					// Others took it since this was planned; another is found.
					tx.Enqueue(queue.People{People: []identity.PersonID{a.step.Person}, Target: r.target.Name})
					why[a.id] = reason.Of(reason.NameNotFree{})
					continue
				}
				if err != nil {
					return err
				}
			}
			kept = append(kept, a)
		}
		beyond, err := r.reserveLimit(ctx, tx, kept, at)
		if err != nil {
			return err
		}
		if len(beyond) > 0 {
			tx.Enqueue(queue.Run{Target: r.target.Name, Because: "what looking at few left", Events: r.basis.Sequences.Events, Decisions: r.basis.Sequences.Decisions})
			kept = slices.DeleteFunc(kept, func(a attempt) bool { return beyond[a.step.Person] })
		}
		for id := range beyond {
			r.deferredWhy[id] = reason.Of(reason.LimitReached{})
		}
		return r.recordIntents(ctx, tx, kept, at)
	})
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		if left := r.deferredWhy[a.step.Person]; !left.IsZero() {
			r.report(a.step, LeftToOtherRun, left)
		} else if !why[a.id].IsZero() {
			r.report(a.step, notTried, why[a.id])
		}
	}
	return kept, nil
}

// pausedSince returns the decision that paused the target after this was planned; empty
// without one.
func (r *targetRun) pausedSince(ctx context.Context, tx *store.Tx) (why reason.Reason, err error) {
	if r.basis.Urgent {
		return reason.Reason{}, nil
	}
	pauses, err := tx.Pauses(ctx)
	for _, d := range []store.Decision{pauses[store.EveryTarget], pauses[r.target.Name]} {
		if d.Seq > r.basis.Sequences.Decisions {
			why = reason.Of(reason.PausedSince{Decision: d.Seq})
		}
	}
	return why, err
}

// withdrawnReleases returns the steps among those that were planned as released whose
// release was taken back, or has expired, since.
func (r *targetRun) withdrawnReleases(ctx context.Context, tx *store.Tx, attempts []attempt) (map[audit.StepID]bool, error) {
	var digests []audit.StepDigest
	for _, a := range attempts {
		if r.released[a.step.ID] != "" {
			digests = append(digests, a.step.Digest())
		}
	}
	if len(digests) == 0 {
		return nil, nil
	}
	released, err := tx.Released(ctx, digests)
	if err != nil {
		return nil, err
	}
	takenBack := map[audit.StepID]bool{}
	for _, a := range attempts {
		takenBack[a.step.ID] = r.released[a.step.ID] != "" && !released[a.step.Digest()]
	}
	return takenBack, nil
}

// affectedSince returns the people of the attempts about whom something was recorded that
// the plan does not know.
func (r *targetRun) affectedSince(ctx context.Context, tx *store.Tx, attempts []attempt) (map[identity.PersonID]bool, error) {
	if r.basis.Urgent {
		return nil, nil
	}
	if r.changedPeople == nil {
		r.changedPeople, r.otherSteps, r.readUpTo = map[identity.PersonID]bool{}, map[identity.PersonID]int64{}, r.basis.Sequences
	}
	news, err := tx.ActivitySince(ctx, r.target.Name, r.readUpTo, r.plan)
	if err != nil {
		return nil, err
	}
	r.readUpTo = news.Sequences
	for _, id := range news.People {
		r.changedPeople[id] = true
	}
	maps.Copy(r.otherSteps, news.StepRecords)
	resolved := r.basis.Open.people(r.target.Name)
	touched := map[identity.PersonID]bool{}
	for _, a := range attempts {
		id := a.step.Person
		since := r.basis.Sequences.Audit
		ours := r.basis.Lock != nil || resolved[id] // no other run had their lock since their open steps were resolved
		if ours {
			since = r.basis.ResolvedUpTo
		}
		step := r.otherSteps[id] > since
		if touched[id] = step || r.changedPeople[id] || r.changedPeople[r.basis.Owners[id]]; step && !ours {
			r.requeue[id] = true // an event or a decision has its own job; what another run did has none
		}
	}
	return touched, nil
}

// unique returns the people sorted, each once.
func unique(people []identity.PersonID) []identity.PersonID {
	slices.Sort(people)
	return slices.Compact(people)
}

func (r *targetRun) recordIntents(ctx context.Context, tx *store.Tx, attempts []attempt, at time.Time) error {
	open := make([]store.OpenStep, len(attempts))
	for i, a := range attempts {
		body, err := json.Marshal(a.step)
		if err != nil {
			return fmt.Errorf("step %s: %w", a.step.ID, err)
		}
		open[i] = store.OpenStep{AttemptID: a.id, Target: a.step.Target, Person: a.step.Person, Body: string(body), Plan: r.plan}
		record := r.record(a, audit.StepIntended, at)
		if a.change.Attributes == nil && a.step.Op != connectors.RenameAccount {
			tx.Audit(record)
			continue
		}
		v := valueChange{After: a.change.Attributes, Before: map[string][]string{}}
		if CreatesAccount(a.step.Op) || a.step.Op == connectors.RenameAccount {
			v.Account = a.change.Account.Name
		}
		if account, ok := r.target.Observed.ByID(a.step.AccountID); ok {
			for name := range a.change.Attributes {
				if account.Attributes[name] != nil {
					v.Before[name] = account.Attributes[name]
				}
			}
		}
		if err := tx.AuditSealed(record, v); err != nil {
			return err
		}
	}
	return tx.IntendSteps(ctx, open, at)
}
