package hr

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"github.com/behov/behov/internal/identity"
)

// manyGarbled is for how many people letters must be garbled at once for an
// import to be held: it is the encoding then, and no slip of the keyboard.
const manyGarbled = 2

// readAs are the encodings as which a text is read that is written in another.
var readAs = []*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1, charmap.CodePage850, charmap.Macintosh}

// garbled says whether a text is what another one becomes when it is written in
// one encoding and read in another, or when its letters are lost on the way.
func garbled(before, now string) bool {
	before = identity.CleanText(before)
	if before == now || now == "" || !strings.ContainsFunc(before, beyondASCII) {
		return false
	}
	if now == lettersLost(before, "?") || now == lettersLost(before, "??") {
		return true
	}
	if countNordicLetters(now) > countNordicLetters(before) || countNordicLetters(now) == countNordicLetters(before) && symbols(now) <= symbols(before) {
		return false // what was garbled comes right
	}
	written := []string{before} // as UTF-8
	for _, e := range readAs {
		if text, err := e.NewEncoder().String(before); err == nil {
			written = append(written, text)
		}
	}
	for _, w := range written {
		for _, e := range readAs {
			if text, err := e.NewDecoder().String(w); err == nil && identity.CleanText(text) == now {
				return true
			}
		}
	}
	return false
}

// twiceEncoded says whether a text looks like UTF-8 that was read as something
// else: åsa as Ã¥sa.
func twiceEncoded(text string) bool {
	if !hasAdjacentNonASCII(text) {
		return false
	}
	return slices.ContainsFunc(readAs, func(e *charmap.Charmap) bool {
		bytes, err := e.NewEncoder().String(text)
		return err == nil && utf8.ValidString(bytes) && strings.Contains(bytes, "\xc3") // with which å, ä, ö and é begin
	})
}

func beyondASCII(r rune) bool { return r >= utf8.RuneSelf }

// hasAdjacentNonASCII says whether two characters beyond ASCII follow each other.
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

// countNordicLetters counts the letters beyond ASCII that names in the North have.
func countNordicLetters(text string) int {
	return countRunes(text, func(r rune) bool { return strings.ContainsRune("åäöÅÄÖéÉæøÆØ", r) })
}

// symbols counts what is beyond ASCII and no letter.
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

// checkLetters finds the people whose names or titles come with other letters
// than they have. Of many at once the import is held; one of them stays as they
// are, as a bad row.
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
	r.problem(row, "the letters of a name or title look as if they were written in one encoding and read in another (ä becomes Ã¤): the row is left out; correct it in HR, or export it as UTF-8")
	r.Export.BadPeople[row.PersonKey], r.Export.BadEmployments[row.EmploymentKey] = true, true
}

// garbled says whether a row says in other letters what is known of the person,
// or says something new in letters that are none.
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
