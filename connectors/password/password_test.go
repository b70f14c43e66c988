package password

import (
	"testing"
)

func TestPasswords(t *testing.T) {
	seen := map[string]bool{}
	for range 300 {
		p, err := New(12, "Eva Ek", "abc-DEF", "x")
		if err != nil || len(p) != 12 || !hasEveryKind(p) || seen[p] || containsAny(p, []string{"eva", "abc", "def"}) {
			t.Fatalf("password %q, %v", p, err)
		}
		seen[p] = true
	}
	if !containsAny("xxEvAyy", []string{"Eva Ek"}) || containsAny("Ekxx", []string{"Eva Ek"}) {
		t.Error("words of three letters count, shorter ones do not")
	}
	if _, err := New(3); err == nil {
		t.Error("three characters of four kinds")
	}
}
