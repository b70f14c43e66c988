package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// RequestState is where a request is. That its last day has passed, or that what it hangs on
// ended, follows from the day, and is not stored.
type RequestState string

// The states.
const (
	RequestWaiting   RequestState = "waiting" // for approvals; emergency access gives access meanwhile
	RequestApproved  RequestState = "approved"
	RequestRefused   RequestState = "refused"
	RequestWithdrawn RequestState = "withdrawn"
)

// AccessRequest is a request for access that ends.
type AccessRequest struct {
	ID          int64                 `db:"id"`
	Person      identity.PersonID     `db:"person_id"`
	Entitlement string                `db:"entitlement"`
	Employment  identity.EmploymentID `db:"employment_id"`
	// Since is the day on which it was asked, and Unit and Manager are those of the
	// employment on that day. Of a person who is erased, Manager is the zero key.
	Since   identity.Date      `db:"since"`
	Unit    string             `db:"unit"`
	Manager identity.SourceKey // sealed with the key of the person
	Sealed  []byte             `db:"manager_sealed"`
	Until   identity.Date      `db:"until"` // the last day
	// Emergency: it gives access while it waits.
	Emergency bool           `db:"emergency"`
	Renews    int64          `db:"renews"` // the request that it goes on with; 0 for none
	State     RequestState   `db:"state"`
	AskedBy   identity.Actor `db:"asked_by"`
	Asked     int64          `db:"asked"` // the decision of who asked
	// Given is the decision by which it gives access; 0 while it gives none.
	Given int64 `db:"given"`
}

// GivenRequest is a request that gives access, and who decided so.
type GivenRequest struct {
	AccessRequest
	Maker identity.Actor `db:"given_by"`
}

// Approval is that one of the approvers of a request approved it.
type Approval struct {
	Request  int64  `db:"request_id"`
	Approver string `db:"approver"` // a policy.Approver
	Decision int64  `db:"decision"`
}

const requestContext = "access_request.manager"

// AskAccess records a request with the decision of who asks, and returns both with their
// numbers.
func (tx *Tx) AskAccess(ctx context.Context, r AccessRequest, d Decision, at time.Time) (AccessRequest, Decision, error) {
	// The head row's lock keeps two requests from getting the same number.
	if _, err := tx.tx.ExecContext(ctx, `UPDATE head SET decision_seq = decision_seq + 0 WHERE id = 1`); err != nil {
		return r, d, fmt.Errorf("request: %w", err)
	}
	if err := tx.tx.GetContext(ctx, &r.ID, `SELECT COALESCE(MAX(id), 0) + 1 FROM access_request`); err != nil {
		return r, d, fmt.Errorf("request: %w", err)
	}
	d.Kind, d.Person, d.Entitlement, d.Subject, d.Until = RequestDecision, r.Person, r.Entitlement, RequestSubject(r.ID), r.Until
	d, err := tx.Decide(ctx, d, at)
	if err != nil {
		return r, d, err
	}
	r.State, r.AskedBy, r.Asked, r.Given = RequestWaiting, d.Maker, d.Seq, 0
	if r.Emergency {
		r.Given = d.Seq
	}
	key, err := tx.key(ctx, r.Person)
	if err != nil {
		return r, d, err
	}
	manager, err := json.Marshal(r.Manager)
	if err != nil {
		return r, d, fmt.Errorf("request: %w", err)
	}
	if r.Sealed, err = key.Seal(requestContext, manager); err != nil {
		return r, d, fmt.Errorf("request: %w", err)
	}
	_, err = tx.tx.ExecContext(ctx, `INSERT INTO access_request (id, person_id, entitlement, employment_id, unit, manager_sealed, since, until, emergency, renews, state, asked_by, asked, given)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		r.ID, string(r.Person), r.Entitlement, string(r.Employment), r.Unit, r.Sealed, string(r.Since), string(r.Until), r.Emergency, r.Renews, string(r.State), string(r.AskedBy), r.Asked, r.Given)
	if err != nil {
		return r, d, fmt.Errorf("request: %w", err)
	}
	return r, d, nil
}

// ApproveAccess notes that an approver of a request approved it by a decision; with last, that
// no other one is needed. Of emergency access it does not change whether it gives anything.
func (tx *Tx) ApproveAccess(ctx context.Context, a Approval, last bool) error {
	if _, err := tx.tx.ExecContext(ctx, `INSERT INTO access_request_approval (request_id, approver, decision) VALUES ($1, $2, $3)`, a.Request, a.Approver, a.Decision); err != nil {
		return fmt.Errorf("approval of request %d: %w", a.Request, err)
	}
	if !last {
		return nil
	}
	if _, err := tx.tx.ExecContext(ctx, `UPDATE access_request SET state = $2, given = CASE WHEN emergency THEN given ELSE $3 END WHERE id = $1`, a.Request, string(RequestApproved), a.Decision); err != nil {
		return fmt.Errorf("request %d: %w", a.Request, err)
	}
	return nil
}

// EndAccess notes that a request gives nothing any more: it was refused or withdrawn.
// Emergency access that was withdrawn waits on, for what approvers say of it.
func (tx *Tx) EndAccess(ctx context.Context, request int64, as RequestState) error {
	if _, err := tx.tx.ExecContext(ctx, `UPDATE access_request SET state = $2, given = 0 WHERE id = $1`, request, string(as)); err != nil {
		return fmt.Errorf("request %d: %w", request, err)
	}
	return nil
}

// AccessRequest returns a request as it is in the transaction, without its manager, with what
// approvers have approved.
func (tx *Tx) AccessRequest(ctx context.Context, request int64) (r AccessRequest, approvals []Approval, err error) {
	if err := tx.tx.GetContext(ctx, &r, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE id = $1`, request); err != nil {
		return r, nil, fmt.Errorf("request %d: %w", request, err)
	}
	if err := tx.tx.SelectContext(ctx, &approvals, `SELECT `+columns[Approval]("")+` FROM access_request_approval WHERE request_id = $1 ORDER BY decision`, request); err != nil {
		return r, nil, fmt.Errorf("approvals of request %d: %w", request, err)
	}
	return r, approvals, nil
}

// FirstWaiting returns the first request for an entitlement of a person that waits for
// approvals on a day, of emergency access or not; 0 for none. Emergency access waits when its
// last day has passed, too.
func (tx *Tx) FirstWaiting(ctx context.Context, person identity.PersonID, entitlement string, emergency bool, day identity.Date) (request int64, err error) {
	err = tx.tx.GetContext(ctx, &request, `SELECT id FROM access_request WHERE person_id = $1 AND entitlement = $2 AND state = 'waiting' AND emergency = $3 AND (emergency OR until >= $4) ORDER BY id LIMIT 1`,
		string(person), entitlement, emergency, string(day))
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("requests of person %s: %w", person, err)
	}
	return request, nil
}

// AccessRequest returns the request with a number.
func (db *DB) AccessRequest(ctx context.Context, request int64) (AccessRequest, error) {
	var all []AccessRequest
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE id = $1`, request); err != nil {
		return AccessRequest{}, fmt.Errorf("request %d: %w", request, err)
	}
	if len(all) == 0 {
		return AccessRequest{}, &reason.Refusal{Reason: reason.Of(reason.NoSuchRequest{Request: strconv.FormatInt(request, 10)})}
	}
	return all[0], db.openManagers(ctx, &all[0])
}

// GivenRequests returns the requests of people that give access and whose last day is the given
// one or later, in the order of their numbers.
func (db *DB) GivenRequests(ctx context.Context, of PersonSet, day identity.Date) ([]GivenRequest, error) {
	where, args := of.condition(db.read, "r.person_id", []any{string(day)})
	var all []GivenRequest
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[AccessRequest]("r")+`, (SELECT maker FROM decision WHERE seq = r.given) AS given_by FROM access_request r
		WHERE r.given <> 0 AND r.until >= $1 AND `+where+` ORDER BY r.until, r.id`, args...); err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	slices.SortFunc(all, func(a, b GivenRequest) int { return cmp.Compare(a.ID, b.ID) })
	open := make([]*AccessRequest, len(all))
	for i := range all {
		open[i] = &all[i].AccessRequest
	}
	return all, db.openManagers(ctx, open...)
}

// RequestsOf returns the newest requests that are of a person, or that the person asked for
// others: at most so many, with lower numbers than before, or all of them for 0.
func (db *DB) RequestsOf(ctx context.Context, person identity.PersonID, before int64, most int) ([]AccessRequest, error) {
	all, err := db.accessRequests(ctx, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE person_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, string(person), below(before), most)
	if err != nil {
		return nil, err
	}
	asked, err := db.accessRequests(ctx, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE asked_by = $1 AND id < $2 ORDER BY id DESC LIMIT $3`, string(identity.PersonActor(person)), below(before), most)
	if err != nil {
		return nil, err
	}
	for _, r := range asked {
		if r.Person != person {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b AccessRequest) int { return cmp.Compare(b.ID, a.ID) })
	return all[:min(len(all), most)], nil
}

// below returns the number below which all numbers are, for 0.
func below(before int64) int64 {
	if before == 0 {
		return math.MaxInt64
	}
	return before
}

// WaitingRequests returns the requests that wait for approvals, the oldest first: without
// those whose last day has passed, unless they were emergency access.
func (db *DB) WaitingRequests(ctx context.Context, day identity.Date) ([]AccessRequest, error) {
	return db.accessRequests(ctx, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE state = 'waiting' AND (emergency OR until >= $1) ORDER BY id`, string(day))
}

// WaitingRequestsFor is WaitingRequests of those for some entitlements.
func (db *DB) WaitingRequestsFor(ctx context.Context, entitlements []string, day identity.Date) ([]AccessRequest, error) {
	where, args := in(db.read, "entitlement", entitlements, []any{string(day)})
	return db.accessRequests(ctx, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE state = 'waiting' AND (emergency OR until >= $1) AND `+where+` ORDER BY id`, args...)
}

// NewestRequests returns the newest requests of everyone: at most so many, with lower numbers
// than before, or all of them for 0.
func (db *DB) NewestRequests(ctx context.Context, before int64, most int) ([]AccessRequest, error) {
	return db.accessRequests(ctx, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE id < $1 ORDER BY id DESC LIMIT $2`, below(before), most)
}

func (db *DB) accessRequests(ctx context.Context, query string, args ...any) ([]AccessRequest, error) {
	var all []AccessRequest
	if err := db.read.SelectContext(ctx, &all, query, args...); err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	open := make([]*AccessRequest, len(all))
	for i := range all {
		open[i] = &all[i]
	}
	return all, db.openManagers(ctx, open...)
}

// RequestHistory returns the decisions about requests, the oldest first, their reasons opened,
// and what approvers have approved.
func (db *DB) RequestHistory(ctx context.Context, requests []int64) (decisions []Decision, approvals []Approval, err error) {
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(requests))), peoplePage) {
		subjects := make([]string, len(page))
		for i, id := range page {
			subjects[i] = string(RequestSubject(id))
		}
		where, args := in(db.read, "subject", subjects, []any{string(RequestDecision)})
		var some []Decision
		if err := db.read.SelectContext(ctx, &some, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind = $1 AND `+where, args...); err != nil {
			return nil, nil, fmt.Errorf("read decisions: %w", err)
		}
		decisions = append(decisions, some...)
		where, args = in(db.read, "request_id", page, nil)
		var approved []Approval
		if err := db.read.SelectContext(ctx, &approved, `SELECT `+columns[Approval]("")+` FROM access_request_approval WHERE `+where, args...); err != nil {
			return nil, nil, fmt.Errorf("read approvals: %w", err)
		}
		approvals = append(approvals, approved...)
	}
	slices.SortFunc(decisions, func(a, b Decision) int { return int(a.Seq - b.Seq) })
	slices.SortFunc(approvals, func(a, b Approval) int { return int(a.Decision - b.Decision) })
	opened := make([]*Decision, len(decisions))
	for i := range decisions {
		opened[i] = &decisions[i]
	}
	return decisions, approvals, db.DecryptReasons(ctx, opened...)
}

// openManagers opens the managers of requests, in their place.
func (db *DB) openManagers(ctx context.Context, requests ...*AccessRequest) error {
	people := make([]identity.PersonID, len(requests))
	for i, r := range requests {
		people[i] = r.Person
	}
	keys, err := db.keys(ctx, people)
	if err != nil {
		return err
	}
	for _, r := range requests {
		key := keys[r.Person]
		if key == nil {
			continue
		}
		text, err := key.Open(requestContext, r.Sealed)
		if err != nil {
			return fmt.Errorf("manager of request %d: %w", r.ID, err)
		}
		if err := json.Unmarshal(text, &r.Manager); err != nil {
			return fmt.Errorf("manager of request %d: %w", r.ID, err)
		}
	}
	return nil
}
