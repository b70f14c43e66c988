package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// MarkedDistinct reports whether a decision says that a record is not the person's.
func (tx *Tx) MarkedDistinct(ctx context.Context, person identity.PersonID, key identity.SourceKey) (bool, error) {
	if person == "" {
		return false, nil
	}
	subject, err := tx.db.RecordSubject(key)
	if err != nil {
		return false, err
	}
	var verdicts []Verdict
	if err := tx.tx.SelectContext(ctx, &verdicts, `SELECT verdict FROM decision WHERE kind = $1 AND person_id = $2 AND (subject = $3 OR subject = $4) ORDER BY seq DESC LIMIT 1`,
		string(RecordDecision), string(person), subject, formerRecordSubject(key)); err != nil {
		return false, fmt.Errorf("read decisions: %w", err)
	}
	return len(verdicts) > 0 && verdicts[0] != Join && verdicts[0] != Merge, nil
}

// WithRecordDecisions returns those of the people about whose records a decision was made:
// of any other person MarkedDistinct is false.
func (tx *Tx) WithRecordDecisions(ctx context.Context, people []identity.PersonID) (map[identity.PersonID]bool, error) {
	decided := map[identity.PersonID]bool{}
	for page := range slices.Chunk(slices.Compact(slices.Sorted(slices.Values(people))), peoplePage) {
		where, args := in(tx.tx, "person_id", page, []any{string(RecordDecision)})
		var some []identity.PersonID
		if err := tx.tx.SelectContext(ctx, &some, `SELECT DISTINCT person_id FROM decision WHERE kind = $1 AND `+where, args...); err != nil {
			return nil, fmt.Errorf("read decisions: %w", err)
		}
		for _, id := range some {
			decided[id] = true
		}
	}
	return decided, nil
}

// MoveRecord gives a source's record, and the employments that came with it, to another
// person. Both people are merged again from the records that they have then.
func (tx *Tx) MoveRecord(ctx context.Context, precedence identity.Precedence, key identity.SourceKey, from, to identity.PersonID) error {
	records, err := tx.HRRecords(ctx, from)
	if err != nil {
		return err
	}
	moved := false
	for _, r := range records {
		if r.SourceKey != key {
			continue
		}
		moved = true
		if err := tx.putRecord(ctx, to, r); err != nil { // sealed with the other person's key
			return fmt.Errorf("move record %s of %s: %w", key.Key, key.Source, err)
		}
	}
	if !moved {
		return fmt.Errorf("person %s has no record %s of %s", from, key.Key, key.Source)
	}
	if err := tx.exec(ctx, `UPDATE person_source_key SET formerly = $3 WHERE source = $1 AND key = $2`, key.Source, key.Key, string(from)); err != nil {
		return fmt.Errorf("move record: %w", err)
	}
	if err := tx.exec(ctx, `UPDATE employment SET person_id = $1 WHERE source = $2 AND person_key = $3 AND person_id = $4`, string(to), key.Source, key.Key, string(from)); err != nil {
		return fmt.Errorf("move employments: %w", err)
	}
	if err := tx.moveResource(ctx, key, from, to); err != nil {
		return err
	}
	for _, p := range []identity.PersonID{from, to} {
		if err := tx.mergeRecordsIfAny(ctx, precedence, p); err != nil {
			return err
		}
		tx.notifyPerson(p, "record "+key.Source+"/"+string(to))
	}
	return nil
}

// moveResource seals what was pushed of a person, if something was, with
// another's key.
func (tx *Tx) moveResource(ctx context.Context, of identity.SourceKey, from, to identity.PersonID) error {
	var was []byte
	err := tx.tx.GetContext(ctx, &was, `SELECT sealed FROM scim_resource WHERE source = $1 AND key = $2`, of.Source, of.Key)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read a SCIM resource: %w", err)
	}
	before, err := tx.key(ctx, from)
	if err != nil {
		return err
	}
	body, err := before.Open(scimContext, was)
	if err != nil {
		return err
	}
	after, err := tx.key(ctx, to)
	if err != nil {
		return err
	}
	sealed, err := after.Seal(scimContext, body)
	if err != nil {
		return fmt.Errorf("seal a SCIM resource: %w", err)
	}
	if err := tx.exec(ctx, `UPDATE scim_resource SET person_id = $3, sealed = $4 WHERE source = $1 AND key = $2`, of.Source, of.Key, string(to), sealed); err != nil {
		return fmt.Errorf("SCIM resource: %w", err)
	}
	return nil
}

// FormerOwner returns whose a record was before it was moved; empty when it never
// was, or when they are erased.
func (db *DB) FormerOwner(ctx context.Context, key identity.SourceKey) (identity.PersonID, error) {
	var ids []identity.PersonID
	if err := db.read.SelectContext(ctx, &ids, `SELECT p.id FROM person_source_key k JOIN person p ON p.id = k.formerly WHERE k.source = $1 AND k.key = $2`, key.Source, key.Key); err != nil {
		return "", fmt.Errorf("record %s of %s: %w", key.Key, key.Source, err)
	}
	if len(ids) == 0 {
		return "", nil
	}
	return ids[0], nil
}

// mergeRecordsIfAny merges a person's records again. A person without records keeps the
// name they had, for the audit trail.
func (tx *Tx) mergeRecordsIfAny(ctx context.Context, precedence identity.Precedence, person identity.PersonID) error {
	var n int
	if err := tx.tx.GetContext(ctx, &n, `SELECT COUNT(*) FROM person_source_key WHERE person_id = $1`, string(person)); err != nil {
		return fmt.Errorf("records of person %s: %w", person, err)
	}
	if n == 0 {
		// The number is the other person's now: it identifies them.
		return tx.exec(ctx, `UPDATE person SET national_id_sealed = NULL, national_id_hash = NULL WHERE id = $1`, string(person))
	}
	return tx.mergeRecords(ctx, precedence, person)
}

// SetMergedInto records into which person a person was merged; empty undoes it.
func (tx *Tx) SetMergedInto(ctx context.Context, person, into identity.PersonID) error {
	return tx.exec(ctx, `UPDATE person SET merged_into = $2 WHERE id = $1`, string(person), string(into))
}

// AddPerson makes a person without any record, who signs in with the login.
func (tx *Tx) AddPerson(ctx context.Context, id identity.PersonID, login string) error {
	return tx.exec(ctx, `INSERT INTO person (id, given_name, family_name, email, phone, protected, login, version) VALUES ($1, '', '', '', '', $2, $3, 0)`, string(id), false, login)
}

// SetProtected marks a person's identity as protected, whatever HR says.
func (tx *Tx) SetProtected(ctx context.Context, person identity.PersonID, protected bool) error {
	return tx.exec(ctx, `UPDATE person SET protected_by_hand = $2 WHERE id = $1`, string(person), protected)
}

// SetMainEmployment makes an employment the main one of a person, whatever the rule; empty
// leaves it to the rule.
func (tx *Tx) SetMainEmployment(ctx context.Context, person identity.PersonID, e identity.EmploymentID) error {
	return tx.exec(ctx, `UPDATE person SET main_employment = $2 WHERE id = $1`, string(person), string(e))
}

// ErasePerson deletes everything personal about a person: their rows, and the
// key without which what is sealed cannot be read. The trail keeps its shape,
// and the names they had stay theirs. Of their records keyed hashes are kept, by
// which a later export does not bring them back.
func (tx *Tx) ErasePerson(ctx context.Context, person identity.PersonID, at time.Time) error {
	if err := tx.noteErased(ctx, person, at); err != nil {
		return err
	}
	if err := tx.exec(ctx, `DELETE FROM employment_manager WHERE employment_id IN (SELECT id FROM employment WHERE person_id = $1)`, string(person)); err != nil {
		return fmt.Errorf("erase person %s: employment_manager: %w", person, err)
	}
	if err := tx.exec(ctx, `DELETE FROM employment_unit WHERE employment_id IN (SELECT id FROM employment WHERE person_id = $1)`, string(person)); err != nil {
		return fmt.Errorf("erase person %s: employment_unit: %w", person, err)
	}
	for _, table := range []string{"person_word", "session", "scim_resource", "employment", "person_source_key", "person_position", "unrepaired_drift", "step_decision", "account", "gated_grant", "absence", "notice", "evaluator_difference", "person_key"} {
		if err := tx.exec(ctx, `DELETE FROM `+table+` WHERE person_id = $1`, string(person)); err != nil {
			return fmt.Errorf("erase person %s: %s: %w", person, table, err)
		}
	}
	if err := tx.exec(ctx, `DELETE FROM held_record WHERE person_id = $1 OR other_id = $1`, string(person)); err != nil {
		return fmt.Errorf("erase person %s: held_record: %w", person, err)
	}
	if err := tx.exec(ctx, `UPDATE listed_account SET person_id = '' WHERE person_id = $1 AND person_id <> ''`, string(person)); err != nil {
		return fmt.Errorf("erase person %s: listed_account: %w", person, err)
	}
	delete(tx.keys, person)
	return tx.exec(ctx, `DELETE FROM person WHERE id = $1`, string(person))
}

type personPair [2]identity.PersonID

// Duplicate is two people who may be one.
type Duplicate struct {
	A   identity.PersonID `json:"a"`
	B   identity.PersonID `json:"b"`
	Why reason.Reason     `json:"why"`
	// Held says that B gets nothing in any target until a person decides: A is
	// the person who was known before.
	Held bool `json:"held,omitempty"`
}

// Duplicates returns pairs of people who may be one, by what they have in
// common: the number, the address, or the name and the day of birth.
func (db *DB) Duplicates(ctx context.Context) ([]Duplicate, error) {
	var rows []struct {
		A    identity.PersonID `db:"a"`
		B    identity.PersonID `db:"b"`
		What reason.Likeness   `db:"what"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT a.id AS a, b.id AS b, 'national-id' AS what FROM person a JOIN person b ON a.national_id_hash = b.national_id_hash AND a.id < b.id
			WHERE a.merged_into = '' AND b.merged_into = ''
		UNION ALL SELECT a.id, b.id, 'email' FROM person a JOIN person b ON a.email = b.email AND a.id < b.id
			WHERE a.email <> '' AND a.merged_into = '' AND b.merged_into = ''
		UNION ALL SELECT a.id, b.id, 'name' FROM person a JOIN person b ON a.family_name = b.family_name AND a.given_name = b.given_name AND a.id < b.id
			WHERE a.family_name <> '' AND a.merged_into = '' AND b.merged_into = ''
		ORDER BY 1, 2, 3`); err != nil {
		return nil, fmt.Errorf("duplicates: %w", err)
	}
	decided, err := db.decisions(ctx, RecordDecision, Everyone())
	if err != nil {
		return nil, err
	}
	apart := map[personPair]bool{}
	for _, d := range decided {
		if other, ok := d.OtherPerson(); ok {
			apart[personPair{d.Person, other}] = d.Verdict == Apart
			apart[personPair{other, d.Person}] = d.Verdict == Apart
		}
	}
	likenesses := map[personPair][]reason.Likeness{}
	var order []personPair
	for _, r := range rows {
		pair := personPair{r.A, r.B}
		if apart[pair] {
			continue
		}
		if likenesses[pair] == nil {
			order = append(order, pair)
		}
		likenesses[pair] = append(likenesses[pair], r.What)
	}
	births := map[identity.PersonID]identity.Date{}
	held, err := db.HeldRecords(ctx, Everyone())
	if err != nil {
		return nil, err
	}
	found := []Duplicate{}
	asked := map[personPair]bool{}
	for _, h := range held {
		a, b := h.Other, h.Person
		asked[personPair{a, b}], asked[personPair{b, a}] = true, true
		if a != "" {
			found = append(found, Duplicate{A: a, B: b, Held: true, Why: reason.Of(reason.DuplicateHeld{Person: a, Held: b, Columns: h.columns()})})
		}
	}
	for _, pair := range order {
		if asked[pair] {
			continue
		}
		what := likenesses[pair]
		if len(what) == 1 && what[0] == reason.SameName {
			// A name alone is many people's; with the day of birth it is a question.
			a, err := db.birthDate(ctx, births, pair[0])
			if err != nil {
				return nil, err
			}
			b, err := db.birthDate(ctx, births, pair[1])
			if err != nil {
				return nil, err
			}
			if a == "" || a != b {
				continue
			}
			what = []reason.Likeness{reason.SameNameAndBirth}
		}
		found = append(found, Duplicate{A: pair[0], B: pair[1], Why: reason.Of(reason.SamePerson{InCommon: what})})
	}
	return found, nil
}

// birthDate returns the day of birth in a person's number.
func (db *DB) birthDate(ctx context.Context, known map[identity.PersonID]identity.Date, person identity.PersonID) (identity.Date, error) {
	if day, ok := known[person]; ok {
		return day, nil
	}
	var sealed []byte
	if err := db.read.GetContext(ctx, &sealed, `SELECT national_id_sealed FROM person WHERE id = $1`, person); err != nil {
		return "", fmt.Errorf("person %s: %w", person, err)
	}
	known[person] = ""
	if sealed == nil {
		return "", nil
	}
	key, err := loadKey(ctx, db.read, db.master, person)
	if err != nil {
		return "", fmt.Errorf("key of person %s: %w", person, err)
	}
	number, err := key.Open(nationalIDContext, sealed)
	if err != nil {
		return "", err
	}
	known[person] = identity.BirthDate(string(number))
	return known[person], nil
}
