package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/behov/behov/internal/identity"
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
