package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

func (a *app) holdCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hold", Short: "See what is held, and release or reject it"}
	var all bool
	list := &cobra.Command{
		Use:     "list",
		Short:   "List what is held and not decided",
		Example: "  behov hold list",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			v := a.view(ctx, i)
			shown, rejected, err := v.Holds(all)
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
				a.printHold(i, v, h)
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
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			v := a.view(ctx, i)
			h, err := a.governance(i).HoldContent(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				would, err := v.HoldContent(h.HoldState, h.Steps)
				if err != nil {
					return err
				}
				return a.printJSON(holdShowJSON{v.Hold(h.HoldState), would})
			}
			a.printHold(i, v, v.Hold(h.HoldState))
			switch h.Kind {
			case store.HRImportHold, store.HREndingsHold, store.HRStartHold:
				return a.printHeldImport(v, h.HoldState, all)
			case store.AccountBindHold, store.ErasureHold:
				return nil
			}
			a.printf("  %s for %s.\n", stepCounts(h.Steps), count(len(people(h.Steps)), "person", "people"))
			printer := planPrinter{app: a, names: v, values: &reconcile.Values{}, all: all}
			printer.printSteps(h.Steps)
			return nil
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list everyone, however many")
	return cmd
}

// printHeldImport prints, by kind of event, the people whom a held import would change.
func (a *app) printHeldImport(n *access.View, h store.HoldState, all bool) error {
	var would map[identity.Kind][]identity.PersonID
	if err := json.Unmarshal([]byte(h.Body), &would); err != nil {
		return fmt.Errorf("hold %s: %w", h.Digest, err)
	}
	if len(would) == 0 {
		a.printf("  A release lets the file in, and changes no one by itself: as the file may be cut off, the next import of it\n  holds the endings, and names the people.\n")
	}
	for _, kind := range slices.Sorted(maps.Keys(would)) {
		a.printf("  %s of %s:\n", kind, count(len(would[kind]), "person", "people"))
		for i, id := range would[kind] {
			if i == listed && !all {
				a.printf("    … and %d more (--all)\n", len(would[kind])-i)
				break
			}
			a.printf("    %s\n", n.Name(id))
		}
	}
	return nil
}

func (a *app) printHold(i *installation, v *access.View, h access.Hold) {
	at := func(t time.Time) string { return t.In(i.zone).Format("2006-01-02 15:04:05") }
	state := "current"
	if h.SupersededAt != nil {
		state = "superseded at " + at(*h.SupersededAt) + ": later plans have other steps"
	}
	a.printf("%s  %s of %s, %s, since %s, until %s\n", h.Digest, h.Kind, h.Subject, state, at(h.RaisedAt), at(h.ExpiresAt))
	a.printReasons(h)
	if d := h.Decision; d != nil {
		a.printf("  %s by %s at %s: %s\n", d.Verdict, v.Actor(d.Maker.Actor), at(d.DecidedAt.Time()), d.Reason)
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
