package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/wording"
)

func (a *app) hrCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hr", Short: "Import what HR knows"}
	var source, made string
	var show bool
	imp := &cobra.Command{
		Use:   "import FILE",
		Short: "Import an export (CSV, JSON, Excel, ODS, XML, fixed width), one record for each employment",
		Long: `Import an export as CSV, JSON, JSON Lines, .xlsx, .ods, XML or fixed width, one
record for each employment. It is
compared with what is known, and what is new is recorded; of a source with
changes: true it is what changed, and not all there is. Importing the same file
twice changes nothing. A bad row is reported and left out, and whoever it is
about stays as they are. An export in which too many running employments are
missing, or the letters of several names are garbled, is held whole until a person
releases it (behov hold). Where rows could be anybody's, the rest is imported and
the endings are held. An export that is older than what was imported last, by the
date in its name or its own, or that has more than 10,000 problems, is refused.
A date in the future does not count; --made now takes an export whatever went in
before.

With a column valid_from an employment may have several rows, each with what
holds from that day; changed_at (an instant, or a number that grows) says which
of two words is the later one. sponsor_id names who answers for a contract, main
marks the employment that comes first, removed takes one back (changes only). An
end_date on the day before start_date says that an employment never takes place.

Rows left out, questions (whose record it is) and warnings are counted apart. An
import that takes no row at all ends with status 1; one of which a running
employment would begin in the future, as renewals do, ends with status 3: that
employment stays as it is until a person decides (behov hold).

A problem names the line, the column and the kind of mistake, and no value: a row
that is shifted has names and numbers anywhere. Only the warning of an emptied cell
says what was known there (a unit, job code, type, percent or end, and none of a
person with protected identity). --show-values prints the values on this terminal,
and keeps them nowhere.

Columns: ` + strings.Join(config.Canonical, ", ") + `.
Other names, columns made of several, and what is not found out by itself (format,
delimiter, encoding, date format, sheet, header) are set in behov.yaml.`,
		Example: "  behov hr import export.csv\n  behov hr import --source contractors - < contractors.csv",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			if show && a.json {
				return errors.New("--show-values is for a terminal, and goes without --json")
			}
			s, err := pickSource(i.config, source)
			if err != nil {
				return err
			}
			if err := a.askToImport(ctx, i); err != nil {
				return err
			}
			content, when, warning, err := a.readFile(args[0], i.zone)
			if err != nil {
				return err
			}
			if made != "" {
				warning = reason.Reason{}
				if when, err = hr.ParseExportTime(made, a.now(), i.zone); err != nil {
					return fmt.Errorf("--made: %w", err)
				}
			}
			actor, err := a.actor(ctx, i)
			if err != nil {
				return err
			}
			p := newProgress(a.stderr)
			importer := hr.Importer{DB: i.db, Config: i.config, Now: a.now, Actor: actor, Progress: func(done, total int) { p.show("record events", done, total) }}
			report, err := importer.ImportByHand(ctx, content, hr.Delivery{Source: s, Name: args[0], ExportedAt: when, ExportTimeStated: made != "", ExportTimeWarning: warning, Current: strings.EqualFold(made, "now")})
			p.done()
			var refused diagnostic.Problem
			if show && errors.As(err, &refused) && refused.Value != "" {
				a.printf("%s: %s\n", printerFor(wording.Reader{Place: wording.Shell}).Problem(refused), refused.Value)
			}
			if err != nil {
				return err
			}
			return a.printImport(a.view(ctx, i), args[0], report, show)
		}),
	}
	imp.Flags().StringVar(&source, "source", "", "which of hr.sources the file is from (needed when there are several)")
	imp.Flags().BoolVar(&show, "show-values", false, "print the values that are wrong, and whose they are, on this terminal")
	imp.Flags().StringVar(&made, "made", "", "when the export was made, instead of what its name or its date says: now, a date, or an instant")
	cmd.AddCommand(imp, a.pullCommand(), a.importsCommand(), a.reportCommand())
	return cmd
}
