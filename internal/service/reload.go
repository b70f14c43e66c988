package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"runtime/debug"
	"strings"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/build"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// reload takes up a new version of the configuration and its rules when the
// files have changed and lie still. A version with a problem is refused, once
// and loudly, and the old one kept.
func (s *Service) reload(ctx context.Context, now bool) {
	if s.Load == nil {
		return
	}
	old := s.current.Load()
	stamp := s.stamp(ctx, old.config)
	switch {
	case stamp == s.seen && !now:
		return
	case stamp != s.writing && !now: // an editor may still be writing
		s.writing = stamp
		return
	}
	s.seen, s.writing = stamp, stamp
	if err := s.tryReplace(ctx, old); err != nil {
		s.Log.Error("the new configuration is refused and the old one kept", "error", err)
		s.refused.Store(&err)
		return
	}
	s.refused.Store(nil)
}

// Refused says why the configuration's newest version is not in use; nil when
// it is.
func (s *Service) Refused() error {
	if err := s.refused.Load(); err != nil {
		return *err
	}
	return nil
}

// tryReplace replaces the configuration; what panics about the new version is an
// error with it.
func (s *Service) tryReplace(ctx context.Context, old *generation) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("reading the new configuration failed: %v", r)
			s.Log.Error("reading the new configuration failed: this is a defect in behov, please report it", "panic", r, "stack", string(debug.Stack()))
		}
	}()
	return s.replace(ctx, old)
}

func (s *Service) replace(ctx context.Context, old *generation) error {
	c, err := s.Load()
	switch {
	case err != nil:
		return err
	case c.Digest() == old.config.Digest() && c.Rules.Digest == old.config.Rules.Digest && inDirectory(c) == inDirectory(old.config):
		s.seen = s.stamp(ctx, c)
		if s.Refused() != nil {
			s.Log.Info("the files say again what is in use", "version", c.Digest())
		}
		return nil
	case c.Database != old.config.Database || c.Key != old.config.Key:
		return errors.New("the database or the key changed: restart behov")
	}
	if c.Rules.Digest != old.config.Rules.Digest {
		if err := s.compareNew(ctx, c); err != nil {
			return err
		}
	}
	g, err := s.newGeneration(c)
	if err != nil {
		return err
	}
	if err := s.record(ctx, c); err != nil {
		s.retire(g)
		return err
	}
	if err := s.worker.AddTargets(names(c)); err != nil {
		s.retire(g)
		return err
	}
	s.current.Store(g)
	s.events.Use(c)
	s.seen = s.stamp(ctx, c)
	s.writing = s.seen
	s.Log.Info("a new configuration is in use", "version", c.Digest(), "rules", c.Rules.Digest)
	s.retired.Go(func() { s.retire(old) })
	s.worker.SetSchedule(s.schedule(c))
	return s.enqueue(ctx, queue.Run{Because: "configuration " + c.Digest()})
}

// record keeps the text of the configuration when it is new, and records that
// it is in use when another was before. It logs what is left of targets that are
// not in it.
func (s *Service) record(ctx context.Context, c *config.Config) error {
	left, err := reconcile.UnconfiguredTargets(ctx, s.DB, c)
	if err != nil {
		return err
	}
	for _, k := range left {
		s.Log.Warn("a target is not in the configuration, and its accounts are left as they are, also those of people who leave", "target", k.Target, "accounts", k.Accounts, "access", k.Access, "open_steps", k.OpenSteps, "failing_steps", k.FailingSteps)
	}
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		changed, err := tx.RecordVersionInUse(ctx, store.Version{Kind: store.ConfigurationVersion, Digest: c.Digest(), Content: c.Text()}, s.Now())
		if changed {
			tx.Audit(audit.Record{At: s.Now(), Actor: identity.System, Action: audit.ConfigInUse, Reason: reason.Of(reason.ConfigUsed{Digest: c.Digest()})})
		}
		return err
	})
}

// recordProgram keeps what the program was built from when that is new, and
// records that it is in use when another was before.
func (s *Service) recordProgram(ctx context.Context, i build.Info) error {
	return s.DB.Write(ctx, func(tx *store.Tx) error {
		changed, err := tx.RecordVersionInUse(ctx, store.Version{Kind: store.ProgramVersion, Digest: i.Digest(), Content: i.Text()}, s.Now())
		if changed {
			tx.Audit(audit.Record{At: s.Now(), Actor: identity.System, Action: audit.VersionInUse, Reason: reason.Of(reason.VersionUsed{Version: i.String(), Digest: i.Digest()})})
		}
		return err
	})
}

// inDirectory returns the digest of the rules in the files; empty when they are in force.
func inDirectory(c *config.Config) string {
	if c.InDirectory == nil {
		return ""
	}
	return c.InDirectory.Rules.Digest
}

// stamp changes when a file of the configuration does, or the approved version of the rules.
func (s *Service) stamp(ctx context.Context, c *config.Config) string {
	stamp := stampOf(c.Files)
	if !c.RulesApproval {
		return stamp
	}
	d, _, err := s.DB.ApprovedRules(ctx)
	if err != nil {
		s.Log.Warn("which rules are approved cannot be read", "error", err)
		return s.seen // it is looked at again
	}
	return fmt.Sprintf("%srules %d\n", stamp, d.Seq)
}

// stampOf changes when one of the files does.
func stampOf(files []config.Read) string {
	var b strings.Builder
	for _, f := range files {
		info, err := os.Stat(f.Path)
		if err != nil {
			fmt.Fprintf(&b, "%s gone\n", f.Path)
			continue
		}
		fmt.Fprintf(&b, "%s %d %d\n", f.Path, info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

// ServeHTTP passes a request on to what Listen made of the configuration in use.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.current.Load() == nil {
		w.Header().Set("Retry-After", "1") // RFC 9110 §10.2.3, in seconds
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	g, done := s.acquireGeneration()
	defer done()
	if g.handler == nil {
		http.NotFound(w, r)
		return
	}
	g.handler.ServeHTTP(w, r)
}
