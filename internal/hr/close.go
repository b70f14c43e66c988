package hr

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// problem reports a bad row. Its reason must not contain values of the file, as for
// parser.newProblem.
func (r *run) problem(row Row, why reason.Reason) {
	r.Export.Problems = append(r.Export.Problems, diagnostic.Problem{File: r.Name, Sheet: r.Export.Sheet, Line: row.Line, Reason: why, Value: valueOf(row.PersonKey, "")})
}

// warn reports a finding about a row that is accepted.
func (r *run) warn(row Row, why reason.Reason) {
	r.problem(row, why)
	r.Export.Problems[len(r.Export.Problems)-1].Warning = true
}

// question reports an accepted row whose person is in doubt.
func (r *run) question(row Row, why reason.Reason) {
	r.warn(row, why)
	if r.asked[row.PersonKey] {
		r.askedTwice++
	}
	r.asked[row.PersonKey] = true
}

// close records the import itself.
func (r *run) close(ctx context.Context, tx *store.Tx) error {
	r.report.Problems = r.Export.Problems
	slices.SortStableFunc(r.report.Problems, func(a, b diagnostic.Problem) int { return cmp.Compare(a.Line, b.Line) })
	r.report.EndingsWait = r.endingsPostponed()
	r.record.BadRows = r.rowsLeftOut()
	for _, s := range r.subjects {
		for _, row := range s.Rows {
			if row.startHeld {
				r.record.BadRows++
			}
		}
	}
	for _, row := range r.Export.Rows {
		if r.Export.BadPeople[row.PersonKey] {
			r.record.BadRows++
		}
	}
	r.report.LeftOut, r.report.Questions = r.record.BadRows, len(r.asked)
	named := map[int]bool{} // lines
	for _, p := range r.report.Problems {
		if p.Warning {
			r.report.Warnings++
		} else if p.Line > 0 {
			named[p.Line] = true
		}
	}
	r.report.LeftOutNamed = min(len(named), r.report.LeftOut)
	r.report.Warnings -= r.askedTwice + len(r.asked)
	// Bad rows revoke no access, so nothing is held; but leavers among them keep
	// theirs until someone acts.
	if allowed := r.Source.Shrink.Most(r.Export.Read); r.record.BadRows > allowed {
		tx.Enqueue(alert.RowsLeftOut.Job(r.Source.Name))
	}
	filled, err := json.Marshal(r.Export.Filled)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	r.record.Filled = string(filled)
	if len(r.report.Problems) > 0 {
		problems, err := json.Marshal(r.report.Problems[:min(len(r.report.Problems), maxStoredProblems)])
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		r.record.Problems = string(problems)
	}
	made := r.ExportedAt
	if made.After(r.now) { // within the grace; later files must not be older than it
		made = r.now
	}
	return tx.RecordImport(ctx, r.record, made, r.now)
}

// rowsLeftOut returns the number of bad rows, and other rows of the same people.
func (r *run) rowsLeftOut() int {
	return r.Export.Read - len(r.Export.Rows) - r.Export.Repeated - r.report.Erased
}

// recordEvents records events in batches, and reports progress.
func (r *run) recordEvents(ctx context.Context, tx *store.Tx, events []identity.Event) error {
	const batch = 500
	for done := 0; done < len(events); done += batch {
		end := min(done+batch, len(events))
		if err := tx.RecordEvents(ctx, r.record.ID, r.Config.Precedence, events[done:end]); err != nil {
			return err
		}
		if r.Progress != nil {
			r.Progress(end, len(events))
		}
	}
	return nil
}

// recordImport writes audit records: one for the import, and one for each event
// that took effect before it was recorded, with both dates.
func (r *run) recordImport(tx *store.Tx, events []identity.Event, first bool) {
	for _, e := range events {
		r.report.Counts[e.Kind]++
		if e.Effective >= r.today || first {
			continue
		}
		r.report.Late++
		tx.Audit(audit.Record{At: r.now, Actor: r.Actor, Action: audit.HRLate, Person: e.Person, Target: r.Source.Name,
			Reason: reason.Of(reason.LateEvent{Event: string(e.Kind), Employment: e.Employment, Effective: e.Effective, Recorded: r.today, Import: r.record.ID})})
	}
	r.report.Events, r.record.Events = len(events), len(events)
	if bad := r.rowsLeftOut(); len(events) > 0 || bad > 0 {
		tx.Audit(audit.Record{At: r.now, Actor: r.Actor, Action: audit.HRImported, Target: r.Source.Name,
			Reason: reason.Of(reason.Imported{Import: r.record.ID, SHA256: r.Hash, Rows: r.Export.Read, Bad: bad, Events: len(events)})})
	}
}

// assignLogins assigns a login to every new person.
func (r *run) assignLogins(ctx context.Context, tx *store.Tx, events []identity.Event) error {
	var wanted []store.NewLogin
	for _, e := range events {
		if e.Kind != identity.PersonAdded {
			continue
		}
		template := r.Config.Login
		if e.PersonFacts.Protected && r.Config.LoginProtected != nil {
			template = r.Config.LoginProtected
		}
		facts := r.Config.Precedence.Merge([]identity.Record{{SourceKey: identity.SourceKey{Source: e.Source, Key: e.Key}, Facts: e.PersonFacts}})
		base, err := template.Execute(identity.View{PersonFacts: facts, PersonID: e.Person})
		if err != nil {
			return fmt.Errorf("login of person %s: %w", e.Person, err)
		}
		wanted = append(wanted, store.NewLogin{Base: base, Person: e.Person})
	}
	logins, err := tx.TakeLogins(ctx, wanted)
	if err != nil {
		return err
	}
	for i, e := range events {
		if e.Kind == identity.PersonAdded {
			events[i].Login, logins = logins[0], logins[1:]
		}
	}
	return nil
}
