package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) sessionsCommand() *cobra.Command {
	var end bool
	var session, reason, by string
	cmd := &cobra.Command{
		Use:   "sessions PERSON",
		Short: "List where a person is signed in, or sign them out (--end)",
		Long: `List the sessions of a person's browsers, or end them with --end: all of them, or
one with --session. The person can sign in again; behov suspend keeps them out. A
program that works with a token of the person, and behov login on a machine, are
not among them: behov token list shows their tokens, and behov token revoke ends one.`,
		Example: "  behov people sessions 1004\n  behov people sessions 1004 --end --reason \"a lost laptop\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			switch {
			case !end && (session != "" || reason != ""):
				return errors.New("--session and --reason go with --end")
			case end && strings.TrimSpace(reason) == "":
				return errors.New("say why: --reason \"…\"")
			case end:
				return a.endSessions(ctx, d, args[0], session, reason)
			}
			all, err := d.Sessions(ctx, args[0])
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("There are no sessions.\n")
				return nil
			}
			at := func(t time.Time) string { return t.In(d.zone).Format("2006-01-02 15:04") }
			t := a.newTable("ID", "SIGNED IN", "USED", "EXPIRES")
			for _, s := range all {
				t.row(s.ID, at(s.Began), at(s.Used), at(s.Expires))
			}
			return t.print()
		}),
	}
	cmd.Flags().BoolVar(&end, "end", false, "end the sessions")
	cmd.Flags().StringVar(&session, "session", "", "with --end: only the session with this ID")
	cmd.Flags().StringVar(&reason, "reason", "", "with --end: why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) endSessions(ctx context.Context, d *backend, ref, session, reason string) error {
	decided, err := d.EndSessions(ctx, ref, session, reason)
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(decided)
	}
	a.printf("Ended: %s has to sign in again (decision %d).\n", d.about(decided), decided.Seq)
	return nil
}
