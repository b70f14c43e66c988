package hr_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

const (
	hostile  = 4 << 20 // size of a hostile file
	mostTime = 20 * time.Second
	mostHeap = 800 << 20 // allocated in total, more than at any one time
)

// fill repeats a text up to the size of a hostile file.
func fill(before, unit, after string) string {
	return before + strings.Repeat(unit, hostile/len(unit)) + after
}

// flood are small files that are expensive without limits, by the text of their
// refusal; empty where they are read.
func flood() map[string][2]string {
	columns := func(format string) string {
		var b strings.Builder
		for n := 0; b.Len() < hostile; n++ {
			fmt.Fprintf(&b, format, n)
		}
		return b.String()
	}
	deep := strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000)
	return map[string][2]string{
		"short lines":              {fill(header, "1\n", ""), "more than 10000 problems"},
		"short lines with keys":    {fill(header, "1,E1\n", ""), "more than 10000 problems"},
		"short lines, of each one": {header + columns("%d,E\n"), "more than 10000 problems"},
		"stray quotation marks":    {fill(header, "a\"b\n", ""), "more than 10000 problems"},
		"contradictions":           {header + columns("1,E1,A,B,school,%d,100,2020-01-01,,no\n"), "more than 10000 problems"},
		"warnings":                 {"person_id,employment_id,given_name,family_name,national_id,start_date\n" + columns("%[1]d,E%[1]d,A,B,123,2020-01-01\n"), ""},
		"empty lines":              {fill(twoPeople, ",,\n", ""), ""},
		"newlines":                 {fill(twoPeople, "\n", ""), ""},
		"one line of delimiters":   {fill(twoPeople, ",", "\n"), ""},
		"a header of delimiters":   {fill("person_id", ",", "\n1\n"), "columns"},
		"one long field":           {fill(header+"1,E1,", "Å", ",Ek,school,1,100,2020-01-01,,no\n"), ""},
		"JSON of numbers":          {fill("[", "1,", "1]"), "more than 10000 records"},
		"JSON of empty objects":    {fill("[", "{},", records()[0]+"]"), ""},
		"JSON of many columns":     {"[" + columns(`{"c%d":1},`) + "{}]", "columns"},
		"JSON Lines of columns":    {columns("{\"c%d\":1}\n"), "columns"},
		"JSON of far columns":      {"[{" + strings.TrimSuffix(columnsUpTo(900), ",") + "}" + fill("", `,{"c899":1}`, "]"), "none of the columns that are looked for"},
		"JSON Lines that are none": {fill(records()[0]+"\n", "x\n", ""), "more than 10000 records"},
		"JSON, deep":               {"[" + strings.TrimSuffix(strings.Repeat(deep+",", hostile/len(deep)), ",") + "]", "and not person_id"},
		"JSON, one long list":      {fill(`[{"person_id": [`, "1,", "1]}]"), "and not employment_id"},
	}
}

func columnsUpTo(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"c%d":1,`, i)
	}
	return b.String()
}

// TestHostileFilesCostLittle checks that four megabytes of worst-case input take
// little time and memory, and that a file with too many problems is refused.
func TestHostileFilesCostLittle(t *testing.T) {
	u := units(t)
	for name, c := range flood() {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begun := time.Now()
		export, err := hr.Read("hr", []byte(c[0]), detecting, nil, u, today)
		took := time.Since(begun)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; took > mostTime || allocated > mostHeap {
			t.Errorf("%s: %s and %d MB", name, took, allocated>>20)
		} else {
			t.Logf("%s: %s and %d MB", name, took, allocated>>20)
		}
		switch {
		case (err != nil) != (c[1] != "") || err != nil && !strings.Contains(testenv.ErrorText(err), c[1]):
			t.Errorf("%s: %.300v", name, err)
		case err != nil && len(testenv.ErrorText(err)) > 4096:
			t.Errorf("%s: it says %d bytes", name, len(testenv.ErrorText(err)))
		case err == nil && len(export.Problems) > 10_001:
			t.Errorf("%s: %d problems", name, len(export.Problems))
		}
	}
}

// TestTooManyProblemsRefuseAnImport checks that the refusal is recorded with the
// first of them, and changes no person.
func TestTooManyProblemsRefuseAnImport(t *testing.T) {
	f := newFixture(t)
	f.take(twoPeople)
	s := detecting
	s.File = filepath.Join(t.TempDir(), "hr.csv")
	if err := os.WriteFile(s.File, []byte(header+strings.Repeat("1,E1\n", 10_001)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := f.pulled(s, 1)[0]
	if !strings.Contains(testenv.ErrorText(*r.Refused), "hr.csv:2: there are more than 10000 problems, and nothing of it was imported; the first one: the row has 2 fields") || f.state() != twoPeopleState {
		t.Errorf("%s, %s", r.Refused, f.state())
	}
	if status := f.lastStatus(); status != store.ImportRefused {
		t.Error(status)
	}
	// With one problem fewer, the rest is imported.
	r = f.take(header + "2,E3,Bo,Dahl,library,2,50,2022-01-01,,no\n3,E4,Cia,Ask,school,1,100,2026-01-01,,no\n" + strings.Repeat("1,E1,Åsa,Ek,moon,1,100,2020-01-01,,no\n", 10_000))
	if len(r.Problems) != 10_000 || f.state() != "1 Åsa E1 school; 1 Åsa E2 library; 2 Bo E3 library; 3 Cia E4 school" {
		t.Errorf("%d problems, %s", len(r.Problems), f.state())
	}
}

// TestFieldsHaveALength checks the same maximum in every format; a longer field
// makes a bad row, and is not quoted in the problem.
func TestFieldsHaveALength(t *testing.T) {
	long := strings.Repeat("å", 501)
	for _, column := range []string{"given_name", "job_title", "unit", "email", "start_date", "cost_centre", "person_id"} {
		values := map[string]string{}
		for name, v := range one {
			values[name] = v
		}
		values["email"], values[column] = "a@example.org", long
		for format, text := range map[string]string{"csv": inCSV(values, func(s string) string { return s }), "json": "[" + inJSON(t, values) + "]", "jsonl": inJSON(t, values)} {
			s := detecting
			s.Format = format
			export, err := hr.Read("hr", []byte(text), s, []string{"cost_centre"}, units(t), today)
			if err != nil || len(export.Rows) != 0 || len(export.Problems) != 1 {
				t.Fatalf("%s as %s: %+v, %v", column, format, export, err)
			}
			if p := testenv.ErrorText(export.Problems[0]); !strings.Contains(p, "column "+column+": it is longer than 500 characters") || strings.Contains(p, "åå") || strings.Contains(p, "P 1") {
				t.Errorf("%s as %s: %s", column, format, p)
			}
		}
		values[column] = strings.Repeat("å", 500)
		if export, err := hr.Read("hr", []byte(inJSON(t, values)), detecting, []string{"cost_centre"}, &identity.Units{}, today); column != "start_date" && (err != nil || len(export.Rows) != 1) {
			t.Errorf("%s of 500: %+v, %v", column, export, err)
		}
	}
}

// TestManyBadRowsAmongManyGoodOnes checks that the cost of an import does not
// grow with the product of both.
func TestManyBadRowsAmongManyGoodOnes(t *testing.T) {
	if testing.Short() {
		t.Skip("records 5,000 people")
	}
	f := newFixture(t)
	var b strings.Builder
	b.WriteString(header)
	for n := range 5000 {
		fmt.Fprintf(&b, "g%d,G%d,Åsa,Ek,school,1,100,2020-01-01,,no\n", n, n)
	}
	for n := range 9000 {
		fmt.Fprintf(&b, "b%d,B%d,Bo,Ek,moon,1,100,2020-01-01,,no\n", n, n)
	}
	begun := time.Now()
	r, err := f.im.Import(context.Background(), "hr.csv", []byte(b.String()), detecting)
	if err != nil || r.Counts["person-added"] != 5000 || len(r.Problems) != 9000 {
		t.Fatalf("%+v, %v", r.Counts, err)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

// BenchmarkHostileFiles measures each file, with -benchmem.
func BenchmarkHostileFiles(b *testing.B) {
	u := units(b)
	for name, c := range flood() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = hr.Read("hr", []byte(c[0]), detecting, nil, u, today)
			}
		})
	}
}
