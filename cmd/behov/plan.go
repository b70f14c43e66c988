package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
)

func (a *app) planCommand() *cobra.Command {
	var out, asOf, person string
	var all, values bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change, and why",
		Long: `Read HR's facts, the decisions and every target, and show what would change and
why. Nothing is changed. Exit status: 0 nothing to do, 2 changes, 3 something
is held or failed for good, 1 error.`,
		Example: `  behov plan
  behov plan --as-of 2027-01-01     # what will change by then, as far as HR knows today
  behov plan --person 1004 --values
  behov plan -o monday.plan         # then, when it is right: behov apply monday.plan`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if asOf != "" {
				if _, err := identity.ParseDate(time.DateOnly, asOf); err != nil {
					return fmt.Errorf("--as-of %q: %w", asOf, err)
				}
			}
			if a.server == "" {
				return a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
					return a.planHere(ctx, i, reconcile.Scope{AsOf: identity.Date(asOf)}, person, out, all, values)
				})(cmd, args)
			}
			if out != "" || values {
				return errors.New("-o and --values go without --server: values are shown, and plans are saved and applied, on the machine of the installation")
			}
			return a.planThere(cmd.Context(), person, asOf, all)
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "save the plan to a file, for behov apply FILE")
	cmd.Flags().StringVar(&asOf, "as-of", "", "preview a date (YYYY-MM-DD) instead of today")
	cmd.Flags().StringVar(&person, "person", "", "only this person: an HR person_id, login, e-mail address or ID")
	cmd.Flags().BoolVar(&all, "all", false, "list everyone, however many")
	cmd.Flags().BoolVar(&values, "values", false, "show old and new values: personal data, on your screen only")
	return cmd
}
