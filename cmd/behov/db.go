package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/seal"
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

func (a *app) backupCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write everything into one file, while behov goes on",
		Long: `Write everything that behov knows into one new file, as of one instant, verified:
people, decisions, the audit trail, and whatever was under way. What it works
with goes on meanwhile. The file is an SQLite database, whatever the database is.

Names and addresses stand in it in the clear; national identity numbers and HR's
own records are sealed with the key file (key in behov.yaml), without which the
backup is worth little. Keep both, and not together.`,
		Example: "  behov backup /backup/behov-2026-11-24.db\n  behov backup \"/backup/behov-$(date +%F).db\"",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			file := args[0]
			if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
				return errors.Join(fmt.Errorf("%s is there already, and is not written over", file), err)
			}
			master, err := masterKey(i.config)
			if err != nil {
				return err
			}
			copied, err := a.writeBackup(ctx, i, master, file)
			if err != nil {
				return backupFault(file, err)
			}
			if a.json {
				return a.printJSON(copied)
			}
			a.printCopied(copied)
			a.printf("It is in %s. Keep the key file (%s) as well, elsewhere.\n", file, i.config.Key)
			return nil
		}),
	}
}

// writeBackup copies the database into a new file, which gets its name when it is
// complete: what fails leaves no file.
func (a *app) writeBackup(ctx context.Context, i *installation, master *seal.Master, file string) (copied store.CopyResult, err error) {
	removeAbandoned(filepath.Dir(file), ".behov-backup-")
	dir, err := os.MkdirTemp(filepath.Dir(file), ".behov-backup-")
	if err != nil {
		return copied, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	// SQLite reports some writes that find no room as I/O errors.
	defer func() {
		if full := probeSpace(dir); err != nil && full != nil {
			err = errors.Join(err, full)
		}
	}()
	whole := filepath.Join(dir, "backup.db")
	db, err := store.Open(ctx, "sqlite:"+whole, master)
	if err != nil {
		return copied, err
	}
	copied, err = a.copy(ctx, i, i.db, db, store.CopyOptions{From: i.config.Database})
	if err := errors.Join(err, db.Close()); err != nil {
		return copied, err
	}
	return copied, renameNew(whole, file)
}

// probeSpace returns the error of writing a small file into a directory, when it is
// that the disk is full.
func probeSpace(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, "probe"), make([]byte, 64<<10), 0o600); store.IsOutOfSpace(err) {
		return err
	}
	return nil
}

// backupFault returns the error of a backup that could not be written.
func backupFault(file string, err error) error {
	if store.IsOutOfSpace(err) {
		return fmt.Errorf("the backup could not be written to %s: no space left on device: free space there, or give a file on another disk; no part of the backup was kept", file)
	}
	return fmt.Errorf("the backup could not be written to %s: %w", file, err)
}

// databaseNamed resolves a reference to a database's URL, which may hold a
// password.
func databaseNamed(c *config.Config, ref string) (string, error) {
	if strings.HasPrefix(ref, "env:") || strings.HasPrefix(ref, "file:") {
		return config.Resolve(c.Dir, ref)
	}
	return ref, nil
}

// renameNew gives a file that is on disk another name, unless there is one.
func renameNew(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(from, to)
}

func (a *app) restoreCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restore FILE",
		Short: "Make a new database of a backup, and go on from there",
		Long: `Make of the database in behov.yaml, which must be a new one, what a backup holds.
The audit trail is verified, and goes on with a record that says which backup it
was. behov then knows no more of what happened since: the next plan compares what
HR says with what is in the targets, and says what it found there. Import HR's
newest file, look at the plan, and apply it.

Suspensions and other decisions made since the backup are not in it: whom somebody
suspended since would be let in again. So every target is paused, until they are
made again and behov resume is run. Accounts that behov disabled before are
enabled only by a release: others may have disabled them since. Who was new since has another ID now,
and an account with the former one is nobody's until its anchor attribute is
emptied.`,
		Example: "  behov restore /backup/behov-2026-11-24.db\n  behov hr import hr.csv\n  behov plan\n  behov resume --reason \"what was decided since is decided again\" --by 1001",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			master, err := masterKey(i.config)
			if err != nil {
				return err
			}
			// The backup stays as it is: opening one of an older version changes
			// it.
			removeAbandoned(i.config.Dir, ".behov-restore-")
			dir, err := os.MkdirTemp(i.config.Dir, ".behov-restore-")
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
			file := filepath.Join(dir, "backup.db")
			if err := copyFile(args[0], file); err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			backup, err := store.Open(ctx, "sqlite:"+file, master)
			if full := probeSpace(dir); err != nil && (full != nil || store.IsOutOfSpace(err)) {
				return fmt.Errorf("restore: no space left on device in %s, where the backup is opened: free space there", i.config.Dir)
			}
			if err != nil {
				return fmt.Errorf("%s is no backup of behov: %w", args[0], err)
			}
			copied, err := a.copy(ctx, i, backup, i.db, store.CopyOptions{From: "backup " + filepath.Base(args[0]), Restored: true})
			if err := errors.Join(err, backup.Close()); err != nil {
				return err
			}
			if err := a.pauseAll(ctx, i, "restored from "+filepath.Base(args[0])+": what was decided since is to be decided again"); err != nil {
				return err
			}
			if a.json {
				return a.printJSON(copied)
			}
			a.printCopied(copied)
			a.printf("Import HR's newest file, and look at what the targets have become since:\n  behov plan\n" +
				"Suspensions and other decisions made since the backup are not in it: make them again.\nAccounts that behov disabled before are enabled only when a person releases it.\nUntil then every target is paused. To go on: behov resume --reason \"…\" --by YOU\n")
			return nil
		}),
	}
}

// pauseAll pauses every target.
func (a *app) pauseAll(ctx context.Context, i *installation, why string) error {
	maker, err := a.actor(ctx, i)
	if err != nil {
		return err
	}
	return a.governance(i).PauseEverything(ctx, maker, why)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // reading
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
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

// withoutPassword leaves the password out of a database's URL.
func withoutPassword(database string) string {
	if u, err := url.Parse(database); err == nil && u.User != nil && !strings.HasPrefix(database, "sqlite:") {
		u.User = url.User(u.User.Username())
		return u.String()
	}
	return database
}

// placeOf returns where a database is: its file, or its URL without the password.
func placeOf(database string) string {
	return strings.TrimPrefix(withoutPassword(database), "sqlite:")
}

func masterKey(c *config.Config) (*seal.Master, error) {
	text, err := config.Resolve(c.Dir, c.Key)
	if err != nil {
		return nil, fmt.Errorf("the key that personal values are sealed with (key: %s): %w; it was made by behov init with the installation: find it, and do not make another", c.Key, err)
	}
	master, err := seal.ParseMaster([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", c.Key, err)
	}
	return master, nil
}
