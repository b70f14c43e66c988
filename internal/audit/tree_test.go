package audit_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/reason"
)

// TestTreeIsThatOfOthers: whatever the records, and however often the tree is stored and read
// between them, its root and the hashes of its tiles are those that another implementation of
// RFC 6962 gives.
func TestTreeIsThatOfOthers(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 1200).Draw(rt, "records")
		tree, err := audit.ParseTree(0, nil)
		if err != nil {
			rt.Fatal(err)
		}
		var stored []tlog.Hash
		reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
			all := make([]tlog.Hash, len(indexes))
			for i, index := range indexes {
				all[i] = stored[index]
			}
			return all, nil
		})
		nodes := map[string][]byte{}
		for i := range n {
			leaf := tlog.RecordHash(fmt.Appendf(nil, "record %d", i))
			more, err := tlog.StoredHashesForRecordHash(int64(i), leaf, reader)
			if err != nil {
				rt.Fatal(err)
			}
			stored = append(stored, more...)
			if err := tree.Append(leaf[:], func(n audit.TileNode) { nodes[fmt.Sprint(n.Level, " ", n.Index)] = n.Hash }); err != nil {
				rt.Fatal(err)
			}
			if i%97 == 0 {
				if tree, err = audit.ParseTree(int64(i+1), tree.Bytes()); err != nil {
					rt.Fatal(err)
				}
			}
		}
		root, err := tree.Root()
		want, wantErr := tlog.TreeHash(int64(n), reader)
		if err != nil || wantErr != nil || !bytes.Equal(root, want[:]) {
			rt.Fatalf("%d records: %x, %v and not %x, %v", n, root, err, want, wantErr)
		}
		if len(nodes) != n/256 {
			rt.Fatalf("%d records have %d hashes of tiles", n, len(nodes))
		}
		for i := range n / 256 {
			data, err := tlog.ReadTileData(tlog.Tile{H: 8, L: 1, N: 0, W: i + 1}, reader)
			if err != nil || !bytes.Equal(data[i*32:], nodes[fmt.Sprint(1, " ", i)]) {
				rt.Fatalf("hash %d: %v", i, err)
			}
		}
	})
}

// TestEntry: each field of a record is in its entry, which has nothing of the payload but its
// hash, and fits into a log however long the reason is.
func TestEntry(t *testing.T) {
	full := audit.Record{Index: 7, At: time.Date(2026, 12, 1, 9, 0, 0, 123456789, time.UTC), Actor: "person:1", Operator: "os:anna", Authority: "owner, claimed", Action: audit.StepEnded, Person: "p", Target: "t", Entitlement: "e",
		Op: "add-member", Reason: reason.Of(reason.GroupRetired{}), Plan: "d", Attempt: "a", Outcome: audit.Applied, Began: time.Date(2026, 12, 1, 8, 59, 0, 0, time.UTC), Payload: []byte(`{"sealed":"c2VjcmV0"}`)}
	want := `{"index":7,"at":"2026-12-01T09:00:00.123456Z","actor":"person:1","operator":"os:anna","authority":"owner, claimed","action":"step.ended","person":"p","target":"t","entitlement":"e","op":"add-member","reason":{"code":"group-retired"},"plan":"d","attempt":"a","outcome":"applied","began":"2026-12-01T08:59:00.000000Z","payload_sha256":"`
	got, err := full.Entry()
	if err != nil || !strings.HasPrefix(string(got), want) || strings.Contains(string(got), "c2VjcmV0") {
		t.Errorf("%s, %v", got, err)
	}
	leaf := func(r audit.Record) string {
		r.Link(r.Index, nil)
		return string(r.Leaf)
	}
	for name, change := range map[string]func(*audit.Record){
		"index": func(r *audit.Record) { r.Index++ }, "at": func(r *audit.Record) { r.At = r.At.Add(time.Microsecond) }, "actor": func(r *audit.Record) { r.Actor = "x" }, "operator": func(r *audit.Record) { r.Operator = "x" },
		"authority": func(r *audit.Record) { r.Authority = "x" }, "action": func(r *audit.Record) { r.Action = "x" }, "person": func(r *audit.Record) { r.Person = "x" }, "target": func(r *audit.Record) { r.Target = "x" },
		"entitlement": func(r *audit.Record) { r.Entitlement = "x" }, "op": func(r *audit.Record) { r.Op = "x" }, "reason": func(r *audit.Record) { r.Reason = reason.Of(reason.Ready{}) }, "plan": func(r *audit.Record) { r.Plan = "x" },
		"attempt": func(r *audit.Record) { r.Attempt = "x" }, "outcome": func(r *audit.Record) { r.Outcome = "x" }, "began": func(r *audit.Record) { r.Began = time.Time{} }, "payload": func(r *audit.Record) { r.Payload = []byte("x") },
	} {
		other := full
		if change(&other); leaf(other) == leaf(full) {
			t.Errorf("the leaf does not commit to %s", name)
		}
	}
	full.Reason = reason.Of(reason.Answer{Text: strings.Repeat("x", 70_000)})
	if long, err := full.Entry(); err != nil || len(long) > 1<<16-1 || !json.Valid(long) || !strings.Contains(string(long), "reason_sha256") {
		t.Errorf("%d bytes, %v", len(long), err)
	}
}

// TestCheckpoints: a checkpoint says what was signed, to who has the key, and no other.
func TestCheckpoints(t *testing.T) {
	key, err := audit.NewLogKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := audit.NewLogKey(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	c := audit.Checkpoint{Size: 12, Root: bytes.Repeat([]byte{1}, 32)}
	signed, err := key.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := key.Open(signed); err != nil || got.Size != c.Size || !bytes.Equal(got.Root, c.Root) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := other.Open(signed); err == nil || !strings.Contains(err.Error(), "this log is") {
		t.Errorf("another log's: %v", err)
	}
	for _, wrong := range [][]byte{nil, []byte("x\n"), bytes.Replace(signed, []byte("\n12\n"), []byte("\n13\n"), 1), signed[:len(signed)-20]} {
		if _, err := key.Open(wrong); err == nil {
			t.Errorf("%q is a checkpoint", wrong)
		}
	}
	if _, err := audit.NewLogKey([]byte("short")); err == nil {
		t.Error("a short seed makes a key")
	}
}
