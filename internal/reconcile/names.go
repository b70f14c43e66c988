package reconcile

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// naming chooses the names of accounts in one target: unique among the existing accounts,
// the planned ones, and those that ever existed.
type naming struct {
	target  plan.Target
	how     config.AccountName
	names   *store.NameRegister
	planned map[string]identity.PersonID // in lower case
	// elsewhere are names that are taken outside what a snapshot shows, in
	// lower case; asked are those that were asked for.
	elsewhere, asked map[string]bool
	// fresh are names that people's accounts were seen to have, and that the
	// register does not know yet.
	fresh map[identity.PersonID]string
}

func (e *Engine) newNaming(ctx context.Context, w *inputs, t plan.Target, how config.AccountName) (*naming, error) {
	names, err := e.DB.NameRegister(t.Name), error(nil)
	if w.covers.readsEveryone() {
		names, err = e.DB.LoadNameRegister(ctx, t.Name)
	}
	return &naming{target: t, how: how, names: names, planned: map[string]identity.PersonID{}, elsewhere: map[string]bool{}, asked: map[string]bool{}, fresh: map[identity.PersonID]string{}}, err
}

// currentNames returns the name that each person's account has, empty without one. It
// looks at several people at once: each name is hashed to find it in the register.
func (n *naming) currentNames(ctx context.Context, people []identity.Person) ([]string, error) {
	names, fresh := make([]string, len(people)), make([]bool, len(people))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	const chunk = 250
	for from := 0; from < len(people); from += chunk {
		g.Go(func() (err error) {
			for i := from; i < min(from+chunk, len(people)) && err == nil; i++ {
				names[i], fresh[i], err = n.current(ctx, people[i].ID)
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i, p := range people {
		if fresh[i] {
			n.fresh[p.ID] = names[i]
		}
	}
	return names, nil
}

// current returns the name that the person's account has, empty without one, and
// whether the register does not know it yet.
func (n *naming) current(ctx context.Context, person identity.PersonID) (name string, fresh bool, err error) {
	if n.target.Observed == nil {
		return "", false, nil
	}
	name, seen := n.target.OwnName(person)
	if !seen {
		return "", false, nil
	}
	owner, err := n.names.Owner(ctx, name)
	return name, err == nil && owner == "", err
}

// choose returns the name of the person's account: the one it has, or the one
// it gets; and why it cannot get the one that it should.
func (n *naming) choose(ctx context.Context, person identity.PersonID, current string, view identity.View) (name string, bad reason.Reason, err error) {
	if current != "" && !n.how.Rename {
		return current, reason.Reason{}, nil
	}
	template := n.how.Value
	if view.Protected && n.how.Protected != nil {
		template = n.how.Protected
	}
	base, err := template.Execute(view)
	if err != nil {
		return current, reason.Of(reason.NameFailed{Detail: err.Error()}), nil //nolint:nilerr // which is the reason
	}
	base = strings.Trim(base, ".-_ ") // what is left between parts that came out empty
	if base == "" {
		return current, reason.Of(reason.NameEmpty{}), nil
	}
	for i := 1; i < maxNames; i++ {
		name := identity.NameCandidate(base, i, n.how.Most)
		if n.how.Most > 0 && utf8.RuneCountInString(name) > n.how.Most {
			break // there is no room for another number
		}
		free, err := n.free(ctx, name, current, person)
		if err != nil {
			return "", reason.Reason{}, err
		}
		if free {
			n.planned[strings.ToLower(name)] = person
			return name, reason.Reason{}, nil
		}
		if !n.how.Number {
			break
		}
	}
	if current == "" && n.observed(base, current) { // the plan says so, and names the account
		return base, reason.Reason{}, nil
	}
	return current, reason.Of(reason.NameReserved{}), nil
}

// maxNames is how many candidates are tried.
const maxNames = 10_000

// free reports whether the person may have the name.
func (n *naming) free(ctx context.Context, name, current string, person identity.PersonID) (bool, error) {
	if current != "" && strings.EqualFold(name, current) {
		return true, nil
	}
	if n.observed(name, current) || n.elsewhere[strings.ToLower(name)] {
		return false, nil
	}
	if p, ok := n.planned[strings.ToLower(name)]; ok && p != person {
		return false, nil
	}
	owner, err := n.names.Owner(ctx, name)
	return owner == "" || owner == person, err
}

func (n *naming) observed(name, current string) bool {
	if n.target.Observed == nil || strings.EqualFold(name, current) {
		return false
	}
	_, there := n.target.Observed.ByName(name)
	return there
}

// check asks the target which of the chosen names are taken by accounts that the snapshot
// does not show. It reports whether any is: then names have to be chosen again. A target
// that cannot answer refuses the change instead.
func (n *naming) check(ctx context.Context, connector connectors.Connector) (again bool, err error) {
	checker, ok := connector.(connectors.NameChecker)
	if !ok || n.target.Observed == nil {
		return false, nil
	}
	var names []string
	for name := range n.planned {
		if _, there := n.target.Observed.ByName(name); !there && !n.asked[name] {
			names = append(names, name)
			n.asked[name] = true
		}
	}
	if len(names) == 0 {
		return false, nil
	}
	slices.Sort(names)
	taken, err := checker.TakenNames(ctx, names)
	for name, is := range taken {
		n.elsewhere[strings.ToLower(name)] = is
		again = again || is
	}
	clear(n.planned)
	return again, err
}
