package hr_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// withoutBo is twoPeople after Bo has left.
const withoutBo = header +
	"1,E1,Åsa,Ek,school,1,100,2020-01-01,,no\n" +
	"1,E2,Åsa,Ek,library,2,25,2021-01-01,,no\n"

const nobodys = ",,Eva,Ask,school,1,100,2020-01-01,,no\n"

// TestEmptyRowsAreIgnored checks that rows of delimiters and white space, which
// Excel leaves, are not counted, not bad, and prevent no ending.
func TestEmptyRowsAreIgnored(t *testing.T) {
	for name, text := range map[string]string{
		"delimiters":      withoutBo + ",,,,,,,,,\n,,,,,,,,,\n,,,,,,,,,\n",
		"a few of them":   withoutBo + ",,\n",
		"white space":     withoutBo + " , ,\u00a0,,\u200b,,,,,\n  \n",
		"in between":      strings.Replace(withoutBo, "\n1,E2", "\n,,,,,,,,,\n\n1,E2", 1),
		"quoted":          withoutBo + `"","","","","","","","","",""` + "\n",
		"semicolons":      strings.ReplaceAll(withoutBo+",,,,,,,,,\n", ",", ";"),
		"empty JSON":      `[{}, ` + strings.Join(records()[:2], ",") + `, {"person_id": null, "unit": " "}]`,
		"empty JSON Line": "{}\n" + strings.Join(records()[:2], "\n") + "\n{\"person_id\": \"\"}\n",
	} {
		f := newFixture(t)
		f.take(twoPeople)
		r := f.take(text)
		if r.EndingsWait || r.EndingsHeld != nil || r.Rows != 2 || len(r.Problems) > 0 || f.state() != "1 Åsa E1 school; 1 Åsa E2 library" {
			t.Errorf("%s: %+v, %s", name, r, f.state())
		}
	}
}

func (f *fixture) decide(h *store.HoldState, verdict store.Verdict) {
	f.t.Helper()
	if err := f.db.Write(f.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Decide(f.t.Context(), store.Decision{Kind: store.HoldDecision, Verdict: verdict, Subject: store.HoldSubject(h.Digest), Maker: "person:x", Reason: "so it is"}, now)
		return err
	}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) holds() (all []store.HoldState) {
	f.t.Helper()
	all, err := f.db.Holds(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

func (f *fixture) lastStatus() store.ImportStatus {
	f.t.Helper()
	all, err := f.db.Imports(f.t.Context(), "hr", 1)
	if err != nil {
		f.t.Fatal(err)
	}
	return all[0].Status
}

// TestPostponedEndingsAreHeldAndReported checks that an import that would have
// ended an employment, but has rows that cannot be attributed, gets a status of
// its own and a hold, which alerts; the rest of it is imported.
func TestPostponedEndingsAreHeldAndReported(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	moved := strings.Replace(withoutBo, "E1,Åsa,Ek,school", "E1,Åsa,Ek,library", 1)
	r := f.take(moved + nobodys)
	if r.EndingsHeld == nil || r.Held != nil || !r.EndingsWait || f.state() != "1 Åsa E1 library; 1 Åsa E2 library; 2 Bo E3 library" {
		t.Fatalf("%+v, %s", r, f.state())
	}
	if h := f.holds(); f.lastStatus() != store.ImportEndingsHeld || len(h) != 1 || h[0].Kind != store.HREndingsHold || !strings.Contains(testenv.Words(h[0].Why), "1 active employment is not in the file, and 1 row of it") {
		t.Errorf("%s, %+v", f.lastStatus(), h)
	}
	// The next import replaces it; one with correct rows ends Bo's employment,
	// and nothing is held any more.
	f.take(moved + nobodys + nobodys)
	if h := f.holds(); len(h) != 1 || !strings.Contains(testenv.Words(h[0].Why), "2 rows") {
		t.Errorf("the next: %+v", h)
	}
	if r := f.take(moved + "\n"); r.EndingsHeld != nil || len(f.holds()) != 0 || f.lastStatus() != store.ImportDone || strings.Contains(f.state(), "Bo") {
		t.Errorf("corrected: %+v, %s", r, f.state())
	}
	// Where no employment would have ended, nothing is held.
	if r := f.take(moved + "\n" + nobodys); r.EndingsHeld != nil || !r.EndingsWait || len(f.holds()) != 0 || f.lastStatus() != store.ImportDone {
		t.Errorf("nobody to end: %+v", r)
	}
}

// TestHeldEndingsCanBeReleased checks that after a release the same content is
// read again and ends the missing employments; after a rejection it does not.
func TestHeldEndingsCanBeReleased(t *testing.T) {
	f := newFixture(t)
	s := detecting
	s.File = filepath.Join(t.TempDir(), "hr.csv")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(s.File, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(twoPeople)
	f.pulled(s, 1)
	write(withoutBo + nobodys)
	r := f.pulled(s, 1)[0]
	if r.EndingsHeld == nil {
		t.Fatalf("%+v", r)
	}
	f.pulled(s, 0)
	f.decide(r.EndingsHeld, store.Reject)
	f.pulled(s, 0)
	f.decide(r.EndingsHeld, store.Release)
	if r := f.pulled(s, 1)[0]; r.EndingsHeld != nil || r.EndingsWait || len(f.holds()) != 0 || f.state() != "1 Åsa E1 school; 1 Åsa E2 library" {
		t.Errorf("released: %+v, %s", r, f.state())
	}
	f.pulled(s, 0)
}

// TestHeldEndingsDoNotStopADirectory checks that the file is archived, and that a
// newer one is read.
func TestHeldEndingsDoNotStopADirectory(t *testing.T) {
	f := newFixture(t)
	dir := t.TempDir()
	s := detecting
	s.Directory = &config.Directory{Path: dir, Pattern: "*.csv", Archive: filepath.Join(dir, "archive")}
	for name, text := range map[string]string{"hr-2026-01-01.csv": twoPeople, "hr-2026-01-02.csv": withoutBo + nobodys, "hr-2026-01-03.csv": withoutBo} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var held []*hr.Report
	for _, r := range f.pulled(s, 3) {
		if r.EndingsHeld != nil {
			held = append(held, r)
		}
	}
	if len(held) != 1 || len(f.holds()) != 0 || strings.Contains(f.state(), "Bo") {
		t.Errorf("%+v, %s", held, f.state())
	}
}

// TestNULByteIsOneBadRow checks that the rest of the file is imported. A key with
// a NUL byte matches no person, as the lost character is unknown.
func TestNULByteIsOneBadRow(t *testing.T) {
	moved := strings.Replace(twoPeople, "E2,Åsa,Ek,library", "E2,Åsa,Ek,school", 1)
	for name, c := range map[string]struct {
		text string
		wait bool
	}{
		"in a name":          {strings.Replace(moved, "Bo,Dahl", "Bo,D\x00ahl", 1), false},
		"in a person_id":     {strings.Replace(moved, "2,E3", "2\x00,E3", 1), false},
		"in both keys":       {strings.Replace(moved, "2,E3", "2\x00,E\x003", 1), true},
		"of a column's name": {strings.Replace(moved, "job_code", "job\x00_code", 1), false},
	} {
		f := newFixture(t)
		f.take(twoPeople)
		r := f.take(c.text)
		if r.Held != nil || r.EndingsWait != c.wait || f.state() != "1 Åsa E1 school; 1 Åsa E2 school; 2 Bo E3 library" {
			t.Errorf("%s: %+v, %s", name, r, f.state())
		}
	}
}

// TestRowWithoutAPersonHoldsEndings checks that a row with a placeholder as its
// person_id is unattributed, unless its employment is known; so are the rows
// after a second header.
func TestRowWithoutAPersonHoldsEndings(t *testing.T) {
	const eva = ",Eva,Ask,school,1,100,2020-01-01,,no\n"
	for _, key := range []string{"-", "NULL", "null", "N/A", "#N/A", "None", " none\u200b", "", "(null)"} {
		f := newFixture(t)
		f.take(twoPeople)
		if r := f.take(withoutBo + key + ",E9" + eva); r.EndingsHeld == nil || len(r.Problems) != 1 || !strings.Contains(testenv.ErrorText(r.Problems[0]), ":4:1: column person_id: ") || f.state() != "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 library" {
			t.Errorf("%q: %+v, %s", key, r, f.state())
		}
		if r := f.take(withoutBo + key + "," + key + eva); r.EndingsHeld == nil {
			t.Errorf("%q as employment_id, too: %+v", key, r)
		}
		f = newFixture(t)
		f.take(twoPeople)
		known := strings.Replace(withoutBo, "1,E2", key+",E2", 1)
		if r := f.take(known); r.EndingsWait || f.state() != "1 Åsa E1 school; 1 Åsa E2 library" {
			t.Errorf("%q with a known employment: %+v, %s", key, r, f.state())
		}
	}
	f := newFixture(t)
	f.take(twoPeople)
	if r := f.take(withoutBo + header); r.EndingsHeld == nil || len(r.Problems) != 1 || !strings.Contains(testenv.ErrorText(r.Problems[0]), ":4: the line has the names of columns again") {
		t.Errorf("a second header: %+v", r)
	}
	if r := f.take(withoutBo + "2,-,Bo,Dahl,library,2,50,2022-01-01,,no\n"); r.EndingsWait || !strings.Contains(f.state(), "Bo") {
		t.Errorf("no employment_id: %+v, %s", r, f.state())
	}
}
