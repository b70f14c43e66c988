package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reconcile"
)

func (a *app) checkCommand() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration, the rules and the targets",
		Long: `Validate the configuration, the catalogue, the units, the rules and the HR column
mapping, and ask every target whether it answers and permits what behov needs.
Nothing is changed.`,
		Example: "  behov check\n  behov check --offline     without asking the targets, as in a CI job",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var targets []policy.Problem
			c, err := a.load()
			if err != nil {
				return err
			}
			if !offline {
				for _, t := range c.Targets {
					only := *c
					only.Targets = nil
					only.Targets = append(only.Targets, t)
					connected, err := reconcile.Connect(&only, nil)
					if err == nil {
						err = connected[t.Name].Check(cmd.Context())
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
				a.printf("All is well: %s, %s, %s (%s).\n", count(len(c.Rules.Catalogue.Entitlements), "entitlement", "entitlements"),
					count(c.Rules.Len(), "rule", "rules"), count(len(c.Targets), "target", "targets"), answer)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the targets")
	return cmd
}
