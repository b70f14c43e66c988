package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

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
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			e, done, err := a.engine(ctx, i)
			if err != nil {
				return err
			}
			defer done()
			standing, err := e.PersonStatus(ctx, p)
			if err != nil {
				return err
			}
			day := identity.DateOf(a.now(), i.zone)
			has, err := i.db.Intervals(ctx, store.IntervalQuery{Person: p.ID, Open: true})
			if err != nil {
				return err
			}
			x := explainer{app: a, i: i, p: standing.Person, day: day, facts: standing.Facts, stage: standing.Stage, names: newNames(ctx, i), has: map[policy.EntitlementID]bool{}}
			for _, interval := range has {
				x.has[policy.EntitlementID(interval.Entitlement)] = true
			}
			if x.failing, err = i.db.FailingSteps(ctx, "", store.Only(p.ID)); err != nil {
				return err
			}
			if len(args) == 1 {
				return x.everything()
			}
			return x.one(policy.EntitlementID(args[1]))
		}),
	}
}

type explainer struct {
	*app
	i     *installation
	p     identity.Person
	day   identity.Date
	facts policy.Facts
	stage identity.Stage
	names *names
	has   map[policy.EntitlementID]bool
	// failing are the person's steps that a target did not do.
	failing []store.FailingStep
}

// failed returns the step that stands between the person and an entitlement,
// if any: its own, or one on the account.
func (x explainer) failed(id policy.EntitlementID) (store.FailingStep, bool) {
	of, _ := x.i.config.Rules.Catalogue.Entitlement(id)
	for _, f := range x.failing {
		var s plan.Step
		if json.Unmarshal([]byte(f.Body), &s) == nil && s.Target == of.Target && !s.RevokesAccess() && plan.PhaseOf(s.Op) != plan.PhaseUpdate && (s.Entitlement == "" || s.Entitlement == id) {
			return f, true
		}
	}
	return store.FailingStep{}, false
}

// stuck says why what the person has is still there, when it was to be taken.
func (x explainer) stuck(id policy.EntitlementID) string {
	of, _ := x.i.config.Rules.Catalogue.Entitlement(id)
	for _, f := range x.failing {
		var s plan.Step
		if json.Unmarshal([]byte(f.Body), &s) != nil || !s.RevokesAccess() || s.Target != of.Target || s.Entitlement != "" && s.Entitlement != id {
			continue
		}
		switch f.State {
		case store.GivenUp:
			return fmt.Sprintf("; the step that revokes it was given up (behov steps --all: %s)", f.Key)
		case store.Parked:
			return fmt.Sprintf("; revoking it failed %d times and is parked: %s (behov steps: %s)", f.Tries, x.names.in(f.Detail), f.Key)
		}
		return fmt.Sprintf("; taking it failed and is tried again: %s (behov steps: %s)", x.names.in(f.Detail), f.Key)
	}
	return ""
}

// state says in a word how a grant stands.
func (x explainer) state(g policy.Grant) string {
	has := x.has[g.Entitlement]
	switch {
	case !x.facts.Suspended.IsZero():
		return "may not use it"
	case g.Gate == policy.Open && has:
		return "has"
	case g.Gate == policy.Open:
		f, failed := x.failed(g.Entitlement)
		switch {
		case !failed:
			return "gets at the next apply"
		case f.State == store.GivenUp:
			return fmt.Sprintf("should have; the step that grants it was given up (behov steps --all: %s)", f.Key)
		case f.State == store.Parked:
			return fmt.Sprintf("should have, and does not get: %s; it failed %d times and is parked (behov steps: %s)", x.names.in(f.Detail), f.Tries, f.Key)
		}
		return fmt.Sprintf("should have, and has not got it yet: %s; it is tried again (behov steps: %s)", x.names.in(f.Detail), f.Key)
	case has && (g.Gate == policy.Kept || g.Gate == policy.MFAUnknown):
		return "keeps"
	case has:
		if why := x.stuck(g.Entitlement); why != "" {
			return "is to lose it" + why
		}
		return "loses at the next apply"
	case g.Gate == policy.AwaitingMFA || g.Gate == policy.MFAUnknown:
		return "waits"
	}
	return "has not"
}

func (x explainer) everything() error {
	grants, err := x.i.config.Rules.Decide(x.p, x.day, x.facts)
	if err != nil {
		return err
	}
	if x.json {
		return x.printJSON(map[string]any{"person": x.p.ID, "as_of": x.day, "grants": grants})
	}
	x.heading()
	listed := map[policy.EntitlementID]bool{"account": true}
	for _, g := range grants {
		listed[g.Entitlement] = true
		x.printf("\n%s: %s\n", g.Entitlement, x.state(g))
		x.reasons(g)
	}
	for _, id := range slices.Sorted(maps.Keys(x.has)) {
		if !listed[id] {
			x.printf("\n%s: has, and no rule, request or decision gives it%s\n", id, x.stuck(id))
		}
	}
	return nil
}

func (x explainer) heading() {
	login := x.p.Login
	if x.p.Protected {
		login = "masked" // it is made of the name
	}
	x.printf("%s, login %s, on %s\n", x.names.of(x.p.ID), login, x.day)
	x.printf("  %s: %s\n", x.stage.State, x.names.in(reason.OfStage(x.stage)))
	for _, decided := range []reason.Reason{x.facts.Suspended, x.facts.LegalHold} {
		if !decided.IsZero() {
			x.printf("  %s\n", x.names.in(decided))
		}
	}
	for _, e := range x.p.Employments {
		state := ""
		switch {
		case e.Withdrawn != "":
			state = ", withdrawn by HR on " + string(e.Withdrawn)
		case !e.ActiveOn(x.day) && e.Start > x.day:
			state = ", not begun"
		case !e.ActiveOn(x.day):
			state = ", ended"
		case e.OnLeave(x.day):
			state = ", on leave"
		}
		terms := e.On(max(x.day, e.Start))
		unit := x.i.config.Rules.Units.Name(x.i.config.Rules.Units.On(x.day).Current(terms.Unit))
		if x.p.Protected {
			unit = "masked" // the unit shows where a person can be found
		}
		x.printf("  %s: %s at %s, %g %%, %s to %s%s\n", x.employment(e.ID), orDash(terms.JobTitle), orDash(unit), terms.Percent, e.Start, orDash(string(e.End)), state)
		for _, later := range e.Terms {
			if later.From > x.day && !x.p.Protected {
				x.printf("    from %s: %s at %s, %g %%\n", later.From, orDash(later.JobTitle), orDash(x.i.config.Rules.Units.Name(later.Unit)), later.Percent)
			}
		}
	}
	if !x.p.IsActive(x.day) {
		x.printf("  No employment runs, so the rules give nothing.\n")
	}
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// employment names an employment as its source does.
func (x explainer) employment(id identity.EmploymentID) string {
	for _, e := range x.p.Employments {
		if e.ID == id {
			if !shows(x.p, e.Key) {
				break
			}
			return "employment " + e.Key.Key
		}
	}
	return string(id)
}

func (x explainer) reasons(g policy.Grant) {
	if !g.GateReason.IsZero() {
		x.printf("  %s\n", x.names.in(g.GateReason))
	}
	for _, r := range g.Reasons {
		x.printf("  because of %s, by %s\n", x.employment(r.Employment), x.names.in(r.By))
	}
}

func (x explainer) one(id policy.EntitlementID) error {
	e, err := x.i.config.Rules.Explain(x.p, x.day, x.facts, id)
	if err != nil {
		return err
	}
	if x.p.Protected {
		maskActual(e)
	}
	if x.json {
		return x.printJSON(map[string]any{"person": x.p.ID, "as_of": x.day, "has": x.has[id], "explanation": e})
	}
	x.heading()
	if e.Grant != nil {
		x.printf("\n%s: %s\n", id, x.state(*e.Grant))
		x.reasons(*e.Grant)
		if e.Grant.Gate == policy.Open {
			return nil
		}
	} else if x.has[id] {
		x.printf("\n%s: has, and no rule, request or decision gives it%s\n", id, x.stuck(id))
	} else {
		x.printf("\n%s: has not\n", id)
	}
	if e.Grant != nil && e.Grant.Gate != policy.Denied {
		return nil
	}
	if len(e.NearRules) == 0 && !e.NoEmployment {
		x.printf("  no rule gives it to anybody\n")
	}
	for n, near := range e.NearRules {
		if n == 3 {
			x.printf("  … and %s further away\n", count(len(e.NearRules)-n, "rule", "rules"))
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
		x.printf("  %s: rule %s@%s (%s) for %s%s\n", verb, near.Rule, near.Version, near.Place, x.employment(near.Employment), prefixed(": ", near.Why))
		for _, part := range near.Parts {
			mark := "holds"
			if !part.Satisfied {
				mark = "fails"
			}
			x.printf("    %s  %s%s\n", mark, part.Text, prefixed("   — ", part.Actual))
		}
	}
	return nil
}

// maskActual hides what the employments of a person with protected identity have, as
// the heading does: where a person works tells where they are. The parts of the
// conditions are the rules', and stay.
func maskActual(e policy.Explanation) {
	for _, near := range e.NearRules {
		for i := range near.Parts {
			if near.Parts[i].Actual != "" {
				near.Parts[i].Actual = "masked"
			}
		}
	}
}

func prefixed(prefix, s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return fmt.Sprint(prefix, s)
}
