package access

import (
	"context"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
)

// Approver is one of those who have to approve a request: a part that one person takes.
type Approver struct {
	As policy.Approver
	// People are those who may take it: they work here, and are neither the person whom the
	// request is for, nor who asked, nor who took another part. Who is away is among them, and
	// the person who decides in their place too. While it is open and there are
	// none, another person may approve in the approver's place, as rights say.
	People []identity.PersonID
	// Decision is that of who took it; 0 while it is open.
	Decision int64
}

// ApproverReader reads who approves requests. Database and *store.DB implement it.
type ApproverReader interface {
	AbsenceReader
	RequestHistory(ctx context.Context, requests []int64) ([]store.Decision, []store.Approval, error)
}

// managersAbove is how far up an approver is looked for when a manager does not work here, or
// asked for it.
const managersAbove = 4

// ApproversOf returns who approve each of the requests, by its number, as the class of the system
// says today.
func ApproversOf(ctx context.Context, db ApproverReader, c *config.Config, day identity.Date, requests ...store.AccessRequest) (map[int64][]Approver, error) {
	requests = slices.Clone(requests)
	numbers, people := make([]int64, len(requests)), make([]identity.PersonID, len(requests))
	for i, r := range requests {
		numbers[i], people[i] = r.ID, r.Person
	}
	decisions, approvals, err := db.RequestHistory(ctx, numbers)
	if err != nil {
		return nil, err
	}
	makers := map[int64]identity.Actor{}
	for _, d := range decisions {
		makers[d.Seq] = d.Maker
	}
	about, err := db.PeopleByID(ctx, people)
	if err != nil {
		return nil, err
	}
	f := approverFinder{ctx: ctx, db: db, config: c, day: day, byKey: map[identity.SourceKey]identity.PersonID{}, works: map[identity.PersonID]bool{}, managers: map[identity.PersonID]identity.SourceKey{}}
	if err := f.read(requests, about); err != nil {
		return nil, err
	}
	all := make(map[int64][]Approver, len(requests))
	for _, r := range requests {
		e, _ := c.Rules.Catalogue.Entitlement(policy.EntitlementID(r.Entitlement))
		took := map[policy.Approver]int64{}
		not := []identity.PersonID{r.Person}
		if asked, ok := r.AskedBy.Person(); ok {
			not = append(not, asked)
		}
		concerned := slices.Clone(not)
		for _, a := range approvals {
			if a.Request != r.ID {
				continue
			}
			took[policy.Approver(a.Approver)] = a.Decision
			if maker, ok := makers[a.Decision].Person(); ok {
				not = append(not, maker)
			}
		}
		for _, as := range e.Controls.ApproversOf() {
			x := Approver{As: as, Decision: took[as]}
			if x.Decision == 0 {
				x.People = f.people(as, r, e.System, concerned, not)
			}
			all[r.ID] = append(all[r.ID], x)
		}
	}
	return all, nil
}

// approverFinder knows the owners of systems and the managers of those who ask.
type approverFinder struct {
	ctx      context.Context
	db       ApproverReader
	config   *config.Config
	day      identity.Date
	byKey    map[identity.SourceKey]identity.PersonID
	works    map[identity.PersonID]bool
	managers map[identity.PersonID]identity.SourceKey // of managers, theirs
	deputies Deputies
}

// people returns who may take a part: none of those who may not, nor who decides in an owner's or
// a manager's place by the word of one who is concerned.
func (f *approverFinder) people(as policy.Approver, r store.AccessRequest, system string, concerned, not []identity.PersonID) (people []identity.PersonID) {
	add := func(key identity.SourceKey) {
		id := f.byKey[key]
		if !f.works[id] || slices.Contains(not, id) {
			return
		}
		for _, id := range []identity.PersonID{id, f.deputies.Of(id, concerned...)} {
			if f.works[id] && !slices.Contains(not, id) && !slices.Contains(people, id) {
				people = append(people, id)
			}
		}
	}
	if as != policy.ManagerApprover {
		for _, key := range OwnerKeys(f.config, system) {
			add(key)
		}
		return people
	}
	key := r.Manager
	for range managersAbove {
		add(key)
		if key = f.managers[f.byKey[key]]; len(people) > 0 || key.Key == "" {
			break
		}
	}
	return people
}

// read reads all who may be asked at once: the owners and the managers, and then the managers of
// these, as far up as is looked.
func (f *approverFinder) read(requests []store.AccessRequest, about []identity.Person) error {
	sources := map[identity.EmploymentID]string{}
	for _, p := range about {
		for _, e := range p.Employments {
			sources[e.ID] = e.Key.Source
		}
	}
	var err error
	if f.deputies, err = DeputiesOn(f.ctx, f.db, f.config, f.day); err != nil {
		return err
	}
	for _, deputy := range f.deputies {
		f.works[deputy] = true
	}
	var keys []identity.SourceKey
	for i, r := range requests {
		e, _ := f.config.Rules.Catalogue.Entitlement(policy.EntitlementID(r.Entitlement))
		keys = append(keys, OwnerKeys(f.config, e.System)...)
		if sources[r.Employment] != f.config.First { // another source makes no one a manager
			requests[i].Manager = identity.SourceKey{}
		}
		if requests[i].Manager.Key != "" {
			keys = append(keys, requests[i].Manager)
		}
	}
	for range managersAbove {
		keys = slices.DeleteFunc(keys, func(k identity.SourceKey) bool { _, known := f.byKey[k]; return known })
		if len(keys) == 0 {
			return nil
		}
		found, err := f.db.PeopleByKeys(f.ctx, keys)
		if err != nil {
			return err
		}
		var people []identity.Person
		for _, key := range keys {
			p := found[key]
			if p.ID != "" && !slices.ContainsFunc(people, func(o identity.Person) bool { return o.ID == p.ID }) {
				people = append(people, p)
			}
			f.byKey[key] = p.ID
		}
		working, err := WhoWorks(f.ctx, f.db, f.config, people, f.day)
		if err != nil {
			return err
		}
		keys = nil
		for i := range people {
			id := people[i].ID
			f.works[id] = working[id]
			main, ok := people[i].Main(f.day, f.config.Main)
			if ok && main.Key.Source == f.config.First {
				if f.managers[id] = main.On(f.day).Manager(main.Key.Source); f.managers[id].Key != "" {
					keys = append(keys, f.managers[id])
				}
			}
		}
	}
	return nil
}
