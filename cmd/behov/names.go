package main

import (
	"context"
	"regexp"
	"strconv"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// namesReader reads what people and decisions are called.
type namesReader interface {
	PersonNames(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
	Decision(ctx context.Context, seq int64) (store.Decision, error)
	DecisionsBySeq(ctx context.Context, numbers []int64) ([]store.Decision, error)
}

// names turns opaque IDs into names at the last moment, on the way to a
// reader. Protected identities stay masked.
type names struct {
	ctx       context.Context
	db        namesReader
	first     string // the source whose keys are shown without its name
	people    map[identity.PersonID]identity.Person
	decisions map[int64]store.Decision
}

func newNames(ctx context.Context, i *installation) *names {
	return &names{ctx: ctx, db: i.db, first: i.config.First, people: map[identity.PersonID]identity.Person{}, decisions: map[int64]store.Decision{}}
}

// load reads at once the people, and those and the decisions that texts name: who
// prints a list reads them all before the first. What is not loaded is read when it
// is asked for.
func (n *names) load(ids []identity.PersonID, texts ...string) error {
	var missing []identity.PersonID
	want := func(id identity.PersonID) {
		if _, known := n.people[id]; !known && id != "" {
			missing = append(missing, id)
		}
	}
	for _, id := range ids {
		want(id)
	}
	var numbers []int64
	for _, text := range texts {
		for _, m := range personPattern.FindAllStringSubmatch(text, -1) {
			want(identity.PersonID(m[1]))
		}
		for _, m := range decisionPattern.FindAllStringSubmatch(text, -1) {
			if seq, err := strconv.ParseInt(m[1], 10, 64); err == nil {
				numbers = append(numbers, seq)
			}
		}
	}
	decisions, err := n.db.DecisionsBySeq(n.ctx, numbers)
	if err != nil {
		return err
	}
	for _, d := range decisions {
		n.decisions[d.Seq] = d
		want(d.Person)
	}
	people, err := n.db.PersonNames(n.ctx, missing)
	if err != nil {
		return err
	}
	for _, id := range missing {
		n.people[id] = identity.Person{} // erased, unless they are among those
	}
	for _, p := range people {
		n.add(p)
	}
	return nil
}

// prepare is load for those who print either way: who cannot be read is shown by ID.
func (n *names) prepare(ids []identity.PersonID, texts ...string) { _ = n.load(ids, texts...) }

// add is for a person who was read already.
func (n *names) add(p identity.Person) { n.people[p.ID] = p }

// person returns a person, the zero value when they are not known or cannot be read.
func (n *names) person(id identity.PersonID) identity.Person {
	if _, known := n.people[id]; !known {
		_ = n.load([]identity.PersonID{id}) // the opaque ID stands for who cannot be read
	}
	return n.people[id]
}

// of returns "Given Family (key)", with the opaque ID where the key is a national
// identity number.
func (n *names) of(id identity.PersonID) string {
	p := n.person(id)
	if p.ID == "" {
		return string(id)
	}
	s := p.Name()
	if len(p.Keys) > 0 {
		s += " (" + n.key(p) + ")"
	}
	return s
}

// actor returns a person who is an actor as of does, and another actor as it is written.
func (n *names) actor(a identity.Actor) string {
	if id, ok := a.Person(); ok {
		return n.of(id)
	}
	return string(a)
}

// protected reports whether a person's identity is protected.
func (n *names) protected(id identity.PersonID) bool { return n.person(id).Protected }

// key returns a key by which commands find the person: one of the first source, else
// another one with its source, else the opaque ID.
func (n *names) key(p identity.Person) string {
	for _, k := range p.Keys {
		if k.Source == n.first && shows(p, k.SourceKey) {
			return k.Key
		}
	}
	if k := p.Keys[0]; shows(p, k.SourceKey) {
		return k.String()
	}
	return string(p.ID)
}

// shows reports whether a key of a person may be shown.
func shows(p identity.Person, k identity.SourceKey) bool {
	return !identity.HasNationalID(k.Key) && (!p.Protected || !k.MayTellName())
}

var personPattern = regexp.MustCompile(identity.PersonPattern)

var decisionPattern = regexp.MustCompile(`decision ([0-9]+) by ` + identity.ActorPattern)

// in replaces every person that a text names (identity.PersonPattern), and adds to a decision
// that is named what its maker wrote.
func (n *names) in(text string) string {
	text = decisionPattern.ReplaceAllStringFunc(text, func(m string) string {
		seq, err := strconv.ParseInt(decisionPattern.FindStringSubmatch(m)[1], 10, 64)
		if err != nil {
			return m
		}
		d, known := n.decisions[seq]
		if !known {
			if d, err = n.db.Decision(n.ctx, seq); err != nil {
				return m
			}
			n.decisions[seq] = d
		}
		if d.Reason != "" && !n.protected(d.Person) {
			return m + ": " + d.Reason
		}
		return m
	})
	return personPattern.ReplaceAllStringFunc(text, func(m string) string {
		return n.of(identity.PersonID(personPattern.FindStringSubmatch(m)[1]))
	})
}
