package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/store"
)

func (a *app) pullCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pull [SOURCE]",
		Short: "Read what HR sources have that is new, from where the configuration says",
		Long: `Read what a source has that is new, or all sources that say where they are read
from: a file, a directory (files are picked up when they are whole, the oldest
first, and archived when what they say is committed), a feed over HTTP, or an
SQL query. Exit status: 0 done, 3 something is held, 1 error or refused.`,
		Example: "  behov hr pull\n  behov hr pull contractors",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.opened(func(ctx context.Context, i *installation, args []string) error {
			var sources []config.Source
			for _, name := range sortedKeys(i.config.Sources) {
				s := i.config.Sources[name]
				if len(args) == 1 && args[0] == name || len(args) == 0 && pullable(s) {
					sources = append(sources, s)
				}
			}
			if len(sources) == 0 && len(args) == 1 {
				return fmt.Errorf("there is no source %q under hr.sources", args[0])
			}
			if len(sources) == 0 {
				return errors.New("no source says where it is read from: give one a file, a directory, http or sql under hr.sources, or import a file (behov hr import)")
			}
			return a.pull(ctx, i, sources)
		}),
	}
}

func pullable(s config.Source) bool {
	return s.File != "" || s.Directory != nil || s.HTTP != nil || s.SQL != nil
}

// pull reads sources, each by itself: one that cannot be read does not keep
// the others waiting.
func (a *app) pull(ctx context.Context, i *installation, sources []config.Source) error {
	actor, err := a.actor(ctx, i, "")
	if err != nil {
		return err
	}
	p := newProgress(a.stderr)
	importer := &hr.Importer{DB: i.db, Config: i.config, Now: a.now, Actor: actor, Progress: func(done, total int) { p.show("record events", done, total) }}
	reports := []*hr.Report{}
	var errs []error
	for _, s := range sources {
		of, err := importer.Pull(ctx, s)
		p.done()
		if err != nil {
			errs = append(errs, err)
		}
		reports = append(reports, of...)
	}
	if a.json {
		errs = append(errs, a.printJSON(reports))
	}
	held := false
	for _, r := range reports {
		if r.Refused != "" {
			errs = append(errs, fmt.Errorf("source %s: %s was refused: %s", r.Source, r.Name, r.Refused))
			continue
		}
		held = held || r.Held != nil
		if a.json {
			continue
		}
		a.printf("%s, %s: ", r.Source, r.Name)
		if err := a.printImport(r.Name, r); err != nil && r.Held == nil {
			errs = append(errs, err)
		}
	}
	if len(reports) == 0 && !a.json && len(errs) == 0 {
		a.printf("Nothing new.\n")
	}
	if err := errors.Join(errs...); err != nil || !held {
		return err
	}
	return exit(exitHeld)
}

// service is how behov serve runs.
type service struct {
	every     time.Duration
	apply     bool
	listen    string // empty for nowhere
	cert, key string
}

func (a *app) serveCommand() *cobra.Command {
	var s service
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Read HR sources again and again, be pushed to, and apply what follows",
		Long: `Read every HR source that says where it is read from again and again, and with
--apply bring the targets to the desired state when something is new, and when
a day begins. What is held waits for a release, and a source or a target that
does not answer is asked again the next time. It ends when it is interrupted.

With --listen, sources that say scim: true are pushed to over SCIM 2.0, at
/scim/v2, with a token that behov token make made. Without a certificate only a
loopback address is listened on, for a proxy beside it that encrypts.

A pushed user is an employment: externalId (or employeeNumber) says whose. Let it
be a number: it is shown where names are masked, and an address is not taken. The enterprise extension's department is the unit, title and userType are
the job's, manager is another user. What SCIM has no name for is in the extension
urn:behov:params:scim:schemas:extension:employment:1.0:User (see /scim/v2/Schemas):
startDate, endDate, jobCode, percent, nationalId, protected and more. A user who
is not active has ended yesterday; a deleted one never began.`,
		Example: "  behov serve --every 30s --apply\n  behov serve --apply --listen :8443 --cert behov.crt --cert-key behov-crt.key",
		Args:    cobra.NoArgs,
		RunE: a.opened(func(ctx context.Context, i *installation, _ []string) error {
			switch {
			case s.every < time.Second:
				return errors.New("--every: not more often than every second")
			case (s.cert == "") != (s.key == ""):
				return errors.New("--cert and --cert-key belong together")
			case s.listen == "" && s.cert != "":
				return errors.New("--cert is for --listen")
			}
			return a.serve(ctx, i, s)
		}),
	}
	cmd.Flags().DurationVar(&s.every, "every", time.Minute, "how often the sources are read")
	cmd.Flags().BoolVar(&s.apply, "apply", false, "apply what follows")
	cmd.Flags().StringVar(&s.listen, "listen", "", "HOST:PORT on which sources are pushed to")
	cmd.Flags().StringVar(&s.cert, "cert", "", "file with the certificate, in PEM")
	cmd.Flags().StringVar(&s.key, "cert-key", "", "file with the certificate's key, in PEM")
	return cmd
}

// serve reads and listens until ctx ends, or until it cannot listen.
func (a *app) serve(ctx context.Context, i *installation, s service) error {
	if s.listen == "" {
		a.follow(ctx, i, s.every, s.apply)
		return nil
	}
	// A push is nobody's at the keyboard.
	h, err := server.New(&hr.Importer{DB: i.db, Config: i.config, Now: a.now, Actor: "behov"}, i.config.Sources)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	followed := make(chan struct{})
	go func() { defer close(followed); a.follow(ctx, i, s.every, s.apply) }()
	err = server.Serve(ctx, s.listen, s.cert, s.key, h)
	stop()
	<-followed
	return err
}

// follow reads the sources again and again, and applies what is new.
func (a *app) follow(ctx context.Context, i *installation, every time.Duration, apply bool) {
	var sources []config.Source
	for _, name := range sortedKeys(i.config.Sources) {
		if s := i.config.Sources[name]; pullable(s) {
			sources = append(sources, s)
		}
	}
	applied := struct {
		heads store.Heads
		day   string
	}{}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if len(sources) > 0 {
			if err := a.pull(ctx, i, sources); err != nil && ctx.Err() == nil {
				fmt.Fprintln(a.stderr, "behov:", err)
			}
		}
		heads, err := i.db.Heads(ctx)
		day := a.now().In(i.zone).Format(time.DateOnly)
		if err == nil && apply && (heads.Events != applied.heads.Events || heads.Decisions != applied.heads.Decisions || day != applied.day) {
			if err := a.applyOnce(ctx, i); err == nil {
				applied.heads, applied.day = heads, day
			} else if ctx.Err() == nil {
				fmt.Fprintln(a.stderr, "behov:", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *app) applyOnce(ctx context.Context, i *installation) error {
	e, done, err := a.engine(ctx, i)
	if err != nil {
		return err
	}
	defer done()
	r, err := e.Run(ctx, reconcile.Options{})
	if err != nil {
		return err
	}
	a.printResult(r, newNames(ctx, i.db))
	return r.Err()
}
