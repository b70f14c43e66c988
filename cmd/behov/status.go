package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "See where HR's sources and the targets stand, and what waits for a person",
		Long: `Say of each HR source when something new came, of each target when it was read
whole and what is open, failing, parked, held or paused there, what is left of
targets that are not in the configuration any more, the people for whom the rules are
evaluated in two ways that differ, people who may be one, and reviews that are open. It asks the database
only; behov check asks the targets.

Exit status: 0 nothing waits for a person, 3 something does, 1 error.`,
		Example: "  behov status\n  behov status --json",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			s, err := a.status(ctx, i)
			if err != nil {
				return err
			}
			if a.json {
				err = a.printJSON(s)
			} else {
				a.printStatus(i, s)
			}
			if s.Waits {
				return errors.Join(err, exit(exitHeld))
			}
			return err
		}),
	}
}

// standing is where an installation stands.
type standing struct {
	Database string         `json:"database"`
	Records  int64          `json:"audit_records"`
	Sources  []sourceStatus `json:"hr_sources"`
	Targets  []targetStatus `json:"targets"`
	// Left is what is kept of targets that are not in the configuration.
	Left []store.TargetInventory `json:"not_configured"`
	// Waiting is how many jobs to reconcile people no process has begun.
	Waiting int `json:"waiting"`
	// Different is on what the fast evaluator and Casbin do not agree, with the
	// rules in use: nothing is changed for these people.
	Different []store.EvaluatorDifference `json:"evaluator_differences"`
	// Undecided are people who get nothing until it is decided whose record it is.
	Undecided int `json:"undecided_records"`
	// Reviews are the reviews with questions that are not decided, and Questions how many
	// these are.
	Reviews   int `json:"open_reviews"`
	Questions int `json:"open_review_items"`
	// Waits: something waits for a person.
	Waits bool `json:"waits_for_a_person"`
}

type sourceStatus struct {
	Name string    `json:"name"`
	Last time.Time `json:"last,omitzero"`
	Held int       `json:"held"`
	// Starts are the starts of running employments that changes move into the future,
	// and that are held.
	Starts int `json:"starts_held"`
}

type targetStatus struct {
	Name    string        `json:"name"`
	Read    time.Time     `json:"read,omitzero"`
	Missed  reason.Reason `json:"missed,omitzero"`
	Enabled int           `json:"enabled"` // people with a usable account
	// Oldest is when the oldest step was intended that has not ended.
	Oldest  time.Time       `json:"oldest_open_step,omitzero"`
	Failing int             `json:"failing"`
	Parked  int             `json:"parked"`
	Held    int             `json:"held"`
	Paused  *store.Decision `json:"paused,omitempty"`
	// Unseen is how much access lasts by the audit trail and is not seen in the
	// target: whether it is there is unknown. Disabled are accounts that someone
	// else than behov disabled.
	Unseen   int `json:"not_seen"`
	Disabled int `json:"disabled_by_others"`
	// SignInPossible says why a disabled account can sign in; empty when none can.
	LetsIn string `json:"lets_disabled_accounts_in,omitempty"`
	// Unproven says why it is not known.
	Unproven string `json:"disabling_unproven,omitempty"`
}

func (a *app) status(ctx context.Context, i *installation) (standing, error) {
	s := standing{Database: "SQLite", Sources: []sourceStatus{}, Targets: []targetStatus{}}
	if strings.HasPrefix(i.config.Database, "postgres") {
		s.Database = "PostgreSQL"
	}
	figures, err1 := i.db.Stats(ctx)
	states, err2 := i.db.TargetStates(ctx)
	pauses, err3 := i.db.Pauses(ctx)
	holds, err4 := i.db.Holds(ctx)
	waiting, err5 := i.db.Jobs().Waiting(ctx)
	left, err6 := reconcile.UnconfiguredTargets(ctx, i.db, i.config)
	different, err7 := i.db.EvaluatorDifferences(ctx, i.config.Rules.Digest, store.Everyone())
	unseen, err8 := i.db.UnseenAccess(ctx)
	disabled, err9 := i.db.DisabledAccounts(ctx)
	undecided, err10 := i.db.HeldRecords(ctx, store.Everyone())
	reviews, questions, err11 := i.db.OpenReviews(ctx)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11); err != nil {
		return s, err
	}
	held, starts := map[string]int{}, map[string]int{}
	for _, h := range holds {
		switch {
		case h.Decision != nil || !h.Current():
		case h.Kind == store.HRStartHold:
			starts[h.Subject]++
		default:
			held[h.Subject]++
		}
	}
	s.Records, s.Waiting, s.Left = figures.Heads.Audit, len(waiting), append([]store.TargetInventory{}, left...)
	for _, name := range sortedKeys(i.config.Sources) {
		s.Sources = append(s.Sources, sourceStatus{Name: name, Last: figures.Heard[name], Held: held[name], Starts: starts[name]})
		s.Waits = s.Waits || held[name] > 0 || starts[name] > 0
	}
	for _, t := range i.config.Targets {
		state := states[t.Name]
		one := targetStatus{Name: t.Name, Missed: state.Missed, Enabled: state.Enabled, Oldest: figures.Oldest[t.Name], Failing: figures.Failing[t.Name], Parked: figures.Parked[t.Name], Held: held[t.Name]}
		if state.ReadUS != 0 {
			one.Read = state.Read()
		}
		one.Unseen, one.Disabled = unseen[t.Name], disabled[t.Name]
		proof, err := i.db.DisableProof(ctx, t.Name)
		if err != nil {
			return s, err
		}
		switch connectors.ProofVerdict(proof.Verdict) {
		case connectors.SignInPossible:
			one.LetsIn = proof.Why
		case connectors.NotTried:
			one.Unproven = proof.Why
		}
		for _, subject := range []string{store.EveryTarget, t.Name} {
			if d, paused := pauses[subject]; paused {
				one.Paused = &d
			}
		}
		s.Targets = append(s.Targets, one)
		s.Waits = s.Waits || one.Parked > 0 || one.Held > 0 || one.Paused != nil || one.LetsIn != ""
	}
	s.Different = append([]store.EvaluatorDifference{}, different...)
	s.Undecided, s.Reviews, s.Questions = len(undecided), reviews, questions
	s.Waits = s.Waits || s.Reviews > 0
	s.Waits = s.Waits || len(s.Left) > 0 || len(s.Different) > 0 || s.Undecided > 0
	return s, nil
}

func (a *app) printStatus(i *installation, s standing) {
	at := func(t time.Time) string { return t.In(i.zone).Format("2006-01-02 15:04") }
	row := func(kind, name, text string, more ...string) {
		a.printf("%-9s %-14s %s\n", kind, name, text)
		for _, m := range more {
			a.printf("%25s%s\n", "", m)
		}
	}
	row("Database", s.Database, count(int(s.Records), "record", "records")+" in the audit trail")
	for _, h := range s.Sources {
		text := "nothing came yet"
		if !h.Last.IsZero() {
			text = "last change at " + at(h.Last)
		}
		var more []string
		if h.Held > 0 {
			more = append(more, fmt.Sprintf("%s HELD: behov hold list", count(h.Held, "import is", "imports are")))
		}
		if h.Starts > 0 {
			more = append(more, fmt.Sprintf("%s moved into the future and HELD: behov hold list", count(h.Starts, "start of a running employment is", "starts of running employments are")))
		}
		row("HR source", h.Name, text, more...)
	}
	for _, t := range s.Targets {
		text := "was never read whole"
		switch {
		case t.Read.IsZero():
		case !t.Missed.IsZero():
			text = "was read at " + at(t.Read) + ", but not whole: " + printerFor(wording.Reader{}).Reason(t.Missed)
		default:
			text = "read completely at " + at(t.Read)
		}
		if t.Enabled > 0 {
			text += "; " + count(t.Enabled, "person has a usable account", "people have a usable account")
		}
		var more []string
		if t.Paused != nil {
			more = append(more, "PAUSED since "+at(t.Paused.At())+": "+t.Paused.Reason)
		}
		if !t.Oldest.IsZero() {
			more = append(more, "a step is under way, or its end not known, since "+at(t.Oldest))
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
		if t.Unseen > 0 {
			more = append(more, count(t.Unseen, "access is", "accesses are")+" not seen any more, and unknown: behov plan says why, behov audit who-had ENTITLEMENT whose")
		}
		if t.Disabled > 0 {
			more = append(more, count(t.Disabled, "account was", "accounts were")+" disabled by someone else than behov: behov plan says whose, behov enable opens one")
		}
		if t.Held > 0 {
			more = append(more, "something is HELD: behov hold list")
		}
		row("Target", t.Name, text, more...)
	}
	for _, k := range s.Left {
		row("Target", k.Target, "NOT IN THE CONFIGURATION; what is kept of it:", inventoryText(k), "when it does not come back: behov target retire "+k.Target)
	}
	for _, d := range s.Different {
		row("Rules", "", "EVALUATED IN TWO WAYS, and nothing is changed for person "+string(d.Person)+" since "+at(time.UnixMicro(int64(d.FoundUS)))+":", d.Detail)
	}
	if s.Undecided > 0 {
		row("People", "", count(s.Undecided, "person gets", "people get")+" NOTHING until it is decided whose record it is: behov people duplicates")
	}
	if s.Reviews > 0 {
		row("Reviews", "", fmt.Sprintf("%s with %s: behov review list", count(s.Reviews, "review is open", "reviews are open"), count(s.Questions, "question that is not decided", "questions that are not decided")))
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
