package hr_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// canary is the content of every cell: it must not appear anywhere else.
const canary = "Kanariefågel"

// onDisk is a fixture with its database in a file that a test can read.
func onDisk(t *testing.T) (f *fixture, dir string) {
	t.Helper()
	f, dir = newFixture(t), t.TempDir()
	text, err := seal.NewMaster()
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster(text)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(context.Background(), "sqlite:"+filepath.Join(dir, "behov.db"), master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f.db, f.im.DB = db, db
	return f, dir
}

// kept returns the files of the directory that contain the canary, in any
// encoding.
func kept(t *testing.T, dir string) (files []string) {
	t.Helper()
	escaped, err := json.Marshal(canary)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for _, form := range []string{canary, strings.Trim(string(escaped), `"`), strings.ToLower(canary), `Kanarief\u00e5gel`} {
			if bytes.Contains(b, []byte(form)) {
				files = append(files, filepath.Base(path))
				break
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestNoProblemHasACellInIt checks that no problem contains a cell's value in its
// text, its JSON or its file, and that the database does not either.
func TestNoProblemHasACellInIt(t *testing.T) {
	f, dir := onDisk(t)
	f.load(twoPeople)
	inbox := filepath.Join(dir, "inbox")
	if err := os.Mkdir(inbox, 0o700); err != nil {
		t.Fatal(err)
	}
	s := source
	s.Contracts = config.Contracts{}
	s.Directory = &config.Directory{Path: inbox, Pattern: "*.csv", Archive: filepath.Join(t.TempDir(), "archive")}
	columns := strings.Split(strings.TrimSpace(header), ",")
	columns = append(columns, "valid_from", "leave_start", "leave_end", "changed_at", "main", "removed", "sponsor_id", "national_id", "cost_centre")
	good := strings.Split("1,E1,Åsa,Ek,school,1,100,2020-01-01,,no,,,,,,,,,", ",")
	values := 0
	rapid.Check(t, func(rt *rapid.T) {
		// Some or all cells are the canary; a row may lack its first column, and
		// the header may be a data row.
		row := func(label string) string {
			fields := append([]string(nil), good...)
			if rapid.Bool().Draw(rt, label+" whole") {
				for i := range fields {
					fields[i] = canary
				}
			} else {
				// One that is never accepted, so that nothing of the row is
				// stored.
				fields[rapid.SampledFrom([]int{4, 6, 7, 8, 9, 11, 12, 13, 14, 15}).Draw(rt, label+" bad")] = canary
			}
			if rapid.Bool().Draw(rt, label+" shifted") {
				fields = append([]string{canary}, fields...)
			}
			return strings.Join(fields[:rapid.IntRange(2, len(fields)).Draw(rt, label+" cut")], ",")
		}
		text := strings.Join(columns, ",") + "\n"
		switch rapid.IntRange(0, 5).Draw(rt, "header") {
		case 0:
			text = row("header") + "\n"
		case 1:
			text = strings.Replace(text, "person_id", canary, 1)
		case 2:
			text = strings.Replace(text, "unit", canary+","+canary, 1)
		}
		for range rapid.IntRange(1, 3).Draw(rt, "rows") {
			text += row("row") + "\n"
		}
		check := func(what, said string) {
			if strings.Contains(said, canary) {
				rt.Errorf("%s has a cell in it: %s", what, said)
			}
		}
		name := filepath.Join(inbox, "x.csv")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			rt.Fatal(err)
		}
		reports, err := f.im.Pull(context.Background(), s)
		if err != nil {
			check("the error", testenv.ErrorText(err))
		}
		for _, r := range reports {
			b, err := json.Marshal(r)
			if err != nil {
				rt.Fatal(err)
			}
			check("the report", string(b))
			for _, p := range r.Problems {
				check("the problem", testenv.ErrorText(p))
				if strings.Contains(p.Value, canary) {
					values++
				}
			}
		}
		_, err = hr.Read("x.csv", []byte(text), source, []string{"cost_centre"}, units(t), today)
		var p diagnostic.Problem
		if errors.As(err, &p) {
			check("what refuses it", testenv.ErrorText(p))
		}
		for _, file := range kept(t, dir) {
			if file != "x.csv" { // placed there by HR
				rt.Errorf("%s has a cell in it", file)
			}
		}
		problem, err := os.ReadFile(filepath.Join(s.Directory.Archive, "refused", "x.csv.problem.txt"))
		if err == nil {
			check("x.csv.problem.txt", string(problem))
		}
	})
	if values == 0 {
		t.Error("no problem has a value for --show-values: the test shows nothing")
	}
}
