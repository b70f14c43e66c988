package hr

import (
	"context"
	"slices"
	"strings"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// joinedRecord is a new record of a known person.
type joinedRecord struct {
	key    string
	person identity.PersonID
}

// identify matches new records with known people: by the same personal identity
// or coordination number and a common name, in sources whose records are joined.
// Weaker evidence raises a question, and creates a separate person until it is
// answered; so does a match that would change the name or address of the known
// person.
func (r *run) identify(ctx context.Context, tx *store.Tx, fresh []string, loaded map[identity.PersonID]*PersonRows) ([]*PersonRows, error) {
	var newcomers []*PersonRows
	byNumber := map[string]*PersonRows{} // of new people
	var numbers []string
	for _, key := range fresh {
		numbers = append(numbers, r.rowsOf(key)[0].Person.NationalID)
	}
	taken, err := tx.KnownNationalIDs(ctx, numbers)
	if err != nil {
		return nil, err
	}
	var matched, alike []identity.PersonID // who has a new record's number; of those who is not loaded
	for _, key := range fresh {
		for _, id := range taken[r.rowsOf(key)[0].Person.NationalID] {
			if r.Export.BadPeople[key] {
				continue
			}
			if matched = append(matched, id); loaded[id] == nil {
				alike = append(alike, id)
			}
		}
	}
	withNumber, err := tx.PeopleWithRecords(ctx, alike)
	if err != nil {
		return nil, err
	}
	if r.recordsDecided, err = tx.WithRecordDecisions(ctx, matched); err != nil {
		return nil, err
	}
	for _, key := range fresh {
		rows := r.rowsOf(key)
		facts := rows[0].Person
		if r.Export.BadPeople[key] {
			continue
		}
		var candidates []*PersonRows
		if identity.BirthDate(facts.NationalID) != "" {
			for _, id := range taken[facts.NationalID] {
				s := loaded[id]
				if s == nil {
					s = &PersonRows{Person: withNumber[id]}
				}
				candidates = append(candidates, s)
			}
			if s := byNumber[facts.NationalID]; s != nil {
				candidates = append(candidates, s)
			}
		}
		known, err := r.chooseCandidate(ctx, tx, key, rows[0], candidates)
		if err != nil {
			return nil, err
		}
		if known == nil {
			known = &PersonRows{Rows: slices.Clone(rows)}
			newcomers = append(newcomers, known)
			if facts.NationalID != "" && byNumber[facts.NationalID] == nil {
				byNumber[facts.NationalID] = known
			}
			continue
		}
		if known.Person.ID != "" && loaded[known.Person.ID] == nil {
			loaded[known.Person.ID] = known
			for _, k := range known.Person.Keys {
				if k.Source == r.Source.Name {
					known.Rows = append(known.Rows, r.rowsOf(k.Key)...)
				}
			}
		}
		if known.Joins == nil {
			known.Joins = map[string]bool{}
		}
		known.Joins[key] = true
		known.Rows = append(known.Rows, rows...)
	}
	return newcomers, nil
}

// chooseCandidate returns the one candidate to which the record belongs, or nil.
func (r *run) chooseCandidate(ctx context.Context, tx *store.Tx, key string, row Row, candidates []*PersonRows) (*PersonRows, error) {
	var match []*PersonRows
	for _, c := range candidates {
		if r.recordsDecided[c.Person.ID] {
			apart, err := tx.MarkedDistinct(ctx, c.Person.ID, identity.SourceKey{Source: r.Source.Name, Key: key})
			if err != nil {
				return nil, err
			}
			if apart {
				continue
			}
		}
		switch named, declared := r.sharesName(c, row.Person); {
		case !named:
			r.question(row, reason.Of(reason.SameNumberOtherName{}))
		case !declared:
			r.question(row, reason.Of(reason.SameNumberOtherSource{}))
		default:
			match = append(match, c)
		}
	}
	if len(match) == 0 {
		return nil, nil
	}
	known := match[0]
	if len(match) > 1 { // several matches are a question
		if r.Source.Name == r.Config.First || known.Person.ID == "" {
			r.question(row, reason.Of(reason.OneOfSeveral{}))
			return nil, nil
		}
		r.questions = append(r.questions, recordQuestion{key: key, known: known.Person.ID, columns: "records"})
		r.question(row, reason.Of(reason.OneOfSeveral{Waits: true}))
		return nil, nil
	}
	if known.Person.ID == "" {
		return known, nil
	}
	if changed := r.changedColumns(known, key); len(changed) > 0 && !r.onlyReported(known) {
		columns := strings.Join(changed, ", ")
		if r.Source.Name == r.Config.First { // a hire gets what the work needs
			r.question(row, reason.Of(reason.MayBeKnown{SameSource: r.ofThisSource(known), Columns: changed}))
			return nil, nil
		}
		r.questions = append(r.questions, recordQuestion{key: key, known: known.Person.ID, columns: columns})
		r.question(row, reason.Of(reason.MayBeKnown{SameSource: r.ofThisSource(known), Columns: changed, Waits: true}))
		return nil, nil
	}
	r.joined = append(r.joined, joinedRecord{key: key, person: known.Person.ID})
	return known, nil
}

// onlyReported reports whether a person is known by reports alone: what HR's source says of
// them then counts, and nothing that was known before changes hands.
func (r *run) onlyReported(s *PersonRows) bool {
	return r.Config.Forms != "" && !slices.ContainsFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source != r.Config.Forms })
}

// ofThisSource reports whether a person is known from this source, too.
func (r *run) ofThisSource(s *PersonRows) bool {
	return slices.ContainsFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source == r.Source.Name })
}

// changedColumns returns the names of the columns that a record would change of a
// known person, by the precedence of the sources.
func (r *run) changedColumns(known *PersonRows, key string) []string {
	newest := newestOf(r.rowsOf(key))
	precedence := r.Config.Precedence
	with := append(slices.Clone(known.Person.Keys), identity.Record{SourceKey: identity.SourceKey{Source: r.Source.Name, Key: key}, Facts: &newest.Person, Stamp: newest.Stamp})
	return precedence.Merge(known.Person.Keys).ChangedFields(precedence.Merge(with))
}

// sharesName reports whether a subject has a given or family name in common with
// the facts (named), and whether it has so in a record that the configuration
// joins with those of the source (declared): one of the same source, or of a
// source that either of the two lists under joins.
func (r *run) sharesName(s *PersonRows, f identity.PersonFacts) (named, declared bool) {
	same := func(g identity.PersonFacts) bool {
		return strings.EqualFold(f.GivenName, identity.CleanText(g.GivenName)) || strings.EqualFold(f.FamilyName, identity.CleanText(g.FamilyName))
	}
	for _, k := range s.Person.Keys {
		if k.Facts == nil || !same(*k.Facts) {
			continue
		}
		named = true
		if k.Facts.NationalID == f.NationalID && (k.Source == r.Source.Name || slices.Contains(r.Source.Joins, k.Source) || slices.Contains(r.Config.Sources[k.Source].Joins, r.Source.Name)) {
			declared = true
		}
	}
	if slices.ContainsFunc(s.Rows, func(row Row) bool {
		return same(row.Person) && (s.Person.ID == "" || row.Person.NationalID == f.NationalID)
	}) {
		named, declared = true, true // a record of the same source
	}
	return named, declared
}

// recordQuestion is a record that is not joined until a person decides.
type recordQuestion struct {
	key     string
	known   identity.PersonID
	columns string
}

// holdRecords withholds all access in targets from people whose record may be
// that of a known person.
func (r *run) holdRecords(ctx context.Context, tx *store.Tx) error {
	for _, q := range r.questions {
		p, known, err := tx.PersonByKey(ctx, identity.SourceKey{Source: r.Source.Name, Key: q.key})
		if err != nil {
			return err
		}
		if !known { // the row was bad
			continue
		}
		if err := tx.HoldRecord(ctx, store.HeldRecord{Person: p.ID, Other: q.known, Columns: q.columns}, r.now); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: r.now, Actor: r.Actor, Action: audit.HRHeld, Person: p.ID, Target: r.Source.Name,
			Reason: reason.Of(reason.ImportHeld{Import: r.record.ID, Because: store.HeldRecord{Person: p.ID, Other: q.known, Columns: q.columns}.Reason()})})
	}
	return nil
}

// recordJoins records the joins as decisions, which can be undone.
func (r *run) recordJoins(ctx context.Context, tx *store.Tx) error {
	for _, j := range r.joined {
		if r.Export.BadPeople[j.key] {
			continue
		}
		r.report.Joined++
		subject, err := r.DB.RecordSubject(identity.SourceKey{Source: r.Source.Name, Key: j.key})
		if err != nil {
			return err
		}
		if _, err := tx.Decide(ctx, store.Decision{Kind: store.RecordDecision, Verdict: store.Join, Person: j.person, Subject: subject, Maker: r.Actor,
			Because: reason.Of(reason.Joined{Import: r.record.ID})}, r.now); err != nil {
			return err
		}
	}
	return nil
}
