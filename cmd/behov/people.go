package main

import (
	"context"
	"fmt"
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
