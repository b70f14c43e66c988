package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/behov/behov/internal/testenv"
)

// benchEntitlements is how many entitlements each person of a benchmark has.
const benchEntitlements = 12

// BenchmarkAnswers measures every command that answers a question, from its start
// to its end with the configuration read and the database opened, at 1,000 and
// 10,000 people with 12 entitlements each, and at as many more as
// BEHOV_BENCH_PEOPLE says. Goals: one person's answer within 20 ms at any number of
// people; a list within 20 µs a row beyond 100 ms.
func BenchmarkAnswers(b *testing.B) {
	tuneGC() // as the command itself does
	sizes := []int{1_000, 10_000}
	if testing.Short() {
		sizes = []int{600}
	}
	if more, err := strconv.Atoi(os.Getenv("BEHOV_BENCH_PEOPLE")); err == nil {
		sizes = append(sizes, more)
	}
	for _, people := range sizes {
		b.Run(fmt.Sprintf("people=%d", people), func(b *testing.B) {
			h := newBenchInstallation(b, people)
			// The demonstration directory is one file; who reads one account of it
			// reads all of it. These are about the database.
			for _, c := range []struct {
				name string
				rows int
				args []string
			}{
				{"people-show", 1, []string{"people", "show", "500"}},
				{"explain", 1, []string{"explain", "500"}},
				{"explain-one", 1, []string{"explain", "500", "sys3:e"}},
				{"audit-access", benchEntitlements, []string{"audit", "access", "500"}},
				{"audit-log", 1, []string{"audit", "log", "500"}},
				{"status", 1, []string{"status"}},
				{"hold-list", 1, []string{"hold", "list"}},
				{"rights", 1, []string{"rights", "500"}},
				{"people-list", people, []string{"people", "list", "--json"}},
				{"who-had", people, []string{"audit", "who-had", "sys3:e", "--json"}},
				{"plan", people, []string{"plan"}},
				{"plan-person", 1, []string{"plan", "--person", "500"}},
				{"review-start", people, []string{"review", "start", "--system", "sys3", "--by", "7"}},
				{"review-list", people, []string{"review", "list"}},
			} {
				b.Run(c.name, func(b *testing.B) {
					for b.Loop() {
						h.run(b, c.args...)
					}
					b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*c.rows), "µs/row")
				})
			}
		})
	}
}

type benchInstallation struct{ dir string }

// newBenchInstallation makes an installation with so many people, each of whom has
// an account and 12 memberships, by importing a file and applying the plan. It
// reports how long both take.
func newBenchInstallation(b *testing.B, people int) benchInstallation {
	b.Helper()
	h := importBenchInstallation(b, people, benchEntitlements)
	began := time.Now()
	h.run(b, "apply", "--yes")
	b.Logf("apply of %d people: %s", people, time.Since(began).Round(time.Millisecond))
	return h
}

// importBenchInstallation makes an installation with so many people, each of whom is
// to get so many memberships, and applies nothing.
func importBenchInstallation(b *testing.B, people, entitlements int) benchInstallation {
	b.Helper()
	h := benchInstallation{filepath.Join(b.TempDir(), "k")}
	h.run(b, "init", h.dir)
	var catalogue, policy, groups strings.Builder
	catalogue.WriteString("systems:\n")
	for n := range entitlements {
		fmt.Fprintf(&catalogue, "  sys%d: {owner: \"7\", target: directory, entitlements: {e: {native: g%d}}}\n", n, n)
		fmt.Fprintf(&policy, "p, r%d, true, sys%d:e, allow, all people need it\n", n, n)
		fmt.Fprintf(&groups, "g%d, ", n)
	}
	h.write(b, "behov.yaml", "timezone: Europe/Stockholm\ndatabase: sqlite:behov.db\nkey: file:behov.key\n"+
		"hr: {sources: {hr: {}}}\n"+
		"targets: {directory: {hold_above: {all: {number: 10000000, percent: 100}}, attributes: {givenName: \"{{.GivenName}}\", sn: \"{{.FamilyName}}\"}, "+
		"memory: {file: directory.json, groups: ["+groups.String()+"]}}}\n")
	h.write(b, "catalogue.yaml", catalogue.String())
	h.write(b, "policy.csv", policy.String())
	h.write(b, "units.csv", "unit,parent,name\nschool,,\nlibrary,,\n")
	h.importPeople(b, people)
	return h
}

// importPeople imports an export of so many people, each of whom but the first has a
// manager among them.
func (h benchInstallation) importPeople(b *testing.B, people int) {
	b.Helper()
	h.write(b, "rights.csv", "g, hr/7, administrator\n")
	var hr strings.Builder
	hr.WriteString("person_id,employment_id,given_name,family_name,email,unit,job_title,manager_id,start_date\n")
	for n := range people {
		fmt.Fprintf(&hr, "%d,E%d,Anna%d,Ek%d,p%d@example.org,%s,Clerk,%d,2020-01-01\n", n, n, n%100, n%1000, n, []string{"school", "library"}[n%2], n/20)
	}
	h.write(b, "hr.csv", hr.String())
	began := time.Now()
	h.run(b, "hr", "import", filepath.Join(h.dir, "hr.csv"))
	b.Logf("import of %d people: %s", people, time.Since(began).Round(time.Millisecond))
}

func (h benchInstallation) write(b *testing.B, name, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

func (h benchInstallation) run(b *testing.B, args ...string) {
	b.Helper()
	var out, errs bytes.Buffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now}
	root := a.root()
	root.SetArgs(append([]string{"-c", h.dir}, args...))
	root.SetOut(&out)
	root.SetErr(&errs)
	if code := status(root.ExecuteContext(b.Context()), &errs); code != 0 && code != exitChanges {
		b.Fatalf("behov %s: exit status %d\n%s%s", strings.Join(args, " "), code, out.String(), errs.String())
	}
}

// BenchmarkFirstPlan plans everything for 50,000 people with 17 entitlements each, as a
// process of its own, and reports the most memory that it had. Goal: at most 500 MB.
func BenchmarkFirstPlan(b *testing.B) {
	people := testenv.BenchSize(50_000)
	if n, err := strconv.Atoi(os.Getenv("BEHOV_BENCH_PEOPLE")); err == nil {
		people = n
	}
	binary := buildBinary(b)
	h := importBenchInstallation(b, people, 17)
	for b.Loop() {
		cmd := exec.Command(binary, "-c", h.dir, "plan")
		cmd.Stdout = io.Discard
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != exitChanges {
			b.Fatal(err)
		}
		if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
			b.ReportMetric(float64(usage.Maxrss)/1024, "MB")
		}
	}
}
