package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
)

// conflictOperations is what commands ask and decide about segregations of duties.
type conflictOperations interface {
	Conflicts(ctx context.Context) ([]access.ConflictState, error)
	AllowConflict(ctx context.Context, ref, conflict, until string, lift bool, reason string) (access.Decision, error)
}

func (a *app) conflictsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conflicts",
		Short: "Show who has what does not go together, and allow it where it must be",
		Long: `Show the segregations of duties in conflicts.yaml, the most severe first, and who has
an entitlement of every side, with both reasons. Where a conflict is refused, rules and
decisions do not give the last side to who has the others, unless a decision allows it.`,
		Example: "  behov conflicts\n  behov conflicts allow 1004 pay-and-approve --until 2026-12-31 --reason \"checked monthly by 1002, while the post is vacant\"",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.Conflicts(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("No conflict is defined: write conflicts.yaml (behov help systems).\n")
			}
			for _, c := range all {
				a.printConflict(d, c)
			}
			return nil
		}),
	}
	cmd.AddCommand(a.allowConflictCommand())
	return cmd
}

func (a *app) printConflict(d *backend, c access.ConflictState) {
	how := "reported"
	if c.Refused {
		how = "refused"
	}
	a.printf("%s (%s, %s): %s\n", c.Conflict, c.Severity, how, c.Why)
	if c.Count == 0 {
		a.printf("  no one has both sides\n")
	}
	for _, h := range c.Holders {
		a.printf("  %s\n", d.name(h.Person))
		for _, s := range h.Sides {
			a.printf("    %s: %s\n", s.Entitlement, textOr(s.Reason.Text, "no reason is known"))
		}
		if !h.Allowed.IsZero() {
			a.printf("    %s\n", h.Allowed.Text)
		}
	}
	if more := c.Count - len(c.Holders); more > 0 {
		a.printf("  … and %s more\n", count(more, "person", "people"))
	}
}

func (a *app) allowConflictCommand() *cobra.Command {
	var reason, by, until string
	var lift bool
	cmd := &cobra.Command{
		Use:   "allow PERSON CONFLICT",
		Short: "Let a person have both sides of a conflict until a day (--lift ends it)",
		Long: `Let a person have both sides of a conflict until a day, a year ahead at most. The
reason says which compensating control makes up for it.`,
		Example: "  behov conflicts allow 1004 pay-and-approve --until 2026-12-31 --reason \"checked monthly by 1002, while the post is vacant\" --by 1001",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			if lift == (until != "") {
				return errors.New("say until which day (--until YYYY-MM-DD), or --lift")
			}
			decided, err := d.AllowConflict(ctx, args[0], strings.TrimSpace(args[1]), until, lift, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&until, "until", "", "the last day (YYYY-MM-DD)")
	cmd.Flags().StringVar(&reason, "reason", "", "the compensating control, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "end it")
	return cmd
}
