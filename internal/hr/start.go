package hr

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// EmploymentPostponed is, among the effects of a hold, an active employment whose
// start moves into the future. It is no kind of event.
const EmploymentPostponed identity.Kind = "employment-postponed"

// startHolds are the holds of starts that a delta moves into the future. The next
// delivery of a delta does not repeat the changes, so each start has a hold of
// its own, which outlives the delivery.
type startHolds struct {
	known []store.HoldState // of the source
	// raised are new or undecided, by employment; taken are the employments of
	// which the delivery has an accepted row.
	raised map[identity.EmploymentID]store.Hold
	taken  []identity.EmploymentID
}

// startDigest returns the digest of the hold of an employment's new start. Two of
// one employment have the first startPrefix characters in common.
func startDigest(source string, employment identity.EmploymentID, start identity.Date) audit.HoldDigest {
	day := sha256.Sum256([]byte(source + "\x00" + string(employment) + "\x00" + string(start)))
	return holdDigest(source, "start\x00"+string(employment)) + audit.HoldDigest(hex.EncodeToString(day[:4]))
}

const startPrefix = 16

// startHoldsOf returns the holds of starts of a source, decided or not.
func startHoldsOf(holds []store.HoldState, source string) []store.HoldState {
	return slices.DeleteFunc(slices.Clone(holds), func(h store.HoldState) bool { return h.Kind != store.HRStartHold || h.Subject != source })
}

// startDecidedSince reports whether a held start of the source was decided after
// an instant, so that the changes must be read again.
func (im *Importer) startDecidedSince(ctx context.Context, source string, since time.Time) (bool, error) {
	holds, err := im.DB.Holds(ctx)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(startHoldsOf(holds, source), func(h store.HoldState) bool { return h.Decision != nil && !h.Decision.At().Before(since) }), nil
}

// startUndecided reports whether a start of the source awaits a decision.
func (im *Importer) startUndecided(ctx context.Context, source string) (bool, error) {
	holds, err := im.DB.Holds(ctx)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(startHoldsOf(holds, source), func(h store.HoldState) bool { return h.Decision == nil }), nil
}

// postpones reports whether a row moves the start of an active employment into
// the future. Its person would lose their access until then, and most often it is
// a renewal with the start of the new contract. The employment is unchanged until
// a person decides; what the row states about its person applies, and so do the
// person's other rows. A full export holds it with the endings of the import; a
// delta has one hold for each start.
func (r *run) postpones(s *PersonRows, row Row) bool {
	i := slices.IndexFunc(s.Person.Employments, func(e identity.Employment) bool {
		return e.Key == identity.SourceKey{Source: r.Source.Name, Key: row.EmploymentKey} && e.ActiveOn(r.today)
	})
	if i < 0 {
		return false
	}
	running := s.Person.Employments[i]
	last := row // in a delta, the last statement wins
	if r.Export.Partial {
		last = lastOf(s.Rows, row.EmploymentKey)
	}
	if row.Removed || row.Start <= r.today || r.endingsReleased || last.Removed || last.Start <= r.today || r.Export.Partial && last.Stamp < running.Stamp {
		r.starts.taken = append(r.starts.taken, running.ID)
		return false
	}
	column := r.Source.Shown("start_date")
	if r.Export.BadEmployments[row.EmploymentKey] {
		return true // another row of it is reported already
	}
	if !r.Export.Partial {
		r.problem(row, inColumn(column, reason.StartMoved{}))
		r.Export.BadEmployments[row.EmploymentKey] = true
		delete(r.hashes, row.EmploymentKey) // the next import compares it again
		r.postponed = append(r.postponed, s.Person.ID)
		r.report.Postponed++
		return true
	}
	digest := startDigest(r.Source.Name, running.ID, last.Start)
	say := r.problem
	if r.Source.SCIM {
		say = r.warn // the client's other values are accepted
	}
	k := slices.IndexFunc(r.starts.known, func(h store.HoldState) bool { return h.Digest == digest })
	switch decision := func() *store.Decision {
		if k < 0 {
			return nil
		}
		return r.starts.known[k].Decision
	}(); {
	case decision != nil && decision.Verdict == store.Release:
		r.starts.taken = append(r.starts.taken, running.ID)
		return false
	case decision != nil:
		say(last, inColumn(column, reason.StartMoved{Hold: string(digest), Rejected: true}))
	default:
		say(last, inColumn(column, reason.StartMoved{Hold: string(digest)}))
		if r.starts.raised == nil {
			r.starts.raised = map[identity.EmploymentID]store.Hold{}
		}
		r.starts.raised[running.ID] = store.Hold{Digest: digest, Kind: store.HRStartHold, Subject: r.Source.Name, Body: string(s.Person.ID),
			Why: reason.Of(reason.StartPostponed{Person: s.Person.ID, Start: running.Start, To: last.Start})}
	}
	r.Export.BadEmployments[row.EmploymentKey] = true
	delete(r.hashes, row.EmploymentKey)
	r.report.Postponed++
	return true
}

// lastOf returns the row of an employment that is applied last.
func lastOf(rows []Row, employment string) (last Row) {
	for _, row := range rows {
		if row.EmploymentKey == employment && (last.EmploymentKey == "" || cmp.Or(cmp.Compare(row.Stamp, last.Stamp), cmp.Compare(row.ValidFrom, last.ValidFrom), cmp.Compare(row.Line, last.Line)) > 0) {
			last = row
		}
	}
	return last
}

// holdStarts raises the holds of starts, and ends those whose start the source
// has changed, or that were applied.
func (r *run) holdStarts(ctx context.Context, tx *store.Tx) error {
	var concerned []audit.HoldDigest // prefixes of digests
	for _, id := range r.starts.taken {
		concerned = append(concerned, startDigest(r.Source.Name, id, "")[:startPrefix])
	}
	digests := map[audit.HoldDigest]bool{}
	for _, h := range r.starts.raised {
		concerned = append(concerned, h.Digest[:startPrefix])
		digests[h.Digest] = true
	}
	for _, h := range r.starts.known {
		if slices.Contains(concerned, h.Digest[:startPrefix]) && !digests[h.Digest] {
			if err := tx.EndHold(ctx, h.Digest); err != nil {
				return err
			}
		}
	}
	for _, id := range sortedEmployments(r.starts.raised) {
		h := r.starts.raised[id]
		body, err := json.Marshal(map[identity.Kind][]identity.PersonID{EmploymentPostponed: {identity.PersonID(h.Body)}})
		if err != nil {
			return fmt.Errorf("hold %s: %w", h.Digest, err)
		}
		h.Body = string(body)
		if err := tx.RaiseHold(ctx, h, nil, r.Actor, r.now); err != nil {
			return err
		}
		r.report.StartsHeld = append(r.report.StartsHeld, store.HoldState{Hold: h})
		r.record.Status = store.ImportEndingsHeld
	}
	return nil
}

func sortedEmployments(m map[identity.EmploymentID]store.Hold) []identity.EmploymentID {
	ids := make([]identity.EmploymentID, 0, len(m))
	for id := range m {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
