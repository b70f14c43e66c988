package main

import (
	"context"

	"github.com/spf13/cobra"
)

func (a *app) managersCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "managers",
		Short: "List managers whom HR names and does not list, or who have left",
		Long: `List managers whom HR names for people who work here, and who are not in HR's
list of people (unknown) or have left, with how many people they are the manager
of. HR corrects it: name another manager for these people.

Where a target has an attribute with reference: manager, what stands there stays
meanwhile; missing: clear beside it empties the attribute.`,
		Example: "  behov people managers\n  behov people managers --all --json",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			rows, err := d.Managers(ctx, all)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(rows))
			}
			if len(rows) == 0 {
				a.printf("Every manager whom HR names is listed and works here.\n")
				return nil
			}
			t := a.newTable("MANAGER", "STATE", "PEOPLE", "NAME")
			for _, r := range rows {
				name := ""
				if r.Person != nil {
					name = d.name(*r.Person)
				}
				t.row(r.Key, r.State, r.People, name)
			}
			return t.print()
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list those who work here, too")
	return cmd
}
