package store_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// What a connector remembers comes back, for its target only, and is sealed.
func TestMemory(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		clock := func() time.Time { return now }
		m, other := db.ConnectorState("entra", clock), db.ConnectorState("ad", clock)
		if got, err := m.Load(t.Context()); err != nil || got != nil {
			t.Errorf("at first %q, %v", got, err)
		}
		for _, state := range []string{"anna@kommun.test", "", "berit@kommun.test"} {
			if err := m.Save(t.Context(), []byte(state)); err != nil {
				t.Fatal(err)
			}
			if got, err := m.Load(t.Context()); err != nil || string(got) != state {
				t.Errorf("saved %q, loaded %q, %v", state, got, err)
			}
		}
		if got, err := other.Load(t.Context()); err != nil || got != nil {
			t.Errorf("another target's is %q, %v", got, err)
		}
	})
}

func TestMemoryIsSealed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "behov.db")
	db, err := store.Open(t.Context(), "sqlite:"+file, newMaster(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.ConnectorState("entra", time.Now).Save(t.Context(), []byte("anna@kommun.test")); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, file + "-wal"} {
		if b, err := os.ReadFile(name); err == nil && bytes.Contains(b, []byte("anna@")) {
			t.Errorf("%s holds it in the clear", name)
		}
	}
}

// TestAnotherKeyFileIsRefused, before anything is sealed with it that no one
// could open who has the right one.
func TestAnotherKeyFileIsRefused(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		right := newMaster(t)
		if err := openWith(t, url, right).Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := store.Open(t.Context(), url, newMaster(t)); err == nil || !strings.Contains(err.Error(), "another key file") {
			t.Errorf("with another key: %v", err)
		}
		openWith(t, url, right)
	})
}

// A name is one person's for good in a target, however it is capitalised.
func TestAccountNames(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		take := func(target, name string, person identity.PersonID) error {
			return db.Write(context.Background(), func(tx *store.Tx) error { return tx.ReserveName(t.Context(), target, name, person) })
		}
		for range 2 {
			if err := take("ad", "Åsa", "p1"); err != nil {
				t.Fatal(err)
			}
		}
		if err := take("ad", "åSA", "p2"); err == nil || !strings.Contains(err.Error(), "is or was person p1's") {
			t.Errorf("another takes it: %v", err)
		}
		if err := take("scim", "åsa", "p2"); err != nil {
			t.Errorf("in another target: %v", err)
		}
		write(t, db, func(tx *store.Tx) error { return tx.RegisterNameIfFree(t.Context(), "ad", "ÅSA", "p3") })
		names, err := db.LoadNameRegister(t.Context(), "ad")
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]identity.PersonID{"åsa": "p1", "nobody": ""} {
			if got, err := names.Owner(t.Context(), name); err != nil || got != want {
				t.Errorf("%s is %q's, want %q, %v", name, got, want, err)
			}
		}
	})
}
