package identity

import (
	"strings"
	"unicode"
)

// minNamePart is how many consecutive letters of a name identify it.
const minNamePart = 4

// NamedIn reports whether a login or an account name contains parts of the
// person's name, which a protected identity must not: four letters or more of a
// given or family name, or the beginning of both, whatever the case and
// diacritics. A name of fewer than three letters counts only together with the
// other.
func (f PersonFacts) NamedIn(name string) bool {
	name = foldLetters(name)
	given, family := nameParts(f.GivenName), nameParts(f.FamilyName)
	for _, part := range append(append([]string{}, given...), family...) {
		if len(part) >= minNamePart && strings.Contains(name, part[:minNamePart]) || len(part) == minNamePart-1 && strings.Contains(name, part) {
			return true
		}
	}
	for _, g := range given {
		for _, s := range family {
			for _, of := range [][2]string{{g, s}, {s, g}} {
				for _, n := range [][2]int{{3, 3}, {2, 2}, {1, 3}, {3, 1}} {
					a, b := of[0][:min(n[0], len(of[0]))], of[1][:min(n[1], len(of[1]))]
					if len(a)+len(b) >= minNamePart && strings.Contains(name, a+b) {
						return true
					}
				}
			}
		}
	}
	return false
}

// nameParts returns the words of a name in lower-case ASCII letters.
func nameParts(name string) (parts []string) {
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		if part = foldLetters(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// foldLetters returns the letters of a text in lower-case ASCII.
func foldLetters(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, strings.ToLower(ASCII(text)))
}
