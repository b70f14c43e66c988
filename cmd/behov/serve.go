package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/scimserver"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/targets"
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
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
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
	actor, err := a.actor(ctx, i)
	if err != nil {
		return err
	}
	v := a.view(ctx, i)
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
		said := []importJSON{}
		for _, r := range reports {
			said = append(said, importOf(v, r))
		}
		errs = append(errs, a.printJSON(itemsOf(said)))
	}
	held := false
	for _, r := range reports {
		if r.Refused != "" {
			errs = append(errs, fmt.Errorf("source %s: %s was refused: %s", r.Source, r.Name, r.Refused))
			continue
		}
		mustDecide := r.Held != nil || r.EndingsHeld != nil || len(r.StartsHeld) > 0
		held = held || mustDecide
		if a.json {
			continue
		}
		a.printf("%s, %s: ", r.Source, r.Name)
		if err := a.printImport(v, r.Name, r, false); err != nil && !mustDecide {
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

// serving is how behov serve runs.
type serving struct {
	every     time.Duration
	apply     bool
	listen    string // empty for nowhere
	metrics   string // empty for nowhere
	cert, key string
}

func (a *app) serveCommand() *cobra.Command {
	var s serving
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run as a service: read HR, be pushed to, and keep the targets as they should be",
		Long: `Run until interrupted. HR sources that say where they are read from are read on
their schedules (every: 5m under the source, else --every). With --apply, what HR
or a decision says of a person is in the targets within a second; everybody in a
target is looked at on its schedule (reconcile_every under the target, else every
hour), when a day begins, and when behov starts. What is held waits for a
release. A source or a target that does not answer is asked again, and so is
whatever could not be done.

Several may serve one PostgreSQL database: they share the work, and when one dies
another takes it up. On SQLite one serves, and other commands work beside it.

With --listen, /health says that the process lives and /ready that it works, and
sources that say scim: true are pushed to over SCIM 2.0, at /scim/v2, with a
token that behov token make made. Without a certificate only a loopback address
is listened on, for a proxy beside it that encrypts.

A new version of the configuration, the rules or the certificate is taken up when
its files have been still for a few seconds, or at once on SIGHUP. One with a
problem is refused, and the log says where it is; the old one is kept. Each that
was in use is recorded.

A pushed user is an employment: externalId (or employeeNumber) says whose. Let it
be a number: it is shown where names are masked, and an address is not taken. The
enterprise extension's department is the unit, title and userType are the job's,
manager is another user. What SCIM has no name for is in the extension
urn:behov:params:scim:schemas:extension:employment:1.0:User (see /scim/v2/Schemas):
startDate, endDate, jobCode, percent, nationalId, protected and more. A user who
is not active has ended yesterday; a deleted one never began. A POST of one who is
not active brings them back under the same ID: with another employment when it
begins after the last one ended. What a request does
not state of active, startDate, protected or a whole extension stays as it was;
attributes that no schema has are ignored, and the log names them.

With --metrics, Prometheus reads what is done, what is open, held, failed or late
there; no person is named. Who is told by mail or over a webhook when something is
held, a step failed for good, or HR is silent, refused or mostly unusable stands
under alerts in behov.yaml. Traces from an HR event to the targets go where
OTEL_EXPORTER_OTLP_ENDPOINT says.

The log is on standard error, one line for each thing, with --json as JSON. It
names people by opaque ID only.`,
		Example: "  behov serve --every 30s --apply\n  behov serve --apply --listen :8443 --cert behov.crt --cert-key behov-crt.key",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			switch {
			case s.listen != "" && s.listen == s.metrics:
				return errors.New("--metrics must be another address than --listen")
			case s.every < time.Second:
				return errors.New("--every: not more often than every second")
			case (s.cert == "") != (s.key == ""):
				return errors.New("--cert and --cert-key belong together")
			case s.listen == "" && s.metrics == "" && s.cert != "":
				return errors.New("--cert is for --listen and --metrics")
			}
			return a.serve(ctx, i, s)
		}),
	}
	cmd.Flags().DurationVar(&s.every, "every", time.Minute, "how often a source is read that does not say it itself")
	cmd.Flags().BoolVar(&s.apply, "apply", false, "apply what follows")
	cmd.Flags().StringVar(&s.listen, "listen", "", "HOST:PORT on which sources are pushed to, and health is asked for")
	cmd.Flags().StringVar(&s.metrics, "metrics", "", "HOST:PORT on which Prometheus reads /metrics")
	cmd.Flags().StringVar(&s.cert, "cert", "", "file with the certificate, in PEM")
	cmd.Flags().StringVar(&s.key, "cert-key", "", "file with the certificate's key, in PEM")
	return cmd
}

// loadAgain loads the configuration with every problem in one error.
func (a *app) loadAgain() (*config.Config, error) {
	c, problems := config.Load(a.dir)
	if c != nil {
		return c, nil
	}
	var errs []error
	for _, p := range problems {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return nil, errors.Join(errs...)
}

// serve serves and listens until ctx ends, or until it cannot.
func (a *app) serve(ctx context.Context, i *installation, s serving) error {
	var handler slog.Handler = slog.NewTextHandler(a.stderr, nil)
	if a.json {
		handler = slog.NewJSONHandler(a.stderr, nil)
	}
	sent, err := traces(ctx)
	if err != nil {
		return err
	}
	defer sent()
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	if i.db.IsNew() {
		slog.New(handler).Warn("created a new database; if there should be one already, stop and check that its disk is mounted", "database", placeOf(i.config.Database))
	}
	service := &service.Service{DB: i.db, Config: i.config, Now: a.now, Log: slog.New(handler), Every: s.every, Apply: s.apply, Again: again, Load: a.loadAgain,
		Connect: func(c *config.Config) (map[string]connectors.Connector, error) { return targets.Connect(c, i.db) }}
	service.Listen = func(c *config.Config, importer *hr.Importer) (http.Handler, error) {
		scim, err := scimserver.New(importer, c.Sources, scimserver.Host{Log: slog.New(handler), TokenRefused: service.TokenRefused})
		return server.New(service.Ready, map[string]http.Handler{scimserver.Path: scim}), err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", service.Metrics())
	listeners := map[*server.Listener]http.Handler{}
	for _, each := range []struct {
		flag, address string
		h             http.Handler
	}{{"--listen", s.listen, service}, {"--metrics", s.metrics, metrics}} {
		if each.address == "" {
			continue
		}
		l, err := server.Listen(ctx, each.address, s.cert, s.key, slog.New(handler))
		if err != nil {
			return fmt.Errorf("%s: %w", each.flag, err)
		}
		defer l.Close() //nolint:errcheck // it is closed already when it was served on
		listeners[l] = each.h
	}
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- service.Run(ctx)
	}()
	var listening []chan error
	for l, h := range listeners {
		done := make(chan error, 1)
		listening = append(listening, done)
		go func() {
			defer stop()
			done <- l.Serve(ctx, h)
		}()
	}
	err = <-served
	for _, done := range listening {
		err = errors.Join(err, <-done)
	}
	return err
}
