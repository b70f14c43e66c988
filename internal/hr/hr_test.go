package hr_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

const header = "person_id,employment_id,given_name,family_name,unit,job_code,employment_percent,start_date,end_date,protected\n"

var (
	now    = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	today  = identity.Date("2026-11-23")
	source = config.Source{Name: "hr", Delimiter: ',', Encoding: "utf-8", Shrink: blastradius.Limit{People: 2, Share: -1}}
)

func dates(t testing.TB, patterns ...string) identity.DateReader {
	t.Helper()
	r, err := identity.NewDateReader(patterns, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func units(t testing.TB) *identity.Units {
	t.Helper()
	var u identity.Units
	for _, id := range []string{"school", "library"} {
		if err := u.Add(identity.Unit{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	return &u
}

type fixture struct {
	t  *testing.T
	db *store.DB
	im hr.Importer
	// For benchmarks.
	url    string
	master *seal.Master
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	key, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		t.Fatal(err)
	}
	url := testenv.Database(t)
	db, err := store.Open(context.Background(), url, master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	login, err := identity.ParseTemplate(`{{first 3 (ascii .GivenName)}}{{first 3 (ascii .FamilyName)}}`)
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{Zone: time.UTC, Login: login, LoginProtected: login, Attributes: []string{"cost_centre"}, Rules: &policy.Rules{Units: units(t)}}
	return &fixture{t: t, db: db, url: url, im: hr.Importer{DB: db, Config: c, Now: func() time.Time { return now }, Actor: "behov"}}
}

func (f *fixture) load(text string) *hr.Report {
	f.t.Helper()
	export, err := hr.Read("hr.csv", []byte(text), source, f.im.Config.Attributes, f.im.Config.Rules.Units, today)
	if err != nil {
		f.t.Fatal(err)
	}
	// HR may repeat an earlier statement.
	r, err := f.im.Deliver(context.Background(), hr.Delivery{Source: source, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportTimeStated: true, Export: export})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

// state describes the active employments of all people.
func (f *fixture) state() string {
	f.t.Helper()
	var lines []string
	for p, err := range f.db.People(context.Background()) {
		if err != nil {
			f.t.Fatal(err)
		}
		for _, e := range p.Active(today) {
			lines = append(lines, fmt.Sprintf("%s %s %s %s", p.Keys[0].Key, p.GivenName, e.Key.Key, e.On(today).Unit))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

const twoPeople = header +
	"1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n" +
	"1,E2,Åsa,Ek,library,2,25,2021-01-01,,no\n" +
	"2,E3,Bo,Dahl,library,2,50,2022-01-01,,no\n"

const twoPeopleState = "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 library"

func TestImport(t *testing.T) {
	f := newFixture(t)
	if r := f.load(twoPeople); r.Events != 5 || len(r.Problems) > 0 || f.state() != twoPeopleState {
		t.Fatalf("first load: %+v, %s", r, f.state())
	}
	if r := f.load(twoPeople); r.Events != 0 {
		t.Errorf("the same file twice gives %d events", r.Events)
	}
	r := f.load(strings.Replace(twoPeople, "E1,Åsa,Ek,school", "E1,Åsa,Ek,library", 1))
	if r.Events != 1 || r.Counts[identity.EmploymentChanged] != 1 {
		t.Errorf("a move gives %+v", r.Counts)
	}
	r = f.load(strings.ReplaceAll(twoPeople, "Åsa,Ek,", "Åsa,Holm,"))
	if r.Counts[identity.PersonChanged] != 1 || r.Counts[identity.EmploymentChanged] != 1 {
		t.Errorf("a change of name, and the move back, gives %+v", r.Counts)
	}
	// An employment that is missing from a full export is withdrawn; when it is
	// listed again, it is back.
	if r := f.load(header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n2,E3,Bo,Dahl,library,2,50,2022-01-01,,no\n"); r.Counts[identity.EmploymentWithdrawn] != 1 || f.state() != "1 Åsa E1 school; 2 Bo E3 library" {
		t.Errorf("withdrawal gives %+v, %s", r.Counts, f.state())
	}
	f.load(twoPeople)
	if f.state() != twoPeopleState {
		t.Errorf("back again: %s", f.state())
	}
}

// TestBadRows checks that each bad row is reported with its place and advice,
// that the others are imported, and that the person concerned is not changed.
func TestBadRows(t *testing.T) {
	for _, c := range []struct{ name, row, want string }{
		{"impossible date", "1,E1,Åsa,Ek,school,1,100,2026-02-30,,no", `hr.csv:2:27: column start_date: there is no such day in the calendar`},
		{"no date", "1,E1,Åsa,Ek,school,1,100,,,no", `hr.csv:2:27: column start_date: it is empty`},
		{"ends before it begins", "1,E1,Åsa,Ek,school,1,100,2020-01-01,2019-01-01,no", `hr.csv:2:38: column end_date: it is before the start`},
		{"percent", "1,E1,Åsa,Ek,school,1,lots,2020-01-01,,no", `hr.csv:2:23: column employment_percent: it is not a number from 0 to 100`},
		{"unknown unit", "1,E1,Åsa,Ek,moon,1,100,2020-01-01,,no", `hr.csv:2:14: column unit: the unit does not exist`},
		{"no name", "1,E1,,,school,1,100,2020-01-01,,no", `hr.csv:2:6: column given_name: it is empty`},
		{"control character", "1,E1,Å\x1b[2Jsa,Ek,school,1,100,2020-01-01,,no", `hr.csv:2:6: column given_name: it has a line break or another control character in it`},
		{"cut short", "1,E1,Åsa", `hr.csv:2: the row has 3 fields`},
		{"same employment twice", "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n1,E1,Åsa,Ek,library,1,100,2020-01-01,,no", `hr.csv:3: the employment_id is in line 2 too and says otherwise`},
		{"the person differs", "1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n1,E2,Eva,Ek,library,2,25,2021-01-01,,no", `hr.csv:3: the person's own columns differ from those in line 2`},
		{"somebody else's employment", "1,E3,Åsa,Ek,library,2,50,2022-01-01,,no", `hr.csv:2: the employment_id belongs to another person`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			f.load(twoPeople)
			others := "\n2,E3,Bo,Dahl,school,2,50,2022-01-01,,no\n"
			if strings.Contains(c.name, "somebody") {
				others = "\n"
			}
			r := f.load(header + c.row + others + "3,E4,Cia,Ask,school,1,100,2026-01-01,,no\n")
			if len(r.Problems) == 0 || !strings.HasPrefix(testenv.ErrorText(r.Problems[0]), c.want) {
				t.Errorf("problems are\n%v\nwant first\n%s", r.Problems, c.want)
			}
			want := "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 school; 3 Cia E4 school"
			if strings.Contains(c.name, "somebody") {
				want = strings.Replace(want, "2 Bo E3 school", "2 Bo E3 library", 1) // neither is changed
			}
			if f.state() != want {
				t.Errorf("state is\n%s\nwant\n%s", f.state(), want)
			}
		})
	}
}

func TestARowThatCouldBeAnybodysEndsNothing(t *testing.T) {
	for name, row := range map[string]string{"no IDs": ",,Åsa,Ek,school,1,100,2020-01-01,,no", "stray quote": `1,"E1"x,Åsa,Ek,school,1,100,2020-01-01,,no`, "open quote": `1,"E1,Åsa,Ek`, "cut short": "1,E1,Ås"} {
		f := newFixture(t)
		f.load(twoPeople)
		r := f.load(header + "2,E3,Bo,Dahl,school,2,50,2022-01-01,,no\n" + row + "\n")
		if !r.EndingsWait || f.state() != "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 school" {
			t.Errorf("%s: endings wait %t, state %s", name, r.EndingsWait, f.state())
		}
	}
}

// TestLostColumnIsHeld checks that an export in which a column is missing or has
// no value is held.
func TestLostColumnIsHeld(t *testing.T) {
	full := header + "1,E1,Åsa,Ek,school,1,100,2020-01-01,2020-12-31,yes\n2,E2,Bo,Dahl,school,1,100,2020-01-01,,no\n"
	for name, file := range map[string]string{
		"end_date empty":     strings.Replace(full, "2020-12-31", "", 1),
		"end_date misspelt":  strings.Replace(full, "end_date", "slutdatum", 1),
		"protected empty":    strings.NewReplacer(",yes\n", ",\n", ",no\n", ",\n").Replace(full),
		"unit empty":         strings.ReplaceAll(full, ",school,", ",,"),
		"job_code not there": strings.NewReplacer("job_code,", "", ",school,1,", ",school,").Replace(full),
	} {
		f := newFixture(t)
		f.load(full)
		before := f.state()
		r := f.load(file)
		if r.Held == nil || !strings.Contains(testenv.Words(r.Held.Why), "the column may be lost or renamed") || f.state() != before {
			t.Errorf("%s: %+v, %s", name, r, f.state())
		}
	}
	f := newFixture(t)
	f.load(full)
	if r := f.load(strings.Replace(full, "end_date", "End_Date", 1)); r.Held != nil || r.Events != 0 {
		t.Errorf("End_Date: %+v", r)
	}
}

func TestFilesThatAreNoExport(t *testing.T) {
	latin1 := strings.NewReplacer("Å", "\xc5").Replace(twoPeople)
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "hr.csv: the file is empty"},
		{"no such columns", "a,b\n1,2\n", "hr.csv:1: the first line has 2 columns, and not person_id, employment_id, given_name"},
		{"wrong delimiter", strings.ReplaceAll(twoPeople, ",", ";"), `check hr.sources.hr.delimiter`},
		{"latin-1", latin1, "hr.csv:2: the file is not UTF-8: set hr.sources.hr.encoding"},
		{"column twice", "person_id," + header, `hr.csv:1: the columns 1 and 2 have the same name`},
	} {
		f := newFixture(t)
		f.load(twoPeople)
		_, err := f.im.Import(context.Background(), "hr.csv", []byte(c.text), source)
		if err == nil || !strings.Contains(testenv.ErrorText(err), c.want) {
			t.Errorf("%s: error is %v, want %s", c.name, err, c.want)
		}
		if f.state() != twoPeopleState {
			t.Errorf("%s changed somebody: %s", c.name, f.state())
		}
	}
}

func TestAnExportThatShrankIsHeldAndCanBeReleased(t *testing.T) {
	for name, text := range map[string]string{"half": header + "9,E9,New,One,school,1,100,2026-01-01,,no\n", "only the header": header} {
		f := newFixture(t)
		f.load(twoPeople)
		r := f.load(text)
		if r.Held == nil || f.state() != twoPeopleState {
			t.Fatalf("%s: %+v, %s", name, r, f.state())
		}
		if err := f.db.Write(context.Background(), func(tx *store.Tx) error {
			_, err := tx.Decide(context.Background(), store.Decision{Kind: store.HoldDecision, Verdict: store.Release, Subject: store.HoldSubject(r.Held.Digest), Maker: "person:x", Reason: "so it is"}, now)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if r := f.load(text); r.Held != nil || strings.Contains(f.state(), "E1") {
			t.Errorf("%s, released: %+v, %s", name, r, f.state())
		}
	}
}

// TestReleaseOfShrunkenExportSurvivesTheNext checks that the release covers only
// the people who were missing in the held export, and also applies to the next
// day's export.
func TestReleaseOfShrunkenExportSurvivesTheNext(t *testing.T) {
	f := newFixture(t)
	rows := func(from, to int) (text string) {
		for n := from; n <= to; n++ {
			text += fmt.Sprintf("%d,E%d,Given,Name%d,school,1,100,2020-01-01,,no\n", n, n, n)
		}
		return text
	}
	f.load(header + rows(1, 12))
	held := f.load(header + rows(4, 12)).Held // 3 of 12 are missing, and 2 are allowed
	if held == nil {
		t.Fatal("not held")
	}
	if err := f.db.Write(context.Background(), func(tx *store.Tx) error {
		_, err := tx.Decide(context.Background(), store.Decision{Kind: store.HoldDecision, Verdict: store.Release, Subject: store.HoldSubject(held.Digest), Maker: "person:x", Reason: "so it is"}, now)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if r := f.load(header + rows(8, 14)); r.Held == nil || !strings.Contains(f.state(), "E1;") && !strings.Contains(f.state(), "1 Given E1 ") {
		t.Fatalf("4 more vanish, which nobody saw: %+v, %s", r, f.state())
	}
	if r := f.load(header + rows(4, 14)); r.Held != nil || strings.Contains(f.state(), "1 Given E1 ") || !strings.Contains(f.state(), "14 Given E14 ") {
		t.Errorf("the next day: %+v, %s", r, f.state())
	}
	if holds, err := f.db.Holds(context.Background()); err != nil || len(holds) > 0 {
		t.Errorf("it is in, and held are %+v, %v", holds, err)
	}
	// The release is used up: the next three are held again.
	if r := f.load(header + rows(7, 14)); r.Held == nil {
		t.Error("an old release let others vanish")
	}
}

func TestMapping(t *testing.T) {
	f := newFixture(t)
	s := source
	s.Columns = map[string]string{"person_id": "ANST", "employment_id": "TJ", "given_name": "FNAMN", "family_name": "ENAMN", "start_date": "FROM", "employment_percent": "PROC"}
	s.Delimiter, s.Encoding, s.Dates = ';', "windows-1252", dates(t, "DD.MM.YYYY")
	s.Constants = map[string]string{"employment_type": "permanent", "unit": "school"}
	text := "ANST;TJ;FNAMN;ENAMN;FROM;PROC;cost_centre\n1;E1;\xc5sa;\xd6berg;31.12.2025;75,5;10\n"
	r, err := f.im.Import(context.Background(), "hr.csv", []byte(text), s)
	if err != nil || len(r.Problems) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	p, err := f.db.FindPerson(context.Background(), "1", "hr")
	if err != nil {
		t.Fatal(err)
	}
	e := p.Employments[0]
	if p.GivenName != "Åsa" || p.FamilyName != "Öberg" || p.Login != "asaobe" || e.Start != "2025-12-31" || !e.On(today).Same(identity.Terms{Unit: "school", Type: "permanent", Percent: 75.5, Attributes: map[string]string{"cost_centre": "10"}}) {
		t.Errorf("got %+v", p)
	}
	s.Columns["unit"] = "NOWHERE"
	if _, err := f.im.Import(context.Background(), "hr.csv", []byte(text), s); err == nil || !strings.Contains(testenv.ErrorText(err), `no column "NOWHERE"`) {
		t.Errorf("a mapping to a column that is not there: %v", err)
	}
}

func TestByteOrderMark(t *testing.T) {
	f := newFixture(t)
	if r := f.load("\xef\xbb\xbf" + twoPeople); len(r.Problems) > 0 || f.state() != twoPeopleState {
		t.Errorf("with a byte order mark: %+v, %s", r, f.state())
	}
}

func TestNationalIDs(t *testing.T) {
	f := newFixture(t)
	const h = "person_id,employment_id,given_name,family_name,national_id,start_date\n"
	f.load(h + "1,E1,A,B,19811218-9876,2020-01-01\n")
	if r := f.load(h + "1,E1,A,B,811218-9876,2020-01-01\n"); r.Events != 0 {
		t.Errorf("the same number in other words gives %d events", r.Events)
	}
	if r := f.load(h + "1,E1,A,B,19811278-9873,2020-01-01\n"); r.Counts[identity.PersonChanged] != 1 {
		t.Errorf("a corrected number gives %+v", r.Counts)
	}
	r := f.load(h + "1,E1,Other,Human,19811218-9876,2020-01-01\n")
	if r.Events != 0 || len(r.Problems) != 1 || !strings.Contains(testenv.ErrorText(r.Problems[0]), "is it another person under the same person_id?") {
		t.Errorf("a person_id used again for somebody else gives %+v", r)
	}
	r = f.load(h + "1,E1,A,B,19811218-9877,2020-01-01\n")
	if len(r.Problems) != 1 || !r.Problems[0].Warning || strings.Contains(testenv.ErrorText(r.Problems[0]), "9877") {
		t.Errorf("a number that is none gives %+v", r.Problems)
	}
}

// TestOrderOfRowsDoesNotMatter checks that rows in any order give the same
// events, and that an unchanged export gives none.
func TestOrderOfRowsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rows []hr.Row
		for i := range rapid.IntRange(0, 10).Draw(t, "rows") {
			person := rapid.IntRange(0, 4).Draw(t, "person")
			rows = append(rows, hr.Row{PersonKey: fmt.Sprint(person), EmploymentKey: fmt.Sprint("E", i), Person: identity.PersonFacts{GivenName: fmt.Sprint("n", person)},
				Start: rapid.SampledFrom([]identity.Date{"2020-01-01", "2027-01-01"}).Draw(t, "start"), Terms: identity.Terms{Unit: "u"}})
		}
		diff := func(known map[string]identity.Person) []identity.Event {
			subjects := map[string]*hr.PersonRows{}
			var all []hr.PersonRows
			for key, p := range known {
				subjects[key] = &hr.PersonRows{Person: p}
			}
			for _, r := range rows {
				if subjects[r.PersonKey] == nil {
					subjects[r.PersonKey] = &hr.PersonRows{}
				}
				subjects[r.PersonKey].Rows = append(subjects[r.PersonKey].Rows, r)
			}
			for _, s := range subjects { // in the random order of a map
				all = append(all, *s)
			}
			n := 0
			return hr.Diff(all, "hr", true, today, now, func() string { n++; return fmt.Sprint("id", n) }, func(string) bool { return false })
		}
		first := diff(nil)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
		if again := diff(nil); fmt.Sprint(describe(again)) != fmt.Sprint(describe(first)) {
			t.Fatalf("got\n%v\nwant\n%v", describe(again), describe(first))
		}
		byPerson := map[identity.PersonID][]identity.Event{}
		for i, e := range first {
			e.Seq = int64(i + 1)
			byPerson[e.Person] = append(byPerson[e.Person], e)
		}
		known := map[string]identity.Person{}
		for _, events := range byPerson {
			p := identity.Fold(identity.Person{}, events)
			known[p.Keys[0].Key] = p
		}
		if again := diff(known); len(again) > 0 {
			t.Fatalf("importing the same again gives %v", describe(again))
		}
	})
}

func describe(events []identity.Event) []string {
	var s []string
	for _, e := range events {
		s = append(s, fmt.Sprint(e.Kind, e.Person, e.Employment, e.Key, e.Effective))
	}
	return s
}

// readable checks the invariants of every accepted row, in any format.
func readable(t *testing.T, export *hr.Export) {
	t.Helper()
	if len(export.Problems) > 20_002 {
		t.Fatalf("%d problems", len(export.Problems))
	}
	for _, p := range export.Problems {
		if len(testenv.ErrorText(p)) > 8192 || strings.ContainsAny(testenv.ErrorText(p), "\r\n") {
			t.Fatalf("it says %.200q", testenv.ErrorText(p))
		}
	}
	for _, row := range export.Rows {
		if p := row.Terms.Percent; !(p >= 0 && p <= 100) {
			t.Fatalf("%v percent", p)
		}
		for _, v := range []string{row.PersonKey, row.EmploymentKey, row.Person.GivenName, row.Person.FamilyName, row.Person.Email, row.Terms.Unit, row.Terms.JobTitle, row.Terms.ManagerKey, row.SponsorKey, row.Terms.Attributes["cost_centre"]} {
			if v != identity.CleanText(v) || !utf8.ValidString(v) || utf8.RuneCountInString(v) > 500 {
				t.Fatalf("%.200q went through", v)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(twoPeople))
	f.Add([]byte(header + `1,"E1,Åsa` + "\n"))
	f.Add([]byte("\xef\xbb\xbf"))
	for _, row := range []string{
		"1,E1,\xc3sa,Ek,school,1,100,2020-01-01,,no", ",,,,,,,,,", ";;;", "1,E1,Åsa,Ek,school,1,NaN,2020-01-01,,no", "1,E1,Åsa,Ek,school,1,1e400,2020-01-01,,no", "1,E1,Åsa,Ek,school,1,100,2026-12-01,2026-11-30,no",
		"1\u200b,E\u00a01,A\u030asa,Ek,school,1,100,2020-01-01,,no", "1,E1,Ã…sa,Ek,school,1,100,0000-01-01,9999-12-31,no", "1,E1," + strings.Repeat("å", 501) + ",Ek,school,1,100,2020-01-01,,no",
		"1\x00,E1,\u00c5sa,Ek,school,1,100,2020-01-01,,no", "NULL,-,Åsa,Ek,school,1,100,2020-01-01,,NULL", strings.TrimSpace(header),
	} {
		f.Add([]byte(twoPeople + row + "\n"))
		f.Add([]byte(header + strings.Repeat(row+"\n", 20)))
	}
	f.Add([]byte(header + strings.Repeat("1\n", 2000)))
	u := units(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, encoding := range []string{"utf-8", "iso-8859-1", ""} {
			s := source
			s.Encoding = encoding
			begun := time.Now()
			export, err := hr.Read("hr.csv", text, s, []string{"cost_centre"}, u, today)
			if took := time.Since(begun); took > 5*time.Second {
				t.Fatalf("it took %s", took)
			}
			if err != nil {
				if len(testenv.ErrorText(err)) > 8192 {
					t.Fatalf("it says %d bytes", len(testenv.ErrorText(err)))
				}
				continue
			}
			readable(t, export)
			for _, row := range export.Rows {
				if row.PersonKey == "" || row.EmploymentKey == "" || row.Start == "" {
					t.Fatalf("a row without keys or start went through: %+v", row)
				}
			}
			if export.Read > len(export.Rows) && len(export.Problems) == 0 && !strings.Contains(string(text), "\n") {
				t.Fatal("rows were lost without a word")
			}
		}
	})
}
