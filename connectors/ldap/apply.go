package ldap

import (
	"context"
	"sync"
	"time"

	"github.com/behov/behov/connectors"
)

// work is one change on its way.
type work struct {
	connectors.Change
	result *connectors.Result
}

// Apply implements connectors.Connector. Changes of different accounts go
// side by side on one connection, and members of the same group in one
// request.
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
		// What speaks against the configuration does so for every change.
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
		c.abandon(nil, err) // its end has closed the connection
	}
	c.used = time.Now()
	return results
}

// abandon fails what was not tried, and gives up the connection.
func (c *Connector) abandon(waves [][]work, err error) {
	for _, wave := range waves {
		fail(wave, err)
	}
	c.session.close()
	c.session = nil
}

// down returns the error that says the target is gone, or nil.
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

// split divides changes into waves.
func split(todo []work) [][]work {
	changes := make([]connectors.Change, len(todo))
	for i, w := range todo {
		changes[i] = w.Change
	}
	var waves [][]work
	for _, indexes := range connectors.Batches(changes) {
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

// sideBySide calls do for every i below n, as many at a time as there may be
// requests.
func (c *Connector) sideBySide(n int, do func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, c.limiter.Concurrent()) {
		wg.Go(func() {
			for i := range next {
				do(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}
