package scim

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

// work is one change and where its result goes.
type work struct {
	connectors.Change
	result *connectors.Result
}

// done reports whether the change has its result already.
func (w work) done() bool { return w.result.Err != nil || w.result.Status != "" }

// run is one Apply. What it has read is cached until it ends.
type run struct {
	c      *Connector
	lookup lookup

	mu     sync.Mutex
	exists map[string]bool   // IDs of referenced accounts that were looked up
	groups map[string]*group // by name; nil for one that does not exist
	stop   error             // the error that every other change would get too
}

// Apply implements connectors.Connector. Changes of different accounts run in
// parallel, and changes of members of the same group are merged into one request.
func (c *Connector) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	results := make([]connectors.Result, len(changes))
	todo := make([]work, len(changes))
	for i, change := range changes {
		todo[i] = work{change, &results[i]}
	}
	r := &run{c: c, lookup: lookup{c: c}, exists: map[string]bool{}, groups: map[string]*group{}}
	for _, wave := range split(todo) {
		r.wave(ctx, wave)
	}
	return results
}

// split divides changes into waves (connectors.Waves).
func split(todo []work) [][]work {
	changes := make([]connectors.Change, len(todo))
	for i, w := range todo {
		changes[i] = w.Change
	}
	var waves [][]work
	for _, indexes := range connectors.Waves(changes) {
		wave := make([]work, len(indexes))
		for n, i := range indexes {
			wave[n] = todo[i]
		}
		waves = append(waves, wave)
	}
	return waves
}

// wave carries out changes that do not depend on one another.
func (r *run) wave(ctx context.Context, wave []work) {
	// In sequence: creations with the same name, as not every service keeps
	// concurrent ones apart, and changes of one group.
	var names, ids, bundles connectors.Queues[work]
	adoptions := 0
	for _, w := range wave {
		if w.Op == connectors.AdoptAccount {
			adoptions++
		}
		switch w.Op {
		case connectors.CreateAccount, connectors.RenameAccount:
			names.Add(strings.ToLower(w.Account.Name), w)
		case connectors.UpdateAccount, connectors.EnableAccount, connectors.DisableAccount, connectors.DeleteAccount, connectors.AdoptAccount:
			ids.Add(w.Account.ID, w)
		case connectors.AddMember, connectors.RemoveMember:
			bundles.Add(w.Entitlement, w)
		default:
			*w.result = failed(connectors.Errorf(connectors.Permanent, "scim: unknown change %q", w.Op))
		}
	}
	if n := len(names.List) + adoptions; n > 0 && r.stopped(ctx) == nil {
		r.failed(r.lookup.prepare(ctx, n))
	}
	r.bulk(ctx, names.List, ids.List)
	limit.SideBySide(r.c.limiter.Concurrent(), names.List, func(q []work) { r.each(ctx, q, r.account) })
	limit.SideBySide(r.c.limiter.Concurrent(), ids.List, func(q []work) { r.each(ctx, q, r.account) })
	// Groups in sequence; the requests within each run in parallel.
	for _, q := range bundles.List {
		r.members(ctx, q)
	}
}

// each carries out changes one by one.
func (r *run) each(ctx context.Context, todo []work, do func(context.Context, connectors.Change) connectors.Result) {
	for _, w := range todo {
		if w.done() {
			continue
		}
		if err := r.stopped(ctx); err != nil {
			*w.result = failed(err)
			continue
		}
		*w.result = do(ctx, w.Change)
		r.failed(w.result.Err)
	}
}

// failed records an error that the remaining changes would get too: the target is
// down or busy, rejects the credentials, or ctx has ended.
func (r *run) failed(err error) {
	if err == nil {
		return
	}
	switch {
	case connectors.ClassOf(err) == connectors.TargetDown, errors.Is(err, errBusy), errors.Is(err, errToken), errors.Is(err, errCredentials),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.stop == nil {
			r.stop = err
		}
	}
}

func (r *run) stopped(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("scim: not tried: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop
}

// account carries out a change of one account.
func (r *run) account(ctx context.Context, change connectors.Change) connectors.Result {
	switch change.Op {
	case connectors.CreateAccount:
		return r.create(ctx, change)
	case connectors.DeleteAccount:
		return r.delete(ctx, change)
	}
	return r.applyEdit(ctx, change.Account.ID, func(now resource) (*edit, connectors.Result) { return r.planEdit(ctx, change, now) })
}
