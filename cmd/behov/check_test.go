package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestCheckAsksCasbin: rules that the fast evaluator takes for something else
// cannot be used.
func TestCheckAsksCasbin(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	for _, offline := range []bool{true, false} {
		var out, errs bytes.Buffer
		a := &app{dir: h.dir, stdout: &out, stderr: &errs, now: h.now}
		c, err := a.load()
		if err != nil {
			t.Fatal(err)
		}
		var db *store.DB
		if !offline {
			db = openStore(t, h.dir)
		}
		compared, err := compareRules(t.Context(), db, c, identity.DateOf(a.now(), c.Zone))
		if err != nil || len(compared.Differences) > 0 || compared.Conditions != 8 || offline != (compared.People == 0) {
			t.Errorf("compared %+v, %v", compared, err)
		}
		if c, err = a.load(); err != nil {
			t.Fatal(err)
		}
		e := c.Rules.Catalogue.Entitlements
		e[0].ID, e[1].ID = e[1].ID, e[0].ID
		err = a.check(t.Context(), c, offline)
		if err == nil || !strings.Contains(err.Error(), "the rules cannot be used") || !strings.HasPrefix(errs.String(), "policy.csv:14: rule everyone: entitlement base:staff of an employment with") {
			t.Errorf("%v\n%s", err, errs.String())
		}
	}
}

// TestStatusTellsOfTwoEvaluations, and people tells why nothing is changed.
func TestStatusTellsOfTwoEvaluations(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	c, problems := config.Load(h.dir)
	if c == nil {
		t.Fatal(problems)
	}
	master, err := masterKey(c)
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), c.Database, master)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	p, err := db.FindPerson(t.Context(), "1004", "hr")
	if err != nil {
		t.Fatal(err)
	}
	note := func(digest string, found ...store.EvaluatorDifference) {
		t.Helper()
		if err := db.Write(t.Context(), func(tx *store.Tx) error {
			return tx.SetEvaluatorDifferences(t.Context(), digest, p.ID, found, h.now())
		}); err != nil {
			t.Fatal(err)
		}
	}
	difference := store.EvaluatorDifference{Entitlement: "school:teachers", Detail: "rule teachers: it differs"}
	note(c.Rules.Digest, difference)
	if code, out, errs := h.run("status"); code != exitHeld || !strings.Contains(out, "EVALUATED IN TWO WAYS") || !strings.Contains(out, string(p.ID)) || !strings.Contains(out, "rule teachers") {
		t.Errorf("status: %d\n%s%s", code, out, errs)
	}
	h.says([]string{"people", "show", "1004"}, "nothing is changed: the rules are evaluated in two ways that differ: rule teachers")
	h.run("apply", "--yes")
	if _, out, _ := h.run("audit", "access", "1004"); !strings.Contains(out, "Nothing then") {
		t.Errorf("somebody who is held was given something:\n%s", out)
	}
	if _, out, _ := h.run("audit", "access", "1005"); !strings.Contains(out, "care:record") && !strings.Contains(out, "care:nurses") {
		t.Errorf("somebody else was not:\n%s", out)
	}
	note(c.Rules.Digest)
	note("other", difference) // which are not in use
	h.ok("apply", "--yes")
	if _, out, _ := h.run("audit", "access", "1004"); !strings.Contains(out, "school:teachers") {
		t.Errorf("somebody who is held no longer was given nothing:\n%s", out)
	}
}

// TestCheckNamesAMissingBase checks that a people_dn that does not exist is a problem that
// names the target, the setting and the DN.
func TestCheckNamesAMissingBase(t *testing.T) {
	slapd := testenv.StartSlapd(t)
	t.Setenv("BEHOV_TEST_LDAP", slapd.Password)
	h := newHousehold(t)
	h.edit("behov.yaml", "    memory:\n      file: directory.json\n      groups: [all-staff, teachers, school-register, nurses, care-record, library-desk, library-loans, finance-ledger, temps]\n", fmt.Sprintf("    ldap: {url: %q, plaintext: true, bind_dn: %q, password: env:BEHOV_TEST_LDAP, people_dn: \"ou=elsewhere,dc=kommun,dc=test\", groups_dn: %q, mfa_attribute: employeeType}\n", slapd.URL, slapd.BindDN, slapd.GroupsDN))
	code, _, errs := h.run("check")
	if code != exitError || !strings.Contains(errs, `target directory: ldap: people_dn "ou=elsewhere,dc=kommun,dc=test" does not exist`) || !strings.Contains(errs, "1 target cannot be used") {
		t.Errorf("%d: %s", code, errs)
	}
}
