package identity

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// CleanText returns text in the one form in which behov compares and stores
// it: Unicode NFC, every run of white space (no-break spaces included) as one
// space, none at the ends, and without format and control characters, which
// are invisible (Unicode categories Cf and Cc: zero-width spaces, soft hyphens,
// byte order marks). Every reader of names, keys, units and literals calls it
// once, where the text is read, so that text which looks equal is equal.
// Invalid UTF-8 is left for the reader to refuse.
func CleanText(text string) string {
	if isClean(text) {
		return text
	}
	var b strings.Builder
	b.Grow(len(text))
	space := false
	for _, r := range norm.NFC.String(text) {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
		case unicode.Is(unicode.Cf, r), unicode.IsControl(r):
		default:
			if space {
				b.WriteByte(' ')
				space = false
			}
			b.WriteRune(r)
		}
	}
	return norm.NFC.String(b.String()) // what a format character kept apart may compose
}

// isClean reports whether text is printable ASCII with single spaces inside:
// most text is, and needs no copy.
func isClean(text string) bool {
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == ' ' && (i == 0 || i == len(text)-1 || text[i-1] == ' ') {
			return false
		}
	}
	return true
}
