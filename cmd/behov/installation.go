package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
	"github.com/behov/behov/internal/wording"
)

// installation is an opened configuration.
type installation struct {
	config *config.Config
	db     *store.DB
	zone   *time.Location
}

// open loads the configuration and opens the database. Warnings are printed;
// problems are, too, and fail.
func (a *app) open(ctx context.Context) (*installation, error) {
	c, wrong := a.load()
	if wrong != nil {
		return a.openApproved(ctx, wrong)
	}
	master, err := masterKey(c)
	if err != nil {
		return nil, err
	}
	db, err := store.Open(ctx, c.Database, master)
	if err != nil {
		return nil, err
	}
	db.SetOperator(currentUser().operator())
	inForce, err := reconcile.RulesInForce(ctx, db, c)
	if err != nil {
		return nil, errors.Join(inZone{err, c.Zone}, db.Close())
	}
	return &installation{config: inForce, db: db, zone: c.Zone}, nil
}

// openApproved opens the installation with the approved version of the rules, where rules need
// approval and those of the files are wrong; it returns what is wrong otherwise.
func (a *app) openApproved(ctx context.Context, wrong error) (*installation, error) {
	settings := config.LoadSettings(a.dir)
	if settings == nil || !settings.RulesApproval {
		return nil, wrong
	}
	master, err := masterKey(settings)
	if err != nil {
		return nil, wrong // it was said first
	}
	db, err := store.Open(ctx, settings.Database, master)
	if err != nil {
		return nil, errors.Join(wrong, err)
	}
	c, err := reconcile.ApprovedConfig(ctx, db, settings)
	if err != nil || c == nil {
		return nil, errors.Join(wrong, err, db.Close())
	}
	db.SetOperator(currentUser().operator())
	fmt.Fprintf(a.stderr, "The rules of the files cannot be used; version %.12s, which was approved, stays in force.\n", c.Rules.Digest)
	return &installation{config: c, db: db, zone: c.Zone}, nil
}

func (a *app) load() (*config.Config, error) {
	c, problems := config.Load(a.dir)
	for _, p := range problems {
		if c == nil || p.Warning {
			fmt.Fprintln(a.stderr, printerFor(wording.Reader{Place: wording.Shell}).Problem(p))
		}
	}
	if c == nil {
		return nil, fmt.Errorf("the configuration has %s", count(errorsIn(problems), "problem", "problems"))
	}
	return c, nil
}

func errorsIn(problems []diagnostic.Problem) int {
	n := 0
	for _, p := range problems {
		if !p.Warning {
			n++
		}
	}
	return n
}

// withInstallation makes of f, which needs an installation, what cobra runs.
func (a *app) withInstallation(f func(ctx context.Context, i *installation, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		i, err := a.open(cmd.Context())
		if err != nil {
			return err
		}
		if cmd.Name() != "serve" { // serve logs it, and names no person
			pauses, err := i.pauses(cmd.Context(), a.view(cmd.Context(), i))
			if err != nil {
				return errors.Join(err, i.db.Close())
			}
			a.printPauses(a.localBackend(i, ""), pauses)
		}
		err = f(cmd.Context(), i, args)
		var status exit
		if i.db.IsNew() && cmd.Name() != "serve" && (err == nil || errors.As(err, &status)) {
			fmt.Fprintf(a.stderr, "Created a new database at %s.\n", placeOf(i.config.Database))
		}
		if err = errors.Join(err, i.db.Close()); err != nil {
			return inZone{err, i.zone}
		}
		return nil
	}
}

// engine connects the targets. Call done when finished with them.
func (a *app) engine(ctx context.Context, i *installation) (e *reconcile.Engine, done func(), err error) {
	actor, err := a.actor(ctx, i)
	if err != nil {
		return nil, nil, err
	}
	connected, err := targets.Connect(i.config, i.db)
	if err != nil {
		return nil, nil, err
	}
	p := newProgress(a.stderr)
	e = &reconcile.Engine{DB: i.db, Config: i.config, Targets: connected, Now: a.now, Actor: actor, Progress: p.show, RetryAllSteps: true, LockWait: a.patience, Passes: targets.PassSink(i.config.FirstPass)}
	return e, func() { p.done(); closeTargets(connected) }, nil
}

func closeTargets(connected map[string]connectors.Connector) {
	_ = targets.Disconnect(connected) // nothing is under way any more
}

func (a *app) governance(i *installation) *governance.Governance {
	return &governance.Governance{DB: i.db, Config: i.config, Now: a.now}
}
