package main

import (
	"context"
	"os"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
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
	words     *wording.Printer
}

func newNames(ctx context.Context, i *installation) *names {
	n := &names{ctx: ctx, db: i.db, first: i.config.First, people: map[identity.PersonID]identity.Person{}, decisions: map[int64]store.Decision{}}
	n.words = printerFor(wording.Reader{Place: wording.Shell, Zone: i.zone, Person: n.of, Decision: n.decision})
	return n
}

// printerFor returns what words reasons for a reader in a shell, in the language of BEHOV_LANG:
// en or sv.
func printerFor(r wording.Reader) *wording.Printer {
	r.Language = wording.English
	if l := wording.Language(os.Getenv("BEHOV_LANG")); slices.Contains(wording.Languages, l) {
		r.Language = l
	}
	p, err := wording.New(r)
	if err != nil { // the sentences are built in: package wording's tests read them
		panic(err)
	}
	return p
}

// load reads at once the people, and those and the decisions that reasons name: who
// prints a list reads them all before the first. What is not loaded is read when it
// is asked for.
func (n *names) load(ids []identity.PersonID, reasons ...reason.Reason) error {
	var missing []identity.PersonID
	want := func(id identity.PersonID) {
		if _, known := n.people[id]; !known && id != "" {
			missing = append(missing, id)
		}
	}
	for _, id := range ids {
		want(id)
	}
	var named reason.Mentions
	for _, r := range reasons {
		named.Add(r)
	}
	for _, id := range named.People {
		want(id)
	}
	decisions, err := n.db.DecisionsBySeq(n.ctx, named.Decisions)
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
func (n *names) prepare(ids []identity.PersonID, reasons ...reason.Reason) {
	_ = n.load(ids, reasons...)
}

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

// in returns the sentence of a reason, with people by their names, and beside a decision
// what its maker wrote.
func (n *names) in(r reason.Reason) string { return n.words.Reason(r) }

// decision returns what the maker of a decision wrote; empty when it is about a person
// with protected identity, or cannot be read.
func (n *names) decision(seq int64) string {
	d, known := n.decisions[seq]
	if !known {
		var err error
		if d, err = n.db.Decision(n.ctx, seq); err != nil {
			return ""
		}
		n.decisions[seq] = d
	}
	if n.protected(d.Person) {
		return ""
	}
	if d.Reason == "" {
		return n.in(d.Because)
	}
	return d.Reason
}
