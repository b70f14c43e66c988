package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// reviewOperations is what commands ask and decide about reviews.
type reviewOperations interface {
	StartReview(ctx context.Context, r api.ReviewToStart) (api.StartedReview, error)
	Reviews(ctx context.Context) ([]access.Review, error)
	ReviewItems(ctx context.Context, everything bool) ([]access.ReviewItem, error)
	ReviewReport(ctx context.Context, campaign int64) (access.ReviewReport, error)
	DecideItem(ctx context.Context, item string, verdict store.Verdict, until, reason string) (access.Decision, error)
	HandOn(ctx context.Context, item, to, reason string) (access.Decision, error)
	SignOff(ctx context.Context, campaign int64, reason string) (access.Decision, error)
	RuleTasks(ctx context.Context) ([]access.RuleTask, error)
}

func (a *app) reviewCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "review", Short: "Review who has what, and the rules that give it, and decide"}
	cmd.AddCommand(a.reviewStartCommand(), a.reviewListCommand(), a.reviewStatusCommand(), a.reviewDecideCommand(), a.reviewHandOnCommand(), a.reviewReportCommand(), a.reviewSignOffCommand(), a.reviewTasksCommand(), a.reviewDueCommand())
	return cmd
}

func (a *app) reviewStartCommand() *cobra.Command {
	var r api.ReviewToStart
	var by string
	var manager, thenOwner bool
	var wrong []string
	cmd := &cobra.Command{
		Use:   "start",
		Short: "Start a review: questions about rules, and about people where judgement is needed",
		Long: `Start a review. What a rule gives to all of a job is one question, about the rule.
People are asked about where judgement is needed: access that no rule gives, that
few others in the same unit and job have, that is in conflict, exempt from MFA, or
of a class that demands every holder be looked at (review_all in controls.yaml).
The owner of each system answers, or with --manager the manager of each person; with
--manager --then-owner the owner, when the manager says keep.`,
		Example: "  behov review start --system library --preview --by 1006\n  behov review start --system library --by 1006\n  behov review start --unit care --manager --days 14 --after-due revoke --by 1001",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, _ []string) error {
			switch {
			case manager && thenOwner:
				r.Asks = string(store.AsksManagerThenOwner)
			case thenOwner:
				return errors.New("--then-owner goes with --manager: it says who is asked after the manager")
			case manager:
				r.Asks = string(store.AsksManager)
			}
			for _, w := range wrong {
				person, entitlement, ok := strings.Cut(w, "=")
				if !ok {
					return fmt.Errorf("--known-wrong %s: say PERSON=ENTITLEMENT, as 1004=library:desk", w)
				}
				r.KnownWrong = append(r.KnownWrong, api.KnownWrong{Person: person, Entitlement: entitlement})
			}
			started, err := d.StartReview(ctx, r)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(started)
			}
			verb := fmt.Sprintf("Review %d started with", started.Campaign)
			if r.Preview {
				verb = "It would ask"
			}
			a.printf("%s %s: %s and %s, where one for each holder would be %d. Answers until %s.\n", verb, count(started.Items, "question", "questions"),
				count(started.Rules, "about a rule", "about rules"), count(started.Items-started.Rules, "about access", "about access"), started.Holders, started.Due)
			if !r.Preview {
				a.printf("See behov review list.\n")
			}
			return nil
		}),
	}
	f := cmd.Flags()
	f.StringVar(&r.System, "system", "", "the system, as the catalogue calls it")
	f.StringVar(&r.Unit, "unit", "", "people who work in the unit or below it")
	f.StringVar(&r.Entitlement, "entitlement", "", "one entitlement")
	f.StringSliceVar(&r.People, "people", nil, "these people")
	f.BoolVar(&r.Everything, "everything", false, "every system")
	f.BoolVar(&manager, "manager", false, "the manager of each person answers, not the owner of the system")
	f.BoolVar(&thenOwner, "then-owner", false, "with --manager: the owner of the system is asked when the manager says keep")
	f.StringVar(&r.Reviewer, "reviewer", "", "the one person who answers everything")
	f.StringVar(&r.Fallback, "fallback", "", "the person who answers where no other can")
	f.IntVar(&r.Days, "days", 30, "for how many days answers are awaited")
	f.StringVar(&r.AfterDue, "after-due", "keep", "what becomes of access about which no answer came: keep or revoke")
	f.BoolVar(&r.All, "all", false, "ask about every person, also where a rule gives the access")
	f.StringSliceVar(&wrong, "known-wrong", nil, "PERSON=ENTITLEMENT that the review asks about and you know to be wrong:\nno one who answers is told, and the report says who revoked it")
	f.BoolVar(&r.Preview, "preview", false, "say what would be asked, and start nothing")
	f.StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) reviewListCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the questions that are not decided",
		Example: "  behov review list\n  behov review list --all",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			rows, err := d.ReviewItems(ctx, all)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(rows))
			}
			if len(rows) == 0 {
				a.printf("Nothing to decide.\n")
				return nil
			}
			t := a.newTable("ITEM", "ABOUT", "HAS", "ASKED", "DECIDED", "BECAUSE", "WHY")
			for _, r := range rows {
				because := make([]string, len(r.Asked))
				var about, has string
				if r.Person != nil {
					about, has = d.name(*r.Person), r.Entitlement
				} else {
					about, has = "rule "+r.Rule.Rule, strings.Join(r.Evidence.Entitlements, ", ")
				}
				for n, why := range r.Asked {
					because[n] = why.Text
				}
				asked, decided := "the owner", "–"
				if r.Reviewer != nil {
					asked = d.actor(*r.Reviewer)
				}
				if r.Decision != nil {
					decided = string(r.Decision.Verdict) + " by " + d.actor(r.Decision.Maker)
				}
				t.row(r.Item, about, has, asked, decided, strings.Join(because, "; "), r.Why.Text)
			}
			return t.print()
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list what is decided, too")
	return cmd
}

func (a *app) reviewStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "List the reviews: how far they are, and what is late",
		Example: "  behov review status",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			rows, err := d.Reviews(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(rows))
			}
			t := a.newTable("REVIEW", "OF", "ANSWERED", "DUE", "THEN", "STATE")
			for _, r := range rows {
				state := "open"
				switch {
				case r.Signed != nil:
					state = "signed off by " + d.actor(r.Signed.Maker)
				case r.ClosedAt != nil:
					state = "the last day has passed"
				}
				t.row(strconv.FormatInt(r.Campaign, 10), reviewOf(d, r), fmt.Sprintf("%d of %d", r.Answered, r.Questions), textOr(string(r.Due), "–"), string(r.AfterDue), state)
			}
			return t.print()
		}),
	}
}

// reviewOf says what a review is about.
func reviewOf(d *backend, r access.Review) string {
	if r.Person != nil {
		return "mover " + d.name(*r.Person)
	}
	return strings.TrimSpace(string(r.Scope) + " " + r.Of)
}

func (a *app) reviewDecideCommand() *cobra.Command {
	var reason, by, until string
	cmd := &cobra.Command{
		Use:   "decide ITEM keep|revoke|change-rule|not-mine",
		Short: "Answer a question of a review",
		Long: `Answer a question of a review. What is revoked goes at the next apply, and its rule
does not give it back; a later "keep" on a new review does. With --until, what is
kept ends after that day. "change-rule" keeps it as it is and tells the IAM engineer
that the rule should change (behov review tasks). "not-mine" asks another person.
The owner of the system and the deputies decide, or the reviewer whom the item
names (behov rights); no one decides on their own access. Where a control demands
two reviewers, a second person must say keep, too.`,
		Example: "  behov review decide 1-3 revoke --reason \"has left the project\" --by 1006\n  behov review decide 1-4 keep --until 2026-12-31 --reason \"until the audit is done\" --by 1006",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.DecideItem(ctx, args[0], store.Verdict(args[1]), until, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(decided)
			}
			a.printf("Decided: %s (item %s).", decided.Decided.Text, args[0])
			if decided.Kind == store.ReviewDecision && decided.Verdict == store.Revoke {
				a.printf(" It goes at the next apply.")
			}
			a.printf("\n")
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().StringVar(&until, "until", "", "the last day of what is kept (YYYY-MM-DD)")
	return cmd
}

func (a *app) reviewHandOnCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "hand-on ITEM PERSON",
		Short:   "Ask another person about a question from now on",
		Example: "  behov review hand-on 1-3 1002 --reason \"knows the project\" --by 1006",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.HandOn(ctx, args[0], args[1], reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) reviewReportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "report REVIEW",
		Short: "Show what a review asked, what was answered at which pace, and what the targets confirmed",
		Long: `Show what a review asked, what was answered at which pace, and what the targets
confirmed. With --json, the report is evidence that the review was done: every
question with its evidence, answer, maker and time.`,
		Example: "  behov review report 1\n  behov review report 1 --json > review-1.json",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			id, err := reviewNumber(args[0])
			if err != nil {
				return err
			}
			r, err := d.ReviewReport(ctx, id)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			a.printf("Review %d: %s, started %s by %s.\n", r.Campaign, reviewOf(d, r.Review), r.StartedAt.Time().Format("2006-01-02"), d.actor(r.StartedBy))
			t := a.newTable("", "QUESTIONS", "KEPT", "REVOKED", "ENDED", "CHANGE RULE", "WITHOUT ANSWER")
			for _, row := range []struct {
				name string
				c    access.ReviewCounts
			}{{"rules", r.Rules}, {"access", r.Access}} {
				t.row(row.name, strconv.Itoa(row.c.Questions), strconv.Itoa(row.c.Kept), strconv.Itoa(row.c.Revoked), strconv.Itoa(row.c.Ended), strconv.Itoa(row.c.ChangeRule), strconv.Itoa(row.c.Unanswered))
			}
			if err := t.print(); err != nil {
				return err
			}
			for _, p := range r.Reviewers {
				pace := ""
				if p.Seconds != nil {
					pace = fmt.Sprintf(", %.0f s for each", *p.Seconds)
				}
				if p.KnownWrong > 0 {
					pace += fmt.Sprintf(", found %d of %d known to be wrong", p.KnownWrongFound(), p.KnownWrong)
				}
				a.printf("%s: %s, %d kept%s\n", d.actor(p.Reviewer), count(p.Answers, "answer", "answers"), p.Kept, pace)
			}
			switch {
			case r.Signed != nil:
				a.printf("Signed off by %s: %s\n", d.actor(r.Signed.Maker), r.Signed.Reason)
			case r.Due != "":
				a.printf("Answers until %s; then: %s.\n", r.Due, r.AfterDue)
			}
			return nil
		}),
	}
}

func reviewNumber(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, fmt.Errorf("%q is no number of a review: see behov review status", text)
	}
	return id, nil
}

func (a *app) reviewSignOffCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "sign-off REVIEW",
		Short:   "End a review of which every question is answered, or whose last day has passed",
		Example: "  behov review sign-off 1 --reason \"went through it with the unit\" --by 1006",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			id, err := reviewNumber(args[0])
			if err != nil {
				return err
			}
			decided, err := d.SignOff(ctx, id, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) reviewTasksCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "tasks",
		Short:   "List the rules that reviewers want changed, and those against which decisions hold",
		Example: "  behov review tasks",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			tasks, err := d.RuleTasks(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(tasks))
			}
			if len(tasks) == 0 {
				a.printf("No rule is to change.\n")
			}
			for _, t := range tasks {
				a.printf("%s: rule %s gives %s\n", t.Rule.Place, t.Rule.Rule, t.Rule.Grants)
				if t.Exceptions > 0 {
					a.printf("  decisions take it from %s\n", count(t.Exceptions, "person", "people"))
				}
				for _, asked := range t.Asked {
					a.printf("  %s: %s\n", d.actor(asked.Maker), asked.Reason)
				}
				for line := range strings.Lines(t.Diff) {
					a.printf("    %s", line)
				}
			}
			return nil
		}),
	}
}

func (a *app) reviewDueCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "due",
		Short:   "End the reviews whose last day has passed, and start those that are due",
		Long:    "End the reviews whose last day has passed: access about which no answer came is\nkept or revoked, as each review said when it began. Start those that reviews in\nbehov.yaml says are due. behov serve does both by itself, once a day.",
		Example: "  behov review due",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			actor, err := a.actor(ctx, i)
			if err != nil {
				return err
			}
			closed, err := a.governance(i).CloseOverdue(ctx, actor)
			if err != nil {
				return err
			}
			started, err := a.governance(i).StartDue(ctx)
			if err != nil {
				return err
			}
			out := reviewDueJSON{Ended: closed, Started: []startedReviewJSON{}}
			for _, s := range started {
				out.Started = append(out.Started, startedReviewJSON{Series: s.Series, Review: s.Campaign, Questions: s.Questions})
			}
			if a.json {
				return a.printJSON(out)
			}
			a.printf("%s ended.\n", count(closed, "review", "reviews"))
			for _, s := range out.Started {
				a.printf("review %d of %s started, with %s.\n", s.Review, s.Series, count(s.Questions, "question", "questions"))
			}
			return nil
		}),
	}
}
