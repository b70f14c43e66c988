package main

import (
	"context"
	"errors"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) readmitCommand() *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:   "readmit SOURCE/PERSON_ID",
		Short: "Let a record in again that is of an erased person",
		Long: `Let a record of an HR source in again that is of a person who was erased. Exports
that still list an erased person do not bring them back: rows of employments that
have ended are left out without a word, and those of employments that run are a
problem that names the line. After this decision the next import makes a new
person of the record, with a new ID; what was erased stays erased.`,
		Example: "  behov people readmit hr/1004 --reason \"employed again from 1 March\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			source, key, ok := strings.Cut(args[0], "/")
			if !ok || source == "" || key == "" {
				return errors.New("name the record as SOURCE/PERSON_ID, with a source under hr.sources")
			}
			decided, err := d.Readmit(ctx, source, key, reason)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(decided)
			}
			a.printf("Decided: the %s (decision %d). The next import of %s makes a new person of the record.\n", decided.Decided.Text, decided.Seq, source)
			return nil
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}
