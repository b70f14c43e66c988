package access

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Hold is what waits for a person to release or reject it.
type Hold struct {
	Digest  audit.HoldDigest `json:"digest"`
	Kind    store.HoldKind   `json:"kind"`
	Subject string           `json:"subject"` // the target, or the HR source
	Why     Reason           `json:"why"`
	// Causes are why, each by itself, where a release takes several things; Why is all of
	// them.
	Causes   []Reason  `json:"causes,omitempty"`
	RaisedAt time.Time `json:"raised_at"`
	RaisedBy *Actor    `json:"raised_by,omitempty"` // who caused what is held
	// Current: the newest plan or import has it. Otherwise it was superseded, and cannot be
	// decided on.
	Current      bool       `json:"current"`
	SupersededAt *time.Time `json:"superseded_at,omitempty"`
	ExpiresAt    time.Time  `json:"expires_at"`
	Decision     *Decision  `json:"decision,omitempty"`
}

// Holds returns what is held and not decided, or with all also what is decided, and what is
// superseded, newest first. Rejected is how many holds a decision rejected. A viewer who may
// not see everyone sees none: a hold is about many people, and its reason counts them.
func (v *View) Holds(all bool) (holds []Hold, rejected int, err error) {
	if !v.everyone {
		return []Hold{}, 0, nil
	}
	states, err := v.DB.Holds(v.ctx)
	if err != nil {
		return nil, 0, err
	}
	holds = []Hold{}
	for _, h := range states {
		if h.Decision != nil && h.Decision.Verdict == store.Reject {
			rejected++
		}
		if all || h.Decision == nil && h.Current() {
			holds = append(holds, v.Hold(h))
		}
	}
	return holds, rejected, nil
}

// Hold returns a hold as the viewer sees it.
func (v *View) Hold(h store.HoldState) Hold {
	x := Hold{Digest: h.Digest, Kind: h.Kind, Subject: h.Subject, Why: v.Because(h.Why), RaisedAt: h.At(), Current: h.Current(), ExpiresAt: h.At().Add(v.Config.HoldsExpire)}
	if !x.Current {
		at := h.SupersededUS.Time()
		x.SupersededAt = &at
	}
	if h.RaisedBy != "" {
		by := v.ActorOf(h.RaisedBy)
		x.RaisedBy = &by
	}
	if h.Decision != nil {
		d := v.Decision(*h.Decision)
		x.Decision = &d
	}
	kind, err := h.Why.Kind()
	if several, ok := kind.(reason.Several); ok && err == nil && h.Kind != store.PlanHold {
		for _, why := range several.Reasons {
			x.Causes = append(x.Causes, v.Because(why))
		}
	}
	return x
}

// FailingStep is a step that a target refused or failed to do.
type FailingStep struct {
	Key     audit.StepKey   `json:"key"` // for behov steps retry and give-up
	State   store.StepState `json:"state"`
	Person  Ref             `json:"person"`
	Target  string          `json:"target"`
	Tries   int             `json:"tries"`
	Outcome string          `json:"outcome"`
	Detail  Reason          `json:"detail"` // what the target said last
	First   time.Time       `json:"first"`  // when it first failed
	Last    time.Time       `json:"last"`
	Next    *time.Time      `json:"next,omitempty"` // when it is tried again
	Step    Step            `json:"step"`
}

// UnknownTargetError is returned for a target that is not known.
type UnknownTargetError struct{ Target string }

func (e *UnknownTargetError) Error() string { return fmt.Sprintf("there is no target %q", e.Target) }

// FailingSteps returns the steps that a target, or any when it is empty, did not do, the
// oldest first, without those that were given up unless all are asked for. Parked is how
// many of them wait for a decision.
func (v *View) FailingSteps(target string, all bool) (steps []FailingStep, parked int, err error) {
	failing, err := v.DB.FailingSteps(v.ctx, target, store.Everyone())
	if err != nil {
		return nil, 0, err
	}
	if _, ok := v.Config.Target(target); target != "" && !ok && len(failing) == 0 {
		return nil, 0, &UnknownTargetError{target}
	}
	kept := failing[:0:0]
	for _, f := range failing {
		if f.State != store.GivenUp || all {
			kept = append(kept, f)
		}
	}
	if steps, err = v.Steps(kept); err != nil {
		return nil, 0, err
	}
	for _, s := range steps {
		if s.State == store.Parked {
			parked++
		}
	}
	return steps, parked, nil
}

// Steps returns failing steps as the viewer sees them.
func (v *View) Steps(failing []store.FailingStep) ([]FailingStep, error) {
	var ids []identity.PersonID
	var reasons []reason.Reason
	for _, f := range failing {
		ids, reasons = append(ids, f.Person), append(reasons, f.Detail)
	}
	if err := v.Load(ids, reasons...); err != nil {
		return nil, err
	}
	steps := []FailingStep{}
	for _, f := range failing {
		if v.hides(f.Person) {
			continue
		}
		var step plan.Step
		if err := json.Unmarshal([]byte(f.Body), &step); err != nil {
			return nil, fmt.Errorf("failing step %s: %w", f.Key, err)
		}
		steps = append(steps, FailingStep{Key: f.Key, State: f.State, Person: v.Ref(f.Person), Target: f.Target, Tries: f.Tries, Outcome: f.Outcome, Detail: v.Because(f.Detail),
			First: f.First(), Last: f.Last(), Next: instant(f.Next()), Step: v.Step(&step)})
	}
	return steps, nil
}

// Duplicate is two people who may be one.
type Duplicate struct {
	A   Ref    `json:"a"`
	B   Ref    `json:"b"`
	Why Reason `json:"why"`
	// Held: one of them gets nothing until it is decided.
	Held bool `json:"held"`
}

// Duplicates returns people who may be one.
func (v *View) Duplicates() ([]Duplicate, error) {
	found, err := v.DB.Duplicates(v.ctx)
	if err != nil {
		return nil, err
	}
	var ids []identity.PersonID
	var reasons []reason.Reason
	for _, d := range found {
		ids, reasons = append(ids, d.A, d.B), append(reasons, d.Why)
	}
	if err := v.Load(ids, reasons...); err != nil {
		return nil, err
	}
	all := []Duplicate{}
	for _, d := range found {
		if v.hides(d.A) || v.hides(d.B) {
			continue
		}
		all = append(all, Duplicate{v.Ref(d.A), v.Ref(d.B), v.Because(d.Why), d.Held})
	}
	return all, nil
}

// ManagerState says whether a manager is there.
type ManagerState string

// The states of a manager.
const (
	ManagerWorks   ManagerState = "works"
	ManagerUnknown ManagerState = "unknown" // HR does not list the manager
	ManagerLeft    ManagerState = "left"
)

// Manager is a manager whom HR names for people who work here.
type Manager struct {
	Key    Key          `json:"key"`              // what HR calls the manager
	Person *Ref         `json:"person,omitempty"` // left out when HR does not list the manager
	State  ManagerState `json:"state"`
	People int          `json:"people"` // whose manager they are
}

// Managers returns the managers whom HR names for people who work today, sorted by key,
// and with all those who work here too. The main employment of each person counts.
func (v *View) Managers(all bool) ([]Manager, error) {
	day := v.Today()
	people := map[identity.SourceKey]int{}
	for p, err := range v.DB.People(v.ctx) {
		if err != nil {
			return nil, err
		}
		main, ok := p.Main(day, v.Config.Main)
		if !ok || !p.IsActive(day) {
			continue
		}
		if key := main.On(max(day, main.Start)).Manager(main.Key.Source); key.Key != "" {
			people[key]++
		}
	}
	keys := make([]identity.SourceKey, 0, len(people))
	for key := range people {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b identity.SourceKey) int {
		return strings.Compare(a.Source+"/"+a.Key, b.Source+"/"+b.Key)
	})
	known, err := v.DB.PeopleByKeys(v.ctx, keys)
	if err != nil {
		return nil, err
	}
	managers := []Manager{}
	for _, key := range keys {
		m := Manager{Key: Key{key.Source, key.Shown()}, People: people[key], State: ManagerUnknown}
		if p, ok := known[key]; ok {
			m.State = ManagerWorks
			switch v.Config.Lifecycle.StageOf(p, day, false).State {
			case identity.Ended, identity.Retained, identity.ToErase:
				m.State = ManagerLeft
			}
			if err := v.Add(p); err != nil {
				return nil, err
			}
			m.Person = v.optional(p.ID)
		}
		if m.State != ManagerWorks || all {
			managers = append(managers, m)
		}
	}
	return managers, nil
}
