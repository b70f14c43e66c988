package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/wording"
)

func (a *app) planCommand() *cobra.Command {
	var out, asOf, person string
	var all, values bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Show what would change, and why",
		Long: `Read HR's facts, the decisions and every target, and show what would change and
why. Nothing is changed. Exit status: 0 nothing to do, 2 changes, 3 something
is held or failed for good, 1 error.`,
		Example: `  behov plan
  behov plan --as-of 2027-01-01     # what will change by then, as far as HR knows today
  behov plan --person 1004 --values
  behov plan -o monday.plan && behov apply monday.plan`,
		Args: cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			o := reconcile.Scope{}
			var err error
			if asOf != "" {
				if o.AsOf, err = identity.ParseDate(time.DateOnly, asOf); err != nil {
					return fmt.Errorf("--as-of %q: %w", asOf, err)
				}
			}
			if person != "" {
				p, err := i.db.FindPerson(ctx, person, i.config.First)
				if err != nil {
					return err
				}
				o.Person = p.ID
			}
			e, done, err := a.engine(ctx, i)
			if err != nil {
				return err
			}
			defer done()
			preview := func() (*plan.Plan, *reconcile.Values, error) { return e.Preview(ctx, o) }
			if o.Person != "" && out == "" && asOf == "" {
				preview = func() (*plan.Plan, *reconcile.Values, error) { return e.PreviewPerson(ctx, o.Person) }
			}
			p, v, err := preview()
			if err != nil {
				return err
			}
			if err := e.RecordHolds(ctx, p, v); err != nil {
				return err
			}
			if out != "" {
				if err := savePlan(out, p); err != nil {
					return err
				}
			}
			switch {
			case a.json:
				err = a.printPlanJSON(ctx, i, p, v, values)
			default:
				printer := planPrinter{app: a, names: a.view(ctx, i), values: v, all: all, withValues: values}
				printer.accounts = v.FindingAccounts(ctx, p.Findings[:displayCount(len(p.Findings), all)])
				printer.print(p)
				if out != "" {
					a.printf("\nSaved as %s; behov apply %s carries out exactly this.\n", out, out)
				}
			}
			return errors.Join(err, planStatus(p))
		}),
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "save the plan to a file, for behov apply FILE")
	cmd.Flags().StringVar(&asOf, "as-of", "", "preview a date (YYYY-MM-DD) instead of today")
	cmd.Flags().StringVar(&person, "person", "", "only this person: an HR person_id, login, e-mail address or ID")
	cmd.Flags().BoolVar(&all, "all", false, "list everyone, however many")
	cmd.Flags().BoolVar(&values, "values", false, "show old and new values: personal data, on your screen only")
	return cmd
}

func planStatus(p *plan.Plan) error {
	for _, f := range p.Findings {
		if f.Kind == plan.Unreachable {
			return fmt.Errorf("target %s could not be read, and is not in the plan: %s", f.Target, printerFor(wording.Reader{}).Reason(f.Reason))
		}
	}
	switch p.Status() {
	case plan.Held:
		return exit(exitHeld)
	case plan.Changes:
		return exit(exitChanges)
	}
	return nil
}

// savePlan writes a plan in one piece, readable for its owner only.
func savePlan(name string, p *plan.Plan) error {
	if _, err := os.Stat(name); err == nil {
		if _, err := loadPlan(name); err != nil {
			return fmt.Errorf("%s is there and is no saved plan: name another file", name)
		}
	}
	b, err := json.MarshalIndent(p, "", " ")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	removeAbandoned(filepath.Dir(name), ".plan-")
	f, err := os.CreateTemp(filepath.Dir(name), ".plan-*")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(fmt.Errorf("save the plan: %w", err), os.Remove(f.Name()))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

func loadPlan(name string) (*plan.Plan, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var p plan.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("%s is no saved plan (behov plan -o FILE makes one): %w", name, err)
	}
	if err := p.Verify(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &p, nil
}

// listed is how many people a plan lists without --all.
const listed = 50

var verbs = map[connectors.Op]struct{ mark, one, many string }{
	connectors.AdoptAccount:       {"=", "account adopted", "accounts adopted"},
	connectors.RenameAccount:      {"~", "account renamed", "accounts renamed"},
	plan.RevokeSessions:           {"-", "account signed out", "accounts signed out"},
	connectors.DisableAccount:     {"-", "account disabled", "accounts disabled"},
	connectors.RemoveMember:       {"-", "entitlement taken away", "entitlements taken away"},
	connectors.RemoveFormerMember: {"-", "earlier name taken out of a group", "earlier names taken out of groups"},
	plan.LeaveFormerGroup:         {"-", "former group left", "former groups left"},
	plan.RemoveFromFormerGroup:    {"-", "former group taken away", "former groups taken away"},
	connectors.CreateAccount:      {"+", "account created", "accounts created"},
	plan.PrepareAccount:           {"+", "account prepared", "accounts prepared"},
	connectors.UpdateAccount:      {"~", "account updated", "accounts updated"},
	connectors.AddMember:          {"+", "entitlement given", "entitlements given"},
	connectors.EnableAccount:      {"+", "account enabled", "accounts enabled"},
	connectors.DeleteAccount:      {"-", "account deleted", "accounts deleted"},
}

var verbOrder = []connectors.Op{connectors.AdoptAccount, connectors.CreateAccount, plan.PrepareAccount, connectors.EnableAccount, connectors.AddMember, connectors.UpdateAccount, connectors.RenameAccount,
	plan.RevokeSessions, connectors.DisableAccount, connectors.RemoveMember, connectors.RemoveFormerMember, plan.LeaveFormerGroup, plan.RemoveFromFormerGroup, connectors.DeleteAccount}

// stepCounts says "3 accounts created, 7 entitlements given".
func stepCounts(steps []plan.Step) string {
	counts := map[connectors.Op]int{}
	for _, s := range steps {
		counts[displayOp(s)]++
	}
	var parts []string
	for _, op := range verbOrder {
		if n := counts[op]; n > 0 {
			parts = append(parts, count(n, verbs[op].one, verbs[op].many))
		}
	}
	return strings.Join(parts, ", ")
}

func people(steps []plan.Step) []identity.PersonID {
	var ids []identity.PersonID
	for _, s := range steps {
		if n := len(ids); n == 0 || ids[n-1] != s.Person { // a phase's steps are sorted by person
			ids = append(ids, s.Person)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// planPrinter prints a plan for people.
type planPrinter struct {
	*app
	accounts        []reconcile.FindingAccount // that the findings are about
	names           *access.View
	values          *reconcile.Values
	all, withValues bool
}

// printPlanJSON prints a plan, with values of people when they are asked for.
func (a *app) printPlanJSON(ctx context.Context, i *installation, p *plan.Plan, v *reconcile.Values, values bool) error {
	shown, err := a.view(ctx, i).Plan(p)
	if err != nil {
		return err
	}
	x := planJSON{Plan: shown}
	if values {
		x.Values, x.Accounts = valuesOf(p, v), v.FindingAccounts(ctx, p.Findings)
	}
	return a.printJSON(x)
}

// stepValuesJSON is what a step writes.
type stepValuesJSON struct {
	Step    audit.StepID            `json:"step"`
	Account string                  `json:"account,omitempty"`
	Changes []reconcile.ValueChange `json:"changes,omitempty"`
}

func valuesOf(p *plan.Plan, v *reconcile.Values) []stepValuesJSON {
	all := []stepValuesJSON{}
	add := func(steps []plan.Step) {
		for _, s := range steps {
			all = append(all, stepValuesJSON{s.ID, v.Account(s), v.Changes(s)})
		}
	}
	add(p.Steps)
	for _, h := range p.Holds {
		add(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		add(w.Steps)
	}
	return all
}

func (a *planPrinter) print(p *plan.Plan) {
	n, all := a.names, a.all
	a.printf("Plan %.12s for %s: ", p.Digest, p.Basis.AsOf)
	if len(p.Steps) == 0 {
		text := nothingToDo(p)
		a.printf("%s.\n", strings.ToLower(text[:1])+text[1:])
	} else {
		a.printf("%s for %s.\n", stepCounts(p.Steps), count(len(people(p.Steps)), "person", "people"))
	}
	a.printSummary(p)
	a.printSteps(p.Steps)
	for _, h := range p.Holds {
		a.printf("\nHELD in %s: %s.\n  %s. Look at them, and if they are right:\n  behov hold release %s --reason \"…\" --by YOU\n", h.Target, n.Text(h.Why), stepCounts(h.Steps), h.Digest)
		a.printSteps(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		a.printf("\nWAITING in %s: %s.\n  %s.\n", w.Target, n.Text(w.Why), stepCounts(w.Steps))
		a.printSteps(w.Steps)
	}
	if stuck := p.FailedSteps(); len(stuck) > 0 {
		a.printf("\nFAILED before, and not tried now: %s. Look at them with behov steps.\n", count(len(stuck), "step", "steps"))
		for i, s := range stuck {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(stuck)-i)
				break
			}
			a.printf("  %s: %s; %s\n", n.Name(s.Step.Person), stepText(s.Step), n.Text(s.Why))
		}
	}
	if len(p.GatedGrants) > 0 {
		a.printf("\nWaiting grants:\n")
		var ids []identity.PersonID
		for _, g := range p.GatedGrants[:displayCount(len(p.GatedGrants), all)] {
			ids = append(ids, g.Person)
		}
		n.Prepare(ids)
		for i, g := range p.GatedGrants {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(p.GatedGrants)-i)
				break
			}
			a.printf("  %s: %s waits, %s\n", n.Name(g.Person), g.Entitlement, n.Text(g.Reason))
		}
	}
	if len(p.Handovers) > 0 {
		a.printf("\nHanded over:\n")
		var ids []identity.PersonID
		var reasons []reason.Reason
		for _, h := range p.Handovers[:displayCount(len(p.Handovers), all)] {
			ids, reasons = append(ids, h.Person), append(reasons, h.Reason)
		}
		n.Prepare(ids, reasons...)
		for i, h := range p.Handovers {
			if i == listed && !all {
				a.printf("  … and %d more (--all)\n", len(p.Handovers)-i)
				break
			}
			a.printf("  %s keeps %s until %s; %s\n", n.Name(h.Person), h.Entitlement, h.Until, n.Text(h.Reason))
		}
	}
	a.printFindings(p.Findings, n)
}

func (a *app) printSummary(p *plan.Plan) {
	var also []string
	held := 0
	for _, h := range p.Holds {
		held += len(h.Steps)
	}
	for _, w := range p.AwaitingCompleteRead {
		held += len(w.Steps)
	}
	for _, x := range []struct {
		n         int
		one, many string
	}{{len(p.Adopted), "access was there already, and belongs to its rule from now on", "accesses were there already, and belong to their rules from now on"}, {held, "step is held", "steps are held"}, {len(p.FailedSteps()), "step failed before", "steps failed before"}, {len(p.GatedGrants), "grant waits", "grants wait"}, {len(p.Handovers), "handover runs", "handovers run"}, {len(p.Findings), "finding to look at", "findings to look at"}} {
		if x.n > 0 {
			also = append(also, count(x.n, x.one, x.many))
		}
	}
	if len(also) > 0 {
		a.printf("Also: %s.\n", strings.Join(also, ", "))
	}
}

func (a *planPrinter) printSteps(steps []plan.Step) {
	n, all := a.names, a.all
	ids := people(steps)
	shown := ids[:displayCount(len(ids), all)]
	places := make(map[identity.PersonID][]int, len(shown)) // of their steps
	for _, id := range shown {
		places[id] = nil
	}
	var reasons []reason.Reason
	for i, s := range steps {
		if _, is := places[s.Person]; is {
			places[s.Person] = append(places[s.Person], i)
			reasons = append(reasons, s.Reason)
		}
	}
	n.Prepare(shown, reasons...)
	for _, id := range shown {
		a.printf("\n%s\n", n.Name(id))
		for _, place := range places[id] {
			s := steps[place]
			text := stepText(s)
			if name := a.values.Account(s); name != "" && s.Entitlement == "" {
				text = strings.Replace(text, " in "+s.Target, " "+name+" in "+s.Target, 1)
			}
			a.printf("  %s %s\n      %s\n", verbs[displayOp(s)].mark, text, n.Text(s.Reason))
			if a.withValues {
				for _, c := range a.values.Changes(s) {
					a.printf("      %s: %s → %s\n", c.Attribute, listOf(c.Before), listOf(c.After))
				}
			}
		}
	}
	if more := len(ids) - len(shown); more > 0 {
		a.printf("\n… and %s more (--all lists them)\n", count(more, "person", "people"))
	}
}

// displayCount returns how many of a list are shown.
func displayCount(n int, all bool) int {
	if all {
		return n
	}
	return min(n, listed)
}

func listOf(values []string) string {
	if len(values) == 0 {
		return "none"
	}
	return strings.Join(values, ", ")
}

// displayOp is the change as people see it: an update of what names an entry renames it.
func displayOp(s plan.Step) connectors.Op {
	if s.Op == connectors.UpdateAccount && s.Kind == blastradius.Renames {
		return connectors.RenameAccount
	}
	return s.Op
}

// stepText says what a step does.
func stepText(s plan.Step) string {
	what := string(s.Entitlement)
	if what == "" {
		what = strings.ReplaceAll(string(displayOp(s)), "-", " ")
	}
	text := what + " in " + s.Target
	if s.Op == connectors.RemoveFormerMember {
		text = "an earlier name in " + text
	}
	if plan.LeavesFormerGroup(s.Op) {
		text = fmt.Sprintf("former group %q of ", s.Native) + text
	}
	if s.Op == connectors.UpdateAccount {
		text += " (" + strings.Join(sortedKeys(s.Attributes), ", ") + ")"
	}
	return text
}

func (a *planPrinter) printFindings(findings []plan.Finding, n *access.View) {
	if len(findings) == 0 {
		return
	}
	all := a.all
	accounts := make(map[[2]string]string, len(a.accounts)) // as people see them, by target and ID
	for _, x := range a.accounts {
		if shown := x.Name; shown != "" {
			if x.Place != "" {
				shown += " in " + x.Place
			}
			accounts[[2]string{x.Target, x.AccountID}] = shown
		}
	}
	a.printf("\nFindings:\n")
	var ids []identity.PersonID
	var reasons []reason.Reason
	for _, f := range findings[:displayCount(len(findings), all)] {
		ids, reasons = append(ids, f.Person), append(reasons, f.Reason)
	}
	n.Prepare(ids, reasons...)
	for i, f := range findings {
		if i == listed && !all {
			a.printf("  … and %d more (--all)\n", len(findings)-i)
			return
		}
		about := f.Target
		if f.Person != "" {
			about = strings.TrimPrefix(about+", "+n.Name(f.Person), ", ")
		}
		if shown := accounts[[2]string{f.Target, f.AccountID}]; shown != "" {
			about += ", account " + shown
		} else if f.AccountID != "" && f.Person == "" {
			about += ", account " + f.AccountID
		}
		if f.Entitlement != "" {
			about += ", " + string(f.Entitlement)
		}
		a.printf("  %s (%s): %s\n", f.Kind, about, n.Text(f.Reason))
	}
}
