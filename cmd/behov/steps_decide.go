package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

func (a *app) retryCommand() *cobra.Command {
	var target, reason, by string
	var all bool
	cmd := &cobra.Command{
		Use:   "retry [KEY...]",
		Short: "Have failing steps tried again, from the beginning",
		Long: `Have failing steps tried again: those whose keys are given, those in a target, or
all. behov serve does it at once; without it, the next behov apply.`,
		Example: "  behov steps retry 3f9c2a\n  behov steps retry --target ad\n  behov steps retry --all",
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			if (len(args) > 0) == (all || target != "") || all && target != "" {
				return errors.New("say which: keys, --target or --all")
			}
			if len(args) == 0 {
				return a.decideSteps(ctx, i, store.Retry, by, func(g *governance.Governance, subject rights.Subject) ([]store.FailingStep, int, error) {
					return g.RetrySteps(ctx, target, subject, reason)
				})
			}
			return a.decideKeys(ctx, i, args, store.Retry, by, reason)
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "all in this target")
	cmd.Flags().BoolVar(&all, "all", false, "all")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) giveUpCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "give-up KEY...",
		Short: "Say that failing steps are not to be done",
		Long: `Say that failing steps are not to be done. Each stays so until it is retried,
or until it is another step: with other values, or in another account.`,
		Example: "  behov steps give-up 3f9c2a --reason \"the application is gone\" --by 1001",
		Args:    cobra.MinimumNArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			return a.decideKeys(ctx, i, args, store.GiveUp, by, reason)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) decideKeys(ctx context.Context, i *installation, keys []string, verdict store.Verdict, by, reason string) error {
	return a.decideSteps(ctx, i, verdict, by, func(g *governance.Governance, subject rights.Subject) ([]store.FailingStep, int, error) {
		decided, err := g.DecideSteps(ctx, keys, verdict, subject, reason)
		return decided, len(keys), err
	})
}

func (a *app) decideSteps(ctx context.Context, i *installation, verdict store.Verdict, by string, decide func(*governance.Governance, rights.Subject) (decided []store.FailingStep, asked int, err error)) error {
	subject, err := a.subject(ctx, i, by)
	if err != nil {
		return err
	}
	decided, asked, err := decide(a.governance(i), subject)
	if err != nil {
		return err
	}
	if a.json {
		steps, err := a.view(ctx, i).Steps(decided)
		if err != nil {
			return err
		}
		return a.printJSON(itemsOf(steps))
	}
	a.printf("Decided: %s, %s.\n", verdict, count(len(decided), "step", "steps"))
	if left := asked - len(decided); left > 0 {
		a.printf("%s about the person who decides: another person decides on that.\n", count(left, "step is", "steps are"))
	}
	return nil
}
