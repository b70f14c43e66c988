package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// applyLimits holds what a person has to decide first: what is never done without a
// decision, and what exceeds a limit. A released step goes through, unless it
// depends on one that is held; it counts against the limit for the others, so
// that what came later is held beside it.
func (b *builder) applyLimits(steps []Step) (through []Step, holds []Hold) {
	through = steps
	hold := func(why reason.Reason, held func(Step) bool) {
		var rest, these []Step
		ids := map[audit.StepID]bool{}
		for _, s := range through { // a step comes after those it depends on
			if held(s) && !b.released(s) || slices.ContainsFunc(s.DependsOn, func(id audit.StepID) bool { return ids[id] }) {
				these = append(these, s)
				ids[s.ID] = true
			} else {
				rest = append(rest, s)
			}
		}
		through = rest
		holds = append(holds, Hold{Digest: holdDigest(b.t.Name, these), Target: b.t.Name, Why: why, Steps: these})
	}
	all := steps
	if len(b.rejected) > 0 {
		all = slices.Concat(steps, b.rejected)
	}
	concerned := func(counts func(Step) bool) map[identity.PersonID]bool {
		people := map[identity.PersonID]bool{}
		for _, s := range through {
			if counts(s) {
				people[s.Person] = true
			}
		}
		return people
	}
	waiting := func(counts func(Step) bool) bool {
		return slices.ContainsFunc(through, func(s Step) bool { return counts(s) && !b.released(s) })
	}
	for _, rule := range []struct {
		why  func(n int) reason.Kind
		held func(Step) bool
	}{
		{func(n int) reason.Kind { return reason.ClosesFormer{Count: n} }, func(s Step) bool { return b.former[s.Person] }},
		{func(n int) reason.Kind { return reason.Reenables{Count: n} }, func(s Step) bool { return b.reopens[s.ID] }},
		{func(n int) reason.Kind { return reason.Recreates{Count: n} }, func(s Step) bool { return PhaseOf(s.Op) == PhaseCreate && b.vanished[s.Person] }},
		{func(n int) reason.Kind { return reason.HeldTogether{Count: n} }, b.deferred},
	} {
		held := func(s Step) bool { return rule.held(s) && !b.released(s) }
		if n := len(concerned(held)); n > 0 {
			hold(reason.Of(rule.why(n)), held)
			holds[len(holds)-1].Accompanying = slices.ContainsFunc(holds[len(holds)-1].Steps, b.deferred)
		}
	}
	population := max(b.enabled, b.t.Population)
	for _, kind := range blastradius.Kinds {
		limit := b.t.Limits[kind]
		single := b.in.Only != "" && (kind == blastradius.Creations || kind == blastradius.Changes || kind == blastradius.Renames)
		counts := func(s Step) bool { return s.Kind == kind && (!single || s.Person == b.in.Only) }
		if !waiting(counts) {
			continue
		}
		// What is released, rejected or deferred counts beside the rest: what came
		// later does not go through because a person reviewed the others.
		n := b.countByKind(kind, all, func(s Step) bool { return counts(s) && (!b.neverWithoutDecision(s) || b.deferred(s)) })
		alone := b.countByKind(kind, through, func(s Step) bool { return counts(s) && !b.released(s) })
		if !limit.Allows(max(n, b.importSize(kind)), population) {
			hold(reason.Of(reason.LimitExceeded{Limit: string(kind), Count: n, Population: population, Target: b.t.Name, Earlier: len(b.t.LimitUsage[kind]), Most: limit.Most(population)}), counts)
			holds[len(holds)-1].Accompanying = limit.Allows(max(alone, b.importSize(kind)), population)
		}
	}
	return through, holds
}

// deferred reports whether the step waits for a decision, whatever the limits.
func (b *builder) deferred(s Step) bool { return b.decided(s).Verdict == StaysHeld }

// neverWithoutDecision reports whether the step is one that is never done without a decision.
func (b *builder) neverWithoutDecision(s Step) bool {
	return b.former[s.Person] || b.reopens[s.ID] || PhaseOf(s.Op) == PhaseCreate && b.vanished[s.Person]
}

// countByKind returns how many people steps of a kind concern, with those of the last
// hour.
func (b *builder) countByKind(kind blastradius.Kind, steps []Step, counts func(Step) bool) int {
	earlier := b.t.LimitUsage[kind]
	people := map[identity.PersonID]bool{}
	for _, s := range steps {
		if counts(s) && !earlier[s.Person] {
			people[s.Person] = true
		}
	}
	return len(earlier) + len(people)
}

// isFirstLoad reports whether the step is part of the first load of a target: until a
// run has once brought everything there, the accounts that behov creates, and
// the values of those that it created, are new and not changes. Creations stay
// limited where accounts are adopted: the right account may be there already.
func (b *builder) isFirstLoad(s Step) bool {
	switch {
	case !b.t.Loading:
		return false
	case s.Kind == blastradius.Creations:
		return !b.claiming
	case s.Kind == blastradius.Changes || s.Kind == blastradius.Renames || s.Kind == blastradius.Grants:
		// Behov created the account, or a stopped run was about to.
		return b.t.Bound.Record(s.Person).Created || b.t.Uncertain[Access{Person: s.Person, Entitlement: AccountAccess}]
	}
	return false
}

// importSize returns the number of people in the import that these people are part of:
// what they lose or get the others may as well.
func (b *builder) importSize(kind blastradius.Kind) int {
	if b.in.Subset && (kind == blastradius.Disables || kind == blastradius.Removals || kind == blastradius.Changes || kind == blastradius.Grants) {
		return b.in.GroupSize
	}
	return 0
}

// holdDigest names exactly these changes to exactly these accounts.
func holdDigest(target string, steps []Step) audit.HoldDigest {
	h := sha256.New()
	fmt.Fprintf(h, "hold %q\n", target)
	for _, s := range steps {
		fmt.Fprintln(h, s.Digest())
	}
	return audit.HoldDigest(hex.EncodeToString(h.Sum(nil)[:8]))
}
