package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/client"
	"github.com/behov/behov/internal/rights"
)

// tokenOperations is what commands ask and decide about tokens.
type tokenOperations interface {
	// Tokens are those of the person who asks, or everyone's, with those of service accounts
	// and sources.
	Tokens(ctx context.Context, everyones bool) ([]api.Token, error)
	MakeToken(ctx context.Context, t client.NewToken) (api.MadeToken, error)
	RevokeToken(ctx context.Context, id, reason string) error
}

func (a *app) tokenListCommand() *cobra.Command {
	var mine bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the tokens, who has them, when they were last used, and when they expire",
		Example: "  behov token list\n  behov token list --mine",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.Tokens(ctx, !mine)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("There are no tokens.\n")
				return nil
			}
			tokens := a.newTable("ID", "OF", "NAME", "MADE", "USED", "EXPIRES", "REVOKED")
			for _, t := range all {
				at := func(instant *time.Time, none string) string {
					if instant == nil {
						return none
					}
					return instant.In(d.zone).Format("2006-01-02 15:04")
				}
				of := t.Source
				switch {
				case t.Owner != nil:
					of = d.name(*t.Owner)
				case t.Service != "":
					of = rights.ServicePrefix + t.Service
				}
				tokens.row(t.ID, of, t.Name, at(&t.Made, "-"), at(t.Used, "-"), at(t.Expires, "never"), at(t.Revoked, "-"))
			}
			return tokens.print()
		}),
	}
	cmd.Flags().BoolVar(&mine, "mine", false, "only those of the person who asks")
	return cmd
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a token for good",
		Example: "  behov token revoke 0199a1b2-… --reason \"the supplier's contract ended\"",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return errors.New("say why: --reason \"…\"")
			}
			if err := d.RevokeToken(ctx, args[0], reason); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(revokedTokenJSON{args[0]})
			}
			a.printf("Revoked. Whoever has it is refused from now on.\n")
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
