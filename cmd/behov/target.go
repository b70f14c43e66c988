package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) targetCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "target", Short: "Say that a target is not looked after any more"}
	cmd.AddCommand(a.retireCommand())
	return cmd
}

func (a *app) retireCommand() *cobra.Command {
	var reason, by string
	var yes bool
	cmd := &cobra.Command{
		Use:   "retire TARGET",
		Short: "End what is known of a target that is out of the configuration for good",
		Long: `A target that is taken out of behov.yaml is not asked any more, and what is known
of it is kept, in case it comes back: whose accounts are whose, what people have
there, what was under way. When it does not come back, retire it: steps whose end
nobody saw end as not known, and everybody's access there ends in the audit trail,
for who has what there behov cannot say from then on. Nothing is changed in the
target itself, and no account name there is ever given to somebody else.

Without --yes it only says what would be ended.

Exit status: 0 done, 2 something would be ended, 1 error.`,
		Example: "  behov target retire old-ad\n  behov target retire old-ad --yes --reason \"replaced by ad\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			if !yes {
				return a.previewRetire(ctx, i, args[0])
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := a.governance(i).Retire(ctx, args[0], subject, reason)
			if err != nil {
				return err
			}
			if a.json {
				decided := a.view(ctx, i).Decision(d)
				return a.printJSON(retireJSON{Decision: &decided})
			}
			a.printf("Decided: target %s is retired (decision %d).\n", args[0], d.Seq)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&yes, "yes", false, "do it")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) previewRetire(ctx context.Context, i *installation, target string) error {
	k, err := a.view(ctx, i).KeptOf(target)
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(retireJSON{Kept: &k})
	} else {
		a.printf("What is kept of target %s: %s.\nIt would end: behov target retire %s --yes --reason \"…\" --by …\n", k.Target, inventoryText(k), k.Target)
	}
	if err != nil {
		return err
	}
	return exit(exitChanges)
}
