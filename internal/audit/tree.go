package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

// The trail is the log of a Merkle tree (RFC 6962 §2.1): each record is a leaf, in their
// order, and its entry is what the leaf commits to. The tree is published as
// https://c2sp.org/tlog-tiles, so that tools that others wrote verify it.

// entry is a record as the log has it. The fields and their order are part of the format:
// another order gives other leaves.
type entry struct {
	Index         int64           `json:"index"`
	At            string          `json:"at"`
	Actor         string          `json:"actor"`
	Operator      string          `json:"operator,omitempty"`
	Authority     string          `json:"authority,omitempty"`
	Action        Action          `json:"action"`
	Person        string          `json:"person,omitempty"`
	Target        string          `json:"target,omitempty"`
	Entitlement   string          `json:"entitlement,omitempty"`
	Op            string          `json:"op,omitempty"`
	Reason        json.RawMessage `json:"reason,omitempty"`
	ReasonSHA256  string          `json:"reason_sha256,omitempty"`
	Plan          string          `json:"plan,omitempty"`
	Attempt       string          `json:"attempt,omitempty"`
	Outcome       string          `json:"outcome,omitempty"`
	Began         string          `json:"began,omitempty"`
	PayloadSHA256 string          `json:"payload_sha256,omitempty"`
}

// maxReason is the longest reason that an entry has itself: an entry has at most 65,535 bytes
// (https://c2sp.org/tlog-tiles), and a longer reason is there by its SHA-256.
const maxReason = 48 << 10

// Entry returns what the record's leaf commits to: JSON without personal values. Of the
// payload, which is sealed or names no one, it has the SHA-256.
func (r *Record) Entry() ([]byte, error) {
	instant := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Truncate(time.Microsecond).Format("2006-01-02T15:04:05.000000Z")
	}
	digest := func(b []byte) string {
		if len(b) == 0 {
			return ""
		}
		sum := sha256.Sum256(b)
		return hex.EncodeToString(sum[:])
	}
	e := entry{Index: r.Index, At: instant(r.At), Actor: string(r.Actor), Operator: string(r.Operator), Authority: r.Authority, Action: r.Action, Person: string(r.Person), Target: r.Target,
		Entitlement: r.Entitlement, Op: r.Op, Plan: string(r.Plan), Attempt: string(r.Attempt), Outcome: string(r.Outcome), Began: instant(r.Began), PayloadSHA256: digest(r.Payload)}
	if why := r.Reason.JSON(); len(why) > maxReason {
		e.ReasonSHA256 = digest([]byte(why))
	} else if !r.Reason.IsZero() {
		e.Reason = json.RawMessage(why)
	}
	b, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("the entry of record %d: %w", r.Index, err)
	}
	return b, nil
}

// leaf returns the hash of the record's leaf; nil when the record cannot be one.
func (r *Record) leaf() []byte {
	e, err := r.Entry()
	if err != nil {
		return nil
	}
	return rfc6962.DefaultHasher.HashLeaf(e)
}

const (
	hashSize = sha256.Size
	// TileHeight is that of the tiles (https://c2sp.org/tlog-tiles): 256 hashes at a level.
	TileHeight = 8
)

// Tree is what is needed of a tree to append to it: the hashes of its full subtrees.
type Tree struct{ of *compact.Range }

var ranges = compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// ParseTree returns the tree of a size whose full subtrees have the hashes, one after another,
// as Bytes returned them.
func ParseTree(size int64, hashes []byte) (*Tree, error) {
	if len(hashes)%hashSize != 0 {
		return nil, fmt.Errorf("the tree's hashes have %d bytes, which is no multiple of %d", len(hashes), hashSize)
	}
	parts := make([][]byte, 0, len(hashes)/hashSize)
	for ; len(hashes) > 0; hashes = hashes[hashSize:] {
		parts = append(parts, hashes[:hashSize:hashSize])
	}
	of, err := ranges.NewRange(0, uint64(size), parts)
	if err != nil {
		return nil, fmt.Errorf("the tree of %d records: %w", size, err)
	}
	return &Tree{of}, nil
}

// Bytes returns the hashes of the full subtrees, one after another.
func (t *Tree) Bytes() []byte {
	var b []byte
	for _, h := range t.of.Hashes() {
		b = append(b, h...)
	}
	return b
}

// TileNode is a hash that tiles have and that is no leaf: the Index-th of tile level Level.
type TileNode struct {
	Level int
	Index int64
	Hash  []byte
}

// Append appends a leaf, and calls emit with each hash of a tile that it completes.
func (t *Tree) Append(leaf []byte, emit func(TileNode)) error {
	return t.of.Append(leaf, func(id compact.NodeID, hash []byte) {
		if id.Level > 0 && id.Level%TileHeight == 0 {
			emit(TileNode{Level: int(id.Level) / TileHeight, Index: int64(id.Index), Hash: hash})
		}
	})
}

// Root returns the hash of the tree.
func (t *Tree) Root() ([]byte, error) {
	if t.of.End() == 0 {
		return rfc6962.DefaultHasher.EmptyRoot(), nil
	}
	return t.of.GetRootHash(nil)
}
