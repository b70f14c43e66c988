package access

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// intervalKey is where a page of intervals goes on: after an interval of an entitlement.
type intervalKey struct {
	Entitlement string `json:"e,omitempty"`
	store.IntervalKey
}

// WhoHadPage is WhoHad, a page at a time, sorted by entitlement, person and beginning.
func (v *View) WhoHadPage(of string, p *Period, page Page) (had []Access, next string, err error) {
	entitlements := []string{of}
	if s, known := v.Config.Rules.Catalogue.System(of); known {
		entitlements = nil
		for _, e := range v.Config.Rules.Catalogue.Entitlements {
			if e.System == s.ID {
				entitlements = append(entitlements, string(e.ID))
			}
		}
		slices.Sort(entitlements)
	} else if err := v.checkEntitlement(of); err != nil {
		return nil, "", err
	}
	after, err := parseIntervalKey(page.After)
	if err != nil {
		return nil, "", err
	}
	had = []Access{}
	for _, e := range entitlements {
		if e < after.Entitlement {
			continue
		}
		q := v.during(store.IntervalQuery{Entitlement: e}, p)
		if e == after.Entitlement {
			q.After = after.IntervalKey
		}
		if next, err = v.fill(q, p == nil, page.Limit, &had); err != nil || next != "" {
			return had, next, err
		}
	}
	return had, "", nil
}

// checkEntitlement refuses an entitlement that is neither in the catalogue nor was ever
// given.
func (v *View) checkEntitlement(e string) error {
	if _, known := v.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(e)); known || e == audit.Account {
		return nil
	}
	ever, err := v.DB.EntitlementEverHeld(v.ctx, e)
	if err == nil && !ever {
		err = &reason.Refusal{Reason: reason.Of(reason.EntitlementNeverGiven{Entitlement: e})}
	}
	return err
}

// AccessPage is AccessOf, a page at a time, sorted by beginning.
func (v *View) AccessPage(person identity.PersonID, p *Period, page Page) (had []Access, next string, err error) {
	after, err := parseIntervalKey(page.After)
	if err != nil {
		return nil, "", err
	}
	q := v.during(store.IntervalQuery{Person: person, After: after.IntervalKey}, p)
	had = []Access{}
	next, err = v.fill(q, p == nil, page.Limit, &had)
	return had, next, err
}

// changeKey is where a page of changes goes on: after one of the beginnings and one of the
// ends.
type changeKey struct {
	Began store.IntervalKey `json:"b"`
	Ended store.IntervalKey `json:"e"`
}

// ChangesPage is Changes, a page at a time, in order of time.
func (v *View) ChangesPage(p Period, page Page) (changes []Change, next string, err error) {
	var after changeKey
	if page.After != "" && json.Unmarshal([]byte(page.After), &after) != nil {
		return nil, "", &CursorError{}
	}
	changes = []Change{}
	for looked := 0; looked < scanned; {
		size := max(page.Limit-len(changes)+1, 100)
		began, err := v.DB.AccessChanged(v.ctx, store.ChangeQuery{From: p.From, To: p.To, After: after.Began, Most: size})
		if err != nil {
			return nil, "", err
		}
		ended, err := v.DB.AccessChanged(v.ctx, store.ChangeQuery{Ended: true, From: p.From, To: p.To, After: after.Ended, Most: size})
		if err != nil {
			return nil, "", err
		}
		part, err := v.merged(began, ended, size)
		if err != nil {
			return nil, "", err
		}
		for _, c := range part {
			if len(changes) == page.Limit {
				b, err := json.Marshal(after)
				return changes, string(b), err
			}
			if c.ended {
				after.Ended = c.key
			} else {
				after.Began = c.key
			}
			if c.Access.Person.ID != "" {
				changes = append(changes, c.Change)
			}
		}
		if looked += len(part); len(part) < size {
			return changes, "", nil
		}
	}
	b, err := json.Marshal(after)
	return changes, string(b), err
}

// placed is a change, with the key of its place. It has no person when the viewer may not
// see it.
type placed struct {
	Change
	ended bool
	key   store.IntervalKey
}

// merged returns at most so many of the beginnings and ends, in order of time.
func (v *View) merged(began, ended []audit.Interval, most int) ([]placed, error) {
	var all []placed
	for _, x := range began {
		all = append(all, placed{Change: Change{At: x.Since, Began: true}, key: store.IntervalKey{Person: x.Person, SinceUS: x.Since.UnixMicro(), Record: x.SinceRecord}})
	}
	for _, x := range ended {
		all = append(all, placed{Change: Change{At: x.Until}, ended: true, key: store.IntervalKey{Person: x.Person, SinceUS: x.Until.UnixMicro(), Record: x.UntilRecord}})
	}
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return all[a].At.Compare(all[b].At) })
	order = order[:min(len(order), most)]
	intervals := slices.Concat(began, ended)
	var shown []audit.Interval
	for _, i := range order {
		shown = append(shown, intervals[i])
	}
	seen, err := v.access(shown, false)
	if err != nil {
		return nil, err
	}
	var out []placed
	for _, i := range order {
		p := all[i]
		if len(seen) > 0 && seen[0].Person.ID == intervals[i].Person && seen[0].Entitlement == intervals[i].Entitlement && seen[0].Records[0] == intervals[i].SinceRecord {
			p.Access, seen = seen[0], seen[1:]
		}
		out = append(out, p)
	}
	return out, nil
}

// fill appends what a query selects, until there are so many, and returns the key after
// which to go on; empty at the end. What the viewer may not see does not count.
func (v *View) fill(q store.IntervalQuery, now bool, most int, had *[]Access) (next string, err error) {
	for looked := 0; ; {
		q.Most = max(most-len(*had)+1, 100)
		batch, err := v.DB.Intervals(v.ctx, q)
		if err != nil {
			return "", err
		}
		last := len(batch) < q.Most
		if of, known := v.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(q.Entitlement)); known {
			people := make([]identity.PersonID, len(batch))
			for i, x := range batch {
				people[i] = x.Person
			}
			v.markOwned(of.System, people...)
		}
		seen, err := v.access(batch, now)
		if err != nil {
			return "", err
		}
		room := most - len(*had)
		if len(seen) > room {
			*had = append(*had, seen[:room]...)
			return keyOf(q.Entitlement, batch, seen[room-1])
		}
		*had = append(*had, seen...)
		if last {
			return "", nil
		}
		end := batch[len(batch)-1]
		q.After = store.IntervalKey{Person: end.Person, SinceUS: end.Since.UnixMicro(), Record: end.SinceRecord}
		if looked += len(batch); looked >= scanned {
			return intervalKey{q.Entitlement, q.After}.text()
		}
	}
}

// keyOf returns the key of the interval that an access is made of.
func keyOf(entitlement string, batch []audit.Interval, a Access) (string, error) {
	i := slices.IndexFunc(batch, func(x audit.Interval) bool {
		return x.SinceRecord == a.Records[0] && x.Person == a.Person.ID && x.Entitlement == a.Entitlement
	})
	return intervalKey{entitlement, store.IntervalKey{Person: batch[i].Person, SinceUS: batch[i].Since.UnixMicro(), Record: batch[i].SinceRecord}}.text()
}

func (k intervalKey) text() (string, error) {
	b, err := json.Marshal(k)
	return string(b), err
}

// CursorError is returned for a place in a list that was not given out.
type CursorError struct{}

func (*CursorError) Error() string { return "there is no such place in the list" }

func parseIntervalKey(text string) (k intervalKey, err error) {
	if text != "" && json.Unmarshal([]byte(text), &k) != nil {
		return k, &CursorError{}
	}
	return k, nil
}

// Record is a record of the audit trail.
type Record struct {
	Index       int64         `json:"index"`
	At          time.Time     `json:"at"`
	Action      audit.Action  `json:"action"`
	Actor       Actor         `json:"actor"`               // who caused it
	Operator    Actor         `json:"operator,omitzero"`   // whose process wrote it
	Authority   string        `json:"authority,omitempty"` // by which the actor decided
	Person      *Ref          `json:"person,omitempty"`
	Target      string        `json:"target,omitempty"`
	Entitlement string        `json:"entitlement,omitempty"`
	Op          string        `json:"op,omitempty"`
	Outcome     audit.Outcome `json:"outcome,omitempty"`
	Reason      Reason        `json:"reason,omitzero"`
	// Wrote is what the maker of a decision wrote; empty when it is about a masked person.
	Wrote string `json:"wrote,omitempty"`
	// Stored is the record as it is verified, and Opened what is sealed in it, where the
	// viewer may read it; both only when they are asked for.
	Stored *audit.Record   `json:"stored,omitempty"`
	Opened json.RawMessage `json:"opened,omitempty"`
}

// Records returns a page of the audit trail, of a person or of everything, with stored also
// as the records are verified. What is sealed in them stays so, but for what the maker of a
// decision wrote, and for an operator who can read the key.
func (v *View) Records(q store.RecordQuery, stored bool) (all []Record, next int64, err error) {
	most := q.Most
	q.Most++
	records, err := v.DB.RecordsPage(v.ctx, q)
	if err != nil {
		return nil, 0, err
	}
	if len(records) > most {
		records = records[:most]
		next = records[most-1].Index
	}
	var ids []identity.PersonID
	var reasons []reason.Reason
	for _, r := range records {
		actor, _ := r.Actor.Person()
		ids, reasons = append(ids, r.Person, actor), append(reasons, r.Reason)
	}
	if err := v.Load(ids, reasons...); err != nil {
		return nil, 0, err
	}
	all = make([]Record, len(records))
	for i, r := range records {
		all[i] = Record{Index: r.Index, At: r.At, Action: r.Action, Actor: v.ActorOf(r.Actor), Authority: r.Authority, Person: v.optional(r.Person), Target: r.Target, Entitlement: r.Entitlement,
			Op: r.Op, Outcome: r.Outcome, Reason: v.Because(r.Reason)}
		if r.Operator != "" {
			all[i].Operator = v.ActorOf(r.Operator)
		}
	}
	opened, err := v.DB.DecryptPayloads(v.ctx, records)
	if err != nil {
		return nil, 0, err
	}
	for i, r := range records {
		v.open(&all[i], r, opened[i], stored)
	}
	return all, next, nil
}

// open adds to a record what is sealed in it, as far as the viewer may read it.
func (v *View) open(x *Record, r audit.Record, opened []byte, stored bool) {
	if stored {
		x.Stored = &r
	}
	if v.Masked(r.Person) || !json.Valid(opened) {
		return
	}
	var payload struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(opened, &payload) == nil { // it may be no object
		x.Wrote = payload.Reason
	}
	if v.only != nil { // an extract of the person's own
		x.Opened = opened
	}
	if stored && (v.viewer.Subject.IsZero() || x.Wrote != "" || bytes.Equal(opened, r.Payload)) {
		x.Opened = opened
	}
}
