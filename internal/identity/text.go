package identity

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// CleanText returns text in the canonical form in which behov compares and stores
// it: Unicode NFC, every run of white space (including no-break spaces and blank
// letters) as one space, none at the ends, and without invisible characters:
// format and control characters (Unicode categories Cf and Cc: zero-width spaces,
// soft hyphens, byte order marks), variation selectors, and the other
// default-ignorable ones (UAX #44, Default_Ignorable_Code_Point). Every reader of
// names, keys, units and literals calls it once, where the text is read, so that
// text which looks equal is equal. Invalid UTF-8 is left for the reader to
// refuse.
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
	return norm.NFC.String(b.String()) // removing a format character may allow composition
}

// IsInvisible reports whether CleanText drops r or replaces it by a space; the
// space itself is not invisible.
func IsInvisible(r rune) bool { return r != ' ' && (isBlank(r) || isIgnorable(r)) }

// HiddenInName returns the first character of a name that could make it look like
// another one: a control of the writing direction anywhere (Unicode property
// Bidi_Control), or a zero-width character between others. A zero-width character
// at the ends is an artefact of an export, which CleanText drops; so are joiners
// where the preceding script requires them.
func HiddenInName(name string) (hidden rune, found bool) {
	trimmed := strings.TrimFunc(name, func(r rune) bool { return isBlank(r) || isZeroWidth(r) })
	before := ' '
	for _, r := range trimmed {
		switch {
		case unicode.Is(unicode.Bidi_Control, r):
			return r, true
		case isJoiner(r) && unicode.In(before, joinerScripts...):
		case isZeroWidth(r):
			return r, true
		}
		before = r
	}
	return 0, false
}

func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

// isZeroWidth reports whether r takes no room at all, and is no combining mark.
func isZeroWidth(r rune) bool {
	switch r {
	case '\u180e', '\u200b', '\u200c', '\u200d', '\u2060', '\u2061', '\u2062', '\u2063', '\u2064', '\ufeff', '\u034f':
		return true
	}
	return false
}

// joinerScripts are the scripts whose words contain joiners or non-joiners.
var joinerScripts = []*unicode.RangeTable{unicode.Arabic, unicode.Syriac, unicode.Mongolian, unicode.Nko, unicode.Devanagari, unicode.Bengali, unicode.Gurmukhi, unicode.Gujarati,
	unicode.Oriya, unicode.Tamil, unicode.Telugu, unicode.Kannada, unicode.Malayalam, unicode.Sinhala, unicode.Khmer, unicode.Myanmar, unicode.Tibetan}

// isBlank reports whether r is white space, or a letter or symbol without a
// glyph: the fillers of Hangul, and the Braille blank.
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

// isClean reports whether text is printable ASCII with single spaces inside. Most
// text is, and needs no copy.
func isClean(text string) bool {
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == ' ' && (i == 0 || i == len(text)-1 || text[i-1] == ' ') {
			return false
		}
	}
	return true
}
