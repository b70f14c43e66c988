package identity_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
)

// TestTemplateErrorsAreInWords checks that errors contain no text of the template
// library.
func TestTemplateErrorsAreInWords(t *testing.T) {
	for text, want := range map[string]string{
		"{{.A | first}}":    "first takes 2 arguments, the value included, and has 1",
		"{{.ANST NR}}":      `unknown function "NR": use one of ascii, lower, upper, first N, last N, pad N, before S, after S; a column name with a space or punctuation is written {{col "NAME"}}`,
		"{{.A-NR}}":         `is written {{col "NAME"}}`,
		"{{.A | first -1}}": "-1 is no number of characters: use 0",
		"{{.A | pad 99}}":   "99 is no number of characters: use 0 to 64",
		`{{first "x" .A}}`:  `expected integer; found "x"`,
	} {
		_, err := identity.ParseRecordTemplate(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "executing") || strings.Contains(err.Error(), ":1:") || strings.Contains(err.Error(), "error calling") {
			t.Errorf("%s: %v", text, err)
		}
	}
	p, err := identity.ParseRecordTemplate("{{.A | pad 5}}")
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]string{"7": "00007", "12345": "12345", "123456": "123456", "": "", "Å1": "000Å1"} {
		if got, err := p.Execute(func(string) string { return value }); err != nil || got != want {
			t.Errorf("pad of %q is %q, %v", value, got, err)
		}
	}
}
