package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/identity"
)

// peopleReader is what commands ask about people.
type peopleReader interface {
	People(ctx context.Context, state identity.State) ([]access.PersonState, error)
	Person(ctx context.Context, ref string) (access.Person, error)
	Duplicates(ctx context.Context) ([]access.Duplicate, error)
	Managers(ctx context.Context, everyone bool) ([]access.Manager, error)
	// Sessions is where a person is signed in.
	Sessions(ctx context.Context, ref string) ([]api.Session, error)
}

func (a *app) peopleListCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List people and their state",
		Long: `List people and their state today: known, pre-hire (an employment begins soon, and
accounts are prepared), active, on-leave, between-employments, ended (accounts
are kept, disabled), retained (accounts are deleted), to-erase.`,
		Example: "  behov people list --state on-leave\n  behov people list --json",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			if state != "" && !slices.Contains(identity.States, identity.State(state)) {
				return fmt.Errorf("--state: there is no state %q: behov people list --help lists them", state)
			}
			if a.json {
				rows, err := d.People(ctx, identity.State(state))
				if err != nil {
					return err
				}
				return a.printJSON(itemsOf(rows))
			}
			rows, err := d.People(ctx, "") // they are counted by state, too
			if err != nil {
				return err
			}
			t := a.newTable()
			for k, r := range rows {
				if state != "" && r.Stage.State != identity.State(state) {
					continue
				}
				if k == 200 && state == "" {
					t.row(fmt.Sprintf("… and %d more: --state says which, --json lists all", len(rows)-k))
					break
				}
				why := r.Stage.Because
				if !r.Suspended.IsZero() {
					why = r.Suspended
				}
				t.row(d.name(r.Person), r.Stage.State, why.Text)
			}
			if err := t.print(); err != nil {
				return err
			}
			counts := map[identity.State]int{}
			for _, r := range rows {
				counts[r.Stage.State]++
			}
			var parts []string
			for _, k := range slices.Sorted(maps.Keys(counts)) {
				parts = append(parts, fmt.Sprintf("%d %s", counts[k], k))
			}
			a.printf("%s\n", strings.Join(parts, ", "))
			return nil
		}),
	}
	cmd.Flags().StringVar(&state, "state", "", "only those in this state")
	return cmd
}

func (a *app) peopleShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show PERSON",
		Short:   "Show where a person stands: state, records, employments, decisions",
		Example: "  behov people show 1004",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			p, err := d.Person(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(p)
			}
			a.printPerson(d, p)
			a.printf("  records: %s\n  ID %s\n", strings.Join(p.Records, ", "), p.Person.ID)
			if p.MergedInto != nil {
				a.printf("  found to be %s\n", d.name(*p.MergedInto))
			}
			if !p.Undecided.IsZero() {
				a.printf("  nothing is changed: %s\n", p.Undecided.Text)
			}
			for _, e := range p.Exposed {
				text := e.Reason.Text
				if e.Target != "" {
					text = "target " + e.Target + ": " + text
				}
				a.printf("  %s\n", text)
			}
			return nil
		}),
	}
}

func (a *app) duplicatesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "duplicates",
		Short: "List possible duplicates",
		Long: `List people who may be one: the same national identity number and different
names, the same address, the same name and day of birth. Two records with the
same number and a name in common are joined when they come in, if they are of one
source or a setting joins says so; whatever is weaker is a question, and this is
where it is asked. A join that would change the name, mail or phone of a known
person is asked here too, and until then the new person gets nothing.`,
		Example: "  behov people duplicates\n  behov people merge 1004 2017 --reason \"asked her manager\"\n  behov people apart 1004 2017 --reason \"father and son\"",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			found, err := d.Duplicates(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(found))
			}
			if len(found) == 0 {
				a.printf("No possible duplicates.\n")
			}
			for _, two := range found {
				one, other := two.A.ID, two.B.ID
				a.printf("%s and %s: %s\n  behov people merge %s %s --reason \"…\"   or   behov people apart %s %s --reason \"…\"\n", d.name(two.A), d.name(two.B), two.Why.Text, one, other, one, other)
			}
			return nil
		}),
	}
}
