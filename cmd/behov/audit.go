package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
)

// trailReader is what commands ask the audit trail.
type trailReader interface {
	WhoHad(ctx context.Context, of string, p *access.Period) ([]access.Access, error)
	AccessOf(ctx context.Context, ref string, p *access.Period) ([]access.Access, error)
	// Changes are by person, and of each in order of time.
	Changes(ctx context.Context, p access.Period) ([]access.Change, error)
	// Records are in the trail's order, with stored also as they are verified.
	Records(ctx context.Context, ref string, p access.Period, stored bool, each func(access.Record) error) error
}

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Ask who had access to what, when and why; verify the trail"}
	cmd.AddCommand(a.whoHadCommand(), a.accessCommand(), a.changesCommand(), a.logCommand(), a.verifyCommand(), a.headCommand(), a.publishCommand(), a.proveRecordCommand())
	return cmd
}

func (a *app) whoHadCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:     "who-had ENTITLEMENT|SYSTEM",
		Short:   "List who had an entitlement, or any of a system, at an instant (now, unless told)",
		Long:    "List who had an entitlement, or any of a system, since when, until when, and why.\n" + instantHelp,
		Example: "  behov audit who-had care:record\n  behov audit who-had care     # any of the system\n  behov audit who-had care:record --at 2026-11-23\n  behov audit who-had account --at \"2026-11-23 14:05\"     # everyone with a usable account",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			when, err := a.period(d.zone, at, "", "")
			if err != nil {
				return err
			}
			had, err := d.WhoHad(ctx, args[0], when)
			if err != nil {
				return err
			}
			return a.printAccess(d, had, "no one had "+args[0]+" then")
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "an instant, or a date for the whole day")
	return cmd
}

func (a *app) accessCommand() *cobra.Command {
	var at, from, to string
	cmd := &cobra.Command{
		Use:     "access PERSON",
		Short:   "List what a person had, at an instant or during a time (now, unless told)",
		Long:    "List what a person had, since when, until when, and why. A person who was erased is\nknown by their ID only.\n" + instantHelp,
		Example: "  behov audit access 1004\n  behov audit access 1004 --at 2026-11-23\n  behov audit access 1004 --from 2026-01-01 --to 2026-12-31",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			when, err := a.period(d.zone, at, from, to)
			if err != nil {
				return err
			}
			had, err := d.AccessOf(ctx, args[0], when)
			if err != nil {
				return err
			}
			return a.printAccess(d, had, "nothing then")
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "an instant, or a date for the whole day")
	cmd.Flags().StringVar(&from, "from", "", "the beginning of a time")
	cmd.Flags().StringVar(&to, "to", "", "the end of a time; a date includes the day")
	return cmd
}

func (a *app) changesCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:     "changes",
		Short:   "List what access began and ended during a time (today, unless told)",
		Long:    "List what access began and ended during a time, whose, and why, in order of time.\n" + instantHelp,
		Example: "  behov audit changes\n  behov audit changes --from 2026-11-01 --to 2026-11-30",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			if from == "" {
				from = a.now().In(d.zone).Format(time.DateOnly)
			}
			when, err := a.period(d.zone, "", from, to)
			if err != nil {
				return err
			}
			changes, err := d.Changes(ctx, *when)
			slices.SortStableFunc(changes, func(a, b access.Change) int { return a.At.Compare(b.At) })
			switch {
			case err != nil:
				return err
			case a.json:
				return a.printJSON(itemsOf(changes))
			case len(changes) == 0:
				a.printf("No access began or ended then.\n")
				return nil
			}
			t := a.newTable("AT", "PERSON", "", "ENTITLEMENT", "TARGET", "WHY")
			for _, c := range changes {
				what, why := "began", c.Access.Reason.Text
				if !c.Began {
					what, why = "ended", c.Access.Ended.Text
				}
				t.row(c.At.In(d.zone).Format("2006-01-02 15:04:05"), d.name(c.Access.Person), what, c.Access.Entitlement, c.Access.Target, why)
			}
			return t.print()
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "the beginning of the time")
	cmd.Flags().StringVar(&to, "to", "", "the end of the time; a date includes the day")
	return cmd
}

func (a *app) printAccess(d *backend, had []access.Access, none string) error {
	if a.json {
		return a.printJSON(itemsOf(had))
	}
	if len(had) == 0 {
		a.printf("%s.\n", strings.ToUpper(none[:1])+none[1:])
		return nil
	}
	const layout = "2006-01-02 15:04:05"
	t := a.newTable("PERSON", "ENTITLEMENT", "TARGET", "SINCE", "UNTIL", "WHY")
	for _, x := range had {
		until, why := "now", x.Reason.Text
		if x.NotSeenSince != nil {
			until = "unknown, not seen since " + x.NotSeenSince.In(d.zone).Format(layout)
		}
		if !x.Suspended.IsZero() {
			until += ", SUSPENDED"
			why += "; " + x.Suspended.Text
		}
		if x.Until != nil {
			until = x.Until.In(d.zone).Format(layout)
			why += "; ended: " + x.Ended.Text
		}
		t.row(d.name(x.Person), x.Entitlement, x.Target, x.Since.In(d.zone).Format(layout), until, why)
	}
	return t.print()
}
