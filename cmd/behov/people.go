package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
)

// personDecider is what commands decide about people.
type personDecider interface {
	LegalHold(ctx context.Context, ref string, lift bool, reason string) (access.Decision, error)
	Protect(ctx context.Context, ref string, lift bool, reason string) (access.Decision, error)
	Screen(ctx context.Context, ref, until string, lift bool, reason string) (access.Decision, error)
	ExemptFromMFA(ctx context.Context, ref, until string, lift bool, reason string) (access.Decision, error)
	SetMain(ctx context.Context, ref, employment, reason string) (access.Decision, error)
	Merge(ctx context.Context, ref, other, reason string) (access.Decision, error)
	Apart(ctx context.Context, ref, other, reason string) (access.Decision, error)
	Split(ctx context.Context, ref, source, key, reason string) (api.SplitDecision, error)
	Readmit(ctx context.Context, source, key, reason string) (access.Decision, error)
	Erase(ctx context.Context, ref, reason string) (api.Proposal, error)
	// Extract is everything that is stored about a person.
	Extract(ctx context.Context, ref string) (access.Extract, error)
	// EndSessions ends a session of a person, or all of them when id is empty.
	EndSessions(ctx context.Context, ref, id, reason string) (access.Decision, error)
}

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
			"  behov people protect 1008 --reason \"decision of the Tax Agency, 3 March\"", personDecider.Protect),
		a.aboutPersonCommand("legal-hold PERSON", "Keep everything of a person that would be deleted (--lift lets it go)",
			"  behov people legal-hold 1004 --reason \"investigation 2026-17\"", personDecider.LegalHold),
		a.untilCommand("screened PERSON", "Say until when a screening (säkerhetsprövning) of a person is valid (--lift ends it)",
			`Systems whose class demands a screening let the person in while it is valid, up to
ten years ahead. A new date replaces the one before.`,
			"  behov people screened 1004 --until 2031-03-03 --reason \"interview and register check, 2026-17\" --by 1001", personDecider.Screen),
		a.sessionsCommand(), a.extractCommand(), a.managersCommand(), a.eraseCommand(), a.readmitCommand())
	return cmd
}

func (a *app) mergeCommand() *cobra.Command {
	return a.twoPeopleCommand("merge PERSON OTHER", "Say that two people are one: the other's records become the person's",
		`The employments of both are one person's from now on. The accounts that the
other had are closed as a leaver's are; the person's own stay. behov people
split undoes it.`, "  behov people merge 1004 2017 --reason \"changed her name, got a new number\" --by 1001", personDecider.Merge)
}

func (a *app) apartCommand() *cobra.Command {
	return a.twoPeopleCommand("apart PERSON OTHER", "Say that two people who look like one are two", "Nobody is asked about them again.",
		"  behov people apart 1004 2017 --reason \"father and son\" --by 1001", personDecider.Apart)
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
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			source, key, ok := strings.Cut(args[1], "/")
			if !ok {
				return fmt.Errorf("%q is no record: they look like hr/1004", args[1])
			}
			split, err := d.Split(ctx, args[0], source, key, reason)
			if err != nil {
				return err
			}
			if !a.json {
				a.printf("The record is %s's now.\n", d.name(split.Now))
			}
			return a.decided(d, split.Decision, nil)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
