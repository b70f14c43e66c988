package outbound

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// Source is the source of all events: what identifies an event is it and the ID together.
const Source = "/behov"

// Event is an event in the structured JSON format (CloudEvents 1.0.2, JSON event format
// 1.0.2 §3.2), with the extension sequence.
type Event struct {
	SpecVersion string `json:"specversion"`
	// ID is the index of the record and the beginning of its hash: a database that was
	// restored from a backup gives an index again, to another record.
	ID     string `json:"id"`
	Source string `json:"source"`
	Type   string `json:"type"`
	// Subject is the opaque ID of the person; empty for what is about none.
	Subject         identity.PersonID `json:"subject,omitempty"`
	Time            time.Time         `json:"time"` // UTC
	DataContentType string            `json:"datacontenttype"`
	Sequence        string            `json:"sequence"` // orders events as text
	Data            Data              `json:"data"`
}

// Data is what an event says: codes, their parameters and opaque IDs.
type Data struct {
	Record int64  `json:"record"` // the index in the audit trail
	Hash   []byte `json:"hash"`   // of the record
	// Actor is who caused it, and Authority by which role an actor decided.
	Actor       identity.Actor    `json:"actor"`
	Authority   string            `json:"authority,omitempty"`
	Action      audit.Action      `json:"action"`
	Person      identity.PersonID `json:"person,omitempty"`
	Target      string            `json:"target,omitempty"`
	Entitlement string            `json:"entitlement,omitempty"`
	Op          string            `json:"op,omitempty"`
	Outcome     audit.Outcome     `json:"outcome,omitempty"`
	Plan        audit.PlanDigest  `json:"plan,omitempty"`
	Attempt     audit.AttemptID   `json:"attempt,omitempty"`
	// Began is when a change was begun: the access may have begun or ended then. UTC.
	Began  time.Time       `json:"began,omitzero"`
	Reason json.RawMessage `json:"reason,omitempty"`
}

// eventID returns the ID of what a record gives.
func eventID(r audit.Record) string {
	return fmt.Sprintf("%d-%s", r.Index, hex.EncodeToString(r.Hash[:min(4, len(r.Hash))]))
}

// typeOf returns the type of a record's event; empty for a record that is neither a
// decision nor a change of access.
func typeOf(r audit.Record) string {
	if kind, ok := ownType[r.Action]; ok {
		return kind
	}
	key, effect := audit.EffectOf(r)
	what := "access"
	if key.Entitlement == audit.Account {
		what = "account"
	}
	switch r.Action {
	case audit.AccessFound, audit.AccessGone, audit.AccessUnseen, audit.AccessSeen, audit.AccessAdopted:
		return "behov." + what + "." + observed[r.Action]
	case audit.PassIssued, audit.PassWithdrawn:
		if r.Outcome == audit.Applied || r.Outcome == audit.AlreadyApplied {
			return "behov." + map[audit.Action]string{audit.PassIssued: "pass.issued", audit.PassWithdrawn: "pass.withdrawn"}[r.Action]
		}
	case audit.StepEnded:
		switch {
		case effect == audit.ClosesAll:
			return "behov.account.deleted"
		case effect == audit.Opens && what == "account":
			return "behov.account.enabled"
		case effect == audit.Closes && what == "account":
			return "behov.account.disabled"
		case effect == audit.Opens:
			return "behov.access.granted"
		case effect == audit.Closes:
			return "behov.access.revoked"
		case r.Op == revokeSessions && done(r):
			return "behov.sessions.revoked"
		}
	}
	return ""
}

// ownType are the types of records that have always the same.
var ownType = map[audit.Action]string{
	audit.DecisionMade:      "behov.decision.made",
	audit.AccountBound:      "behov.account.bound",
	audit.AccountRegistered: "behov.account.registered",
	audit.PersonErased:      "behov.person.erased",
	audit.PersonExtracted:   "behov.person.extracted",
	audit.TargetRetired:     "behov.target.retired",
}

// observed ends the types of what a snapshot or a rule says of access that is there.
var observed = map[audit.Action]string{
	audit.AccessFound: "found", audit.AccessGone: "gone", audit.AccessUnseen: "not-seen", audit.AccessSeen: "seen-again", audit.AccessAdopted: "adopted",
}

// The changes, as audit.Record.Op has them. Package plan and the connectors define them;
// the trail keeps them.
const (
	revokeSessions = "revoke-sessions"
	disableAccount = "disable-account"
	enableAccount  = "enable-account"
	createAccount  = "create-account"
	deleteAccount  = "delete-account"
)

func done(r audit.Record) bool {
	return r.Action == audit.StepEnded && (r.Outcome == audit.Applied || r.Outcome == audit.AlreadyApplied)
}

// cloudEvents is the source of events as CloudEvents.
type cloudEvents struct{}

func (cloudEvents) messages(_ context.Context, r audit.Record) ([]message, error) {
	kind := typeOf(r)
	if kind == "" {
		return nil, nil
	}
	why, err := shared(r.Reason)
	if err != nil {
		return nil, err
	}
	e := Event{SpecVersion: "1.0", ID: eventID(r), Source: Source, Type: kind, Subject: r.Person, Time: r.At.UTC(), DataContentType: "application/json",
		Sequence: fmt.Sprintf("%019d", r.Index),
		Data: Data{Record: r.Index, Hash: r.Hash, Actor: r.Actor, Authority: r.Authority, Action: r.Action, Person: r.Person, Target: r.Target, Entitlement: r.Entitlement,
			Op: r.Op, Outcome: r.Outcome, Plan: r.Plan, Attempt: r.Attempt, Began: r.Began, Reason: why}}
	body, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("event: %w", err)
	}
	return []message{{record: r.Index, id: e.ID, kind: kind, at: e.Time, body: body}}, nil
}
