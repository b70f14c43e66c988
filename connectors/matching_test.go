package connectors_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
)

func TestMatching(t *testing.T) {
	for _, c := range []struct {
		how  connectors.Matching
		a, b []string
		same bool
	}{
		{connectors.MatchExact, []string{"a", "b"}, []string{"b", "a", "a"}, true},
		{connectors.MatchExact, []string{"a"}, []string{"A"}, false},
		{connectors.MatchExact, nil, []string{}, true},
		{connectors.MatchExact, nil, []string{""}, false},
		{"unheard of", []string{"a"}, []string{"A"}, false},
		{connectors.MatchIgnoreCase, []string{" Åsa  Öberg"}, []string{"åsa öberg "}, true},
		{connectors.MatchIgnoreCase, []string{"ab"}, []string{"a b"}, false},
		{connectors.MatchDigits, []string{"+46 31-12 34"}, []string{"+46311234"}, true},
		{connectors.MatchDigits, []string{"031"}, []string{"31"}, false},
		{connectors.MatchBoolean, []string{"TRUE"}, []string{"true"}, true},
		{connectors.MatchTime, []string{"20261123120000Z"}, []string{"2026-11-23T13:00:00+01:00"}, true},
		{connectors.MatchTime, []string{"20261123120000.0Z"}, []string{"202611231200Z"}, true},
		{connectors.MatchTime, []string{"20261123120000+0100"}, []string{"20261123110000Z"}, true},
		{connectors.MatchTime, []string{"20261123120000Z"}, []string{"20261123120001Z"}, false},
		{connectors.MatchTime, []string{"2026-11-23"}, []string{"2026-11-23T00:00:00Z"}, true},
		{connectors.MatchTime, []string{"soon"}, []string{"later"}, false},
		{connectors.MatchDN, []string{"CN=Anna Berg, OU=People,dc=x"}, []string{"cn=anna  berg,ou=people,DC=X"}, true},
		{connectors.MatchDN, []string{`cn=Berg\, Anna,dc=x`}, []string{`cn=Berg\2c Anna,dc=x`}, true},
		{connectors.MatchDN, []string{`cn=\c3\a5sa,dc=x`}, []string{"cn=Åsa,dc=x"}, true},
		{connectors.MatchDN, []string{"cn=a+sn=b,dc=x"}, []string{"sn=b+cn=a,dc=x"}, true},
		{connectors.MatchDN, []string{"cn=a,cn=b"}, []string{"cn=b,cn=a"}, false},
		{connectors.MatchDN, []string{`cn=a\,dc\=x`}, []string{"cn=a,dc=x"}, false},
		{connectors.MatchDN, []string{`cn=a\`}, []string{`cn=a`}, false},
		{connectors.MatchDN, []string{"no name"}, []string{"no  name"}, false},
	} {
		if got := c.how.Same(c.a, c.b); got != c.same {
			t.Errorf("%s: %q and %q are the same: %t", c.how, c.a, c.b, got)
		}
	}
}

// TestCanonicalIsIdempotent checks, for any values, that the order of values does
// not matter and that the canonical form equals the values, DNs excepted.
func TestCanonicalIsIdempotent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		how := rapid.SampledFrom([]connectors.Matching{connectors.MatchExact, connectors.MatchIgnoreCase, connectors.MatchDigits, connectors.MatchBoolean, connectors.MatchTime, connectors.MatchDN}).Draw(t, "how")
		values := rapid.SliceOf(rapid.StringN(0, 12, -1)).Draw(t, "values")
		if !how.Same(values, rapid.Permutation(values).Draw(t, "permuted")) {
			t.Fatal("another order is another value")
		}
		if how != connectors.MatchDN && !how.Same(values, how.Canonical(values)) {
			t.Fatalf("%q is not the same as its canonical form %q", values, how.Canonical(values))
		}
	})
}

func FuzzMatchDN(f *testing.F) {
	f.Add(`cn=Berg\, Anna+sn=B,dc=x`)
	f.Fuzz(func(t *testing.T, dn string) {
		if !connectors.MatchDN.Same([]string{dn}, []string{dn}) {
			t.Errorf("%q is not itself", dn)
		}
	})
}
