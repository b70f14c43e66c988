package hr

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// HoldKind is the kind of hold that an import raises.
const HoldKind = "hr-import"

// Report is what an import did.
type Report struct {
	Source   string           `json:"source"`
	Rows     int              `json:"rows"`
	Problems []policy.Problem `json:"problems,omitempty"`
	// Counts has the number of events of each kind.
	Counts map[identity.Kind]int `json:"counts"`
	Events int                   `json:"events"`
	// EndingsWait is true when rows could not be attributed, so that no
	// employment was ended.
	EndingsWait bool `json:"endings_wait,omitempty"`
	// Held is set when nothing was imported.
	Held *store.Hold `json:"held,omitempty"`
}

// Importer imports exports into a database.
type Importer struct {
	DB     *store.DB
	Config *config.Config
	Now    func() time.Time
	Actor  string // as audit.Record.Actor
	// Progress, when set, is told how many of how many people are done.
	Progress func(done, total int)
}

// Import imports a full export of a source. Bad rows are in the report; an
// error means that nothing went in.
func (im *Importer) Import(ctx context.Context, file string, content []byte, source config.Source) (*Report, error) {
	export, err := Read(file, content, source, im.Config.Attributes, im.Config.Rules.Units)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	// A release is for this file from this source, and for nothing else.
	held := sha256.Sum256(append([]byte(source.Name+"\x00"), content...))
	digest := hex.EncodeToString(held[:8])
	now := im.Now()
	decision, err := im.DB.HoldDecision(ctx, digest)
	if err != nil {
		return nil, err
	}
	released := decision != nil && decision.Verdict == store.Release
	report := &Report{Source: source.Name, Rows: export.Read, Counts: map[identity.Kind]int{}}
	err = im.DB.Write(ctx, func(tx *store.Tx) error {
		known, err := im.known(ctx, tx, export, source.Name, file)
		if err != nil {
			return err
		}
		d := Diff(known, export, source.Name, identity.DateOf(now, im.Config.Zone), now, func() string { return uuid.Must(uuid.NewV7()).String() })
		report.Problems = export.Problems
		report.EndingsWait = export.Unattributed > 0
		record := store.Import{ID: uuid.Must(uuid.NewV7()).String(), Source: source.Name, FileHash: hash, Rows: export.Read, BadRows: export.Read - len(export.Rows), Status: "done"}
		why := emptied(known, export, source)
		if allowed := max(source.Shrink.Rows, int(source.Shrink.Share*float64(d.Running))); len(d.Vanished) > allowed {
			why = fmt.Sprintf("%d of the %d employments that run are not in the file; without a release at most %d may vanish at a time", len(d.Vanished), d.Running, allowed)
		}
		if why != "" && !released {
			report.Held = &store.Hold{Digest: digest, Kind: HoldKind, Subject: source.Name, Why: why}
			record.Status = "held"
			if err := tx.RaiseHold(ctx, *report.Held, im.Actor, now); err != nil {
				return err
			}
			tx.Audit(audit.Record{At: now, Actor: im.Actor, Action: audit.HRHeld, Target: source.Name,
				Reason: fmt.Sprintf("import %s held: %s", record.ID, report.Held.Why)})
			return tx.RecordImport(ctx, record, now)
		}
		if released {
			if err := tx.EndHold(ctx, digest); err != nil {
				return err
			}
		}
		if err := im.logins(ctx, tx, d.Events); err != nil {
			return err
		}
		if err := im.record(ctx, tx, record.ID, d.Events); err != nil {
			return err
		}
		for _, e := range d.Events {
			report.Counts[e.Kind]++
		}
		report.Events = len(d.Events)
		record.Events = len(d.Events)
		if report.Events > 0 || record.BadRows > 0 {
			tx.Audit(audit.Record{At: now, Actor: im.Actor, Action: audit.HRImported, Target: source.Name,
				Reason: fmt.Sprintf("import %s: file sha256 %s, %d rows, %d bad, %d events", record.ID, hash, record.Rows, record.BadRows, record.Events)})
		}
		return tx.RecordImport(ctx, record, now)
	})
	if err != nil {
		return nil, err
	}
	return report, nil
}

// emptied says which column has no value in any row of the export although
// people are known to have one: more likely a column that was lost or renamed
// than a fact about everybody. Without it a lost end_date would bring leavers
// back, and a lost protected would unmask everyone.
func emptied(known Known, export *Export, source config.Source) string {
	had := map[string]int{}
	note := func(column, value string) {
		if value != "" {
			had[column]++
		}
	}
	for _, p := range known.People {
		note("email", p.Email)
		note("phone", p.Phone)
		if p.Protected {
			note("protected", "yes")
		}
		for _, e := range p.Employments {
			if e.Key.Source != source.Name || e.Withdrawn {
				continue
			}
			for column, value := range map[string]string{"unit": e.Unit, "job_code": e.JobCode, "job_title": e.JobTitle, "employment_type": e.Type, "manager_id": e.ManagerKey,
				"end_date": string(e.End), "leave_start": string(e.LeaveStart), "leave_end": string(e.LeaveEnd)} {
				note(column, value)
			}
			if e.Percent != 0 {
				note("employment_percent", "some")
			}
		}
	}
	for _, column := range config.Canonical {
		if _, constant := source.Constants[column]; !constant && had[column] > 0 && export.Filled[column] == 0 {
			return fmt.Sprintf("no row has a value in the column %s, and %d are known to have one; was the column lost or renamed?", column, had[column])
		}
	}
	return ""
}

// record records events in batches, so that there is progress to tell.
func (im *Importer) record(ctx context.Context, tx *store.Tx, importID string, events []identity.Event) error {
	const batch = 500
	for done := 0; done < len(events); done += batch {
		end := min(done+batch, len(events))
		if err := tx.RecordEvents(ctx, importID, events[done:end]); err != nil {
			return err
		}
		if im.Progress != nil {
			im.Progress(end, len(events))
		}
	}
	return nil
}

// known loads what is known of the source's people, and reports rows that
// claim somebody else's employment.
func (im *Importer) known(ctx context.Context, tx *store.Tx, export *Export, source, file string) (Known, error) {
	known := Known{People: map[string]identity.Person{}, NationalIDChanged: map[string]bool{}}
	owner := map[string]string{}
	for p, err := range tx.People(ctx, store.AnyPerson) {
		if err != nil {
			return known, err
		}
		for _, key := range p.Keys {
			if key.Source != source {
				continue
			}
			known.People[key.Key] = p
			for _, e := range p.Employments {
				if e.Key.Source == source {
					owner[e.Key.Key] = key.Key
				}
			}
		}
	}
	hashes, err := tx.NationalIDHashes(ctx)
	if err != nil {
		return known, err
	}
	for _, row := range export.Rows {
		if of, ok := owner[row.EmploymentKey]; ok && of != row.PersonKey {
			export.Problems = append(export.Problems, policy.Problem{File: file, Line: row.Line,
				Text: fmt.Sprintf("person_id %s: employment_id %s is known as that of person_id %s: the row is left out and both stay as they are", row.PersonKey, row.EmploymentKey, of)})
			export.BadPeople[row.PersonKey], export.BadPeople[of] = true, true
		}
		if p, ok := known.People[row.PersonKey]; ok {
			hash, err := tx.HashNationalID(row.Person.NationalID)
			if err != nil {
				return known, err
			}
			changed := hash != hashes[p.ID]
			known.NationalIDChanged[row.PersonKey] = changed
			// A number can be corrected, and people change their names; both
			// at once is more likely somebody else under a number used again.
			if changed && hash != "" && hashes[p.ID] != "" && row.Person.GivenName != p.GivenName && row.Person.FamilyName != p.FamilyName && !export.BadPeople[row.PersonKey] {
				export.Problems = append(export.Problems, policy.Problem{File: file, Line: row.Line,
					Text: fmt.Sprintf("person_id %s: the national identity number and both names are others than before: is it another person under the same person_id? They stay as they are; give a new person a person_id of their own, or change the names and the number in separate exports", row.PersonKey)})
				export.BadPeople[row.PersonKey] = true
			}
		}
	}
	return known, nil
}

// logins gives every new person a login.
func (im *Importer) logins(ctx context.Context, tx *store.Tx, events []identity.Event) error {
	for i, e := range events {
		if e.Kind != identity.PersonAdded {
			continue
		}
		base, err := im.Config.Login.Execute(identity.View{PersonFacts: *e.PersonFacts, PersonID: e.Person})
		if err != nil {
			return fmt.Errorf("login of person %s: %w", e.Person, err)
		}
		if events[i].Login, err = tx.TakeLogin(ctx, base, e.Person); err != nil {
			return err
		}
	}
	return nil
}
