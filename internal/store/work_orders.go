package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// OrderState is where a work order is.
type OrderState string

// The states.
const (
	OrderWaiting OrderState = "waiting" // for the person who makes the change
	OrderDone    OrderState = "done"    // confirmed, or shown by a list
	// OrderImpossible: the change cannot be made. The step is parked.
	OrderImpossible OrderState = "impossible"
	// OrderWithdrawn: the change was not wanted any more before it was made.
	OrderWithdrawn OrderState = "withdrawn"
)

// OrderStates are the states, in the order of a list.
var OrderStates = []OrderState{OrderWaiting, OrderDone, OrderImpossible, OrderWithdrawn}

// WorkOrder is a change that a person makes in a target without an interface. There is one
// at most that waits for each change.
type WorkOrder struct {
	ID     int64             `db:"id"`
	Target string            `db:"target"`
	Person identity.PersonID `db:"person_id"`
	Key    audit.StepKey     `db:"key"`
	Body   string            `db:"body"` // the plan's step, as JSON
	Op     string            `db:"op"`
	// Entitlement is that of the catalogue, Native as the target names it.
	Entitlement string           `db:"entitlement"`
	Native      string           `db:"native"`
	AccountID   string           `db:"account_id"` // empty for an account that is not there yet
	Attempt     audit.AttemptID  `db:"attempt"`
	Plan        audit.PlanDigest `db:"plan"`
	Sealed      []byte           `db:"sealed"`
	// Name is the login name, empty once the person is erased.
	Name string
	// Due is the last day to make the change.
	Due       identity.Date `db:"due"`
	OrderedUS int64         `db:"ordered_us"`
	State     OrderState    `db:"state"`
	// Decision is the one that ended it; 0 without one.
	Decision int64 `db:"decision"`
	// DoneOn is the day on which the change was made, as who confirmed it said.
	DoneOn  identity.Date `db:"done_on"`
	EndedUS int64         `db:"ended_us"`
}

// Ordered is when it was ordered, UTC.
func (o WorkOrder) Ordered() time.Time { return instant(o.OrderedUS) }

// Ended is when it was ended, UTC; zero while it waits.
func (o WorkOrder) Ended() time.Time { return instant(o.EndedUS) }

// Takes reports whether the change takes something away.
func (o WorkOrder) Takes() bool {
	switch connectors.Op(o.Op) {
	case connectors.RemoveMember, connectors.DisableAccount, connectors.DeleteAccount:
		return true
	}
	return false
}

const orderContext = "work_order.name"

// PlaceOrder records a work order and returns its number. When one waits for the same change
// already it records nothing, and returns that one's.
func (tx *Tx) PlaceOrder(ctx context.Context, o WorkOrder, at time.Time) (number int64, err error) {
	// The head row's lock keeps two orders from getting the same number.
	if _, err := tx.tx.ExecContext(ctx, `UPDATE head SET decision_seq = decision_seq + 0 WHERE id = 1`); err != nil {
		return 0, fmt.Errorf("work order: %w", err)
	}
	err = tx.tx.GetContext(ctx, &number, `SELECT id FROM work_order WHERE target = $1 AND key = $2 AND state = 'waiting'`, o.Target, string(o.Key))
	if err == nil || !errors.Is(err, sql.ErrNoRows) {
		return number, wrapped(err, "work order")
	}
	if err := tx.tx.GetContext(ctx, &number, `SELECT COALESCE(MAX(id), 0) + 1 FROM work_order`); err != nil {
		return 0, fmt.Errorf("work order: %w", err)
	}
	key, err := tx.key(ctx, o.Person)
	if err != nil {
		return 0, err
	}
	sealed, err := key.Seal(orderContext, []byte(o.Name))
	if err != nil {
		return 0, fmt.Errorf("work order: %w", err)
	}
	err = tx.exec(ctx, `INSERT INTO work_order (id, target, person_id, key, body, op, entitlement, native, account_id, attempt, plan, sealed, due, ordered_us, state)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, 'waiting')`,
		number, o.Target, string(o.Person), string(o.Key), o.Body, o.Op, o.Entitlement, o.Native, o.AccountID, string(o.Attempt), string(o.Plan), sealed, string(o.Due), micros(at))
	return number, wrapped(err, "work order")
}

func wrapped(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// EndOrder ends a work order that waits. It reports whether it waited: no order ends twice.
func (tx *Tx) EndOrder(ctx context.Context, o WorkOrder, at time.Time) (waited bool, err error) {
	res, err := tx.tx.ExecContext(ctx, `UPDATE work_order SET state = $2, decision = $3, done_on = $4, ended_us = $5 WHERE id = $1 AND state = 'waiting'`,
		o.ID, string(o.State), o.Decision, string(o.DoneOn), micros(at))
	if err != nil {
		return false, fmt.Errorf("work order %d: %w", o.ID, err)
	}
	n, err := res.RowsAffected()
	return n == 1, err
}

// WaitingOrders returns the work orders that wait in a target, about people, in the order of
// their numbers, without login names.
func (db *DB) WaitingOrders(ctx context.Context, target string, of PersonSet) ([]WorkOrder, error) {
	where, args := of.condition(db.read, "person_id", []any{target})
	var all []WorkOrder
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[WorkOrder]("")+` FROM work_order WHERE target = $1 AND state = 'waiting' AND `+where+` ORDER BY id`, args...); err != nil {
		return nil, fmt.Errorf("read work orders: %w", err)
	}
	return all, nil
}

// WorkOrder returns the work order with a number.
func (db *DB) WorkOrder(ctx context.Context, number int64) (WorkOrder, error) {
	all, err := db.workOrders(ctx, `SELECT `+columns[WorkOrder]("")+` FROM work_order WHERE id = $1`, number)
	if err == nil && len(all) == 0 {
		err = &reason.Refusal{Reason: reason.Of(reason.NoSuchOrder{Order: strconv.FormatInt(number, 10)})}
	}
	if err != nil {
		return WorkOrder{}, err
	}
	return all[0], nil
}

// OrdersInState returns at most so many work orders of a target in a state, with numbers
// below before (0 for any), the newest first.
func (db *DB) OrdersInState(ctx context.Context, target string, state OrderState, before int64, most int) ([]WorkOrder, error) {
	return db.workOrders(ctx, `SELECT `+columns[WorkOrder]("")+` FROM work_order WHERE target = $1 AND state = $2 AND id < $3 ORDER BY id DESC LIMIT $4`, target, string(state), below(before), most)
}

// OrdersDueBefore returns at most so many work orders of a target that wait and whose last
// day is before a day, the longest overdue first. With a late enough day they are all that
// wait.
func (db *DB) OrdersDueBefore(ctx context.Context, target string, day identity.Date, most int) ([]WorkOrder, error) {
	return db.workOrders(ctx, `SELECT `+columns[WorkOrder]("")+` FROM work_order WHERE target = $1 AND state = 'waiting' AND due < $2 ORDER BY due, id LIMIT $3`, target, string(day), most)
}

// CountOrders returns how many work orders of a target wait, and how many of them were due
// before a day.
func (db *DB) CountOrders(ctx context.Context, target string, day identity.Date) (waiting, overdue int, err error) {
	err = db.read.QueryRowxContext(ctx, `SELECT COUNT(*), COALESCE(SUM(CASE WHEN due < $2 THEN 1 ELSE 0 END), 0) FROM work_order WHERE target = $1 AND state = 'waiting'`, target, string(day)).Scan(&waiting, &overdue)
	return waiting, overdue, wrapped(err, "count work orders")
}

// OrdersAbout returns at most so many work orders about a person, the newest first.
func (db *DB) OrdersAbout(ctx context.Context, person identity.PersonID, most int) ([]WorkOrder, error) {
	return db.workOrders(ctx, `SELECT `+columns[WorkOrder]("")+` FROM work_order WHERE person_id = $1 ORDER BY id DESC LIMIT $2`, string(person), most)
}

// workOrders reads work orders and opens their login names.
func (db *DB) workOrders(ctx context.Context, query string, args ...any) ([]WorkOrder, error) {
	var all []WorkOrder
	if err := db.read.SelectContext(ctx, &all, query, args...); err != nil {
		return nil, fmt.Errorf("read work orders: %w", err)
	}
	people := make([]identity.PersonID, len(all))
	for i, o := range all {
		people[i] = o.Person
	}
	keys, err := db.keys(ctx, people)
	if err != nil {
		return nil, err
	}
	for i := range all {
		key := keys[all[i].Person]
		if key == nil {
			continue
		}
		name, err := key.Open(orderContext, all[i].Sealed)
		if err != nil {
			return nil, fmt.Errorf("work order %d: %w", all[i].ID, err)
		}
		all[i].Name = string(name)
	}
	return all, nil
}
