package reconcile

import (
	"context"

	"github.com/behov/behov/internal/lock"
)

// allTargetsLock is the lock for work that concerns all targets together.
const allTargetsLock = "all targets together"

// lockTargets waits for the locks of the targets that are planned for everyone; nil is
// all targets, and the work that concerns them together.
func (e *Engine) lockTargets(ctx context.Context, targets []string) (*lock.Lock, error) {
	var names []string
	if targets == nil {
		names = []string{allTargetsLock}
		for _, t := range e.Config.Targets {
			targets = append(targets, t.Name)
		}
	}
	for _, t := range targets {
		names = append(names, "plan "+t)
	}
	return e.DB.Locks().Wait(ctx, e.LockWait, names...)
}
