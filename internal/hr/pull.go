package hr

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// Pull reads new data of a source from where the configuration says, and imports
// it. It returns a report for each delivery, and none when there is nothing new.
func (im *Importer) Pull(ctx context.Context, source config.Source) ([]*Report, error) {
	switch {
	case source.File != "":
		return im.pullFile(ctx, source)
	case source.Directory != nil:
		reports, err := im.pullDirectory(ctx, source)
		return reports, errors.Join(err, im.sweepArchive(ctx, source))
	case source.HTTP != nil:
		return im.pullFeed(ctx, source)
	case source.SQL != nil:
		return im.pullView(ctx, source)
	case source.SCIM:
		return nil, &reason.Refusal{Reason: reason.Of(reason.SourcePushed{Source: source.Name})}
	}
	return nil, &reason.Refusal{Reason: reason.Of(reason.SourceNowhere{Source: source.Name})}
}

// pullFile reads a file that HR overwrites.
func (im *Importer) pullFile(ctx context.Context, source config.Source) ([]*Report, error) {
	content, info, err := readSettledFile(ctx, source.File, 0)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", source.Name, err)
	}
	if done, err := im.imported(ctx, source, HashOf(content)); err != nil || done {
		return nil, err
	}
	if held, err := im.isHeld(ctx, source, HashOf(content)); err != nil || held {
		return nil, err
	}
	// Refused content is reported once, until the file changes.
	if refused, err := im.refused(ctx, source, HashOf(content)); err != nil || refused {
		return nil, err
	}
	report, err := im.importFile(ctx, source, source.File, content, info)
	if report == nil {
		return nil, err
	}
	return []*Report{report}, err
}

// refused reports whether this content was refused, and nothing has been imported
// since.
func (im *Importer) refused(ctx context.Context, source config.Source, hash string) (bool, error) {
	newest, err := im.DB.Imports(ctx, source.Name, 1)
	return len(newest) > 0 && newest[0].Status == store.ImportRefused && newest[0].FileHash == hash, err
}

// refuseOnce is Refuse for content that is read repeatedly; it returns the
// report.
func (im *Importer) refuseOnce(ctx context.Context, source config.Source, name, hash string, why error) ([]*Report, error) {
	report := []*Report{{Source: source.Name, Name: name, Refused: ProblemOf(name, why)}}
	if again, err := im.refused(ctx, source, hash); err != nil || again {
		return report, err
	}
	return report, im.Refuse(ctx, source, name, hash, why)
}

// importFile imports a file. A file that cannot be read is refused, without an
// error: the refusal is recorded, and is in the report.
func (im *Importer) importFile(ctx context.Context, source config.Source, name string, content []byte, info os.FileInfo) (*Report, error) {
	hash := HashOf(content)
	export, err := Read(filepath.Base(name), content, source, im.Config.Attributes, im.Config.Rules.Units, im.Today())
	if err != nil {
		return &Report{Source: source.Name, Name: filepath.Base(name), Refused: ProblemOf(filepath.Base(name), err)}, im.Refuse(ctx, source, filepath.Base(name), hash, err)
	}
	made, warning := ExportedAt(name, info.ModTime(), im.Now(), im.Config.Zone)
	report, err := im.Deliver(ctx, Delivery{Source: source, Name: filepath.Base(name), Hash: hash, ExportedAt: made, ExportTimeWarning: warning, Export: export})
	var old *OutdatedExportError
	if errors.As(err, &old) {
		return &Report{Source: source.Name, Name: filepath.Base(name), Refused: ProblemOf(filepath.Base(name), old)}, nil
	}
	return report, err
}

// isHeld reports whether this content has an undecided hold.
func (im *Importer) isHeld(ctx context.Context, source config.Source, hash string) (bool, error) {
	holds, err := im.DB.Holds(ctx)
	if err != nil {
		return false, err
	}
	digest := holdDigest(source.Name, hash)
	return slices.ContainsFunc(holds, func(h store.HoldState) bool {
		return h.Digest == digest && (h.Decision == nil || h.Decision.Verdict != store.Release)
	}), nil
}

// readSettledFile reads a file once it has not changed for the settle time.
func readSettledFile(ctx context.Context, name string, settle time.Duration) ([]byte, os.FileInfo, error) {
	for {
		before, err := os.Stat(name)
		if err != nil {
			return nil, nil, err
		}
		if wait := settle - time.Since(before.ModTime()); wait > 0 && wait <= settle {
			select {
			case <-ctx.Done():
				return nil, nil, ctx.Err()
			case <-time.After(wait):
			}
			continue
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		after, err := os.Stat(name)
		if err != nil {
			return nil, nil, err
		}
		if before.Size() == after.Size() && before.ModTime().Equal(after.ModTime()) && int64(len(content)) == after.Size() {
			return content, after, nil
		}
	}
}

// waitingFile is a file in a source's directory.
type waitingFile struct {
	name string
	made time.Time
}

// pullDirectory imports the files in a directory, the oldest first. A file is
// moved to the archive after its import is committed: after an interruption in
// between it is read again, and changes nothing.
func (im *Importer) pullDirectory(ctx context.Context, source config.Source) ([]*Report, error) {
	d := source.Directory
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", source.Name, err)
	}
	var files []waitingFile
	var passedOver error
	for _, e := range entries {
		match, err := path.Match(d.Pattern, e.Name())
		if err != nil || !match || e.IsDir() || isTemporaryName(e.Name()) {
			continue
		}
		if !e.Type().IsRegular() {
			passedOver = errors.Join(passedOver, fmt.Errorf("source %s: %s is not a regular file and is not read: put the file itself there, not a link", source.Name, e.Name()))
			continue
		}
		info, err := e.Info()
		if err != nil {
			continue // removed meanwhile
		}
		made, _ := ExportedAt(e.Name(), info.ModTime(), im.Now(), im.Config.Zone)
		files = append(files, waitingFile{e.Name(), made})
	}
	slices.SortFunc(files, func(a, b waitingFile) int {
		if c := a.made.Compare(b.made); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	var reports []*Report
	for _, f := range files {
		report, err := im.importDirectoryFile(ctx, source, f.name)
		if report != nil {
			reports = append(reports, report)
		}
		if err != nil {
			return reports, fmt.Errorf("source %s: %s: %w", source.Name, f.name, err)
		}
		if report != nil && report.Held != nil {
			break // a newer file must not overtake a held one
		}
	}
	return reports, passedOver
}

// isTemporaryName reports whether a name is that of a file being written, or of
// one beside an open file: ~$hr.xlsx is Excel's lock file, .~lock.hr.ods# that of
// LibreOffice, hr.csv~ an editor's backup.
func isTemporaryName(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$") || strings.HasSuffix(name, "~") || slices.Contains([]string{".tmp", ".part", ".filepart", ".partial", ".crdownload"}, strings.ToLower(filepath.Ext(name)))
}

func (im *Importer) importDirectoryFile(ctx context.Context, source config.Source, name string) (*Report, error) {
	d := source.Directory
	file := filepath.Join(d.Path, name)
	content, info, err := readSettledFile(ctx, file, d.Settle)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if held, err := im.isHeld(ctx, source, HashOf(content)); err != nil || held {
		return nil, err
	}
	report, err := im.importFile(ctx, source, file, content, info)
	switch {
	case err != nil, report.Held != nil:
		return report, err
	case report.Refused == nil:
		return report, im.archive(file, d.Archive)
	}
	refused := filepath.Join(d.Archive, "refused")
	if err := im.archive(file, refused); err != nil {
		return report, err
	}
	words, err := wording.New(wording.Reader{Language: wording.Language(im.Config.Alerts.Language), Zone: im.Config.Zone})
	if err != nil {
		return report, err
	}
	return report, os.WriteFile(filepath.Join(refused, name+problemSuffix), []byte(words.Problem(*report.Refused)+"\n"), 0o600)
}

// problemSuffix is appended to the name of a refused file for the file with its
// problems.
const problemSuffix = ".problem.txt"

// archive moves a file. An existing file of that name is kept, and this one gets
// a time as a prefix.
func (im *Importer) archive(file, dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("archive: %w", err)
	}
	to := filepath.Join(dir, filepath.Base(file))
	if _, err := os.Lstat(to); err == nil {
		to = filepath.Join(dir, im.Now().UTC().Format("20060102T150405.000000000Z-")+filepath.Base(file))
	}
	if err := os.Rename(file, to); err != nil {
		return fmt.Errorf("archive (it must be on the same file system): %w", err)
	}
	return nil
}
