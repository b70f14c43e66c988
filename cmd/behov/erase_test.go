package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWhatIsErasedIsNowhere: after an erasure no file of the installation has the
// person's name or number, nor what was written of the person as a reason: not in
// decisions, plans, steps, holds and the audit trail, nor in what the database file
// keeps of deleted rows.
func TestWhatIsErasedIsNowhere(t *testing.T) {
	h := applied(t)
	const canary = "Zebulon Quist"
	// What people write as a reason, of whom it is about.
	reason := "asked " + canary + "'s doctor"
	h.ok("suspend", "1007", "--reason", reason, "--by", "1001")
	h.ok("suspend", "1007", "--lift", "--reason", reason, "--by", "1001")
	h.ok("people", "legal-hold", "1007", "--reason", reason, "--by", "1001")
	h.ok("people", "legal-hold", "1007", "--lift", "--reason", reason, "--by", "1001")
	h.ok("people", "protect", "1007", "--reason", reason, "--by", "1001")
	h.ok("people", "protect", "1007", "--lift", "--reason", reason, "--by", "1001")
	h.ok("people", "apart", "1007", "1005", "--reason", reason, "--by", "1001")
	h.ok("review", "start", "--system", "base", "--all", "--by", "1001")
	for _, line := range strings.Split(h.ok("review", "list"), "\n") {
		if f := strings.Fields(line); len(f) > 1 && strings.Contains(line, "Ali Karimi") {
			h.ok("review", "decide", f[0], "revoke", "--reason", reason, "--by", "1001")
		}
	}
	h.run("apply", "--yes")
	h.run("plan", "-o", h.file("saved"))
	h.says([]string{"review", "list", "--all", "--json"}, canary) // as long as the person is there, it can be read

	// The person leaves, and the accounts are gone.
	h.edit("hr.csv", "hourly,0,1003,2026-06-08,,", "hourly,0,1003,2026-06-08,2026-06-09,")
	h.ok("hr", "import", h.file("hr.csv"))
	h.run("apply", "--yes")
	h.edit("behov.yaml", "delete_after_days: 365", "delete_after_days: 1")
	h.now = func() time.Time { return time.Now().AddDate(0, 0, 5) }
	h.run("apply", "--yes")
	digest := ""
	for _, f := range strings.Fields(h.ok("people", "erase", "1007", "--reason", "asked for by "+canary, "--yes", "--by", "1001")) {
		if len(f) == 16 && strings.Trim(f, "0123456789abcdef") == "" {
			digest = f
		}
	}
	h.fails("another person", "hold", "release", digest, "--reason", canary, "--by", "1001")
	h.says([]string{"hold", "release", digest, "--reason", "looked at " + canary, "--by", "1002"}, "Erased:")
	h.ok("audit", "verify")

	for _, secret := range []string{canary, "Karimi", "ali.karimi", "199906210019", "19990621-0019"} {
		for _, place := range h.where(secret, "hr.csv") {
			t.Errorf("%q is still in %s", secret, place)
		}
	}
}

// where returns the files of the installation that have a text in them, but for those
// named.
func (h *household) where(text string, but ...string) []string {
	h.t.Helper()
	var places []string
	err := filepath.WalkDir(h.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		for _, b := range but {
			if d.Name() == b {
				return nil
			}
		}
		content, err := os.ReadFile(name)
		if n := bytes.Count(content, []byte(text)); n > 0 {
			places = append(places, d.Name())
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return places
}
