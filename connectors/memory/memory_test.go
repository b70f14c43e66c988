package memory_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/memory"
)

func TestConformance(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		conformance.Run(t, func(t *testing.T) conformance.Fixture { return fixture(t, "") })
	})
	t.Run("file", func(t *testing.T) {
		conformance.Run(t, func(t *testing.T) conformance.Fixture {
			return fixture(t, filepath.Join(t.TempDir(), "target.json"))
		})
	})
}

func open(t *testing.T, file string) *memory.Connector {
	t.Helper()
	c, err := memory.New(memory.Config{File: file, Groups: []string{"staff", "finance, \"big\""}, References: []string{"manager"}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func fixture(t *testing.T, file string) conformance.Fixture {
	return fixtureOf(t, file, open(t, file))
}

func fixtureOf(t *testing.T, file string, c *memory.Connector) conformance.Fixture {
	f := conformance.Fixture{
		Connector:    c,
		Entitlements: []string{"staff", "finance, \"big\""},
		Attributes: func(name string) map[string][]string {
			return map[string][]string{"name": {"Name of " + name}}
		},
		Text:      "title",
		Multi:     "phones",
		Reference: "manager",
		Large:     10_000,
		Foreign: func(t *testing.T, name string) string {
			id, err := c.Put(connectors.Account{Name: name, Enabled: true}, false)
			if err != nil {
				t.Fatal(err)
			}
			return id
		},
		SetMFA: func(t *testing.T, id string, enrolled bool) {
			a := snapshot(t, c).accounts[id]
			if _, err := c.Put(a, enrolled); err != nil {
				t.Fatal(err)
			}
		},
	}
	if file != "" {
		f.Faults = []conformance.Fault{{Name: "a file cut in half", Open: func(t *testing.T) connectors.Connector {
			half := filepath.Join(t.TempDir(), "half.json")
			broken := open(t, half)
			if err := os.WriteFile(half, []byte(`{"accounts": [{"id": "1", "na`), 0o600); err != nil {
				t.Fatal(err)
			}
			return broken
		}}}
		f.Reopen = func(t *testing.T) connectors.Connector { return open(t, file) }
		f.Remove = func(t *testing.T, id string) {
			open(t, file).Apply(t.Context(), []connectors.Change{{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: id}}})
		}
	}
	return f
}

type seen struct{ accounts map[string]connectors.Account }

func (s *seen) Account(a connectors.Account) error       { s.accounts[a.ID] = a; return nil }
func (s *seen) Entitlement(connectors.Entitlement) error { return nil }
func (s *seen) Membership(connectors.Membership) error   { return nil }
func snapshot(t *testing.T, c connectors.Connector) *seen {
	t.Helper()
	s := &seen{map[string]connectors.Account{}}
	if done, err := c.Snapshot(t.Context(), s); err != nil || !done.Complete {
		t.Fatalf("Snapshot: %v, %+v", err, done)
	}
	return s
}

func create(name string) connectors.Change {
	return connectors.Change{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: name, Anchor: name}}
}

func TestFileIsPrivate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "target.json")
	open(t, file).Apply(t.Context(), []connectors.Change{create("anna")})
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v %v", left, err)
	}
}

// Each connector here stands for a process: they share nothing but the file.
func TestManyProcessesLoseNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "target.json")
	var wg sync.WaitGroup
	for _, name := range []string{"a", "b", "c", "d"} {
		c := open(t, file)
		wg.Go(func() {
			for i := range 25 {
				for _, res := range c.Apply(t.Context(), []connectors.Change{create(name + string(rune('a'+i)))}) {
					if res.Err != nil || res.Status != connectors.Applied {
						t.Errorf("%+v", res)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := len(snapshot(t, open(t, file)).accounts); n != 100 {
		t.Errorf("%d accounts, want 100", n)
	}
}

func TestBrokenFileIsAnErrorNotEmpty(t *testing.T) {
	file := filepath.Join(t.TempDir(), "target.json")
	c := open(t, file)
	for name, content := range map[string]string{
		"half":     `{"accounts": [{"id": "1"`,
		"empty":    "",
		"twice":    `{"accounts": [{"id": "1"}, {"id": "1"}]}`,
		"nameless": `{"accounts": [{"name": "anna"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if done, err := c.Snapshot(t.Context(), &seen{map[string]connectors.Account{}}); err == nil || done.Complete {
				t.Errorf("Snapshot: %v, %+v; want an error", err, done)
			}
			if res := c.Apply(t.Context(), []connectors.Change{create("anna")}); connectors.ClassOf(res[0].Err) != connectors.TargetDown {
				t.Errorf("Apply: %+v, want target down", res)
			}
			if _, err := memory.New(memory.Config{File: file}); err == nil {
				t.Error("New: no error")
			}
			if b, _ := os.ReadFile(file); string(b) != content {
				t.Errorf("the file was overwritten: %q", b)
			}
		})
	}
}

func TestUnwritableDirectoryAppliesNothing(t *testing.T) {
	c := open(t, filepath.Join(t.TempDir(), "missing", "target.json"))
	res := c.Apply(t.Context(), []connectors.Change{create("anna"), create("berit")})
	for _, r := range res {
		if connectors.ClassOf(r.Err) != connectors.TargetDown {
			t.Errorf("%+v, want target down", r)
		}
	}
	if n := len(snapshot(t, c).accounts); n != 0 {
		t.Errorf("%d accounts, want none", n)
	}
}

// FuzzFile: a file is a target as it stands, or an error and no empty target.
func FuzzFile(f *testing.F) {
	f.Add([]byte(`{"accounts": [{"id": "1", "name": "anna", "enabled": true, "attributes": {"mail": ["a@x", ""]}}], "groups": {"staff": ["1", "2"], "": null}}`))
	f.Add([]byte(`{"accounts": [{"id": "1"}, {"id": "1"}]}`))
	f.Add([]byte(`[[[[[[`))
	f.Add([]byte("\x00"))
	f.Fuzz(func(t *testing.T, content []byte) {
		file := filepath.Join(t.TempDir(), "target.json")
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := memory.New(memory.Config{File: file})
		if err != nil {
			return
		}
		s := &seen{map[string]connectors.Account{}}
		if done, err := c.Snapshot(t.Context(), s); err != nil || !done.Complete {
			t.Fatalf("it was taken, and cannot be read: %v, %+v", err, done)
		}
		for id := range s.accounts {
			if res := c.Apply(t.Context(), []connectors.Change{{Op: connectors.DisableAccount, Account: connectors.AccountRef{ID: id}}}); res[0].Err != nil {
				t.Errorf("%q cannot be disabled: %+v", id, res[0])
			}
		}
	})
}
