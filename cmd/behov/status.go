package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/store"
)

// statusReader is what commands ask about the installation.
type statusReader interface {
	Status(ctx context.Context) (access.Status, error)
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "See where HR's sources and the targets stand, and what waits for a person",
		Long: `Say of each HR source when something new came, of each target when it was read
whole and what is open, failing, parked, held or paused there, what is left of
targets that are not in the configuration any more, the people for whom the rules are
evaluated in two ways that differ, people who may be one, reviews that are open, and
service accounts whose tokens are refused, or will be within 30 days. It asks the database
only; behov check asks the targets.

Exit status: 0 nothing waits for a person, 3 something does, 1 error.`,
		Example: "  behov status\n  behov status --json",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			s, err := d.Status(ctx)
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(s)
			} else {
				a.printStatus(d, s)
			}
			if s.Waits {
				return errors.Join(err, exit(exitHeld))
			}
			return err
		}),
	}
}

func (a *app) printStatus(backend *backend, s access.Status) {
	at := func(t time.Time) string { return t.In(backend.zone).Format("2006-01-02 15:04") }
	row := func(kind, name, text string, more ...string) {
		a.printf("%-9s %-14s %s\n", kind, name, text)
		for _, m := range more {
			a.printf("%25s%s\n", "", m)
		}
	}
	row("Database", s.Database, count(int(s.Records), "record", "records")+" in the audit trail")
	for _, h := range s.Sources {
		text := "nothing came yet"
		if h.Last != nil {
			text = "last change at " + at(*h.Last)
		}
		var more []string
		if h.Held > 0 {
			more = append(more, fmt.Sprintf("%s HELD: behov hold list", count(h.Held, "import is", "imports are")))
		}
		if h.StartsHeld > 0 {
			more = append(more, fmt.Sprintf("%s moved into the future and HELD: behov hold list", count(h.StartsHeld, "start of a running employment is", "starts of running employments are")))
		}
		row("HR source", h.Name, text, more...)
	}
	for _, t := range s.Targets {
		text := "was never read whole"
		switch {
		case t.Read == nil:
		case !t.Missed.IsZero():
			text = "was read at " + at(*t.Read) + ", but not whole: " + t.Missed.Text
		default:
			text = "read completely at " + at(*t.Read)
		}
		if t.Enabled > 0 {
			text += "; " + count(t.Enabled, "person has a usable account", "people have a usable account")
		}
		var more []string
		if t.Paused != nil {
			more = append(more, "PAUSED since "+at(t.Paused.DecidedAt.Time())+": "+t.Paused.Reason)
		}
		if t.OldestOpen != nil {
			more = append(more, "a step is under way, or its end not known, since "+at(*t.OldestOpen))
		}
		if t.Parked > 0 {
			more = append(more, count(t.Parked, "step is", "steps are")+" PARKED: behov steps --target "+t.Name)
		}
		if t.Failing > 0 {
			more = append(more, count(t.Failing, "step fails and is", "steps fail and are")+" tried again: behov steps --target "+t.Name)
		}
		if t.LetsIn != "" {
			more = append(more, "ACCOUNTS CANNOT BE DISABLED HERE: "+t.LetsIn+"; then run behov check")
		}
		if t.Unproven != "" {
			more = append(more, "NOTHING SHOWS that a disabled account cannot sign in here: "+t.Unproven)
		}
		if t.NotSeen > 0 {
			more = append(more, count(t.NotSeen, "access is", "accesses are")+" not seen any more, and unknown: behov plan says why, behov audit who-had ENTITLEMENT whose")
		}
		if t.DisabledByOthers > 0 {
			more = append(more, count(t.DisabledByOthers, "account was", "accounts were")+" disabled by someone else than behov: behov plan says whose, behov enable opens one")
		}
		if t.Held > 0 {
			more = append(more, "something is HELD: behov hold list")
		}
		row("Target", t.Name, text, more...)
	}
	for _, k := range s.NotConfigured {
		row("Target", k.Target, "NOT IN THE CONFIGURATION; what is kept of it:", inventoryText(k), "when it does not come back: behov target retire "+k.Target)
	}
	if r := s.Rules; r != nil {
		var more []string
		if r.Directory != "" {
			more = append(more, fmt.Sprintf("the files are version %.12s, which is NOT IN FORCE: behov rules propose", r.Directory))
		}
		for _, digest := range r.Waiting {
			more = append(more, fmt.Sprintf("version %.12s WAITS for approval: behov rules list", digest))
		}
		text := "no version is in force, and no run changes anything until one is approved"
		if r.InForce != "" {
			text = fmt.Sprintf("version %.12s is in force", r.InForce)
		}
		row("Rules", "", text, more...)
	}
	for _, d := range s.Different {
		row("Rules", "", "EVALUATED IN TWO WAYS, and nothing is changed for person "+string(d.Person.ID)+" since "+at(d.FoundAt)+":", d.Detail)
	}
	if s.Undecided > 0 {
		row("People", "", count(s.Undecided, "person gets", "people get")+" NOTHING until it is decided whose record it is: behov people duplicates")
	}
	if s.Reviews > 0 {
		row("Reviews", "", fmt.Sprintf("%s with %s: behov review list", count(s.Reviews, "review is open", "reviews are open"), count(s.Questions, "question that is not decided", "questions that are not decided")))
	}
	for _, one := range s.Services {
		text := count(one.Tokens, "token", "tokens")
		if !one.Problem.IsZero() {
			text = "PROBLEM: " + one.Problem.Text
		}
		row("Service", one.Service, text)
	}
	if s.Waiting > 0 {
		row("Waiting", "", fmt.Sprintf("%s to reconcile: behov serve --apply does it, or behov apply", count(s.Waiting, "job", "jobs")))
	}
}

// inventoryText says what is kept of a target.
func inventoryText(k store.TargetInventory) string {
	text := fmt.Sprintf("%s, %s", count(k.Accounts, "account", "accounts"), count(k.Access, "access", "accesses")+" that people have")
	if k.OpenSteps > 0 {
		text += ", " + count(k.OpenSteps, "step whose end is", "steps whose ends are") + " not known"
	}
	if k.FailingSteps > 0 {
		text += ", " + count(k.FailingSteps, "failing step", "failing steps")
	}
	return text
}
