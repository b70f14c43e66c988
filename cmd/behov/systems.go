package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/policy"
)

// systemOperations is what commands ask and decide about systems.
type systemOperations interface {
	SystemStates(ctx context.Context) ([]access.SystemState, error)
	Revisions(ctx context.Context) ([]access.Revision, error)
	Revise(ctx context.Context, subject, reason string) (access.Decision, error)
}

func (a *app) systemsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "systems [SYSTEM]",
		Short: "Show systems, what their class demands, and where practice falls short",
		Long: `Show each system: its class, what controls.yaml demands by it, who owns it, and where
practice falls short, as an owner who has left, a review that is late, or people with
access that a control does not let them have. With SYSTEM, everything about one, with
the people concerned.`,
		Example: "  behov systems\n  behov systems care\n  behov systems revise care --reason \"class and suppliers are right\"\n  behov systems revisions",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			all, err := d.SystemStates(ctx)
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if a.json {
					return a.printJSON(itemsOf(all))
				}
				return a.printSystems(all)
			}
			i := slices.IndexFunc(all, func(s access.SystemState) bool { return s.System.System == args[0] })
			if i < 0 {
				return fmt.Errorf("there is no system %q: behov systems lists them", args[0])
			}
			if a.json {
				return a.printJSON(all[i])
			}
			a.printSystem(d, all[i])
			return nil
		}),
	}
	cmd.AddCommand(a.reviseCommand(), a.revisionsCommand())
	return cmd
}

func (a *app) reviseCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "revise SYSTEM",
		Short: "Say that a system was gone through and is as it should be",
		Long: `Say that a system was gone through, its owner, class, suppliers and rules, and is as
it should be. It is done every year, and behov systems says what is late. In place of
a system: "policy rules", "policy controls", "policy rights".`,
		Example: "  behov systems revise care --reason \"class and suppliers are right\" --by 1003\n  behov systems revise \"policy rules\" --reason \"gone through with the owners\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.Revise(ctx, args[0], reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(decided)
			}
			a.printf("Recorded (decision %d). It is due again in a year.\n", decided.Seq)
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "what was found, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) revisionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "revisions",
		Short:   "List when everything was last gone through, what is late first",
		Example: "  behov systems revisions",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.Revisions(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			t := a.newTable("DUE", "WHAT", "LAST", "BY")
			for _, r := range all {
				due, last, by := "now", "never", ""
				if r.Last != nil {
					last, by = r.Last.DecidedAt.Time().In(d.zone).Format("2006-01-02"), d.actor(r.Last.Maker)
				}
				if r.Due != "" {
					due = string(r.Due)
				}
				if r.Late && r.Due != "" {
					due += " LATE"
				}
				t.row(due, r.Subject, last, by)
			}
			return t.print()
		}),
	}
}

func (a *app) printSystems(all []access.SystemState) error {
	t := a.newTable("SYSTEM", "CLASS", "DEMANDS", "FINDINGS")
	for _, s := range all {
		t.row(s.System.System, classText(s.Class), demandsText(s.Controls), len(s.Findings))
	}
	if err := t.print(); err != nil {
		return err
	}
	for _, s := range all {
		for i, f := range s.Findings {
			if i == 0 {
				a.printf("\n%s\n", s.System.System)
			}
			a.printf("  %s\n", f.Text)
		}
	}
	return nil
}

// classText returns a class as its levels: K for confidentiality, R for integrity and T for
// availability, as KLASSA has them.
func classText(c *policy.Class) string {
	if c == nil {
		return "none"
	}
	text := fmt.Sprintf("K%d R%d T%d", c.Confidentiality, c.Integrity, c.Availability)
	if c.SecurityProtected {
		text += " protected"
	}
	return text
}

// demandsText returns what controls demand of those who have access, in short.
func demandsText(c policy.Controls) string {
	var all []string
	if c.MFA.Value != "" {
		all = append(all, "MFA "+string(c.MFA.Value))
	}
	if c.Screening.Value {
		all = append(all, "screening")
	}
	if c.WithholdProtected.Value {
		all = append(all, "no protected identities")
	}
	for _, t := range c.NotTypes {
		all = append(all, "not "+t.Value)
	}
	for _, s := range c.NotSources {
		all = append(all, "not from "+s.Value)
	}
	if c.ReviewDays.Value > 0 {
		all = append(all, fmt.Sprintf("review every %d days", c.ReviewDays.Value))
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

func (a *app) printSystem(d *backend, s access.SystemState) {
	a.printf("%s (%s)\n", s.Name, s.System.System)
	a.printf("  class: %s", classText(s.Class))
	if s.Note != "" {
		a.printf(", %s", s.Note)
	}
	a.printf("\n")
	var owners []string
	for _, o := range s.Owners {
		owners = append(owners, d.name(o))
	}
	a.printf("  owner and deputies: %s\n", textOr(strings.Join(owners, ", "), "no one who works here"))
	a.printSuppliers(s.Suppliers, "  ")
	if len(s.DataIn) > 0 {
		a.printf("  data in: %s\n", strings.Join(s.DataIn, ", "))
	}
	a.printf("  demands: %s\n", demandsText(s.Controls))
	if s.Revised != nil {
		a.printf("  gone through: %s by %s\n", s.Revised.DecidedAt.Time().In(d.zone).Format("2006-01-02"), d.actor(s.Revised.Maker))
	}
	for _, e := range s.Entitlements {
		a.printf("  entitlement: %s, %s\n", e.Entitlement, e.Name)
	}
	for _, f := range s.Findings {
		a.printf("FOUND: %s\n", f.Text)
	}
	for _, x := range s.Shortfalls {
		a.printf("  %s has %s: %s\n", d.name(x.Person), x.Entitlement, x.Because.Text)
	}
}

func (a *app) printSuppliers(all []policy.Supplier, indent string) {
	for _, s := range all {
		country := ""
		if s.Country != "" {
			country = " (" + s.Country + ")"
		}
		a.printf("%ssupplier: %s%s\n", indent, s.Name, country)
		a.printSuppliers(s.SubSuppliers, indent+"  ")
	}
}

func textOr(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
