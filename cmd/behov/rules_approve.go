package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/store"
)

func (a *app) rulesListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show which version of the rules is in force, and which wait for approval",
		Long: `Show which version of the rules is in force, and those that were proposed and wait for
another person to approve them, with what they would do and how they differ. A version
is the policy with its roles, the catalogue, the units, the controls and the conflicts.
It is approved where behov.yaml says rules: {approval: true}.`,
		Example: "  behov rules list\n  behov rules list --json",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			s, err := d.RulesApproval(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(s)
			}
			a.printRulesApproval(d, s)
			return nil
		}),
	}
}

func (a *app) printRulesApproval(d *backend, s access.RulesApproval) {
	switch {
	case s.InForce == "":
		a.printf("No version of the rules is in force, and no run changes anything until one is approved.\n")
	case !s.Required:
		a.printf("Version %.12s of the rules is in force: that of the files, as rules need no approval (rules.approval in behov.yaml).\n", s.InForce)
	case s.Approved == nil:
		a.printf("Version %.12s of the rules is in force, and no one has approved it.\n", s.InForce)
	default:
		a.printf("Version %.12s of the rules is in force, approved by %s: %s\n", s.InForce, d.actor(s.Approved.Maker), s.Approved.Reason)
	}
	if s.Unproposed {
		a.printf("\nThe files are version %.12s, which is not in force and not proposed: behov rules propose\n", s.Directory)
		a.printRulesChanges(s.Changes)
	}
	for _, w := range s.Waiting {
		a.printf("\nVersion %.12s WAITS for approval, proposed by %s: %s\n", w.Digest, d.actor(w.Proposed.Maker), w.Proposed.Reason)
		a.printf("  %s\n", w.Evidence.Text)
		if !w.InDirectory {
			a.printf("  The files say something else by now.\n")
		}
		a.printRulesChanges(w.Changes)
		a.printf("  behov rules approve %.12s --reason \"…\" --by YOU\n", w.Digest)
	}
}

func (a *app) printRulesChanges(changes []access.RulesChange) {
	for _, c := range changes {
		a.printf("  %s\n", c.File)
		if c.Binary {
			a.printf("    is another file, which is no text\n")
		}
		for _, line := range c.Removed {
			a.printf("    - %s\n", line)
		}
		for _, line := range c.Added {
			a.printf("    + %s\n", line)
		}
	}
}

func (a *app) rulesProposeCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "propose",
		Short: "Propose that the rules in the directory come into use",
		Long: `Propose that the rules as the files say come into use. They are simulated, and what they
would do is recorded with the proposal. Another person approves it (behov rules approve);
until then the version in force stays. When the files change after that, they are
proposed again. Nothing is needed where behov.yaml does not say rules: {approval: true}.`,
		Example: "  behov rules propose --reason \"ticket 4711\" --by 1001",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, _ []string) error {
			decided, err := d.ProposeRules(ctx, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) rulesDecideCommand(verb string, verdict store.Verdict) *cobra.Command {
	var reason, by string
	short, long := "Approve a version of the rules that another person proposed", `Approve a version of the rules that another person proposed: exactly the version with this
digest is in use from then on, whatever the files say by now.`
	if verdict == store.Reject {
		short, long = "Reject a version of the rules that another person proposed", `Reject a version of the rules that another person proposed. It does not come into use; it
may be proposed again.`
	}
	cmd := &cobra.Command{
		Use:     verb + " DIGEST",
		Short:   short,
		Long:    long + "\nThe first eight characters of the digest are enough: behov rules list shows it.",
		Example: "  behov rules " + verb + " 3f2a9c01 --reason \"looked at the simulation\" --by 1002",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.DecideRules(ctx, args[0], verdict, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
