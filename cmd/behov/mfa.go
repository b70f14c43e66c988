package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/api"
)

// passIssuer is what commands decide about temporary access passes.
type passIssuer interface {
	IssuePass(ctx context.Context, ref string, valid time.Duration, reason string) (api.Pass, error)
	WithdrawPass(ctx context.Context, ref, reason string) (api.Withdrawn, error)
}

func (a *app) mfaCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "mfa",
		Short: "Help people enrol for multi-factor authentication",
	}
	cmd.AddCommand(a.mfaPassCommand(), a.mfaWithdrawCommand(),
		a.untilCommand("exempt PERSON", "Let a person have what needs MFA without it, until a day (--lift ends it)",
			`It is for the lost telephone, and holds for 90 days at most. Everything that the
person has by it is marked with the decision.`,
			"  behov mfa exempt 1004 --until 2026-12-04 --reason \"new telephone on its way\" --by 2001", personDecider.ExemptFromMFA))
	return cmd
}

func (a *app) mfaPassCommand() *cobra.Command {
	var reason, by string
	var valid time.Duration
	cmd := &cobra.Command{
		Use:   "pass PERSON",
		Short: "Issue a temporary access pass",
		Long: `Issue a temporary access pass, with which the person signs in to enrol for
multi-factor authentication. It is shown once, here, and kept nowhere; that it
was issued, to whom, by whom and why is in the audit trail. An earlier pass ends.
PERSON is an HR person_id, a login or an e-mail address.`,
		Example: "  behov mfa pass 1004 --by 2001 --reason \"first day, seen in person\"",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			pass, err := d.IssuePass(ctx, args[0], valid, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(passJSON(pass))
			}
			a.printf("%s\nValid until %s. It is shown only now.\n", pass.Pass, pass.Expires.In(d.zone).Format("2006-01-02 15:04"))
			return nil
		}),
	}
	cmd.Flags().DurationVar(&valid, "valid", time.Hour, "how long the pass is valid")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) mfaWithdrawCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "withdraw PERSON",
		Short:   "Withdraw temporary access passes",
		Long:    "Withdraw every temporary access pass of the person. What is gone already is no error.",
		Example: "  behov mfa withdraw 1004 --reason \"sent to the wrong number\"",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			done, err := d.WithdrawPass(ctx, args[0], reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(withdrawJSON(done))
			}
			if done.Withdrawn {
				a.printf("Withdrawn: no pass of this person is valid any more.\n")
			} else {
				a.printf("This person has no pass.\n")
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
