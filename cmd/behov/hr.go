package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
)

func (a *app) hrCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "hr", Short: "Import what HR knows"}
	var source string
	imp := &cobra.Command{
		Use:   "import FILE",
		Short: "Import a full export as CSV, one row for each employment",
		Long: `Import a full export as CSV, one row for each employment. The export is compared
with what is known, and what is new is recorded. Importing the same file twice
changes nothing. A bad row is reported and left out, and whoever it is about
stays as they are. An export in which too many running employments are missing
is held whole until somebody releases it (behov hold).

Columns: ` + strings.Join(config.Canonical, ", ") + `.
Other names, delimiters, encodings and date formats are set in behov.yaml.`,
		Example: "  behov hr import export.csv\n  behov hr import --source contractors - < contractors.csv",
		Args:    cobra.ExactArgs(1),
		RunE: a.opened(func(ctx context.Context, i *installation, args []string) error {
			s, err := pickSource(i.config, source)
			if err != nil {
				return err
			}
			content, err := a.readFile(args[0])
			if err != nil {
				return err
			}
			actor, err := a.actor(ctx, i, "")
			if err != nil {
				return err
			}
			p := newProgress(a.stderr)
			importer := hr.Importer{DB: i.db, Config: i.config, Now: a.now, Actor: actor, Progress: func(done, total int) { p.show("record events", done, total) }}
			report, err := importer.Import(ctx, args[0], content, s)
			p.done()
			if err != nil {
				return err
			}
			return a.printImport(args[0], report)
		}),
	}
	imp.Flags().StringVar(&source, "source", "", "which of hr.sources the file is from (needed when there are several)")
	cmd.AddCommand(imp)
	return cmd
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

func (a *app) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(a.stdin)
	}
	return os.ReadFile(name)
}

func (a *app) printImport(file string, r *hr.Report) error {
	if a.json {
		if err := a.printJSON(r); err != nil {
			return err
		}
	} else {
		for _, p := range r.Problems {
			a.printf("%s\n", p.Error())
		}
		if len(r.Problems) > 0 {
			a.printf("%s left out; the people concerned keep the access they have.\n", count(len(r.Problems), "problem", "problems"))
		}
		if r.EndingsWait {
			a.printf("As some rows could be anybody's, no employment was ended by this import.\n")
		}
	}
	if r.Held != nil {
		if !a.json {
			a.printf("Held: %s.\nNothing of %s was imported, and nobody's access changes. If the file is right:\n  behov hold release %s --reason \"…\"\nand import it again.\n", r.Held.Why, file, r.Held.Digest)
		}
		return exit(exitHeld)
	}
	if a.json {
		return nil
	}
	if r.Events == 0 {
		a.printf("%s read, nothing new.\n", count(r.Rows, "row", "rows"))
		return nil
	}
	var parts []string
	for _, kind := range []struct {
		kind      identity.Kind
		one, many string
	}{
		{identity.PersonAdded, "new person", "new people"}, {identity.PersonChanged, "person changed", "people changed"},
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
