package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/identity"
)

// What the tables have about one person, read by indexes of the person's ID. Package access
// makes the register extract of it.

// MergedPeople returns the person and everyone whose record was merged into the person, or
// into whom the person was merged, over any number of merges: one human being, as was
// decided. Unlike LinkedPeople it takes no one for the person because of a number.
func (db *DB) MergedPeople(ctx context.Context, id identity.PersonID) ([]identity.PersonID, error) {
	all := []identity.PersonID{id}
	for i := 0; i < len(all); i++ {
		var near []identity.PersonID
		if err := db.read.SelectContext(ctx, &near, `SELECT id FROM person WHERE merged_into = $1 AND merged_into <> '' UNION SELECT merged_into FROM person WHERE id = $1 AND merged_into <> ''`, string(all[i])); err != nil {
			return nil, fmt.Errorf("read merged people: %w", err)
		}
		for _, other := range near {
			if !slices.Contains(all, other) {
				all = append(all, other)
			}
		}
	}
	return all, nil
}

// PersonRow is what is known of a person beyond identity.Person.
type PersonRow struct {
	// NationalID is opened; empty for none.
	NationalID string
	// ProtectedByHand: a decision protects the identity, whatever HR says.
	ProtectedByHand bool
	// Position is where the last run saw the person work.
	Position string
}

// PersonRowOf returns it.
func (db *DB) PersonRowOf(ctx context.Context, person identity.PersonID) (r PersonRow, err error) {
	var row struct {
		ByHand   bool   `db:"protected_by_hand"`
		Position string `db:"position"`
	}
	if err := db.read.GetContext(ctx, &row, `SELECT p.protected_by_hand, COALESCE(w.position, '') AS position FROM person p LEFT JOIN person_position w ON w.person_id = p.id WHERE p.id = $1`, string(person)); err != nil {
		return r, fmt.Errorf("person %s: %w", person, err)
	}
	numbers, err := db.NationalIDs(ctx, Only(person))
	return PersonRow{NationalID: numbers[person], ProtectedByHand: row.ByHand, Position: row.Position}, err
}

// SourceRecord is what a record of an HR source says of a person.
type SourceRecord struct {
	identity.Record
	// Formerly is the person whose record it was before it was moved; empty for none.
	Formerly identity.PersonID
}

// SourceRecords returns the records of a person, opened, sorted by source and key.
func (db *DB) SourceRecords(ctx context.Context, person identity.PersonID) ([]SourceRecord, error) {
	var rows []struct {
		Source     string            `db:"source"`
		Key        string            `db:"key"`
		GivenName  string            `db:"given_name"`
		FamilyName string            `db:"family_name"`
		Email      string            `db:"email"`
		Phone      string            `db:"phone"`
		Sealed     []byte            `db:"national_id_sealed"`
		Protected  bool              `db:"protected"`
		Stamp      string            `db:"stamp"`
		Formerly   identity.PersonID `db:"formerly"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT source, key, given_name, family_name, email, phone, national_id_sealed, protected, stamp, formerly
		FROM person_source_key WHERE person_id = $1 ORDER BY source, key`, string(person)); err != nil {
		return nil, fmt.Errorf("read HR records: %w", err)
	}
	keys, err := db.keys(ctx, []identity.PersonID{person})
	if err != nil {
		return nil, err
	}
	all := make([]SourceRecord, len(rows))
	for i, r := range rows {
		f := identity.PersonFacts{GivenName: r.GivenName, FamilyName: r.FamilyName, Email: r.Email, Phone: r.Phone, Protected: r.Protected}
		if key := keys[person]; r.Sealed != nil && key != nil {
			number, err := key.Open(nationalIDContext, r.Sealed)
			if err != nil {
				return nil, fmt.Errorf("record of person %s: %w", person, err)
			}
			f.NationalID = string(number)
		}
		all[i] = SourceRecord{Record: identity.Record{SourceKey: identity.SourceKey{Source: r.Source, Key: r.Key}, Facts: &f, Stamp: r.Stamp}, Formerly: r.Formerly}
	}
	return all, nil
}

// EventsOf returns at most so many HR events of a person, the newest first, opened. Without
// the person's key they have no content.
func (db *DB) EventsOf(ctx context.Context, person identity.PersonID, most int) ([]identity.Event, error) {
	var rows []struct {
		Seq        int64                 `db:"seq"`
		Source     string                `db:"source"`
		Kind       identity.Kind         `db:"kind"`
		Employment identity.EmploymentID `db:"employment_id"`
		Effective  identity.Date         `db:"effective"`
		Recorded   Micros                `db:"recorded_us"`
		Sealed     []byte                `db:"payload_sealed"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT seq, source, kind, employment_id, effective, recorded_us, payload_sealed FROM hr_event WHERE person_id = $1 ORDER BY seq DESC LIMIT $2`, string(person), most); err != nil {
		return nil, fmt.Errorf("read HR events: %w", err)
	}
	keys, err := db.keys(ctx, []identity.PersonID{person})
	if err != nil {
		return nil, err
	}
	all := make([]identity.Event, len(rows))
	for i, r := range rows {
		all[i] = identity.Event{Seq: r.Seq, Source: r.Source, Kind: r.Kind, Person: person, Employment: r.Employment, Effective: r.Effective, Recorded: r.Recorded.Time()}
		key := keys[person]
		if key == nil {
			continue
		}
		text, err := key.Open(eventContext, r.Sealed)
		if err != nil {
			return nil, fmt.Errorf("HR event %d: %w", r.Seq, err)
		}
		var p eventPayload
		if err := json.Unmarshal(text, &p); err != nil {
			return nil, fmt.Errorf("HR event %d: %w", r.Seq, err)
		}
		e := &all[i]
		e.Key, e.Login, e.Stamp, e.PersonKey, e.PersonFacts, e.EmploymentFacts, e.Report = p.Key, p.Login, p.Stamp, p.PersonKey, p.Person, p.Employment, p.Report
	}
	return all, nil
}

// TargetAccount is an account of a person, with its target.
type TargetAccount struct {
	Target string
	Account
	// SignedIn is as LastSignIn.SignedIn; empty when the target does not tell.
	SignedIn string
}

// AccountsOf returns the accounts of a person in all targets, those that are not in the
// configuration any more included, sorted by target.
func (db *DB) AccountsOf(ctx context.Context, person identity.PersonID) ([]TargetAccount, error) {
	var rows []struct {
		Target   string `db:"target"`
		Native   string `db:"native_id"`
		Created  Micros `db:"created_us"`
		Closed   Micros `db:"closed_us"`
		Disabled Micros `db:"disabled_us"`
		Gone     Micros `db:"gone_us"`
		SignedIn string `db:"signed_in"`
	}
	if err := db.read.SelectContext(ctx, &rows, `SELECT target, native_id, created_us, closed_us, disabled_us, gone_us, signed_in FROM account WHERE person_id = $1 ORDER BY target`, string(person)); err != nil {
		return nil, fmt.Errorf("read accounts: %w", err)
	}
	all := make([]TargetAccount, len(rows))
	for i, r := range rows {
		all[i] = TargetAccount{r.Target, Account{Person: person, Native: r.Native, Created: r.Created.Time(), DisabledByBehov: r.Closed.Time(), FoundDisabled: r.Disabled.Time(), Missing: r.Gone.Time()}, r.SignedIn}
	}
	return all, nil
}

// DecisionsNaming returns at most so many decisions about another person that name the person
// as the one with whom they are, or are not, one, or who decides in their place. Their reasons
// stay sealed.
func (db *DB) DecisionsNaming(ctx context.Context, person identity.PersonID, most int) ([]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE kind IN ($1, $4) AND subject = $2 ORDER BY seq DESC LIMIT $3`, string(RecordDecision), string(person), most, string(AbsenceDecision)); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// DecisionsBy returns at most so many decisions that an actor made, the newest first. Their
// reasons stay sealed.
func (db *DB) DecisionsBy(ctx context.Context, maker identity.Actor, most int) ([]Decision, error) {
	var all []Decision
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Decision]("")+` FROM decision WHERE maker = $1 ORDER BY seq DESC LIMIT $2`, maker, most); err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	return all, nil
}

// ImportsBy returns at most so many imports of files that an actor chose, the newest first.
func (db *DB) ImportsBy(ctx context.Context, actor identity.Actor, most int) ([]Import, error) {
	all := []Import{}
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Import]("")+` FROM hr_import WHERE actor = $1 AND actor <> '' ORDER BY recorded_us DESC LIMIT $2`, actor, most); err != nil {
		return nil, fmt.Errorf("read HR imports: %w", err)
	}
	return all, nil
}

// ReviewItemsOf returns at most so many items of reviews about a person, the newest first.
func (db *DB) ReviewItemsOf(ctx context.Context, person identity.PersonID, most int) ([]ReviewItem, error) {
	var items []ReviewItem
	if err := db.read.SelectContext(ctx, &items, `SELECT `+columns[ReviewItem]("")+` FROM review_item
		WHERE person_id = $1 ORDER BY campaign_id DESC, number LIMIT $2`, string(person), most); err != nil {
		return nil, fmt.Errorf("read review items: %w", err)
	}
	return items, nil
}

// TokensOf returns the tokens as which programs call the API as a person, the oldest first.
func (db *DB) TokensOf(ctx context.Context, owner identity.PersonID) ([]Token, error) {
	all := []Token{}
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[Token]("")+` FROM api_token WHERE owner = $1 AND owner <> '' ORDER BY made_us, id`, string(owner)); err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return all, nil
}

// ResourcesOf returns what was pushed of a person over SCIM, opened.
func (db *DB) ResourcesOf(ctx context.Context, person identity.PersonID) ([]SCIMResource, error) {
	return db.resources(ctx, `person_id = $1`, string(person))
}

// StepVerdictsOf returns the decisions on steps of a person, as they are stored.
func (db *DB) StepVerdictsOf(ctx context.Context, person identity.PersonID) ([]StepVerdict, error) {
	var all []StepVerdict
	if err := db.read.SelectContext(ctx, &all, `SELECT `+columns[StepVerdict]("")+` FROM step_decision WHERE person_id = $1 ORDER BY step`, string(person)); err != nil {
		return nil, fmt.Errorf("read decisions on steps: %w", err)
	}
	return all, nil
}

// ErasureHold returns the hold of what was proposed about erasing a person, if there is one.
func (db *DB) ErasureHold(ctx context.Context, person identity.PersonID) ([]Hold, error) {
	var holds []Hold
	if err := db.read.SelectContext(ctx, &holds, `SELECT `+holdColumns+` FROM hold WHERE kind = $1 AND subject = $2`, string(ErasureHold), string(person)); err != nil {
		return nil, fmt.Errorf("read holds: %w", err)
	}
	return holds, nil
}

// Finding is what a run found of a person's access: that it is left as another changed it in
// the target, that the two evaluators of the rules do not agree, or whose the record may be.
type Finding struct {
	Kind        FindingKind
	Target      string
	Entitlement string
	Other       identity.PersonID // whose the record may be
	Detail      string
	At          time.Time
}

// FindingKind is what was found.
type FindingKind string

// The kinds of findings.
const (
	FindingUnrepairedDrift     FindingKind = "unrepaired-drift"
	FindingEvaluatorDifference FindingKind = "evaluator-difference"
	FindingHeldRecord          FindingKind = "held-record"
	FindingGatedGrant          FindingKind = "gated-grant"
)

// FindingsOf returns the findings about a person.
func (db *DB) FindingsOf(ctx context.Context, person identity.PersonID) ([]Finding, error) {
	var all []Finding
	var errs []error
	for _, q := range []struct {
		kind  FindingKind
		query string
	}{
		{FindingUnrepairedDrift, `SELECT target, entitlement, '' AS other, '' AS detail, since_us AS at_us FROM unrepaired_drift WHERE person_id = $1 ORDER BY target, entitlement`},
		{FindingEvaluatorDifference, `SELECT '' AS target, entitlement, '' AS other, detail, found_us AS at_us FROM evaluator_difference WHERE person_id = $1 ORDER BY rules_digest, entitlement`},
		{FindingHeldRecord, `SELECT '' AS target, '' AS entitlement, other_id AS other, columns AS detail, held_us AS at_us FROM held_record WHERE person_id = $1 ORDER BY other_id`},
		{FindingHeldRecord, `SELECT '' AS target, '' AS entitlement, person_id AS other, '' AS detail, held_us AS at_us FROM held_record WHERE other_id = $1 ORDER BY person_id`},
		{FindingGatedGrant, `SELECT '' AS target, entitlement, '' AS other, gate AS detail, 0 AS at_us FROM gated_grant WHERE person_id = $1 ORDER BY entitlement`},
	} {
		var rows []struct {
			Target      string            `db:"target"`
			Entitlement string            `db:"entitlement"`
			Other       identity.PersonID `db:"other"`
			Detail      string            `db:"detail"`
			At          Micros            `db:"at_us"`
		}
		errs = append(errs, db.read.SelectContext(ctx, &rows, q.query, string(person)))
		for _, r := range rows {
			all = append(all, Finding{q.kind, r.Target, r.Entitlement, r.Other, r.Detail, r.At.Time()})
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("read findings about person %s: %w", person, err)
	}
	return all, nil
}
