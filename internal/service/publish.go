package service

import (
	"context"
	"errors"
	"time"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
)

// publishLock is held by the process that publishes the log.
const publishLock = "publish the audit log"

// publish publishes the log of the audit trail where the configuration says, until ctx ends:
// at the start, as often as it says, and as soon as a review is signed off or closed.
func (s *Service) publish(ctx context.Context) {
	var last time.Time
	var seen int64 // how many records were looked at for the end of a review
	tick := time.NewTicker(watching)
	defer tick.Stop()
	for {
		if c := s.current.Load().config; c.Publish.Directory != "" && s.Apply {
			size, ended, err := s.reviewsEnded(ctx, seen)
			if err == nil {
				seen = size
			}
			if now := s.Now(); ended || now.Sub(last) >= c.Publish.Every || now.Before(last) {
				last = now
				s.publishOnce(ctx, c)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// reviewsEnded returns how many records the log has, and whether one of those after the first
// so many ends a review. Of the first ones it looks at none.
func (s *Service) reviewsEnded(ctx context.Context, seen int64) (size int64, ended bool, err error) {
	head, err := s.DB.LogHead(ctx)
	if err != nil || seen == 0 {
		return head.Size, false, err
	}
	for r, err := range s.DB.LogRecords(ctx, seen, head.Size) {
		if err != nil {
			return 0, false, err
		}
		ended = ended || r.Action == audit.ReviewClosed || r.Action == audit.DecisionMade && r.Outcome == audit.Outcome(store.SignOff)
	}
	return head.Size, ended, nil
}

func (s *Service) publishOnce(ctx context.Context, c *config.Config) {
	held, err := s.DB.Locks().Try(ctx, publishLock)
	if errors.Is(err, lock.ErrLocked) {
		return // another process does
	}
	if err == nil {
		_, err = audit.Publish(ctx, s.DB, c.Publish.Directory)
		held.Unlock()
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	s.Log.Error("the log of the audit trail is not published", "directory", c.Publish.Directory, "error", err)
	if err := s.enqueue(ctx, queue.Job(alert.LogNotPublished.Job(c.Publish.Directory))); err != nil && ctx.Err() == nil {
		s.Log.Error("the alert could not be enqueued", "error", err)
	}
}
