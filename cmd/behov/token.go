package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/governance"
)

func (a *app) tokenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Let an HR system or another identity platform push people",
		Long: `Make and revoke the tokens with which an HR system or another identity platform
pushes people over SCIM 2.0 (behov serve --listen) to a source that says
scim: true under hr.sources. A token is shown once, when it is made; behov keeps
only what it takes to know it again. It is for one source, and whoever has it
can say who works here: treat it as a password.`,
	}
	cmd.AddCommand(a.tokenMakeCommand(), a.tokenListCommand(), a.tokenRevokeCommand())
	return cmd
}

func (a *app) tokenMakeCommand() *cobra.Command {
	var name, by, expires string
	cmd := &cobra.Command{
		Use:   "make SOURCE",
		Short: "Make a token for a source, and print it this once",
		Long: `Make a token for a source, and print it this once. It works for 365 days unless
--expires says otherwise; an alert asks for a new one 30 and 7 days before. Make
the new one, give it to the system that pushes, and revoke the old one.`,
		Example: "  behov token make idp --name \"Entra ID\"\n  behov token make idp --name \"Entra ID\" --expires 2160h\n  behov token make idp --name \"Entra ID\" --expires 2027-06-30",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			s, ok := i.config.Sources[args[0]]
			switch {
			case !ok:
				return fmt.Errorf("there is no source %q under hr.sources", args[0])
			case !s.SCIM:
				return fmt.Errorf("the source %q is not pushed to: say scim: true under hr.sources.%s", args[0], args[0])
			case strings.TrimSpace(name) == "":
				return errors.New("say who will have it: --name \"Entra ID\"")
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
			if a.json {
				return a.printJSON(madeTokenJSON{t.ID, t.Name, t.Source, token, t.Expires()})
			}
			a.printf("%s\n", token)
			fmt.Fprintf(a.stderr, "Token %s for source %s, until %s. It is not shown again; behov token revoke %s ends it.\n", t.ID, t.Source, t.Expires().In(i.zone).Format("2006-01-02 15:04"), t.ID)
			return nil
		}),
	}
	cmd.Flags().StringVar(&name, "name", "", "who will have it")
	cmd.Flags().StringVar(&expires, "expires", "8760h", "how long it works, as 2160h, or the last day on which it does, as 2027-06-30")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
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
