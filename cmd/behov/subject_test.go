package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/user"
	"strings"
	"testing"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// trail returns the records of the audit trail.
func (h *household) trail() []audit.Record {
	h.t.Helper()
	var all []audit.Record
	for r, err := range openStore(h.t, h.dir).AuditRecords(h.t.Context(), store.Everyone()) {
		if err != nil {
			h.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestEveryRecordNamesTheOperator: which user of the operating system ran the process,
// and who called sudo, also of what is no decision.
func TestEveryRecordNamesTheOperator(t *testing.T) {
	t.Setenv("SUDO_UID", "4711")
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.ok("suspend", "1004", "--reason", "dismissed", "--by", "1001")
	h.ok("audit", "verify")
	want := identity.SudoUser(os.Getuid(), 4711)
	for _, r := range h.trail() {
		if r.Operator != want {
			t.Errorf("record %d (%s) is by %q, want %q", r.Index, r.Action, r.Operator, want)
		}
	}
	last := h.trail()
	if d := last[len(last)-1]; d.Action == audit.DecisionMade && !strings.HasPrefix(d.Authority, "administrator, claimed, rights ") {
		t.Errorf("%+v", d)
	}
	h.says([]string{"audit", "log", "1004"}, "decision.made", "Sven Öberg (1004), suspend", "by Karin Lindqvist (1001) (administrator, claimed, rights ", ", run by "+string(want), ": suspended: dismissed")
	h.says([]string{"audit", "log", "--json"}, `"operator":"`+string(want)+`"`, `"opened":{"reason":"dismissed"}`)
	h.ok("suspend", "1008", "--reason", "moved to Secretville", "--by", "1001")
	for _, args := range [][]string{{"audit", "log"}, {"audit", "log", "--json"}, {"audit", "log", "1008"}} {
		if out := h.ok(args...); strings.Contains(out, "Secretville") || strings.Contains(out, "Lena") {
			t.Errorf("behov %v tells of a protected person:\n%s", args, out)
		}
	}
	if out := h.ok("audit", "log", "--to", "2020-01-01"); out != "" {
		t.Errorf("before the beginning there is %s", out)
	}
	// Taking the operator out of a record is seen.
	if _, err := h.database().ExecContext(t.Context(), `UPDATE audit_record SET operator = '' WHERE idx = 3`); err != nil {
		t.Fatal(err)
	}
	h.fails("record 3", "audit", "verify")
}

// TestAnHRRowIsNotTheOperator: an HR row whose person_id is the name of the operating
// system's user does not make its commands that person's.
func TestAnHRRowIsNotTheOperator(t *testing.T) {
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("BEHOV_BY", "")
	h := newHousehold(t)
	h.edit("hr.csv", "1007,E8,", u.Username+",E8,")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.fails("say which person decides", "suspend", "1004", "--reason", "r")
	for _, r := range h.trail() {
		if _, ok := r.Actor.Person(); ok {
			t.Errorf("record %d (%s) is %s's", r.Index, r.Action, r.Actor)
		}
	}
}

// TestOperators: where behov.yaml says which user is which person, only these decide,
// each as themselves.
func TestOperators(t *testing.T) {
	t.Setenv("BEHOV_BY", "")
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	if _, _, errs := h.run("check"); !strings.Contains(errs, "there are no operators: every user who can read this directory can decide as any person") {
		t.Errorf("check: %s", errs)
	}
	h.edit("behov.yaml", "# operators: {anna: hr/1001", fmt.Sprintf("operators: {\"%d\": hr/1001", os.Getuid()))
	h.ok("people", "protect", "1004", "--reason", "r")
	h.fails("decides as the person whom operators in behov.yaml names, and for no other: leave --by out", "people", "protect", "1004", "--lift", "--reason", "r", "--by", "1003")
	t.Setenv("BEHOV_BY", "1003")
	h.fails("leave the environment variable BEHOV_BY out", "people", "protect", "1004", "--lift", "--reason", "r")
	t.Setenv("BEHOV_BY", "1001")
	h.ok("people", "protect", "1004", "--lift", "--reason", "r")
	t.Setenv("BEHOV_BY", "")
	h.fails("no one decides about themselves", "suspend", "1001", "--reason", "r")
	h.says([]string{"suspend", "1004", "--reason", "r"}, "is suspended")
	var d struct {
		Authority string `json:"authority"`
	}
	if err := json.Unmarshal([]byte(h.ok("people", "legal-hold", "1005", "--reason", "r", "--json")), &d); err != nil || !strings.HasPrefix(d.Authority, "administrator, operating-system, rights ") {
		t.Errorf("%+v, %v", d, err)
	}
	if _, _, errs := h.run("check"); strings.Contains(errs, "there are no operators") {
		t.Errorf("check: %s", errs)
	}
	// Behind sudo it is the user who called, when root or the owner of the
	// configuration runs the process.
	t.Setenv("SUDO_UID", "1002")
	h.says([]string{"people", "legal-hold", "1006", "--reason", "r", "--json"}, "administrator, operating-system")
	if _, ok := h.trail()[len(h.trail())-1].Actor.Person(); !ok {
		t.Errorf("by %s", h.trail()[len(h.trail())-1].Actor)
	}
	t.Setenv("SUDO_UID", "1003")
	h.fails("is not under operators in behov.yaml", "people", "legal-hold", "1007", "--reason", "r")
	t.Setenv("SUDO_UID", "")
	h.edit("behov.yaml", fmt.Sprintf("operators: {\"%d\": hr/1001", os.Getuid()), "operators: {anyone: hr/1001")
	h.fails("is not under operators in behov.yaml", "people", "legal-hold", "1007", "--reason", "r", "--by", "1001")
	h.edit("behov.yaml", "operators: {anyone: hr/1001", "operators: {anyone: nowhere/1001")
	if code, _, errs := h.run("check"); code != exitError || !strings.Contains(errs, `"nowhere/1001" names no record of an HR source`) {
		t.Errorf("%d %s", code, errs)
	}
}

// TestCheckNamesUnknownDeciders: owners, roles and operators that HR does not have.
func TestCheckNamesUnknownDeciders(t *testing.T) {
	h := newHousehold(t)
	h.edit("catalogue.yaml", `owner: "1006"`, "owner: \"1099\"\n    deputies: [\"1098\", hr/1006]")
	h.edit("rights.csv", "g, hr/1002, administrator\n", "g, hr/1097, administrator\n")
	if _, _, errs := h.run("check"); strings.Contains(errs, "1099") {
		t.Errorf("before an import no one is known: %s", errs)
	}
	h.edit("hr.csv", "1003,2023-09-01,,", "1003,2023-09-01,2023-12-31,")
	h.edit("behov.yaml", "targets:", "reviews: {yearly: {every: FREQ=YEARLY, fallback: \"1010\"}}\ntargets:")
	h.ok("hr", "import", h.file("hr.csv"))
	_, _, errs := h.run("check")
	for _, want := range []string{"behov.yaml: warning: review yearly, fallback: the person with the record hr/1010 has left", "catalogue.yaml: warning: system library: no person has the record hr/1099", "catalogue.yaml: warning: system library: no person has the record hr/1098", "rights.csv:2: warning: no person has the record hr/1097"} {
		if !strings.Contains(errs, want) {
			t.Errorf("check does not say %q:\n%s", want, errs)
		}
	}
	h.edit("rights.csv", "g, hr/1097, administrator\n", "g, 1097, administrator\n")
	if code, _, errs := h.run("check"); code != exitError || !strings.Contains(errs, `rights.csv:2:4: "1097" has no source`) {
		t.Errorf("%d %s", code, errs)
	}
	h.edit("rights.csv", "g, 1097, administrator\n", "g, unit:moon, operator\n")
	if code, _, errs := h.run("check"); code != exitError || !strings.Contains(errs, "rights.csv:2: there is no unit moon") {
		t.Errorf("%d %s", code, errs)
	}
	if err := os.Remove(h.file("rights.csv")); err != nil {
		t.Fatal(err)
	}
	if _, _, errs := h.run("check"); !strings.Contains(errs, "rights.csv: warning: no one is given a role") {
		t.Errorf("check: %s", errs)
	}
	h.fails("it requires the role operator or administrator", "pause", "--reason", "r")
}

// TestRights: who may do what is printed, and what a person is.
func TestRights(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.says([]string{"rights"}, "ACTION", "review.decide", "DATA-PROTECTION-OFFICER")
	h.says([]string{"rights", "1006"}, "Elin Sjögren (1006)", "  administrator", "  owner or deputy of library")
	h.edit("rights.csv", "g, hr/1005, administrator\n", "p, helpdesk, mfa.pass, allow, the desk\ng, hr/1005, helpdesk\n")
	h.says([]string{"rights"}, "HELPDESK")
	h.says([]string{"rights", "1005", "--json"}, `"helpdesk"`)
	h.fails("no person matches", "rights", "4711")
	// The first source's key counts, whatever another source calls its people.
	h.fails("it requires the role operator or administrator", "pause", "--reason", "r", "--by", "1005")
}
