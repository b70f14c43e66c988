package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// TestStatusCountsWhatWaits: reviews that are open and starts that are held,
// with what to run; decided, they are gone.
func TestStatusCountsWhatWaits(t *testing.T) {
	h := applied(t)
	says := func(code int, want ...string) {
		t.Helper()
		got, out, errs := h.run("status")
		if got != code {
			t.Errorf("status is %d, want %d\n%s%s", got, code, out, errs)
		}
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("status does not say %q:\n%s", w, out)
			}
		}
		for _, w := range []string{"behov review list", "moved into the future"} {
			if len(want) == 0 && strings.Contains(out, w) {
				t.Errorf("status says %q:\n%s", w, out)
			}
		}
	}
	says(0)
	h.ok("review", "start", "--system", "library", "--by", "1006")
	says(exitHeld, "1 review is open with ", "questions that are not decided: behov review list")
	_, out, _ := h.run("status", "--json")
	var s struct {
		Reviews   int  `json:"open_reviews"`
		Questions int  `json:"open_review_items"`
		Waits     bool `json:"waits_for_a_person"`
	}
	if err := json.Unmarshal([]byte(out), &s); err != nil || s.Reviews != 1 || s.Questions < 2 || !s.Waits {
		t.Errorf("%+v, %v\n%s", s, err, out)
	}
	for _, line := range strings.Split(h.ok("review", "list"), "\n")[1:] {
		if f := strings.Fields(line); len(f) > 0 {
			by := "1006"
			if strings.Contains(line, "Sjögren") {
				by = "1001"
			}
			h.ok("review", "decide", f[0], "keep", "--reason", "needed", "--by", by)
		}
	}
	says(0)
}

// TestStatusTellsOfServiceAccounts: the status and the check say when no person who is
// responsible for a service account works here, or is going to.
func TestStatusTellsOfServiceAccounts(t *testing.T) {
	h := applied(t)
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nservice_accounts:\n  payroll: {purpose: says who is hired, responsible: [1004]}\n")
	h.ok("token", "make", "--service", "payroll", "--scope", "hr:write", "--name", "the payroll system", "--by", "1001")
	h.says([]string{"token", "list"}, "service:payroll", "the payroll system")
	h.says([]string{"status"}, "Service   payroll        1 token\n")
	tells := func(code int, want string) {
		t.Helper()
		if got, out, errs := h.run("status"); got != code || !strings.Contains(out, "PROBLEM: ") || !strings.Contains(out, want) {
			t.Errorf("status: %d %s%s", got, out, errs)
		}
		if _, out, errs := h.run("check"); !strings.Contains(errs, want) {
			t.Errorf("check: %s%s", out, errs)
		}
	}
	h.ok("suspend", "1004", "--reason", "r", "--by", "1001")
	tells(exitHeld, "no person who is responsible for the service account payroll works here: its token is refused")
	if code, _, errs := h.run("token", "make", "--service", "payroll", "--scope", "hr:write", "--name", "another", "--by", "1001"); code != 1 || !strings.Contains(errs, "no person who is responsible") {
		t.Errorf("a token for it: %d %s", code, errs)
	}
	h.ok("suspend", "1004", "--lift", "--reason", "r", "--by", "1001")
	h.says([]string{"status"}, "Service   payroll        1 token\n")
	h.edit("behov.yaml", "service_accounts:\n  payroll: {purpose: says who is hired, responsible: [1004]}\n", "")
	tells(exitHeld, "the service account payroll is not in behov.yaml any more: its token is refused, and can be revoked")
	if err := os.WriteFile(h.file("rights.csv"), []byte("g, hr/1001, administrator\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"token", "make", "hr", "--service", "payroll", "--name", "n", "--by", "1001"}, "a token is for a source, or of a service account"},
		{[]string{"token", "make", "--service", "payroll", "--name", "n", "--by", "1001"}, "say with --scope"},
		{[]string{"token", "make", "--service", "payroll", "--scope", "hr:write", "--name", "n", "--by", "1001"}, `there is no service account "payroll"`},
		{[]string{"people", "sessions", "1004", "--reason", "r"}, "--session and --reason go with --end"},
		{[]string{"people", "sessions", "1004", "--end"}, "say why"},
		{[]string{"people", "sessions", "1004", "--end", "--reason", "r", "--by", "1004"}, "no one decides about themselves"},
		{[]string{"people", "sessions", "1004", "--end", "--reason", "r", "--by", "1005"}, "it requires the role administrator"},
	} {
		if code, out, errs := h.run(c.args...); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%v: %d %s%s", c.args, code, out, errs)
		}
	}
}

// TestHoldShowNamesAPostponedStart: in a full export and of changes it is no withdrawal.
func TestHoldShowNamesAPostponedStart(t *testing.T) {
	for _, changes := range []string{"", "      changes: true\n"} {
		h := applied(t)
		h.edit("behov.yaml", "      shrink_limit:", changes+"      shrink_limit:")
		h.edit("hr.csv", "permanent,75,1002,2019-08-12", "permanent,75,1002,2099-08-12")
		code, out, errs := h.run("hr", "import", "--made", "now", h.file("hr.csv"))
		if code != exitHeld {
			t.Fatalf("%d\n%s%s", code, out, errs)
		}
		digest := strings.Fields(out[strings.Index(out, "hold release ")+len("hold release "):])[0]
		h.says([]string{"hold", "show", digest}, "employment-postponed of 1 person:", "Sven Öberg")
		if shown := h.ok("hold", "show", digest); strings.Contains(shown, "employment-withdrawn") {
			t.Errorf("hold show says %s", shown)
		}
		if changes != "" {
			if _, out, _ := h.run("status"); !strings.Contains(out, "1 start of a running employment is moved into the future and HELD: behov hold list") {
				t.Errorf("status says\n%s", out)
			}
		}
		h.says([]string{"hold", "release", digest, "--reason", "begins later", "--by", "1001"}, "Released: hold "+digest)
		h.ok("hr", "import", "--made", "now", h.file("hr.csv"))
		h.says([]string{"people", "show", "1004"}, "2099-08-12")
	}
}
