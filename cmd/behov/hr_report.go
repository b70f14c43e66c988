package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
)

// reporter is what commands report that the HR system does not have yet, and ask of it.
type reporter interface {
	Reports(ctx context.Context) (access.Reports, error)
	ReportEnd(ctx context.Context, ref, employment, lastDay, reason string) (access.Decision, error)
	ReportHire(ctx context.Context, h api.Hire) (api.ReportedHire, error)
	TakeBackReport(ctx context.Context, ref, employment, reason string) (access.Decision, error)
}

const reportHelp = `
What is reported holds until the HR system says it itself: see behov help
people-and-lifecycle. It needs a source with forms: true under hr.sources.`

func (a *app) reportCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "report", Short: "Report what the HR system does not have yet: an ending, a hire"}
	cmd.AddCommand(a.reportListCommand(), a.reportEndCommand(), a.reportHireCommand(), a.reportTakeBackCommand())
	return cmd
}

func (a *app) reportListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List what was reported and the HR system has not said yet", Args: cobra.NoArgs, Example: "  behov hr report list",
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.Reports(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(all)
			}
			for _, r := range all.Open {
				what, waits := "hired from "+string(r.Employment.Start), ""
				if r.Ends != "" {
					what = "ends on " + string(r.Ends)
				}
				if r.Unconfirmed {
					waits = "; not confirmed"
				}
				a.printf("%s  %s: %s %s%s\n", r.On, d.name(r.Person), r.Employment.Employment, what, waits)
				if r.Decision != nil {
					a.printf("  by %s: %s\n", d.actor(r.Decision.Maker), orDash(r.Decision.Reason))
				}
			}
			for _, o := range all.Overruled {
				a.printf("Overruled: %s: %s\n", d.about(o), o.Because.Text)
			}
			if len(all.Open)+len(all.Overruled) == 0 {
				a.printf("No report is waiting.\n")
			}
			return nil
		}),
	}
}

func (a *app) reportEndCommand() *cobra.Command {
	var reason, by, last string
	cmd := &cobra.Command{
		Use: "end PERSON EMPLOYMENT", Short: "Report that an employment ends, whatever the HR system lists", Args: cobra.ExactArgs(2),
		Long: `Report that an employment ends, by HR's employment_id as behov people show lists it.
Access ends after the last day; yesterday's date ends it at once.` + reportHelp,
		Example: "  behov hr report end 1004 E7 --last-day 2026-11-29 --reason \"left in anger\" --by 1001",
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.ReportEnd(ctx, args[0], args[1], last, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&last, "last-day", "", "the last day, YYYY-MM-DD")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) reportTakeBackCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use: "take-back PERSON EMPLOYMENT", Short: "Take back what was reported of an employment", Args: cobra.ExactArgs(2),
		Long: `Take back what was reported of an employment: what the HR system says counts again.
A reported hire ends today.` + reportHelp,
		Example: "  behov hr report take-back 1004 E7 --reason \"it was another person\" --by 1001",
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.TakeBackReport(ctx, args[0], args[1], reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) reportHireCommand() *cobra.Command {
	var h api.Hire
	var by string
	var number bool
	cmd := &cobra.Command{
		Use: "hire", Short: "Report a hire that the HR system does not have yet", Args: cobra.NoArgs,
		Long: `Report a hire: a person and an employment. With --national-id the number is read from
the standard input, so that it stands in no list of processes; by it the HR system's
own record is recognised as the same person.` + reportHelp,
		Example: "  behov hr report hire --given-name Eva --family-name Ek --unit library --job-title Librarian --job-code LIB --first-day 2026-11-30 --reason \"HR is away\" --by 1001",
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, _ []string) error {
			if number {
				text, err := io.ReadAll(io.LimitReader(a.stdin, 200))
				if err != nil {
					return err
				}
				h.NationalID = strings.TrimSpace(string(text))
			}
			done, err := d.ReportHire(ctx, h)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(done)
			}
			return a.decided(d, done.Decision, nil)
		}),
	}
	f := cmd.Flags()
	f.StringVar(&h.GivenName, "given-name", "", "the given name")
	f.StringVar(&h.FamilyName, "family-name", "", "the family name")
	f.BoolVar(&number, "national-id", false, "read a national identity number from the standard input")
	f.StringVar(&h.Unit, "unit", "", "the unit's ID")
	f.StringVar(&h.JobTitle, "job-title", "", "the job title")
	f.StringVar(&h.JobCode, "job-code", "", "the job code, which rules go by")
	f.StringVar(&h.Percent, "percent", "", "percent of full time (default 100)")
	f.StringVar(&h.FirstDay, "first-day", "", "the first day, YYYY-MM-DD")
	f.StringVar(&h.LastDay, "last-day", "", "the last day, YYYY-MM-DD, when it is known")
	f.StringVar(&h.Manager, "manager", "", "the manager's person_id")
	f.StringVar(&h.Reason, "reason", "", "why, for the audit trail")
	f.StringVar(&by, "by", "", byHelp)
	return cmd
}

func (l *local) Reports(ctx context.Context) (access.Reports, error) { return l.view(ctx).Reports() }

func (l *local) ReportEnd(ctx context.Context, ref, employment, lastDay, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	e, err := l.view(ctx).FindEmployment(p, employment)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().ReportEnd(ctx, p, e, identity.Date(lastDay), by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) TakeBackReport(ctx context.Context, ref, employment, reason string) (access.Decision, error) {
	p, by, err := l.about(ctx, ref)
	if err != nil {
		return access.Decision{}, err
	}
	e, err := l.view(ctx).FindEmployment(p, employment)
	if err != nil {
		return access.Decision{}, err
	}
	d, err := l.governance().TakeBackReport(ctx, p, e, by, reason)
	return l.shown(ctx, d, err)
}

func (l *local) ReportHire(ctx context.Context, h api.Hire) (api.ReportedHire, error) {
	by, err := l.subject(ctx)
	if err != nil {
		return api.ReportedHire{}, err
	}
	done, err := l.governance().ReportHire(ctx, &hr.Importer{DB: l.db, Config: l.config, Now: l.app.now}, h.Reported(), by, h.Reason)
	if err != nil {
		return api.ReportedHire{}, err
	}
	v := l.view(ctx)
	return api.ReportedHire{Decision: v.Decision(done.Decision), Import: api.ImportOf(v, done.Report)}, nil
}
