package identity

import (
	"strings"
	"unicode"
)

// namePart is how many letters of a name, in a row, tell it.
const namePart = 4

// NamedIn reports whether a login or an account name carries parts of the person's
// name, as an identity that is protected must not: four letters or more of a given or
// family name, or the beginning of one and the beginning of the other, however the
// letters are written. A name that is shorter than three letters tells only with the
// other.
func (f PersonFacts) NamedIn(name string) bool {
	name = letters(name)
	given, family := nameParts(f.GivenName), nameParts(f.FamilyName)
	for _, part := range append(append([]string{}, given...), family...) {
		if len(part) >= namePart && strings.Contains(name, part[:namePart]) || len(part) == namePart-1 && strings.Contains(name, part) {
			return true
		}
	}
	for _, g := range given {
		for _, s := range family {
			for _, of := range [][2]string{{g, s}, {s, g}} {
				for _, n := range [][2]int{{3, 3}, {2, 2}, {1, 3}, {3, 1}} {
					a, b := of[0][:min(n[0], len(of[0]))], of[1][:min(n[1], len(of[1]))]
					if len(a)+len(b) >= namePart && strings.Contains(name, a+b) {
						return true
					}
				}
			}
		}
	}
	return false
}

// nameParts are the words of a name in plain small letters.
func nameParts(name string) (parts []string) {
	for _, part := range strings.FieldsFunc(name, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) }) {
		if part = letters(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

// letters are the letters of a text, plain and small.
func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 'a' || r > 'z' {
			return -1
		}
		return r
	}, strings.ToLower(ASCII(text)))
}
