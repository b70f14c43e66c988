package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// comparing is for how long check compares.
const comparing = 30 * time.Second

func (a *app) checkCommand() *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Validate the configuration, the rules and the targets",
		Long: `Validate the configuration, the catalogue, the units, the rules and the HR column
mapping, warn of cases beside the rules that fail (behov rules test), compare the
fast evaluator of rules with Casbin, and ask every target whether it answers,
permits what behov needs, and has what the catalogue names.
No account of a person is changed. Where a kind of target can be tried, a
test account (behovcheck…) is made, signed in with, disabled, and deleted:
a target in which a disabled account can still sign in counts as one that cannot
disable accounts.`,
		Example: "  behov check\n  behov check --offline     # without asking the targets and the database, as in a CI job",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.check(cmd.Context(), c, offline)
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "do not ask the targets, nor the database")
	return cmd
}

func (a *app) check(ctx context.Context, c *config.Config, offline bool) error {
	if err := errors.Join(c.Alerts.Secrets(c.Dir), c.EventSecrets(), c.SignIn.Secrets(c.Dir)); err != nil {
		return fmt.Errorf("behov.yaml: %w", err)
	}
	if _, err := masterKey(c); err != nil && !errors.Is(err, fs.ErrNotExist) && !offline {
		return fmt.Errorf("behov.yaml: key: %w", err)
	}
	var db *store.DB
	if !offline {
		var err error
		if db, err = currentDatabase(ctx, c); err != nil {
			return err
		}
	}
	if db != nil {
		defer db.Close() //nolint:errcheck // it is only read
	}
	compared, err := compareRules(ctx, db, c, identity.DateOf(a.now(), c.Zone))
	if err != nil {
		return err
	}
	var problems []diagnostic.Problem
	var proved []string
	for _, d := range compared.Differences {
		problems = append(problems, c.Rules.Problem(d))
	}
	if !offline {
		for _, t := range c.Targets {
			said, err := a.checkTarget(ctx, c, t)
			proved = append(proved, said)
			if err != nil {
				problems = append(problems, diagnostic.Problem{File: config.File, Text: fmt.Sprintf("target %s: %v", t.Name, err)})
			}
		}
	}
	tested, failing, err := a.checkCases(ctx, c)
	if err != nil {
		return err
	}
	warnings, err := a.warningsOf(ctx, db, c)
	if err != nil {
		return err
	}
	warnings = append(warnings, failing...)
	notInForce, err := notInForce(ctx, db, c)
	if err != nil {
		return err
	}
	warnings = append(warnings, notInForce...)
	if c.SignIn.Configured() && !offline {
		if err := signin.Check(c); err != nil {
			warnings = append(warnings, diagnostic.Problem{File: config.File, Warning: true, Text: fmt.Sprintf("sign_in: %v", err)})
		}
	}
	if a.json {
		if err := a.printJSON(checkJSON{append([]diagnostic.Problem{}, problems...), append([]diagnostic.Problem{}, warnings...), len(c.Targets), len(c.Rules.Catalogue.Entitlements), c.Rules.Digest,
			comparedJSON{compared.Conditions, compared.People}, tested}); err != nil {
			return err
		}
	}
	for _, p := range append(problems, warnings...) {
		fmt.Fprintln(a.stderr, printerFor(wording.Reader{Place: wording.Shell}).Problem(p))
	}
	if n := len(compared.Differences); n == 0 && compared.Conditions < compared.AllConditions {
		fmt.Fprintf(a.stderr, "warning: %d of %d conditions were compared with what Casbin says, within %s; behov serve compares the rest with the people it knows\n", compared.Conditions, compared.AllConditions, comparing)
	}
	switch n := len(compared.Differences); {
	case n > 0:
		return fmt.Errorf("the rules cannot be used: two evaluations differ about %s", count(n, "entitlement", "entitlements"))
	case len(problems) > 0:
		return fmt.Errorf("%s cannot be used", count(len(problems), "target", "targets"))
	case a.json:
		return nil
	}
	answer := "all of which answer"
	if offline {
		answer = "not asked"
	}
	a.printf("%s%s", strings.Join(proved, ""), tested.text())
	a.printf("Configuration OK: %s, %s, %s (%s).\n", count(len(c.Rules.Catalogue.Entitlements), "entitlement", "entitlements"),
		count(c.Rules.Len(), "rule", "rules"), count(len(c.Targets), "target", "targets"), answer)
	return nil
}

// notInForce warns of rules that are checked and not in force, since they wait for approval.
func notInForce(ctx context.Context, db *store.DB, c *config.Config) ([]diagnostic.Problem, error) {
	if db == nil || !c.RulesApproval {
		return nil, nil
	}
	inForce, err := reconcile.RulesInForce(ctx, db, c)
	if err != nil || inForce.InDirectory == nil {
		return nil, err
	}
	return []diagnostic.Problem{{File: c.RuleFiles.Policy, Warning: true, Text: fmt.Sprintf("version %.12s of the rules is checked here, and version %.12s stays in force until this one is approved: behov rules list", c.Rules.Digest, inForce.Rules.Digest)}}, nil
}
