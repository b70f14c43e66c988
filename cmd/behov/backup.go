package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
)

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
