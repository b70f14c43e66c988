package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// reviewOperations is what commands ask and decide about reviews.
type reviewOperations interface {
	StartReview(ctx context.Context, system string) (api.StartedReview, error)
	ReviewItems(ctx context.Context, everything bool) ([]access.ReviewItem, error)
	DecideItem(ctx context.Context, item string, verdict store.Verdict, reason string) (access.Decision, error)
}

func (a *app) reviewCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "review", Short: "Review who has what in a system, and decide"}
	cmd.AddCommand(a.reviewStartCommand(), a.reviewListCommand(), a.reviewDecideCommand())
	return cmd
}

func (a *app) reviewStartCommand() *cobra.Command {
	var system, by string
	cmd := &cobra.Command{
		Use:     "start --system SYSTEM",
		Short:   "Start a review: one question for each person with access to the system",
		Example: "  behov review start --system library --by 1006",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, _ []string) error {
			started, err := d.StartReview(ctx, system)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(reviewStartJSON(started))
			}
			a.printf("Review %d of %s started with %s. See behov review list.\n", started.Campaign, system, count(started.Items, "question", "questions"))
			return nil
		}),
	}
	cmd.Flags().StringVar(&system, "system", "", "the system, as the catalogue calls it")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	_ = cmd.MarkFlagRequired("system") // the flag is there
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
			t := a.newTable("ITEM", "PERSON", "HAS", "ASKED", "DECIDED", "WHY")
			for _, r := range rows {
				asked, decided := "the owner", "–"
				if r.Reviewer != nil {
					asked = d.actor(*r.Reviewer)
				}
				if r.Decision != nil {
					decided = string(r.Decision.Verdict) + " by " + d.actor(r.Decision.Maker)
				}
				t.row(r.Item, d.name(r.Person), r.Entitlement, asked, decided, r.Why.Text)
			}
			return t.print()
		}),
	}
	cmd.Flags().BoolVar(&all, "all", false, "list what is decided, too")
	return cmd
}

func (a *app) reviewDecideCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "decide ITEM keep|revoke",
		Short: "Decide whether a person keeps what they have",
		Long: `Decide whether a person keeps what they have. What is revoked goes at the next
apply, and its rule does not give it back; a later "keep" on a new review does.
The owner of the system and the deputies decide, or the reviewer whom the item
names (behov rights); no one decides on their own access.`,
		Example: "  behov review decide 1-3 revoke --reason \"has left the project\" --by 1006",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.DecideItem(ctx, args[0], store.Verdict(args[1]), reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(decided)
			}
			a.printf("Decided: %s: %s (item %s).", decided.Entitlement, decided.Decided.Text, args[0])
			if decided.Verdict == store.Revoke {
				a.printf(" It goes at the next apply.")
			}
			a.printf("\n")
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
