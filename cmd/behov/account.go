package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/governance"
)

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
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := a.view(ctx, i).Person(args[0], nil)
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
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			if _, ok := i.config.Target(target); !ok {
				return fmt.Errorf("there is no target %q: say which with --target", target)
			}
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			e, done, err := a.engine(ctx, i)
			if err != nil {
				return err
			}
			defer done()
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			g := a.governance(i)
			g.Targets = e
			proposal, err := g.Bind(ctx, p, target, args[1], subject, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(proposalJSON{a.view(ctx, i).Decision(proposal.Decision), holdOf(proposal)})
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
func (a *app) printProposal(p governance.Proposal, why string) {
	a.printf("Proposed (decision %d). %s Another person lets it through:\n  behov hold release %s --reason \"…\" --by …\n", p.Seq, why, p.Hold.Digest)
}

// holdOf returns the digest of the hold that a proposal waits with.
func holdOf(p governance.Proposal) string {
	if p.Hold == nil {
		return ""
	}
	return string(p.Hold.Digest)
}
