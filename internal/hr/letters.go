package hr

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// manyGarbled is for how many people letters must be garbled for an import to be
// held: it is then an encoding error, and no typing error.
const manyGarbled = 2

// misreadEncodings are the encodings in which text of another encoding is
// misread.
var misreadEncodings = []*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1, charmap.CodePage850, charmap.Macintosh}

// garbled reports whether now is before misread in another encoding, or with
// letters lost.
func garbled(before, now string) bool {
	before = identity.CleanText(before)
	if before == now || now == "" || !strings.ContainsFunc(before, beyondASCII) {
		return false
	}
	if now == lettersLost(before, "?") || now == lettersLost(before, "??") {
		return true
	}
	if countNordicLetters(now) > countNordicLetters(before) || countNordicLetters(now) == countNordicLetters(before) && symbols(now) <= symbols(before) {
		return false // a garbled text was corrected
	}
	written := []string{before} // as UTF-8
	for _, e := range misreadEncodings {
		if text, err := e.NewEncoder().String(before); err == nil {
			written = append(written, text)
		}
	}
	for _, w := range written {
		for _, e := range misreadEncodings {
			if text, err := e.NewDecoder().String(w); err == nil && identity.CleanText(text) == now {
				return true
			}
		}
	}
	return false
}

// twiceEncoded reports whether a text looks like UTF-8 that was read in another
// encoding: åsa as Ã¥sa.
func twiceEncoded(text string) bool {
	if !hasAdjacentNonASCII(text) {
		return false
	}
	return slices.ContainsFunc(misreadEncodings, func(e *charmap.Charmap) bool {
		bytes, err := e.NewEncoder().String(text)
		return err == nil && utf8.ValidString(bytes) && strings.Contains(bytes, "\xc3") // the first byte of å, ä, ö and é
	})
}

func beyondASCII(r rune) bool { return r >= utf8.RuneSelf }

// hasAdjacentNonASCII reports whether a text has two consecutive non-ASCII
// characters.
func hasAdjacentNonASCII(text string) bool {
	before := false
	for _, r := range text {
		if beyondASCII(r) && before {
			return true
		}
		before = beyondASCII(r)
	}
	return false
}

// countNordicLetters returns the number of non-ASCII letters that are common in
// Nordic names.
func countNordicLetters(text string) int {
	return countRunes(text, func(r rune) bool { return strings.ContainsRune("åäöÅÄÖéÉæøÆØ", r) })
}

// symbols returns the number of non-ASCII characters that are no letters.
func symbols(text string) int {
	return countRunes(text, func(r rune) bool { return beyondASCII(r) && !unicode.IsLetter(r) })
}

func countRunes(text string, is func(rune) bool) (n int) {
	for _, r := range text {
		if is(r) {
			n++
		}
	}
	return n
}

func lettersLost(text, sign string) string {
	var b strings.Builder
	for _, r := range text {
		if beyondASCII(r) {
			b.WriteString(sign)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// checkLetters finds people whose names or titles come garbled. With many of them
// the import is held; otherwise the row is bad and the person is not changed.
func (r *run) checkLetters() {
	if r.released {
		return
	}
	for _, s := range r.subjects {
		if i := slices.IndexFunc(s.Rows, func(row Row) bool {
			return !r.Export.BadPeople[row.PersonKey] && s.garbled(r.Source.Name, row, r.today)
		}); i >= 0 {
			r.garbled = append(r.garbled, s.Rows[i])
		}
	}
	if len(r.garbled) == 0 || len(r.garbled) >= manyGarbled {
		return
	}
	row := r.garbled[0]
	r.problem(row, reason.Of(reason.LettersGarbled{}))
	r.Export.BadPeople[row.PersonKey], r.Export.BadEmployments[row.EmploymentKey] = true, true
}

// garbled reports whether a row has the known facts of the person with garbled
// letters, or new facts with characters that are no letters.
func (s *PersonRows) garbled(source string, row Row, today identity.Date) bool {
	var facts identity.PersonFacts
	if i := slices.IndexFunc(s.Person.Keys, func(k identity.Record) bool { return k.Source == source && k.Key == row.PersonKey }); i >= 0 && s.Person.Keys[i].Facts != nil {
		facts = *s.Person.Keys[i].Facts
	}
	var terms identity.Terms
	if i := slices.IndexFunc(s.Person.Employments, func(e identity.Employment) bool {
		return e.Key == identity.SourceKey{Source: source, Key: row.EmploymentKey}
	}); i >= 0 {
		terms = s.Person.Employments[i].On(today)
	}
	pairs := [][2]string{{facts.GivenName, row.Person.GivenName}, {facts.FamilyName, row.Person.FamilyName}, {facts.Email, row.Person.Email},
		{terms.JobTitle, row.Terms.JobTitle}, {terms.Type, row.Terms.Type}, {terms.JobCode, row.Terms.JobCode}, {terms.Unit, row.Terms.Unit}}
	for name, v := range row.Terms.Attributes {
		pairs = append(pairs, [2]string{terms.Attributes[name], v})
	}
	return slices.ContainsFunc(pairs, func(p [2]string) bool { return p[0] != p[1] && (garbled(p[0], p[1]) || twiceEncoded(p[1])) })
}
