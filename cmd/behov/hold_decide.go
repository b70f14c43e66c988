package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

func (a *app) decideHoldCommand(verb string, verdict store.Verdict, short, example string) *cobra.Command {
	var reason, by string
	var named []string
	cmd := &cobra.Command{
		Use:   verb + " DIGEST",
		Short: short,
		Long: short + ".\n" + `The decision is about the steps that behov hold show lists, each by itself: it
stays with them when later plans have other steps besides, until they are done,
are not needed any more, or the hold expires. A held import goes through as a whole.`,
		Example: example,
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			made, err := d.DecideHold(ctx, args[0], verdict, named, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(holdDecisionJSON{made.Decision, made.Hold, made.Steps, made.Remaining})
			}
			a.printHoldDecision(d, made, verdict, len(named) > 0)
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().StringSliceVar(&named, "person", nil, "only the steps of this person (may be given several times): an HR person_id, login, e-mail address or ID")
	return cmd
}

// printHoldDecision says what was decided on, and what comes of it. Of a plan
// these are the steps of the people named, or all steps when none is.
func (a *app) printHoldDecision(d *backend, h api.HoldDecision, verdict store.Verdict, named bool) {
	switch {
	case h.HoldKind == store.AccountBindHold && verdict == store.Release:
		a.printf("Released: the account is %s's from now on (decision %d); behov plan shows what follows from it.\n", d.about(h.Decision), h.Seq)
	case h.HoldKind == store.ErasureHold && verdict == store.Release:
		a.printf("Erased: %s (decision %d). What the person had stays in the trail under that ID.\n", h.Person.ID, h.Seq)
	case h.HoldKind == store.AccountBindHold || h.HoldKind == store.ErasureHold:
		a.printf("Rejected: hold %s: nothing is done.\n", h.Hold)
	case h.HoldKind == store.HRImportHold && verdict == store.Release:
		a.printf("Released: hold %s: the import of %s goes in at the next import of the same file.\n", h.Hold, h.HoldSubject)
	case h.HoldKind == store.HRImportHold:
		a.printf("Rejected: hold %s: the import of %s stays out.\n", h.Hold, h.HoldSubject)
	case h.HoldKind == store.HREndingsHold && verdict == store.Release:
		a.printf("Released: hold %s: what the import of %s held back goes in at the next import of the same file.\n", h.Hold, h.HoldSubject)
	case h.HoldKind == store.HREndingsHold:
		a.printf("Rejected: hold %s: what the import of %s held back stays as it was.\n", h.Hold, h.HoldSubject)
	case h.HoldKind == store.HRStartHold && verdict == store.Release:
		a.printf("Released: hold %s: the new start goes in when %s gives the same row again: with behov hr pull, at the next push, or when you import the row.\n", h.Hold, h.HoldSubject)
	case h.HoldKind == store.HRStartHold:
		a.printf("Rejected: hold %s: the employment keeps its start.\n", h.Hold)
	default:
		a.printStepDecision(d, h, verdict, named)
	}
}

func (a *app) printStepDecision(d *backend, h api.HoldDecision, verdict store.Verdict, named bool) {
	whose := count(len(h.People), "person", "people")
	if named {
		var each []string
		for _, who := range h.People {
			each = append(each, d.name(who))
		}
		whose = strings.Join(each, ", ")
	}
	of := fmt.Sprintf(" of %s in %s ", whose, h.HoldSubject)
	if verdict == store.Release {
		a.printf("Released: hold %s: %s through at the next apply, or with behov serve at once.\n", h.Hold, count(h.Steps, "step"+of+"goes", "steps"+of+"go"))
	} else {
		a.printf("Rejected: hold %s: %s undone.\n", h.Hold, count(h.Steps, "step"+of+"stays", "steps"+of+"stay"))
	}
	if h.Remaining > 0 {
		a.printf("%s held: about your own access, or caused by a decision of yours. Another person decides on that.\n", count(h.Remaining, "step stays", "steps stay"))
	}
}
