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

// work is one change and where its result goes.
type work struct {
	connectors.Change
	result *connectors.Result
}

func (w work) end(r connectors.Result) { *w.result = r }

// run is one Apply.
type run struct {
	c *Connector

	mu   sync.Mutex
	stop error // the error that every other change would get too
}

// Apply implements connectors.Connector. It sends changes that do not depend on
// one another in batches of twenty requests, and new members of a group twenty to
// a request.
func (c *Connector) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	results := make([]connectors.Result, len(changes))
	r := &run{c: c}
	for _, indexes := range connectors.Waves(changes) {
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
		if len(part.todo) > 0 && r.canContinue(ctx, part.todo) {
			part.do(ctx, part.todo)
		}
	}
	r.changeGroups(ctx, bundles.List)
}

// canContinue reports whether to try changes at all. When it returns false it has
// failed them with the earlier error.
func (r *run) canContinue(ctx context.Context, todo []work) bool {
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

// note records an error that the remaining changes would get too.
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

// isStop reports whether every other request would fail too: Graph is down or
// throttles, rejects the credentials, or ctx has ended.
func isStop(err error) bool {
	return err != nil && (connectors.ClassOf(err) == connectors.TargetDown || errors.Is(err, errThrottled) || errors.Is(err, errToken) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded))
}

// propagationTime is how long Graph may answer that a new account does not exist,
// until it is known to every replica.
const propagationTime = 10 * time.Minute

// remember records the ID of an account that this connector created.
func (c *Connector) remember(id, anchor string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for old, at := range c.made {
		if time.Since(at) > propagationTime {
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
		if at, ok := c.made[id]; ok && time.Since(at) < propagationTime {
			return true
		}
	}
	return false
}

// forget drops the cached data of a deleted account.
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

// assignedName is the user that got a name, and when.
type assignedName struct {
	id string
	at time.Time
}

// rememberName records a name that this connector has set, as a filter may not
// find it yet.
func (c *Connector) rememberName(id, upn string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.prunedAt) > time.Minute { // at most once a minute
		maps.DeleteFunc(c.names, func(_ string, n assignedName) bool { return time.Since(n.at) > propagationTime })
		c.prunedAt = time.Now()
	}
	c.names[strings.ToLower(upn)] = assignedName{id, time.Now()}
}

func (c *Connector) idNamed(upn string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.names[strings.ToLower(upn)].id
}

// propagationDelays are the pauses before a request about a new account is
// repeated after a 404.
var propagationDelays = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second}

// sendWithPropagation sends requests like all. It repeats a request about a new
// account that was answered with 404, and finally returns an error of class
// RetryLater.
func (c *Connector) sendWithPropagation(ctx context.Context, requests []request, about func(i int) []string) []reply {
	replies := c.all(ctx, requests)
	for _, pause := range slices.Concat(propagationDelays, []time.Duration{0}) {
		var open []int
		for i, r := range replies {
			if r.err == nil && r.gone() && c.isFresh(missing(r, about(i))...) {
				open = append(open, i)
			}
		}
		open = c.withoutDeleted(ctx, open, about)
		if len(open) == 0 {
			break
		}
		err := error(connectors.Errorf(connectors.RetryLater, "graph: a recently created account is not available in Graph yet"))
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

// missing returns those of the IDs that a 404 is about: the ones it names, if
// any.
func missing(r reply, about []string) []string {
	var named []string
	for _, id := range about {
		if id != "" && strings.Contains(strings.ToLower(r.message), strings.ToLower(id)) {
			named = append(named, id)
		}
	}
	if len(named) == 0 && anyID.MatchString(r.message) {
		return nil // another object
	}
	if len(named) == 0 {
		return about
	}
	return named
}

var anyID = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}`)

// withoutDeleted leaves out those whose account has been deleted: for them the
// 404 is the answer.
func (c *Connector) withoutDeleted(ctx context.Context, open []int, about func(i int) []string) []int {
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
