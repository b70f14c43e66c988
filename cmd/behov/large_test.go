package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/testenv"
)

// TestTenThousandRows imports, plans and applies an export of 10,000 rows to
// the real slapd, with progress shown, and then has nothing left to do.
func TestTenThousandRows(t *testing.T) {
	slapd := testenv.StartSlapd(t)
	binary := buildBinary(t)
	dir := ldapInstallation(t, slapd)
	var b strings.Builder
	b.WriteString("person_id,employment_id,given_name,family_name,email,unit,employment_type,start_date\n")
	for i := range 10_000 {
		// Every fifth person has two employments; few names, as in life.
		person := i - i%5/4
		fmt.Fprintf(&b, "%d,E%d,%s,%s,p%d@example.org,%s,%s,2020-01-01\n", person, i,
			[]string{"Anna", "Björn", "Åsa", "Łucja"}[person%4], []string{"Ek", "Öberg", "O'Brien"}[person%3], person, []string{"school", "library"}[i%2], []string{"permanent", "hourly"}[i/3%2])
	}
	file := filepath.Join(dir, "hr.csv")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	behov := func(status int, args ...string) (stdout, stderr string) {
		t.Helper()
		cmd := exec.Command(binary, append([]string{"-c", dir}, args...)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		began := time.Now()
		err := cmd.Run()
		if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != status {
			t.Fatalf("behov %s: %v, want exit status %d\n%s%s", strings.Join(args, " "), err, status, out.String(), errs.String())
		}
		t.Logf("behov %s: %s", strings.Join(args, " "), time.Since(began).Round(time.Millisecond))
		return out.String(), errs.String()
	}
	if out, _ := behov(0, "hr", "import", file); !strings.Contains(out, "10000 rows read: 8000 new people, 10000 new employments") {
		t.Errorf("import says %s", out)
	}
	if out, _ := behov(exitChanges, "plan"); !strings.Contains(out, "8000 accounts created") || !strings.Contains(out, "… and 7950 people more") {
		t.Errorf("plan says %s", out)
	}
	out, progress := behov(0, "apply", "--yes")
	if !strings.Contains(out, "8000 accounts created") {
		t.Errorf("apply says %s", out)
	}
	if !strings.Contains(progress, "apply: ") { // how often depends on how quick it is
		t.Errorf("apply shows as progress %q", progress)
	}
	if out, _ := behov(0, "plan"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the second plan: %s", out)
	}
	behov(0, "audit", "verify")
	compareWithDirectory(t, dir, slapd)
}
