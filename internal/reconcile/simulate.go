package reconcile

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// Change is what a simulation tries.
type Change struct {
	// Rules are other rules, with their catalogue and organisation; nil for the engine's.
	Rules *policy.Rules
	// People are as an HR file would make them.
	People []identity.Person
}

// Simulation says what a change would do to everyone, beside what happens without it.
type Simulation struct {
	AsOf identity.Date `json:"as_of"`
	// Plan is the digest of the plan once the change is made, and Rules that of its rules.
	Plan  audit.PlanDigest `json:"plan"`
	Rules string           `json:"rules"`
	// Groups are the changes to groups themselves that are planned because of the change.
	Groups []plan.Step `json:"groups"`
	// Steps are those that are planned because of the change, and Dropped those that are not
	// planned any more. Steps that are held are among them.
	Steps   []plan.Step `json:"steps"`
	Dropped []plan.Step `json:"dropped"`
	// Holds and Findings are those that come with the change.
	Holds    []NewHold      `json:"holds"`
	Findings []plan.Finding `json:"findings"`
	// Grants are those that begin, end, or come to another state, sorted by person and
	// entitlement.
	Grants []GrantChange `json:"grants"`
	// Entitlements are those that anyone needs before or after, sorted.
	Entitlements []EntitlementChange `json:"entitlements"`
	// People is how many people the grants and steps are about, and Cut that not all of them
	// are in the lists.
	People int  `json:"people"`
	Cut    bool `json:"cut"`
	// Newcomers are people whom the change makes known. They are personal data and are not
	// kept.
	Newcomers []identity.Person `json:"-"`

	protected map[identity.PersonID]bool
}

// Keep keeps at most so many of each list, and of people with protected identity all: who may
// not see them is told neither of them nor of their number.
func (s *Simulation) Keep(most int) {
	s.Cut = len(s.Grants) > most || len(s.Steps) > most || len(s.Dropped) > most || len(s.Findings) > most
	s.Grants = kept(s.Grants, most, func(g GrantChange) bool { return s.protected[g.Person] })
	s.Steps = kept(s.Steps, most, func(x plan.Step) bool { return s.protected[x.Person] })
	s.Dropped = kept(s.Dropped, most, func(x plan.Step) bool { return s.protected[x.Person] })
	s.Findings = kept(s.Findings, most, func(f plan.Finding) bool { return s.protected[f.Person] })
}

// kept returns the first values, and of the others those that are always kept.
func kept[T any](all []T, most int, always func(T) bool) []T {
	n := 0
	return slices.DeleteFunc(all, func(v T) bool {
		n++
		return n > most && !always(v)
	})
}

// NewHold is what a run would hold for a person.
type NewHold struct {
	Target string        `json:"target"`
	Why    reason.Reason `json:"why"`
	Steps  int           `json:"steps"` // how many
}

// GrantState is how what a person needs stands; empty when they need it not.
type GrantState string

// The states of a grant in a simulation. One that is waiting has a gate that is not open,
// and one that is undecided could not be worked out: it stays as it is.
const (
	GrantGiven     GrantState = "given"
	GrantWaiting   GrantState = "waiting"
	GrantUndecided GrantState = "undecided"
)

// GrantChange is a grant of a person that a change concerns.
type GrantChange struct {
	Person      identity.PersonID    `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"`
	Before      GrantState           `json:"before,omitempty"`
	After       GrantState           `json:"after,omitempty"`
	// Reason is why it is granted or waits; of one that ends, why it was granted, or what
	// takes it.
	Reason reason.Reason `json:"reason"`
}

// EntitlementChange is how many people need an entitlement.
type EntitlementChange struct {
	Entitlement policy.EntitlementID `json:"entitlement"`
	// Before and After are the people to whom it is given, as licences are counted.
	Before int `json:"before"`
	After  int `json:"after"`
	// Begin and End are the people to whom it comes to be given, and from whom it is taken.
	Begin int `json:"begin"`
	End   int `json:"end"`
	// Waiting is the number of people who wait for it after the change.
	Waiting int `json:"waiting"`
}

// Without leaves a person's grant out of the counts.
func (c *EntitlementChange) Without(g GrantChange) { c.count(g.Before, g.After, -1) }

// count counts a grant that was and is in a state, one of them empty.
func (c *EntitlementChange) count(was, is GrantState, n int) {
	if was == GrantGiven {
		c.Before += n
	}
	switch is {
	case GrantGiven:
		c.After += n
	case GrantWaiting:
		c.Waiting += n
	}
	switch {
	case was == is:
	case is == GrantGiven:
		c.Begin += n
	case was == GrantGiven && is != GrantUndecided: // which stays as it is
		c.End += n
	}
}

// Simulate plans with a change and without it, from the same reading of the targets, and
// compares. The plan with the change is the one that a run would make if the change were
// made at the same moment. It changes nothing.
func (e *Engine) Simulate(ctx context.Context, asOf identity.Date, change Change) (*Simulation, error) {
	scope := Scope{AsOf: asOf}
	in, err := e.read(ctx, scope, false)
	if err != nil {
		return nil, err
	}
	other, c := *e, *e.Config
	if change.Rules != nil {
		c.Rules = change.Rules
	}
	other.Config = &c
	changed, err := other.readAgain(ctx, in, scope, change.People)
	if err != nil {
		return nil, err
	}
	s := &simulating{Simulation: &Simulation{AsOf: in.people.Day, Rules: c.Rules.Digest}, before: in, needed: make(map[identity.PersonID][]need, len(in.people.All)), changes: map[policy.EntitlementID]*EntitlementChange{}}
	before, err := e.planOf(ctx, in, s.note)
	if err != nil {
		return nil, err
	}
	after, err := other.planOf(ctx, changed, s.compare)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(s.changes)) {
		s.Entitlements = append(s.Entitlements, *s.changes[id])
	}
	for _, p := range change.People {
		if _, known := in.people.Person(p.ID); !known {
			s.Newcomers = append(s.Newcomers, p)
		}
	}
	s.Plan, s.Steps, s.Dropped = after.Digest, stepsWithout(after, before), stepsWithout(before, after)
	s.Groups = slices.DeleteFunc(slices.Clone(after.Groups), func(g plan.Step) bool {
		return slices.ContainsFunc(before.Groups, func(b plan.Step) bool { return b.ID == g.ID && b.Native == g.Native })
	})
	for _, h := range after.Holds {
		if !slices.ContainsFunc(before.Holds, func(b plan.Hold) bool { return b.Digest == h.Digest }) {
			s.Holds = append(s.Holds, NewHold{h.Target, h.Why, len(h.Steps)})
		}
	}
	known := map[string]bool{}
	for _, f := range before.Findings {
		known[findingKey(f)] = true
	}
	s.Findings = slices.DeleteFunc(slices.Clone(after.Findings), func(f plan.Finding) bool { return known[findingKey(f)] })
	s.count(changed.people)
	return s.Simulation, nil
}

// count counts the people whom grants and steps are about, and notes who of them is protected.
func (s *Simulation) count(people *desired.People) {
	concerned := map[identity.PersonID]bool{}
	for _, g := range s.Grants {
		concerned[g.Person] = true
	}
	for _, x := range slices.Concat(s.Steps, s.Dropped) {
		concerned[x.Person] = true
	}
	s.People, s.protected = len(concerned), map[identity.PersonID]bool{}
	for _, p := range people.All {
		if p.Protected {
			s.protected[p.ID] = true
		}
	}
}

func findingKey(f plan.Finding) string {
	return strings.Join([]string{string(f.Kind), f.Target, string(f.Person), f.AccountID, string(f.Entitlement), f.Reason.JSON()}, "\x00")
}

// stepsWithout returns the steps of a plan, held ones included, that another has not.
func stepsWithout(p, other *plan.Plan) []plan.Step {
	known := map[audit.StepKey]bool{}
	for s := range allSteps(other) {
		known[s.Key()] = true
	}
	var left []plan.Step
	for s := range allSteps(p) {
		if !known[s.Key()] {
			left = append(left, s)
		}
	}
	return left
}

// allSteps are the steps of a plan, and those that are held or wait for a complete reading.
func allSteps(p *plan.Plan) iter.Seq[plan.Step] {
	return func(yield func(plan.Step) bool) {
		lists := [][]plan.Step{p.Steps}
		for _, h := range p.Holds {
			lists = append(lists, h.Steps)
		}
		for _, w := range p.AwaitingCompleteRead {
			lists = append(lists, w.Steps)
		}
		for _, steps := range lists {
			for _, s := range steps {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// readAgain returns the inputs of a plan with the engine's configuration and with changed
// people, from targets that were read before.
func (e *Engine) readAgain(ctx context.Context, in *inputs, s Scope, people []identity.Person) (*inputs, error) {
	w, err := e.newInputs(ctx, s)
	if err != nil {
		return nil, err
	}
	w.began, w.sequences, w.waitingJobs = in.began, in.sequences, in.waitingJobs
	w.people.All = in.people.All
	if len(desired.SponsoredSources(e.Config)) > 0 { // those there are cut off where their sponsors left
		w.people.All = w.people.All[:0:0]
		for p, err := range e.DB.People(ctx) {
			if err != nil {
				return nil, err
			}
			w.people.All = append(w.people.All, p)
		}
	}
	w.people.All = withChanged(w.people.All, people)
	for _, p := range w.people.All {
		for _, k := range p.Keys {
			w.people.ByKey[k.SourceKey] = p.ID
		}
	}
	if err := e.finishPeople(ctx, w); err != nil {
		return nil, err
	}
	w.targets = make([]plan.Target, len(w.covers.targets))
	for i, c := range w.covers.targets {
		t, read := e.targetOf(c), in.targets[i]
		t.Observed, t.ReadError, t.Matching = read.Observed, read.ReadError, read.Matching
		record, err := e.readRecord(ctx, w, c.Name)
		if err != nil {
			return nil, err
		}
		if err := e.readRecorded(ctx, w, &t, record); err != nil {
			return nil, err
		}
		w.targets[i] = t
	}
	w.people.Facts = maps.Clone(in.people.Facts)
	e.newcomersMFA(w, in)
	return w, nil
}

// newcomersMFA has people who are not known yet be as those are who have no account: not
// enrolled for MFA, where the target that knows could be read.
func (e *Engine) newcomersMFA(w, in *inputs) {
	whole := false
	for _, f := range in.people.Facts {
		whole = whole || f.MFA == policy.NotEnrolled
	}
	for _, p := range w.people.All {
		if _, known := w.people.Facts[p.ID]; !known && whole {
			w.people.Facts[p.ID] = policy.Facts{MFA: policy.NotEnrolled}
		}
	}
}

// withChanged returns people, sorted by ID, with the changed ones in the place of those that
// were there.
func withChanged(all, changed []identity.Person) []identity.Person {
	if len(changed) == 0 {
		return slices.Clone(all)
	}
	byID := func(a, b identity.Person) int { return cmp.Compare(a.ID, b.ID) }
	changed = slices.SortedFunc(slices.Values(changed), byID)
	out := make([]identity.Person, 0, len(all)+len(changed))
	for _, p := range all {
		for len(changed) > 0 && changed[0].ID < p.ID {
			out, changed = append(out, changed[0]), changed[1:]
		}
		if len(changed) > 0 && changed[0].ID == p.ID {
			p, changed = changed[0], changed[1:]
		}
		out = append(out, p)
	}
	return append(out, changed...)
}

// need is what a person needs: an entitlement of a catalogue, by its place, and how it stands.
type need struct {
	entitlement int32
	state       int8
}

var grantStates = []GrantState{"", GrantGiven, GrantWaiting, GrantUndecided}

// stateOf says how what a person needs stands, and why.
func stateOf(p *plan.Person, g *policy.Grant) (int8, reason.Reason) {
	switch {
	case !p.NoEntitlementReason.IsZero() && !p.Prepare, g.Gate == policy.Denied, g.Gate == policy.Revoked, g.Gate == policy.Withheld:
		return 0, g.GateReason
	case !p.UndecidedReason.IsZero():
		return 3, p.UndecidedReason
	case g.Gate == policy.AwaitingMFA, g.Gate == policy.MFAUnknown:
		return 2, g.GateReason
	}
	return 1, policy.Reasons(g.Reasons)
}

// simulating compares what people need with what they needed.
type simulating struct {
	*Simulation
	before  *inputs
	needed  map[identity.PersonID][]need // before, by place in its catalogue
	changes map[policy.EntitlementID]*EntitlementChange
}

// note keeps what people need while they are planned.
func (s *simulating) note(people iter.Seq[plan.Person]) iter.Seq[plan.Person] {
	place := map[policy.EntitlementID]int32{}
	for i, e := range s.before.people.Config.Rules.Catalogue.Entitlements {
		place[e.ID] = int32(i)
	}
	return func(yield func(plan.Person) bool) {
		for p := range people {
			needed := make([]need, 0, len(p.Grants))
			for i := range p.Grants {
				if state, _ := stateOf(&p, &p.Grants[i]); state != 0 {
					if at, known := place[p.Grants[i].Entitlement]; known {
						needed = append(needed, need{at, state})
					}
				}
			}
			s.needed[p.ID] = needed
			if !yield(p) {
				return
			}
		}
	}
}

// compare compares what people need with what was noted, while they are planned.
func (s *simulating) compare(people iter.Seq[plan.Person]) iter.Seq[plan.Person] {
	return func(yield func(plan.Person) bool) {
		for p := range people {
			s.person(&p)
			if !yield(p) {
				return
			}
		}
	}
}

func (s *simulating) person(p *plan.Person) {
	catalogue := s.before.people.Config.Rules.Catalogue.Entitlements
	was := s.needed[p.ID]
	for i := range p.Grants {
		g := &p.Grants[i]
		for len(was) > 0 && catalogue[was[0].entitlement].ID < g.Entitlement {
			s.grant(p.ID, catalogue[was[0].entitlement].ID, was[0].state, 0, reason.Reason{})
			was = was[1:]
		}
		before := int8(0)
		if len(was) > 0 && catalogue[was[0].entitlement].ID == g.Entitlement {
			before, was = was[0].state, was[1:]
		}
		state, why := stateOf(p, g)
		s.grant(p.ID, g.Entitlement, before, state, why)
	}
	for _, n := range was {
		s.grant(p.ID, catalogue[n.entitlement].ID, n.state, 0, reason.Reason{})
	}
}

func (s *simulating) grant(person identity.PersonID, id policy.EntitlementID, was, is int8, why reason.Reason) {
	if was == 0 && is == 0 {
		return
	}
	c := s.changes[id]
	if c == nil {
		c = &EntitlementChange{Entitlement: id}
		s.changes[id] = c
	}
	c.count(grantStates[was], grantStates[is], 1)
	if was == is {
		return
	}
	if is == 0 && why.IsZero() {
		why = s.whyBefore(person, id)
	}
	s.Grants = append(s.Grants, GrantChange{person, id, grantStates[was], grantStates[is], why})
}

// whyBefore returns why a person was given what they lose.
func (s *simulating) whyBefore(person identity.PersonID, id policy.EntitlementID) reason.Reason {
	p, known := s.before.people.Person(person)
	if !known {
		return reason.Reason{}
	}
	needed := s.before.people.Grants(p)
	for i := range needed.Grants {
		if needed.Grants[i].Entitlement == id {
			_, why := stateOf(&needed, &needed.Grants[i])
			return why
		}
	}
	return reason.Reason{}
}
