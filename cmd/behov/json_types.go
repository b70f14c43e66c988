package main

import (
	"encoding/json"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/diagnostic"
)

// accountListJSON is a person's accounts as behov knows them.
type accountListJSON struct {
	Person   access.Ref       `json:"person"`
	Accounts []access.Account `json:"accounts"`
}

// verifyJSON is a verified audit trail.
type verifyJSON struct {
	Records   int64  `json:"records"`
	Head      string `json:"head"`      // of the chain, in hexadecimal
	Root      string `json:"root"`      // of the log's Merkle tree, in hexadecimal
	Intervals int    `json:"intervals"` // of access
	// Checkpoints are how many records each checkpoint was of that the trail continues.
	Checkpoints []int64           `json:"checkpoints"`
	OpenSteps   []audit.AttemptID `json:"open_steps"` // begun and not seen to end
}

// headJSON is a checkpoint of the log of the audit trail.
type headJSON struct {
	Records    int64  `json:"records"`
	Root       string `json:"root"`       // of the Merkle tree, in hexadecimal
	Origin     string `json:"origin"`     // the name of the log
	Key        string `json:"public_key"` // which verifies checkpoints
	Checkpoint string `json:"checkpoint"` // the signed note
}

// proofJSON is the proof that a record is in the log of the audit trail.
type proofJSON struct {
	Record int64  `json:"record"`
	Entry  string `json:"entry"` // what the record's leaf commits to, which is JSON
	Proof  string `json:"proof"` // with a signed checkpoint
}

// recordJSON is a record of the audit trail, on a line of its own: as it is verified, with
// what is sealed in it opened.
type recordJSON struct {
	Version int `json:"version"`
	audit.Record
	// Opened is what is sealed in the record; left out of a masked person.
	Opened json.RawMessage `json:"opened,omitempty"`
}

// checkJSON is what a check found.
type checkJSON struct {
	Problems     []diagnostic.Problem `json:"problems"`
	Warnings     []diagnostic.Problem `json:"warnings"`
	Targets      int                  `json:"targets"`
	Entitlements int                  `json:"entitlements"`
	Rules        string               `json:"rules"` // the digest
	Compared     comparedJSON         `json:"compared"`
	Cases        casesJSON            `json:"cases"`
}

// casesJSON is how many cases beside the rules pass, and how many need a database. Those
// that fail are warnings.
type casesJSON struct {
	Passed  int `json:"passed"`
	Skipped int `json:"skipped"`
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

// revokedTokenJSON names a token that was ended.
type revokedTokenJSON struct {
	Revoked string `json:"revoked"` // the ID
}

// loggedOutJSON names a server of which this machine has no token any more.
type loggedOutJSON struct {
	Server  string `json:"server"`
	Revoked bool   `json:"revoked"` // the server ended the token
}

// reviewDueJSON is how many reviews ended because their last day had passed.
type reviewDueJSON struct {
	Ended   int                 `json:"ended"`
	Started []startedReviewJSON `json:"started"`
}

// startedReviewJSON is a review that reviews in behov.yaml started.
type startedReviewJSON struct {
	Series    string `json:"series"`
	Review    int64  `json:"review"`
	Questions int    `json:"questions"`
}
