package execute

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
)

// Outcomes of a step besides those of the audit trail: not tried, because a step that it
// depends on was not done; or unknown, because the target gave no answer.
const (
	notTried = "not-tried"
	unknown  = "unknown"
	// LeftToOtherRun: something was recorded about the person after the plan was read, or
	// another run holds the lock of their account. That run, or the job that came with
	// the record, does the work.
	LeftToOtherRun = "left-to-other-run"
)

const (
	// batchSize is how many steps are committed, carried out and committed
	// again together. What a crash leaves to be settled is at most this much
	// per target.
	batchSize = 200
	// A target that says "later" is asked again this often within a run, and
	// not kept waiting for longer than this.
	retries  = 3
	maxPause = 30 * time.Second
)

// Result is what a run did.
type Result struct {
	Plan     *plan.Plan     `json:"plan"`
	Outcomes map[string]int `json:"outcomes"` // by audit outcome
	// NotDone are steps that were refused, or failed, or not tried.
	NotDone []StepResult `json:"not_done,omitempty"`
	// Notes are steps that were done and about which the target, or the password sink,
	// reported something.
	Notes []StepResult `json:"notes,omitempty"`
	// Resolved counts steps of a stopped run whose end was found out.
	Resolved map[string]int `json:"resolved,omitempty"`
	// Unavailable names targets that stopped answering; their steps are taken up by
	// the next run.
	Unavailable map[string]string `json:"unavailable,omitempty"`
	// RetryAfter is how long those asked us to wait, as far as they did.
	RetryAfter map[string]time.Duration `json:"-"`
	// OutcomesByTarget counts the outcomes of the steps in each target.
	OutcomesByTarget map[string]map[string]int `json:"-"`
	done             map[audit.StepID]bool
}

// StepResult is a step that was not done, or was done with a note.
type StepResult struct {
	Step    plan.Step     `json:"step"`
	Outcome string        `json:"outcome"`
	Detail  reason.Reason `json:"detail"`
}

// Done returns the steps of the plan that were done, also of a run that was stopped.
func (r *Result) Done() []plan.Step {
	return slices.DeleteFunc(slices.Concat(r.Plan.Groups, r.Plan.Steps), func(s plan.Step) bool { return !r.done[s.ID] })
}

// addOutcome adds the outcome of a step and reports whether the step was done.
func (r *Result) addOutcome(s plan.Step, outcome string, detail reason.Reason) bool {
	r.Outcomes[outcome]++
	if r.OutcomesByTarget == nil {
		r.OutcomesByTarget = map[string]map[string]int{}
	}
	if r.OutcomesByTarget[s.Target] == nil {
		r.OutcomesByTarget[s.Target] = map[string]int{}
	}
	r.OutcomesByTarget[s.Target][outcome]++
	done := outcome == audit.Applied || outcome == audit.AlreadyApplied
	switch {
	case outcome == LeftToOtherRun, outcome == audit.Ordered:
	case !done:
		r.NotDone = append(r.NotDone, StepResult{Step: s, Outcome: outcome, Detail: detail})
	case !detail.IsZero():
		r.Notes = append(r.Notes, StepResult{Step: s, Outcome: outcome, Detail: detail})
	}
	return done
}

// HeldCreations reports whether accounts that belong in a target were not made:
// its first load is not done.
func (r *Result) HeldCreations(target string) bool {
	creates := func(s plan.Step) bool { return s.Target == target && plan.PhaseOf(s.Op) == plan.PhaseCreate }
	return slices.ContainsFunc(r.NotDone, func(u StepResult) bool { return creates(u.Step) }) ||
		slices.ContainsFunc(r.Plan.Holds, func(h plan.Hold) bool { return slices.ContainsFunc(h.Steps, creates) }) ||
		slices.ContainsFunc(r.Plan.AwaitingCompleteRead, func(w plan.AwaitingRead) bool { return slices.ContainsFunc(w.Steps, creates) })
}

// ErrSomeFailed is returned by Result.Err.
var ErrSomeFailed = errors.New("some steps were not done")

// Err is nil when every step was done; otherwise it wraps ErrSomeFailed.
func (r *Result) Err() error {
	parts := []string{}
	for _, f := range r.Plan.Findings {
		if f.Kind == plan.Unreachable {
			kind, err := f.Reason.Kind()
			if unreadable, ok := kind.(reason.TargetUnreadable); ok && err == nil {
				parts = append(parts, fmt.Sprintf("target %s could not be read (%s)", f.Target, unreadable.Detail))
			}
		}
	}
	if len(r.NotDone) == 0 && len(r.Unavailable) == 0 && len(parts) == 0 {
		return nil
	}
	if n := len(r.NotDone); n > 0 {
		parts = append(parts, fmt.Sprintf("%d were refused, failed or not tried", n))
	}
	for _, t := range slices.Sorted(maps.Keys(r.Unavailable)) {
		parts = append(parts, fmt.Sprintf("target %s stopped answering (%s)", t, r.Unavailable[t]))
	}
	return fmt.Errorf("%w: %s; the next run tries again", ErrSomeFailed, strings.Join(parts, "; "))
}
