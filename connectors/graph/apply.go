package graph

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/behov/behov/connectors"
)

// work is one change on its way.
type work struct {
	connectors.Change
	result *connectors.Result
}

func (w work) end(r connectors.Result) { *w.result = r }

// run is one Apply.
type run struct {
	c *Connector

	mu   sync.Mutex
	stop error // what every other change would get as well
}

// Apply implements connectors.Connector. Changes that do not depend on one
// another go twenty to a batch, and new members of a group twenty to a
// request.
func (c *Connector) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	results := make([]connectors.Result, len(changes))
	r := &run{c: c}
	for _, indexes := range connectors.Batches(changes) {
		wave := make([]work, len(indexes))
		for n, i := range indexes {
			wave[n] = work{changes[i], &results[i]}
		}
		r.wave(ctx, wave)
	}
	return results
}

// wave carries out changes that do not depend on one another.
func (r *run) wave(ctx context.Context, wave []work) {
	var creations, accounts, deletions, licences []work
	var bundles connectors.Queues[work]
	for _, w := range wave {
		switch w.Op {
		case connectors.CreateAccount:
			creations = append(creations, w)
		case connectors.UpdateAccount, connectors.EnableAccount, connectors.DisableAccount, connectors.RenameAccount, connectors.AdoptAccount:
			accounts = append(accounts, w)
		case connectors.DeleteAccount:
			deletions = append(deletions, w)
		case connectors.AddMember, connectors.RemoveMember:
			if r.c.cfg.Licences && strings.HasPrefix(w.Entitlement, licencePrefix) {
				licences = append(licences, w)
			} else {
				bundles.Add(w.Entitlement, w)
			}
		default:
			w.end(failed(connectors.Errorf(connectors.Permanent, "graph: unknown change %q", w.Op)))
		}
	}
	for _, part := range []struct {
		todo []work
		do   func(context.Context, []work)
	}{
		{creations, r.create}, {accounts, r.change}, {deletions, r.remove}, {licences, r.licences},
	} {
		if len(part.todo) > 0 && r.goesOn(ctx, part.todo) {
			part.do(ctx, part.todo)
		}
	}
	r.bundles(ctx, bundles.List)
}

// goesOn says whether to try changes at all. Those that are not get the error
// that the ones before got.
func (r *run) goesOn(ctx context.Context, todo []work) bool {
	err := ctx.Err()
	if err != nil {
		err = fmt.Errorf("graph: not tried: %w", err)
	} else {
		r.mu.Lock()
		err = r.stop
		r.mu.Unlock()
	}
	if err == nil {
		return true
	}
	for _, w := range todo {
		w.end(failed(err))
	}
	return false
}

// note takes note of an error that the changes not tried yet would get too.
func (r *run) note(err error) {
	if !isStop(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		r.stop = err
	}
}

// isStop says that no other request would fare better: Graph is down or has
// had enough, does not let us in, or we were told to stop.
func isStop(err error) bool {
	return err != nil && (connectors.ClassOf(err) == connectors.TargetDown || errors.Is(err, errThrottled) || errors.Is(err, errToken) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// fresh is how long a new account may not have come through to every part of
// Graph, which then says that there is none.
const fresh = 10 * time.Minute

// remember keeps the ID of an account that was created here.
func (c *Connector) remember(id, anchor string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, at := range c.made {
		if time.Since(at) > fresh {
			delete(c.made, old)
		}
	}
	for a, old := range c.ids {
		if _, young := c.made[old]; !young {
			delete(c.ids, a)
		}
	}
	c.made[id], c.ids[anchor] = time.Now(), id
}

func (c *Connector) isFresh(ids ...string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		if at, ok := c.made[id]; ok && time.Since(at) < fresh {
			return true
		}
	}
	return false
}

// forget is for an account that was deleted.
func (c *Connector) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.made, id)
}

func (c *Connector) idOf(anchor string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ids[anchor]
}

// naming is who got a name, and when.
type naming struct {
	id string
	at time.Time
}

// rememberName keeps whom a name was given to here: a filter may not find it
// yet.
func (c *Connector) rememberName(id, upn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.tidied) > time.Minute { // and not for each of thousands
		maps.DeleteFunc(c.names, func(_ string, n naming) bool { return time.Since(n.at) > fresh })
		c.tidied = time.Now()
	}
	c.names[strings.ToLower(upn)] = naming{id, time.Now()}
}

func (c *Connector) idNamed(upn string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[strings.ToLower(upn)].id
}

// waits are the pauses before a request about a new account is repeated that
// was told there is none.
var waits = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// settled sends requests like all. A 404 for one that is about a new account
// is no answer: it is repeated, and in the end an error that says to try
// later.
func (c *Connector) settled(ctx context.Context, requests []request, about func(i int) []string) []reply {
	replies := c.all(ctx, requests)
	for _, pause := range slices.Concat(waits, []time.Duration{0}) {
		var open []int
		for i, r := range replies {
			if r.err == nil && r.gone() && c.isFresh(missing(r, about(i))...) {
				open = append(open, i)
			}
		}
		open = c.undeleted(ctx, open, about)
		if len(open) == 0 {
			break
		}
		err := error(connectors.Errorf(connectors.RetryLater, "graph: an account that was just created has not come through yet"))
		if pause > 0 {
			err = c.sleep(ctx, pause)
		}
		if err != nil {
			for _, i := range open {
				replies[i] = reply{err: err}
			}
			break
		}
		again := make([]request, len(open))
		for n, i := range open {
			again[n] = requests[i]
		}
		for n, r := range c.all(ctx, again) {
			replies[open[n]] = r
		}
	}
	return replies
}

// missing are those of the IDs that a 404 is about: the ones it names, when it
// does.
func missing(r reply, about []string) []string {
	var named []string
	for _, id := range about {
		if id != "" && strings.Contains(strings.ToLower(r.message), strings.ToLower(id)) {
			named = append(named, id)
		}
	}
	if len(named) == 0 && anyID.MatchString(r.message) {
		return nil // somebody else
	}
	if len(named) == 0 {
		return about
	}
	return named
}

var anyID = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// undeleted leaves out those whose account is among the deleted ones: for them
// the 404 is an answer.
func (c *Connector) undeleted(ctx context.Context, open []int, about func(i int) []string) []int {
	var requests []request
	var owner []int
	for _, i := range open {
		for _, id := range about(i) {
			if c.isFresh(id) {
				requests, owner = append(requests, c.build.getDeleted(id)), append(owner, i)
			}
		}
	}
	deleted := map[int]bool{}
	for n, r := range c.all(ctx, requests) {
		if r.err == nil && r.ok() {
			deleted[owner[n]] = true
			for _, id := range about(owner[n]) {
				if requests[n].url == c.build.getDeleted(id).url {
					c.forget(id)
				}
			}
		}
	}
	return slices.DeleteFunc(open, func(i int) bool { return deleted[i] })
}
