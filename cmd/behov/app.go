package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
)

// app is what all subcommands share.
type app struct {
	dir    string
	json   bool
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	now    func() time.Time
	// patience is for how long a run waits for another one to be done.
	patience time.Duration
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "behov",
		Short: "Give every person exactly the access their work needs, and prove it",
		Long: `behov reads what HR knows, works out from rules which entitlements each person
needs, brings the accounts and memberships in your directories to that state,
and keeps an audit trail of who had access to what, when and why.`,
		Example: `  behov demo                      # see it work, on a made-up municipality
  behov init mykommun             # start a configuration of your own
  behov -c mykommun plan          # what would change, and why`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&a.dir, "config", "c", ".", "directory of the configuration (behov.yaml)")
	root.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON")
	root.AddCommand(a.demoCommand(), a.initCommand(), a.checkCommand(), a.connectorsCommand(), a.mfaCommand(), a.accountCommand(), a.peopleCommand(), a.rightsCommand(), a.suspendCommand(), a.enableCommand(), a.serveCommand(), a.hrCommand(), a.tokenCommand(), a.planCommand(), a.applyCommand(),
		a.explainCommand(), a.auditCommand(), a.reviewCommand(), a.holdCommand(), a.stepsCommand(), a.pauseCommand(), a.resumeCommand(), a.statusCommand(), a.targetCommand(), a.dbCommand(), a.backupCommand(), a.restoreCommand(), a.versionCommand())
	return root
}

// knownCommand refuses what is none of a group's commands, where cobra prints
// the group's help and is content: behov hold relase in a script released
// nothing and went well.
func knownCommand(root *cobra.Command, args []string) error {
	group, rest, err := root.Find(args)
	if err != nil || group == root || group.Runnable() || group.ParseFlags(rest) != nil || len(group.Flags().Args()) == 0 {
		return nil //nolint:nilerr // cobra says it
	}
	name, maybe := group.Flags().Arg(0), ""
	group.SuggestionsMinimumDistance = 2
	if like := group.SuggestionsFor(name); len(like) > 0 {
		maybe = "; did you mean " + strings.Join(like, " or ") + "?"
	}
	return fmt.Errorf("unknown command %q for %q%s", name, group.CommandPath(), maybe)
}

// installation is an opened configuration.
type installation struct {
	config *config.Config
	db     *store.DB
	zone   *time.Location
}

// open loads the configuration and opens the database. Warnings are printed;
// problems are, too, and fail.
func (a *app) open(ctx context.Context) (*installation, error) {
	c, err := a.load()
	if err != nil {
		return nil, err
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
	return &installation{config: c, db: db, zone: c.Zone}, nil
}

func (a *app) load() (*config.Config, error) {
	c, problems := config.Load(a.dir)
	for _, p := range problems {
		if c == nil || p.Warning {
			fmt.Fprintln(a.stderr, p.Error())
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
			if err := a.printPauses(cmd.Context(), i); err != nil {
				return errors.Join(err, i.db.Close())
			}
		}
		err = f(cmd.Context(), i, args)
		var status exit
		if i.db.IsNew() && cmd.Name() != "serve" && (err == nil || errors.As(err, &status)) {
			fmt.Fprintf(a.stderr, "Created a new database at %s.\n", placeOf(i.config.Database))
		}
		return errors.Join(err, i.db.Close())
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
	e = &reconcile.Engine{DB: i.db, Config: i.config, Targets: connected, Now: a.now, Actor: actor, Progress: p.show, RetryAllSteps: true, LockWait: a.patience}
	return e, func() { p.done(); closeTargets(connected) }, nil
}

func closeTargets(connected map[string]connectors.Connector) {
	_ = targets.Disconnect(connected) // nothing is under way any more
}

func (a *app) governance(i *installation) *governance.Governance {
	return &governance.Governance{DB: i.db, Config: i.config, Now: a.now}
}

func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(a.stdout, format, args...)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
