package identity_test

import (
	"testing"

	"github.com/behov/behov/internal/identity"
)

// TestNamedIn checks that a login made of a name by any usual template is
// recognised; one made of a number or of the person's ID is not.
func TestNamedIn(t *testing.T) {
	for _, c := range []struct {
		given, family, name string
		want                bool
	}{
		{"Lena", "Bergström", "lenber", true}, {"Lena", "Bergström", "lenber2", true}, {"Lena", "Bergström", "lena.bergstrom@example.org", true},
		{"Lena", "Bergström", "leber01", true}, {"Lena", "Bergström", "lbergs", true}, {"Lena", "Bergström", "BERGSTROM7", true}, {"Anna-Karin", "Ek", "karin4", true},
		{"Åsa", "Ek", "asaek", true}, {"Åsa", "Ek", "asa12", true}, {"Bo", "Ek", "boek", true},
		{"Lena", "Bergström", "u1a2b3c4", false}, {"Lena", "Bergström", "1008", false}, {"Bo", "Ek", "u9ekb7", false}, {"", "", "u1", false}, {"李", "王", "", false},
	} {
		if got := (identity.PersonFacts{GivenName: c.given, FamilyName: c.family}).NamedIn(c.name); got != c.want {
			t.Errorf("%s %s in %q: %t", c.given, c.family, c.name, got)
		}
	}
}
