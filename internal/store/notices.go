package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// NoticeAbout is what a notice is about.
type NoticeAbout string

// What notices are about.
const (
	NoticeReview    NoticeAbout = "review"     // Subject is its number
	NoticeRequest   NoticeAbout = "request"    // Subject is its number
	NoticeAccessEnd NoticeAbout = "access-end" // Subject is the number of the request that gives it
	NoticeRevision  NoticeAbout = "revision"   // Subject is the system
	NoticeMFA       NoticeAbout = "mfa"        // Subject is the ID of the person who is not enrolled
	// NoticeWorkOrders is about the work orders of a target, Subject is TARGET DAY with their last
	// day; NoticeAccount about an account of the register, Subject is its ID and a day.
	NoticeWorkOrders NoticeAbout = "work-orders"
	NoticeAccount    NoticeAbout = "account"
	// NoticeAbsence is about the absence of another person, Subject is the number of the decision.
	NoticeAbsence NoticeAbout = "absence"
)

// NoticeKey tells one notice from another: each is sent once.
type NoticeKey struct {
	Person  identity.PersonID `db:"person_id"` // who is told
	Mailbox string            `db:"mailbox"`   // that is told, where no person is: an address of the configuration
	About   NoticeAbout       `db:"about"`
	Subject string            `db:"subject"`
	Stage   string            `db:"stage"` // how far it has come, as the days that are left
}

// Notice tells a person of something that waits for them. It holds no personal value: people
// are in it by ID, and its text is not.
type Notice struct {
	NoticeKey
	Reason reason.Reason `db:"reason"`
	AtUS   Micros        `db:"at_us"`
}

// NoticesSent returns which notices about subjects were sent.
func (db *DB) NoticesSent(ctx context.Context, about NoticeAbout, subjects []string) (map[NoticeKey]bool, error) {
	sent := map[NoticeKey]bool{}
	for page := range slices.Chunk(subjects, peoplePage) {
		where, args := in(db.read, "subject", page, []any{about})
		var keys []NoticeKey
		if err := db.read.SelectContext(ctx, &keys, `SELECT `+columns[NoticeKey]("")+` FROM notice WHERE about = $1 AND `+where, args...); err != nil {
			return nil, fmt.Errorf("read notices: %w", err)
		}
		for _, k := range keys {
			sent[k] = true
		}
	}
	return sent, nil
}

// RecordNotice records that a person is told of something at a time. It reports false when
// that was recorded before.
func (tx *Tx) RecordNotice(ctx context.Context, n Notice, at time.Time) (bool, error) {
	r, err := tx.tx.ExecContext(ctx, `INSERT INTO notice (about, subject, stage, person_id, mailbox, reason, at_us) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
		n.About, n.Subject, n.Stage, string(n.Person), n.Mailbox, n.Reason, micros(at))
	if err != nil {
		return false, fmt.Errorf("record a notice: %w", err)
	}
	added, err := r.RowsAffected()
	return added > 0, err
}

// NoticesTo returns what a person, or a mailbox that is no person's, was told of at a time.
func (db *DB) NoticesTo(ctx context.Context, person identity.PersonID, mailbox string, at Micros) ([]Notice, error) {
	var all []Notice
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[NoticeKey]("")+`, `+columns[Notice]("")+` FROM notice WHERE person_id = $1 AND at_us = $2 AND mailbox = $3 ORDER BY about, subject, stage`, string(person), at, mailbox); err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	return all, nil
}

// OrdersDue is how many work orders of a target wait that have the same last day.
type OrdersDue struct {
	Target string        `db:"target"`
	Due    identity.Date `db:"due"`
	Count  int           `db:"orders"`
}

// OrdersByDay returns how many work orders of targets wait, by target and last day.
func (db *DB) OrdersByDay(ctx context.Context, targets []string) ([]OrdersDue, error) {
	var all []OrdersDue
	for page := range slices.Chunk(targets, peoplePage) {
		where, args := in(db.read, "target", page, nil)
		var some []OrdersDue
		if err := db.read.SelectContext(ctx, &some, `SELECT target, due, COUNT(*) AS orders FROM work_order WHERE state = 'waiting' AND `+where+` GROUP BY target, due ORDER BY target, due`, args...); err != nil {
			return nil, fmt.Errorf("read work orders: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// OpenQuestions is how many questions of a review wait for one who is asked.
type OpenQuestions struct {
	Campaign int64          `db:"campaign_id"`
	Reviewer identity.Actor `db:"reviewer"` // empty for the owner of the system
	System   string         `db:"system"`
	Count    int            `db:"questions"`
}

// OpenQuestions returns how many questions of reviews wait, by who is asked and system.
func (db *DB) OpenQuestions(ctx context.Context, campaigns []int64) ([]OpenQuestions, error) {
	var all []OpenQuestions
	for page := range slices.Chunk(campaigns, peoplePage) {
		where, args := in(db.read, "campaign_id", page, nil)
		var some []OpenQuestions
		if err := db.read.SelectContext(ctx, &some, `SELECT campaign_id, reviewer, system, COUNT(*) AS questions FROM review_item WHERE decision IS NULL AND `+where+`
			GROUP BY campaign_id, reviewer, system ORDER BY campaign_id, reviewer, system`, args...); err != nil {
			return nil, fmt.Errorf("read review items: %w", err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// RequestsEnding returns the requests that give access and whose last day is within two days,
// both included.
func (db *DB) RequestsEnding(ctx context.Context, from, to identity.Date) ([]AccessRequest, error) {
	var all []AccessRequest
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[AccessRequest]("")+` FROM access_request WHERE given <> 0 AND until >= $1 AND until <= $2 ORDER BY until, id`, string(from), string(to)); err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	return all, nil
}
