package policy

import (
	"errors"
	"fmt"

	"github.com/casbin/casbin/v2"
	"github.com/casbin/casbin/v2/model"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/rules"
)

// Enforcer asks Casbin itself, slowly: one employment, one entitlement at a time.
// Explain verifies its answer with it, and the tests verify the fast path.
type Enforcer struct {
	casbin *casbin.Enforcer
	rules  *Rules
}

// enforcer returns a Casbin enforcer with the same model and policy, and the
// organisation as on the day.
func (r *Rules) enforcer(day identity.Date) (*Enforcer, error) {
	m, err := model.NewModelFromString(rules.Model)
	if err != nil {
		return nil, fmt.Errorf("model.conf: %w", err)
	}
	e, err := casbin.NewEnforcer(m)
	if err != nil {
		return nil, fmt.Errorf("casbin: %w", err)
	}
	for name, f := range functions(r.Units.On(day)) {
		e.AddFunction(name, f)
	}
	// From the source, not from what was compiled: an error in compiling must not
	// affect both sides of the comparison.
	for _, rule := range r.source.Rules {
		effect := "allow"
		if rule.Deny {
			effect = "deny"
		}
		condition, err := rule.casbin(r.leave)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", rule.ID, err)
		}
		added, err := e.AddPolicy(rule.ID, condition, rule.Grants, effect, rule.Why)
		if err == nil && !added {
			err = errors.New("an identical rule exists already")
		}
		if err != nil {
			return nil, fmt.Errorf("casbin: rule %s: %w", rule.ID, err)
		}
	}
	for _, m := range r.source.bundle {
		if _, err := e.AddGroupingPolicy(m.role, m.holds); err != nil {
			return nil, fmt.Errorf("casbin: role %s: %w", m.role, err)
		}
	}
	return &Enforcer{casbin: e, rules: r}, nil
}

// gives reports whether the employment gives the entitlement on the day.
func (e *Enforcer) gives(p identity.Person, employment identity.Employment, day identity.Date, entitlement EntitlementID) (bool, error) {
	if !employment.ActiveOn(day) || len(e.rules.source.Rules) == 0 {
		return false, nil
	}
	return e.give(e.rules.schema.values(p, employment, day, e.rules.Units.On(day)), entitlement)
}

func (e *Enforcer) give(values []any, entitlement EntitlementID) (bool, error) {
	return e.casbin.Enforce(e.rules.schema.sub(values), string(entitlement))
}

// grantsField is the index of grants in a policy line, as in model.conf.
const grantsField = 2

// policy returns Casbin's policy lines.
func (e *Enforcer) policy() *model.Assertion { return e.casbin.GetModel()["p"]["p"] }
