package access

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Entitlement is what people can have, as the catalogue says.
type Entitlement struct {
	Entitlement policy.EntitlementID `json:"entitlement"`
	Name        string               `json:"name,omitempty"`
	System      string               `json:"system"`
	Target      string               `json:"target"`
	MFA         bool                 `json:"mfa"` // it waits until the person is enrolled
}

// System is an application that people have access to.
type System struct {
	System       string        `json:"system"`
	Name         string        `json:"name,omitempty"`
	Owner        string        `json:"owner,omitempty"` // as the catalogue names them
	Deputies     []string      `json:"deputies"`
	Mine         bool          `json:"mine"` // the viewer is the owner or a deputy
	Entitlements []Entitlement `json:"entitlements"`
}

// Systems returns the systems of the catalogue, sorted.
func (v *View) Systems() []System {
	all := []System{}
	for _, s := range v.Config.Rules.Catalogue.Systems {
		x := System{System: s.ID, Name: s.Name, Owner: s.Owner, Deputies: append([]string{}, s.Deputies...), Mine: v.owns(s), Entitlements: []Entitlement{}}
		for i := range v.Config.Rules.Catalogue.Entitlements {
			e := &v.Config.Rules.Catalogue.Entitlements[i]
			if e.System == s.ID {
				x.Entitlements = append(x.Entitlements, Entitlement{Entitlement: e.ID, Name: e.Name, System: e.System, Target: e.Target, MFA: e.NeedsMFA() != ""})
			}
		}
		all = append(all, x)
	}
	slices.SortFunc(all, func(a, b System) int { return strings.Compare(a.System, b.System) })
	return all
}

// SystemState is a system with its class, what the class demands, and where practice falls
// short.
type SystemState struct {
	System
	Class *policy.Class `json:"class,omitempty"` // left out of a system that no one has classified
	Note  string        `json:"note,omitempty"`
	// Suppliers provide or run it, and DataIn are the countries in which its data lies.
	Suppliers []policy.Supplier `json:"suppliers"`
	DataIn    []string          `json:"data_in"`
	Controls  policy.Controls   `json:"controls"`
	// Owners are the owner and the deputies who work here.
	Owners []Ref `json:"owners"`
	// Revised is when a person last said that the system was gone through.
	Revised *Decision `json:"revised,omitempty"`
	// Findings are where practice falls short. They are left out for a viewer who neither
	// sees everyone nor answers for the system.
	Findings []Reason `json:"findings"`
	// Shortfalls are what people have against the controls: the first of them.
	Shortfalls []SystemShortfall `json:"shortfalls"`
}

// SystemShortfall is access that a person has though a control of the system does not let
// them.
type SystemShortfall struct {
	Person      Ref                  `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"`
	Because     Reason               `json:"because"`
}

// revisionDays is how often a system, the rules, the controls and the rights are gone
// through.
const revisionDays = 365

// SystemStates returns every system of the catalogue, sorted. counted says what people have
// against controls; nil when it is not counted yet.
func (v *View) SystemStates(counted *Organisation) ([]SystemState, error) {
	revised, err := v.DB.NewestDecisionPerSubject(v.ctx, store.RevisionDecision)
	if err != nil {
		return nil, err
	}
	reviewed, err := v.DB.LastReviews(v.ctx)
	if err != nil {
		return nil, err
	}
	all := []SystemState{}
	for _, x := range v.Systems() {
		s, _ := v.Config.Rules.Catalogue.System(x.System)
		state := SystemState{System: x, Class: s.Class, Note: s.Note, Suppliers: append([]policy.Supplier{}, s.Suppliers...), DataIn: append([]string{}, s.DataIn...), Controls: s.Controls, Owners: []Ref{}, Findings: []Reason{}, Shortfalls: []SystemShortfall{}}
		if state.Owners, err = v.ownersWorking(s); err != nil {
			return nil, err
		}
		if d, known := revised[store.RevisionSubject(x.System)]; known {
			shown := v.Decision(d)
			state.Revised = &shown
		}
		if v.everyone || x.Mine {
			last, known := reviewed[x.System]
			lastDay := identity.Date("")
			if known {
				lastDay = identity.DateOf(last, v.Config.Zone)
			}
			groups, err := v.groupFindings(s, state)
			if err != nil {
				return nil, err
			}
			state.Findings = append(v.findings(s, state, lastDay, counted), groups...)
			if counted != nil {
				if state.Shortfalls, err = v.shortfallsOf(counted.Shortfalls[x.System]); err != nil {
					return nil, err
				}
			}
		}
		all = append(all, state)
	}
	return all, nil
}

// SystemState returns one system of the catalogue.
func (v *View) SystemState(id string, counted *Organisation) (SystemState, error) {
	all, err := v.SystemStates(counted)
	if err != nil {
		return SystemState{}, err
	}
	i := slices.IndexFunc(all, func(s SystemState) bool { return s.System.System == id })
	if i < 0 {
		var known []string
		for _, s := range all {
			known = append(known, s.System.System)
		}
		return SystemState{}, &reason.Refusal{Reason: reason.Of(reason.NoSuchSystem{System: id, Systems: known})}
	}
	return all[i], nil
}

// ownersWorking returns the owner and the deputies of a system who work here today. Who they
// are is for everyone to know.
func (v *View) ownersWorking(s policy.System) ([]Ref, error) {
	refs := []Ref{}
	for _, key := range append([]string{s.Owner}, s.Deputies...) {
		if key == "" {
			continue
		}
		p, err := v.DB.FindPerson(v.ctx, key, v.Config.First)
		if errors.Is(err, store.ErrNoPerson) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if !p.IsActive(v.Today()) {
			continue
		}
		ref := v.Ref(p.ID)
		if ref.DisplayName == "" && !p.Protected {
			ref.DisplayName = p.Name()
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// findings returns where practice falls short in a system.
func (v *View) findings(s policy.System, state SystemState, reviewed identity.Date, counted *Organisation) []Reason {
	found := []Reason{}
	find := func(k reason.Kind) { found = append(found, v.Because(reason.Of(k))) }
	today := v.Today()
	switch {
	case s.Owner == "":
		find(reason.SystemUnowned{})
	case len(state.Owners) == 0:
		find(reason.SystemOwnerLeft{})
	}
	if s.Class == nil {
		find(reason.SystemUnclassified{})
	}
	last := identity.Date("")
	if state.Revised != nil {
		last = identity.DateOf(state.Revised.DecidedAt.Time(), v.Config.Zone)
	}
	if last == "" || last.AddDays(revisionDays) < today {
		find(reason.NotRevised{Last: last})
	}
	if by := s.Controls.OutsideEU; by.Value != "" {
		find(reason.DataOutsideEU{Country: by.Value, Control: by.By})
	}
	if by := s.Controls.Flagged; by.Value != "" {
		find(reason.DataOutsideFlagged{Country: by.Value, Control: by.By})
	}
	if by := s.Controls.ReviewDays; by.Value > 0 && (reviewed == "" || reviewed.AddDays(by.Value) < today) {
		find(reason.ReviewDue{Last: reviewed, Days: by.Value, Control: by.By})
	}
	if counted != nil && counted.Shortfalls[s.ID].Count > 0 {
		find(reason.AccessAgainstControls{Count: counted.Shortfalls[s.ID].Count})
	}
	return found
}

// groupFindings returns the groups that behov creates for a system and for which no one who
// works here answers. Those without an owner of their own are the system's owner's.
func (v *View) groupFindings(s policy.System, state SystemState) (found []Reason, err error) {
	for _, e := range v.Config.Rules.Catalogue.Entitlements {
		if e.System != s.ID || e.Group == nil || e.Retired() {
			continue
		}
		if e.Group.Owner == "" {
			if len(state.Owners) == 0 {
				found = append(found, v.Because(reason.Of(reason.GroupUnowned{Entitlement: string(e.ID), Owner: s.Owner})))
			}
			continue
		}
		working, err := v.ownersWorking(policy.System{Owner: e.Group.Owner})
		if err != nil {
			return nil, err
		}
		if len(working) == 0 {
			found = append(found, v.Because(reason.Of(reason.GroupUnowned{Entitlement: string(e.ID), Owner: e.Group.Owner})))
		}
	}
	return found, nil
}

func (v *View) shortfallsOf(s Shortfalls) ([]SystemShortfall, error) {
	ids, whys := make([]identity.PersonID, len(s.First)), make([]reason.Reason, len(s.First))
	for i, x := range s.First {
		ids[i], whys[i] = x.Person, x.Why
	}
	if err := v.Load(ids, whys...); err != nil {
		return nil, err
	}
	all := each(s.First, func(x Shortfall) SystemShortfall {
		return SystemShortfall{v.Ref(x.Person), x.Entitlement, v.Because(x.Why)}
	})
	slices.SortStableFunc(all, func(a, b SystemShortfall) int {
		return cmp.Or(cmp.Compare(a.Entitlement, b.Entitlement), cmp.Compare(a.Person.DisplayName, b.Person.DisplayName))
	})
	return all, nil
}

// Revision is when something was last gone through.
type Revision struct {
	// Subject is a system, or "policy rules", "policy controls" or "policy rights".
	Subject string        `json:"subject"`
	Last    *Decision     `json:"last,omitempty"`
	Due     identity.Date `json:"due,omitempty"` // the day by which it is due again; left out when it never was done
	Late    bool          `json:"late"`
}

// Revisions returns what is gone through every year, what is late first, then by the day.
func (v *View) Revisions() ([]Revision, error) {
	revised, err := v.DB.NewestDecisionPerSubject(v.ctx, store.RevisionDecision)
	if err != nil {
		return nil, err
	}
	subjects := slices.Clone(store.RevisedPolicies)
	for _, s := range v.Systems() {
		subjects = append(subjects, s.System)
	}
	all := []Revision{}
	for _, subject := range subjects {
		r := Revision{Subject: subject, Late: true}
		if d, known := revised[store.RevisionSubject(subject)]; known {
			shown := v.Decision(d)
			r.Last, r.Due = &shown, RevisionDue(d, v.Config.Zone)
			r.Late = r.Due < v.Today()
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(a, b Revision) int { return strings.Compare(string(a.Due), string(b.Due)) })
	return all, nil
}

// RevisionDue returns the day by which something has to be gone through again that was in a
// decision.
func RevisionDue(last store.Decision, zone *time.Location) identity.Date {
	return identity.DateOf(last.At(), zone).AddDays(revisionDays)
}
