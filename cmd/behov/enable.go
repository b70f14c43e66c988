package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) enableCommand() *cobra.Command {
	var target, reason, by string
	cmd := &cobra.Command{
		Use:   "enable PERSON",
		Short: "Let accounts be enabled that someone else than behov disabled",
		Long: `Let a person's accounts be enabled again that were disabled in their targets by
someone else than behov, for instance by IT security. behov never does that by
itself: it reports them (behov plan) and holds the step. What the person does
not need stays disabled, and so does everything of a person who is suspended.
A person cannot enable their own accounts.`,
		Example: "  behov enable 1004 --reason \"the incident is closed, ticket 2026-811\" --by 1001\n  behov enable 1004 --target ad --reason \"…\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.Enable(ctx, args[0], target, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(decided)
			}
			a.printf("Decided (%d): the accounts of %s that someone else disabled are enabled at the next apply, where the person needs them.\n", decided.Seq, d.about(decided))
			return nil
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "only in this target")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
