package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// beside is what is written in the first transaction of a context, with what that writes.
type beside struct {
	f    func(*Tx) error
	done atomic.Bool
}

type besideKey struct{}

// WithBeside has the first transaction of what is done with the context write something
// more: both are kept, or neither.
func WithBeside(ctx context.Context, f func(*Tx) error) context.Context {
	return context.WithValue(ctx, besideKey{}, &beside{f: f})
}

func besideOf(ctx context.Context) *beside {
	b, _ := ctx.Value(besideKey{}).(*beside)
	return b
}

func (b *beside) with(f func(*Tx) error) func(*Tx) error {
	if b == nil {
		return f
	}
	return func(tx *Tx) error {
		if err := f(tx); err != nil || !b.done.CompareAndSwap(false, true) {
			return err
		}
		return b.f(tx)
	}
}

// Request is a writing request that had a key of its own.
type Request struct {
	KeyHash     []byte `db:"key_hash"`
	RequestHash []byte `db:"request_hash"`
	Status      int    `db:"status"` // 0 until the answer is known
	Body        []byte `db:"body"`
	AtUS        Micros `db:"at_us"`
}

// ErrRequestThere is returned for a request that is kept already.
var ErrRequestThere = errors.New("a request with this key is under way, or was made")

// KnownRequest returns the request with a key that was made after an instant.
func (db *DB) KnownRequest(ctx context.Context, keyHash []byte, after time.Time) (r Request, known bool, err error) {
	err = db.read.GetContext(ctx, &r, `SELECT `+columns[Request]("")+` FROM idempotent_request WHERE key_hash = $1 AND at_us > $2`, keyHash, micros(after))
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	if err != nil {
		return r, false, fmt.Errorf("read a request: %w", err)
	}
	return r, true, nil
}

// PutRequest keeps a request, and drops those that were made before an instant. It fails
// with ErrRequestThere when it is there.
func (tx *Tx) PutRequest(ctx context.Context, r Request, before time.Time) error {
	if err := tx.exec(ctx, `DELETE FROM idempotent_request WHERE at_us <= $1`, micros(before)); err != nil {
		return fmt.Errorf("drop old requests: %w", err)
	}
	res, err := tx.tx.ExecContext(ctx, `INSERT INTO idempotent_request (key_hash, request_hash, at_us) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, r.KeyHash, r.RequestHash, r.AtUS)
	if err != nil {
		return fmt.Errorf("keep a request: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return errors.Join(err, ErrRequestThere)
	}
	return nil
}

// AnswerRequest keeps how a request was answered.
func (db *DB) AnswerRequest(ctx context.Context, keyHash []byte, status int, body []byte) error {
	return db.Write(ctx, func(tx *Tx) error {
		return tx.exec(ctx, `UPDATE idempotent_request SET status = $2, body = $3 WHERE key_hash = $1`, keyHash, status, body)
	})
}

// TaskState is how a task stands.
type TaskState string

// The states of a task.
const (
	TaskRunning TaskState = "running"
	TaskDone    TaskState = "done"
	TaskFailed  TaskState = "failed"
)

// Task is long work that a client asked for.
type Task struct {
	ID      string    `db:"id"`
	Owner   string    `db:"owner"` // a person, or service:NAME
	Kind    string    `db:"kind"`
	State   TaskState `db:"state"`
	Stage   string    `db:"stage"`
	Done    int       `db:"done"`
	Total   int       `db:"total"`
	Result  string    `db:"result"` // JSON, without personal values
	Fault   string    `db:"fault"`
	BeganUS Micros    `db:"began_us"`
	SeenUS  Micros    `db:"seen_us"`
	EndedUS Micros    `db:"ended_us"`
}

// PutTask keeps a task, and drops those that ended before an instant.
func (db *DB) PutTask(ctx context.Context, t Task, before time.Time) error {
	return db.Write(ctx, func(tx *Tx) error {
		if err := tx.exec(ctx, `DELETE FROM task WHERE ended_us > 0 AND ended_us < $1`, micros(before)); err != nil {
			return fmt.Errorf("drop old tasks: %w", err)
		}
		if err := tx.exec(ctx, `INSERT INTO task (`+columns[Task]("")+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (id) DO UPDATE SET state = excluded.state, stage = excluded.stage, done = excluded.done, total = excluded.total, result = excluded.result, fault = excluded.fault, seen_us = excluded.seen_us, ended_us = excluded.ended_us`,
			t.ID, t.Owner, t.Kind, t.State, t.Stage, t.Done, t.Total, t.Result, t.Fault, t.BeganUS, t.SeenUS, t.EndedUS); err != nil {
			return fmt.Errorf("keep a task: %w", err)
		}
		return nil
	})
}

// Task returns a task.
func (db *DB) Task(ctx context.Context, id string) (t Task, known bool, err error) {
	err = db.read.GetContext(ctx, &t, `SELECT `+columns[Task]("")+` FROM task WHERE id = $1`, id)
	if errors.Is(err, sql.ErrNoRows) {
		return t, false, nil
	}
	if err != nil {
		return t, false, fmt.Errorf("read a task: %w", err)
	}
	return t, true, nil
}
