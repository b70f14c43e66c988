package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reconcile"
)

// managerJSON is a manager as --json prints it.
type managerJSON struct {
	Key    string            `json:"key"` // what HR calls the manager
	Person identity.PersonID `json:"person,omitempty"`
	Name   string            `json:"name,omitempty"`
	State  plan.ManagerState `json:"state"` // "unknown", "left" or "works"
	People int               `json:"people"`
}

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
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			managers, err := reconcile.ManagersOn(ctx, i.db, i.config, identity.DateOf(a.now(), i.zone))
			if err != nil {
				return err
			}
			n := newNames(ctx, i)
			rows := []managerJSON{}
			var ids []identity.PersonID
			for _, m := range managers {
				if m.State == "" && !all {
					continue
				}
				rows = append(rows, managerJSON{Key: m.Key.String(), Person: m.Person, State: m.State, People: m.People})
				ids = append(ids, m.Person)
			}
			if err := n.load(ids); err != nil {
				return err
			}
			for k := range rows {
				if rows[k].Person != "" {
					rows[k].Name = n.of(rows[k].Person)
				}
				if rows[k].State == "" {
					rows[k].State = "works"
				}
			}
			if a.json {
				return a.printJSON(rows)
			}
			if len(rows) == 0 {
				a.printf("Every manager whom HR names is listed and works here.\n")
				return nil
			}
			t := a.newTable("MANAGER", "STATE", "PEOPLE", "NAME")
			for _, r := range rows {
				t.row(r.Key, r.State, r.People, r.Name)
			}
			return t.print()
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list those who work here, too")
	return cmd
}
