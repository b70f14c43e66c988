package identity_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/behov/behov/internal/identity"
)

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"Ekonom":                               "Ekonom",
		"Sko\u0308terska":                      "Sk\u00f6terska",
		"Enhet  A":                             "Enhet A",
		"Enhet\u00a0A":                         "Enhet A",
		"\ufeffEko\u200bnom\u00ad ":            "Ekonom",
		"o\u200d\u0308":                        "\u00f6",
		"Eko\u034fnom\ufe0f":                   "Ekonom",
		"E\ufe00k\U000e0100o\U000e01efnom":     "Ekonom",
		"\u180bEko\u180c\u180d\u180e\u180fnom": "Ekonom",
		"\u3164Enhet\u115f\u1160A\u2800":       "Enhet A",
		"Enhet\uffa0 \u2800\u00a0A":            "Enhet A",
		"o\u034f\u0308":                        "\u00f6",
		"\u2065\U000e0fff\u3164":               "",
		"\t\n":                                 "",
		"a\r\nb":                               "a b",
		"\u3000\u2009x\u202f":                  "x",
	} {
		if got := identity.CleanText(in); got != want {
			t.Errorf("CleanText(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzCleanText(f *testing.F) {
	f.Add("Sko\u0308terska  \u200b")
	f.Add("o\u034f\u0308\ufe0f\u3164\u0323\u2800")
	f.Add("\u1100\u1160\u115f\u1161\u11a8")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		once := identity.CleanText(text)
		if twice := identity.CleanText(once); twice != once {
			t.Errorf("CleanText(%q) = %q, and of that %q", text, once, twice)
		}
		if strings.ContainsAny(once, "\u034f\u115f\u1160\u3164\uffa0\u2800\ufe00\ufe0f\u180b\u180f\U000e0100\U000e01ef") {
			t.Errorf("CleanText(%q) = %q: it has a character that is invisible", text, once)
		}
	})
}

func TestHiddenInName(t *testing.T) {
	for name, want := range map[string]rune{
		"": 0, "Åsa Ek": 0, "\ufeffÅsa": 0, "Åsa\u200b": 0, " \u200bÅsa ": 0, "Å\u00adsa": 0, "A\u030asa": 0, "علی\u200cرضا": 0, "क्\u200dष": 0,
		"Å\u200bsa": 0x200b, "Å\ufeffsa": 0xfeff, "Å\u200csa": 0x200c, "Å\u200dsa": 0x200d, "Å\u2060sa": 0x2060, "asÅ\u202e": 0x202e, "\u200eÅsa": 0x200e, "\u2068Åsa\u2069": 0x2068, "\u061cعلی": 0x61c,
	} {
		if got, found := identity.HiddenInName(name); got != want || found != (want != 0) {
			t.Errorf("%q: %U, %v", name, got, found)
		}
	}
}
