package main

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/client"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reconcile"
)

// simulated are the files that behov simulate tries.
type simulated struct{ rules, units, hr, source, asOf string }

func (a *app) simulateCommand() *cobra.Command {
	var files simulated
	var all bool
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Show what other rules, units or an HR file would do to everyone",
		Long: `Show what would happen to everyone's access if other rules, another catalogue or
organisation were in place, or if an HR file was imported: who would get, lose or
wait for what, and why, and what the next run would do because of it. The targets
are read as they are; nothing is changed, and nothing is imported.

--rules names a directory with any of the files policy.csv, catalogue.yaml,
units.csv, controls.yaml and conflicts.yaml, by the names that behov.yaml gives
them; what is not there stays as it is. When the change is put in place, behov plan makes the plan whose digest is
shown here. What an HR file has held is taken as released, so that its effect can
be seen; the report says what would be held.

Exit status: 0 it changes nothing, 2 it changes something, 1 error.`,
		Example: `  behov simulate --rules ../rules-in-review
  behov simulate --rules . --as-of 2027-01-01
  behov simulate --hr export.csv --source hr
  behov simulate --units reorganisation.csv --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case files.rules == "" && files.units == "" && files.hr == "":
				return errors.New("what is to be tried? --rules DIR, --units FILE or --hr FILE")
			case files.asOf != "":
				if _, err := identity.ParseDate(time.DateOnly, files.asOf); err != nil {
					return fmt.Errorf("--as-of %q: %w", files.asOf, err)
				}
			}
			if a.server != "" {
				return a.simulateThere(cmd.Context(), files, all)
			}
			return a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
				return a.simulateHere(ctx, i, files, all)
			})(cmd, args)
		},
	}
	cmd.Flags().StringVar(&files.rules, "rules", "", "a directory with other rules, catalogue or units")
	cmd.Flags().StringVar(&files.units, "units", "", "another file of units")
	cmd.Flags().StringVar(&files.hr, "hr", "", "an HR file")
	cmd.Flags().StringVar(&files.source, "source", "", "which of hr.sources the HR file is from (needed when there are several)")
	cmd.Flags().StringVar(&files.asOf, "as-of", "", "simulate a date (YYYY-MM-DD) instead of today")
	cmd.Flags().BoolVar(&all, "all", false, "list everyone, however many")
	return cmd
}

// instead reads the files that are tried.
func (s simulated) instead(names config.RuleFiles) (in config.Instead, err error) {
	if s.rules != "" {
		if in, err = names.InsteadFrom(s.rules); err != nil {
			return in, err
		}
	}
	if s.units != "" {
		content, err := os.ReadFile(s.units)
		if err != nil {
			return in, err
		}
		in.Units = &config.NewFile{Name: names.Units, Content: content}
	}
	return in, nil
}

func (a *app) simulateHere(ctx context.Context, i *installation, files simulated, all bool) error {
	instead, err := files.instead(i.config.RuleFiles)
	if err != nil {
		return err
	}
	trial := preview.Trial{Instead: instead, AsOf: identity.Date(files.asOf)}
	if files.hr != "" {
		source, err := pickSource(i.config, files.source)
		if err != nil {
			return err
		}
		content, _, _, err := a.readFile(files.hr, i.zone)
		if err != nil {
			return err
		}
		trial.HR = &preview.HRFile{Source: source, Name: files.hr, Content: content}
	}
	e, done, err := a.engine(ctx, i)
	if err != nil {
		return err
	}
	defer done()
	out, err := trial.Simulate(ctx, e, &hr.Importer{DB: i.db, Config: i.config, Now: a.now, Actor: e.Actor})
	var wrong *preview.TrialError
	if errors.As(err, &wrong) {
		if files.rules != "" {
			fmt.Fprintf(a.stderr, "in %s:\n", files.rules)
		}
		for _, p := range a.view(ctx, i).Problems(wrong.Problems) {
			fmt.Fprintf(a.stderr, "%s: %s\n", p.Place(), p.Text)
		}
		return err
	}
	if err != nil {
		return err
	}
	most := listed
	if all || a.json {
		most = 0
	}
	view := a.view(ctx, i)
	shown, err := view.Simulation(out.Simulation, most)
	if err != nil {
		return err
	}
	x := simulationJSON{Simulation: shown}
	if out.Import != nil {
		imported := api.ImportOf(view, out.Import)
		x.Import = &imported
	}
	return a.printSimulation(a.localBackend(i, ""), x, all)
}

func (a *app) simulateThere(ctx context.Context, files simulated, all bool) error {
	d, err := a.serverBackend(ctx)
	if err != nil {
		return err
	}
	instead, err := files.instead(config.DefaultRuleFiles)
	if err != nil {
		return err
	}
	what := api.Trial{AsOf: files.asOf}
	for _, f := range []struct {
		from *config.NewFile
		to   *string
	}{{instead.Policy, &what.Policy}, {instead.Catalogue, &what.Catalogue}, {instead.Units, &what.Units}, {instead.Controls, &what.Controls}, {instead.Conflicts, &what.Conflicts}} {
		if f.from != nil {
			*f.to = string(f.from.Content)
		}
	}
	if files.hr != "" {
		content, err := os.ReadFile(files.hr)
		if err != nil {
			return err
		}
		what.HR = &api.TriedHRFile{Source: files.source, Name: files.hr, Content: base64.StdEncoding.EncodeToString(content)}
	}
	p := newProgress(a.stderr)
	made, err := d.operations.(*client.Client).Simulate(ctx, what, p.show)
	p.done()
	if err != nil {
		return a.withSignInHint(err)
	}
	return a.printSimulation(d, simulationJSON{*made.Simulation, made.Import}, all)
}

// simulationJSON is what a change would do. Import is what an import of the HR file would
// report.
type simulationJSON struct {
	access.Simulation
	Import *api.Import `json:"import,omitempty"`
}

func (a *app) printSimulation(n *backend, s simulationJSON, all bool) error {
	status := error(nil)
	if len(s.Grants)+len(s.Steps)+len(s.Dropped) > 0 {
		status = exit(exitChanges)
	}
	if a.json {
		return errors.Join(a.printJSON(s), status)
	}
	if s.Import != nil {
		a.printf("The import of %s would record %s; %s left out.\n", s.Import.Name, count(s.Import.Events, "event", "events"), count(s.Import.LeftOut, "row is", "rows are"))
		if s.Import.Held != nil || s.Import.EndingsHeld != nil || len(s.Import.StartsHeld) > 0 {
			a.printf("Some of it would be HELD for a person to look at; this is what a release does.\n")
		}
	}
	if status == nil {
		a.printf("It changes nothing for anyone, on %s. Plan %.12s.\n", s.AsOf, s.Plan)
		return nil
	}
	a.printf("With this change, on %s, something changes for %s. Nothing has been changed.\n", s.AsOf, count(s.People, "person", "people"))
	if len(s.Newcomers) > 0 {
		a.printf("%s of them not known before.\n", count(len(s.Newcomers), "is one", "are some"))
	}
	a.printf("\n")
	t := a.newTable("ENTITLEMENT", "NOW", "THEN", "GET", "LOSE", "WAIT")
	same := 0
	for _, e := range s.Entitlements {
		if e.Begin+e.End == 0 && e.Before == e.After {
			same++
			continue
		}
		t.row(e.Entitlement, e.Before, e.After, e.Begin, e.End, e.Waiting)
	}
	if err := t.print(); err != nil {
		return err
	}
	if same > 0 {
		a.printf("%s as many people as now.\n", count(same, "other entitlement is given to", "other entitlements are given to"))
	}
	a.printGrantChanges(n, s.Grants, all)
	a.printf("\nBecause of it a run would do: %s.\n", cmp.Or(shownCounts(s.Steps), groupCounts(s.Groups), "nothing"))
	a.printGroups(s.Groups)
	if len(s.Dropped) > 0 {
		a.printf("It would not do, as it would without it: %s.\n", shownCounts(s.Dropped))
	}
	for _, h := range s.Holds {
		a.printf("HELD for a person in %s: %s; %s.\n", h.Target, count(h.Steps, "step", "steps"), h.Why.Text)
	}
	for i, f := range s.Findings {
		if i == listed && !all {
			a.printf("  … and %d more findings (--all)\n", len(s.Findings)-i)
			break
		}
		who := ""
		if f.Person != nil {
			who = n.name(*f.Person) + ": "
		}
		a.printf("FOUND: %s%s.\n", who, f.Reason.Text)
	}
	a.printf("Once the change is made, behov plan makes plan %.12s.\n", s.Plan)
	return status
}

var grantVerbs = map[[2]reconcile.GrantState]string{
	{"", reconcile.GrantGiven}: "+ gets", {"", reconcile.GrantWaiting}: "+ would wait for", {"", reconcile.GrantUndecided}: "? cannot be worked out:",
	{reconcile.GrantGiven, ""}: "- loses", {reconcile.GrantWaiting, ""}: "- no longer waits for", {reconcile.GrantUndecided, ""}: "- loses",
	{reconcile.GrantGiven, reconcile.GrantWaiting}: "~ has to wait for", {reconcile.GrantWaiting, reconcile.GrantGiven}: "+ no longer waits, and gets",
	{reconcile.GrantGiven, reconcile.GrantUndecided}: "? cannot be worked out, and keeps", {reconcile.GrantWaiting, reconcile.GrantUndecided}: "? cannot be worked out:",
	{reconcile.GrantUndecided, reconcile.GrantGiven}: "+ gets", {reconcile.GrantUndecided, reconcile.GrantWaiting}: "+ would wait for",
}

func (a *app) printGrantChanges(n *backend, grants []access.GrantChange, all bool) {
	people := 0
	last := identity.PersonID("")
	left := map[identity.PersonID]bool{}
	for _, g := range grants {
		if g.Person.ID != last {
			if people >= listed && !all {
				left[g.Person.ID] = true
				continue
			}
			people++
			last = g.Person.ID
			a.printf("\n%s\n", n.name(g.Person))
		}
		a.printf("  %s %s\n      %s\n", grantVerbs[[2]reconcile.GrantState{g.Before, g.After}], g.Entitlement, g.Reason.Text)
	}
	if len(left) > 0 {
		a.printf("\n… and %s more (--all lists them)\n", count(len(left), "person", "people"))
	}
}
