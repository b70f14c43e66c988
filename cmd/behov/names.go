package main

import (
	"context"
	"regexp"
	"strconv"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// names turns opaque IDs into names at the last moment, on the way to a
// reader. Protected identities stay masked.
type names struct {
	ctx   context.Context
	db    *store.DB
	first string // the source whose keys are shown without its name
	known map[identity.PersonID]string
}

func newNames(ctx context.Context, i *installation) *names {
	return &names{ctx: ctx, db: i.db, first: i.config.First, known: map[identity.PersonID]string{}}
}

// of returns "Given Family (key)", with the opaque ID where the key is a national
// identity number.
func (n *names) of(id identity.PersonID) string {
	if s, ok := n.known[id]; ok {
		return s
	}
	p, err := n.db.Person(n.ctx, id)
	if err != nil {
		return string(id)
	}
	s := p.Name()
	if len(p.Keys) > 0 {
		s += " (" + n.key(p) + ")"
	}
	n.known[id] = s
	return s
}

// protected reports whether a person's identity is protected.
func (n *names) protected(id identity.PersonID) bool {
	if id == "" {
		return false
	}
	p, err := n.db.Person(n.ctx, id)
	return err == nil && p.Protected
}

// key returns a key by which commands find the person: one of the first source, else
// another one with its source, else the opaque ID.
func (n *names) key(p identity.Person) string {
	for _, k := range p.Keys {
		if k.Source == n.first && !identity.HasNationalID(k.Key) {
			return k.Key
		}
	}
	if k := p.Keys[0]; !identity.HasNationalID(k.Key) {
		return k.String()
	}
	return string(p.ID)
}

var actorPattern = regexp.MustCompile(`person[: ]([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})`)

var decisionPattern = regexp.MustCompile(`decision ([0-9]+) by (?:person:[0-9a-f-]{36}|os-uid:[0-9]+|behov)`)

// in replaces every "person:ID" and "person ID" in a text, and adds to a decision
// that is named what its maker wrote.
func (n *names) in(text string) string {
	text = decisionPattern.ReplaceAllStringFunc(text, func(m string) string {
		seq, err := strconv.ParseInt(decisionPattern.FindStringSubmatch(m)[1], 10, 64)
		if err != nil {
			return m
		}
		if d, err := n.db.Decision(n.ctx, seq); err == nil && d.Reason != "" && !n.protected(identity.PersonID(d.Person)) {
			return m + ": " + d.Reason
		}
		return m
	})
	return actorPattern.ReplaceAllStringFunc(text, func(m string) string {
		return n.of(identity.PersonID(actorPattern.FindStringSubmatch(m)[1]))
	})
}
