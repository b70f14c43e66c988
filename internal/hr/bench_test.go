package hr_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// largeExport writes n employments of people who have 1.3 each; when moved is
// set, every hundredth has moved.
func largeExport(n int, moved bool) []byte {
	var b strings.Builder
	b.WriteString("person_id,employment_id,given_name,family_name,email,phone,unit,job_code,job_title,employment_type,employment_percent,manager_id,start_date,end_date,protected\n")
	for i := range n {
		person := i * 10 / 13
		unit := "school"
		if moved && i%100 == 0 {
			unit = "library"
		}
		fmt.Fprintf(&b, "%d,E%d,Given%d,Family%d,p%d@example.org,0701%06d,%s,2120,Teacher,permanent,100,%d,2020-01-01,,no\n", person, i, person%500, person%900, person, person, unit, person/10)
	}
	return []byte(b.String())
}

// reopen reopens the database without caches, as a new process would.
func (f *fixture) reopen(b *testing.B) {
	b.Helper()
	if err := f.db.Close(); err != nil {
		b.Fatal(err)
	}
	var err error
	if f.db, err = store.Open(b.Context(), f.url, f.master); err != nil {
		b.Fatal(err)
	}
	f.im.DB = f.db
}

func benchFixture(b *testing.B) *fixture {
	b.Helper()
	key, err := seal.NewMaster()
	if err != nil {
		b.Fatal(err)
	}
	master, err := seal.ParseMaster(key)
	if err != nil {
		b.Fatal(err)
	}
	url := testenv.Database(b)
	db, err := store.Open(b.Context(), url, master)
	if err != nil {
		b.Fatal(err)
	}
	login, err := identity.ParseTemplate(`{{first 3 (ascii .GivenName)}}{{first 3 (ascii .FamilyName)}}`)
	if err != nil {
		b.Fatal(err)
	}
	c := &config.Config{Zone: time.UTC, Login: login, LoginProtected: login, Rules: &policy.Rules{Units: units(b)}}
	f := &fixture{db: db, url: url, master: master, im: hr.Importer{DB: db, Config: c, Now: func() time.Time { return now }, Actor: "behov"}}
	b.Cleanup(func() { _ = f.db.Close() })
	return f
}

func (f *fixture) deliver(b *testing.B, content []byte, s config.Source) *hr.Report {
	b.Helper()
	export, err := hr.Read("hr.csv", content, s, nil, f.im.Config.Rules.Units, today)
	if err != nil {
		b.Fatal(err)
	}
	r, err := f.im.Deliver(b.Context(), hr.Delivery{Source: s, Name: "hr.csv", Hash: hr.HashOf(content), ExportTimeStated: true, Export: export})
	if err != nil || r.Held != nil || len(r.Problems) > 0 {
		b.Fatal(r, err)
	}
	return r
}

// highWater returns the process's peak memory since the last call, in megabytes.
func highWater() float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for _, line := range strings.Split(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kb / 1024
		}
	}
	return 0
}

// BenchmarkImport compares an export of 100,000 employments, of which 1 %
// changed, and records the changes.
func BenchmarkImport(b *testing.B) {
	people := testenv.BenchSize(100_000)
	f := benchFixture(b)
	source := source
	source.Shrink.People = 2000 // what changes here is not unusual: no warning of a shifted column
	began := time.Now()
	f.deliver(b, largeExport(people, false), source)
	first := time.Since(began)
	moved := false
	f.reopen(b)
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600) // resets the high-water mark
	idle := highWater()
	for b.Loop() {
		b.StopTimer()
		moved = !moved
		content := largeExport(people, moved)
		runtime.GC()
		b.StartTimer()
		if r := f.deliver(b, content, source); r.Events != people/100 {
			b.Fatalf("%+v", r)
		}
	}
	b.ReportMetric(highWater(), "MB-most")
	b.ReportMetric(idle, "MB-idle")
	b.ReportMetric(first.Seconds(), "s-first-import")
}

// BenchmarkOneEvent records one change, from a delta, in databases of different
// sizes.
func BenchmarkOneEvent(b *testing.B) {
	for _, n := range []int{1000, 10_000, 100_000} {
		n = testenv.BenchSize(n)
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			f := benchFixture(b)
			f.deliver(b, largeExport(n, false), source)
			s := source
			s.Changes = true
			i := 0
			for b.Loop() {
				i++
				row := fmt.Sprintf("person_id,employment_id,given_name,family_name,unit,start_date,valid_from\n%d,E%d,Given,Family,library,2020-01-01,20%02d-01-01\n", (i*7%n)*10/13, i*7%n, i/n%60+26)
				f.deliver(b, []byte(row), s)
			}
		})
	}
}
