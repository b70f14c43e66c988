package access

import (
	"context"
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// Position is where a person works: a unit, and a job in it.
type Position struct{ Unit, Job string }

// PositionsOf returns where a person works on a day, without what is said twice.
func PositionsOf(p identity.Person, day identity.Date) []Position {
	var all []Position
	for _, e := range p.Active(day) {
		if at := (Position{e.On(day).Unit, e.On(day).JobCode}); !slices.Contains(all, at) {
			all = append(all, at)
		}
	}
	return all
}

// Peers says what share of those who work in the same unit and job have an entitlement.
type Peers struct {
	day identity.Date
	at  map[Position]*positionCount
}

type positionCount struct {
	people int
	with   map[string]int
}

// peerReader reads people by unit, and what they have.
type peerReader interface {
	PeopleInUnits(ctx context.Context, units []string) ([]identity.PersonID, error)
	PeopleByID(ctx context.Context, ids []identity.PersonID) ([]identity.Person, error)
	OpenIntervalsOf(ctx context.Context, people []identity.PersonID) ([]audit.Interval, error)
}

// peersPage is how many people are read at a time.
const peersPage = 1000

// PeersOf counts what others have who work where the people do. It reads the people of
// these units once, and no others.
func PeersOf(ctx context.Context, db peerReader, people []identity.Person, day identity.Date) (*Peers, error) {
	peers := &Peers{day: day, at: map[Position]*positionCount{}}
	units := map[string]bool{}
	for _, p := range people {
		for _, at := range PositionsOf(p, day) {
			units[at.Unit] = true
			peers.at[at] = &positionCount{with: map[string]int{}}
		}
	}
	names := make([]string, 0, len(units))
	for unit := range units {
		names = append(names, unit)
	}
	slices.Sort(names)
	ids, err := db.PeopleInUnits(ctx, names)
	if err != nil {
		return nil, err
	}
	for page := range slices.Chunk(ids, peersPage) {
		if err := peers.count(ctx, db, page); err != nil {
			return nil, err
		}
	}
	return peers, nil
}

func (s *Peers) count(ctx context.Context, db peerReader, ids []identity.PersonID) error {
	people, err := db.PeopleByID(ctx, ids)
	if err != nil {
		return err
	}
	where := make(map[identity.PersonID][]Position, len(people))
	for _, p := range people {
		if p.MergedInto != "" {
			continue
		}
		where[p.ID] = PositionsOf(p, s.day)
		for _, at := range where[p.ID] {
			if c := s.at[at]; c != nil {
				c.people++
			}
		}
	}
	has, err := db.OpenIntervalsOf(ctx, ids)
	if err != nil {
		return err
	}
	for n, i := range has {
		if n > 0 && has[n-1].Person == i.Person && has[n-1].Entitlement == i.Entitlement { // in another target
			continue
		}
		for _, at := range where[i.Person] {
			if c := s.at[at]; c != nil {
				c.with[i.Entitlement]++
			}
		}
	}
	return nil
}

// Share returns how many others work in the same unit and job as a person who has an
// entitlement, and how many of them have it. Of several jobs the one counts in which the
// largest share has it.
func (s *Peers) Share(p identity.Person, entitlement string) (with, others int) {
	for _, at := range PositionsOf(p, s.day) {
		c := s.at[at]
		if c == nil || c.people < 2 {
			continue
		}
		w, o := c.with[entitlement]-1, c.people-1
		if others == 0 || w*others > with*o {
			with, others = max(0, w), o
		}
	}
	return with, others
}
