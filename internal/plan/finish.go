package plan

import (
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// finish puts the target's steps where they belong: into the plan, or to
// wait, or on hold.
func (b *builder) finish() {
	slices.SortStableFunc(b.steps, compareSteps)
	b.classify()
	b.splitFailing()
	// What a decision ends at once waits for no hold and no limit.
	urgent, through := b.splitUrgent()
	through = b.splitHeld(through)
	if c := b.t.Observed.Completeness; !c.Complete {
		var waits []Step
		through, waits = splitDestructive(through)
		if len(waits) > 0 && b.in.Subset {
			b.deferPerson("", reason.Of(reason.IncompleteRead{Detail: c.Why}))
		} else if len(waits) > 0 {
			b.plan.AwaitingCompleteRead = append(b.plan.AwaitingCompleteRead, AwaitingRead{Target: b.t.Name, Why: reason.Of(reason.IncompleteRead{Detail: c.Why}), Steps: waits})
		}
	}
	if !b.t.Paused.IsZero() {
		var waits []Step
		through, waits = b.splitPaused(through)
		if len(waits) > 0 {
			b.plan.AwaitingCompleteRead = append(b.plan.AwaitingCompleteRead, AwaitingRead{Target: b.t.Name, Why: b.t.Paused, Steps: waits})
		}
	}
	through, holds := b.applyLimits(through)
	for _, hold := range holds {
		if b.in.Subset {
			b.deferPerson("", hold.Why)
		} else {
			b.plan.Holds = append(b.plan.Holds, hold)
		}
	}
	b.noteReleased(through)
	// Steps are many: they are not copied unless they come from two places.
	if b.plan.Steps = through; len(urgent) > 0 {
		b.plan.Steps = append(urgent, through...)
	}
	b.steps = nil
}

// decided returns the decision on a step. Its digest is worked out only when
// something is decided.
func (b *builder) decided(s Step) Decided {
	if len(b.t.Decided) == 0 {
		return Decided{}
	}
	return b.t.Decided[s.Digest()]
}

// released reports whether a person released the step.
func (b *builder) released(s Step) bool { return b.decided(s).Verdict == Release }

// noteReleased lists the steps that go through because they were released, by
// hold.
func (b *builder) noteReleased(steps []Step) {
	at := map[audit.HoldDigest]int{}
	for _, s := range steps {
		d := b.decided(s)
		if d.Verdict != Release {
			continue
		}
		i, known := at[d.Hold]
		if !known {
			i = len(b.plan.Released)
			at[d.Hold] = i
			b.plan.Released = append(b.plan.Released, Released{Digest: d.Hold})
		}
		b.plan.Released[i].Steps = append(b.plan.Released[i].Steps, s.ID)
	}
}

// splitFailing takes out the steps that are not to be tried, and what depends on them.
func (b *builder) splitFailing() {
	if len(b.t.SkippedSteps) == 0 {
		return
	}
	skipped, givenUp, ordered := map[audit.StepID]bool{}, map[audit.StepID]bool{}, map[audit.StepID]bool{}
	var rest []Step
	for _, s := range b.steps { // a step comes after those it depends on
		why, is := b.t.SkippedSteps[s.Key()]
		if is && b.t.GivenUp[s.Key()] {
			givenUp[s.ID] = true
		}
		ordered[s.ID] = is && b.t.Ordered[s.Key()]
		for _, id := range s.DependsOn {
			if !is && skipped[id] {
				why, is = b.reason(reason.DependsOnFailed{}), true
				if givenUp[s.ID], ordered[s.ID] = givenUp[id], ordered[id]; ordered[id] {
					why = b.reason(reason.DependsOnOrdered{})
				}
			}
		}
		if !is {
			rest = append(rest, s)
			continue
		}
		skipped[s.ID] = true
		b.plan.SkippedSteps = append(b.plan.SkippedSteps, SkippedStep{Why: why, Step: s, GivenUp: givenUp[s.ID], Ordered: ordered[s.ID]})
	}
	b.steps = rest
}

// splitHeld takes out the steps that were rejected, in a plan for some people those that
// are held, and those that depend on either: a decision on a hold covers all of it.
func (b *builder) splitHeld(steps []Step) (through []Step) {
	if len(b.t.Decided)+len(b.t.Held) == 0 {
		return steps
	}
	type waiting struct {
		hold audit.HoldDigest
		why  reason.Reason
	}
	waits := map[audit.StepID]waiting{} // by step
	at := map[reason.Reason]int{}       // by why, in the plan's waits
	for _, s := range steps {           // a step comes after those it depends on
		d := b.decided(s)
		var w waiting
		switch held := b.t.Held[s.Key()]; {
		case d.Verdict == Reject:
			w = waiting{d.Hold, b.reason(reason.HoldRejected{Hold: string(d.Hold)})}
			b.rejected = append(b.rejected, s)
		case d.Verdict == "" && held != "":
			w = waiting{held, b.reason(reason.Held{Hold: string(held)})}
		}
		for _, id := range s.DependsOn {
			if w.hold == "" {
				w = waits[id]
			}
		}
		if w.hold == "" {
			through = append(through, s)
			continue
		}
		waits[s.ID] = w
		if b.t.ChangedPeople[s.Person] {
			b.deferPerson("", b.reason(reason.HeldBefore{Because: w.why}))
			continue
		}
		i, known := at[w.why]
		if !known {
			i = len(b.plan.AwaitingCompleteRead)
			at[w.why] = i
			b.plan.AwaitingCompleteRead = append(b.plan.AwaitingCompleteRead, AwaitingRead{Target: b.t.Name, Why: w.why})
		}
		b.plan.AwaitingCompleteRead[i].Steps = append(b.plan.AwaitingCompleteRead[i].Steps, s)
	}
	return through
}

// splitPaused separates what goes on while the target is paused from what waits.
func (b *builder) splitPaused(steps []Step) (through, waits []Step) {
	for _, s := range steps {
		takes := s.RevokesAccess() && s.Op != connectors.UpdateAccount
		if b.t.LeaversGo && takes && b.leavers[s.Person] {
			through = append(through, s)
		} else {
			waits = append(waits, s)
		}
	}
	return through, waits
}

// deferPerson leaves something to a plan for everyone.
func (b *builder) deferPerson(person identity.PersonID, why reason.Reason) {
	b.plan.Deferred = append(b.plan.Deferred, DeferredPerson{Target: b.t.Name, Person: person, Why: why})
}

// splitUrgent separates the steps that close the accounts of suspended people.
func (b *builder) splitUrgent() (urgent, others []Step) {
	if len(b.suspended) == 0 {
		return nil, b.steps
	}
	for _, s := range b.steps {
		if b.suspended[s.Person] && s.RevokesAccess() && s.Op != connectors.UpdateAccount {
			urgent = append(urgent, s)
		} else {
			others = append(others, s)
		}
	}
	return urgent, others
}

// splitDestructive separates what gives from what takes away.
func splitDestructive(steps []Step) (gives, takes []Step) {
	for _, s := range steps {
		if s.RevokesAccess() {
			takes = append(takes, s)
		} else {
			gives = append(gives, s)
		}
	}
	return gives, takes
}
