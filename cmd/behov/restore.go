package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/store"
)

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
