package access

import (
	"slices"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
)

// Page is a part of a list: at most Limit items after After, which is the key of the last
// item of the part before; empty for the first.
type Page struct {
	After string
	Limit int
}

// scanned is how many people one page looks at, whoever the viewer may see of them.
const scanned = 2000

// PeoplePage returns a page of the people whom the viewer may see, sorted by ID: those in a
// state today, or in any when it is empty. Of a viewer who does not see everyone they are the
// viewer and their staff. With a search they are those for every word of which one of their
// words begins with it, in the order of Database.SearchPeople, and those who have something in
// a system of the viewer's are among them; no one with a protected identity is. next is the
// key after which the next page begins; empty at the end. A page may have fewer than it could
// and still not be the last.
func (v *View) PeoplePage(state identity.State, search string, page Page) (people []PersonState, next string, err error) {
	if search != "" {
		return v.searchPage(state, search, page)
	}
	people = []PersonState{}
	after := identity.PersonID(page.After)
	size := page.Limit + 1
	if state != "" || !v.everyone { // not all of them count
		size = max(size, 100)
	}
	for looked := 0; looked < scanned; {
		batch, last, err := v.candidates(after, size)
		if err != nil || len(batch) == 0 {
			return people, "", err
		}
		states, err := v.states(batch)
		if err != nil {
			return nil, "", err
		}
		for _, s := range states {
			if state != "" && state != s.Stage.State {
				continue
			}
			if len(people) == page.Limit {
				return people, string(people[len(people)-1].Person.ID), nil
			}
			people = append(people, s)
		}
		if last {
			return people, "", nil
		}
		looked += len(batch)
		after = batch[len(batch)-1].ID
	}
	return people, string(after), nil
}

// candidates returns people after an ID, and whether there are no more: of a viewer who does
// not see everyone themselves and their staff.
func (v *View) candidates(after identity.PersonID, most int) (people []identity.Person, last bool, err error) {
	if v.everyone {
		people, err = v.DB.PeopleAfter(v.ctx, after, most)
		return people, len(people) < most, err
	}
	ids, err := v.relations()
	if err != nil {
		return nil, false, err
	}
	i, found := slices.BinarySearch(ids, after)
	if found {
		i++
	}
	last = len(ids)-i <= most
	people, err = v.DB.PeopleByID(v.ctx, ids[i:min(len(ids), i+most)])
	return people, last, err
}

// relations returns, sorted, the viewer and their staff; none of a service account. Who has
// something in a system of the viewer's is not among them: that may be everyone. A search
// finds them, and WhoHadPage lists them a page at a time.
func (v *View) relations() ([]identity.PersonID, error) {
	if v.viewer.Subject.Person == "" {
		return nil, nil
	}
	ids := append([]identity.PersonID{v.viewer.Subject.Person}, v.linked...)
	var keys []string
	for _, name := range v.known.Names() {
		if key, own := strings.CutPrefix(name, v.Config.First+"/"); own {
			keys = append(keys, key)
		}
	}
	staff, err := v.DB.PeopleUnder(v.ctx, v.Config.First, keys)
	if err != nil {
		return nil, err
	}
	ids = append(ids, staff...)
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// states returns the people of a batch whom the viewer may see, with their states today.
func (v *View) states(batch []identity.Person) ([]PersonState, error) {
	statuses, err := reconcile.PersonStatuses(v.ctx, v.DB, v.Config, batch, v.Today())
	if err != nil {
		return nil, err
	}
	all := []PersonState{}
	var suspended []reason.Reason
	for i, s := range statuses {
		if err := v.Add(batch[i]); err != nil {
			return nil, err
		}
		if v.sees[batch[i].ID] == hidden {
			continue
		}
		why := v.stageReason(s.Stage)
		all = append(all, PersonState{Person: v.Ref(batch[i].ID), Stage: Stage{State: s.Stage.State, Since: s.Stage.Since, Next: s.Stage.Next, Because: Reason{Reason: why}},
			Suspended: Reason{Reason: s.Facts.Suspended}})
		suspended = append(suspended, s.Facts.Suspended)
	}
	if err := v.Load(nil, suspended...); err != nil {
		return nil, err
	}
	for i := range all {
		p := &all[i]
		p.Stage.Because.Text, p.Suspended.Text = v.Text(p.Stage.Because.Reason), v.Text(p.Suspended.Reason)
	}
	return all, nil
}

// stageReason is reason.OfStage: most people have one of a few.
func (v *View) stageReason(s identity.Stage) reason.Reason {
	r, made := v.stages[s]
	if !made {
		r = reason.OfStage(s)
		v.stages[s] = r
	}
	return r
}

// SeesEveryone reports whether the viewer sees everyone, whatever their relation.
func (v *View) SeesEveryone() bool { return v.everyone }
