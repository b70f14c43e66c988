package audit

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/tlog"
)

// LogSource is where the log is read from.
type LogSource interface {
	LogHead(ctx context.Context) (Checkpoint, error)
	LogTiles(ctx context.Context) tlog.TileReader
	// LogRecords returns the records with the numbers above from, up to to, in their order.
	LogRecords(ctx context.Context, from, to int64) iter.Seq2[Record, error]
	LogKey() (*LogKey, error)
}

// CheckpointFile is the name of the file with the newest checkpoint in a published log.
const CheckpointFile = "checkpoint"

// At returns the log as it was with its first size records. Its root is worked out from the
// hashes of the log of today, which are checked against today's root.
func At(ctx context.Context, log LogSource, head Checkpoint, size int64) (Checkpoint, error) {
	switch {
	case size < 0 || size > head.Size:
		return Checkpoint{}, fmt.Errorf("the log has %d records, and not %d", head.Size, size)
	case size == head.Size:
		return head, nil
	}
	root, err := tlog.TreeHash(size, hashes(ctx, log, head))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the log with %d records: %w", size, err)
	}
	return Checkpoint{Size: size, Root: root[:]}, nil
}

// hashes reads hashes of the log, and checks each against the root.
func hashes(ctx context.Context, log LogSource, head Checkpoint) tlog.HashReader {
	return tlog.TileHashReader(tlog.Tree{N: head.Size, Hash: tlog.Hash(head.Root)}, log.LogTiles(ctx))
}

// CheckConsistent returns an error unless the log of today continues the one of a checkpoint:
// it has all of the records that were in it, unchanged and in the same order.
func CheckConsistent(ctx context.Context, log LogSource, head, old Checkpoint) error {
	if old.Size > head.Size {
		return fmt.Errorf("the checkpoint is of %d records, and the log has %d: records are missing from its end, or an older copy of the database was put back", old.Size, head.Size)
	}
	now, err := At(ctx, log, head, old.Size)
	if err != nil {
		return err
	}
	if !bytes.Equal(now.Root, old.Root) {
		return fmt.Errorf("the first %d records are not those of the checkpoint: records that were in the log then were changed, removed, put in or moved", old.Size)
	}
	return nil
}

// Prove returns the proof that a record is in the log (https://c2sp.org/tlog-proof), under a
// checkpoint of now, and what the record's leaf commits to.
func Prove(ctx context.Context, log LogSource, record int64) (text, entry []byte, err error) {
	key, err := log.LogKey()
	if err != nil {
		return nil, nil, err
	}
	head, err := log.LogHead(ctx)
	switch {
	case err != nil:
		return nil, nil, err
	case record < 1 || record > head.Size:
		return nil, nil, fmt.Errorf("there is no record %d: the log has %d", record, head.Size)
	}
	for r, err := range log.LogRecords(ctx, record-1, record) {
		if err != nil {
			return nil, nil, err
		}
		if entry, err = r.Entry(); err != nil {
			return nil, nil, err
		}
	}
	inclusion, err := tlog.ProveRecord(head.Size, record-1, hashes(ctx, log, head))
	if err != nil {
		return nil, nil, fmt.Errorf("prove record %d: %w", record, err)
	}
	if err := tlog.CheckRecord(inclusion, head.Size, tlog.Hash(head.Root), record-1, tlog.RecordHash(entry)); err != nil {
		return nil, nil, fmt.Errorf("record %d is not what its leaf in the log commits to: %w", record, err)
	}
	signed, err := key.Sign(head)
	if err != nil {
		return nil, nil, err
	}
	p := proof.TLogProof{Index: uint64(record - 1), Checkpoint: signed}
	for _, h := range inclusion {
		p.Hashes = append(p.Hashes, h)
	}
	return p.Marshal(), entry, nil
}

// Publish writes the log into a directory (https://c2sp.org/tlog-tiles): what it lacks of the
// tiles and of the entries, and then the checkpoint. It refuses a directory with a checkpoint
// that the log does not continue, and returns the signed checkpoint.
func Publish(ctx context.Context, log LogSource, dir string) ([]byte, error) {
	key, err := log.LogKey()
	if err != nil {
		return nil, err
	}
	head, err := log.LogHead(ctx)
	if err != nil {
		return nil, err
	}
	var before Checkpoint
	switch signed, err := os.ReadFile(filepath.Join(dir, CheckpointFile)); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("read the published checkpoint: %w", err)
	default:
		if before, err = key.Open(signed); err == nil {
			err = CheckConsistent(ctx, log, head, before)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(dir, CheckpointFile), err)
		}
	}
	reader := hashes(ctx, log, head)
	for _, t := range tlog.NewTiles(TileHeight, before.Size, head.Size) {
		data, err := tlog.ReadTileData(t, reader)
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if err := writeFile(dir, tilePath(t), data); err != nil {
			return nil, err
		}
		if t.L > 0 {
			continue
		}
		entries, err := bundle(ctx, log, t)
		if err != nil {
			return nil, err
		}
		t.L = -1
		if err := writeFile(dir, tilePath(t), entries); err != nil {
			return nil, err
		}
	}
	signed, err := key.Sign(head)
	if err != nil {
		return nil, err
	}
	return signed, writeFile(dir, CheckpointFile, signed)
}

// bundle returns the entries of a tile's leaves, each behind its length.
func bundle(ctx context.Context, log LogSource, t tlog.Tile) ([]byte, error) {
	var b []byte
	first := t.N << TileHeight
	for r, err := range log.LogRecords(ctx, first, first+int64(t.W)) {
		if err != nil {
			return nil, err
		}
		e, err := r.Entry()
		if err != nil {
			return nil, err
		}
		if len(e) > 1<<16-1 {
			return nil, fmt.Errorf("the entry of record %d has %d bytes, more than a log may have", r.Index, len(e))
		}
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(e))), e...)
	}
	return b, nil
}

// tilePath returns the path of a tile, or with level -1 of its entries.
func tilePath(t tlog.Tile) string {
	path := strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", TileHeight))
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

// writeFile replaces a file as a whole.
func writeFile(dir, name string, content []byte) (err error) {
	file := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil { //nolint:gosec // it is to be read by others
		return fmt.Errorf("publish the log: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".new-*")
	if err != nil {
		return fmt.Errorf("publish the log: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("publish the log: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
