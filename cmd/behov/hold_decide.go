package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
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
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			var about []identity.PersonID
			for _, name := range named {
				p, err := i.db.FindPerson(ctx, name, i.config.First)
				if err != nil {
					return err
				}
				about = append(about, p.ID)
			}
			h, err := a.governance(i).Hold(ctx, args[0])
			if err != nil {
				return err
			}
			g := a.governance(i)
			if h.Kind == store.AccountBindHold {
				e, done, err := a.engine(ctx, i)
				if err != nil {
					return err
				}
				defer done()
				g.Targets = e
			}
			d, err := g.DecideHold(ctx, args[0], verdict, about, subject, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(holdDecisionJSON{a.view(ctx, i).Decision(d.Decision), string(h.Digest), len(d.Steps), d.Remaining})
			}
			return a.printHoldDecision(a.view(ctx, i), h, d, verdict, about)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().StringSliceVar(&named, "person", nil, "only the steps of this person (may be given several times): an HR person_id, login, e-mail address or ID")
	return cmd
}

// printHoldDecision says what was decided on, and what comes of it. Of a plan
// these are the steps of the people named, or all steps when none is.
func (a *app) printHoldDecision(n *access.View, h store.HoldState, d governance.HoldDecision, verdict store.Verdict, named []identity.PersonID) error {
	switch {
	case h.Kind == store.AccountBindHold && verdict == store.Release:
		a.printf("Released: the account is %s's from now on (decision %d); behov plan shows what follows from it.\n", n.Name(d.Person), d.Seq)
	case h.Kind == store.ErasureHold && verdict == store.Release:
		a.printf("Erased: %s (decision %d). What the person had stays in the trail under that ID.\n", d.Person, d.Seq)
	case h.Kind == store.AccountBindHold || h.Kind == store.ErasureHold:
		a.printf("Rejected: hold %s: nothing is done.\n", h.Digest)
	case h.Kind == store.HRImportHold && verdict == store.Release:
		a.printf("Released: hold %s: the import of %s goes in at the next import of the same file.\n", h.Digest, h.Subject)
	case h.Kind == store.HRImportHold:
		a.printf("Rejected: hold %s: the import of %s stays out.\n", h.Digest, h.Subject)
	case h.Kind == store.HREndingsHold && verdict == store.Release:
		a.printf("Released: hold %s: what the import of %s held back goes in at the next import of the same file.\n", h.Digest, h.Subject)
	case h.Kind == store.HREndingsHold:
		a.printf("Rejected: hold %s: what the import of %s held back stays as it was.\n", h.Digest, h.Subject)
	case h.Kind == store.HRStartHold && verdict == store.Release:
		a.printf("Released: hold %s: the new start goes in when %s gives the same row again: with behov hr pull, at the next push, or when you import the row.\n", h.Digest, h.Subject)
	case h.Kind == store.HRStartHold:
		a.printf("Rejected: hold %s: the employment keeps its start.\n", h.Digest)
	default:
		a.printStepDecision(n, h, d, named)
	}
	return nil
}

func (a *app) printStepDecision(n *access.View, h store.HoldState, d governance.HoldDecision, named []identity.PersonID) {
	steps := d.Steps
	concerned := people(steps)
	whose := count(len(concerned), "person", "people")
	if len(named) > 0 {
		var each []string
		for _, id := range concerned {
			each = append(each, n.Name(id))
		}
		whose = strings.Join(each, ", ")
	}
	of := fmt.Sprintf(" of %s in %s ", whose, h.Subject)
	if d.Verdict == store.Release {
		a.printf("Released: hold %s: %s through at the next apply, or with behov serve at once.\n", h.Digest, count(len(steps), "step"+of+"goes", "steps"+of+"go"))
	} else {
		a.printf("Rejected: hold %s: %s undone.\n", h.Digest, count(len(steps), "step"+of+"stays", "steps"+of+"stay"))
	}
	if d.Remaining > 0 {
		a.printf("%s held: about your own access, or caused by a decision of yours. Another person decides on that.\n", count(d.Remaining, "step stays", "steps stay"))
	}
}
