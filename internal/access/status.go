package access

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// Status is where an installation stands, and what waits for a person.
type Status struct {
	Database string         `json:"database"` // "SQLite" or "PostgreSQL"
	Records  int64          `json:"audit_records"`
	Sources  []SourceStatus `json:"hr_sources"`
	Targets  []TargetStatus `json:"targets"`
	// NotConfigured is what is kept of targets that are not in the configuration.
	NotConfigured []store.TargetInventory `json:"not_configured"`
	// Waiting is how many jobs to reconcile people no process has begun.
	Waiting int `json:"waiting_jobs"`
	// Different is on what the fast evaluator and Casbin do not agree, with the rules in
	// use: nothing is changed for these people.
	Different []EvaluatorDifference `json:"evaluator_differences"`
	// Undecided are people who get nothing until it is decided whose record it is.
	Undecided int `json:"undecided_records"`
	Reviews   int `json:"open_reviews"`
	Questions int `json:"open_review_items"` // that are not decided
	// Services are the service accounts, and those that have tokens and are not in the
	// configuration any more.
	Services []ServiceStatus `json:"service_accounts"`
	// Rules is which version of the rules is in force and which wait; left out where rules
	// need no approval.
	Rules *RulesStatus `json:"rules,omitempty"`
	// Waits: something waits for a person.
	Waits bool `json:"waits_for_a_person"`
}

// RulesStatus is which version of the rules is in force, by digest.
type RulesStatus struct {
	InForce string `json:"in_force"`
	// Directory is the version of the files, when no one has proposed it and it is not in
	// force.
	Directory string   `json:"directory,omitempty"`
	Waiting   []string `json:"waiting"` // for approval
}

// EvaluatorDifference is on what the fast evaluator and Casbin do not agree about a person.
type EvaluatorDifference struct {
	Person      Ref       `json:"person"`
	Entitlement string    `json:"entitlement"`
	Detail      string    `json:"detail"` // names the rule
	FoundAt     time.Time `json:"found_at"`
}

// SourceStatus is where an HR source stands.
type SourceStatus struct {
	Name string     `json:"name"`
	Last *time.Time `json:"last,omitempty"` // when something new came
	Held int        `json:"held"`           // imports
	// StartsHeld are starts of running employments that changes move into the future.
	StartsHeld int `json:"starts_held"`
}

// TargetStatus is where a target stands.
type TargetStatus struct {
	Name string     `json:"name"`
	Read *time.Time `json:"read,omitempty"` // when it was read last
	// Missed is why the last reading was not whole.
	Missed  Reason `json:"missed,omitzero"`
	Enabled int    `json:"enabled"` // people with a usable account
	// OldestOpen is when the oldest step was intended that has not ended.
	OldestOpen *time.Time `json:"oldest_open_step,omitempty"`
	Failing    int        `json:"failing"` // steps that are tried again
	Parked     int        `json:"parked"`  // steps that wait for a person
	Held       int        `json:"held"`
	Paused     *Decision  `json:"paused,omitempty"`
	// NotSeen is how much access lasts by the audit trail and is not seen in the target:
	// whether it is there is unknown.
	NotSeen int `json:"not_seen"`
	// DisabledByOthers are accounts that behov did not disable.
	DisabledByOthers int `json:"disabled_by_others"`
	// LetsIn says why a disabled account can sign in; Unproven why that is not known. Both
	// are empty when none can.
	LetsIn   string `json:"lets_disabled_accounts_in,omitempty"`
	Unproven string `json:"disabling_unproven,omitempty"`
}

// Status returns where the installation stands, by what the database knows.
func (v *View) Status() (Status, error) {
	s := Status{Database: "SQLite", Sources: []SourceStatus{}, Targets: []TargetStatus{}, NotConfigured: []store.TargetInventory{}, Services: []ServiceStatus{}, Different: []EvaluatorDifference{}}
	if strings.HasPrefix(v.Config.Database, "postgres") {
		s.Database = "PostgreSQL"
	}
	figures, err1 := v.DB.Stats(v.ctx)
	states, err2 := v.DB.TargetStates(v.ctx)
	pauses, err3 := v.DB.Pauses(v.ctx)
	holds, err4 := v.DB.Holds(v.ctx)
	waiting, err5 := v.DB.Jobs().Waiting(v.ctx)
	left, err6 := reconcile.UnconfiguredTargets(v.ctx, v.DB, v.Config)
	different, err7 := v.DB.EvaluatorDifferences(v.ctx, v.Config.Rules.Digest, store.Everyone())
	unseen, err8 := v.DB.UnseenAccess(v.ctx)
	disabled, err9 := v.DB.DisabledAccounts(v.ctx)
	undecided, err10 := v.DB.HeldRecords(v.ctx, store.Everyone())
	reviews, questions, err11 := v.DB.OpenReviews(v.ctx)
	services, err12 := v.services()
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11, err12); err != nil {
		return s, err
	}
	held, starts := openHolds(holds)
	s.Records, s.Waiting, s.NotConfigured = figures.Heads.Audit, len(waiting), append(s.NotConfigured, left...)
	for _, name := range slices.Sorted(maps.Keys(v.Config.Sources)) {
		s.Sources = append(s.Sources, SourceStatus{Name: name, Last: instant(figures.Heard[name]), Held: held[name], StartsHeld: starts[name]})
		s.Waits = s.Waits || held[name] > 0 || starts[name] > 0
	}
	for _, t := range v.Config.Targets {
		state := states[t.Name]
		one := TargetStatus{Name: t.Name, Missed: v.Because(state.Missed), Enabled: state.Enabled, OldestOpen: instant(figures.Oldest[t.Name]), Failing: figures.Failing[t.Name], Parked: figures.Parked[t.Name], Held: held[t.Name],
			NotSeen: unseen[t.Name], DisabledByOthers: disabled[t.Name]}
		if state.ReadUS != 0 {
			one.Read = instant(state.Read())
		}
		proof, err := v.DB.DisableProof(v.ctx, t.Name)
		if err != nil {
			return s, err
		}
		switch connectors.ProofVerdict(proof.Verdict) {
		case connectors.SignInPossible:
			one.LetsIn = proof.Why
		case connectors.NotTried:
			one.Unproven = proof.Why
		}
		for _, subject := range []string{store.EveryTarget, t.Name} {
			if d, paused := pauses[subject]; paused {
				shown := v.Decision(d)
				one.Paused = &shown
			}
		}
		s.Targets = append(s.Targets, one)
		s.Waits = s.Waits || one.Parked > 0 || one.Held > 0 || one.Paused != nil || one.LetsIn != ""
	}
	var ids []identity.PersonID
	for _, d := range different {
		ids = append(ids, d.Person)
	}
	if err := v.Load(ids); err != nil {
		return s, err
	}
	for _, d := range different {
		s.Different = append(s.Different, EvaluatorDifference{v.Ref(d.Person), d.Entitlement, d.Detail, d.FoundUS.Time()})
	}
	if v.Config.RulesApproval {
		rules, err := v.RulesApproval()
		if err != nil {
			return s, err
		}
		s.Rules = &RulesStatus{InForce: rules.InForce, Waiting: each(rules.Waiting, func(w WaitingRules) string { return w.Digest })}
		if rules.Unproposed {
			s.Rules.Directory = rules.Directory
		}
		s.Waits = s.Waits || len(rules.Waiting) > 0
	}
	s.Undecided, s.Reviews, s.Questions, s.Services = len(undecided), reviews, questions, services
	for _, one := range services {
		s.Waits = s.Waits || one.Tokens > 0 && !one.Problem.IsZero()
	}
	s.Waits = s.Waits || s.Reviews > 0 || len(s.NotConfigured) > 0 || len(s.Different) > 0 || s.Undecided > 0
	return s, nil
}

// openHolds returns how many current holds are not decided, by what they are of, with
// postponed starts apart.
func openHolds(holds []store.HoldState) (held, starts map[string]int) {
	held, starts = map[string]int{}, map[string]int{}
	for _, h := range holds {
		switch {
		case h.Decision != nil || !h.Current():
		case h.Kind == store.HRStartHold:
			starts[h.Subject]++
		default:
			held[h.Subject]++
		}
	}
	return held, starts
}

// KeptOf returns what is kept of a target that is not in the configuration any more.
func (v *View) KeptOf(target string) (store.TargetInventory, error) {
	if _, configured := v.Config.Target(target); configured {
		return store.TargetInventory{}, &reason.Refusal{Reason: reason.Of(reason.TargetConfigured{Target: target})}
	}
	all, err := reconcile.UnconfiguredTargets(v.ctx, v.DB, v.Config)
	if err != nil {
		return store.TargetInventory{}, err
	}
	for _, k := range all {
		if k.Target == target {
			return k, nil
		}
	}
	return store.TargetInventory{}, &reason.Refusal{Reason: reason.Of(reason.NothingOfTarget{Target: target})}
}
