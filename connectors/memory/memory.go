// Package memory is a target in this process, or in one local JSON file: for
// evaluation, for demonstrations and for tests of everything that needs a target
// but not a server.
//
// It must behave like a real target, taken names and unknown groups included, and
// must never accept what a directory would refuse.
package memory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

// Config is the initial state and the file.
type Config struct {
	// File keeps the state as JSON. Without it the state ends with the process.
	// Several processes may use one file at the same time.
	File string `yaml:"file"`
	// Groups are entitlements that exist from the start, in addition to those in
	// the file.
	Groups []string `yaml:"groups"`
	// References are attributes whose values are other accounts' IDs.
	References []string `yaml:"-"`
}

// Connector is a target in memory.
type Connector struct {
	cfg Config

	mu    sync.Mutex // guards state and file
	state *state
	file  *file // nil without a file
	// signIns are when accounts were last signed in to; nil when that is not told.
	signIns map[string]time.Time
}

var (
	_ connectors.Connector       = (*Connector)(nil)
	_ connectors.MFAReader       = (*Connector)(nil)
	_ connectors.SingleMFAReader = (*Connector)(nil)
	_ connectors.AccountReader   = (*Connector)(nil)
	_ connectors.AccountLocator  = (*Connector)(nil)
	_ connectors.GroupManager    = (*Connector)(nil)
)

// readAtOnce is the size in bytes up to which New reads a file, so that an
// invalid one is reported early.
const readAtOnce = 32 << 10

// New returns a connector. It reads the file when there is one, unless it is
// larger than readAtOnce, and writes nothing until a change is applied.
func New(cfg Config) (*Connector, error) {
	c := &Connector{cfg: cfg, state: newState(cfg.Groups)}
	if cfg.File == "" {
		return c, nil
	}
	c.file = &file{name: cfg.File, groups: cfg.Groups, large: largeFile}
	if info, err := os.Stat(cfg.File); err == nil && info.Size() >= readAtOnce {
		return c, nil // read on first use
	}
	if _, err := c.file.load(); err != nil {
		return nil, fmt.Errorf("memory target: %w", err)
	}
	return c, nil
}

// Capabilities implements connectors.Connector.
func (c *Connector) Capabilities() connectors.Capabilities {
	return connectors.Capabilities{
		connectors.Create:     connectors.Can(),
		connectors.Adopt:      connectors.Can(),
		connectors.Update:     connectors.Can(),
		connectors.References: connectors.Can("the other account's ID"),
		connectors.Rename:     connectors.Can(),
		connectors.Disable:    connectors.Can(),
		connectors.Delete:     connectors.Can(),
		connectors.Restore:    connectors.Cannot("deleted accounts cannot be restored"),
		connectors.Members:    connectors.Can(),
		connectors.Groups:     connectors.Can(),
		connectors.Password:   connectors.Cannot("a file has no sign-in"),
		connectors.MFA:        connectors.Can("an account's mfa flag"),
		connectors.Passes:     connectors.Cannot("a file has no sign-in"),
		connectors.SignIns:    connectors.Cannot("a file has no sign-in"),
		connectors.Sessions:   connectors.Cannot("a file has no sign-in"),
	}
}

// Check reports whether the file can be read and locked.
func (c *Connector) Check(ctx context.Context) error {
	_, err := c.read(ctx)
	return err
}

// Snapshot emits everything, sorted, as of one instant.
func (c *Connector) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	s, err := c.read(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	return s.emit(ctx, sink)
}

// emit emits everything, sorted.
func (s *state) emit(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		if err := ctx.Err(); err != nil {
			return connectors.Completeness{}, err
		}
		if err := sink.Account(s.accounts[id].Account); err != nil {
			return connectors.Completeness{}, err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		if err := ctx.Err(); err != nil {
			return connectors.Completeness{}, err
		}
		if err := sink.Entitlement(connectors.Entitlement{Name: name, ID: s.groups[name].ID, Mark: s.groups[name].Mark}); err != nil {
			return connectors.Completeness{}, err
		}
		for _, id := range slices.Sorted(maps.Keys(s.members[name])) {
			if _, ok := s.accounts[id]; !ok {
				id = "" // edited by hand
			}
			if err := sink.Membership(connectors.Membership{Entitlement: name, AccountID: id}); err != nil {
				return connectors.Completeness{}, err
			}
		}
	}
	return connectors.Completeness{Complete: true}, nil
}

// ReadAccounts implements connectors.AccountReader.
func (c *Connector) ReadAccounts(ctx context.Context, refs []connectors.AccountRef, entitlements []string, sink connectors.Sink) (connectors.Completeness, error) {
	few := newState(nil)
	err := c.look(ctx, func(s *state) {
		for _, ref := range refs {
			for _, id := range []string{ref.ID, s.byAnchor[ref.Anchor], s.byName[ref.Name]} {
				if a, ok := s.accounts[id]; ok {
					few.accounts[id] = a
				}
			}
		}
		for _, name := range entitlements {
			if s.members[name] == nil {
				continue
			}
			few.members[name], few.groups[name] = map[string]bool{}, s.groups[name]
			for id := range few.accounts {
				if s.members[name][id] {
					few.members[name][id] = true
				}
			}
		}
	})
	if err != nil {
		return connectors.Completeness{}, err
	}
	return few.emit(ctx, sink)
}

// FindAccounts implements connectors.AccountFinder.
func (c *Connector) FindAccounts(ctx context.Context, names []string, values map[string][]string, sink connectors.Sink) (connectors.Completeness, error) {
	few := newState(nil)
	has := func(values, wanted []string) bool {
		return slices.ContainsFunc(values, func(v string) bool {
			return slices.ContainsFunc(wanted, func(w string) bool { return connectors.MatchIgnoreCase.Same([]string{v}, []string{w}) })
		})
	}
	err := c.look(ctx, func(s *state) {
		for id, a := range s.accounts {
			found := has([]string{a.Name}, names)
			for attribute, wanted := range values {
				found = found || has(a.Attributes[attribute], wanted)
			}
			if found {
				few.accounts[id] = a
			}
		}
	})
	if err != nil {
		return connectors.Completeness{}, err
	}
	return few.emit(ctx, sink)
}

// LocateAccounts implements connectors.AccountLocator. The target has no other
// part than what Snapshot shows.
func (c *Connector) LocateAccounts(ctx context.Context, accounts []connectors.AccountRef, found func(connectors.Location) error) (connectors.Completeness, error) {
	var there []connectors.Location
	err := c.look(ctx, func(s *state) {
		for _, ref := range accounts {
			for _, id := range slices.Compact([]string{ref.ID, s.byAnchor[ref.Anchor]}) {
				if a, ok := s.accounts[id]; ok {
					there = append(there, connectors.Location{Account: a.Account, Place: "this target", InScope: true})
				}
			}
		}
	})
	if err != nil {
		return connectors.Completeness{}, err
	}
	for _, l := range there {
		if err := found(l); err != nil {
			return connectors.Completeness{}, err
		}
	}
	return connectors.Completeness{Complete: true}, nil
}

// MFAEnrolledFor implements connectors.SingleMFAReader.
func (c *Connector) MFAEnrolledFor(ctx context.Context, account connectors.AccountRef) (method connectors.MFAMethod, err error) {
	err = c.look(ctx, func(s *state) { method = s.accounts[account.ID].mfa })
	return method, err
}

// MFAEnrolled implements connectors.MFAReader.
func (c *Connector) MFAEnrolled(ctx context.Context, emit func(string, connectors.MFAMethod) error) (connectors.Completeness, error) {
	s, err := c.read(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		if s.accounts[id].mfa == connectors.NoMethod {
			continue
		}
		if err := emit(id, s.accounts[id].mfa); err != nil {
			return connectors.Completeness{}, err
		}
	}
	return connectors.Completeness{Complete: true}, nil
}

// LastSignIns implements connectors.SignInReader, once SignedIn said of any account.
func (c *Connector) LastSignIns(ctx context.Context, emit func(string, time.Time) error) (connectors.Completeness, error) {
	s, err := c.read(ctx)
	if err != nil {
		return connectors.Completeness{}, err
	}
	c.mu.Lock()
	signIns := maps.Clone(c.signIns)
	c.mu.Unlock()
	if signIns == nil {
		return connectors.Completeness{}, nil
	}
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		if err := emit(id, signIns[id]); err != nil {
			return connectors.Completeness{}, err
		}
	}
	return connectors.Completeness{Complete: true}, nil
}

// SignedIn has an account be signed in to last at a time, and those of which it said nothing
// never.
func (c *Connector) SignedIn(id string, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.signIns == nil {
		c.signIns = map[string]time.Time{}
	}
	c.signIns[id] = at
}

// Apply carries out the changes in order. With a file, either all changes with an
// outcome are on disk when it returns, or none.
func (c *Connector) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	var results []connectors.Result
	err := c.write(ctx, func(s *state) {
		s.references = c.cfg.References
		results = connectors.OneByOne(ctx, changes, s.apply)
	})
	if err != nil {
		results = make([]connectors.Result, len(changes))
		for i := range results {
			results[i].Err = err
		}
	}
	return results
}

// Close implements connectors.Connector. It merges the journal into the file, so
// that people can read it.
func (c *Connector) Close() error {
	if c.file == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.file.fold(); err != nil {
		return fmt.Errorf("memory target: %w", err)
	}
	return nil
}

// Put writes an account without permission checks, as another tool would: tests
// and demonstrations create foreign accounts, drift and MFA enrolments with it.
// An empty ID gets a new one, which is returned. By which method an account is enrolled it
// does not say: Enrol does.
func (c *Connector) Put(a connectors.Account, mfa bool) (string, error) {
	a.ID = cmp.Or(a.ID, uuid.NewString())
	method := connectors.NoMethod
	if mfa {
		method = connectors.UnknownMethod
	}
	err := c.write(context.Background(), func(s *state) { s.put(account{Account: a, mfa: method}) })
	return a.ID, err
}

// Enrol has an account be enrolled with a method, or with none.
func (c *Connector) Enrol(id string, method connectors.MFAMethod) error {
	return c.write(context.Background(), func(s *state) {
		if a, known := s.accounts[id]; known {
			a.mfa = method
			s.put(a)
		}
	})
}

// look calls f with the state, under the lock.
func (c *Connector) look(ctx context.Context, f func(*state)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.current()
	if err == nil {
		f(s)
	}
	return err
}

// current returns the current state; the caller holds c.mu while it uses it.
func (c *Connector) current() (*state, error) {
	if c.file == nil {
		return c.state, nil
	}
	// The file is replaced by a rename, so that reading needs no lock.
	s, err := c.file.load()
	if err != nil {
		return nil, connectors.Errorf(connectors.TargetDown, "memory target: %w", err)
	}
	return s, nil
}

// read returns an immutable state.
func (c *Connector) read(ctx context.Context) (s *state, err error) {
	err = c.look(ctx, func(now *state) {
		if s = now; c.file == nil || c.file.state != nil {
			s = now.clone()
		}
	})
	return s, err
}

// write calls change on the current state, and stores the result.
func (c *Connector) write(ctx context.Context, change func(*state)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		change(c.state)
		return nil
	}
	if err := c.file.update(change); err != nil {
		return connectors.Errorf(connectors.TargetDown, "memory target: %w", err)
	}
	return nil
}
