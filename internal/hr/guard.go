package hr

// Guards against an export that is outdated, broken or truncated, and for people
// whose rows cannot be read.

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// checkNotOutdated refuses an export that is older than the last imported one.
func (r *run) checkNotOutdated(ctx context.Context, tx *store.Tx) error {
	if r.Export.Partial || r.Current {
		return nil // changes bear their own order
	}
	newest, same, err := tx.NewestImport(ctx, r.Source.Name, r.Hash)
	if err != nil {
		return err
	}
	last, err := tx.LastImport(ctx, r.Source.Name)
	if err != nil || last == nil || last.FileHash == r.Hash {
		return err
	}
	zone := r.Config.Zone
	named, _ := ExportedAt(r.Name, time.Time{}, r.now, zone)
	switch {
	case !r.ExportedAt.IsZero() && r.ExportedAt.Before(newest):
		return &OutdatedExportError{reason.Of(reason.ExportOlder{File: r.Name, Made: r.ExportedAt.UTC(), Last: newest.UTC()})}
	case same != nil && !r.ExportTimeStated && !named.After(newest):
		// Unless its name says that HR found that to be so again.
		return &OutdatedExportError{reason.Of(reason.ExportAgain{File: r.Name, At: same.At()})}
	}
	return nil
}

// keepsMissing reports whether an employment that the export lacks is unchanged.
func (r *run) keepsMissing(key string) bool {
	if r.endingsPostponed() || r.Export.BadEmployments[key] {
		return true
	}
	return r.badPeople[r.said[key].Person]
}

// endingsPostponed reports whether some rows could not be attributed to a person,
// or the export may be truncated, so that any missing person may be in it.
func (r *run) endingsPostponed() bool {
	return (r.unattributed > 0 || r.cut) && !r.Export.Partial && !r.endingsReleased
}

// holdEndings holds what the import would have ended if all rows were
// attributable. It replaces the holds of earlier imports: this export is the
// current one.
func (r *run) holdEndings(ctx context.Context, tx *store.Tx) error {
	if r.Export.Partial {
		return nil
	}
	var people []identity.PersonID
	ending := 0
	for key, said := range r.said {
		if r.endingsPostponed() && !said.Withdrawn && (said.Last == "" || said.Last >= r.today) && !r.Export.BadEmployments[key] && !r.badPeople[said.Person] && len(r.rowsOfEmployment(key)) == 0 {
			people = append(people, said.Person)
			ending++
		}
	}
	r.reportTruncation(ending)
	var why []reason.Reason
	because := func(k reason.Kind) { why = append(why, reason.Of(k)) }
	switch {
	case ending > 0 && r.unattributed == 0:
		because(reason.ExportTruncated{Count: ending, People: examples(people)})
	case ending > 0:
		because(reason.RowsUnattributed{Count: ending, Rows: r.unattributed, People: examples(people)})
	}
	if n := len(r.postponed); n > 0 {
		because(reason.StartsPostponed{Count: n, People: examples(r.postponed)})
	}
	if n := len(r.interrupted); n > 0 {
		because(reason.EmploymentsInterrupted{Count: n, People: examples(r.interrupted)})
		people = append(people, r.interrupted...)
	}
	columns := map[string][]identity.PersonID{}
	for _, e := range r.emptied {
		columns[e.column] = append(columns[e.column], e.person)
	}
	for _, column := range slices.Sorted(maps.Keys(columns)) {
		because(reason.CellsEmptied{Count: len(columns[column]), Column: r.Source.Shown(column), People: examples(columns[column])})
	}
	if len(r.lifted) > 0 {
		because(reason.ProtectionsLifted{Count: r.liftedTooMany, People: examples(r.lifted)})
	}
	digest := audit.HoldDigest("")
	if len(why) > 0 {
		digest = r.endings
		slices.Sort(people)
		would := map[identity.Kind][]identity.PersonID{}
		if len(people) > 0 {
			would[identity.EmploymentWithdrawn] = slices.Compact(people)
		}
		for _, e := range r.emptied {
			would[e.would] = append(would[e.would], e.person)
		}
		would[identity.PersonChanged] = append(would[identity.PersonChanged], r.lifted...)
		for _, kind := range []identity.Kind{identity.EmploymentChanged, identity.PersonChanged} {
			slices.Sort(would[kind])
			if would[kind] = slices.Compact(would[kind]); len(would[kind]) == 0 {
				delete(would, kind)
			}
		}
		if len(r.postponed) > 0 {
			slices.Sort(r.postponed)
			would[EmploymentPostponed] = slices.Compact(r.postponed)
		}
		body, err := json.Marshal(would)
		if err != nil {
			return fmt.Errorf("hold %s: %w", digest, err)
		}
		why := reason.Join(why...)
		r.report.EndingsHeld = r.holdState(store.Hold{Digest: digest, Kind: store.HREndingsHold, Subject: r.Source.Name, Why: why, Body: string(body)})
		r.record.Status = store.ImportEndingsHeld
		if err := tx.RaiseHold(ctx, r.report.EndingsHeld.Hold, nil, r.Actor, r.now); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: r.now, Actor: r.Actor, Action: audit.HRHeld, Target: r.Source.Name, Reason: reason.Of(reason.ImportHeld{Import: r.record.ID, Because: why})})
	}
	return tx.EndHoldsExcept(ctx, store.HREndingsHold, r.Source.Name, digest)
}

// holdState returns a hold with the decision on it that stands.
func (r *run) holdState(h store.Hold) *store.HoldState {
	state := store.HoldState{Hold: h}
	for _, known := range r.holds {
		if known.Digest == h.Digest {
			state.Decision = known.Decision
		}
	}
	return &state
}

// examples returns the first three people, sorted, and how many more there are.
func examples(people []identity.PersonID) reason.People {
	const most = 3
	ids := slices.Compact(slices.Sorted(slices.Values(people)))
	shown := min(len(ids), most)
	return reason.People{People: ids[:shown], More: len(ids) - shown}
}

// holdsOf returns those of all holds that belong to the source's imports, and the
// people whose disappearance was released. Such a release outlives the export
// that was held, and covers only the people in it.
func (im *Importer) holdsOf(ctx context.Context, source string, all []store.HoldState) (holds []store.HoldState, reviewed map[identity.PersonID]bool, err error) {
	reviewed = map[identity.PersonID]bool{}
	for _, h := range all {
		if h.Subject != source || h.Kind != store.HRImportHold && h.Kind != store.HREndingsHold {
			continue
		}
		if holds = append(holds, h); h.Kind != store.HRImportHold || h.Decision == nil || h.Decision.Verdict != store.Release {
			continue
		}
		body, err := im.DB.HoldBody(ctx, h.Digest)
		if err != nil {
			return nil, nil, err
		}
		var would map[identity.Kind][]identity.PersonID
		if err := json.Unmarshal([]byte(body), &would); err != nil {
			return nil, nil, fmt.Errorf("hold %s: %w", h.Digest, err)
		}
		for _, id := range would[identity.EmploymentWithdrawn] {
			reviewed[id] = true
		}
	}
	return holds, reviewed, nil
}

// suspiciousExport returns why the export looks broken; no reason when it does not.
// unreadable is why what the last import had is not known.
func (r *run) suspiciousExport(unreadable error) reason.Reason {
	if n := len(r.garbled); n >= manyGarbled {
		return reason.Of(reason.TextGarbled{Count: n, Line: r.garbled[0].Line, Source: r.Source.Name})
	}
	if r.Export.Partial && r.liftedTooMany > 0 {
		return reason.Of(reason.ProtectionsLifted{Count: r.liftedTooMany, Whole: true})
	}
	if r.Export.Partial {
		return reason.Reason{}
	}
	running, vanished := 0, 0
	for key, said := range r.said {
		if said.Withdrawn || said.Last != "" && said.Last < r.today {
			continue
		}
		running++
		if !r.reviewed[said.Person] && !r.Export.BadEmployments[key] && !r.badPeople[said.Person] && len(r.rowsOfEmployment(key)) == 0 {
			vanished++
		}
	}
	if allowed := r.Source.Shrink.Most(running); vanished > allowed {
		return reason.Of(reason.ExportShrank{Count: vanished, Running: running, Most: allowed})
	}
	return r.emptiedColumn(unreadable)
}

// emptiedColumn returns which column has no value in any row although many rows
// had one in the last import: more likely the column was lost or renamed. Without
// this check a lost end_date would reactivate leavers, and a lost protected would
// unmask people.
func (r *run) emptiedColumn(unreadable error) reason.Reason {
	if unreadable != nil {
		return reason.Of(reason.LastImportUnreadable{Detail: unreadable.Error()})
	}
	if r.filledBefore == nil {
		return reason.Reason{}
	}
	had := maps.Clone(r.filledBefore)
	had["end_date"] = 0 // of those that the export still lists
	for _, row := range r.Export.Rows {
		if r.said[row.EmploymentKey].Last != "" {
			had["end_date"]++
		}
	}
	columns := slices.Clone(config.Canonical)
	for _, name := range r.Config.Attributes {
		if r.Config.Rules.Reads(name) {
			columns = append(columns, name)
		}
	}
	for _, column := range columns {
		// The last leave of the year may end; that no one has a unit any more is no
		// coincidence.
		_, there := r.Export.Filled[column]
		few := there && had[column] <= r.Source.Shrink.Most(len(r.said)) && slices.Contains([]string{"leave_start", "leave_end", "phone", "main", "valid_from", "removed"}, column)
		if _, constant := r.Source.Constants[column]; !constant && had[column] > 0 && r.Export.Filled[column] == 0 && !few {
			return reason.Of(reason.ColumnEmptied{Column: column, Count: had[column]})
		}
	}
	return reason.Reason{}
}

// protectBadRows marks the people whose bad rows say that their identity is
// protected, as that must not wait for a corrected date.
func (r *run) protectBadRows() []identity.Event {
	var events []identity.Event
	for _, s := range r.subjects {
		for _, k := range s.Person.Keys {
			if k.Source != r.Source.Name || !r.Export.BadPeople[k.Key] || !r.Export.Protected[k.Key] || k.Facts.Protected {
				continue
			}
			facts := *k.Facts
			facts.Protected = true
			events = append(events, identity.Event{Source: r.Source.Name, Kind: identity.PersonChanged, Person: s.Person.ID, Key: k.Key, PersonFacts: &facts, Stamp: k.Stamp, Effective: r.today, Recorded: r.now})
		}
	}
	return events
}

// cancelBadRows withdraws employments that have not begun and that a bad row
// cancels: the person must not get access on a first day that HR has withdrawn.
func (r *run) cancelBadRows() []identity.Event {
	var events []identity.Event
	for _, s := range r.subjects {
		for _, e := range s.Person.Employments {
			if person := r.Export.Cancelled[e.Key.Key]; person == "" || e.Key.Source != r.Source.Name || e.PersonKey != person || e.HasStarted(r.today) || !e.HasStarted(e.Start) {
				continue
			}
			facts := e.EmploymentFacts
			facts.End, facts.StatedEnd = facts.Start.AddDays(-1), r.today
			events = append(events, identity.Event{Source: r.Source.Name, Kind: identity.EmploymentChanged, Person: s.Person.ID, Employment: e.ID, Key: e.Key.Key, PersonKey: e.PersonKey, EmploymentFacts: &facts, Effective: r.today, Recorded: r.now})
		}
	}
	return events
}

// hold holds the whole import for a decision.
func (r *run) hold(ctx context.Context, tx *store.Tx, why reason.Reason) error {
	would := map[identity.Kind][]identity.PersonID{}
	for _, e := range r.diff() {
		if ids := would[e.Kind]; len(ids) == 0 || ids[len(ids)-1] != e.Person {
			would[e.Kind] = append(ids, e.Person)
		}
	}
	body, err := json.Marshal(would)
	if err != nil {
		return fmt.Errorf("hold %s: %w", r.digest, err)
	}
	r.report.Held = r.holdState(store.Hold{Digest: r.digest, Kind: store.HRImportHold, Subject: r.Source.Name, Why: why, Body: string(body)})
	r.record.Status = store.ImportHeld
	for _, h := range r.holds { // earlier holds are replaced
		if h.Kind == store.HRImportHold && h.Decision == nil && h.Digest != r.digest {
			if err := tx.SupersedeHold(ctx, h.Digest, r.now); err != nil {
				return err
			}
		}
	}
	if err := tx.RaiseHold(ctx, r.report.Held.Hold, nil, r.Actor, r.now); err != nil {
		return err
	}
	tx.Audit(audit.Record{At: r.now, Actor: r.Actor, Action: audit.HRHeld, Target: r.Source.Name, Reason: reason.Of(reason.ImportHeld{Import: r.record.ID, Because: why})})
	return r.close(ctx, tx)
}
