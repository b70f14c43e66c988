package hr

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// joined is a record that was found to be that of somebody known.
type joined struct {
	key    string
	person identity.PersonID
}

// identify finds out whether the records that are new are those of people who
// are known already: the same personal identity or coordination number, and a
// name in common. Whatever is weaker is a question for a person, and makes a
// person of its own until it is answered.
func (r *run) identify(ctx context.Context, tx *store.Tx, fresh []string, loaded map[identity.PersonID]*Subject) ([]*Subject, error) {
	var newcomers []*Subject
	byNumber := map[string]*Subject{} // of newcomers
	for _, key := range fresh {
		rows := r.rowsOf(key)
		facts := rows[0].Person
		if r.Export.BadPeople[key] {
			continue
		}
		var candidates []*Subject
		if identity.Born(facts.NationalID) != "" {
			people, err := tx.PeopleWithNationalID(ctx, facts.NationalID)
			if err != nil {
				return nil, err
			}
			for _, p := range people {
				s := loaded[p.ID]
				if s == nil {
					if p, err = tx.PersonWithRecords(ctx, p.ID); err != nil {
						return nil, err
					}
					s = &Subject{Person: p}
				}
				candidates = append(candidates, s)
			}
			if s := byNumber[facts.NationalID]; s != nil {
				candidates = append(candidates, s)
			}
		}
		known, err := r.choose(ctx, tx, key, rows[0], candidates)
		if err != nil {
			return nil, err
		}
		if known == nil {
			known = &Subject{Rows: slices.Clone(rows)}
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

// choose returns the one candidate whose record it is, or nil.
func (r *run) choose(ctx context.Context, tx *store.Tx, key string, row Row, candidates []*Subject) (*Subject, error) {
	var match []*Subject
	for _, c := range candidates {
		apart, err := tx.Apart(ctx, c.Person.ID, identity.SourceKey{Source: r.Source.Name, Key: key})
		if err != nil {
			return nil, err
		}
		if apart {
			continue
		}
		if !c.named(row.Person) {
			r.problem(row, "somebody else has this national identity number and another name: they are taken for two people until somebody has looked: behov people duplicates")
			continue
		}
		match = append(match, c)
	}
	if len(match) != 1 {
		return nil, nil
	}
	if id := match[0].Person.ID; id != "" {
		r.joined = append(r.joined, joined{key: key, person: id})
	}
	return match[0], nil
}

// named says whether the subject has a given or a family name in common with
// the facts.
func (s *Subject) named(f identity.PersonFacts) bool {
	same := func(g identity.PersonFacts) bool {
		return strings.EqualFold(f.GivenName, identity.CleanText(g.GivenName)) || strings.EqualFold(f.FamilyName, identity.CleanText(g.FamilyName))
	}
	return slices.ContainsFunc(s.Person.Keys, func(k identity.Record) bool { return k.Facts != nil && same(*k.Facts) }) ||
		slices.ContainsFunc(s.Rows, func(row Row) bool { return same(row.Person) })
}

// decide records the joining as what it is: a decision, which can be undone.
func (r *run) decide(ctx context.Context, tx *store.Tx) error {
	for _, j := range r.joined {
		if r.Export.BadPeople[j.key] {
			continue
		}
		r.report.Joined++
		subject, err := r.DB.RecordSubject(identity.SourceKey{Source: r.Source.Name, Key: j.key})
		if err != nil {
			return err
		}
		if _, err := tx.Decide(ctx, store.Decision{Kind: store.RecordDecision, Verdict: store.Join, Person: string(j.person), Subject: subject, Maker: r.Actor,
			Reason: fmt.Sprintf("the same national identity number and a name in common; behov people split undoes it (import %s)", r.record.ID)}, r.now); err != nil {
			return err
		}
	}
	return nil
}
