package store

import (
	"cmp"
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
)

// DecisionKind says what was decided about.
type DecisionKind string

// The kinds of decision.
const (
	// ReviewDecision is about a person's entitlement: "keep" or "revoke".
	ReviewDecision DecisionKind = "review"
	// HoldDecision is about a hold's digest: "release" or "reject".
	HoldDecision DecisionKind = "hold"
	// RecordDecision is about whose a record of an HR source is; the subject is
	// "source/key": "join", "split" or "apart". Of two people it is "merge" or
	// "apart", and the subject is the other person.
	RecordDecision DecisionKind = "record"
	// SuspensionDecision takes everything from a person at once: "suspend" or
	// "lift".
	SuspensionDecision DecisionKind = "suspension"
	// ProtectionDecision marks a protected identity by hand: "protect" or
	// "lift".
	ProtectionDecision DecisionKind = "protection"
	// LegalHoldDecision keeps whatever would be deleted: "hold" or "lift".
	LegalHoldDecision DecisionKind = "legal-hold"
	// MainDecision says which employment, the subject, speaks for a person:
	// "main" or "lift".
	MainDecision DecisionKind = "main-employment"
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
	BindDecision DecisionKind = "account"
	// PassDecision is about a temporary access pass in a target, the subject:
	// "issue" or "withdraw".
	PassDecision DecisionKind = "pass"
	// TokenDecision is about a token, the subject, with which an HR source is pushed
	// to: "make" or "revoke".
	TokenDecision DecisionKind = "token"
)

// The verdicts.
const (
	Keep    = "keep"
	Revoke  = "revoke"
	Release = "release"
	Reject  = "reject"
	// Deferred are steps of a hold of which others were released.
	Deferred = "deferred"
	Join     = "join"
	Split    = "split"
	Merge    = "merge"
	Apart    = "apart"
	Suspend  = "suspend"
	Protect  = "protect"
	Retain   = "hold"
	Main     = "main"
	Lift     = "lift"
	Erase    = "erase"
	Retry    = "retry"
	GiveUp   = "give-up"
	Pause    = "pause"
	Resume   = "resume"
	Retire   = "retire"
	// Propose is what waits for another person, who releases a hold.
	Propose  = "propose"
	Bind     = "bind"
	Issue    = "issue"
	Withdraw = "withdraw"
	Make     = "make"
	// PauseExceptLeavers lets the access of people without any employment end.
	PauseExceptLeavers = "pause-except-leavers"
)

// Decision is a decision of a person.
type Decision struct {
	Seq         int64        `db:"seq" json:"seq"`
	Kind        DecisionKind `db:"kind" json:"kind"`
	Verdict     string       `db:"verdict" json:"verdict"`
	Person      string       `db:"person_id" json:"person,omitempty"`        // on review decisions
	Entitlement string       `db:"entitlement" json:"entitlement,omitempty"` // on review decisions
	Subject     string       `db:"subject" json:"subject"`                   // the hold's digest, or the review item
	Maker       string       `db:"maker" json:"maker"`                       // as audit.Record.Actor
	Authority   string       `db:"authority" json:"authority,omitempty"`     // as audit.Record.Authority
	// Reason is empty on decisions about a person that were read: DB.OpenReasons
	// opens what is sealed.
	Reason    string `db:"reason" json:"reason"`
	Sealed    []byte `db:"reason_sealed" json:"-"`
	DecidedUS Micros `db:"decided_us" json:"at"`
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
	if _, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO decision (seq, kind, verdict, person_id, entitlement, subject, maker, authority, reason, reason_sealed, decided_us)
		VALUES (:seq, :kind, :verdict, :person_id, :entitlement, :subject, :maker, :authority, :reason, :reason_sealed, :decided_us)`, stored); err != nil {
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
		if d.Kind == RecordDecision && (d.Verdict == Merge || d.Verdict == Apart) {
			tx.notifyPerson(d.Subject, because) // the other person
		}
		tx.asked = tx.asked || d.Kind == StepDecision && d.Verdict == Retry
	}
	switch {
	case d.Kind == HoldDecision:
		return d, tx.enqueueHeld(ctx, d.Subject, because)
	case d.Kind == PauseDecision && d.Subject == EveryTarget:
		tx.Enqueue(queue.Run{Because: because})
	case d.Kind == PauseDecision:
		tx.Enqueue(queue.Run{Target: d.Subject, Because: because})
	}
	return d, nil
}

// enqueueHeld enqueues a run for the people of a hold.
func (tx *Tx) enqueueHeld(ctx context.Context, digest, because string) error {
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
	case ImportHold, EndingsHold, StartHold:
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
	r := audit.Record{At: d.At(), Actor: d.Maker, Authority: d.Authority, Action: audit.DecisionMade, Person: d.Person, Entitlement: d.Entitlement,
		Outcome: d.Verdict, Reason: fmt.Sprintf("decision %d on %s %s", d.Seq, d.Kind, cmp.Or(d.Subject, d.Verdict))}
	if d.Sealed == nil {
		r.Reason += ": " + d.Reason
		return r, nil
	}
	var err error
	if r.Payload, err = json.Marshal(sealedPayload{Sealed: d.Sealed}); err != nil {
		return r, fmt.Errorf("audit payload: %w", err)
	}
	return r, nil
}

// OpenReasons opens the reasons of decisions, in their place. Those about people
// who are erased stay empty.
func (db *DB) OpenReasons(ctx context.Context, decisions ...*Decision) error {
	var people []identity.PersonID
	for _, d := range decisions {
		if d != nil && d.Sealed != nil {
			people = append(people, identity.PersonID(d.Person))
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
	return d, db.OpenReasons(ctx, &d)
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
	return all, db.OpenReasons(ctx, opened...)
}

// CurrentDecisionsBy returns the decisions about people that a person made and that
// no later decision of the kind about the same person and entitlement replaced. One
// about a record, or about two people, is replaced by one about the same two only.
func (db *DB) CurrentDecisionsBy(ctx context.Context, maker string) ([]Decision, error) {
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

// PersonDecisions returns the newest decision of a kind that is about a person
// as a whole, for each of the people.
func (db *DB) PersonDecisions(ctx context.Context, kind DecisionKind, of PersonSet) ([]Decision, error) {
	var all []Decision
	where, args := of.condition(db.read, "person_id", []any{string(kind)})
	err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("d")+` FROM decision d WHERE kind = $1 AND `+where+`
		AND NOT EXISTS (SELECT 1 FROM decision n WHERE n.kind = d.kind AND n.person_id = d.person_id AND n.seq > d.seq) ORDER BY seq`, args...)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// Decisions returns all decisions of a kind about people, the oldest first.
func (db *DB) Decisions(ctx context.Context, kind DecisionKind, of PersonSet) ([]Decision, error) {
	var all []Decision
	where, args := of.condition(db.read, "person_id", []any{string(kind)})
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = $1 AND `+where+` ORDER BY seq`, args...); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// EveryTarget is the subject of a decision about all targets.
const EveryTarget = "*"

// Pauses returns the decisions by which targets are paused now: by target, or
// EveryTarget for all.
func (db *DB) Pauses(ctx context.Context) (map[string]Decision, error) { return pauses(ctx, db.read) }

// Pauses is DB.Pauses as the transaction sees it.
func (tx *Tx) Pauses(ctx context.Context) (map[string]Decision, error) { return pauses(ctx, tx.tx) }

func pauses(ctx context.Context, q sqlx.QueryerContext) (map[string]Decision, error) {
	var all []Decision
	err := sqlx.SelectContext(ctx, q, &all, `SELECT `+columns[Decision]("d")+` FROM decision d WHERE kind = $1 AND verdict <> $2
		AND NOT EXISTS (SELECT 1 FROM decision n WHERE n.kind = d.kind AND n.subject = d.subject AND n.seq > d.seq)`, string(PauseDecision), Resume)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	paused := map[string]Decision{}
	for _, d := range all {
		paused[d.Subject] = d
	}
	return paused, nil
}

// The kinds of hold.
const (
	PlanHold   = "plan"
	ImportHold = "hr-import"
	// EndingsHold is of the endings of an import that went in otherwise.
	EndingsHold = "hr-endings"
	// StartHold is of a start that changes of a source move into the future while
	// the employment runs.
	StartHold = "hr-start"
	// BindHold and ErasureHold are of what one person proposed and another has to
	// let through. The subject is the target, and the person.
	BindHold    = "account-bind"
	ErasureHold = "erasure"
)

// Hold is something that waits for a person's decision.
type Hold struct {
	Digest  string `db:"digest" json:"digest"`
	Kind    string `db:"kind" json:"kind"`       // "plan" or "hr-import"
	Subject string `db:"subject" json:"subject"` // the target, or the HR source
	Why     string `db:"why" json:"why"`
	// Body says what it would do, as JSON without personal values. It may be
	// large: Holds leaves it out.
	Body     string `db:"body" json:"-"`
	RaisedUS Micros `db:"raised_us" json:"since"`
	// RaisedBy is the actor who caused what is held, as audit.Record.Actor: the person
	// whose import or proposal it is. It is not the actor of the run that planned it.
	RaisedBy string `db:"raised_by" json:"raised_by,omitempty"`
	// SupersededUS is when a plan for everyone no longer had exactly this hold; 0 while
	// it is current.
	SupersededUS Micros `db:"superseded_us" json:"superseded_at,omitempty"`
	// After is the last decision made before the hold was raised: only a
	// later one can be about it.
	After int64 `db:"after_decision" json:"-"`
}

// Current reports whether the newest plan for everyone has the hold.
func (h Hold) Current() bool { return h.SupersededUS == 0 }

// At is when it was first raised, UTC.
func (h Hold) At() time.Time { return instant(int64(h.RaisedUS)) }

const holdColumns = `digest, kind, subject, why, '' AS body, raised_us, raised_by, superseded_us, after_decision`

// HoldStep is a step that is held.
type HoldStep struct {
	Key    string
	Person identity.PersonID
}

// record begins an audit record about the hold.
func (h Hold) record(action audit.Action, actor string, at time.Time) audit.Record {
	r := audit.Record{At: at, Actor: actor, Action: action, Target: h.Subject, Reason: h.Kind + " " + h.Digest}
	if h.Kind == ErasureHold {
		r.Person, r.Target = h.Subject, ""
	}
	return r
}

// RaiseHold records a hold of steps, with its audit record, unless it is known.
func (tx *Tx) RaiseHold(ctx context.Context, h Hold, steps []HoldStep, actor string, at time.Time) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	h.RaisedUS = Micros(micros(at))
	if h.Kind != PlanHold {
		h.RaisedBy = actor
	}
	res, err := sqlx.NamedExecContext(ctx, tx.tx, `INSERT INTO hold (digest, kind, subject, why, body, raised_us, raised_by, after_decision)
		SELECT :digest, :kind, :subject, :why, :body, :raised_us, :raised_by, decision_seq FROM head WHERE id = 1 ON CONFLICT (digest) DO UPDATE SET superseded_us = 0 WHERE hold.superseded_us <> 0`, h)
	if err != nil {
		return fmt.Errorf("hold: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return err
	}
	for _, s := range steps {
		if err := tx.exec(ctx, `INSERT INTO hold_step (digest, key, person_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, h.Digest, s.Key, string(s.Person)); err != nil {
			return fmt.Errorf("hold: %w", err)
		}
	}
	tx.Enqueue(queue.Alert{About: queue.Held, Subject: h.Digest})
	r := h.record(audit.HoldRaised, actor, at)
	r.Reason += ": " + h.Why
	tx.Audit(r)
	return nil
}

// EndHold forgets a hold that went through. The release is used up with it:
// should the same be held again, it waits for a decision of its own.
func (tx *Tx) EndHold(ctx context.Context, digest string) error {
	if err := tx.lockHead(ctx); err != nil {
		return err
	}
	for _, where := range []string{"hold_step WHERE digest", "step_decision WHERE hold", "hold WHERE digest"} {
		if err := tx.exec(ctx, `DELETE FROM `+where+` = $1`, digest); err != nil {
			return fmt.Errorf("hold %s: %w", digest, err)
		}
	}
	return nil
}

// EndHoldsExcept ends the holds of a kind and a subject, but for one: what came
// after them took their place.
func (tx *Tx) EndHoldsExcept(ctx context.Context, kind, subject, digest string) error {
	var old []string
	if err := tx.tx.SelectContext(ctx, &old, `SELECT digest FROM hold WHERE kind = $1 AND subject = $2 AND digest <> $3 ORDER BY digest`, kind, subject, digest); err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	for _, d := range old {
		if err := tx.EndHold(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// ExpireHolds ends the holds that were raised before an instant, decided or not:
// should the same come up again it is held again, and waits for a decision of
// its own. So does a step that was rejected, or not released with others, also
// when it alone would be within a limit: that a decision expires lets nothing
// through.
func (db *DB) ExpireHolds(ctx context.Context, before time.Time, actor string, now time.Time) error {
	var old []Hold
	if err := db.read.SelectContext(ctx, &old, `SELECT `+holdColumns+` FROM hold WHERE raised_us < $1`, micros(before)); err != nil {
		return fmt.Errorf("read holds: %w", err)
	}
	var decided int
	if err := db.read.GetContext(ctx, &decided, `SELECT COUNT(*) FROM step_decision WHERE decided_us < $1 AND verdict = $2`, micros(before), Release); err != nil || len(old)+decided == 0 {
		return err
	}
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.lockHead(ctx); err != nil {
			return err
		}
		for _, h := range old {
			var gone []string
			if err := tx.tx.SelectContext(ctx, &gone, `DELETE FROM hold WHERE digest = $1 AND raised_us = $2 RETURNING digest`, h.Digest, h.RaisedUS); err != nil {
				return fmt.Errorf("hold %s: %w", h.Digest, err)
			}
			if len(gone) > 0 {
				if err := errors.Join(tx.keepRejectedSteps(ctx, h.Digest), tx.EndHold(ctx, h.Digest)); err != nil {
					return err
				}
				r := h.record(audit.HoldExpired, actor, now)
				r.Reason += " was raised on " + h.At().Format(time.RFC3339)
				tx.Audit(r)
			}
		}
		return tx.exec(ctx, `DELETE FROM step_decision WHERE decided_us < $1 AND verdict = $2`, micros(before), Release)
	})
}

// HoldState is a hold and the decision on it, if there is one.
type HoldState struct {
	Hold
	Decision *Decision `json:"decision,omitempty"`
}

// Holds returns what is held, newest first, with the newest decision on each.
func (db *DB) Holds(ctx context.Context) ([]HoldState, error) {
	var holds []Hold
	if err := db.read.SelectContext(ctx, &holds, `SELECT `+holdColumns+` FROM hold ORDER BY raised_us DESC, digest`); err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	var decisions []Decision
	if err := db.read.SelectContext(ctx, &decisions, `SELECT `+columns[Decision]("d")+` FROM hold h JOIN decision d ON d.kind = $1 AND d.subject = h.digest AND d.person_id = '' AND d.seq > h.after_decision ORDER BY d.seq`, string(HoldDecision)); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	newest := map[string]*Decision{}
	for i, d := range decisions {
		newest[d.Subject] = &decisions[i]
	}
	states := make([]HoldState, len(holds))
	for i, h := range holds {
		states[i] = HoldState{Hold: h, Decision: newest[h.Digest]}
	}
	return states, nil
}

// HoldBody returns what a hold would do, as JSON without personal values.
func (db *DB) HoldBody(ctx context.Context, digest string) (string, error) {
	var body string
	if err := db.read.GetContext(ctx, &body, `SELECT body FROM hold WHERE digest = $1`, digest); err != nil {
		return "", fmt.Errorf("hold %s: %w", digest, err)
	}
	return body, nil
}

// HoldDecision returns the newest decision on a hold as a whole, or nil when
// there is no such hold or no decision on it.
func (db *DB) HoldDecision(ctx context.Context, digest string) (*Decision, error) {
	return holdDecision(ctx, db.read, digest)
}

// HoldDecision is DB.HoldDecision as the transaction sees it.
func (tx *Tx) HoldDecision(ctx context.Context, digest string) (*Decision, error) {
	return holdDecision(ctx, tx.tx, digest)
}

func holdDecision(ctx context.Context, q sqlx.QueryerContext, digest string) (*Decision, error) {
	var d Decision
	err := sqlx.GetContext(ctx, q, &d, `SELECT `+columns[Decision]("d")+` FROM decision d JOIN hold h ON h.digest = d.subject
		WHERE d.kind = $1 AND d.subject = $2 AND d.person_id = '' AND d.seq > h.after_decision ORDER BY d.seq DESC LIMIT 1`, string(HoldDecision), digest)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return &d, nil
}

// ReviewItem is one question of a review: may this person keep this?
type ReviewItem struct {
	Campaign    int64  `db:"campaign_id" json:"campaign"`
	Number      int64  `db:"number" json:"number"`
	Person      string `db:"person_id" json:"person"`
	Entitlement string `db:"entitlement" json:"entitlement"`
	Why         string `db:"why" json:"why"` // the reasons for the access when the review began
	Decided     *int64 `db:"decision" json:"decision,omitempty"`
	// Reviewer is who is asked, as audit.Record.Actor; empty for the owner of the
	// system.
	Reviewer string `db:"reviewer" json:"reviewer,omitempty"`
}

const reviewItemColumns = `i.campaign_id, i.number, i.person_id, i.entitlement, i.why, i.decision, c.reviewer`

// Ref is how people call the item: campaign-number.
func (i ReviewItem) Ref() string { return fmt.Sprintf("%d-%d", i.Campaign, i.Number) }

// StartReview records a campaign with its items and returns its number. The
// reviewer is who is asked, as audit.Record.Actor; empty for the owner of the
// system.
func (tx *Tx) StartReview(ctx context.Context, system, by, reviewer string, at time.Time, items []ReviewItem) (int64, error) {
	var campaign int64
	// The head row's lock keeps two campaigns from getting the same number.
	if _, err := tx.tx.ExecContext(ctx, `UPDATE head SET decision_seq = decision_seq + 0 WHERE id = 1`); err != nil {
		return 0, fmt.Errorf("review campaign: %w", err)
	}
	if err := tx.tx.GetContext(ctx, &campaign, `INSERT INTO review_campaign (id, system, started_by, started_us, reviewer)
		SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4 FROM review_campaign RETURNING id`, system, by, micros(at), reviewer); err != nil {
		return 0, fmt.Errorf("review campaign: %w", err)
	}
	rows := make([]any, 0, len(items)*len(reviewItemRows.columns))
	for n, item := range items {
		rows = append(rows, campaign, n+1, item.Person, item.Entitlement, item.Why)
	}
	if err := tx.insert(ctx, reviewItemRows, rows); err != nil {
		return 0, fmt.Errorf("review items: %w", err)
	}
	return campaign, nil
}

var reviewItemRows = inserts{table: "review_item", columns: []string{"campaign_id", "number", "person_id", "entitlement", "why"}}

// ReviewItems returns the items of a campaign, or of all when campaign is 0,
// with the decision made on each.
func (db *DB) ReviewItems(ctx context.Context, campaign int64) ([]ReviewItem, map[int64]Decision, error) {
	var items []ReviewItem
	where, args := "1 = 1", []any(nil)
	if campaign != 0 {
		where, args = "i.campaign_id = $1", []any{campaign}
	}
	if err := db.read.SelectContext(ctx, &items, `SELECT `+reviewItemColumns+` FROM review_item i JOIN review_campaign c ON c.id = i.campaign_id
		WHERE `+where+` ORDER BY i.campaign_id, i.number`, args...); err != nil {
		return nil, nil, fmt.Errorf("read review items: %w", err)
	}
	var decisions []Decision
	if err := db.read.SelectContext(ctx, &decisions, `SELECT `+columns[Decision]("d")+` FROM decision d JOIN review_item i ON i.decision = d.seq WHERE `+where, args...); err != nil {
		return nil, nil, fmt.Errorf("read decisions: %w", err)
	}
	bySeq := map[int64]Decision{}
	for _, d := range decisions {
		bySeq[d.Seq] = d
	}
	return items, bySeq, nil
}

// OpenReviews returns how many reviews have questions that are not decided, and how many
// questions these are.
func (db *DB) OpenReviews(ctx context.Context) (campaigns, items int, err error) {
	if err := db.read.QueryRowxContext(ctx, `SELECT COUNT(DISTINCT campaign_id), COUNT(*) FROM review_item WHERE decision IS NULL`).Scan(&campaigns, &items); err != nil {
		return 0, 0, fmt.Errorf("read review items: %w", err)
	}
	return campaigns, items, nil
}

// ReviewItem returns one item.
func (db *DB) ReviewItem(ctx context.Context, campaign, number int64) (ReviewItem, error) {
	var item ReviewItem
	err := db.read.GetContext(ctx, &item, `SELECT `+reviewItemColumns+` FROM review_item i JOIN review_campaign c ON c.id = i.campaign_id WHERE i.campaign_id = $1 AND i.number = $2`, campaign, number)
	if errors.Is(err, sql.ErrNoRows) {
		return item, fmt.Errorf("there is no review item %d-%d: see behov review list", campaign, number)
	}
	return item, err
}

// DecideItem notes which decision answers the item.
func (tx *Tx) DecideItem(ctx context.Context, item ReviewItem, decision int64) error {
	_, err := tx.tx.ExecContext(ctx, `UPDATE review_item SET decision = $3 WHERE campaign_id = $1 AND number = $2`, item.Campaign, item.Number, decision)
	if err != nil {
		return fmt.Errorf("review item %s: %w", item.Ref(), err)
	}
	return nil
}
