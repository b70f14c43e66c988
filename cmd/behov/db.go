package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/store"
)

func (a *app) dbCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "db", Short: "Bring the database's schema up to date; move to another database"}
	cmd.AddCommand(a.migrateCommand(), a.copyCommand())
	return cmd
}

func (a *app) migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database's schema up to date",
		Long: `Bring the database's schema up to date. Every other command does so by itself;
this one is for whoever wants to see it done, before the new version serves.

The version before goes on working on the new schema, so that several that serve
one database are upgraded one after another.`,
		Example: "  behov db migrate",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			version, err := i.db.SchemaVersion(ctx)
			if err != nil {
				return err
			}
			done := i.db.AppliedMigrations()
			if a.json {
				return a.printJSON(migrateJSON{version, append([]string{}, done...)})
			}
			for _, name := range done {
				a.printf("did %s\n", name)
			}
			a.printf("The schema is at version %d.\n", version)
			return nil
		}),
	}
}

func (a *app) copyCommand() *cobra.Command {
	var to string
	cmd := &cobra.Command{
		Use:   "copy --to URL",
		Short: "Copy everything into another, empty database",
		Long: `Copy everything that behov knows into another database, which must be empty:
from SQLite to PostgreSQL, or the other way. The rows are counted on both sides
and the copy's audit trail is verified. Stop behov serve first; what is recorded
meanwhile makes the copy fail, and nothing of it stays.

In the database that is copied from every target is paused, so that nobody goes on
with both: then nobody knew any more what is so. Write the new one under database
in behov.yaml, and go on with that. If it was only to try: behov resume.`,
		Example: "  behov db copy --to \"postgres://behov@db.example.org/behov?sslmode=verify-full\"\n  behov db copy --to env:BEHOV_DATABASE     # where the URL holds a password",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			if to == "" {
				return errors.New("say where to: --to postgres://… or --to sqlite:FILE")
			}
			to, err := databaseNamed(i.config, to)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			if to == i.config.Database {
				return errors.New("--to: that is the database it would be copied from")
			}
			master, err := masterKey(i.config)
			if err != nil {
				return err
			}
			sole, err := i.db.LockService(ctx)
			if err != nil {
				return err
			}
			defer sole.Unlock()
			db, err := store.Open(ctx, to, master)
			if err != nil {
				return fmt.Errorf("--to: %w", err)
			}
			copied, err := a.copy(ctx, i, i.db, db, store.CopyOptions{From: i.config.Database, FailOnWrite: true})
			if err := errors.Join(err, db.Close()); err != nil {
				return err
			}
			if err := a.pauseAll(ctx, i, "everything was copied to "+withoutPassword(to)+", to go on there"); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(copied)
			}
			a.printCopied(copied)
			a.printf("Now write %s under database in behov.yaml. In the one that was there before every target is paused.\n", withoutPassword(to))
			return nil
		}),
	}
	cmd.Flags().StringVar(&to, "to", "", "the other database: postgres://USER@HOST/NAME, sqlite:FILE, or env:NAME or file:PATH of what says so")
	return cmd
}

// copy copies one database into the other.
func (a *app) copy(ctx context.Context, i *installation, from, to *store.DB, how store.CopyOptions) (store.CopyResult, error) {
	actor, err := a.actor(ctx, i)
	if err != nil {
		return store.CopyResult{}, err
	}
	p := newProgress(a.stderr)
	defer p.done()
	how.From, how.Actor, how.At, how.Progress = withoutPassword(how.From), actor, a.now(), p.show
	return to.CopyFrom(ctx, from, how)
}

func (a *app) printCopied(c store.CopyResult) {
	a.printf("Copied %s, %s and %s, with whatever belongs to them; the trail verifies.\n",
		count(int(c.Rows["person"]), "person", "people"), count(int(c.Rows["hr_event"]), "HR event", "HR events"), count(int(c.Rows["audit_record"]), "audit record", "audit records"))
}
