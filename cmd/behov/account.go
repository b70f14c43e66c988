package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
)

// accountDecider is what commands decide about accounts.
type accountDecider interface {
	Bind(ctx context.Context, ref, target, account, reason string) (api.Proposal, error)
	Enable(ctx context.Context, ref, target, reason string) (access.Decision, error)
}

func (a *app) accountCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "account",
		Short: "See and correct whose account is whose",
	}
	cmd.AddCommand(a.accountListCommand(), a.accountBindCommand())
	return cmd
}

func (a *app) accountListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list PERSON",
		Short:   "List a person's accounts as behov knows them",
		Long:    "List the accounts that behov knows to be the person's, by each target's own ID.",
		Example: "  behov account list 1004",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			p, err := d.Person(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(accountListJSON{p.Person, p.Accounts})
			}
			for _, x := range p.Accounts {
				a.printf("%s: %s\n", x.Target, x.AccountID)
			}
			if len(p.Accounts) == 0 {
				a.printf("None that behov knows.\n")
			}
			return nil
		}),
	}
}

func (a *app) accountBindCommand() *cobra.Command {
	var target, reason, by string
	cmd := &cobra.Command{
		Use:   "bind PERSON ACCOUNT-ID",
		Short: "Propose that an account is a person's",
		Long: `Propose that an account in a target is a person's, by the target's own ID, which
behov plan shows with its findings: for an account that was replaced behind
behov's back, or that no rule under adopt can tell. The next run writes the
person's ID into it. An account that is another person's, or under ignore, is
refused. Another person lets it through with behov hold release; a plan shows what
follows from it.`,
		Example: "  behov account bind 1004 6f1e…-… --target ad --reason \"restored from the backup\" --by 2001",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if target == "" {
				return errors.New("say which target the account is in: --target")
			}
			proposal, err := d.Bind(ctx, args[0], target, args[1], reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(proposalJSON{proposal.Decision, holdOf(proposal)})
			}
			a.printProposal(proposal, "The account was made by someone else than behov.")
			return nil
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "the target that the account is in")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

// printProposal says that another person has to let a proposal through.
func (a *app) printProposal(p api.Proposal, why string) {
	a.printf("Proposed (decision %d). %s Another person lets it through:\n  behov hold release %s --reason \"…\" --by …\n", p.Seq, why, p.Hold.Digest)
}

// holdOf returns the digest of the hold that a proposal waits with.
func holdOf(p api.Proposal) string {
	if p.Hold == nil {
		return ""
	}
	return string(p.Hold.Digest)
}
