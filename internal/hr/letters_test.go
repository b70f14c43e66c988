package hr_test

import (
	"context"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

// lettered is an export in which non-ASCII letters decide about access.
const lettered = "person_id;employment_id;given_name;family_name;job_title;start_date\n" +
	"1;E1;Åsa;Öberg;Sjuksköterska;2020-01-01\n" +
	"2;E2;Bo;Ek;Förskollärare;2020-01-01\n" +
	"3;E3;Cia;Ask;Sjuksköterska;2020-01-01\n" +
	"4;E4;Dag;Lind;Handläggare;2020-01-01\n"

// take imports a file of a source without a configured encoding.
func (f *fixture) take(text string) *hr.Report {
	f.t.Helper()
	r, err := f.im.Import(context.Background(), "hr.csv", []byte(text), detecting)
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// titles returns the people's names and titles, in the order of their keys.
func (f *fixture) titles() string {
	f.t.Helper()
	var all []string
	for _, key := range []string{"1", "2", "3", "4"} {
		p, err := f.db.FindPerson(context.Background(), key, "hr")
		if err != nil {
			f.t.Fatal(err)
		}
		title := ""
		for _, e := range p.Active(today) {
			title = e.On(today).JobTitle
		}
		all = append(all, p.GivenName+" "+p.FamilyName+" "+title)
	}
	return strings.Join(all, "; ")
}

// TestOneCutLetterIsOneBadRow checks that an invalid byte in a UTF-8 file does
// not change the detected encoding. Its row is left out and reported, the person
// is not changed, and every other row is imported as it is written.
func TestOneCutLetterIsOneBadRow(t *testing.T) {
	for name, cut := range map[string]string{"half of ö": "Sjuksk\xc3terska", "the other half": "Sjuksk\xb6terska", "at the end": "Sjuksköterska\xc3"} {
		f := newFixture(t)
		f.take(lettered)
		before := f.titles()
		text := strings.Replace(lettered, "Åsa;Öberg;Sjuksköterska", "Åsa;Öberg;"+cut, 1)
		r := f.take(strings.Replace(text, "Handläggare", "Miljöinspektör", 1))
		want := strings.Replace(before, "Handläggare", "Miljöinspektör", 1)
		if r.Held != nil || r.EndingsWait || f.titles() != want {
			t.Errorf("%s: %+v\n%s", name, r, f.titles())
		}
		said := ""
		for _, p := range r.Problems {
			said += testenv.ErrorText(p) + "\n"
		}
		if !strings.Contains(said, "hr.csv:2: warning: the file is UTF-8 but for 1 byte on this line") || !strings.Contains(said, "hr.csv:2:18: column job_title: it has a character that was lost") {
			t.Errorf("%s: it says\n%s", name, said)
		}
	}
}

// TestCutLetterInAKeyIsUnattributed checks that a key that cannot be read matches
// no person.
func TestCutLetterInAKeyIsUnattributed(t *testing.T) {
	f := newFixture(t)
	f.take(lettered)
	before := f.titles()
	r := f.take(strings.Replace(lettered, "4;E4;", "\xc34;\xc3E4;", 1))
	if !r.EndingsWait || f.titles() != before {
		t.Errorf("%+v, %s", r, f.titles())
	}
}

// TestEncodingsAreDetected checks that windows-1252 is detected, and that a file
// in two encodings is refused.
func TestEncodingsAreDetected(t *testing.T) {
	latin, err := charmap.Windows1252.NewEncoder().String(lettered)
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	f.take(lettered)
	if r := f.take(latin + "\n"); r.Held != nil || r.Events != 0 || len(r.Problems) != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "windows-1252") {
		t.Errorf("windows-1252: %+v", r)
	}
	lines, bytes := strings.SplitAfter(lettered, "\n"), strings.SplitAfter(latin, "\n")
	mixed := strings.Join(bytes[:4], "") + lines[4]
	if _, err := f.im.Import(context.Background(), "hr.csv", []byte(mixed), detecting); err == nil || !strings.Contains(testenv.ErrorText(err), "partly UTF-8") {
		t.Errorf("half and half: %v", err)
	}
	for name, e := range map[string]*charmap.Charmap{"cp850": charmap.CodePage850, "macintosh": charmap.Macintosh} {
		text, err := e.NewEncoder().String(lettered)
		if err != nil {
			t.Fatal(err)
		}
		s := detecting
		s.Encoding = name
		if r, err := f.im.Import(context.Background(), "hr.csv", []byte(text), s); err != nil || r.Events != 0 || len(r.Problems) > 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestGarbledLettersAreHeld checks that an export in which many names are garbled
// by a wrong encoding is held, and so is a first export with such names.
func TestGarbledLettersAreHeld(t *testing.T) {
	through := func(written, read *charmap.Charmap, text string) string {
		t.Helper()
		var err error
		if written != nil {
			if text, err = written.NewEncoder().String(text); err != nil {
				t.Fatal(err)
			}
		}
		if text, err = read.NewDecoder().String(text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	for name, text := range map[string]string{
		"UTF-8 as windows-1252":       through(nil, charmap.Windows1252, lettered),
		"UTF-8 as macintosh":          through(nil, charmap.Macintosh, lettered),
		"UTF-8 as cp850":              through(nil, charmap.CodePage850, lettered),
		"windows-1252 as macintosh":   through(charmap.Windows1252, charmap.Macintosh, lettered),
		"macintosh as windows-1252":   strings.ReplaceAll(through(charmap.Macintosh, charmap.Windows1252, lettered), "\ufffd", "x"),
		"cp850 as windows-1252":       strings.ReplaceAll(through(charmap.CodePage850, charmap.Windows1252, lettered), "\ufffd", "x"),
		"letters as question marks":   strings.NewReplacer("å", "?", "ä", "?", "ö", "?", "Å", "?", "Ö", "?").Replace(lettered),
		"bytes as question marks":     strings.NewReplacer("å", "??", "ä", "??", "ö", "??", "Å", "??", "Ö", "??").Replace(lettered),
		"titles only, of two of four": strings.ReplaceAll(lettered, "Sjuksköterska", "SjukskÃ¶terska"),
	} {
		f := newFixture(t)
		f.take(lettered)
		before := f.titles()
		if r := f.take(text); r.Held == nil || !strings.Contains(testenv.Words(r.Held.Why), "hr.sources.hr.encoding") || f.titles() != before {
			t.Errorf("%s: %+v\n%s", name, r, f.titles())
		}
		if first := newFixture(t); strings.HasPrefix(name, "UTF-8") {
			if r := first.take(text); r.Held == nil {
				t.Errorf("%s, at first: %+v", name, r)
			}
		}
	}
}

// TestOneGarbledNameIsABadRow checks that a single person is not changed.
func TestOneGarbledNameIsABadRow(t *testing.T) {
	f := newFixture(t)
	f.take(lettered)
	before := f.titles()
	r := f.take(strings.Replace(lettered, "Bo;Ek;Förskollärare", "Bo;Ek;FÃ¶rskollÃ¤rare", 1))
	if r.Held != nil || f.titles() != before || len(r.Problems) != 1 || !strings.Contains(testenv.ErrorText(r.Problems[0]), "hr.csv:3: the letters of a name or title") {
		t.Errorf("%+v, %s", r, f.titles())
	}
}

// TestCorrectedLettersAreAccepted checks that correcting garbled names is no
// garbling, and neither are ordinary changes of name and title.
func TestCorrectedLettersAreAccepted(t *testing.T) {
	for name, c := range map[string][2]string{
		"†sa and ”berg": {strings.NewReplacer("Åsa", "†sa", "Öberg", "”berg", "Sjuksköterska", "Sjuksk”terska").Replace(lettered), lettered},
		"other titles":  {lettered, strings.NewReplacer("Sjuksköterska", "Läkare", "Förskollärare", "Rektor", "Öberg", "Åström").Replace(lettered)},
		"accents":       {strings.ReplaceAll(lettered, "Sjuksköterska", "Chauffor"), strings.ReplaceAll(lettered, "Sjuksköterska", "Chaufför")},
		"quotes":        {lettered, strings.NewReplacer("Sjuksköterska", "Lärare –åk 1", "Förskollärare", "”Öppen” «å»").Replace(lettered)},
		"in ASCII":      {lettered, strings.NewReplacer("Sjuksköterska", "Sjukskoterska", "Förskollärare", "Forskollarare").Replace(lettered)},
	} {
		f := newFixture(t)
		f.take(c[0])
		if r := f.take(c[1]); r.Held != nil || len(r.Problems) > 0 || r.Events == 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
