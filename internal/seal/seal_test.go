package seal_test

import (
	"bytes"
	"testing"

	"github.com/behov/behov/internal/seal"
)

func master(t *testing.T) *seal.Master {
	t.Helper()
	text, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	m, err := seal.ParseMaster(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestSealedOpensOnlyWhereItBelongs(t *testing.T) {
	m := master(t)
	key, wrapped, err := m.NewPersonKey("p1")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal("table.column", []byte("Åkerblom"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("kerblom")) {
		t.Fatal("it is not sealed")
	}
	again, err := m.OpenPersonKey("p1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := again.Open("table.column", sealed); err != nil || string(got) != "Åkerblom" {
		t.Errorf("opened as %q, %v", got, err)
	}
	if _, err := again.Open("another.column", sealed); err == nil {
		t.Error("it opens in another place")
	}
	if _, err := m.OpenPersonKey("p2", wrapped); err == nil {
		t.Error("the key opens for another person")
	}
	if _, err := master(t).OpenPersonKey("p1", wrapped); err == nil {
		t.Error("the key opens with another installation's master")
	}
	other, _, err := m.NewPersonKey("p1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open("table.column", sealed); err == nil {
		t.Error("it opens with another key of the same person: destroying the first would not erase")
	}
}

func TestHashIsKeyedAndForAPurpose(t *testing.T) {
	a, b := master(t), master(t)
	h := func(m *seal.Master, purpose, value string) string {
		t.Helper()
		b, err := m.Hash(purpose, value)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if first, second := h(a, "x", "1"), h(a, "x", "1"); first != second {
		t.Error("the same value has two hashes")
	}
	if h(a, "x", "1") == h(b, "x", "1") || h(a, "x", "1") == h(a, "y", "1") || h(a, "x", "1") == h(a, "x", "2") {
		t.Error("a hash does not depend on the key, the purpose and the value")
	}
}

func FuzzParseMaster(f *testing.F) {
	f.Add([]byte(`{"wrap":{},"hash":{}}`))
	f.Add([]byte(`{`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = seal.ParseMaster(text) // it must not panic
	})
}
