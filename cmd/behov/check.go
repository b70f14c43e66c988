package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
)

// lacks reads a target and says which of the catalogue's entitlements it does
// not have: nobody could be given them.
func (a *app) lacks(ctx context.Context, c *config.Config, target string, connector connectors.Connector) error {
	observed := plan.NewObserved()
	completeness, err := connector.Snapshot(ctx, observed)
	if err != nil {
		return err
	}
	if !completeness.Complete {
		return fmt.Errorf("it cannot be read completely: %s", completeness.Why)
	}
	if m, ok := connector.(connectors.Matcher); ok {
		observed.Names = m.Matching()[connectors.EntitlementName]
	}
	observed.Done(completeness)
	var missing []string
	for _, e := range c.Rules.Catalogue.Entitlements {
		if e.Target == target && !observed.Exists(e.Native) && !observed.Ambiguous(e.Native) {
			missing = append(missing, fmt.Sprintf("%q", e.Native))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("it lacks %s, which the catalogue names: create them there, or correct the catalogue", strings.Join(missing, ", "))
	}
	return nil
}

func (a *app) checkCommand() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration, the rules and the targets",
		Long: `Validate the configuration, the catalogue, the units, the rules and the HR column
mapping, and ask every target whether it answers, permits what behov needs, and
has what the catalogue names. No account of a person is changed. Where a kind of
target can be tried, a throw-away account (behovcheck…) is made, signed in with,
disabled, and deleted: a target in which a disabled account can still sign in
counts as one that cannot disable accounts.`,
		Example: "  behov check\n  behov check --offline     # without asking the targets, as in a CI job",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var targets []policy.Problem
			var proved []string
			c, err := a.load()
			if err != nil {
				return err
			}
			if err := c.Alerts.Secrets(c.Dir); err != nil {
				return fmt.Errorf("behov.yaml: %w", err)
			}
			if !offline {
				for _, t := range c.Targets {
					only := *c
					only.Targets = nil
					only.Targets = append(only.Targets, t)
					connected, err := reconcile.Connect(&only, nil)
					if err == nil {
						err = connected[t.Name].Check(cmd.Context())
						if err == nil {
							err = a.lacks(cmd.Context(), c, t.Name, connected[t.Name])
						}
						if err == nil {
							var said string
							said, err = a.prove(cmd.Context(), t.Name, connected[t.Name])
							proved = append(proved, said)
						}
						closeTargets(connected)
						if err != nil {
							err = fmt.Errorf("target %s: %w", t.Name, err)
						}
					}
					if err != nil {
						targets = append(targets, policy.Problem{File: "behov.yaml", Text: err.Error()})
					}
				}
			}
			if a.json {
				if err := a.printJSON(map[string]any{"targets": len(c.Targets), "entitlements": len(c.Rules.Catalogue.Entitlements), "rules": c.Rules.Digest, "problems": append([]policy.Problem{}, targets...)}); err != nil {
					return err
				}
			}
			for _, p := range targets {
				fmt.Fprintln(a.stderr, p.Error())
			}
			if len(targets) > 0 {
				return fmt.Errorf("%s cannot be used", count(len(targets), "target", "targets"))
			}
			if !a.json {
				answer := "all of which answer"
				if offline {
					answer = "not asked"
				}
				a.printf("%s", strings.Join(proved, ""))
				a.printf("All is well: %s, %s, %s (%s).\n", count(len(c.Rules.Catalogue.Entitlements), "entitlement", "entitlements"),
					count(c.Rules.Len(), "rule", "rules"), count(len(c.Targets), "target", "targets"), answer)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the targets")
	return cmd
}
