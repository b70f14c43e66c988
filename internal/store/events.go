package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/seal"
)

// eventPayload is the sealed part of an event.
type eventPayload struct {
	Key        string                    `json:"key,omitempty"`
	Login      string                    `json:"login,omitempty"`
	Stamp      string                    `json:"stamp,omitempty"`
	PersonKey  string                    `json:"person_key,omitempty"`
	Person     *identity.PersonFacts     `json:"person,omitempty"`
	Employment *identity.EmploymentFacts `json:"employment,omitempty"`
	Report     *identity.Report          `json:"report,omitempty"`
}

// RecordEvents records HR events of an import in the order given and brings
// what is known of the people concerned up to date.
func (tx *Tx) RecordEvents(ctx context.Context, importID string, precedence identity.Precedence, events []identity.Event) error {
	if len(events) == 0 {
		return nil
	}
	var last int64
	if err := tx.tx.GetContext(ctx, &last, `UPDATE head SET event_seq = event_seq + $1 WHERE id = 1 RETURNING event_seq`, len(events)); err != nil {
		return fmt.Errorf("event sequence: %w", err)
	}
	seq := last - int64(len(events))
	version := make(map[identity.PersonID]int64, len(events)) // the last event of each person
	for i, e := range events {
		version[e.Person] = seq + int64(i) + 1
	}
	people := make([]identity.PersonID, len(events))
	for i, e := range events {
		people[i] = e.Person
	}
	if err := tx.loadKeys(ctx, people); err != nil {
		return err
	}
	rows := make([]any, 0, len(events)*len(eventRows.columns))
	p := projection{tx: tx, precedence: precedence, version: version}
	for _, e := range events {
		seq++
		e.Seq = seq
		sealed, err := tx.sealEvent(ctx, e)
		if err != nil {
			return err
		}
		tx.noteEvent(importID, e, sealed)
		rows = append(rows, e.Seq, importID, e.Source, string(e.Kind), string(e.Person), string(e.Employment), string(e.Effective), micros(e.Recorded), sealed)
		if err := p.add(ctx, e); err != nil {
			return fmt.Errorf("HR event %d (%s of person %s): %w", e.Seq, e.Kind, e.Person, err)
		}
		tx.notifyPerson(e.Person, fmt.Sprintf("HR event %d", e.Seq))
	}
	err := p.flush(ctx)
	if err == nil {
		err = tx.insert(ctx, eventRows, rows)
	}
	if err != nil {
		return fmt.Errorf("HR events %d to %d: %w", last-int64(len(events))+1, last, err)
	}
	return nil
}

// eventSpan is which HR events a record of an import is about, and the SHA-256 of what is
// stored of them, in their order.
type eventSpan struct {
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	SHA256 string `json:"sha256"`
}

// importedPayload is the payload of a record of an import.
type importedPayload struct {
	Events eventSpan `json:"events"`
}

// eventDigest hashes HR events as they are stored, each field with its length before it. It
// covers what is sealed as it is sealed, so that it stays when a person is erased.
type eventDigest struct{ h hash.Hash }

func newEventDigest() eventDigest { return eventDigest{sha256.New()} }

func (d eventDigest) add(seq int64, importID, source, kind, person, employment, effective string, recorded int64, sealed []byte) {
	var n [8]byte
	number := func(v int64) {
		binary.BigEndian.PutUint64(n[:], uint64(v))
		d.h.Write(n[:])
	}
	number(seq)
	for _, s := range []string{importID, source, kind, person, employment, effective} {
		number(int64(len(s)))
		d.h.Write([]byte(s))
	}
	number(recorded)
	number(int64(len(sealed)))
	d.h.Write(sealed)
}

func (d eventDigest) sum() string { return hex.EncodeToString(d.h.Sum(nil)) }

// pendingEvents are the HR events that a transaction has recorded.
type pendingEvents struct {
	digest eventDigest
	span   eventSpan
	record audit.Record // of the import, where nothing else makes one
}

// noteEvent adds an event to those that a record of the transaction is about.
func (tx *Tx) noteEvent(importID string, e identity.Event, sealed []byte) {
	if tx.events == nil {
		tx.events = &pendingEvents{digest: newEventDigest(), span: eventSpan{First: e.Seq},
			record: audit.Record{At: e.Recorded, Actor: identity.System, Action: audit.HRImported, Target: e.Source, Reason: reason.Of(reason.Imported{Import: importID})}}
	}
	tx.events.span.Last = e.Seq
	tx.events.digest.add(e.Seq, importID, e.Source, string(e.Kind), string(e.Person), string(e.Employment), string(e.Effective), micros(e.Recorded), sealed)
}

// commitToEvents has the record of the import commit to the events of the transaction: to
// their order and to what is stored of each.
func (tx *Tx) commitToEvents() error {
	if tx.events == nil {
		return nil
	}
	tx.events.span.SHA256 = tx.events.digest.sum()
	payload, err := json.Marshal(importedPayload{tx.events.span})
	if err != nil {
		return fmt.Errorf("HR events: %w", err)
	}
	i := slices.IndexFunc(tx.records, func(p pendingRecord) bool {
		return p.record.Action == audit.HRImported && p.record.Payload == nil && p.sealed == nil
	})
	if i < 0 {
		i = len(tx.records)
		tx.records = append(tx.records, pendingRecord{record: tx.events.record})
	}
	tx.records[i].record.Payload = payload
	tx.events = nil
	return nil
}

// compareEvents compares the HR events with what the records of imports commit to, each event
// being under one record, and what is known of people with the events.
func compareEvents(ctx context.Context, q *sqlx.Tx, master *seal.Master, spans []recordedSpan) error {
	said, err := newFacts(ctx, q, master)
	if err != nil {
		return err
	}
	slices.SortFunc(spans, func(a, b recordedSpan) int { return cmp.Compare(a.First, b.First) })
	next := int64(1)
	for _, s := range spans {
		if s.First != next || s.Last < s.First {
			return fmt.Errorf("record %d is about HR events %d to %d, and %d is the next", s.record, s.First, s.Last, next)
		}
		next = s.Last + 1
	}
	var last int64
	if err := q.GetContext(ctx, &last, `SELECT event_seq FROM head WHERE id = 1`); err != nil {
		return fmt.Errorf("event sequence: %w", err)
	}
	if last != next-1 {
		return fmt.Errorf("the last HR event has the number %d, and records are about %d: it was changed, or events are under no record", last, next-1)
	}
	rows, err := q.QueryContext(ctx, `SELECT seq, import_id, source, kind, person_id, employment_id, effective, recorded_us, payload_sealed FROM hr_event ORDER BY seq`)
	if err != nil {
		return fmt.Errorf("read HR events: %w", err)
	}
	defer rows.Close() //nolint:errcheck // reading
	digest, span := newEventDigest(), []storedEvent{}
	next = 1
	for rows.Next() {
		var seq, recorded int64
		var importID, source, kind, person, employment, effective string
		var sealed []byte
		if err := rows.Scan(&seq, &importID, &source, &kind, &person, &employment, &effective, &recorded, &sealed); err != nil {
			return fmt.Errorf("read HR events: %w", err)
		}
		if seq != next || len(spans) == 0 {
			return fmt.Errorf("HR event %d stands where %d should: events were removed, put in or moved", seq, next)
		}
		digest.add(seq, importID, source, kind, person, employment, effective, recorded, sealed)
		span = append(span, storedEvent{seq, source, kind, person, employment, effective, sealed})
		if next++; seq < spans[0].Last {
			continue
		}
		if digest.sum() != spans[0].SHA256 {
			return fmt.Errorf("HR events %d to %d are not those that record %d commits to: one of them was changed", spans[0].First, spans[0].Last, spans[0].record)
		}
		for _, e := range span { // which are what was recorded
			if err := said.add(e); err != nil {
				return err
			}
		}
		digest, spans, span = newEventDigest(), spans[1:], span[:0]
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read HR events: %w", err)
	}
	if len(spans) > 0 {
		return fmt.Errorf("HR event %d is missing: record %d is about it", next, spans[0].record)
	}
	if err := rows.Close(); err != nil { // PostgreSQL has one result at a time in a transaction
		return fmt.Errorf("read HR events: %w", err)
	}
	return said.compare(ctx, q)
}

// storedEvent is an HR event as it is stored.
type storedEvent struct {
	seq                                         int64
	source, kind, person, employment, effective string
	sealed                                      []byte
}

// recordedSpan is the span of a record.
type recordedSpan struct {
	eventSpan
	record int64
}

// spanOf returns which events a record is about; false for none.
func spanOf(r audit.Record) (recordedSpan, bool) {
	var p importedPayload
	if r.Action != audit.HRImported || json.Unmarshal(r.Payload, &p) != nil || p.Events.First == 0 {
		return recordedSpan{}, false
	}
	return recordedSpan{p.Events, r.Index}, true
}

// sealEvent returns what an event says of a person, sealed with their key.
func (tx *Tx) sealEvent(ctx context.Context, e identity.Event) ([]byte, error) {
	key, err := tx.key(ctx, e.Person)
	if err != nil {
		return nil, err
	}
	payload, err := json.Marshal(eventPayload{Key: e.Key, Login: e.Login, Stamp: e.Stamp, PersonKey: e.PersonKey, Person: e.PersonFacts, Employment: e.EmploymentFacts, Report: e.Report})
	if err != nil {
		return nil, fmt.Errorf("event payload: %w", err)
	}
	sealed, err := key.Seal(eventContext, payload)
	if err != nil {
		return nil, fmt.Errorf("seal an event: %w", err)
	}
	return sealed, nil
}
