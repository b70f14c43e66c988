package identity

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// CleanText returns text in the one form in which behov compares and stores
// it: Unicode NFC, every run of white space (no-break spaces and letters that
// are blank included) as one space, none at the ends, and without characters
// that are invisible: format and control characters (Unicode categories Cf and
// Cc: zero-width spaces, soft hyphens, byte order marks), variation selectors,
// and the others that are ignored where they cannot be shown (UAX #44,
// Default_Ignorable_Code_Point). Every reader of names, keys, units and literals calls it
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
		case isBlank(r):
			space = b.Len() > 0
		case isIgnorable(r):
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

// IsInvisible reports whether CleanText drops r or takes it for a space; the
// space itself is not invisible.
func IsInvisible(r rune) bool { return r != ' ' && (isBlank(r) || isIgnorable(r)) }

// isBlank reports whether r is white space, or a letter or symbol with nothing
// in it: the fillers of Hangul, and Braille without a dot.
func isBlank(r rune) bool {
	switch r {
	case '\u115f', '\u1160', '\u3164', '\uffa0', '\u2800':
		return true
	}
	return unicode.IsSpace(r)
}

func isIgnorable(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point) || unicode.IsControl(r)
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
