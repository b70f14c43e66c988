package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/client"
	"github.com/behov/behov/internal/governance"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Let an HR system push people, or a program call the API",
		Long: `Make and revoke the tokens with which an HR system or another identity platform
pushes people over SCIM 2.0 (behov serve --listen) to a source that says
scim: true under hr.sources. A token is shown once, when it is made; behov keeps
only what it takes to know it again. It is for one source, and whoever has it
can say who works here: treat it as a password.

A person makes tokens of their own, too, with which a program calls the API as they
may (behov help server): behov token make --scope. An administrator makes those of
service accounts: programs that call the API as themselves.`,
	}
	cmd.AddCommand(a.tokenMakeCommand(), a.tokenListCommand(), a.tokenRevokeCommand())
	return cmd
}

func (a *app) tokenMakeCommand() *cobra.Command {
	var name, by, expires, service string
	var scopes, systems []string
	cmd := &cobra.Command{
		Use:   "make [SOURCE]",
		Short: "Make a token for a source, of your own or of a service account, and print it this once",
		Long: `Make a token for a source, and print it this once. It works for 365 days unless
--expires says otherwise; an alert asks for a new one 30 and 7 days before. Make
the new one, give it to the system that pushes, and revoke the old one. Tokens of
sources are made on the machine of the installation.

With --scope, make one of your own, with which a program calls the API as you: for
what the scopes say, as people:read, *:read or *:write, and with --system for these
systems alone. It is as surely yours as your sign-in, no fresher, and ends when you
leave.

With --service, make one of a service account of behov.yaml. It does what rights.csv
allows service:NAME, as far as the scopes go, and decides nothing. It ends when the
service account is not in behov.yaml any more, and when no person who is responsible
for it works here.`,
		Example: "  behov token make idp --name \"Entra ID\"\n  behov token make idp --name \"Entra ID\" --expires 2027-06-30\n  behov token make --scope access:read --system library --name \"the loan desk\" --expires 2160h\n  behov token make --service payroll --scope hr:write --name \"the payroll system\" --by 1001",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case (len(args) == 0) == (len(scopes) == 0):
				return errors.New("name the source that the token is for, or say with --scope what a token of your own is for")
			case len(args) > 0 && len(systems) > 0:
				return errors.New("--system goes with --scope")
			case len(args) > 0 && service != "":
				return errors.New("a token is for a source, or of a service account: leave --service or the source out")
			case len(args) > 0 && a.server != "":
				return errors.New("tokens of sources are made on the machine of the installation: leave --server out")
			case strings.TrimSpace(name) == "":
				return errors.New("say who will have it: --name \"Entra ID\"")
			}
			if len(args) > 0 {
				return a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
					return a.makeSourceToken(ctx, i, args[0], name, expires, by)
				})(cmd, args)
			}
			return a.withBackend(&by, func(ctx context.Context, d *backend, _ []string) error {
				until, err := expiry(expires, a.now(), d.zone)
				if err != nil {
					return err
				}
				made, err := d.MakeToken(ctx, client.NewToken{Name: name, Scopes: scopes, Systems: systems, Service: service, Expires: until})
				if err != nil {
					return err
				}
				purpose := "for " + strings.Join(scopes, ", ")
				if service != "" {
					purpose = "of the service account " + service + ", " + purpose
				}
				return a.printToken(d, made, purpose)
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&name, "name", "", "who will have it")
	cmd.Flags().StringVar(&expires, "expires", "8760h", "how long it works, as 2160h, or the last day on which it does, as 2027-06-30")
	cmd.Flags().StringVar(&service, "service", "", "with --scope: the service account that the token is of")
	cmd.Flags().StringSliceVar(&scopes, "scope", nil, "of a token of your own or a service account: what it is for, as people:read (may be given several times)")
	cmd.Flags().StringSliceVar(&systems, "system", nil, "with --scope: only for this system (may be given several times)")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) makeSourceToken(ctx context.Context, i *installation, source, name, expires, by string) error {
	s, ok := i.config.Sources[source]
	switch {
	case !ok:
		return fmt.Errorf("there is no source %q under hr.sources", source)
	case !s.SCIM:
		return fmt.Errorf("the source %q is not pushed to: say scim: true under hr.sources.%s", source, source)
	}
	until, err := expiry(expires, a.now(), i.zone)
	if err != nil {
		return err
	}
	subject, err := a.firstSubject(ctx, i, by)
	if err != nil {
		return err
	}
	token, t, err := a.governance(i).CreateToken(ctx, name, s.Name, until, subject)
	if errors.Is(err, governance.ErrTokenExpiry) {
		return fmt.Errorf("--expires %s: %w", expires, err)
	}
	if err != nil {
		return err
	}
	return a.printToken(a.localBackend(i, by), api.MadeToken{Token: api.TokenOf(a.view(ctx, i), t), Text: token}, "for source "+t.Source)
}

// printToken prints a token, this once.
func (a *app) printToken(d *backend, made api.MadeToken, purpose string) error {
	if a.json {
		return a.printJSON(made)
	}
	a.printf("%s\n", made.Text)
	fmt.Fprintf(a.stderr, "Token %s %s, until %s. It is not shown again; behov token revoke %s ends it.\n", made.ID, purpose, made.Expires.In(d.zone).Format("2006-01-02 15:04"), made.ID)
	return nil
}

// expiry understands how long a token works: a duration from now, or the last
// day in zone.
func expiry(text string, now time.Time, zone *time.Location) (time.Time, error) {
	until := time.Time{}
	if d, err := time.ParseDuration(text); err == nil {
		until = now.Add(d)
	} else if day, err := time.ParseInLocation(time.DateOnly, text, zone); err == nil {
		until = day.AddDate(0, 0, 1)
	} else {
		return until, fmt.Errorf("--expires %q is neither a duration, as 2160h, nor a day, as 2027-06-30; every token expires", text)
	}
	return until, nil
}
