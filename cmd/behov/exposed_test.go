package main

import (
	"os"
	"strings"
	"testing"
)

// TestAnAccountNameThatTellsWhoAProtectedPersonIsIsAFinding: the login and the account
// name of a person who becomes protected later are made of the name, and stay; plan and
// people show say so, and what to do. Done, there is no finding any more.
func TestAnAccountNameThatTellsWhoAProtectedPersonIsIsAFinding(t *testing.T) {
	h := applied(t)
	const text = "the person's identity is protected, and the account name carries parts of the name: set targets.directory.name to {value: …, protected: 'u{{last 7 .PersonID}}', rename: true}"
	said := func() string {
		_, out, _ := h.run("plan", "--all")
		_, shown, _ := h.run("people", "show", "1006")
		return out + shown
	}
	if out := said(); strings.Contains(out, "carries parts of the name") {
		t.Fatalf("of a person who is not protected:\n%s", out)
	}
	h.edit("hr.csv", "elin.sjogren@example.org,,library,4400,Head librarian,permanent,100,1001,2009-05-04,,,,no", "elin.sjogren@example.org,,library,4400,Head librarian,permanent,100,1001,2009-05-04,,,,yes")
	h.ok("hr", "import", h.file("hr.csv"))
	out := said()
	if strings.Count(out, text) != 2 || !strings.Contains(out, "exposed (directory, ") || !strings.Contains(out, "the login carries parts of the name") || strings.Contains(out, "elisjo") {
		t.Errorf("plan and people show say:\n%s", out)
	}
	if shown := h.ok("people", "show", "1006", "--json"); !strings.Contains(shown, `"exposed": [`) || !strings.Contains(shown, `"code": "name-exposed"`) {
		t.Errorf("people show --json says %s", shown)
	}
	h.edit("behov.yaml", "    memory:\n", "    name: {protected: 'u{{last 7 .PersonID}}', rename: true}\n    memory:\n")
	if _, out, errs := h.run("plan", "--all"); !strings.Contains(out, "rename account") || strings.Contains(out, "exposed (") {
		t.Errorf("with a name of its own:\n%s%s", out, errs)
	}
	h.ok("apply", "--yes")
	if out := said(); strings.Contains(out, `"code": "name-exposed"`) {
		t.Errorf("renamed:\n%s", out)
	}
}

// TestCheckPointsOutASourceWithoutProtectedIdentities: as a warning, not an error.
func TestCheckPointsOutASourceWithoutProtectedIdentities(t *testing.T) {
	const text = "warning: hr.sources.hr: no column says who has a protected identity"
	h := newHousehold(t)
	said := func(want bool, args ...string) {
		t.Helper()
		code, out, errs := h.run(append([]string{"check"}, args...)...)
		if code != 0 || strings.Contains(errs, text) != want {
			t.Errorf("check %v: %d\n%s%s", args, code, out, errs)
		}
	}
	said(false, "--offline")
	h.ok("hr", "import", h.file("hr.csv"))
	said(false)
	const header = "person_id,employment_id,given_name,family_name,unit,job_code,start_date"
	h = newHousehold(t)
	if err := os.WriteFile(h.file("other.csv"), []byte(header+"\n1001,E1,Karin,Lindqvist,finance,1510,2015-03-01\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.ok("hr", "import", h.file("other.csv"))
	said(true)
	h.edit("behov.yaml", "      shrink_limit:", "      columns: {unit: ENHET}\n      shrink_limit:")
	said(true, "--offline")
	h.edit("behov.yaml", "columns: {unit: ENHET}", "columns: {unit: ENHET, protected: SEKRETESS}")
	said(false, "--offline")
}
