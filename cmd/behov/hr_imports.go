package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/wording"
)

// importReader is what commands ask about imports.
type importReader interface {
	Imports(ctx context.Context, source string, most int) ([]access.ImportEntry, error)
}

func (a *app) importsCommand() *cobra.Command {
	var source string
	var most int
	var problems bool
	cmd := &cobra.Command{
		Use:     "imports",
		Short:   "List what was imported, when, and what came of it",
		Example: "  behov hr imports\n  behov hr imports --problems -n 1     # the problems of the last one",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			entries, err := d.Imports(ctx, source, most)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(entries))
			}
			if len(entries) == 0 {
				a.printf("Nothing was imported yet.\n")
			}
			words := printerFor(wording.Reader{Place: wording.Shell, Zone: d.zone})
			for _, x := range entries {
				when := ""
				if x.Made != nil {
					when = ", made " + x.Made.In(d.zone).Format("2006-01-02 15:04")
				}
				a.printf("%s  %s  %s: %s, %s, %s%s\n", x.At.In(d.zone).Format("2006-01-02 15:04:05"), x.Source, x.Status, count(x.Rows, "row", "rows"), count(x.BadRows, "bad", "bad"), count(x.Events, "event", "events"), when)
				for _, p := range x.Problems {
					if problems {
						a.printf("  %s\n", words.Problem(p))
					}
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&source, "source", "", "only this source")
	cmd.Flags().IntVarP(&most, "number", "n", 20, "how many at most")
	cmd.Flags().BoolVar(&problems, "problems", false, "with their problems")
	return cmd
}
