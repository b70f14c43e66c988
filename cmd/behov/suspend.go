package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

func (a *app) suspendCommand() *cobra.Command {
	var reason, by string
	var lift bool
	cmd := &cobra.Command{
		Use:   "suspend PERSON",
		Short: "Take everything from a person now, without waiting for HR",
		Long: `Disable every account of a person and end their sessions, now: whatever HR says,
whatever is held, and whatever the limits are. It stays so, also when HR lists
the person at the next import, until somebody lifts it: memberships are kept,
and come back into use then. A target that does not answer is tried again by
every apply. Nobody suspends themselves, or lifts their own suspension.

Exit status: 0 everything is closed, 1 something is not (it is said what).`,
		Example: "  behov suspend 1004 --reason \"dismissed today\" --by 1001\n  behov suspend 1004 --lift --reason \"it was a misunderstanding\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := a.governance(i).Suspend(ctx, p, lift, subject, reason)
			var already *governance.AlreadyDecidedError
			if err != nil && !errors.As(err, &already) {
				return err
			}
			n := a.view(ctx, i)
			if !a.json {
				what := "suspended"
				if lift {
					what = "no longer suspended"
				}
				a.printf("Decided: %s is %s (decision %d).\n", n.Name(p.ID), what, d.Seq)
			}
			if lift {
				if a.json {
					return a.printJSON(suspendJSON{Decision: n.Decision(d)})
				}
				a.printf("What the rules give comes back with behov serve, or the next behov apply.\n")
				return nil
			}
			return a.close(ctx, i, p, d, n)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "end the suspension")
	return cmd
}

// close carries a suspension out: first what behov knows, then what only a
// reading of the targets shows.
func (a *app) close(ctx context.Context, i *installation, p identity.Person, d store.Decision, n *access.View) error {
	e, done, err := a.engine(ctx, i)
	if err != nil {
		return err
	}
	defer done()
	first, second, err := e.CloseAccess(ctx, p, d, func(known *execute.Result) {
		if !a.json {
			a.printf("%s", closingText(known.Outcomes))
		}
	})
	if err != nil {
		if first != nil {
			err = errors.Join(err, first.Err())
		}
		return err
	}
	if a.json {
		closed, err1 := resultOf(n, first)
		run, err2 := resultOf(n, second)
		err := errors.Join(err1, err2, a.printJSON(suspendJSON{n.Decision(d), closed, run}), first.Err())
		if second != nil {
			err = errors.Join(err, second.Err())
		}
		return err
	}
	if second == nil {
		a.printf("An apply is under way: run behov apply --yes after it, for accounts that behov did not know.\n")
		return first.Err()
	}
	a.printResult(second, n)
	return errors.Join(first.Err(), second.Err())
}

// closingText says what was done with the accounts that behov knew.
func closingText(of map[string]int) (said string) {
	closed, open := map[string]int{}, map[string]int{}
	for outcome, n := range of {
		if outcome == audit.Applied || outcome == audit.AlreadyApplied {
			closed[outcome] = n
		} else {
			open[outcome] = n
		}
	}
	if len(open) == 0 || len(closed) > 0 {
		said = fmt.Sprintf("Closed at once: %s.\n", orNothing(outcomes(closed)))
	}
	if len(open) > 0 {
		said += fmt.Sprintf("NOT CLOSED: %s. It is tried again by behov serve, and by every behov apply.\n", outcomes(open))
	}
	return said
}

func orNothing(s string) string {
	if s == "" {
		return "nothing, as behov knows no account"
	}
	return s
}
