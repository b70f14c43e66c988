package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/store"
)

// ruleOperations is what commands ask and decide about rules.
type ruleOperations interface {
	SuggestRules(ctx context.Context) (*access.Suggestions, error)
	RulesApproval(ctx context.Context) (access.RulesApproval, error)
	ProposeRules(ctx context.Context, reason string) (access.Decision, error)
	DecideRules(ctx context.Context, digest string, verdict store.Verdict, reason string) (access.Decision, error)
}

func (a *app) rulesSuggestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "suggest",
		Short: "Show which rules are missing, and which are not needed",
		Long: `Show access that many in the same job, or the same unit, have without a rule, with the
rule that would give it, who would gain, and how many questions reviews would not ask
any more. Also rules that apply to no one who works here, rules of which everyone gets
the same by others, and roles that hold one thing or are given to one person or none.

People with protected identity are not counted in suggestions. Nothing is changed: put
a line into the policy, and see with behov simulate what it does.`,
		Example: "  behov rules suggest\n  behov rules suggest --json",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			s, err := d.SuggestRules(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(s)
			}
			a.printSuggestions(d, s)
			return nil
		}),
	}
}

func (a *app) printSuggestions(d *backend, s *access.Suggestions) {
	a.printf("Of %s who work here.\n", count(s.People, "person", "people"))
	if s.Undecided > 0 {
		a.printf("The rules cannot be worked out for %s; behov status says why.\n", count(s.Undecided, "of them", "of them"))
	}
	if len(s.Additions) == 0 {
		a.printf("\nNothing is common that no rule gives.\n")
	} else {
		a.printf("\nWhat many have and no rule gives:\n")
	}
	for _, x := range s.Additions {
		a.printf("\n%s: %s\n", x.Entitlement, x.Why.Text)
		a.printf("  %s\n", x.Line)
		a.printf("  It would save %s in a review of everyone", count(x.Saves, "question", "questions"))
		if x.Gain == 0 {
			a.printf(", and give it to no one else.\n")
			continue
		}
		a.printf(", and give it to %s more:\n", count(x.Gain, "person", "people"))
		if x.Conflicting > 0 {
			a.printf("    %s: see behov conflicts, and try it with behov simulate\n", count(x.Conflicting, "of them would come to have both sides of a segregation of duties", "of them would come to have both sides of a segregation of duties"))
		}
		for i, p := range x.Gaining {
			if i == listed {
				break
			}
			a.printf("    %s\n", d.name(p))
		}
		if more := x.Gain - min(len(x.Gaining), listed); more > 0 {
			a.printf("    … and %s\n", count(more, "person", "people"))
		}
	}
	if len(s.Unmatched) > 0 {
		a.printf("\nRules that apply to no one who works here:\n")
	}
	for _, r := range s.Unmatched {
		a.printf("  %s (%s) %s %s\n", r.Rule, r.Place, givesOrDenies(r), r.Gives)
	}
	if len(s.Covered) > 0 {
		a.printf("\nRules of which everyone gets the same by others:\n")
	}
	for _, r := range s.Covered {
		by := "others together"
		if len(r.By) > 0 {
			by = strings.Join(r.By, ", or ")
		}
		a.printf("  %s (%s) gives %s to %s, as by %s\n", r.Rule, r.Place, r.Gives, count(r.People, "person", "people"), by)
	}
	if len(s.SmallRoles) > 0 {
		a.printf("\nRoles that hold one thing, or are given to one person or none:\n")
	}
	for _, r := range s.SmallRoles {
		a.printf("  %s holds %s, and is given to %s\n", r.Role, strings.Join(r.Holds, ", "), count(r.People, "person", "people"))
	}
}

func givesOrDenies(r access.RuleRef) string {
	if r.Deny {
		return "denies"
	}
	return "gives"
}
