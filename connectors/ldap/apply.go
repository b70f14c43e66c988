package ldap

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/behov/behov/connectors"
)

// work is one change and where its result goes.
type work struct {
	connectors.Change
	result *connectors.Result
}

// Apply implements connectors.Connector. Changes of different accounts run in
// parallel on one connection, and changes of members of the same group are merged
// into one request.
func (c *Connector) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	c.applying.Lock()
	defer c.applying.Unlock()
	results := make([]connectors.Result, len(changes))
	if len(changes) == 0 {
		return results
	}
	todo := make([]work, len(changes))
	for i, change := range changes {
		todo[i] = work{change, &results[i]}
	}
	s, err := c.applySession(ctx)
	if err != nil {
		fail(todo, err)
		return results
	}
	defer s.closeWith(ctx)()
	if _, err := s.loadSchema(ctx); err != nil {
		// A fault in the configuration fails every change.
		fail(todo, err)
		if ctx.Err() != nil {
			c.abandon(nil, err)
		}
		return results
	}
	waves := split(todo)
	for i, wave := range waves {
		if err := ctx.Err(); err != nil {
			c.abandon(waves[i:], err)
			break
		}
		c.applyWave(ctx, s, wave)
		if err := down(wave); err != nil {
			c.abandon(waves[i+1:], err)
			break
		}
	}
	if err := ctx.Err(); err != nil {
		c.abandon(nil, err) // the cancelled context has closed the connection
	}
	c.used = time.Now()
	return results
}

// abandon fails the waves that were not tried, and drops the connection.
func (c *Connector) abandon(waves [][]work, err error) {
	for _, wave := range waves {
		fail(wave, err)
	}
	c.session.close()
	c.session = nil
}

// down returns the error of class TargetDown in a wave, or nil.
func down(wave []work) error {
	for _, w := range wave {
		if connectors.ClassOf(w.result.Err) == connectors.TargetDown {
			return w.result.Err
		}
	}
	return nil
}

func fail(todo []work, err error) {
	for _, w := range todo {
		w.result.Err = err
	}
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

// applyWave carries out changes that do not depend on one another.
func (c *Connector) applyWave(ctx context.Context, s *session, wave []work) {
	var creations, deletions, memberships, former, others []work
	for _, w := range wave {
		switch w.Op {
		case connectors.CreateAccount:
			creations = append(creations, w)
		case connectors.DeleteAccount:
			deletions = append(deletions, w)
		case connectors.AddMember, connectors.RemoveMember:
			memberships = append(memberships, w)
		case connectors.RemoveFormerMember:
			former = append(former, w)
		case connectors.UpdateAccount, connectors.RenameAccount, connectors.AdoptAccount, connectors.EnableAccount, connectors.DisableAccount:
			others = append(others, w)
		default:
			w.result.Err = connectors.Errorf(connectors.Permanent, "ldap: unknown change %q", w.Op)
		}
	}
	for _, step := range []struct {
		todo []work
		do   func(context.Context, *session, []work)
	}{{creations, c.create}, {others, c.change}, {memberships, c.changeMembers}, {former, c.removeFormer}, {deletions, c.delete}} {
		if len(step.todo) > 0 {
			step.do(ctx, s, step.todo)
		}
	}
}

// inParallel calls do for every i below n, with as many calls at a time as the
// limits allow requests.
func (c *Connector) inParallel(n int, do func(i int)) {
	var g errgroup.Group
	g.SetLimit(c.limiter.Concurrent())
	for i := range n {
		g.Go(func() error {
			do(i)
			return nil
		})
	}
	_ = g.Wait() // of functions that return no error
}
