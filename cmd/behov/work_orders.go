package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// orderOperations is what commands ask and decide about targets without an interface.
type orderOperations interface {
	ManualTargets(ctx context.Context) ([]access.ManualTarget, error)
	WorkOrders(ctx context.Context, state store.OrderState, target string) ([]access.WorkOrder, error)
	ConfirmOrder(ctx context.Context, number int64, day, reason string) (access.Decision, error)
	CannotOrder(ctx context.Context, number int64, reason string) (access.Decision, error)
	UploadList(ctx context.Context, target string, list api.AccountList) (access.Decision, error)
}

func (a *app) workOrdersCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "work-orders",
		Short: "Changes that people make in targets without an interface",
		Long: `A target of kind manual is an application that a program cannot change. Each change in
it is a work order to the person whom the configuration names, and counts as done once
it is confirmed. See behov help manual-targets.`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(a.ordersListCommand(), a.ordersTargetsCommand(), a.ordersConfirmCommand(), a.ordersCannotCommand(), a.ordersUploadCommand())
	return cmd
}

func (a *app) ordersListCommand() *cobra.Command {
	var state, target string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List work orders",
		Long: `List the work orders that wait, by their last day; with --state those that are done,
that cannot be done, or that were withdrawn, the newest first.`,
		Example: "  behov work-orders list\n  behov work-orders list --target payroll --state done",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			if !slices.Contains(store.OrderStates, store.OrderState(state)) {
				return fmt.Errorf("--state %s is none of waiting, done, impossible, withdrawn", state)
			}
			all, err := d.WorkOrders(ctx, store.OrderState(state), target)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("No work order is %s.\n", state)
				return nil
			}
			t := a.newTable("ORDER", "TARGET", "CHANGE", "PERSON", "ACCOUNT", "ENTITLEMENT", "DUE", "WHY")
			for _, o := range all {
				due := string(o.Due)
				if o.Overdue {
					due += " (overdue)"
				}
				t.row(o.Order, o.Target, o.Op, d.name(o.Person), textOr(o.Account, "–"), textOr(string(o.Entitlement), "–"), due, o.Reason.Text)
			}
			return t.print()
		}),
	}
	cmd.Flags().StringVar(&state, "state", string(store.OrderWaiting), "waiting, done, impossible or withdrawn")
	cmd.Flags().StringVar(&target, "target", "", "of one target")
	return cmd
}

func (a *app) ordersTargetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "targets",
		Short:   "List the targets without an interface, and the lists of their accounts",
		Example: "  behov work-orders targets",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.ManualTargets(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("No target is of kind manual. See behov help manual-targets.\n")
				return nil
			}
			t := a.newTable("TARGET", "ORDERS GO TO", "ESCALATED TO", "DAYS", "WAITING", "OVERDUE", "LIST OF", "ACCOUNTS")
			receiver := func(r access.OrderReceiver) string {
				if r.Person != nil {
					return d.name(*r.Person)
				}
				return textOr(r.Mail, "–")
			}
			for _, m := range all {
				t.row(m.Target, receiver(m.To), receiver(m.Escalate), m.Days, m.Waiting, m.Overdue, textOr(string(m.ListDay), "–"), m.Accounts)
			}
			return t.print()
		}),
	}
}

func orderNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no number of a work order: behov work-orders list lists them", text)
	}
	return n, nil
}

func (a *app) ordersConfirmCommand() *cobra.Command {
	var day, reason, by string
	cmd := &cobra.Command{
		Use:   "confirm ORDER",
		Short: "Say that the change of a work order was made",
		Long: `Say that the change of a work order was made, and on which day. The person has the
access from then on, or has lost it. No person confirms an order about themselves.`,
		Example: "  behov work-orders confirm 12 --date 2026-12-01 --by 1006",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			n, err := orderNumber(args[0])
			if err != nil {
				return err
			}
			decided, err := d.ConfirmOrder(ctx, n, day, reason)
			return a.orderDecided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&day, "date", "", "the day on which it was made (YYYY-MM-DD; default: today)")
	cmd.Flags().StringVar(&reason, "reason", "", "a note, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) ordersCannotCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "cannot ORDER",
		Short: "Say that the change of a work order cannot be made",
		Long: `Say that the change of a work order cannot be made, and why. The step waits for an
operator then, as one that a target refuses: behov steps lists it, and behov steps
retry has it ordered again.`,
		Example: "  behov work-orders cannot 12 --reason \"no licence is left\" --by 1006",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			n, err := orderNumber(args[0])
			if err != nil {
				return err
			}
			decided, err := d.CannotOrder(ctx, n, reason)
			return a.orderDecided(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) orderDecided(d *backend, decided access.Decision, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(decided)
	}
	a.printf("Decided: %s: %s (work order %s, decision %d).\n", d.about(decided), decided.Decided.Text, decided.Subject, decided.Seq)
	return nil
}

func (a *app) ordersUploadCommand() *cobra.Command {
	var list api.AccountList
	var by string
	cmd := &cobra.Command{
		Use:   "upload TARGET FILE",
		Short: "Upload the list of accounts of a target without an interface",
		Long: `Upload the list of accounts that the owner of the application has: from then on it is
what the target holds. The next run compares it with what people should have. The file
is CSV with a header; its columns are account (the login name), entitlement (as the
catalogue names it in the target), enabled, and those by which accounts are recognised.
Of a list with a fault, or one that lacks much of what is known, nothing is taken.`,
		Example: "  behov work-orders upload payroll accounts.csv --by 1006\n  behov work-orders upload payroll accounts.csv --date 2026-11-30 --by 1006",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			content, err := os.ReadFile(args[1])
			if err != nil {
				return err
			}
			list.Name, list.Content = filepath.Base(args[1]), string(content)
			decided, err := d.UploadList(ctx, args[0], list)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(decided)
			}
			a.printf("Decided: %s: %s (decision %d). The next run compares it with what people should have.\n", args[0], decided.Decided.Text, decided.Seq)
			return nil
		}),
	}
	cmd.Flags().StringVar(&list.Day, "date", "", "the day of which the list is (YYYY-MM-DD; default: today)")
	cmd.Flags().BoolVar(&list.Shrunk, "shrunk", false, "take a list that lacks more than the target's limits allow")
	cmd.Flags().StringVar(&list.Reason, "reason", "", "a note, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
