package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
)

// nonHumanOperations is what commands ask and decide about accounts that are no person's.
type nonHumanOperations interface {
	NonHumanAccounts(ctx context.Context) ([]access.NonHumanAccount, error)
	RegisterAccount(ctx context.Context, account api.AccountRegistered, reason string) (access.Decision, error)
	HandOverAccount(ctx context.Context, account, owner, reason string) (access.Decision, error)
	RenewAccount(ctx context.Context, account, until, reason string) (access.Decision, error)
	RetireAccount(ctx context.Context, account, reason string) (access.Decision, error)
}

func (a *app) nonHumanCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "non-human-accounts",
		Aliases: []string{"service-accounts"},
		Short:   "Keep a register of accounts that are no person's: service accounts, robots, AI agents",
	}
	cmd.AddCommand(a.nonHumanListCommand(), a.nonHumanRegisterCommand(), a.nonHumanHandOverCommand(), a.nonHumanRenewCommand(), a.nonHumanRetireCommand())
	return cmd
}

func (a *app) nonHumanListCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the register, what has to be done first",
		Long: `List the accounts that are no person's, with owner, purpose and last day. Those whose
owner does not work here any more, and those whose last day is near, come first. See
behov help non-human-accounts.`,
		Example: "  behov non-human-accounts list",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, _ []string) error {
			all, err := d.NonHumanAccounts(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("No account is registered. behov plan lists accounts that belong to no person.\n")
				return nil
			}
			t := a.newTable("ACCOUNT", "KIND", "SYSTEM", "OWNER", "UNTIL", "STATE", "PURPOSE", "WHY")
			for _, x := range all {
				t.row(x.Target+"/"+x.Name, x.Kind, x.System, d.name(x.Owner), x.Until, x.State, x.Purpose, textOr(x.Because.Text, "–"))
			}
			return t.print()
		}),
	}
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) nonHumanRegisterCommand() *cobra.Command {
	var r api.AccountRegistered
	var reason, by string
	cmd := &cobra.Command{
		Use:   "register TARGET ACCOUNT",
		Short: "Enter an account in the register",
		Long: `Enter an account that is no person's in the register, by its login name or the target's
own ID, with an owner who works here, a purpose and a last day. A plan disables it when
its owner left and it was not handed over in time, when its last day passed, and when it
is retired. Nothing else of the account changes, and it is never deleted.`,
		Example: "  behov non-human-accounts register ad svc-backup --kind service --system files --owner 1002 --purpose \"nightly backup\" --until 2027-06-30 --reason \"found in the review\" --by 1001",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			r.Target, r.Account = args[0], args[1]
			decided, err := d.RegisterAccount(ctx, r, reason)
			return a.accountDecided(d, args[1], decided, err)
		}),
	}
	cmd.Flags().StringVar(&r.Kind, "kind", "service", "what uses it: service, robot or agent")
	cmd.Flags().StringVar(&r.System, "system", "", "the system of the catalogue that it serves")
	cmd.Flags().StringVar(&r.Owner, "owner", "", "the person who owns it and works here")
	cmd.Flags().StringVar(&r.Purpose, "purpose", "", "what it is for")
	cmd.Flags().StringVar(&r.Until, "until", "", "the last day (YYYY-MM-DD)")
	a.reasonAndBy(cmd, &reason, &by)
	for _, name := range []string{"system", "owner", "purpose", "until"} {
		_ = cmd.MarkFlagRequired(name) // the flag is there
	}
	return cmd
}

func (a *app) nonHumanHandOverCommand() *cobra.Command {
	var reason, by, to string
	cmd := &cobra.Command{
		Use:     "hand-over ACCOUNT",
		Short:   "Make another person who works here the owner",
		Long:    "Make another person who works here the owner of an account of the register, by its login\nname, TARGET/NAME or ID. An account that behov disabled as its owner had left is enabled.",
		Example: "  behov non-human-accounts hand-over svc-backup --to 1003 --reason \"Anna leaves\" --by 1002",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.HandOverAccount(ctx, args[0], to, reason)
			return a.accountDecided(d, args[0], decided, err)
		}),
	}
	cmd.Flags().StringVar(&to, "to", "", "the person who owns it from now on")
	a.reasonAndBy(cmd, &reason, &by)
	_ = cmd.MarkFlagRequired("to") // the flag is there
	return cmd
}

func (a *app) nonHumanRenewCommand() *cobra.Command {
	var reason, by, until string
	cmd := &cobra.Command{
		Use:     "renew ACCOUNT",
		Short:   "Let an account be used until a later day",
		Long:    "Let an account of the register be used until a later day: a year ahead at most, or as long as\na control of its system says (account_days). One that behov disabled is enabled.",
		Example: "  behov non-human-accounts renew svc-backup --until 2027-12-31 --reason \"still needed\" --by 1002",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.RenewAccount(ctx, args[0], until, reason)
			return a.accountDecided(d, args[0], decided, err)
		}),
	}
	cmd.Flags().StringVar(&until, "until", "", "the last day (YYYY-MM-DD)")
	a.reasonAndBy(cmd, &reason, &by)
	_ = cmd.MarkFlagRequired("until") // the flag is there
	return cmd
}

func (a *app) nonHumanRetireCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     "retire ACCOUNT",
		Short:   "End the use of an account",
		Long:    "End the use of an account of the register: the next run disables it, and it stays disabled.\nIt is not deleted, and can be registered again.",
		Example: "  behov non-human-accounts retire svc-backup --reason \"replaced by the new backup\" --by 1002",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			decided, err := d.RetireAccount(ctx, args[0], reason)
			return a.accountDecided(d, args[0], decided, err)
		}),
	}
	a.reasonAndBy(cmd, &reason, &by)
	return cmd
}

// reasonAndBy adds the flags of who decides, and why.
func (a *app) reasonAndBy(cmd *cobra.Command, reason, by *string) {
	cmd.Flags().StringVar(reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(by, "by", "", byHelp)
}

// accountDecided prints a decision about an account of the register.
func (a *app) accountDecided(d *backend, account string, decided access.Decision, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(decided)
	}
	a.printf("Decided: %s: %s: %s (decision %d); behov plan shows what follows.\n", account, decided.Decided.Text, d.about(decided), decided.Seq)
	return nil
}
