package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
)

// absenceOperations is what commands ask and decide about who is away.
type absenceOperations interface {
	Absences(ctx context.Context) ([]access.Absence, error)
	SetAbsence(ctx context.Context, ref, deputy, since, until, reason string) (access.Decision, error)
	EndAbsence(ctx context.Context, ref, reason string) (access.Decision, error)
}

func (a *app) absencesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "absences",
		Short: "Show who is away and who decides in their place, and change it",
		Long: `Show who is away, today or later, and who decides in their place: questions of
reviews, requests, work orders, and what else follows from being a manager or the owner of
a system. Roles that rights.csv gives are not passed on, and no one decides about the
person who is away in that person's place.`,
		Example: "  behov absences\n  behov absences set 1004 --deputy 1006 --since 2026-12-21 --until 2027-01-06 --reason \"leave\"\n  behov absences end 1004 --reason \"back already\"",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.Absences(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("No one is away with another person who decides.\n")
			}
			for _, x := range all {
				now := ""
				if !x.Now {
					now = ", not yet"
				}
				a.printf("%s, %s to %s%s: %s decides\n", d.name(x.Person), x.Since, x.Until, now, d.name(x.Deputy))
			}
			return nil
		}),
	}
	cmd.AddCommand(a.setAbsenceCommand(), a.endAbsenceCommand())
	return cmd
}

func (a *app) setAbsenceCommand() *cobra.Command {
	var reason, by, deputy, since, until string
	cmd := &cobra.Command{
		Use:   "set PERSON",
		Short: "Say when a person is away, and who decides in their place",
		Long: `Say when a person is away, and who decides in their place meanwhile: a person who
works here. A person may say so for themselves, their manager and an operator for them.
Another absence of the person is replaced. People cannot decide in each other's place on
the same day.`,
		Example: "  behov absences set 1004 --deputy 1006 --since 2026-12-21 --until 2027-01-06 --reason \"leave\" --by 1004",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.SetAbsence(ctx, args[0], deputy, since, until, reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&deputy, "deputy", "", "who decides: a person_id, a login or an e-mail address")
	cmd.Flags().StringVar(&since, "since", "", "the first day (YYYY-MM-DD); today without it")
	cmd.Flags().StringVar(&until, "until", "", "the last day (YYYY-MM-DD)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) endAbsenceCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "end PERSON",
		Short:   "Say that a person is not away",
		Example: "  behov absences end 1004 --reason \"back already\" --by 1004",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.EndAbsence(ctx, args[0], reason)
			return a.decided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
