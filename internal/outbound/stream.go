package outbound

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
)

// message is what one delivery has. A record may give none, one or several.
type message struct {
	// record is the index of the record it is of; 0 for one that a receiver asked for.
	record int64
	// id is the same however often it is delivered.
	id   string
	kind string // the type of the event
	at   time.Time
	body []byte
}

// source makes messages of records.
type source interface {
	// messages returns what is delivered of a record, in its order.
	messages(ctx context.Context, r audit.Record) ([]message, error)
}

// asked is a source whose receiver may ask for messages besides.
type asked interface {
	// pending returns the messages that the receiver asked for, and how the cursor's
	// Pending looks when they are delivered.
	pending(cursor string) (messages []message, after string, err error)
}

// sink delivers messages.
type sink interface {
	// deliver delivers messages in their order and returns how many, from the first on,
	// the receiver took. Without an error they may be fewer than all.
	deliver(ctx context.Context, all []message) (taken int, err error)
}

// laterError says when a receiver wants to be asked again.
type laterError struct {
	after time.Duration
	err   error
}

func (e *laterError) Error() string { return e.err.Error() }
func (e *laterError) Unwrap() error { return e.err }

const (
	// chunk is how many records are read at a time.
	chunk = 100
	// atOnce is for how long a sink delivers before the cursor is moved.
	atOnce = 500 * time.Millisecond
	// firstRetry and mostRetry bound the intervals at which a receiver that did not take
	// an event is asked again, unless it says another itself.
	firstRetry = time.Second
	mostRetry  = 5 * time.Minute
	// takeOver is how often a process looks whether another still delivers the stream.
	takeOver = time.Second
	// checkLock is how often the process that delivers an idle stream looks whether its
	// lock is lost.
	checkLock = 5 * time.Second
)

// stream delivers one stream.
type stream struct {
	delivery
	db   *store.DB
	now  func() time.Time
	log  *slog.Logger
	wake chan struct{}

	source source
	sink   sink
}

// run delivers until ctx ends.
func (s *stream) run(ctx context.Context) {
	for ctx.Err() == nil {
		alone, err := s.db.Locks().Try(ctx, "events "+s.name)
		if err != nil {
			if !errors.Is(err, lock.ErrLocked) && ctx.Err() == nil {
				s.log.Error("the lock of a stream of events was not taken", "error", err)
			}
			sleep(ctx, takeOver)
			continue
		}
		s.deliverAlone(ctx, alone)
		alone.Unlock()
	}
}

// deliverAlone delivers while the lock is held.
func (s *stream) deliverAlone(ctx context.Context, alone *lock.Lock) {
	failures := 0
	var since time.Time
	for ctx.Err() == nil {
		if err := alone.Held(ctx); err != nil {
			if ctx.Err() == nil {
				s.log.Warn("the lock of a stream of events was lost", "error", err)
			}
			return
		}
		more, err := s.stepRecovered(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if failures++; failures == 1 {
				since = s.now()
			}
			again := queue.Backoff(failures, firstRetry, mostRetry)
			var later *laterError
			if errors.As(err, &later) {
				again = max(again, later.after)
			}
			s.sink = nil // its secrets and certificates are read again
			s.log.Warn("events were not delivered and are delivered again", "error", err, "failures", failures, "since", since, "again_in", again)
			sleep(ctx, again)
		default:
			if failures > 0 {
				s.log.Info("events are delivered again", "failures", failures, "since", since)
			}
			failures = 0
			if !more {
				s.await(ctx)
			}
		}
	}
}

// await waits for something new.
func (s *stream) await(ctx context.Context) {
	idle := time.NewTimer(checkLock)
	defer idle.Stop()
	select {
	case <-ctx.Done():
	case <-s.wake:
	case <-idle.C:
	}
}

// stepRecovered is step; what panics is an error.
func (s *stream) stepRecovered(ctx context.Context) (more bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			s.log.Error("delivering events failed: this is a defect in behov, please report it", "stack", string(debug.Stack()))
			err = errors.New("delivering events panicked")
		}
	}()
	return s.step(ctx)
}

// step delivers some records and moves the cursor behind those that the receiver took. It
// reports whether there are more.
func (s *stream) step(ctx context.Context) (more bool, err error) {
	cursor, err := s.db.OutboundCursor(ctx, s.name, s.fromStart, s.now())
	if err != nil {
		return false, err
	}
	if s.sink == nil {
		if s.source, s.sink, err = s.open(); err != nil || s.sink == nil { // a receiver that polls moves its cursor itself
			return false, err
		}
	}
	if err := s.deliverAsked(ctx, cursor); err != nil {
		return false, err
	}
	records, err := s.db.AuditRecordsAfter(ctx, cursor.Index, chunk)
	if err != nil || len(records) == 0 {
		return false, err
	}
	var all []message
	for _, r := range records {
		messages, err := s.source.messages(ctx, r)
		if err != nil {
			return false, fmt.Errorf("record %d: %w", r.Index, err)
		}
		all = append(all, messages...)
	}
	taken := 0
	if len(all) > 0 {
		taken, err = s.sink.deliver(ctx, all)
	}
	to := records[len(records)-1].Index
	if taken < len(all) {
		to = all[taken].record - 1
	}
	if moved := s.move(ctx, cursor.Index, to); moved != nil {
		return false, errors.Join(err, moved)
	}
	return taken < len(all) || len(records) == chunk, err
}

// deliverAsked delivers what the receiver asked for.
func (s *stream) deliverAsked(ctx context.Context, cursor store.OutboundCursor) error {
	source, ok := s.source.(asked)
	if !ok || cursor.Pending == "" {
		return nil
	}
	messages, after, err := source.pending(cursor.Pending)
	if err != nil || len(messages) == 0 {
		return err
	}
	if _, err := s.sink.deliver(ctx, messages); err != nil {
		return err
	}
	return s.db.Write(ctx, func(tx *store.Tx) error {
		return tx.ChangeOutboundCursor(ctx, s.name, s.now(), func(c *store.OutboundCursor) error {
			if c.Pending == cursor.Pending { // else there is more now, and it is asked again
				c.Pending = after
			}
			return nil
		})
	})
}

// move moves the cursor, also when the process is asked to stop: the receiver took what is
// before it.
func (s *stream) move(ctx context.Context, from, to int64) error {
	if to <= from {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return s.db.Write(ctx, func(tx *store.Tx) error {
		moved, err := tx.MoveOutboundCursor(ctx, s.name, from, to, s.now())
		if err == nil && !moved {
			err = errors.New("another process delivered the stream meanwhile")
		}
		return err
	})
}

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
