package reconcile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
)

// CheckEntitlements reads a target and returns an error that names the catalogue's
// entitlements it lacks: no one could be given them.
//
// Groups that behov creates need not be there, where the target lets it create them.
func CheckEntitlements(ctx context.Context, c *config.Config, target string, connector connectors.Connector) error {
	creates := connector.Capabilities()[connectors.Groups].Can
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
		if e.Target == target && (e.Group == nil || !creates) && !observed.Exists(e.Native) && !observed.Ambiguous(e.Native) {
			missing = append(missing, fmt.Sprintf("%q", e.Native))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("it lacks %s, which the catalogue names: create them there, or correct the catalogue", strings.Join(missing, ", "))
	}
	return nil
}

// CompareRules asks Casbin about employments made up from the rules and, when there is a
// database, about some of the people, for as long as within.
func CompareRules(ctx context.Context, db peopleReader, c *config.Config, day identity.Date, within time.Duration) (policy.Comparison, error) {
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	people := func(func(identity.Person, error) bool) {}
	if db != nil {
		people = SamplePeople(limited, db)
	}
	compared, err := c.Rules.CompareAll(limited, people, day)
	if err != nil && limited.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return compared, fmt.Errorf("compare the fast evaluator with Casbin: %w", err)
	}
	return compared, nil
}
