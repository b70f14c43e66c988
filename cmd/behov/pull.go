package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
)

func (a *app) pullCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pull [SOURCE]",
		Short: "Read what HR sources have that is new, from where the configuration says",
		Long: `Read what a source has that is new, or all sources that say where they are read
from: a file, a directory (files are picked up when they are whole, the oldest
first, and archived when what they say is committed), a feed over HTTP, or an
SQL query. Exit status: 0 done, 3 something is held, 1 error or refused.`,
		Example: "  behov hr pull\n  behov hr pull contractors",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			var sources []config.Source
			for _, name := range sortedKeys(i.config.Sources) {
				s := i.config.Sources[name]
				if len(args) == 1 && args[0] == name || len(args) == 0 && pullable(s) {
					sources = append(sources, s)
				}
			}
			if len(sources) == 0 && len(args) == 1 {
				return fmt.Errorf("there is no source %q under hr.sources", args[0])
			}
			if len(sources) == 0 {
				return errors.New("no source says where it is read from: give one a file, a directory, http or sql under hr.sources, or import a file (behov hr import)")
			}
			return a.pull(ctx, i, sources)
		}),
	}
}

func pullable(s config.Source) bool {
	return s.File != "" || s.Directory != nil || s.HTTP != nil || s.SQL != nil
}

// pull reads sources, each by itself: one that cannot be read does not keep
// the others waiting.
func (a *app) pull(ctx context.Context, i *installation, sources []config.Source) error {
	actor, err := a.actor(ctx, i)
	if err != nil {
		return err
	}
	v := a.view(ctx, i)
	p := newProgress(a.stderr)
	importer := &hr.Importer{DB: i.db, Config: i.config, Now: a.now, Actor: actor, Progress: func(done, total int) { p.show("record events", done, total) }}
	reports := []*hr.Report{}
	var errs []error
	for _, s := range sources {
		of, err := importer.Pull(ctx, s)
		p.done()
		if err != nil {
			errs = append(errs, err)
		}
		reports = append(reports, of...)
	}
	if a.json {
		said := []api.Import{}
		for _, r := range reports {
			said = append(said, api.ImportOf(v, r))
		}
		errs = append(errs, a.printJSON(itemsOf(said)))
	}
	held := false
	for _, r := range reports {
		if r.Refused != nil {
			errs = append(errs, fmt.Errorf("source %s: %s was refused: %w", r.Source, r.Name, *r.Refused))
			continue
		}
		mustDecide := r.Held != nil || r.EndingsHeld != nil || len(r.StartsHeld) > 0
		held = held || mustDecide
		if a.json {
			continue
		}
		a.printf("%s, %s: ", r.Source, r.Name)
		if err := a.printImport(v, r.Name, r, false); err != nil && !mustDecide {
			errs = append(errs, err)
		}
	}
	if len(reports) == 0 && !a.json && len(errs) == 0 {
		a.printf("Nothing new.\n")
	}
	if err := errors.Join(errs...); err != nil || !held {
		return err
	}
	return exit(exitHeld)
}
