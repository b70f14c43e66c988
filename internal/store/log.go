package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/jmoiron/sqlx"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/behov/behov/internal/audit"
)

// LogKey returns the key that signs checkpoints of the log of the audit trail.
func (db *DB) LogKey() (*audit.LogKey, error) {
	seed, err := db.master.Hash("audit.log-key", "")
	if err != nil {
		return nil, err
	}
	return audit.NewLogKey(seed)
}

// LogHead returns the size and the root of the log now.
func (db *DB) LogHead(ctx context.Context) (audit.Checkpoint, error) {
	var head struct {
		Size int64  `db:"audit_idx"`
		Tree []byte `db:"audit_tree"`
	}
	if err := db.read.GetContext(ctx, &head, `SELECT audit_idx, audit_tree FROM head WHERE id = 1`); err != nil {
		return audit.Checkpoint{}, fmt.Errorf("audit head: %w", err)
	}
	tree, err := audit.ParseTree(head.Size, head.Tree)
	if err != nil {
		return audit.Checkpoint{}, fmt.Errorf("audit head: %w", err)
	}
	root, err := tree.Root()
	return audit.Checkpoint{Size: head.Size, Root: root}, err
}

// LogTiles returns the tiles of the log, as the database has their hashes.
func (db *DB) LogTiles(ctx context.Context) tlog.TileReader { return logTiles{ctx, db} }

type logTiles struct {
	ctx context.Context //nolint:containedctx // tlog.TileReader has none
	db  *DB
}

// Height implements tlog.TileReader.
func (logTiles) Height() int { return audit.TileHeight }

// SaveTiles implements tlog.TileReader.
func (logTiles) SaveTiles([]tlog.Tile, [][]byte) {}

// ReadTiles implements tlog.TileReader.
func (t logTiles) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		query, args := `SELECT leaf FROM audit_record WHERE idx > $1 AND idx <= $2 ORDER BY idx`, []any{}
		first := tile.N << audit.TileHeight
		if tile.L > 0 {
			query, args = `SELECT hash FROM audit_node WHERE idx >= $1 AND idx < $2 AND level = $3 ORDER BY idx`, []any{tile.L}
		}
		var hashes [][]byte
		if err := t.db.read.SelectContext(t.ctx, &hashes, query, append([]any{first, first + int64(tile.W)}, args...)...); err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if len(hashes) != tile.W {
			return nil, fmt.Errorf("the log lacks hashes: tile %d of level %d has %d of %d", tile.N, tile.L, len(hashes), tile.W)
		}
		for _, h := range hashes {
			data[i] = append(data[i], h...)
		}
	}
	return data, nil
}

// LogRecords returns the records of the log from an index on, which is the first's index in
// the log, in their order: the record with the number from+1 first.
func (db *DB) LogRecords(ctx context.Context, from, to int64) iter.Seq2[audit.Record, error] {
	return recordsWhere(ctx, db.read, `idx > $1 AND idx <= $2`, from, to)
}

// compareTree compares what is stored of the log with what the records give.
func compareTree(ctx context.Context, q sqlx.QueryerContext, stored []byte, s audit.Summary) error {
	if !bytes.Equal(stored, s.Tree.Bytes()) {
		return errors.New("the stored head of the log is not what the records give: it was changed")
	}
	var rows []struct {
		Level int    `db:"level"`
		Index int64  `db:"idx"`
		Hash  []byte `db:"hash"`
	}
	if err := sqlx.SelectContext(ctx, q, &rows, `SELECT level, idx, hash FROM audit_node`); err != nil {
		return fmt.Errorf("read the log: %w", err)
	}
	type place struct {
		level int
		index int64
	}
	known := make(map[place][]byte, len(rows))
	for _, r := range rows {
		known[place{r.Level, r.Index}] = r.Hash
	}
	for _, n := range s.Nodes {
		at := place{n.Level, n.Index}
		if !bytes.Equal(known[at], n.Hash) {
			return fmt.Errorf("hash %d of tile level %d of the log is not what the records give: it was changed", n.Index, n.Level)
		}
		delete(known, at)
	}
	for at := range known {
		return fmt.Errorf("hash %d of tile level %d of the log belongs to no records: it was put in", at.index, at.level)
	}
	return nil
}
