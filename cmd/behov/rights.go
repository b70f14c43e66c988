package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/rights"
)

func (a *app) rightsCommand() *cobra.Command {
	var markdown bool
	cmd := &cobra.Command{
		Use:   "rights [PERSON]",
		Short: "See who may decide what",
		Long: `List every decision and which roles may make it: about anyone (any), only about
their own system, question or staff (own), or never (-). No one decides about
themselves, or lets through what they caused; a person who is suspended or does not
work here decides nothing. With a person: which roles the person has.

Roles are given in rights.csv; owners and deputies of systems stand in
catalogue.yaml, managers in HR. Without a configuration it lists the default.`,
		Example: "  behov rights\n  behov rights 1001",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
					return a.rightsOf(ctx, d, args[0])
				})(cmd, args)
			}
			if a.server != "" && !markdown {
				return a.rightsOfServer(cmd.Context())
			}
			standard, err := rights.New(nil)
			if err != nil {
				return err
			}
			if c, _ := config.Load(a.dir); c != nil && !markdown {
				standard = c.Rights
			}
			rows, err := standard.Matrix()
			if err != nil {
				return err
			}
			return a.printRights(api.RightsTable{Items: rows, Roles: standard.Columns()}, markdown)
		},
	}
	cmd.Flags().BoolVar(&markdown, "markdown", false, "print the default as a Markdown table, as in the manual")
	return cmd
}

func (a *app) rightsOfServer(ctx context.Context) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	table, err := c.Rights(ctx)
	if err != nil {
		return a.withSignInHint(err)
	}
	return a.printRights(table, false)
}

func (a *app) printRights(table api.RightsTable, markdown bool) error {
	rows, columns := table.Items, table.Roles
	if a.json {
		return a.printJSON(itemsOf(rows))
	}
	if markdown {
		a.printf("| |")
		for _, role := range columns {
			a.printf(" %s |", role)
		}
		a.printf("\n|---|%s\n", strings.Repeat("---|", len(columns)))
		for _, row := range rows {
			a.printf("| %s |", row.Action)
			for _, role := range columns {
				a.printf(" %s |", row.Scopes[role])
			}
			a.printf("\n")
		}
		return nil
	}
	header := []any{"ACTION"}
	for _, role := range columns {
		header = append(header, strings.ToUpper(string(role)))
	}
	t := a.newTable(header...)
	for _, row := range rows {
		cells := []any{row.Action}
		for _, role := range columns {
			cells = append(cells, row.Scopes[role])
		}
		t.row(cells...)
	}
	if err := t.print(); err != nil {
		return err
	}
	a.printf("\nany: about anyone but themselves. own: their own system, question or staff. Roles are given in rights.csv.\n")
	return nil
}

func (a *app) rightsOf(ctx context.Context, d *backend, ref string) error {
	of, err := d.Roles(ctx, ref)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(of)
	}
	if of.Person != nil {
		a.printf("%s\n", d.name(*of.Person))
	}
	a.printRoles(of)
	return nil
}

// printRoles says as what a person may be asked to decide.
func (a *app) printRoles(of access.Roles) {
	switch {
	case of.Service != "":
	case of.Suspended:
		a.printf("  is suspended, and decides nothing\n")
	case !of.Active:
		a.printf("  does not work here today, and decides nothing\n")
	}
	for _, role := range of.Roles {
		a.printf("  %s\n", role)
	}
	for _, system := range of.Owns {
		a.printf("  owner or deputy of %s\n", system)
	}
	switch {
	case of.Service != "" && len(of.Roles) == 0:
		a.printf("  no role: sees no one\n")
	case len(of.Roles)+len(of.Owns) == 0:
		a.printf("  no role: decides only as a reviewer who is asked, or as a manager\n")
	}
}
