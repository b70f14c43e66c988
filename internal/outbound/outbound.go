// Package outbound tells systems outside what behov decided and changed: it reads the audit
// trail in its order, turns each decision and each change of access into an event, and
// delivers it to webhooks, files, syslog collectors and receivers of the OpenID Shared
// Signals Framework, at least once and in order, from where each stream stopped.
//
// It must never send a personal value that the operator did not configure for the receiver,
// never open what is sealed, never skip an event that a receiver did not take, and never
// make a change of access, or another stream, wait for a receiver.
package outbound

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/store"
)

// Dispatcher delivers the events of one process's configuration. Of several processes on
// one database one at a time delivers a stream, and when it dies another takes it over.
type Dispatcher struct {
	DB  *store.DB
	Now func() time.Time
	Log *slog.Logger

	mu      sync.Mutex
	ctx     context.Context // of Run; nil before and afterwards
	want    []delivery
	streams map[string]*running
	active  sync.WaitGroup
}

// delivery is a stream as it is configured.
type delivery struct {
	name      string
	fromStart bool
	dir       string
	settings  any // by which a change is noticed
	open      func() (source, sink, error)
}

// running is a stream that is being delivered.
type running struct {
	delivery
	stop context.CancelFunc
	wake chan struct{}
	done chan struct{}
}

// othersPoll is how often the dispatcher looks for what other processes recorded; it learns
// at once of what its own process recorded.
const othersPoll = 200 * time.Millisecond

// Use replaces the streams by those of a configuration. Streams whose settings are the
// same go on.
func (d *Dispatcher) Use(c *config.Config) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = deliveries(c, d.DB, d.Now)
	d.startStreams()
}

// Run delivers until ctx ends, and returns when nothing is under way any more.
func (d *Dispatcher) Run(ctx context.Context) {
	d.mu.Lock()
	d.ctx = ctx
	d.startStreams()
	d.mu.Unlock()
	d.watch(ctx)
	d.mu.Lock()
	d.ctx = nil
	d.mu.Unlock()
	d.active.Wait()
}

// startStreams brings what runs to what is wanted. A stream whose settings changed waits
// for its former self.
func (d *Dispatcher) startStreams() {
	if d.ctx == nil {
		return
	}
	wanted := map[string]delivery{}
	for _, w := range d.want {
		wanted[w.name] = w
	}
	former := map[string]*running{}
	for name, r := range d.streams {
		if w, ok := wanted[name]; ok && reflect.DeepEqual(w.settings, r.settings) && w.dir == r.dir {
			delete(wanted, name)
			continue
		}
		r.stop()
		former[name] = r
		delete(d.streams, name)
	}
	if d.streams == nil {
		d.streams = map[string]*running{}
	}
	for name, w := range wanted {
		ctx, stop := context.WithCancel(d.ctx)
		r := &running{delivery: w, stop: stop, wake: make(chan struct{}, 1), done: make(chan struct{})}
		d.streams[name] = r
		before := former[name]
		d.active.Go(func() {
			defer close(r.done)
			defer stop()
			if before != nil {
				<-before.done
			}
			s := &stream{delivery: r.delivery, db: d.DB, now: d.Now, log: d.Log.With("stream", name), wake: r.wake}
			s.run(ctx)
		})
	}
}

// watch wakes the streams when there is something new, until ctx ends.
func (d *Dispatcher) watch(ctx context.Context) {
	tick := time.NewTicker(othersPoll)
	defer tick.Stop()
	last, pending := int64(-1), map[string]string{}
	var failed time.Time
	for {
		appended := d.DB.AuditAppended()
		var cursors map[string]store.OutboundCursor
		head, err := last, error(nil)
		if d.delivers() {
			cursors, head, err = d.DB.OutboundCursors(ctx)
		}
		switch {
		case err != nil && ctx.Err() == nil && time.Since(failed) > time.Minute:
			failed = time.Now()
			d.Log.Error("looking for events to deliver failed", "error", err)
		case err == nil:
			if head != last {
				d.wake("")
			}
			last = head
			for name, c := range cursors {
				if c.Pending != pending[name] {
					pending[name] = c.Pending
					d.wake(name)
				}
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-appended:
		case <-tick.C:
		}
	}
}

// delivers reports whether there is any stream.
func (d *Dispatcher) delivers() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.streams) > 0
}

// wake wakes a stream, or all for the empty name.
func (d *Dispatcher) wake(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for n, r := range d.streams {
		if name != "" && n != name {
			continue
		}
		select {
		case r.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

// deliveries returns the streams of a configuration.
func deliveries(c *config.Config, db *store.DB, now func() time.Time) []delivery {
	var all []delivery
	for _, s := range c.Events {
		d := delivery{name: s.Name, fromStart: s.FromStart, dir: c.Dir, settings: s}
		switch {
		case s.Webhook != nil:
			d.open = func() (source, sink, error) {
				out, err := newWebhook(c.Dir, s.Webhook, now)
				return cloudEvents{}, out, err
			}
		case s.File != "":
			d.open = func() (source, sink, error) { return cloudEvents{}, &file{path: s.File}, nil }
		case s.Syslog != nil:
			d.open = func() (source, sink, error) {
				out, err := newSyslog(s.Syslog)
				return cloudEvents{}, out, err
			}
		case s.SSF != nil:
			all = append(all, receivers(c, s, db, now)...)
			continue
		}
		all = append(all, d)
	}
	return all
}

// receivers returns a stream for each receiver of a transmitter.
func receivers(c *config.Config, s config.EventStream, db *store.DB, now func() time.Time) []delivery {
	var all []delivery
	for _, r := range s.SSF.Receivers {
		d := delivery{name: CursorName(s.Name, r.Name), dir: c.Dir, settings: []any{s.SSF.Issuer, s.SSF.Key, r}}
		d.open = func() (source, sink, error) {
			if r.Push == nil { // Handler answers it when it polls
				return nil, nil, nil
			}
			t, err := newTransmitter(c.Dir, s.SSF, db, now)
			if err != nil {
				return nil, nil, err
			}
			out, err := newPush(c.Dir, r.Push, now)
			return &signals{transmitter: t, receiver: r}, out, err
		}
		all = append(all, d)
	}
	return all
}

// CursorName returns the name of the cursor of a transmitter's receiver.
func CursorName(stream, receiver string) string { return stream + "/" + receiver }

// StreamNames returns the names of the cursors of a configuration's streams.
func StreamNames(c *config.Config) []string {
	var names []string
	for _, d := range deliveries(c, nil, nil) {
		names = append(names, d.name)
	}
	return names
}
