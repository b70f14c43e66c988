package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/api"
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
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if (len(args) > 0) == (all || target != "") || all && target != "" {
				return errors.New("say which: keys, --target or --all")
			}
			if len(args) == 0 {
				decided, err := d.RetrySteps(ctx, target, reason)
				return a.printDecidedSteps(store.Retry, decided, err)
			}
			decided, err := d.DecideSteps(ctx, args, store.Retry, reason)
			return a.printDecidedSteps(store.Retry, decided, err)
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
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.DecideSteps(ctx, args, store.GiveUp, reason)
			return a.printDecidedSteps(store.GiveUp, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) printDecidedSteps(verdict store.Verdict, decided api.StepDecisions, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(itemsOf(decided.Items))
	}
	what := "given up"
	if verdict == store.Retry {
		what = "to be tried again"
	}
	a.printf("Decided: %s %s.\n", count(len(decided.Items), "step", "steps"), what)
	if left := decided.LeftToOthers; left > 0 {
		a.printf("%s about the person who decides: another person decides on that.\n", count(left, "step is", "steps are"))
	}
	return nil
}
