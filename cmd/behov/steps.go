package main

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// stepOperations is what commands ask and decide about failing steps.
type stepOperations interface {
	FailingSteps(ctx context.Context, target string, everything bool) ([]access.FailingStep, error)
	DecideSteps(ctx context.Context, keys []string, verdict store.Verdict, reason string) (api.StepDecisions, error)
	// RetrySteps is about all in a target, or in every one when it is empty.
	RetrySteps(ctx context.Context, target, reason string) (api.StepDecisions, error)
}

func (a *app) stepsCommand() *cobra.Command {
	var target string
	var all bool
	cmd := &cobra.Command{
		Use:   "steps",
		Short: "See the steps that targets refused or failed to do, try them again, or give them up",
		Long: `List the steps that a target refused or failed to do, each with what it said. They
are tried again by behov serve, later each time; after eight tries a step is
parked until somebody has looked: correct what is wrong, and retry it, or give it
up. What takes something away is tried once a day all the same.

Exit status: 0 none is parked, 3 some are, 1 error.`,
		Example: `  behov steps
  behov steps retry --target ad            # the service account has its rights back
  behov steps give-up 3f9c2a --reason "the application is gone" --by 1001`,
		Args: cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			return a.listSteps(ctx, d, target, all)
		}),
	}
	cmd.Flags().StringVar(&target, "target", "", "in this target only")
	cmd.Flags().BoolVar(&all, "all", false, "list what was given up, too")
	cmd.AddCommand(a.retryCommand(), a.giveUpCommand())
	return cmd
}

func (a *app) listSteps(ctx context.Context, d *backend, target string, all bool) error {
	shown, err := d.FailingSteps(ctx, target, all)
	if err != nil {
		return err
	}
	if a.json {
		err = a.printJSON(itemsOf(shown))
	} else {
		a.printFailing(d, shown)
	}
	if slices.ContainsFunc(shown, func(s access.FailingStep) bool { return s.State == store.Parked }) {
		return errors.Join(err, exit(exitHeld))
	}
	return err
}

func (a *app) printFailing(d *backend, steps []access.FailingStep) {
	if len(steps) == 0 {
		a.printf("No step is failing.\n")
		return
	}
	at := func(t time.Time) string { return t.In(d.zone).Format("2006-01-02 15:04") }
	for _, s := range steps {
		what := "tried " + count(s.Tries, "time", "times")
		switch {
		case s.State == store.GivenUp:
			what += ", given up"
		case s.State == store.Parked && s.Next != nil:
			what += ", PARKED, tried once a day"
		case s.State == store.Parked:
			what += ", PARKED"
		default:
			what += ", again at " + at(*s.Next)
		}
		a.printf("%s  %s, %s: %s\n  %s, since %s: %s\n", s.Key, d.name(s.Person), stepText(s.Step.Step), s.Outcome, what, at(s.First), s.Detail.Text)
	}
}
