// Package plan compares what is desired with what was observed and says, as
// data, which steps lead from one to the other, in which order, why, and what
// has to wait for a person.
//
// It is pure: it must never read a clock, a context, a database or a target,
// and never log. The same input in any order gives the same plan, byte for
// byte. A plan names people by opaque ID and holds no personal value: of
// attributes it holds the names, and keyed fingerprints of the values.
package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// Plan is what would be done, and what would not.
type Plan struct {
	// Digest names the plan: it is a hash of everything below. An approval
	// names a digest and covers nothing else.
	Digest audit.PlanDigest `json:"digest"`
	Basis  Basis            `json:"basis"`
	// Groups are steps on groups themselves: those that are created, before everything else,
	// and those that are renamed or deleted, after it. They concern no person. AccountID is
	// the group's own ID.
	Groups []Step `json:"groups,omitempty"`
	// Steps are in the order in which they are carried out.
	Steps []Step `json:"steps"`
	// Holds are steps that wait for a person's decision.
	Holds []Hold `json:"holds,omitempty"`
	// Released are the holds that a person released: their steps are among Steps.
	Released []Released `json:"released,omitempty"`
	// AwaitingCompleteRead are steps that wait for a complete reading of their target.
	AwaitingCompleteRead []AwaitingRead `json:"awaiting_complete_read,omitempty"`
	// SkippedSteps are steps that failed before, and those that depend on them: they
	// are not tried in this run.
	SkippedSteps []SkippedStep `json:"skipped_steps,omitempty"`
	// Deferred is what a plan for some people leaves to one for everyone.
	Deferred []DeferredPerson `json:"deferred,omitempty"`
	// GatedGrants are grants whose gate is not open.
	GatedGrants []GatedGrant `json:"gated_grants,omitempty"`
	// Adopted is access that was there already and that a rule or a decision
	// gives: from this plan on behov holds it for that reason.
	Adopted []Adoption `json:"adopted,omitempty"`
	// Handovers are what moved people keep for a while, and until when.
	Handovers []Handover `json:"handovers,omitempty"`
	// UnrepairedDrift is access that is needed, was taken away in the target behind our
	// back, and is left so.
	UnrepairedDrift []UnrepairedDrift `json:"unrepaired_drift,omitempty"`
	// Findings are what a person should look at; none of it is changed.
	Findings []Finding `json:"findings,omitempty"`
}

// Basis is what the plan was made from.
type Basis struct {
	AsOf      identity.Date     `json:"as_of"`
	Rules     string            `json:"rules"`     // digest
	Events    int64             `json:"events"`    // sequence of the last HR event
	Decisions int64             `json:"decisions"` // sequence of the last decision
	Targets   map[string]string `json:"targets"`   // digest of each target's snapshot
	Person    string            `json:"person,omitempty"`
	// Subset is set on a plan for some people. A plan for everyone with the same steps is
	// another plan.
	Subset bool `json:"subset,omitempty"`
}

// Phase orders steps: a leaver's access ends before a joiner's begins.
type Phase int

// The phases, in their order.
const (
	PhaseAdopt Phase = iota + 1
	PhaseRevokeSessions
	PhaseDisable
	PhaseRemoveFormer
	PhaseRemove
	PhaseCreate
	PhaseUpdate
	PhaseAdd
	PhaseLeave
	PhaseEnable
	PhaseDelete
)

// RevokeSessions is the step that ends an account's open sessions; it is no
// connectors.Op because only some targets can.
const RevokeSessions connectors.Op = "revoke-sessions"

// PrepareAccount is the step that makes an account which cannot be used yet:
// connectors.CreateAccount, disabled.
const PrepareAccount connectors.Op = "prepare-account"

// The steps that take an account out of a former group of an entitlement: one that the
// catalogue named before it named another. With LeaveFormerGroup the person has the
// entitlement by the group of today; with RemoveFromFormerGroup another step takes that
// membership away. Both are connectors.RemoveMember to the target, and neither ends the
// person's access by the audit trail.
const (
	LeaveFormerGroup      connectors.Op = "leave-former-group"
	RemoveFromFormerGroup connectors.Op = "remove-from-former-group"
)

// PhaseOf returns the phase in which a change is carried out.
func PhaseOf(op connectors.Op) Phase {
	switch op {
	case connectors.AdoptAccount:
		return PhaseAdopt
	case RevokeSessions:
		return PhaseRevokeSessions
	case connectors.DisableAccount:
		return PhaseDisable
	case RemoveFromFormerGroup:
		return PhaseRemoveFormer
	case connectors.RemoveMember, connectors.RemoveFormerMember:
		return PhaseRemove
	case connectors.CreateAccount, PrepareAccount:
		return PhaseCreate
	case connectors.UpdateAccount, connectors.RenameAccount:
		return PhaseUpdate
	case connectors.AddMember:
		return PhaseAdd
	case LeaveFormerGroup:
		return PhaseLeave
	case connectors.EnableAccount:
		return PhaseEnable
	}
	return PhaseDelete
}

// Step is one change to one target, with its reason.
type Step struct {
	// ID names the change without its values, the same in every plan; Key has the values
	// too, and Digest the account.
	ID     audit.StepID      `json:"id"`
	Target string            `json:"target"`
	Person identity.PersonID `json:"person"`
	Op     connectors.Op     `json:"op"`
	// AccountID is the target's own ID; empty before the account is there.
	AccountID string `json:"account_id,omitempty"`
	// Entitlement and Native name the entitlement, on memberships: as the
	// catalogue and as the target call it.
	Entitlement policy.EntitlementID `json:"entitlement,omitempty"`
	Native      string               `json:"native,omitempty"`
	// Attributes holds, on creations, updates and renamings, a fingerprint of
	// the value that each attribute gets.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Before holds, on updates, a fingerprint of the value that is replaced.
	Before map[string]string `json:"before,omitempty"`
	Reason reason.Reason     `json:"reason"`
	// Kind is which limit counts the step; empty when none does.
	Kind blastradius.Kind `json:"kind,omitempty"`
	// Destructive steps take something away.
	Destructive bool `json:"destructive,omitempty"`
	// DependsOn are steps that must have been done.
	DependsOn []audit.StepID `json:"depends_on,omitempty"`
}

// UnrepairedDrift is access that is not given again.
type UnrepairedDrift struct {
	Target      string               `json:"target"`
	Person      identity.PersonID    `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"` // or AccountAccess
}

// Adoption is access that was there, and why it may stay.
type Adoption struct {
	Target      string               `json:"target"`
	Person      identity.PersonID    `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"` // or AccountAccess
	Reason      reason.Reason        `json:"reason"`
}

// Hold is a group of steps that only a person can let through.
type Hold struct {
	// Digest names exactly these steps. It does not change with what else is
	// planned, nor from one day to the next.
	Digest audit.HoldDigest `json:"digest"`
	Target string           `json:"target"`
	Why    reason.Reason    `json:"why"`
	Steps  []Step           `json:"steps"`
	// Accompanying: the steps are held because of others that are released, or that wait
	// for a decision, and stay held when those are gone.
	Accompanying bool `json:"accompanying,omitempty"`
}

// Released is a hold of which a person released steps, and the IDs of those
// that are planned.
type Released struct {
	Digest audit.HoldDigest `json:"digest"`
	Steps  []audit.StepID   `json:"steps"`
}

// AwaitingRead is a group of steps that wait for a complete reading.
type AwaitingRead struct {
	Target string        `json:"target"`
	Why    reason.Reason `json:"why"`
	Steps  []Step        `json:"steps"`
}

// SkippedStep is a step that is not tried in this run.
type SkippedStep struct {
	Why  reason.Reason `json:"why"`
	Step Step          `json:"step"`
	// GivenUp is set when a decision gave the step up.
	GivenUp bool `json:"given_up,omitempty"`
	// Ordered is set when a person was asked to make the change, or one that it depends on.
	Ordered bool `json:"ordered,omitempty"`
}

// FailedSteps returns the skipped steps that failed and were not given up.
func (p *Plan) FailedSteps() []SkippedStep {
	var failed []SkippedStep
	for _, s := range p.SkippedSteps {
		if !s.GivenUp && !s.Ordered {
			failed = append(failed, s)
		}
	}
	return failed
}

// DeferredPerson is a person, or all of them, left to a plan for everyone, which sees
// what a plan for some people does not.
type DeferredPerson struct {
	Target string            `json:"target"`
	Person identity.PersonID `json:"person,omitempty"`
	Why    reason.Reason     `json:"why"`
}

// GatedGrant is a grant whose gate is not open.
type GatedGrant struct {
	Person      identity.PersonID    `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"`
	Gate        policy.Gate          `json:"gate"`
	Reason      reason.Reason        `json:"reason"`
}

// Handover is access that a person keeps for a while though no rule gives it any more.
type Handover struct {
	Target      string               `json:"target"`
	Person      identity.PersonID    `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"`
	Until       identity.Date        `json:"until"` // the last day
	Reason      reason.Reason        `json:"reason"`
}

// FindingKind says what was found.
type FindingKind string

// The kinds of finding.
const (
	Orphan      FindingKind = "orphan"      // an account of no known person
	Unmanaged   FindingKind = "unmanaged"   // an entitlement that is not in the catalogue
	Missing     FindingKind = "missing"     // a catalogue entitlement that the target does not have
	Drift       FindingKind = "drift"       // access that came behind our back, and is being taken away
	Ambiguous   FindingKind = "ambiguous"   // several accounts say they are the same person's
	NameTaken   FindingKind = "name-taken"  // another person's account has the login name
	AnchorLost  FindingKind = "anchor-lost" // a person's account no longer says that it is theirs
	Replaced    FindingKind = "replaced"    // the person's account is not the one it was
	NotDecided  FindingKind = "not-decided" // a person's access could not be worked out
	Unreachable FindingKind = "unreachable" // a target could not be read
	BadValue    FindingKind = "bad-value"   // an attribute could not be worked out
	Ending      FindingKind = "ending"      // a contract, or its sponsor's employment, will end
	// Disabled: an account that should be open was disabled in the target, not by
	// behov.
	Disabled FindingKind = "disabled"
	// SignInPossible: an account that is disabled in the target can sign in all the same, or
	// it is not known that it cannot.
	SignInPossible FindingKind = "sign-in-possible"
	// Vanished: an account that behov knows is gone from the target, or moved out
	// of what behov reads there.
	Vanished FindingKind = "vanished"
	// Dangling: an entitlement holds members that name nothing in the target.
	Dangling FindingKind = "dangling"
	// Managers: HR names managers that it does not list, or who have left.
	Managers FindingKind = "managers"
	// Exposed: an account carries parts of the name of a person with protected
	// identity.
	Exposed FindingKind = "exposed"
)

// Finding is something a person should look at.
type Finding struct {
	Kind        FindingKind          `json:"kind"`
	Target      string               `json:"target,omitempty"`
	Person      identity.PersonID    `json:"person,omitempty"`
	AccountID   string               `json:"account_id,omitempty"`
	Entitlement policy.EntitlementID `json:"entitlement,omitempty"`
	Reason      reason.Reason        `json:"reason"`
}

// Status is the exit status of a plan.
type Status int

// The statuses.
const (
	Nothing Status = iota
	Changes
	Held
)

// Status returns whether there is something to do, or something held.
func (p *Plan) Status() Status {
	switch {
	case len(p.Holds) > 0 || len(p.AwaitingCompleteRead) > 0 || len(p.FailedSteps()) > 0:
		return Held
	case len(p.Steps)+len(p.Groups) > 0:
		return Changes
	}
	return Nothing
}

// Only returns the part of the plan that concerns one person. What is held
// stays held: the limits are those of the whole.
func (p *Plan) Only(person identity.PersonID) (*Plan, error) {
	steps := func(all []Step) []Step {
		return slices.DeleteFunc(slices.Clone(all), func(s Step) bool { return s.Person != person })
	}
	one := &Plan{Basis: p.Basis, Steps: steps(p.Steps)}
	one.Basis.Person = string(person)
	one.Groups = slices.DeleteFunc(slices.Clone(p.Groups), func(g Step) bool {
		return !slices.ContainsFunc(one.Steps, func(s Step) bool { return s.Op == connectors.AddMember && s.Entitlement == g.Entitlement })
	})
	for _, h := range p.Holds {
		if h.Steps = steps(h.Steps); len(h.Steps) > 0 {
			one.Holds = append(one.Holds, h)
		}
	}
	for _, w := range p.AwaitingCompleteRead {
		if w.Steps = steps(w.Steps); len(w.Steps) > 0 {
			one.AwaitingCompleteRead = append(one.AwaitingCompleteRead, w)
		}
	}
	for _, s := range p.SkippedSteps {
		if s.Step.Person == person {
			one.SkippedSteps = append(one.SkippedSteps, s)
		}
	}
	for _, g := range p.GatedGrants {
		if g.Person == person {
			one.GatedGrants = append(one.GatedGrants, g)
		}
	}
	for _, a := range p.Adopted {
		if a.Person == person {
			one.Adopted = append(one.Adopted, a)
		}
	}
	for _, h := range p.Handovers {
		if h.Person == person {
			one.Handovers = append(one.Handovers, h)
		}
	}
	for _, l := range p.UnrepairedDrift {
		if l.Person == person {
			one.UnrepairedDrift = append(one.UnrepairedDrift, l)
		}
	}
	for _, f := range p.Findings {
		if f.Person == person || f.Kind == Unreachable {
			one.Findings = append(one.Findings, f)
		}
	}
	return one, one.setDigest()
}

// setDigest gives the plan its digest.
func (p *Plan) setDigest() error {
	p.Digest = ""
	digest, err := p.hash()
	p.Digest = audit.PlanDigest(digest)
	return err
}

// hash is hashOf the plan. A first plan has a million steps, so that their JSON is
// hashed one after another, and never there as a whole.
func (p *Plan) hash() (string, error) {
	if len(p.Steps) == 0 {
		return hashOf(p)
	}
	rest := *p
	rest.Steps = []Step{}
	text, err := json.Marshal(&rest)
	if err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	const field = `"steps":[`
	before, after, found := bytes.Cut(text, []byte(field)) // the first is the plan's own: the basis has none
	if !found {
		return "", errors.New("digest: the plan's JSON has no steps")
	}
	h := sha256.New()
	_, _ = h.Write(append(before, field...)) // which never fails
	for i, s := range p.Steps {
		text, err := json.Marshal(s)
		if err != nil {
			return "", fmt.Errorf("digest: %w", err)
		}
		if i > 0 {
			_, _ = h.Write([]byte{','})
		}
		_, _ = h.Write(text)
	}
	_, _ = h.Write(after)
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Verify returns an error when the plan is not the one that its digest names.
func (p *Plan) Verify() error {
	content := *p
	if err := content.setDigest(); err != nil {
		return err
	}
	if content.Digest != p.Digest {
		return fmt.Errorf("the plan was changed after it was made: its digest is %s and its content gives %s", p.Digest, content.Digest)
	}
	return nil
}

// hashOf is SHA-256 of the value's JSON; package json sorts the keys of maps.
func hashOf(v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("digest: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// RevokesAccess reports whether the step takes access away.
func (s Step) RevokesAccess() bool { return s.Destructive || s.Op == RevokeSessions }

// Digest names the step as a person reviews it: this change, with these values,
// to this account of this person. It does not depend on what else is planned.
func (s Step) Digest() audit.StepDigest {
	h := sha256.New()
	fmt.Fprintf(h, "step %q %q", s.Key(), s.AccountID)
	return audit.StepDigest(hex.EncodeToString(h.Sum(nil)[:16]))
}

// Key names the change that the step makes for the person, whether the account
// is there already or not; a step with other values has another key.
func (s Step) Key() audit.StepKey {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q", s.Target, s.Person, s.Op, s.Entitlement)
	for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
		fmt.Fprintf(h, " %q %q", name, s.Attributes[name])
	}
	if LeavesFormerGroup(s.Op) {
		fmt.Fprintf(h, " %q", s.Native)
	}
	return audit.StepKey(hex.EncodeToString(h.Sum(nil)[:8]))
}

func stepID(s Step) audit.StepID {
	what := fmt.Appendf(nil, "%q %q %q %q %q", s.Target, s.Person, s.Op, s.Entitlement, s.AccountID)
	if s.Op == connectors.UpdateAccount { // of which there may be two
		what = fmt.Appendf(what, " %q", slices.Sorted(maps.Keys(s.Attributes)))
	}
	if LeavesFormerGroup(s.Op) { // likewise
		what = fmt.Appendf(what, " %q", s.Native)
	}
	sum := sha256.Sum256(what)
	return audit.StepID(hex.EncodeToString(sum[:8]))
}
