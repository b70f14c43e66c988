package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
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
			if err := a.mayImport(ctx, i); err != nil {
				return err
			}
			content, when, warning, err := a.readFile(args[0], i.zone)
			if err != nil {
				return err
			}
			if made != "" {
				warning = ""
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
				a.printf("%s: %s\n", refused.Error(), refused.Value)
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
	cmd.AddCommand(imp, a.pullCommand(), a.importsCommand())
	return cmd
}

// mayImport asks, where behov.yaml says which user is which person, whether that
// person may import a file: what HR says gives units, jobs and managers, and with them
// rights. While no person is known there is no one to ask.
func (a *app) mayImport(ctx context.Context, i *installation) error {
	if n, err := i.db.CountPeople(ctx); err != nil || n == 0 || i.config.Operators == nil {
		return err
	}
	subject, err := a.subject(ctx, i, "")
	if err != nil {
		return err
	}
	return a.governance(i).MayImport(ctx, subject)
}

func pickSource(c *config.Config, name string) (config.Source, error) {
	names := sortedKeys(c.Sources)
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	s, ok := c.Sources[name]
	if !ok {
		return s, fmt.Errorf("which source is it from? --source with one of %s", strings.Join(names, ", "))
	}
	return s, nil
}

// readFile returns what is in a file, and when it was made and the warning as
// hr.ExportedAt; of the standard input the time is not known.
func (a *app) readFile(name string, zone *time.Location) (content []byte, made time.Time, warning string, err error) {
	if name == "-" {
		content, err = io.ReadAll(a.stdin)
		return content, made, "", err
	}
	if content, err = os.ReadFile(name); err != nil {
		return nil, made, "", err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, made, "", err
	}
	made, warning = hr.ExportedAt(name, info.ModTime(), a.now(), zone)
	return content, made, warning, nil
}

func (a *app) importsCommand() *cobra.Command {
	var source string
	var most int
	var problems bool
	cmd := &cobra.Command{
		Use:     "imports",
		Short:   "List what was imported, when, and what came of it",
		Example: "  behov hr imports\n  behov hr imports --problems -n 1     # the problems of the last one",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			all, err := i.db.Imports(ctx, source, most)
			if err != nil {
				return err
			}
			v := a.view(ctx, i)
			entries := make([]importEntryJSON, len(all))
			for k, x := range all {
				entries[k] = importEntryJSON{x.ID, x.Source, x.FileHash, x.Status, x.Rows, x.BadRows, x.Events, v.ActorOf(x.Actor), x.At(), instant(x.ExportedAt()), []diagnostic.Problem{}}
				if x.Problems == "" {
					continue
				}
				if err := json.Unmarshal([]byte(x.Problems), &entries[k].Problems); err != nil {
					return fmt.Errorf("problems of import %s: %w", x.ID, err)
				}
			}
			if a.json {
				return a.printJSON(itemsOf(entries))
			}
			if len(entries) == 0 {
				a.printf("Nothing was imported yet.\n")
			}
			for _, x := range entries {
				when := ""
				if x.Made != nil {
					when = ", made " + x.Made.In(i.zone).Format("2006-01-02 15:04")
				}
				a.printf("%s  %s  %s: %s, %s, %s%s\n", x.At.In(i.zone).Format("2006-01-02 15:04:05"), x.Source, x.Status, count(x.Rows, "row", "rows"), count(x.BadRows, "bad", "bad"), count(x.Events, "event", "events"), when)
				for _, p := range x.Problems {
					if problems {
						a.printf("  %s\n", p.Error())
					}
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&source, "source", "", "only this source")
	cmd.Flags().IntVarP(&most, "number", "n", 20, "how many at most")
	cmd.Flags().BoolVar(&problems, "problems", false, "with their problems")
	return cmd
}

// printImport prints what an import did, with the values that are wrong when
// show says so.
func (a *app) printImport(v *access.View, file string, r *hr.Report, show bool) (err error) {
	said := importOf(v, r)
	if a.json {
		if err := a.printJSON(said); err != nil {
			return err
		}
	} else {
		for _, p := range r.Problems {
			if show && p.Value != "" {
				a.printf("%s: %s\n", p.Error(), p.Value)
			} else {
				a.printf("%s\n", p.Error())
			}
		}
		if r.LeftOut > 0 {
			others := ""
			if n := r.LeftOut - r.LeftOutNamed; n > 0 {
				others = fmt.Sprintf(" (%d named above, and %d of the same people or employments, or with the same mistake)", r.LeftOutNamed, n)
			}
			a.printf("%s left out%s; the people concerned keep the access they have.\n", count(r.LeftOut, "row", "rows"), others)
		}
		if r.Questions > 0 {
			a.printf("%s about whose record it is: behov people duplicates.\n", count(r.Questions, "question", "questions"))
		}
		if r.Warnings > 0 {
			a.printf("%s to look at; those rows were taken.\n", count(r.Warnings, "warning", "warnings"))
		}
		if r.EndingsWait {
			a.printf("As some rows could be anybody's, or may be cut off, no employment was ended by this import.\n")
		}
	}
	if h := r.EndingsHeld; h != nil {
		defer func() {
			if !a.json {
				a.printf("Endings held:\n")
				a.printReasons(*said.EndingsHeld)
				a.printf("If the file is right:\n  behov hold release %s --reason \"…\" --by YOU\nand import it again.\n", h.Digest)
			}
			err = errors.Join(err, exit(exitHeld))
		}()
	}
	if len(r.StartsHeld) > 0 {
		defer func() {
			for _, h := range said.StartsHeld {
				if !a.json {
					a.printf("Start held: %s.\nIf the new start is right:\n  behov hold release %s --reason \"…\" --by YOU\nand import that row again.\n", h.Why.Text, h.Digest)
				}
			}
			err = errors.Join(err, exit(exitHeld))
		}()
	}
	if r.Held != nil {
		if !a.json {
			a.printf("Held: %s.\nNothing of %s was imported, and no access changes. If the file is right:\n  behov hold release %s --reason \"…\" --by YOU\nand import it again.\n", said.Held.Why.Text, file, said.Held.Digest)
		}
		return exit(exitHeld)
	}
	if r.Rows > 0 && r.LeftOut == r.Rows && r.Events == 0 && r.Postponed == 0 {
		if !a.json {
			a.printf("Nothing of %s was imported: every row was left out.\n", file)
		}
		return exit(exitError)
	}
	if a.json {
		return nil
	}
	if r.Erased > 0 {
		defer a.printf("%s of erased people, whose employments have ended, left out.\n", count(r.Erased, "row", "rows"))
	}
	if r.Events == 0 {
		a.printf("%s read, nothing new.\n", count(r.Rows, "row", "rows"))
		return nil
	}
	if r.Late > 0 {
		defer a.printf("%s had effect before it was learnt: it takes effect at once, and both dates are in the audit trail.\n", count(r.Late, "event", "events"))
	}
	if r.Joined > 0 {
		defer a.printf("%s of people known already, by their national identity number (behov people split undoes it).\n", count(r.Joined, "record was that", "records were those"))
	}
	var parts []string
	for _, kind := range []struct {
		kind      identity.Kind
		one, many string
	}{
		{identity.PersonAdded, "new person", "new people"}, {identity.PersonJoined, "record joined", "records joined"}, {identity.PersonChanged, "person changed", "people changed"},
		{identity.EmploymentAdded, "new employment", "new employments"}, {identity.EmploymentChanged, "employment changed", "employments changed"},
		{identity.EmploymentWithdrawn, "employment withdrawn", "employments withdrawn"},
	} {
		if n := r.Counts[kind.kind]; n > 0 {
			parts = append(parts, count(n, kind.one, kind.many))
		}
	}
	a.printf("%s read: %s.\n", count(r.Rows, "row", "rows"), strings.Join(parts, ", "))
	return nil
}
