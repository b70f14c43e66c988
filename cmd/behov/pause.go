package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/store"
)

func (a *app) pauseCommand() *cobra.Command {
	var reason, by string
	var except bool
	cmd := &cobra.Command{
		Use:   "pause [TARGET]",
		Short: "Emergency stop: change nothing in a target, or in any, until behov resume",
		Long: `Stop every change to a target, or to all of them: from the next batch on, also of
runs that are under way, wherever they run. HR is still read, plans still show
what waits, and behov suspend still closes accounts. With --except-leavers the
access of people without any employment ends all the same.`,
		Example: "  behov pause --reason \"the rules are wrong\" --by 1001\n  behov pause ad --except-leavers --reason \"the directory is being moved\" --by 1001",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			verdict := store.Pause
			if except {
				verdict = store.PauseExceptLeavers
			}
			return a.pause(ctx, i, args, verdict, by, reason)
		}),
	}
	cmd.Flags().BoolVar(&except, "except-leavers", false, "the access of people without any employment ends all the same")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "resume [TARGET]",
		Short: "End a pause: of a target, or the one of all of them",
		Long: `End what behov pause began with the same argument. A target that was paused by
itself stays so when the pause of all of them ends.`,
		Example: "  behov resume --reason \"the rules are right again\" --by 1001\n  behov resume ad --reason \"it was moved\" --by 1001",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			return a.pause(ctx, i, args, store.Resume, by, reason)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) pause(ctx context.Context, i *installation, args []string, verdict store.Verdict, by, reason string) error {
	subject, err := a.subject(ctx, i, by)
	if err != nil {
		return err
	}
	d, err := a.governance(i).Pause(ctx, strings.Join(append(args, store.EveryTarget)[:1], ""), verdict, subject, reason)
	var already *governance.AlreadyDecidedError
	if err != nil && !errors.As(err, &already) {
		return err
	}
	if a.json {
		return a.printJSON(a.view(ctx, i).Decision(d))
	}
	what := "target " + d.Target()
	if d.Target() == store.EveryTarget {
		what = "every target"
	}
	a.printf("Decided: %s %s (decision %d).\n", d.Verdict, what, d.Seq)
	if already == nil && verdict != store.Resume {
		return a.printPauses(ctx, i)
	}
	return nil
}

// printPauses says, whatever else is asked, that changes are paused.
func (a *app) printPauses(ctx context.Context, i *installation) error {
	pauses, err := i.db.Pauses(ctx)
	if err != nil {
		return err
	}
	n := a.view(ctx, i)
	for _, subject := range sortedKeys(pauses) {
		d := pauses[subject]
		what, end := "target "+subject, " "+subject
		if subject == store.EveryTarget {
			what, end = "EVERY target", ""
		}
		if d.Verdict == store.PauseExceptLeavers {
			what += ", except for leavers"
		}
		fmt.Fprintf(a.stderr, "*** PAUSED: %s, by %s since %s: %s. To go on: behov resume%s --reason \"…\" ***\n", what, n.Actor(d.Maker), d.At().In(i.zone).Format("2006-01-02 15:04"), d.Reason, end)
	}
	return nil
}
