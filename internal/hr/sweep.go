package hr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// sweepArchive deletes the files of a source that were archived, imported or
// refused, longer ago than the retention period: they are full of personal data.
// It leaves files alone that behov did not read.
func (im *Importer) sweepArchive(ctx context.Context, source config.Source) error {
	d := source.Directory
	if d.KeepDays == 0 {
		return nil
	}
	before := im.Now().AddDate(0, 0, -d.KeepDays)
	deleted := 0
	for _, dir := range []string{d.Archive, filepath.Join(d.Archive, "refused")} {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("source %s: sweep the archive: %w", source.Name, err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil || !e.Type().IsRegular() || !info.ModTime().Before(before) {
				continue
			}
			name := filepath.Join(dir, e.Name())
			content, err := os.ReadFile(name)
			if err != nil {
				return fmt.Errorf("source %s: sweep the archive: %w", source.Name, err)
			}
			at, err := im.DB.ImportedAt(ctx, source.Name, HashOf(content))
			if err != nil {
				return err
			}
			if at.IsZero() || !at.Before(before) {
				continue
			}
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("source %s: sweep the archive: %w", source.Name, err)
			}
			if err := os.Remove(name + problemSuffix); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("source %s: sweep the archive: %w", source.Name, err)
			}
			deleted++
		}
	}
	if deleted == 0 {
		return nil
	}
	return im.DB.Write(ctx, func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: im.Now(), Actor: im.Actor, Action: audit.ArchiveSwept, Target: source.Name,
			Reason: reason.Of(reason.ArchiveSwept{Count: deleted, Days: d.KeepDays})})
		return nil
	})
}
