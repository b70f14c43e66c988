// Command behov-verify verifies what behov publishes of its audit trail, without behov and
// without a network: a published log, or the proof that a record is in it. It needs nothing but
// the public key of the log.
//
// It must never use a package of behov's own: who does not trust behov builds it alone.
package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const usage = `Verify what behov publishes of its audit trail, with the public key of the log alone.

  behov-verify -key KEY DIR                  a published log (behov audit publish DIR)
  behov-verify -key KEY -old FILE DIR        the same, and that it continues an older checkpoint
  behov-verify -key KEY -proof FILE -entry FILE   that a record is in the log (behov audit prove)

KEY is as behov audit head prints it. The exit status is 0 when all is well, 1 when it is
not, and 2 when it could not be looked at.

`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// errWrong is in the error of what was looked at and does not verify.
var errWrong = errors.New("it does not verify")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errWrong, fmt.Sprintf(format, args...))
}

func run(args []string, out, problems io.Writer) int {
	flags := flag.NewFlagSet("behov-verify", flag.ContinueOnError)
	flags.SetOutput(problems)
	flags.Usage = func() {
		fmt.Fprint(problems, usage)
		flags.PrintDefaults()
	}
	key := flags.String("key", "", "the public key of the log")
	proofFile := flags.String("proof", "", "a proof that a record is in the log")
	entryFile := flags.String("entry", "", "the record, as behov audit prove writes it")
	old := flags.String("old", "", "an older checkpoint that the log must continue")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	verifier, err := note.NewVerifier(*key)
	switch {
	case err != nil:
		err = fmt.Errorf("-key is no public key of a log: write the one that behov audit head prints: %w", err)
	case *proofFile != "" && *entryFile != "" && flags.NArg() == 0:
		err = verifyProof(out, verifier, *proofFile, *entryFile)
	case *proofFile == "" && *entryFile == "" && flags.NArg() == 1:
		err = verifyLog(out, verifier, flags.Arg(0), *old)
	default:
		flags.Usage()
		return 2
	}
	switch {
	case errors.Is(err, errWrong):
		fmt.Fprintln(problems, "behov-verify:", err)
		return 1
	case err != nil:
		fmt.Fprintln(problems, "behov-verify:", err)
		return 2
	}
	return 0
}

// open returns what a signed checkpoint says.
func open(verifier note.Verifier, signed []byte) (*log.Checkpoint, error) {
	c, _, _, err := log.ParseCheckpoint(signed, verifier.Name(), verifier)
	if err != nil {
		return nil, wrong("the checkpoint is not one that the key signed: %v", err)
	}
	if len(c.Hash) != tlog.HashSize || c.Size > 1<<62 {
		return nil, wrong("the checkpoint has no root and size of a log")
	}
	return c, nil
}

func verifyProof(out io.Writer, verifier note.Verifier, proofFile, entryFile string) error {
	text, err := os.ReadFile(proofFile)
	if err != nil {
		return err
	}
	entry, err := os.ReadFile(entryFile)
	if err != nil {
		return err
	}
	var p proof.TLogProof
	if err := p.Unmarshal(text); err != nil {
		return wrong("%s is no proof: %v", proofFile, err)
	}
	c, err := open(verifier, p.Checkpoint)
	if err != nil {
		return err
	}
	var hashes tlog.RecordProof
	for _, h := range p.Hashes {
		hashes = append(hashes, tlog.Hash(h))
	}
	if p.Index >= c.Size {
		return wrong("the proof is of record %d, and the checkpoint of %d records", p.Index+1, c.Size)
	}
	if err := tlog.CheckRecord(hashes, int64(c.Size), tlog.Hash(c.Hash), int64(p.Index), tlog.RecordHash(entry)); err != nil {
		return wrong("the record in %s is not record %d of the log: %v", entryFile, p.Index+1, err)
	}
	fmt.Fprintf(out, "Record %d is in the log %s, which had %d records.\n", p.Index+1, verifier.Name(), c.Size)
	return nil
}

func verifyLog(out io.Writer, verifier note.Verifier, dir, old string) error {
	signed, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	c, err := open(verifier, signed)
	if err != nil {
		return err
	}
	var before *log.Checkpoint
	if old != "" {
		signed, err := os.ReadFile(old)
		if err != nil {
			return err
		}
		if before, err = open(verifier, signed); err != nil {
			return fmt.Errorf("%s: %w", old, err)
		}
		if before.Size > c.Size {
			return wrong("the log has %d records, and had %d at the older checkpoint", c.Size, before.Size)
		}
	}
	size := int64(c.Size)
	var stored []tlog.Hash
	stack := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			hashes[i] = stored[index]
		}
		return hashes, nil
	})
	for first := int64(0); first < size; first += tileWidth {
		leaves, err := readTile(dir, first, min(tileWidth, size-first))
		if err != nil {
			return err
		}
		for i, leaf := range leaves {
			more, err := tlog.StoredHashesForRecordHash(first+int64(i), leaf, stack)
			if err != nil {
				return wrong("record %d: %v", first+int64(i)+1, err)
			}
			stored = append(stored, more...)
		}
	}
	for _, t := range tlog.NewTiles(8, 0, size) {
		if t.L == 0 {
			continue // compared above
		}
		want, err := tlog.ReadTileData(t, stack)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(tileName(t))))
		switch {
		case errors.Is(err, os.ErrNotExist):
			return wrong("%s is missing", tileName(t))
		case err != nil:
			return err
		case !bytes.Equal(b, want):
			return wrong("%s does not have the hashes of the records", tileName(t))
		}
	}
	if root, err := tlog.TreeHash(size, stack); err != nil || !bytes.Equal(root[:], c.Hash) {
		return wrong("the %d records are not those of the checkpoint", size)
	}
	if before != nil {
		if root, err := tlog.TreeHash(int64(before.Size), stack); err != nil || !bytes.Equal(root[:], before.Hash) {
			return wrong("the first %d records are not those of the older checkpoint", before.Size)
		}
	}
	fmt.Fprintf(out, "The log %s has %d records, and each is what the checkpoint commits to.\n", verifier.Name(), size)
	if before != nil {
		fmt.Fprintf(out, "It continues the older checkpoint of %d records.\n", before.Size)
	}
	return nil
}

const tileWidth = 256

// tileName returns the file of a tile, or with level -1 of its entries.
func tileName(t tlog.Tile) string {
	return strings.Replace(strings.Replace(t.Path(), "tile/8/", "tile/", 1), "tile/data/", "tile/entries/", 1)
}

// readTile returns the hashes of the leaves of a tile, once each is that of its entry.
func readTile(dir string, first, width int64) ([]tlog.Hash, error) {
	read := func(level int) ([]byte, string, error) {
		t := tlog.Tile{H: 8, L: level, N: first / tileWidth, W: int(width)}
		name := tileName(t)
		b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if errors.Is(err, os.ErrNotExist) {
			return nil, name, wrong("%s is missing", name)
		}
		return b, name, err
	}
	tile, name, err := read(0)
	if err != nil {
		return nil, err
	}
	if int64(len(tile)) != width*tlog.HashSize {
		return nil, wrong("%s has %d bytes, and should have %d", name, len(tile), width*tlog.HashSize)
	}
	entries, name, err := read(-1)
	if err != nil {
		return nil, err
	}
	hashes := make([]tlog.Hash, width)
	for i := range hashes {
		if len(entries) < 2 || len(entries) < 2+int(binary.BigEndian.Uint16(entries)) {
			return nil, wrong("%s ends within record %d", name, first+int64(i)+1)
		}
		n := 2 + int(binary.BigEndian.Uint16(entries))
		hashes[i] = tlog.RecordHash(entries[2:n])
		if !bytes.Equal(hashes[i][:], tile[i*tlog.HashSize:(i+1)*tlog.HashSize]) {
			return nil, wrong("record %d is not what its leaf commits to", first+int64(i)+1)
		}
		entries = entries[n:]
	}
	if len(entries) > 0 {
		return nil, wrong("%s has more than its records", name)
	}
	return hashes, nil
}
