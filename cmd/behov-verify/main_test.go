package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// published is a log of 700 records, and what is published of it.
type published struct {
	db       *store.DB
	key, dir string
	before   string // a checkpoint of 300 records
}

func publish(t *testing.T) published {
	t.Helper()
	text, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster(text)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "behov.db"), master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	key, err := db.LogKey()
	if err != nil {
		t.Fatal(err)
	}
	p := published{db: db, key: key.Public, dir: t.TempDir(), before: filepath.Join(t.TempDir(), "before")}
	for _, n := range []int{300, 400} {
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			for i := range n {
				tx.Audit(audit.Record{At: time.Date(2026, 12, 1, 9, 0, i, 0, time.UTC), Actor: "person:x", Action: audit.RulesInUse, Target: "åäö"})
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		signed, err := audit.Publish(t.Context(), db, p.dir)
		if err == nil && n == 300 {
			err = os.WriteFile(p.before, signed, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func verify(args ...string) (code int, said string) {
	var out, problems bytes.Buffer
	code = run(args, &out, &problems)
	return code, out.String() + problems.String()
}

func (p published) proof(t *testing.T, record int64) (proofFile, entryFile string) {
	t.Helper()
	proof, entry, err := audit.Prove(t.Context(), p.db, record)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	proofFile, entryFile = filepath.Join(dir, "p.tlog-proof"), filepath.Join(dir, "entry.json")
	for file, content := range map[string][]byte{proofFile: proof, entryFile: entry} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return proofFile, entryFile
}

// change changes one byte of a file, or its length.
func change(t *testing.T, file string, how func([]byte) []byte) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = os.WriteFile(file, how(b), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
}

// TestAPublishedLog: what is published verifies, and with any file of it changed, cut or gone it
// does not.
func TestAPublishedLog(t *testing.T) {
	p := publish(t)
	if code, said := verify("-key", p.key, "-old", p.before, p.dir); code != 0 || !strings.Contains(said, "700 records") || !strings.Contains(said, "older checkpoint of 300") {
		t.Errorf("%d: %s", code, said)
	}
	for _, name := range []string{"tile/0/000", "tile/0/002.p/188", "tile/1/000.p/2", "tile/entries/000", "tile/entries/001", "tile/entries/002.p/188", "checkpoint"} {
		for how, f := range map[string]func([]byte) []byte{
			"first byte": flip(0), "a byte near the end": flip(-10), "a byte": flip(100), "cut": func(b []byte) []byte { return b[:len(b)-1] }, "more": func(b []byte) []byte { return append(b, 'x') },
		} {
			file := filepath.Join(p.dir, filepath.FromSlash(name))
			whole, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			change(t, file, f)
			if code, said := verify("-key", p.key, p.dir); code != 1 {
				t.Errorf("%s, %s: %d: %s", name, how, code, said)
			}
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if code, said := verify("-key", p.key, p.dir); code == 0 {
				t.Errorf("%s is gone: %d: %s", name, code, said)
			}
			if err := os.WriteFile(file, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	other := publish(t)
	for name, args := range map[string][]string{
		"another key": {"-key", other.key, p.dir}, "another log's checkpoint": {"-key", p.key, "-old", other.before, p.dir}, "a newer checkpoint": {"-key", p.key, "-old", p.newer(t), p.dir},
	} {
		if code, said := verify(args...); code != 1 {
			t.Errorf("%s: %d: %s", name, code, said)
		}
	}
	for _, args := range [][]string{{}, {"-key", p.key}, {"-key", "x", p.dir}, {"-key", p.key, filepath.Join(p.dir, "nowhere")}, {"-key", p.key, "-proof", "x", p.dir}} {
		if code, said := verify(args...); code != 2 || said == "" {
			t.Errorf("%q: %d: %s", args, code, said)
		}
	}
}

// newer is a checkpoint of more records than are published.
func (p published) newer(t *testing.T) string {
	t.Helper()
	key, err := p.db.LogKey()
	if err != nil {
		t.Fatal(err)
	}
	signed, err := key.Sign(audit.Checkpoint{Size: 900, Root: bytes.Repeat([]byte{1}, 32)})
	file := filepath.Join(t.TempDir(), "newer")
	if err == nil {
		err = os.WriteFile(file, signed, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestAProof: a proof is of its record alone.
func TestAProof(t *testing.T) {
	p := publish(t)
	for _, record := range []int64{1, 256, 257, 700} {
		proofFile, entryFile := p.proof(t, record)
		if code, said := verify("-key", p.key, "-proof", proofFile, "-entry", entryFile); code != 0 || !strings.Contains(said, fmt.Sprintf("Record %d is in the log", record)) {
			t.Errorf("%d: %s", code, said)
		}
		change(t, entryFile, flip(20))
		if code, said := verify("-key", p.key, "-proof", proofFile, "-entry", entryFile); code != 1 {
			t.Errorf("another record: %d: %s", code, said)
		}
	}
	proofFile, entryFile := p.proof(t, 7)
	whole, err := os.ReadFile(proofFile)
	if err != nil {
		t.Fatal(err)
	}
	for at := range whole {
		change(t, proofFile, flip(at))
		if code, said := verify("-key", p.key, "-proof", proofFile, "-entry", entryFile); code == 0 && !sameProof(t, whole, proofFile) {
			t.Errorf("with byte %d changed: %s", at, said)
		}
		if err := os.WriteFile(proofFile, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// sameProof reports whether a changed proof says the same: Base64 has bits that mean nothing.
func sameProof(t *testing.T, whole []byte, file string) bool {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := 0
	for i := range b {
		if b[i] != whole[i] {
			changed = i
		}
	}
	return changed+1 < len(whole) && whole[changed+1] == '='
}

// TestOthersVerifyIt: verifiers that others wrote accept the tiles, the checkpoints and the
// proofs, and refuse forged ones.
func TestOthersVerifyIt(t *testing.T) {
	p := publish(t)
	t.Run("torchwood", func(t *testing.T) {
		read := func() (n int, err error) {
			server := httptest.NewServer(http.FileServer(http.Dir(p.dir)))
			defer server.Close()
			fetcher, err := torchwood.NewTileFetcher(server.URL, torchwood.WithTilePath(torchwood.TilePath))
			if err != nil {
				return 0, err
			}
			client, err := torchwood.NewClient(fetcher, torchwood.WithTimeout(10*time.Second))
			if err != nil {
				return 0, err
			}
			head, err := p.db.LogHead(t.Context())
			if err != nil {
				return 0, err
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			tree := tlog.Tree{N: head.Size, Hash: tlog.Hash(head.Root)}
			for range client.Entries(ctx, tree, 0) { // of full tiles, by its design
				n++
			}
			if err := client.Err(); err != nil {
				return n, err
			}
			_, _, err = client.Entry(ctx, tree, head.Size-1)
			return n, err
		}
		if n, err := read(); err != nil || n != 512 {
			t.Errorf("%d entries, %v", n, err)
		}
		change(t, filepath.Join(p.dir, "tile", "entries", "001"), flip(100))
		if n, err := read(); err == nil {
			t.Errorf("a forged entry is accepted: %d entries", n)
		}
	})
	t.Run("proofbundle", func(t *testing.T) {
		proofFile, entryFile := p.proof(t, 300)
		if said, accepted := testenv.VerifyProof(t, p.key, proofFile, entryFile); !accepted {
			t.Errorf("refused: %s", said)
		}
		change(t, entryFile, flip(20))
		if said, accepted := testenv.VerifyProof(t, p.key, proofFile, entryFile); accepted {
			t.Errorf("another record is accepted: %s", said)
		}
		change(t, entryFile, flip(20))
		change(t, proofFile, func(b []byte) []byte { return bytes.Replace(b, []byte("index 299"), []byte("index 298"), 1) })
		if said, accepted := testenv.VerifyProof(t, p.key, proofFile, entryFile); accepted {
			t.Errorf("another place is accepted: %s", said)
		}
	})
}

// TestItStandsAlone: who does not trust behov builds the verifier without it.
func TestItStandsAlone(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(out)) {
		if strings.HasPrefix(name, "github.com/behov/behov/") && name != "github.com/behov/behov/cmd/behov-verify" {
			t.Errorf("it uses %s", name)
		}
	}
}
