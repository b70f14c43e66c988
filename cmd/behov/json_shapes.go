package main

import (
	"encoding/json"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// shape is what a command prints with --json.
type shape struct {
	command string
	prints  any
}

// shapes are the shapes of all commands that have --json.
var shapes = []shape{
	{"account bind", proposalJSON{}},
	{"account list", accountListJSON{}},
	{"apply", resultJSON{}},
	{"audit access", list[access.Access]{}},
	{"audit log", recordJSON{}},
	{"audit verify", verifyJSON{}},
	{"audit who-had", list[access.Access]{}},
	{"backup", store.CopyResult{}},
	{"check", checkJSON{}},
	{"connectors", connectorsJSON{}},
	{"db copy", store.CopyResult{}},
	{"db migrate", migrateJSON{}},
	{"enable", access.Decision{}},
	{"explain PERSON", access.PersonGrants{}},
	{"explain PERSON ENTITLEMENT", access.Explanation{}},
	{"hold list", list[access.Hold]{}},
	{"hold release", holdDecisionJSON{}},
	{"hold reject", holdDecisionJSON{}},
	{"hold show", holdShowJSON{}},
	{"hr import", importJSON{}},
	{"hr imports", list[importEntryJSON]{}},
	{"hr pull", list[importJSON]{}},
	{"init", initJSON{}},
	{"mfa pass", passJSON{}},
	{"mfa withdraw", withdrawJSON{}},
	{"pause", access.Decision{}},
	{"people apart", access.Decision{}},
	{"people duplicates", list[access.Duplicate]{}},
	{"people erase", proposalJSON{}},
	{"people legal-hold", access.Decision{}},
	{"people list", list[access.PersonState]{}},
	{"people main", access.Decision{}},
	{"people managers", list[access.Manager]{}},
	{"people merge", access.Decision{}},
	{"people protect", access.Decision{}},
	{"people readmit", access.Decision{}},
	{"people show", access.Person{}},
	{"people split", access.Decision{}},
	{"plan", planJSON{}},
	{"restore", store.CopyResult{}},
	{"resume", access.Decision{}},
	{"review decide", access.Decision{}},
	{"review list", list[access.ReviewItem]{}},
	{"review start", reviewStartJSON{}},
	{"rights", list[rights.Row]{}},
	{"rights PERSON", access.Roles{}},
	{"status", access.Status{}},
	{"steps", list[access.FailingStep]{}},
	{"steps give-up", list[access.FailingStep]{}},
	{"steps retry", list[access.FailingStep]{}},
	{"suspend", suspendJSON{}},
	{"target retire", retireJSON{}},
	{"token list", list[tokenJSON]{}},
	{"token make", madeTokenJSON{}},
	{"token revoke", revokedTokenJSON{}},
	{"version", versionJSON{}},
}

// accountListJSON is a person's accounts as behov knows them.
type accountListJSON struct {
	Person   access.Ref       `json:"person"`
	Accounts []access.Account `json:"accounts"`
}

// verifyJSON is a verified audit trail.
type verifyJSON struct {
	Records   int64             `json:"records"`
	Head      string            `json:"head"`       // of the chain, in hexadecimal
	Intervals int               `json:"intervals"`  // of access
	OpenSteps []audit.AttemptID `json:"open_steps"` // begun and not seen to end
}

// recordJSON is a record of the audit trail, on a line of its own: as it is verified, with
// what is sealed in it opened.
type recordJSON struct {
	Version int `json:"version"`
	audit.Record
	// Opened is what is sealed in the record; left out of a masked person.
	Opened json.RawMessage `json:"opened,omitempty"`
}

// reviewStartJSON is a review that was started.
type reviewStartJSON struct {
	Campaign int64 `json:"campaign"`
	Items    int   `json:"items"` // how many questions: behov review list
}

// holdShowJSON is a hold with what it would do.
type holdShowJSON struct {
	access.Hold
	Would access.HoldContent `json:"would"`
}

// holdDecisionJSON is a decision on a hold.
type holdDecisionJSON struct {
	Decision access.Decision `json:"decision"`
	Hold     string          `json:"hold"`  // the digest
	Steps    int             `json:"steps"` // how many it covers, of a hold of a plan
	// Remaining counts steps that stay held for another person: they are about the maker,
	// or the maker caused them.
	Remaining int `json:"remaining"`
}

// proposalJSON is a decision that waits for another person, who releases the hold.
type proposalJSON struct {
	Decision access.Decision `json:"decision"`
	Hold     string          `json:"hold"` // the digest
}

// planJSON is a plan. Values and accounts are there with --values.
type planJSON struct {
	access.Plan
	Values   []stepValuesJSON           `json:"values,omitempty"`
	Accounts []reconcile.FindingAccount `json:"accounts,omitempty"` // that findings are about
}

// resultJSON is what a run did.
type resultJSON struct {
	Plan     access.Plan      `json:"plan"`
	Outcomes map[string]int   `json:"outcomes"` // steps by outcome
	NotDone  []stepResultJSON `json:"not_done"` // refused, failed or not tried
	Notes    []stepResultJSON `json:"notes"`    // done, and the target reported something
	Resolved map[string]int   `json:"resolved"` // steps of a stopped run whose end was found out, by outcome
	// Unavailable are targets that stopped answering, with why; the next run does their
	// steps.
	Unavailable map[string]string `json:"unavailable"`
}

// stepResultJSON is a step that was not done, or was done with a note.
type stepResultJSON struct {
	Step    access.Step   `json:"step"`
	Outcome string        `json:"outcome"`
	Detail  access.Reason `json:"detail"`
}

// suspendJSON is a suspension, or its end: then nothing is closed.
type suspendJSON struct {
	Decision access.Decision `json:"decision"`
	Closed   *resultJSON     `json:"closed,omitempty"` // accounts that behov knew
	Run      *resultJSON     `json:"run,omitempty"`    // what only a reading of the targets showed
}

// retireJSON is what a retirement ends: the decision, or without --yes what is kept of the
// target.
type retireJSON struct {
	Decision *access.Decision       `json:"decision,omitempty"`
	Kept     *store.TargetInventory `json:"kept,omitempty"`
}

// checkJSON is what a check found.
type checkJSON struct {
	Problems     []diagnostic.Problem `json:"problems"`
	Warnings     []diagnostic.Problem `json:"warnings"`
	Targets      int                  `json:"targets"`
	Entitlements int                  `json:"entitlements"`
	Rules        string               `json:"rules"` // the digest
	Compared     comparedJSON         `json:"compared"`
}

// comparedJSON is what was compared of the two evaluations of the rules.
type comparedJSON struct {
	Conditions int `json:"conditions"`
	People     int `json:"people"` // that were made up
}

// connectorsJSON is what each kind of target can do.
type connectorsJSON struct {
	Kinds map[string]map[connectors.Ability]connectors.Support `json:"kinds"` // by ability
	// Quirks are those of services; of kind scim only.
	Quirks []quirkJSON `json:"quirks"`
}

// quirkJSON is a quirk of services.
type quirkJSON struct {
	Quirk    string `json:"quirk"`
	Detected bool   `json:"detected"` // found out; otherwise quirks in behov.yaml names it
	Text     string `json:"text"`
}

// versionJSON is what the program was built from.
type versionJSON struct {
	Program build.Info `json:"program"`
}

// migrateJSON is the version of the database's schema.
type migrateJSON struct {
	SchemaVersion int64    `json:"schema_version"`
	Migrated      []string `json:"migrated"` // done just now
}

// importJSON is what an import did.
type importJSON struct {
	Source   string                `json:"source"`
	Name     string                `json:"name"`              // of the file
	Refused  string                `json:"refused,omitempty"` // why nothing of it was read
	Rows     int                   `json:"rows"`
	Problems []diagnostic.Problem  `json:"problems"`
	Counts   map[identity.Kind]int `json:"counts"` // events by kind
	Events   int                   `json:"events"`
	Late     int                   `json:"late"`   // events that had effect before they were learnt
	Joined   int                   `json:"joined"` // records of people known already
	// LeftOut are rows that were not taken; LeftOutNamed those of them with a problem of
	// their own.
	LeftOut      int `json:"left_out"`
	LeftOutNamed int `json:"left_out_named"`
	Questions    int `json:"questions"` // about whose record it is
	Warnings     int `json:"warnings"`
	Postponed    int `json:"postponed"` // rows that wait
	Erased       int `json:"erased"`    // rows of erased people
	// EndingsWait: as some rows could be anybody's, no employment was ended.
	EndingsWait bool          `json:"endings_wait"`
	Held        *access.Hold  `json:"held,omitempty"` // the whole import
	EndingsHeld *access.Hold  `json:"endings_held,omitempty"`
	StartsHeld  []access.Hold `json:"starts_held"`
}

// importEntryJSON is an import that was recorded.
type importEntryJSON struct {
	ID       string               `json:"id"`
	Source   string               `json:"source"`
	FileHash string               `json:"file_hash"` // SHA-256, in hexadecimal
	Status   store.ImportStatus   `json:"status"`
	Rows     int                  `json:"rows"`
	BadRows  int                  `json:"bad_rows"`
	Events   int                  `json:"events"`
	Actor    access.Actor         `json:"actor"`
	At       time.Time            `json:"at"`
	Made     *time.Time           `json:"made,omitempty"` // when the source made the file
	Problems []diagnostic.Problem `json:"problems"`
}

// initJSON is what a new configuration consists of.
type initJSON struct {
	Dir     string   `json:"dir"`
	Written []string `json:"written"`
	Kept    []string `json:"kept"` // as they were there
}

// passJSON is a temporary access pass. It is shown once.
type passJSON struct {
	Person  access.Ref `json:"person"`
	Pass    string     `json:"pass"`
	Starts  time.Time  `json:"starts"`
	Expires time.Time  `json:"expires"`
}

// withdrawJSON says whether a person had a pass.
type withdrawJSON struct {
	Person    access.Ref `json:"person"`
	Withdrawn bool       `json:"withdrawn"`
}

// tokenJSON is a token of an HR source.
type tokenJSON struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"` // who has it
	Source  string     `json:"source"`
	Made    time.Time  `json:"made"`
	Used    *time.Time `json:"used,omitempty"` // last
	Revoked *time.Time `json:"revoked,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
}

// madeTokenJSON is a new token. It is shown once.
type madeTokenJSON struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Source  string    `json:"source"`
	Token   string    `json:"token"`
	Expires time.Time `json:"expires"`
}

// revokedTokenJSON names a token that was ended.
type revokedTokenJSON struct {
	Revoked string `json:"revoked"` // the ID
}

// resultOf returns what a run did, with people and sentences; nil for none.
func resultOf(v *access.View, r *execute.Result) (*resultJSON, error) {
	if r == nil {
		return nil, nil
	}
	x := resultJSON{Outcomes: notNil(r.Outcomes), Resolved: notNil(r.Resolved), Unavailable: notNil(r.Unavailable)}
	if r.Plan != nil {
		p, err := v.Plan(r.Plan)
		if err != nil {
			return nil, err
		}
		x.Plan = p
	}
	steps := func(results []execute.StepResult) []stepResultJSON {
		all := []stepResultJSON{}
		for _, s := range results {
			all = append(all, stepResultJSON{v.Step(s.Step), s.Outcome, v.Because(s.Detail)})
		}
		return all
	}
	x.NotDone, x.Notes = steps(r.NotDone), steps(r.Notes)
	return &x, nil
}

func notNil[T any](m map[string]T) map[string]T {
	if m == nil {
		return map[string]T{}
	}
	return m
}

// importOf returns what an import did, with sentences.
func importOf(v *access.View, r *hr.Report) importJSON {
	held := func(h *store.Hold) *access.Hold {
		if h == nil {
			return nil
		}
		shown := v.Hold(store.HoldState{Hold: *h})
		return &shown
	}
	x := importJSON{Source: r.Source, Name: r.Name, Refused: r.Refused, Rows: r.Rows, Problems: append([]diagnostic.Problem{}, r.Problems...), Counts: r.Counts, Events: r.Events,
		Late: r.Late, Joined: r.Joined, LeftOut: r.LeftOut, LeftOutNamed: r.LeftOutNamed, Questions: r.Questions, Warnings: r.Warnings, Postponed: r.Postponed, Erased: r.Erased,
		EndingsWait: r.EndingsWait, Held: held(r.Held), EndingsHeld: held(r.EndingsHeld), StartsHeld: []access.Hold{}}
	for i := range r.StartsHeld {
		x.StartsHeld = append(x.StartsHeld, *held(&r.StartsHeld[i]))
	}
	return x
}
