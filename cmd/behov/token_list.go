package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) tokenListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the tokens, who has them, when they were last used, and when they expire",
		Example: "  behov token list",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			all, err := i.db.Tokens(ctx)
			if err != nil {
				return err
			}
			if a.json {
				rows := []tokenJSON{}
				for _, t := range all {
					rows = append(rows, tokenJSON{t.ID, t.Name, t.Source, t.Created(), instant(t.Used()), instant(t.Revoked()), instant(t.Expires())})
				}
				return a.printJSON(itemsOf(rows))
			}
			if len(all) == 0 {
				a.printf("There are no tokens.\n")
				return nil
			}
			tokens := a.newTable("ID", "SOURCE", "NAME", "MADE", "USED", "EXPIRES", "REVOKED")
			for _, t := range all {
				at := func(instant time.Time) string {
					if instant.IsZero() {
						return "-"
					}
					return instant.In(i.zone).Format("2006-01-02 15:04")
				}
				expires := "never" // it was made before tokens expired
				if t.ExpiresUS != 0 {
					expires = at(t.Expires())
				}
				tokens.row(t.ID, t.Source, t.Name, at(t.Created()), at(t.Used()), expires, at(t.Revoked()))
			}
			return tokens.print()
		}),
	}
}

func (a *app) tokenRevokeCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "revoke ID",
		Short:   "End a token for good",
		Example: "  behov token revoke 0199a1b2-… --reason \"the supplier's contract ended\"",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			if strings.TrimSpace(reason) == "" {
				return errors.New("say why: --reason \"…\"")
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			if err := a.governance(i).RevokeToken(ctx, args[0], subject, reason); err != nil {
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
