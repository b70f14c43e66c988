package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
)

// DecisionKind says what was decided about.
type DecisionKind string

// The kinds of decision.
const (
	// ReviewDecision is about a person's entitlement: "keep" or "revoke".
	ReviewDecision DecisionKind = "review"
	// ReviewAnswerDecision is about a question of a review, the subject, and decides no access
	// by itself: "keep" of a rule, or by the first of several who must say so; "change-rule",
	// "not-mine", "hand-on"; "sign-off" is about the review.
	ReviewAnswerDecision DecisionKind = "review-answer"
	// HoldDecision is about a hold's digest: "release" or "reject".
	HoldDecision DecisionKind = "hold"
	// RecordDecision is about whose a record of an HR source, the subject
	// (DB.RecordSubject), is: "join" or "split". Of two people it is "merge" or
	// "apart", and the subject is the other person.
	RecordDecision DecisionKind = "record"
	// SuspensionDecision takes everything from a person at once: "suspend" or
	// "lift".
	SuspensionDecision DecisionKind = "suspension"
	// ProtectionDecision marks a protected identity by hand: "protect" or
	// "lift".
	ProtectionDecision DecisionKind = "protection"
	// LegalHoldDecision keeps whatever would be deleted: "retain" or "lift".
	LegalHoldDecision DecisionKind = "legal-hold"
	// MainEmploymentDecision makes an employment, the subject, the main one of a person:
	// "main" or "lift".
	MainEmploymentDecision DecisionKind = "main-employment"
	// StepDecision is about a failing step, the subject is its key: "retry" or
	// "give-up".
	StepDecision DecisionKind = "step"
	// PauseDecision stops changes to a target, the subject, or to all, "*":
	// "pause", "pause-except-leavers" or "resume".
	PauseDecision DecisionKind = "pause"
	// TargetDecision is about a target, the subject, that is not in the
	// configuration any more: "retire".
	TargetDecision DecisionKind = "target"
	// EnableDecision lets a person's accounts be enabled that someone else than
	// behov disabled: in the target that is the subject, or in all: "release".
	EnableDecision DecisionKind = "enable"
	// ErasureDecision is about a person who is erased: "propose", and "erase" by
	// another person.
	ErasureDecision DecisionKind = "erasure"
	// BindDecision is about whose an account in a target, the subject, is:
	// "propose" or "bind".
	BindDecision DecisionKind = "bind"
	// PassDecision is about a temporary access pass in a target, the subject:
	// "issue" or "withdraw".
	PassDecision DecisionKind = "pass"
	// TokenDecision is about a token, the subject, with which an HR source is pushed
	// to, or the API is called: "make" or "revoke".
	TokenDecision DecisionKind = "token"
	// SessionDecision ends a session of a person, the subject, or all of them when there is
	// none: "end".
	SessionDecision DecisionKind = "session"
	// ReportDecision is about an employment, the subject, of which a report says what its
	// HR source does not: "hire" or "end" by who reports it, "lift" by who takes the report
	// back; "confirm" when HR's source says the same, and "overrule" when it says otherwise.
	ReportDecision DecisionKind = "report"
	// ScreeningDecision says until which day a screening (säkerhetsprövning) of a person is
	// valid: "screened" or "lift".
	ScreeningDecision DecisionKind = "screening"
	// MFAExemptionDecision lets a person have, until a day, what needs MFA without it:
	// "exempt" or "lift".
	MFAExemptionDecision DecisionKind = "mfa-exemption"
	// RevisionDecision says that what the subject names, a system or one of RevisedPolicies, was gone
	// through and is as it should be: "revised".
	RevisionDecision DecisionKind = "revision"
	// ConflictDecision lets a person have both sides of a conflict, the subject, until a day:
	// "allow" or "lift".
	ConflictDecision DecisionKind = "conflict"
	// RequestDecision is about a person's entitlement and a request for it, the subject:
	// "ask" or "emergency" by who asks, "approve" or "refuse" by who approves, "withdraw".
	RequestDecision DecisionKind = "request"
	// RulesDecision is about a version of the rules, the subject is its digest: "propose", and
	// "approve" or "reject" by another person.
	RulesDecision DecisionKind = "rules"
	// WorkOrderDecision is about a change that a person makes in a target without an
	// interface, the subject is the number of the work order: "confirm" when it is made,
	// "cannot" when it cannot be made.
	WorkOrderDecision DecisionKind = "work-order"
	// AccountListDecision takes a list of the accounts of a target, the subject, for what the
	// target holds: "upload".
	AccountListDecision DecisionKind = "account-list"
	// NonHumanAccountDecision is about an account of the register, the subject is its ID, and
	// about its owner as the person: "register", "hand-over", "renew" or "retire".
	NonHumanAccountDecision DecisionKind = "non-human-account"
	// AbsenceDecision is about a person who is away, and the subject is the person who decides in
	// their place until its last day: "absent" or "lift".
	AbsenceDecision DecisionKind = "absence"
)

// Verdict says what a decision decides; which verdicts there are depends on its kind.
type Verdict string

// The verdicts.
const (
	Keep    Verdict = "keep"
	Revoke  Verdict = "revoke"
	Release Verdict = "release"
	Reject  Verdict = "reject"
	// StaysHeld are steps of a hold of which others were released.
	StaysHeld Verdict = "stays-held"
	Join      Verdict = "join"
	Split     Verdict = "split"
	Merge     Verdict = "merge"
	Apart     Verdict = "apart"
	Suspend   Verdict = "suspend"
	Protect   Verdict = "protect"
	Retain    Verdict = "retain"
	Main      Verdict = "main"
	Lift      Verdict = "lift"
	Erase     Verdict = "erase"
	Retry     Verdict = "retry"
	GiveUp    Verdict = "give-up"
	Pause     Verdict = "pause"
	Resume    Verdict = "resume"
	Retire    Verdict = "retire"
	// Propose needs the approval of a second person, who releases a hold.
	Propose  Verdict = "propose"
	Bind     Verdict = "bind"
	Issue    Verdict = "issue"
	Withdraw Verdict = "withdraw"
	Make     Verdict = "make"
	End      Verdict = "end"
	Hire     Verdict = "hire"
	Confirm  Verdict = "confirm"
	Overrule Verdict = "overrule"
	Screened Verdict = "screened"
	Exempt   Verdict = "exempt"
	Revised  Verdict = "revised"
	Allow    Verdict = "allow"
	Cannot   Verdict = "cannot"
	Upload   Verdict = "upload"
	// ChangeRule keeps the access as it is until the IAM engineer has changed the rule.
	ChangeRule Verdict = "change-rule"
	NotMine    Verdict = "not-mine"
	HandOn     Verdict = "hand-on"
	SignOff    Verdict = "sign-off"
	Ask        Verdict = "ask"
	Approve    Verdict = "approve"
	Refuse     Verdict = "refuse"
	// Emergency takes access at once: the approvers look at it afterwards.
	Emergency Verdict = "emergency"
	// Register, HandOver and Renew are about an account that is no person's.
	Register Verdict = "register"
	HandOver Verdict = "hand-over"
	Renew    Verdict = "renew"
	Absent   Verdict = "absent"
	// PauseExceptLeavers lets the access of people without any employment end.
	PauseExceptLeavers Verdict = "pause-except-leavers"
)

// Decision is a decision of a person.
type Decision struct {
	Seq         int64             `db:"seq" json:"seq"`
	Kind        DecisionKind      `db:"kind" json:"kind"`
	Verdict     Verdict           `db:"verdict" json:"verdict"`
	Person      identity.PersonID `db:"person_id" json:"person,omitempty"`        // empty for what is about no person
	Entitlement string            `db:"entitlement" json:"entitlement,omitempty"` // on decisions of reviews and about requests
	Subject     Subject           `db:"subject" json:"subject"`
	Maker       identity.Actor    `db:"maker" json:"maker"`
	Authority   string            `db:"authority" json:"authority,omitempty"` // as audit.Record.Authority
	// Reason is empty on decisions about a person that were read: DB.DecryptReasons
	// opens what is sealed.
	Reason string `db:"reason" json:"reason"`
	Sealed []byte `db:"reason_sealed" json:"-"`
	// Because is the reason of a decision that behov itself made, of a RulesDecision what the
	// simulation said, and of an AbsenceDecision its first day; none of others.
	Because reason.Reason `db:"because" json:"because,omitzero"`
	// Until is the last day on which the decision holds; empty without an end.
	Until     identity.Date `db:"until" json:"until,omitempty"`
	DecidedUS Micros        `db:"decided_us" json:"decided_at"`
}

// At is when it was decided, UTC.
func (d Decision) At() time.Time { return instant(int64(d.DecidedUS)) }

// Decide records a decision, with its audit record, and returns it with its
// sequence number.
func (tx *Tx) Decide(ctx context.Context, d Decision, at time.Time) (Decision, error) {
	if err := tx.tx.GetContext(ctx, &d.Seq, `UPDATE head SET decision_seq = decision_seq + 1 WHERE id = 1 RETURNING decision_seq`); err != nil {
		return d, fmt.Errorf("decision sequence: %w", err)
	}
	d.DecidedUS = Micros(micros(at))
	stored := d
	if d.Person != "" { // what a person wrote of a person ends with that person's key
		key, err := tx.key(ctx, d.Person)
		if err != nil {
			return d, err
		}
		text, err := json.Marshal(reasonPayload{Reason: d.Reason})
		if err != nil {
			return d, fmt.Errorf("decision: %w", err)
		}
		if stored.Sealed, err = key.Seal(auditContext, text); err != nil {
			return d, fmt.Errorf("seal a reason: %w", err)
		}
		stored.Reason = ""
	}
	if _, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO decision (seq, kind, verdict, person_id, entitlement, subject, maker, authority, reason, reason_sealed, because, until, decided_us)
		VALUES (:seq, :kind, :verdict, :person_id, :entitlement, :subject, :maker, :authority, :reason, :reason_sealed, :because, :until, :decided_us)`, stored); err != nil {
		return d, fmt.Errorf("decision: %w", err)
	}
	r, err := stored.record()
	if err != nil {
		return d, err
	}
	tx.Audit(r)
	because := fmt.Sprintf("decision %d", d.Seq)
	if d.Person != "" {
		tx.notifyPerson(d.Person, because)
		if other, ok := d.OtherPerson(); ok {
			tx.notifyPerson(other, because)
		}
		tx.asked = tx.asked || d.Kind == StepDecision && d.Verdict == Retry
	}
	switch {
	case d.Kind == HoldDecision:
		return d, tx.enqueueHeld(ctx, d.HoldDigest(), because)
	case d.Kind == PauseDecision && d.Target() == EveryTarget:
		tx.Enqueue(queue.Run{Because: because})
	case d.Kind == PauseDecision:
		tx.Enqueue(queue.Run{Target: d.Target(), Because: because})
	}
	return d, nil
}

// enqueueHeld enqueues a run for the people of a hold.
func (tx *Tx) enqueueHeld(ctx context.Context, digest audit.HoldDigest, because string) error {
	var h Hold
	err := tx.tx.GetContext(ctx, &h, `SELECT `+holdColumns+` FROM hold WHERE digest = $1`, digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("hold %s: %w", digest, err)
	}
	switch h.Kind {
	case PlanHold:
		tx.Enqueue(queue.Run{Target: h.Subject, Because: because})
	case HRImportHold, HREndingsHold, HRStartHold:
		tx.Enqueue(queue.Pull{Source: h.Subject})
	}
	return nil
}

// reasonPayload is what a decision's sealed reason is when it is opened.
type reasonPayload struct {
	Reason string `json:"reason"`
}

// record is the decision, as it is stored, as it stands in the audit trail. A
// reason that is sealed is its payload.
func (d Decision) record() (audit.Record, error) {
	what := reason.DecisionMade{Decision: d.Seq, Of: string(d.Kind), Subject: string(d.Subject), Verdict: string(d.Verdict), Because: d.Because, Until: d.Until}
	if d.Sealed == nil {
		what.Why = d.Reason
	}
	r := audit.Record{At: d.At(), Actor: d.Maker, Authority: d.Authority, Action: audit.DecisionMade, Person: d.Person, Entitlement: d.Entitlement,
		Outcome: audit.Outcome(d.Verdict), Reason: reason.Of(what)}
	if d.Sealed == nil {
		return r, nil
	}
	var err error
	if r.Payload, err = json.Marshal(sealedPayload{Sealed: d.Sealed}); err != nil {
		return r, fmt.Errorf("audit payload: %w", err)
	}
	return r, nil
}

// DecryptReasons opens the reasons of decisions, in their place. Those about people
// who are erased stay empty.
func (db *DB) DecryptReasons(ctx context.Context, decisions ...*Decision) error {
	var people []identity.PersonID
	for _, d := range decisions {
		if d != nil && d.Sealed != nil {
			people = append(people, d.Person)
		}
	}
	keys, err := db.keys(ctx, people)
	if err != nil {
		return err
	}
	for _, d := range decisions {
		if d == nil || d.Sealed == nil || keys[d.Person] == nil {
			continue
		}
		key := keys[d.Person]
		text, err := key.Open(auditContext, d.Sealed)
		if err != nil {
			return fmt.Errorf("reason of decision %d: %w", d.Seq, err)
		}
		var opened reasonPayload
		if err := json.Unmarshal(text, &opened); err != nil {
			return fmt.Errorf("reason of decision %d: %w", d.Seq, err)
		}
		d.Reason = opened.Reason
	}
	return nil
}

// Decision returns the decision with a number, its reason opened.
func (db *DB) Decision(ctx context.Context, seq int64) (Decision, error) {
	var d Decision
	if err := db.read.GetContext(ctx, &d, `SELECT `+columns[Decision]("")+` FROM decision WHERE seq = $1`, seq); err != nil {
		return d, fmt.Errorf("decision %d: %w", seq, err)
	}
	return d, db.DecryptReasons(ctx, &d)
}

// DecisionsBySeq returns the decisions with these numbers, their reasons opened.
func (db *DB) DecisionsBySeq(ctx context.Context, numbers []int64) ([]Decision, error) {
	var all []Decision
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(numbers))), peoplePage) {
		where, args := in(db.read, "seq", page, nil)
		var some []Decision
		if err := db.read.SelectContext(ctx, &some, `SELECT `+columns[Decision]("")+` FROM decision WHERE `+where, args...); err != nil {
			return nil, fmt.Errorf("read decisions: %w", err)
		}
		all = append(all, some...)
	}
	opened := make([]*Decision, len(all))
	for i := range all {
		opened[i] = &all[i]
	}
	return all, db.DecryptReasons(ctx, opened...)
}

// DecisionsAbout returns at most so many decisions about a person, the newest first, their
// reasons opened.
func (db *DB) DecisionsAbout(ctx context.Context, person identity.PersonID, most int) ([]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE person_id = $1 ORDER BY seq DESC LIMIT $2`, string(person), most); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	opened := make([]*Decision, len(all))
	for i := range all {
		opened[i] = &all[i]
	}
	return all, db.DecryptReasons(ctx, opened...)
}

// CurrentDecisionsBy returns the decisions about people that a person made and that
// no later decision of the kind about the same person and entitlement replaced. One
// about a record, or about two people, is replaced by one about the same two only.
func (db *DB) CurrentDecisionsBy(ctx context.Context, maker identity.Actor) ([]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("d")+` FROM decision d WHERE maker = $1 AND person_id <> ''
		AND NOT EXISTS (SELECT 1 FROM decision n WHERE n.kind = d.kind AND n.person_id = d.person_id AND n.entitlement = d.entitlement AND (n.kind <> $2 OR n.subject = d.subject) AND n.seq > d.seq) ORDER BY seq`, maker, string(RecordDecision)); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// ReviewDecisions returns the newest review decision on each entitlement of
// people, in no particular order.
func (db *DB) ReviewDecisions(ctx context.Context, of PersonSet) ([]Decision, error) {
	var all []Decision
	where, args := of.condition(db.read, "person_id", []any{string(ReviewDecision)})
	err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("d")+` FROM decision d WHERE kind = $1 AND `+where+`
		AND NOT EXISTS (SELECT 1 FROM decision n WHERE n.kind = d.kind AND n.person_id = d.person_id AND n.entitlement = d.entitlement AND n.seq > d.seq)`, args...)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// NewestDecisionPerPerson returns the newest decision of a kind about each of the people.
// It is for kinds whose decisions are about a person as a whole: of decisions with a
// subject it returns one only.
func (db *DB) NewestDecisionPerPerson(ctx context.Context, kind DecisionKind, of PersonSet) ([]Decision, error) {
	var all []Decision
	where, args := of.condition(db.read, "person_id", []any{string(kind)})
	err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("d")+` FROM decision d WHERE kind = $1 AND `+where+`
		AND NOT EXISTS (SELECT 1 FROM decision n WHERE n.kind = d.kind AND n.person_id = d.person_id AND n.seq > d.seq) ORDER BY seq`, args...)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// ConflictDecisions returns the newest decision on each conflict of each of the people.
func (db *DB) ConflictDecisions(ctx context.Context, of PersonSet) ([]Decision, error) {
	all, err := db.decisions(ctx, ConflictDecision, of)
	if err != nil {
		return nil, err
	}
	type about struct {
		person  identity.PersonID
		subject Subject
	}
	at := map[about]int{}
	newest := all[:0]
	for _, d := range all { // the oldest first
		key := about{d.Person, d.Subject}
		if i, known := at[key]; known {
			newest[i] = d
			continue
		}
		at[key] = len(newest)
		newest = append(newest, d)
	}
	return newest, nil
}

// NewestDecisionPerSubject returns the newest decision of a kind on each subject that is
// about no person.
func (db *DB) NewestDecisionPerSubject(ctx context.Context, kind DecisionKind) (map[Subject]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("d")+` FROM decision d WHERE kind = $1 AND person_id = ''
		AND NOT EXISTS (SELECT 1 FROM decision n WHERE n.kind = d.kind AND n.subject = d.subject AND n.seq > d.seq)`, kind); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	newest := make(map[Subject]Decision, len(all))
	for _, d := range all {
		newest[d.Subject] = d
	}
	return newest, nil
}

// decisions returns all decisions of a kind about people, the oldest first.
func (db *DB) decisions(ctx context.Context, kind DecisionKind, of PersonSet) ([]Decision, error) {
	var all []Decision
	where, args := of.condition(db.read, "person_id", []any{string(kind)})
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = $1 AND `+where+` ORDER BY seq`, args...); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

const holdColumns = `digest, kind, subject, why, '' AS body, raised_us, raised_by, superseded_us, after_decision`
