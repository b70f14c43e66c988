package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

func (a *app) peopleCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "people",
		Short: "See people and their state, and decide who is who",
		Long: `See people and the state they are in, and decide who is who. HR's word is taken
for what it says of a person; whether two records are one person's, whether an
identity is protected, and what must not be deleted can be decided here. Each
decision is in the audit trail and can be undone.`,
	}
	cmd.AddCommand(a.peopleListCommand(), a.peopleShowCommand(), a.duplicatesCommand(), a.mergeCommand(), a.splitCommand(), a.apartCommand(), a.mainCommand(),
		a.aboutPersonCommand("protect PERSON", "Mask a protected identity, whatever HR says (--lift leaves it to HR again)",
			"  behov people protect 1008 --reason \"decision of the Tax Agency, 3 March\"", func(ctx context.Context, i *installation, p identity.Person, lift bool, by rights.Subject, reason string) (store.Decision, error) {
				return a.governance(i).Protect(ctx, p, lift, by, reason)
			}),
		a.aboutPersonCommand("legal-hold PERSON", "Keep everything of a person that would be deleted (--lift lets it go)",
			"  behov people legal-hold 1004 --reason \"investigation 2026-17\"", func(ctx context.Context, i *installation, p identity.Person, lift bool, by rights.Subject, reason string) (store.Decision, error) {
				return a.governance(i).SetLegalHold(ctx, p, lift, by, reason)
			}),
		a.managersCommand(), a.eraseCommand(), a.readmitCommand())
	return cmd
}

func (a *app) peopleListCommand() *cobra.Command {
	var state string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List people and their state",
		Long: `List people and their state today: known, pre-hire (an employment begins soon, and
accounts are prepared), active, on-leave, between-employments, ended (accounts
are kept, disabled), retained (accounts are deleted), to-erase.`,
		Example: "  behov people list --state on-leave\n  behov people list --json",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			v := a.view(ctx, i)
			rows, counts, err := v.People(identity.State(state))
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(rows))
			}
			t := a.newTable()
			for k, r := range rows {
				if k == 200 && state == "" {
					t.row(fmt.Sprintf("… and %d more: --state says which, --json lists all", len(rows)-k))
					break
				}
				why := r.Stage.Because
				if !r.Suspended.IsZero() {
					why = r.Suspended
				}
				t.row(v.Name(r.Person.ID), r.Stage.State, why.Text)
			}
			if err := t.print(); err != nil {
				return err
			}
			var parts []string
			for _, k := range slices.Sorted(maps.Keys(counts)) {
				parts = append(parts, fmt.Sprintf("%d %s", counts[k], k))
			}
			a.printf("%s\n", strings.Join(parts, ", "))
			return nil
		}),
	}
	cmd.Flags().StringVar(&state, "state", "", "only those in this state")
	return cmd
}

func (a *app) peopleShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show PERSON",
		Short:   "Show where a person stands: state, records, employments, decisions",
		Example: "  behov people show 1004",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			v := a.view(ctx, i)
			p, err := v.Person(args[0], nil)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(p)
			}
			a.printPerson(v, p)
			a.printf("  records: %s\n  ID %s\n", strings.Join(p.Records, ", "), p.Person.ID)
			if p.MergedInto != nil {
				a.printf("  found to be %s\n", v.Name(p.MergedInto.ID))
			}
			if !p.Undecided.IsZero() {
				a.printf("  nothing is changed: %s\n", p.Undecided.Text)
			}
			for _, e := range p.Exposed {
				text := e.Reason.Text
				if e.Target != "" {
					text = "target " + e.Target + ": " + text
				}
				a.printf("  %s\n", text)
			}
			return nil
		}),
	}
}

func (a *app) duplicatesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "duplicates",
		Short: "List possible duplicates",
		Long: `List people who may be one: the same national identity number and different
names, the same address, the same name and day of birth. Two records with the
same number and a name in common are joined when they come in, if they are of one
source or a setting joins says so; whatever is weaker is a question, and this is
where it is asked. A join that would change the name, mail or phone of a known
person is asked here too, and until then the new person gets nothing.`,
		Example: "  behov people duplicates\n  behov people merge 1004 2017 --reason \"asked her manager\"\n  behov people apart 1004 2017 --reason \"father and son\"",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			v := a.view(ctx, i)
			found, err := v.Duplicates()
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(found))
			}
			if len(found) == 0 {
				a.printf("No possible duplicates.\n")
			}
			for _, d := range found {
				one, other := d.A.ID, d.B.ID
				a.printf("%s and %s: %s\n  behov people merge %s %s --reason \"…\"   or   behov people apart %s %s --reason \"…\"\n", v.Name(one), v.Name(other), d.Why.Text, one, other, one, other)
			}
			return nil
		}),
	}
}

func (a *app) mergeCommand() *cobra.Command {
	return a.twoPeopleCommand("merge PERSON OTHER", "Say that two people are one: the other's records become the person's",
		`The employments of both are one person's from now on. The accounts that the
other had are closed as a leaver's are; the person's own stay. behov people
split undoes it.`, "  behov people merge 1004 2017 --reason \"changed her name, got a new number\" --by 1001",
		func(ctx context.Context, i *installation, p, other identity.Person, by rights.Subject, reason string) (store.Decision, error) {
			return a.governance(i).Merge(ctx, p, other, by, reason)
		})
}

func (a *app) apartCommand() *cobra.Command {
	return a.twoPeopleCommand("apart PERSON OTHER", "Say that two people who look like one are two", "Nobody is asked about them again.",
		"  behov people apart 1004 2017 --reason \"father and son\" --by 1001",
		func(ctx context.Context, i *installation, p, other identity.Person, by rights.Subject, reason string) (store.Decision, error) {
			return a.governance(i).MarkDistinct(ctx, p, other, by, reason)
		})
}

func (a *app) twoPeopleCommand(use, short, long, example string, decide func(context.Context, *installation, identity.Person, identity.Person, rights.Subject, string) (store.Decision, error)) *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use: use, Short: short, Long: short + ".\n" + long, Example: example, Args: cobra.ExactArgs(2),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			other, err := i.db.FindPerson(ctx, args[1], i.config.First)
			if err != nil {
				return err
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := decide(ctx, i, p, other, subject, reason)
			return a.decided(ctx, i, d, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) splitCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "split PERSON SOURCE/KEY",
		Short: "Say that a record is not the person's",
		Long: `Say that a record of an HR source, as behov people show lists them, is not the
person's. It becomes the one's it was before a merge, or a new person's; its
employments go with it, and the next import does not join them again.`,
		Example: "  behov people split 1004 contractors/C-77 --reason \"a typing error in the number\" --by 1001",
		Args:    cobra.ExactArgs(2),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			source, key, ok := strings.Cut(args[1], "/")
			if !ok {
				return fmt.Errorf("%q is no record: they look like hr/1004", args[1])
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			other, d, err := a.governance(i).Split(ctx, p, identity.SourceKey{Source: source, Key: key}, subject, reason)
			if err != nil {
				return err
			}
			if !a.json {
				a.printf("The record is %s's now.\n", a.view(ctx, i).Name(other))
			}
			return a.decided(ctx, i, d, nil)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) mainCommand() *cobra.Command {
	var reason, by string
	var lift bool
	cmd := &cobra.Command{
		Use:   "main PERSON EMPLOYMENT",
		Short: "Say which employment gives a person's title, unit and manager (--lift leaves it to the rule)",
		Long: `Say which of a person's employments gives their title, unit and manager in the
targets, by HR's employment_id as behov people show lists it. It holds while that
employment runs, whatever main_employment in behov.yaml and HR's own mark say.
What the person may do does not change: every employment gives what it needs.`,
		Example: "  behov people main 1004 E7 --reason \"asked by the head of the library\" --by 1001\n  behov people main 1004 --lift --reason \"no longer\" --by 1001",
		Args:    cobra.RangeArgs(1, 2),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			if lift == (len(args) == 2) {
				return errors.New("name an employment, or --lift")
			}
			var chosen identity.EmploymentID
			if !lift {
				if chosen, err = a.view(ctx, i).FindEmployment(p, args[1]); err != nil {
					return err
				}
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := a.governance(i).SetMainEmployment(ctx, p, chosen, subject, reason)
			return a.decided(ctx, i, d, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "leave it to the rule again")
	return cmd
}

func (a *app) aboutPersonCommand(use, short, example string, decide func(context.Context, *installation, identity.Person, bool, rights.Subject, string) (store.Decision, error)) *cobra.Command {
	var reason, by string
	var lift bool
	cmd := &cobra.Command{
		Use: use, Short: short, Example: example, Args: cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			d, err := decide(ctx, i, p, lift, subject, reason)
			return a.decided(ctx, i, d, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&lift, "lift", false, "end it")
	return cmd
}

// decided prints a decision about a person.
func (a *app) decided(ctx context.Context, i *installation, d store.Decision, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(a.view(ctx, i).Decision(d))
	}
	a.printf("Decided: %s %s (decision %d, about %s). Behov plan shows what follows.\n", d.Kind, d.Verdict, d.Seq, a.view(ctx, i).Name(d.Person))
	return nil
}

func (a *app) eraseCommand() *cobra.Command {
	var reason, by string
	var yes bool
	cmd := &cobra.Command{
		Use:   "erase PERSON",
		Short: "Propose to destroy what is known of a person who has left",
		Long: `Propose to destroy everything personal that behov knows of a person who has left
and whose accounts are gone. Another person lets it through with behov hold
release; then it cannot be undone. What the person had access to stays in the audit
trail, under an ID that names no one, and a later export does not bring the person back
(behov people readmit). lifecycle.erase_after_days does the same by itself.`,
		Example: "  behov people erase 1004 --reason \"request of 3 March\" --yes",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			p, err := i.db.FindPerson(ctx, args[0], i.config.First)
			if err != nil {
				return err
			}
			if !yes {
				return errors.New("it cannot be undone: look at behov people show first, then say --yes")
			}
			subject, err := a.subject(ctx, i, by)
			if err != nil {
				return err
			}
			proposal, err := a.governance(i).Erase(ctx, p, subject, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(proposalJSON{a.view(ctx, i).Decision(proposal.Decision), holdOf(proposal)})
			}
			a.printProposal(proposal, "It cannot be undone.")
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.Flags().BoolVar(&yes, "yes", false, "really")
	return cmd
}
