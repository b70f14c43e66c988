package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/policy"
)

// grantReader is what commands ask about what a person has.
type grantReader interface {
	Grants(ctx context.Context, ref string) (access.PersonGrants, error)
	Explain(ctx context.Context, ref string, id policy.EntitlementID) (access.Explanation, error)
	Roles(ctx context.Context, ref string) (access.Roles, error)
}

func (a *app) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain PERSON [ENTITLEMENT]",
		Short: "Explain why a person has an entitlement, or why not",
		Long: `Explain why a person has an entitlement, or why not: which rule gives it, or which
rule was nearest and which part of its condition failed. Without an entitlement,
list everything the rules give the person. A person is named by HR person_id,
login, e-mail address or ID.`,
		Example: "  behov explain 1004\n  behov explain 1004 library:loans",
		Args:    cobra.RangeArgs(1, 2),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			if len(args) == 1 {
				p, err := d.Grants(ctx, args[0])
				if err != nil {
					return err
				}
				if a.json {
					return a.printJSON(p)
				}
				a.printPerson(d, p.Person)
				for _, g := range p.Grants {
					a.printGrant(g)
				}
				return nil
			}
			x, err := d.Explain(ctx, args[0], policy.EntitlementID(args[1]))
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(x)
			}
			a.printPerson(d, x.Person)
			a.printGrant(x.Grant)
			if g := x.Grant.Gate; g == "" || g == policy.Denied {
				a.printNearRules(x)
			}
			return nil
		}),
	}
}

func (a *app) printGrant(g access.Grant) {
	a.printf("\n%s: %s\n", g.Entitlement, g.Text)
	for _, r := range []access.Reason{g.GateReason, g.Exemption, g.Allowed} {
		if r.IsZero() {
			continue
		}
		a.printf("  %s\n", r.Text)
	}
	for _, r := range g.Reasons {
		a.printf("  because of %s, by %s\n", r.Employment, r.By.Text)
	}
}

// printNearRules prints the nearest rules, and which parts of their conditions hold.
func (a *app) printNearRules(x access.Explanation) {
	if len(x.NearRules) == 0 && x.Active {
		a.printf("  no rule gives it to anybody\n")
	}
	for n, near := range x.NearRules {
		if n == 3 {
			a.printf("  … and %s further away\n", count(len(x.NearRules)-n, "rule", "rules"))
			break
		}
		if near.Satisfied && !near.Deny {
			continue // it grants, and another rule denies: printed above
		}
		verb := "nearest"
		if n > 0 {
			verb = "then"
		}
		if near.Deny {
			verb += ", denying"
		}
		a.printf("  %s: rule %s@%s (%s) for %s%s\n", verb, near.Rule, near.Version, near.Place, near.Employment, prefixed(": ", near.Why))
		if len(near.Parts) == 0 {
			a.printf("    the parts of its condition are masked\n")
		}
		for _, part := range near.Parts {
			mark := "holds"
			if !part.Satisfied {
				mark = "fails"
			}
			a.printf("    %s  %s%s\n", mark, part.Text, prefixed("   — ", fieldValues(part.Actual)))
		}
	}
}

func fieldValues(values []policy.FieldValue) string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = v.Field + " is " + v.Value
	}
	return strings.Join(texts, ", ")
}
