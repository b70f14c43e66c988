package hr_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/jmoiron/sqlx"

	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// detecting is a source without settings for its format.
var detecting = config.Source{Name: "hr", Shrink: blastradius.Limit{People: 2, Share: -1}}

func utf16le(s string) []byte {
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

const asJSON = `[{"person_id": 1, "employment_id": "E1", "given_name": "Åsa", "family_name": "Ek", "unit": "school", "job_code": 1, "employment_percent": 100, "start_date": "2020-01-01", "end_date": null, "protected": false},
{"person_id": 1, "employment_id": "E2", "given_name": "Åsa", "family_name": "Ek", "unit": "library", "job_code": 2, "employment_percent": 25, "start_date": "2021-01-01T00:00:00Z", "protected": "no"},
{"person_id": 2, "employment_id": "E3", "given_name": "Bo", "family_name": "Dahl", "unit": "library", "job_code": 2, "employment_percent": 50.0, "start_date": "20220101", "protected": "no"}]`

// TestFormatsReadTheSame checks that the same export in any format gives the same
// result.
func TestFormatsReadTheSame(t *testing.T) {
	read := func(content []byte, s config.Source) []hr.Row {
		t.Helper()
		export, err := hr.Read("hr", content, s, nil, units(t), today)
		if err != nil {
			t.Fatal(err)
		}
		for i := range export.Rows {
			export.Rows[i].Line = 0
		}
		slices.SortFunc(export.Rows, func(a, b hr.Row) int { return strings.Compare(a.EmploymentKey, b.EmploymentKey) })
		return export.Rows
	}
	want := read([]byte(twoPeople), detecting)
	lines := strings.ReplaceAll(strings.Trim(asJSON, "[]"), ",\n", "\n")
	for name, content := range map[string][]byte{
		"semicolons": []byte(strings.ReplaceAll(twoPeople, ",", ";")), "tabs": []byte(strings.ReplaceAll(twoPeople, ",", "\t")), "bars": []byte(strings.ReplaceAll(twoPeople, ",", "|")),
		"byte order mark": []byte("\xef\xbb\xbf" + twoPeople), "UTF-16": utf16le(twoPeople), "Windows": []byte(strings.ReplaceAll(twoPeople, "Å", "\xc5")), "carriage returns": []byte(strings.ReplaceAll(twoPeople, "\n", "\r\n")),
		"JSON": []byte(asJSON), "JSON in an object": []byte(`{"total": 3, "items": ` + asJSON + `, "next": null}`), "JSON Lines": []byte(lines), "JSON with a mark": []byte("\xef\xbb\xbf" + asJSON),
	} {
		if got := read(content, detecting); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
	nested := detecting
	nested.Columns = map[string]string{"given_name": "name.given", "family_name": "name.family"}
	text := strings.NewReplacer(`"given_name": "Åsa", "family_name": "Ek"`, `"name": {"given": "Åsa", "family": "Ek"}`, `"given_name": "Bo", "family_name": "Dahl"`, `"name": {"given": "Bo", "family": "Dahl"}`).Replace(asJSON)
	if got := read([]byte(text), nested); !reflect.DeepEqual(got, want) {
		t.Errorf("nested: %+v", got)
	}
}

// broken are exports with one fault each, the expected message, and whether the
// whole file is refused.
var broken = []struct {
	name, text, want string
	whole            bool
}{
	{"empty", "", "hr: the file is empty", true},
	{"blank", " \n\n", ", and not person_id", true},
	{"a web page", "<!doctype html><html><body>Sign in</body></html>", "hr: it is a web page or XML, and no export", true},
	{"XML", `<?xml version="1.0"?><Employees/>`, "hr: it is a web page or XML, and no export", true},
	{"binary", "PK\x03\x04\x00\x00\x00\x00", "hr: the file has NUL bytes in it", true},
	{"UTF-16 without a mark", string(utf16le(twoPeople)[2:]), "hr: the file has NUL bytes in it", true},
	{"half of it NUL bytes", header + strings.Repeat("\x00", len(header)), "hr: the file has NUL bytes in it", true},
	{"a packed file", "PK\x03\x04" + strings.Repeat("abcdefgh\x00\x01", 100), "hr: the file has NUL bytes in it", true},
	{"a NUL byte in a name", strings.Replace(twoPeople, "Bo,", "B\x00,", 1), "hr:4:6: column given_name: it has a NUL byte in it", false},
	{"a NUL byte in JSON", strings.Replace(asJSON, "Bo", "B\\u0000", 1), "column given_name: it has a NUL byte in it", false},
	{"a NUL byte in JSON Lines", strings.Replace(strings.Join(records(), "\n"), "Bo", "B\x00", 1), "hr:3: the row cannot be read (it is no JSON object)", false},
	{"a NUL byte in both keys", strings.Replace(twoPeople, "2,E3,", "\x00,E\x00,", 1), "hr:4:1: column person_id: it has a NUL byte in it", false},
	{"another language", "personnummer;anställning\n1;2\n", "hr:1: the first line has 2 columns, and not person_id", true},
	{"a column without end", "person_id;" + strings.Repeat("å", 100_000) + "\n1;2\n", "hr:1: the first line has 2 columns, and not employment_id", true},
	{"a column lost", strings.Replace(twoPeople, "start_date", "startdatum", 1), "hr:1: the first line has 10 columns, and not start_date", true},
	{"a column twice", "unit," + header + "x,1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n", `hr:1: the columns 1 and 6 have the same name`, true},
	{"JSON cut in the middle", asJSON[:len(asJSON)-60], "breaks off or is no JSON", true},
	{"JSON without a list", `{"error": "not authorised"}`, ", and not person_id", true},
	{"JSON of numbers", `[1, 2]`, ", and not person_id", true},
	{"JSON record that is none", strings.Replace(asJSON, "[", "[7, ", 1), "hr:1: the row cannot be read (it is no object", false},
	{"JSON Lines with one broken", "{\"person_id\":1}\n{oops\n", ", and not employment_id", true},
	{"30 February", header + "1,E1,Åsa,Ek,school,1,100,2026-02-30,,no\n", `hr:2:27: column start_date: there is no such day`, false},
	{"Excel's days", header + "1,E1,Åsa,Ek,school,1,100,43831,,no\n", `hr:2:27: column start_date: it is not a date`, false},
	{"American dates", header + "1,E1,Åsa,Ek,school,1,100,12/31/2025,,no\n", `hr:2:27: column start_date: it is not a date`, false},
	{"ends before it begins", header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,2019-01-01,no\n", `hr:2:38: column end_date: it is before the start`, false},
	{"half a row", header + "1,E1,Åsa", `hr:2: the row has 3 fields`, false},
	{"a quotation mark too many", header + "1,\"E1\"x,Åsa,Ek,school,1,100,2020-01-01,,no\n", `hr:2:6: the row cannot be read`, false},
	{"an open quotation mark", header + "1,\"E1,Åsa,Ek,school,1,100,2020-01-01,,no\n", `the row cannot be read`, false},
	{"contradicting rows", header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n1,E1,Åsa,Ek,library,1,100,2020-01-01,,no\n", `hr:3: the employment_id is in line 2 too and says otherwise`, false},
	{"two names for one person", header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n1,E2,Eva,Ek,library,2,25,2021-01-01,,no\n", `hr:3: the person's own columns differ from those in line 2`, false},
	{"no person", header + ",E1,Åsa,Ek,school,1,100,2020-01-01,,no\n1,E2,Åsa,Ek,library,2,25,2021-01-01,,no\n", `hr:2:1: column person_id: it is empty`, false},
	{"no name", header + "1,E1,,,school,1,100,2020-01-01,,no\n", `hr:2:6: column given_name: it is empty`, false},
	{"unknown unit", header + "1,E1,Åsa,Ek,moon,1,100,2020-01-01,,no\n", `hr:2:14: column unit: the unit does not exist`, false},
	{"too many percent", header + "1,E1,Åsa,Ek,school,1,1000,2020-01-01,,no\n", `hr:2:23: column employment_percent: it is not a number from 0 to 100`, false},
	{"a terminal's escape", header + "1,E1,Å\x1b[2Jsa,Ek,school,1,100,2020-01-01,,no\n", `hr:2:6: column given_name: it has a line break or another control character in it`, false},
	{"semicolons inside", strings.Replace(twoPeople, "Åsa,Ek,school", "Åsa;Ek;school", 1), `hr:2: the row has 8 fields`, false},
	{"everything on one line", strings.ReplaceAll(twoPeople, "\n", " "), "hr:1: the first line looks like a row", true},
	{"no header", strings.TrimPrefix(twoPeople, header), "hr:1: the first line looks like a row", true},
	{"only the header", header, "HELD", false},
	{"half the file", twoPeople[:len(header)+30], `the row has`, false},
	{"a lost column", strings.NewReplacer("unit,", "", ",school,", ",", ",library,", ",").Replace(twoPeople), "HELD", false},
}

// TestBrokenExports imports a good export, and then each broken one. It checks
// that the message names the place, that no person loses access, and that no
// personal data is shown.
func TestBrokenExports(t *testing.T) {
	for _, c := range broken {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.load(twoPeople)
			before := f.state()
			text := c.text
			if !c.whole && strings.HasPrefix(text, header) && text != header && !strings.Contains(text, "E3") && strings.HasSuffix(text, "\n") {
				text += "2,E3,Bo,Dahl,library,2,50,2022-01-01,,no\n"
			}
			content := []byte(text)
			export, err := hr.Read("hr", content, detecting, nil, units(t), today)
			said := testenv.ErrorText(err)
			if (err != nil) != c.whole {
				t.Fatalf("the whole file: %v", err)
			}
			if err == nil {
				report, err := f.im.Deliver(context.Background(), hr.Delivery{Source: detecting, Name: "hr", Hash: hr.HashOf(content), ExportTimeStated: true, Export: export})
				if err != nil {
					t.Fatal(err)
				}
				said = ""
				for _, p := range report.Problems {
					said += testenv.ErrorText(p) + "\n"
				}
				if report.Held != nil {
					said += "HELD " + testenv.Words(report.Held.Why)
				}
			}
			if !strings.Contains(said, c.want) {
				t.Errorf("said\n%s\nwant\n%s", said, c.want)
			}
			for _, personal := range []string{"Åsa", "Ek,", "Dahl"} {
				if strings.Contains(said, personal) {
					t.Errorf("%q is said: %s", personal, said)
				}
			}
			// Every person keeps what they had, whatever else is wrong.
			for _, had := range strings.Split(before, "; ") {
				if person := had[:1]; !strings.Contains(f.state(), person+" ") {
					t.Errorf("%s lost everything: before %s, now %s", person, before, f.state())
				}
			}
			if n := strings.Count(f.state(), ";"); n < strings.Count(before, ";") && !strings.Contains(c.name, "nobody") {
				t.Errorf("before %s, now %s", before, f.state())
			}
		})
	}
}

// TestBadRowProtects checks that a bad row that says that the identity is
// protected protects the person, and is not quoted.
func TestBadRowProtects(t *testing.T) {
	f := newFixture(t)
	f.load(twoPeople)
	r := f.load(strings.Replace(twoPeople, "2,E3,Bo,Dahl,library,2,50,2022-01-01,,no", "2,E3,Bo,Dahl,secretplace,2,50,2022-13-01,,yes", 1))
	p, err := f.db.FindPerson(context.Background(), "2", "hr")
	if err != nil || !p.Protected || p.Employments[0].On(today).Unit != "library" {
		t.Errorf("%+v, %v", p, err)
	}
	if text := testenv.ErrorText(r.Problems[0]); strings.Contains(text, "secretplace") || strings.Contains(text, "2022-13") || !strings.Contains(text, "column unit") {
		t.Errorf("said %s", text)
	}
}

func TestAnOlderFileIsRefused(t *testing.T) {
	f := newFixture(t)
	deliver := func(text string, made time.Time, stated bool) error {
		export, err := hr.Read("hr.csv", []byte(text), detecting, nil, units(t), today)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.im.Deliver(context.Background(), hr.Delivery{Source: detecting, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportedAt: made, ExportTimeStated: stated, Export: export})
		return err
	}
	newer := strings.Replace(twoPeople, "E1,Åsa,Ek,school", "E1,Åsa,Ek,library", 1)
	var old *hr.OutdatedExportError
	for _, step := range []struct {
		text    string
		made    time.Time
		stated  bool
		refused bool
	}{
		{twoPeople, now.AddDate(0, 0, -2), false, false}, {newer, now.AddDate(0, 0, -1), false, false}, {newer, now.AddDate(0, 0, -1), false, false},
		{twoPeople + "\n", now.AddDate(0, 0, -2), false, true}, // older by its date
		{twoPeople, now, false, true},                          // a copy of the first, with a new date
		{twoPeople, time.Time{}, false, true},                  // the same from standard input
		{twoPeople, now, true, false},                          // the operator states that it is current
	} {
		if err := deliver(step.text, step.made, step.stated); errors.As(err, &old) != step.refused || err != nil && !step.refused {
			t.Errorf("%+v: %v", step.made, err)
		}
	}
	all, err := f.db.Imports(context.Background(), "hr", 10)
	if err != nil || len(all) != 7 || all[1].Status != "refused" || all[0].Status != "done" || all[1].Problems == "" {
		t.Errorf("imports %+v, %v", all, err)
	}
}

// TestAFutureDateRefusesNoLaterFile: a file with a future date, and an import that an
// earlier version recorded with one, refuse neither the next file nor what the operator
// says holds now.
func TestAFutureDateRefusesNoLaterFile(t *testing.T) {
	dir := t.TempDir()
	s := detecting
	s.File = filepath.Join(dir, "personal-2062-12-01.csv")
	f := newFixture(t)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(s.File, now, now.AddDate(1, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	write(twoPeople)
	if r := f.pulled(s, 1)[0]; r.Warnings != 1 || !strings.Contains(testenv.ProblemText(r.Problems[0]), "2062-12-01, lies in the future") {
		t.Errorf("pulled: %+v", r)
	}
	deliver := func(text string, made time.Time, current bool) error {
		t.Helper()
		export, err := hr.Read("hr.csv", []byte(text), detecting, nil, units(t), today)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.im.Deliver(t.Context(), hr.Delivery{Source: detecting, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportedAt: made, Current: current, Export: export})
		return err
	}
	later := now.Add(time.Hour)
	f.im.Now = func() time.Time { return later }
	// As a version did that took any date.
	if err := f.db.Write(t.Context(), func(tx *store.Tx) error {
		return tx.RecordImport(t.Context(), store.Import{ID: "old", Source: "hr", FileHash: "x", Status: store.ImportDone}, now.AddDate(36, 0, 0), later)
	}); err != nil {
		t.Fatal(err)
	}
	later = later.Add(time.Hour)
	if err := deliver(twoPeople+"\n", later.Add(-time.Minute), false); err != nil {
		t.Errorf("the next file: %v", err)
	}
	// Within the grace it is recorded as of now.
	if err := deliver(twoPeople+"\n\n", later.Add(5*time.Hour), false); err != nil {
		t.Errorf("within the grace: %v", err)
	}
	later = later.Add(time.Hour)
	if err := deliver(twoPeople+"\n\n\n", later, false); err != nil {
		t.Errorf("after one within the grace: %v", err)
	}
	// The clock was wrong when something went in: the operator has the last word.
	later = later.Add(-2 * time.Hour)
	if err := deliver(twoPeople, later, false); err == nil {
		t.Error("older than what went in before, and taken")
	}
	if err := deliver(twoPeople, later, true); err != nil {
		t.Errorf("what holds now: %v", err)
	}
}

func TestMadeAt(t *testing.T) {
	modified := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for name, want := range map[string]string{"hr.csv": "2026-03-01T10:00:00Z", "hr-2026-02-28.csv": "2026-02-28T00:00:00Z", "hr_20260228T0615.csv": "2026-02-28T06:15:00Z",
		"20260228-061530-hr.csv": "2026-02-28T06:15:30Z", "hr-2026-02-30.csv": "2026-03-01T10:00:00Z", "12026-1.csv": "2026-03-01T10:00:00Z"} {
		if got, warning := hr.ExportedAt("/x/2020-01-01/"+name, modified, now, time.UTC); got.Format(time.RFC3339) != want || !warning.IsZero() {
			t.Errorf("%s was made %s, want %s (%s)", name, got, want, warning)
		}
	}
	// What lies in the future, but for a day of grace, is no date of an export.
	ahead := now.AddDate(2, 0, 0)
	for _, c := range []struct {
		name           string
		modified, want time.Time
		warning        string
	}{
		{"personal-2062-12-01.xlsx", modified, modified, "the date in the file's name, 2062-12-01, lies in the future and is not taken as the date of the export: the file's modification time, 2026-03-01 10:00, is"},
		{"personal 2027-01 till 2027-12-31.csv", modified, modified, "the file's name, 2027-12-31"},
		{"personal-2062-12-01.xlsx", ahead, now, "modification time, 2028-11-23 12:00, lies in the future: the export counts as made now"},
		{"hr.csv", ahead, now, "modification time, 2028-11-23 12:00, lies in the future"},
		{"hr-2026-11-24.csv", modified, time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), ""},
		{"hr.csv", now.Add(time.Hour), now.Add(time.Hour), ""},
	} {
		if got, warning := hr.ExportedAt(c.name, c.modified, now, time.UTC); !got.Equal(c.want) || !strings.Contains(testenv.Words(warning), c.warning) || c.warning == "" && !warning.IsZero() {
			t.Errorf("%s, modified %s: made %s, want %s; %q", c.name, c.modified, got, c.want, warning)
		}
	}
	if _, err := hr.ParseExportTime("2062-12-01", now, time.UTC); err == nil || !strings.Contains(testenv.ErrorText(err), "lies in the future") {
		t.Errorf("a future --made: %v", err)
	}
}

// pulled pulls a source and expects a number of reports.
func (f *fixture) pulled(s config.Source, want int) []*hr.Report {
	f.t.Helper()
	reports, err := f.im.Pull(f.t.Context(), s)
	if err != nil || len(reports) != want {
		f.t.Fatalf("%d reports, want %d: %+v, %v", len(reports), want, reports, err)
	}
	return reports
}

func TestADirectoryIsPickedUp(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	s := detecting
	s.Directory = &config.Directory{Path: dir, Pattern: "hr*", Archive: filepath.Join(dir, "archive"), Settle: 20 * time.Millisecond}
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	there := func(name string) bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
	f.pulled(s, 0)
	// The older one first, whatever its name; a file being written, never.
	put("hr-b-2026-01-01.csv", twoPeople)
	put("hr-a-2026-01-02.csv", strings.Replace(twoPeople, "E1,Åsa,Ek,school", "E1,Åsa,Ek,library", 1))
	put("hr-2026-01-03.csv.part", "rubbish")
	put(".hr-2026-01-03.csv", "rubbish")
	put("other.csv", "rubbish")
	reports := f.pulled(s, 2)
	if reports[0].Name != "hr-b-2026-01-01.csv" || f.state() != "1 Åsa E1 library; 1 Åsa E2 library; 2 Bo E3 library" {
		t.Errorf("%+v, %s", reports, f.state())
	}
	if there("hr-b-2026-01-01.csv") || !there("archive/hr-b-2026-01-01.csv") || !there("other.csv") || !there(".hr-2026-01-03.csv") {
		t.Error("the archive is wrong")
	}
	// After an interruption between commit and move the file is read again: it
	// changes nothing, and is then moved under a new name.
	put("hr-a-2026-01-02.csv", strings.Replace(twoPeople, "E1,Åsa,Ek,school", "E1,Åsa,Ek,library", 1))
	if r := f.pulled(s, 1); r[0].Events != 0 || there("hr-a-2026-01-02.csv") {
		t.Errorf("again: %+v", r[0])
	}
	archived, _ := os.ReadDir(filepath.Join(dir, "archive"))
	if len(archived) != 3 {
		t.Errorf("the archive has %v", archived)
	}
	// An older file, or one that is no export, is refused, and a file beside it
	// says why.
	put("hr-2025-12-31.csv", twoPeople)
	put("hr-2026-01-04.csv", "<html>")
	for _, r := range f.pulled(s, 2) {
		if r.Refused == nil || !there("archive/refused/"+r.Name) || !there("archive/refused/"+r.Name+".problem.txt") {
			t.Errorf("%+v", r)
		}
	}
	// A held file stays, makes newer ones wait, and is not reported again; after
	// a release it is imported.
	put("hr-2026-01-05.csv", header+"9,E9,New,One,school,1,100,2026-01-01,,no\n")
	put("hr-2026-01-06.csv", twoPeople+"\n")
	held := f.pulled(s, 1)[0].Held
	if held == nil || !there("hr-2026-01-05.csv") || !there("hr-2026-01-06.csv") {
		t.Fatalf("held %+v", held)
	}
	if before, _ := f.db.Imports(t.Context(), "hr", 100); len(before) > 0 {
		os.Remove(filepath.Join(dir, "hr-2026-01-06.csv"))
		f.pulled(s, 0)
		if after, _ := f.db.Imports(t.Context(), "hr", 100); len(after) != len(before) {
			t.Error("what is held is tried again and again")
		}
	}
	if err := f.db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.Decide(t.Context(), store.Decision{Kind: store.HoldDecision, Verdict: store.Release, Subject: store.HoldSubject(held.Digest), Maker: "person:x", Reason: "so it is"}, now)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if f.pulled(s, 1); f.state() != "9 New E9 school" || there("hr-2026-01-05.csv") {
		t.Errorf("released: %s", f.state())
	}
	// HR exports the same again with a later date.
	put("hr-2026-02-01.csv", twoPeople)
	if r := f.pulled(s, 1); r[0].Refused != nil || f.state() != "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 library" {
		t.Errorf("an earlier state again: %+v, %s", r[0], f.state())
	}
	// A link is not followed, which is reported; the rest is read.
	if err := os.Symlink(filepath.Join(dir, "other.csv"), filepath.Join(dir, "hr-link.csv")); err != nil {
		t.Fatal(err)
	}
	put("hr-2026-02-02.csv", strings.Replace(twoPeople, "E1,Åsa,Ek,school", "E1,Åsa,Ek,library", 1)+"\n")
	if reports, err := f.im.Pull(t.Context(), s); err == nil || !strings.Contains(testenv.ErrorText(err), "hr-link.csv") || len(reports) != 1 || reports[0].Refused != nil {
		t.Errorf("with a link beside it: %v %v", reports, err)
	}
}

// TestFileBeingWrittenIsReadWhenComplete checks that a growing file is read after
// it has stopped changing.
func TestFileBeingWrittenIsReadWhenComplete(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	s := detecting
	s.Directory = &config.Directory{Path: dir, Pattern: "*", Archive: filepath.Join(dir, "archive"), Settle: 300 * time.Millisecond}
	out, err := os.Create(filepath.Join(dir, "hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, line := range strings.SplitAfter(twoPeople, "\n") {
			_, _ = out.WriteString(line)
			time.Sleep(60 * time.Millisecond)
		}
		_ = out.Close()
	}()
	f.pulled(s, 1)
	<-done
	if f.state() != twoPeopleState {
		t.Errorf("state %s", f.state())
	}
}

func TestAFileIsReadAgainWhenItHasChanged(t *testing.T) {
	f := newFixture(t)
	s := detecting
	s.File = filepath.Join(t.TempDir(), "hr.csv")
	write := func(text string) { _ = os.WriteFile(s.File, []byte(text), 0o600) }
	write(twoPeople)
	f.pulled(s, 1)
	f.pulled(s, 0)
	write(strings.Replace(twoPeople, "school", "library", 1))
	if f.pulled(s, 1); !strings.Contains(f.state(), "1 Åsa E1 library") {
		t.Errorf("state %s", f.state())
	}
}

const changesHeader = `"given_name": "A", "family_name": "B", "start_date": "2020-01-01"`

func change(n int, unit string) string {
	return fmt.Sprintf(`{"person_id": "%d", "employment_id": "E%d", %s, "unit": %q, "changed_at": %d}`, n, n, changesHeader, unit, n)
}

// TestFeedContinuesFromItsPosition checks that a delta feed is read page after
// page and then from its position, and that an interrupted reading is repeated
// without a loss.
func TestFeedContinuesFromItsPosition(t *testing.T) {
	f := newFixture(t)
	var asked []string
	broken, token := true, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RawQuery)
		token = r.Header.Get("Authorization")
		switch r.URL.Query().Get("since") {
		case "":
			fmt.Fprintf(w, `{"items": [%s, %s], "next": "/feed?since=p2", "cursor": "c1"}`, change(1, "school"), change(2, "school"))
		case "p2":
			if broken {
				fmt.Fprintf(w, `{"items": [%s, {"person_`, change(3, "school"))
				return
			}
			fmt.Fprintf(w, `{"items": [%s], "next": null, "cursor": "c2"}`, change(3, "library"))
		case "c2":
			fmt.Fprintf(w, `{"items": [%s], "cursor": "c3"}`, change(2, "library"))
		default:
			fmt.Fprint(w, `{"items": [], "cursor": "c3"}`)
		}
	}))
	defer server.Close()
	t.Setenv("BEHOV_TEST_FEED", "t0ken")
	s := detecting
	s.Changes = true
	s.HTTP = &config.Feed{URL: server.URL + "/feed", Token: "env:BEHOV_TEST_FEED", Cursor: "since", Next: "next", Position: "cursor", Timeout: 5 * time.Second}
	if r := f.pulled(s, 1); r[0].Refused == nil || f.state() != "" {
		t.Errorf("a page that broke off: %+v, %s", r[0], f.state())
	}
	broken = false
	if f.pulled(s, 1); f.state() != "1 A E1 school; 2 A E2 school; 3 A E3 library" || token != "Bearer t0ken" {
		t.Errorf("state %s, token %q", f.state(), token)
	}
	if f.pulled(s, 1); f.state() != "1 A E1 school; 2 A E2 library; 3 A E3 library" {
		t.Errorf("state %s", f.state())
	}
	f.pulled(s, 0)
	if want := []string{"", "since=p2", "", "since=p2", "since=c2", "since=c3"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestAFeedThatMisbehavesChangesNothing(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { t.Error("asked elsewhere"); fmt.Fprint(w, "[]") }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   string
	}{
		"sign in":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<!doctype html>Sign in") }, "a web page"},
		"no right":  {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, "check http.token"},
		"not there": {func(w http.ResponseWriter, _ *http.Request) { http.NotFound(w, nil) }, "404"},
		"elsewhere": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"items": [%s], "next": %q}`, change(1, "school"), elsewhere.URL)
		}, "on another server"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere.URL, http.StatusFound) }, "302"},
		"round in circles": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, `{"items": [%s], "next": "/a"}`, change(1, "school"))
		}, "link in a loop"},
		"nothing at all": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "reading HR's feed"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.answer)
			defer server.Close()
			f := newFixture(t)
			s := detecting
			s.Changes = true
			s.HTTP = &config.Feed{URL: server.URL + "/secretpath?key=hidden", Next: "next", Position: "cursor", Timeout: 2 * time.Second}
			reports, err := f.im.Pull(t.Context(), s)
			if err == nil || len(reports) > 0 || !strings.Contains(testenv.ErrorText(err), c.want) || strings.Contains(testenv.ErrorText(err), "hidden") || strings.Contains(testenv.ErrorText(err), "secretpath") || f.state() != "" {
				t.Errorf("%+v, %v, %s", reports, err, f.state())
			}
		})
	}
}

func TestAFeedOfEverything(t *testing.T) {
	f := newFixture(t)
	asked, busy := 0, 1
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch {
		case busy > 0:
			busy--
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		case r.Header.Get("If-None-Match") == `"v1"`:
			w.WriteHeader(http.StatusNotModified)
		default:
			w.Header().Set("ETag", `"v1"`)
			fmt.Fprint(w, asJSON)
		}
	}))
	defer server.Close()
	s := detecting
	s.HTTP = &config.Feed{URL: server.URL, Next: "next", Position: "cursor", Timeout: 5 * time.Second}
	if f.pulled(s, 1); f.state() != twoPeopleState {
		t.Errorf("state %s", f.state())
	}
	f.pulled(s, 0)
	if asked != 3 {
		t.Errorf("asked %d times", asked)
	}
}

const viewSchema = `CREATE TABLE staff (person_id INTEGER, employment_id TEXT, given_name TEXT, family_name TEXT, unit TEXT, job_code TEXT, employment_percent DOUBLE PRECISION, start_date DATE, end_date DATE, protected BOOLEAN, changed_at BIGINT);
INSERT INTO staff VALUES (1, 'E1', 'Åsa', 'Ek', 'school', '1', 100, '2020-01-01', NULL, FALSE, 1), (1, 'E2', 'Åsa', 'Ek', 'library', '2', 25, '2021-01-01', NULL, FALSE, 2), (2, 'E3', 'Bo', 'Dahl', 'library', '2', 50, '2022-01-01', NULL, FALSE, 2)`

// TestViewIsRead reads a view completely, and from its high-water mark, in SQLite
// and in PostgreSQL.
func TestViewIsRead(t *testing.T) {
	check := func(t *testing.T, driver, dsn, database string) {
		db, err := sqlx.Open(driver, dsn)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, statement := range strings.Split(viewSchema, ";\n") {
			db.MustExec(statement)
		}
		f := newFixture(t)
		s := detecting
		s.SQL = &config.View{Database: database, Query: "SELECT person_id, employment_id, given_name, family_name, unit, job_code, employment_percent, start_date, end_date, protected FROM staff"}
		if f.pulled(s, 1); f.state() != twoPeopleState {
			t.Errorf("whole: %s", f.state())
		}
		f.pulled(s, 0)
		db.MustExec("DELETE FROM staff WHERE employment_id = 'E2'")
		if f.pulled(s, 1); f.state() != "1 Åsa E1 school; 2 Bo E3 library" {
			t.Errorf("without one: %s", f.state())
		}
		f = newFixture(t)
		s.Changes = true
		s.SQL = &config.View{Database: database, Query: "SELECT * FROM staff WHERE changed_at >= CAST(:high_water AS BIGINT) ORDER BY changed_at", HighWater: "changed_at", Start: "0"}
		f.pulled(s, 1)
		f.pulled(s, 1) // the row with the mark itself is read again, and changes nothing
		f.pulled(s, 0)
		// Another row with the same mark is not lost, and one with a later mark
		// is found.
		db.MustExec("INSERT INTO staff VALUES (3, 'E4', 'Cia', 'Ask', 'school', '1', 100, '2026-01-01', NULL, FALSE, 2)")
		db.MustExec("UPDATE staff SET unit = 'library', changed_at = 3 WHERE employment_id = 'E1'")
		if f.pulled(s, 1); f.state() != "1 Åsa E1 library; 2 Bo E3 library; 3 Cia E4 school" {
			t.Errorf("changes: %s", f.state())
		}
		if p, err := f.db.SourceCursor(t.Context(), "hr"); err != nil || p.Position != "3" {
			t.Errorf("position %+v, %v", p, err)
		}
		s.SQL.Query = "DELETE FROM staff WHERE changed_at >= CAST(:high_water AS BIGINT)"
		if _, err := f.im.Pull(t.Context(), s); err == nil && driver == "sqlite" {
			t.Error("a source was written to")
		}
	}
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "hr.db")
		check(t, "sqlite", "file:"+file, "sqlite:"+file)
	})
	t.Run("postgres", func(t *testing.T) {
		if testing.Short() {
			t.Skip("needs PostgreSQL")
		}
		url := testenv.StartPostgres(t).Database()
		check(t, "pgx", url, url)
	})
}

func FuzzReadJSON(f *testing.F) {
	f.Add([]byte(asJSON))
	f.Add([]byte(`{"items": [{"a": {"b": [1, null]}}]}`))
	f.Add([]byte("[{}," + strings.TrimPrefix(asJSON, "[")))
	f.Add([]byte(strings.Replace(asJSON, `"employment_percent": 100`, `"employment_percent": "NaN"`, 1)))
	f.Add([]byte(strings.Replace(asJSON, "Åsa", "\xc3sa", 1)))
	f.Add([]byte("person_id,given\r_name\n1,2\n"))
	f.Add([]byte(strings.Replace(asJSON, "Åsa", `A\u030a\u200bsa\ud800`, 1)))
	f.Add([]byte(strings.Repeat("{\"c\":{\"d\":1}}\n7\n", 500)))
	for _, c := range broken {
		f.Add([]byte(c.text))
	}
	u := units(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, format := range []string{"", "json", "jsonl", "csv"} {
			s := detecting
			s.Format = format
			export, err := hr.Read("hr", text, s, nil, u, today)
			if err != nil {
				if strings.ContainsAny(testenv.ErrorText(err), "\n\r") {
					t.Fatalf("more than a line: %q", err)
				}
				continue
			}
			readable(t, export)
			for _, row := range export.Rows {
				if row.PersonKey == "" || row.EmploymentKey == "" || row.Start == "" {
					t.Fatalf("a row without keys or start went through: %+v", row)
				}
			}
			if len(export.Rows) > export.Read {
				t.Fatal("there are more rows than were read")
			}
		}
	})
}

func FuzzNationalID(f *testing.F) {
	for _, s := range []string{"19811218-9876", "811218+9876", "8112189876", "19811278-9873", "-", "19811218-98 76"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, ok := identity.NationalID(s, today)
		if again, still := identity.NationalID(n, today); ok && (!still || again != n || len(n) != 12 || identity.BirthDate(n) == "") {
			t.Fatalf("%q gives %q, which gives %q", s, n, again)
		}
	})
}

func FuzzStamp(f *testing.F) {
	f.Add("2026-11-23T14:00:00Z", "7")
	f.Fuzz(func(t *testing.T, a, b string) {
		var text bytes.Buffer
		fmt.Fprintf(&text, "[%s,%s]", fmt.Sprintf(`{"person_id":"1","employment_id":"E",%s,"changed_at":%q}`, changesHeader, a), fmt.Sprintf(`{"person_id":"1","employment_id":"F",%s,"changed_at":%q}`, changesHeader, b))
		s := detecting
		s.Changes = true
		export, err := hr.Read("hr", text.Bytes(), s, nil, units(t), today)
		if err == nil && export.Read != 2 {
			t.Fatalf("%d rows of 2", export.Read)
		}
	})
}
