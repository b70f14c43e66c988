package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// holdOperations is what commands ask and decide about holds.
type holdOperations interface {
	Holds(ctx context.Context, everything bool) (holds []access.Hold, rejected int, err error)
	HeldHold(ctx context.Context, digest string) (api.HeldHold, error)
	DecideHold(ctx context.Context, digest string, verdict store.Verdict, people []string, reason string) (api.HoldDecision, error)
}

func (a *app) holdCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hold", Short: "See what is held, and release or reject it"}
	var all bool
	list := &cobra.Command{
		Use:     "list",
		Short:   "List what is held and not decided",
		Example: "  behov hold list",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			shown, rejected, err := d.Holds(ctx, all)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(shown))
			}
			if len(shown) == 0 {
				a.printf("No holds are waiting for a decision.\n")
				if rejected > 0 {
					a.printf("%s rejected and stays held: behov hold list --all\n", count(rejected, "hold was", "holds were"))
				}
				return nil
			}
			for _, h := range shown {
				a.printHold(d, h)
			}
			return nil
		}),
	}
	list.Flags().BoolVar(&all, "all", false, "list what is decided and still held, and what is superseded, too")
	cmd.AddCommand(list, a.showHoldCommand(),
		a.decideHoldCommand("release", store.Release, "Let through exactly the steps of a hold, or a held import",
			"  behov hold release 3f9c2a --reason \"the school closes on 1 July\" --by 1001\n  behov hold release 3f9c2a --person 1004 --person 1005 --reason \"these two have left\" --by 1001"),
		a.decideHoldCommand("reject", store.Reject, "Say that the steps of a hold, or a held import, must not go through",
			"  behov hold reject 3f9c2a --reason \"the export lacks the school\" --by 1001\n  behov hold reject 3f9c2a --person 1004 --reason \"she is on leave and comes back\" --by 1001"))
	return cmd
}

func (a *app) showHoldCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "show DIGEST",
		Short:   "Show what a hold would do if it was released",
		Example: "  behov hold show 3f9c2a",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			h, err := d.HeldHold(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(holdShowJSON(h))
			}
			a.printHold(d, h.Hold)
			switch h.Kind {
			case store.HRImportHold, store.HREndingsHold, store.HRStartHold:
				a.printHeldImport(d, h.Would, all)
				return nil
			case store.AccountBindHold, store.ErasureHold:
				return nil
			}
			a.printf("  %s for %s.\n", shownCounts(h.Would.Steps), count(len(people(h.Would.Steps)), "person", "people"))
			printer := planPrinter{app: a, backend: d, all: all}
			printer.printSteps(h.Would.Steps)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list everyone, however many")
	return cmd
}

// printHeldImport prints, by kind of event, the people whom a held import would change.
func (a *app) printHeldImport(d *backend, content access.HoldContent, all bool) {
	would := content.Events
	if len(would) == 0 {
		a.printf("  A release lets the file in, and changes no one by itself: as the file may be cut off, the next import of it\n  holds the endings, and names the people.\n")
	}
	for _, kind := range slices.Sorted(maps.Keys(would)) {
		a.printf("  %s of %s:\n", kind, count(len(would[kind]), "person", "people"))
		for i, who := range would[kind] {
			if i == listed && !all {
				a.printf("    … and %d more (--all)\n", len(would[kind])-i)
				break
			}
			a.printf("    %s\n", d.name(who))
		}
	}
}

func (a *app) printHold(d *backend, h access.Hold) {
	at := func(t time.Time) string { return t.In(d.zone).Format("2006-01-02 15:04:05") }
	state := "current"
	if h.SupersededAt != nil {
		state = "superseded at " + at(*h.SupersededAt) + ": later plans have other steps"
	}
	a.printf("%s  %s of %s, %s, since %s, until %s\n", h.Digest, h.Kind, h.Subject, state, at(h.RaisedAt), at(h.ExpiresAt))
	a.printReasons(h)
	if made := h.Decision; made != nil {
		a.printf("  %s by %s at %s: %s\n", made.Verdict, d.actor(made.Maker), at(made.DecidedAt.Time()), made.Reason)
	}
}

// printReasons prints why a hold was raised: of a held import, a line for each kind of
// changes.
func (a *app) printReasons(h access.Hold) {
	if len(h.Causes) == 0 {
		a.printf("  %s\n", h.Why.Text)
		return
	}
	for _, why := range h.Causes {
		a.printf("  - %s\n", why.Text)
	}
	a.printf("  A release takes all of these. To take some of them only, correct the others in HR's file and import it again.\n")
}
