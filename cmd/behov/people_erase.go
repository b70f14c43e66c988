package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) eraseCommand() *cobra.Command {
	var reason, by string
	var yes bool
	cmd := &cobra.Command{
		Use:   "erase PERSON",
		Short: "Propose to destroy what is known of a person who has left",
		Long: `Propose to destroy everything personal that behov knows of a person who has left
and whose accounts are gone. Another person lets it through with behov hold
release; then it cannot be undone. What the person had access to stays in the audit
trail, under an ID that names no one, and a later export does not bring the person back
(behov people readmit). lifecycle.erase_after_days does the same by itself.`,
		Example: "  behov people erase 1004 --reason \"request of 3 March\" --yes",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if !yes {
				return errors.New("it cannot be undone: look at behov people show first, then say --yes")
			}
			proposal, err := d.Erase(ctx, args[0], reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(proposalJSON{proposal.Decision, holdOf(proposal)})
			}
			a.printProposal(proposal, "It cannot be undone.")
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&yes, "yes", false, "really")
	return cmd
}
