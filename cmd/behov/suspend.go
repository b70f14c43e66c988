package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/execute"
)

// suspender is what commands decide about suspensions. already reports that it holds by
// an earlier decision.
type suspender interface {
	Suspend(ctx context.Context, ref string, lift bool, reason string) (d access.Decision, already bool, err error)
}

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
every apply. Nobody suspends themselves, or lifts their own suspension. Over a server
the decision is made, and the server closes the accounts.

Exit status: 0 everything is closed, 1 something is not (it is said what).`,
		Example: "  behov suspend 1004 --reason \"dismissed today\" --by 1001\n  behov suspend 1004 --lift --reason \"it was a misunderstanding\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, _, err := d.Suspend(ctx, args[0], lift, reason)
			if err != nil {
				return err
			}
			if !a.json {
				what := "suspended"
				if lift {
					what = "no longer suspended"
				}
				a.printf("Decided: %s is %s (decision %d).\n", d.about(decided), what, decided.Seq)
			}
			here, closes := d.operations.(*local)
			switch {
			case closes && !lift:
				return here.closeAccess(ctx, decided)
			case a.json:
				return a.printJSON(suspendJSON{Decision: decided})
			case lift:
				a.printf("What the rules give comes back with behov serve, or the next behov apply.\n")
			default:
				a.printf("The server closes what the person has, at once where it applies by itself. See behov explain %s.\n", args[0])
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "end the suspension")
	return cmd
}

// closeAccess carries a suspension out: first what behov knows, then what only a
// reading of the targets shows.
func (l *local) closeAccess(ctx context.Context, decided access.Decision) error {
	a, i, n := l.app, l.installation, l.view(ctx)
	d, err1 := i.db.Decision(ctx, decided.Seq)
	p, err2 := i.db.Person(ctx, decided.Person.ID)
	e, done, err3 := a.engine(ctx, i)
	if err := errors.Join(err1, err2, err3); err != nil {
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
		err := errors.Join(err1, err2, a.printJSON(suspendJSON{decided, closed, run}), first.Err())
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
