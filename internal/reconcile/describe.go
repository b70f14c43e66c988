package reconcile

import (
	"context"
	"iter"
	"runtime"
	"slices"

	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
)

// desiredPeople works out what everyone needs and what their accounts look like,
// one person after another: of a hundred thousand there is never more than one
// in memory. It ends early when the context does.
func (e *Engine) desiredPeople(ctx context.Context, w *inputs) iter.Seq[plan.Person] {
	return func(yield func(plan.Person) bool) {
		// What the next need is worked out while the plan takes up these.
		ahead, stop := make(chan chan []plan.Person, runtime.GOMAXPROCS(0)), make(chan struct{})
		defer close(stop)
		go func() {
			defer close(ahead)
			for some := range slices.Chunk(w.people.All, 250) {
				described := make(chan []plan.Person, 1)
				select {
				case <-stop:
					return
				case ahead <- described:
				}
				go func() { described <- describePeople(w, some) }()
			}
		}()
		n := 0
		for described := range ahead {
			for _, desired := range <-described {
				if n%1000 == 0 {
					e.progress("plan", n, len(w.people.All))
				}
				n++
				if ctx.Err() != nil || !yield(desired) {
					return
				}
			}
		}
	}
}

// describePeople works out what people should have. It runs for several chunks at once and
// does not change the inputs.
func describePeople(w *inputs, people []identity.Person) []plan.Person {
	accounts := w.accounts()
	all := make([]plan.Person, len(people))
	for i, p := range people {
		all[i] = accounts.Of(p)
	}
	return all
}

// nameAccounts finds existing accounts to adopt and chooses the names of accounts that
// are to be created. Both compare all people before anyone is planned.
func (e *Engine) nameAccounts(ctx context.Context, w *inputs) error {
	w.freshNames = map[string]map[identity.PersonID]string{}
	w.names = map[string]map[identity.PersonID]desired.Name{}
	for t, c := range w.covers.targets {
		w.targets[t].Correlate(w.people.Claimants(c))
		names, err := e.newNaming(ctx, w, w.targets[t], c.Account)
		if err != nil {
			return err
		}
		if w.names[c.Name], err = e.chooseNames(ctx, w, t, names); err != nil {
			return err
		}
		w.freshNames[c.Name] = names.fresh
	}
	return nil
}

// chooseNames chooses the names that accounts get, again for as long as the target
// says that one is taken where we do not see it.
func (e *Engine) chooseNames(ctx context.Context, w *inputs, t int, names *naming) (map[identity.PersonID]desired.Name, error) {
	c := w.covers.targets[t]
	all := map[identity.PersonID]desired.Name{}
	currentNames, err := names.currentNames(ctx, w.people.All)
	if err != nil {
		return nil, err
	}
	for range maxRounds {
		for i, p := range w.people.All {
			current := currentNames[i]
			if current != "" && !c.Account.Rename {
				continue
			}
			if needs := w.people.Grants(p); !needs.NoEntitlementReason.IsZero() && !needs.Prepare || !w.people.HasEntitlementIn(c.Name, needs) {
				continue
			}
			a := desired.Name{}
			if a.Name, a.Bad, err = names.choose(ctx, p.ID, current, p.ViewOn(w.people.Day, c.Main, w.people.Config.Forms)); err != nil {
				return nil, err
			}
			all[p.ID] = a
		}
		again, err := names.check(ctx, e.Targets[c.Name])
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || !again {
			return all, nil //nolint:nilerr // what cannot be asked the target itself says, by refusing the name
		}
	}
	return all, nil
}

// maxRounds is how often names are chosen again.
const maxRounds = 20
