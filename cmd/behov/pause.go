package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/store"
)

// pauser is what commands decide about changes to targets. already reports that it
// holds by an earlier decision.
type pauser interface {
	Pause(ctx context.Context, target string, verdict store.Verdict, reason string) (d access.Decision, already bool, err error)
}

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
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			verdict := store.Pause
			if except {
				verdict = store.PauseExceptLeavers
			}
			return a.pause(ctx, d, args, verdict, reason)
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
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			return a.pause(ctx, d, args, store.Resume, reason)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) pause(ctx context.Context, d *backend, args []string, verdict store.Verdict, reason string) error {
	decided, already, err := d.Pause(ctx, strings.Join(append(args, store.EveryTarget)[:1], ""), verdict, reason)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(decided)
	}
	what := "target " + string(decided.Subject)
	if string(decided.Subject) == store.EveryTarget {
		what = "every target"
	}
	a.printf("Decided: %s: %s (decision %d).\n", what, decided.Decided.Text, decided.Seq)
	if !already && verdict != store.Resume {
		a.printPauses(d, []access.Decision{decided})
	}
	return nil
}

// pauses returns the pauses that hold, by target.
func (i *installation) pauses(ctx context.Context, v *access.View) ([]access.Decision, error) {
	pauses, err := i.db.Pauses(ctx)
	var all []access.Decision
	for _, target := range sortedKeys(pauses) {
		all = append(all, v.Decision(pauses[target]))
	}
	return all, err
}

// printPauses says, whatever else is asked, that changes are paused.
func (a *app) printPauses(d *backend, pauses []access.Decision) {
	for _, p := range pauses {
		target := string(p.Subject)
		what, end := "target "+target, " "+target
		if target == store.EveryTarget {
			what, end = "EVERY target", ""
		}
		if p.Verdict == store.PauseExceptLeavers {
			what += ", except for leavers"
		}
		fmt.Fprintf(a.stderr, "*** PAUSED: %s, by %s since %s: %s. To go on: behov resume%s --reason \"…\" ***\n", what, d.actor(p.Maker), p.DecidedAt.Time().In(d.zone).Format("2006-01-02 15:04"), p.Reason, end)
	}
}
