package memory_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/memory"
)

func journaled(t testing.TB, name string) *memory.Connector {
	t.Helper()
	c, err := memory.NewJournaled(memory.Config{File: name, Groups: []string{"staff", "finance, \"big\""}, References: []string{"manager"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConformanceJournal(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		file := filepath.Join(t.TempDir(), "target.json")
		return fixtureOf(t, file, journaled(t, file))
	})
}

type everything struct {
	seen
	members []connectors.Membership
}

func (e *everything) Membership(m connectors.Membership) error {
	e.members = append(e.members, m)
	return nil
}

func all(t testing.TB, c *memory.Connector) *everything {
	t.Helper()
	e := &everything{seen: seen{map[string]connectors.Account{}}}
	if done, err := c.Snapshot(t.Context(), e); err != nil || !done.Complete {
		t.Fatalf("Snapshot: %v, %+v", err, done)
	}
	return e
}

// TestJournalIsTheFile: whatever is done, by whichever of two processes, killed or
// not in the middle of a line, a process that begins sees what was answered for,
// and folding the journal into the file changes nothing.
func TestJournalIsTheFile(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			r.Fatal(err)
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "target.json")
		processes := []*memory.Connector{journaled(t, file), journaled(t, file)}
		alone, err := memory.New(memory.Config{Groups: []string{"staff"}})
		if err != nil {
			r.Fatal(err)
		}
		ids := map[string]string{} // theirs, by the ID that alone has
		for range rapid.IntRange(1, 30).Draw(r, "batches") {
			p := processes[rapid.IntRange(0, 1).Draw(r, "process")]
			var here, there []connectors.Change
			for range rapid.IntRange(1, 4).Draw(r, "changes") {
				var change connectors.Change
				name := fmt.Sprintf("n%d", rapid.IntRange(0, 5).Draw(r, "name"))
				if id := rapid.SampledFrom(append([]string{""}, keys(ids)...)).Draw(r, "account"); id == "" {
					change = create(name)
				} else {
					change = connectors.Change{Account: connectors.AccountRef{ID: id, Name: name}, Entitlement: "staff", Attributes: map[string][]string{"title": {name}},
						Op: rapid.SampledFrom([]connectors.Op{connectors.DeleteAccount, connectors.AddMember, connectors.RemoveMember, connectors.RenameAccount, connectors.UpdateAccount, connectors.EnableAccount}).Draw(r, "op")}
				}
				here = append(here, change)
				change.Account.ID = ids[change.Account.ID]
				there = append(there, change)
			}
			want, got := alone.Apply(t.Context(), here), p.Apply(t.Context(), there)
			for i := range want {
				if want[i].Status != got[i].Status || got[i].Err != nil {
					r.Fatalf("%+v: %+v, want %+v", here[i], got[i], want[i])
				}
				if want[i].AccountID != "" {
					ids[want[i].AccountID] = got[i].AccountID
				}
			}
			if rapid.Bool().Draw(r, "killed") {
				j, err := os.OpenFile(file+".journal", os.O_APPEND|os.O_WRONLY, 0)
				if err == nil {
					if _, err := j.WriteString(`{"put":[{"id":"` + strings.Repeat("half", 100)); err != nil {
						r.Fatal(err)
					}
					_ = j.Close()
				}
			}
		}
		before := all(t, journaled(t, file))
		wanted := all(t, alone)
		if len(before.accounts) != len(wanted.accounts) || len(before.members) != len(wanted.members) {
			r.Fatalf("%d accounts with %d memberships, want %d with %d", len(before.accounts), len(before.members), len(wanted.accounts), len(wanted.members))
		}
		for id, a := range wanted.accounts {
			got := before.accounts[ids[id]]
			a.ID = got.ID
			if diff := cmp.Diff(a, got); diff != "" {
				r.Fatal(diff)
			}
		}
		if err := processes[0].Close(); err != nil {
			r.Fatal(err)
		}
		if _, err := os.Stat(file + ".journal"); err == nil {
			r.Fatal("a journal is left after Close")
		}
		if diff := cmp.Diff(before.members, all(t, journaled(t, file)).members); diff != "" {
			r.Fatal(diff)
		}
		if diff := cmp.Diff(before.accounts, all(t, processes[1]).accounts); diff != "" {
			r.Fatal(diff)
		}
	})
}

func keys(m map[string]string) []string {
	var all []string
	for k := range m {
		if k != "" {
			all = append(all, k)
		}
	}
	return all
}

// TestBrokenJournalIsAnError: what cannot be understood is named, and not passed over.
func TestBrokenJournalIsAnError(t *testing.T) {
	file := filepath.Join(t.TempDir(), "target.json")
	c := journaled(t, file)
	for _, name := range []string{"a", "b"} {
		c.Apply(t.Context(), []connectors.Change{create(name)})
	}
	if err := os.WriteFile(file+".journal", []byte("{\"put\": broken}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := memory.New(memory.Config{File: file}); err == nil || !strings.Contains(err.Error(), "target.json.journal") {
		t.Errorf("%v, want an error that names the journal", err)
	}
}

// BenchmarkApply shows that what a change costs does not grow with the accounts
// that are there.
func BenchmarkApply(b *testing.B) {
	for _, people := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("people=%d", people), func(b *testing.B) {
			for b.Loop() {
				c, err := memory.New(memory.Config{File: filepath.Join(b.TempDir(), "target.json"), Groups: []string{"staff"}})
				if err != nil {
					b.Fatal(err)
				}
				const size = 200
				for from := 0; from < people; from += size {
					var changes, members []connectors.Change
					for n := range size {
						changes = append(changes, create(fmt.Sprint(from+n)))
					}
					for _, r := range c.Apply(b.Context(), changes) {
						members = append(members, connectors.Change{Op: connectors.AddMember, Entitlement: "staff", Account: connectors.AccountRef{ID: r.AccountID}})
					}
					for _, r := range c.Apply(b.Context(), members) {
						if r.Status != connectors.Applied {
							b.Fatalf("%+v", r)
						}
					}
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(2*people*b.N)/b.Elapsed().Seconds(), "changes/s")
		})
	}
}
