package identity_test

import (
	"testing"
	"unicode/utf8"

	"github.com/behov/behov/internal/identity"
)

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"Ekonom":                    "Ekonom",
		"Sko\u0308terska":           "Sk\u00f6terska",
		"Enhet  A":                  "Enhet A",
		"Enhet\u00a0A":              "Enhet A",
		"\ufeffEko\u200bnom\u00ad ": "Ekonom",
		"o\u200d\u0308":             "\u00f6",
		"\t\n":                      "",
		"a\r\nb":                    "a b",
		"\u3000\u2009x\u202f":       "x",
	} {
		if got := identity.CleanText(in); got != want {
			t.Errorf("CleanText(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	f.Add("Sko\u0308terska  \u200b")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		once := identity.CleanText(text)
		if twice := identity.CleanText(once); twice != once {
			t.Errorf("CleanText(%q) = %q, and of that %q", text, once, twice)
		}
	})
}
