package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
)

func (a *app) twoPeopleCommand(use, short, long, example string, decide func(who personDecider, ctx context.Context, ref, other, reason string) (access.Decision, error)) *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n" + long, Example: example, Args: cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := decide(d, ctx, args[0], args[1], reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) mainCommand() *cobra.Command {
	var reason, by string
	var lift bool
	cmd := &cobra.Command{
		Use:   "main PERSON EMPLOYMENT",
		Short: "Say which employment gives a person's title, unit and manager (--lift leaves it to the rule)",
		Long: `Say which of a person's employments gives their title, unit and manager in the
targets, by HR's employment_id as behov people show lists it. It holds while that
employment runs, whatever main_employment in behov.yaml and HR's own mark say.
What the person may do does not change: every employment gives what it needs.`,
		Example: "  behov people main 1004 E7 --reason \"asked by the head of the library\" --by 1001\n  behov people main 1004 --lift --reason \"no longer\" --by 1001",
		Args:    cobra.RangeArgs(1, 2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if lift == (len(args) == 2) {
				return errors.New("name an employment, or --lift")
			}
			decided, err := d.SetMain(ctx, args[0], strings.Join(args[1:], ""), reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "leave it to the rule again")
	return cmd
}

func (a *app) aboutPersonCommand(use, short, example string, decide func(who personDecider, ctx context.Context, ref string, lift bool, reason string) (access.Decision, error)) *cobra.Command {
	var reason, by string
	var lift bool
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := decide(d, ctx, args[0], lift, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "end it")
	return cmd
}

// untilCommand makes a command for a decision about a person that holds until a day.
func (a *app) untilCommand(use, short, long, example string, decide func(who personDecider, ctx context.Context, ref, until string, lift bool, reason string) (access.Decision, error)) *cobra.Command {
	var reason, by, until string
	var lift bool
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n" + long, Example: example, Args: cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if lift == (until != "") {
				return errors.New("say until which day (--until YYYY-MM-DD), or --lift")
			}
			decided, err := decide(d, ctx, args[0], until, lift, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&until, "until", "", "the last day (YYYY-MM-DD)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "end it")
	return cmd
}

// decided prints a decision about a person.
func (a *app) decided(d *backend, decided access.Decision, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(decided)
	}
	a.printf("Decided: %s: %s (decision %d); behov plan shows what follows.\n", d.about(decided), decided.Decided.Text, decided.Seq)
	return nil
}
