package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
)

// complianceReader says how far what frameworks demand is met.
type complianceReader interface {
	Compliance(ctx context.Context) ([]access.Requirement, error)
}

func (a *app) complianceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "compliance",
		Short: "Show what ISO 27002, NIS2 and KLASSA demand, and what the data show about it",
		Long: `Show what ISO/IEC 27002, NIS2 (in Sweden Cybersäkerhetslagen) and KLASSA demand of the
control of access, and how far the data show it to be met. It is live: nothing is typed in
by hand. What behov cannot know, as training or locks on doors, is not in it.`,
		Example: "  behov compliance\n  behov compliance --json",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.Compliance(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			last := access.Framework("")
			for _, r := range all {
				if r.Framework != last {
					a.printf("%s\n", frameworkNames[r.Framework])
					last = r.Framework
				}
				a.printf("  %-8s %-7s %s\n", standingWords[r.Standing], r.Ref, r.Title)
				for _, f := range r.Facts {
					a.printf("             %-8s %s\n", standingWords[f.Standing], f.Because.Text)
				}
			}
			return nil
		}),
	}
}

var frameworkNames = map[access.Framework]string{access.ISO27002: "ISO/IEC 27002:2022", access.NIS2: "NIS2 (Cybersäkerhetslagen)", access.KLASSA: "KLASSA"}

var standingWords = map[access.Standing]string{access.Met: "met", access.PartlyMet: "partly", access.NotMet: "not met"}
