package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/signin"
)

// serving is how behov serve runs.
type serving struct {
	every     time.Duration
	apply     bool
	listen    string // empty for nowhere
	metrics   string // empty for nowhere
	cert, key string
	local     string // whom a link lets in; empty for no one
	links     []*signin.Link
	insecure  bool // beyond loopback without TLS or a way to sign in
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
token that behov token make made. Where behov.yaml says how people sign in
(sign_in), they do so at /sign-in, and programs of theirs call the API at
/api/v1 (behov help sign-in, behov help api). On a loopback address both are
there without it, and --local-sign-in PERSON prints a link that lets that person
in once. Without a certificate only a loopback address
is listened on, for a proxy beside it that encrypts; --insecure-listen listens
elsewhere all the same. Certificates come from --cert, or by ACME (serve.acme in
behov.yaml). Forwarded headers are ignored unless they come from a proxy under
serve.trusted_proxies. Each request is a line in the log: its ID, which the answer
has as X-Request-Id, method, route, status, duration, size, the client's address
and the opaque ID of who sent it; no path, no query. A client that asks for more
than serve.limits gets 429 and Retry-After.

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
		Example: "  behov serve --every 30s --apply\n  behov serve --listen 127.0.0.1:8080 --local-sign-in 1001\n  behov serve --apply --listen :8443 --cert behov.crt --cert-key behov-crt.key",
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
			if s.local != "" && (!loopback(s.listen) || i.config.SignIn.Configured()) {
				return errors.New("--local-sign-in is for the first start: --listen on a loopback address, and no sign_in in behov.yaml")
			}
			return a.serve(ctx, i, s)
		}),
	}
	cmd.Flags().DurationVar(&s.every, "every", time.Minute, "how often a source is read that does not say it itself")
	cmd.Flags().BoolVar(&s.apply, "apply", false, "apply what follows")
	cmd.Flags().StringVar(&s.listen, "listen", "", "HOST:PORT on which sources are pushed to, and health is asked for")
	cmd.Flags().StringVar(&s.metrics, "metrics", "", "HOST:PORT on which Prometheus reads /metrics")
	cmd.Flags().StringVar(&s.cert, "cert", "", "file with the certificate, in PEM")
	cmd.Flags().BoolVar(&s.insecure, "insecure-listen", false, "listen beyond loopback even without TLS, or without a way to sign in")
	cmd.Flags().StringVar(&s.local, "local-sign-in", "", "PERSON whom a link on the terminal lets in once, from this machine, while behov.yaml has no sign_in")
	cmd.Flags().StringVar(&s.key, "cert-key", "", "file with the certificate's key, in PEM")
	return cmd
}
