package main

import (
	"os"
	"strings"
	"testing"
)

// TestRulesTest: cases about people who are made up and known; a case that fails says where,
// what is missing or too much, and why; the others run all the same.
func TestRulesTest(t *testing.T) {
	h := newHousehold(t)
	if out := h.ok("rules", "test"); !strings.Contains(out, "8 cases pass.") {
		t.Error(out)
	}
	h.ok("hr", "import", h.file("hr.csv"))
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(h.file("known_test.yaml"), []byte("cases:\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("  - {case: Sven, date: 2026-11-30, person: \"1004\", has: [base:staff, school:teachers, school:register, library:desk]}\n")
	if out := h.ok("rules", "test"); !strings.Contains(out, "9 cases pass.") {
		t.Error(out)
	}
	if out := h.ok("rules", "test", "--offline"); !strings.Contains(out, "8 cases pass, 1 is about a known person and not run.") {
		t.Error(out)
	}
	if out := h.ok("check", "--offline"); !strings.Contains(out, "Of the cases beside the rules 8 pass; 1 is about a known person (behov rules test).") {
		t.Error(out)
	}
	if out := h.ok("rules", "test", "--run", "SVEN"); !strings.Contains(out, "1 case passes.") {
		t.Error(out)
	}
	if code, _, errs := h.run("rules", "test", "--run", "nothing of that name"); code != exitError || !strings.Contains(errs, `no case has "nothing of that name" in its name`) {
		t.Error(code, errs)
	}
	write("  - {case: Sven, date: 2026-11-30, person: \"1004\", has: [base:staff, library:loans, school:teachers, school:register]}\n" +
		"  - {case: gone, date: 2026-11-30, person: \"4711\", has: []}\n  - {case: wrong, date: 2026-11-30, has: [base:stuff]}\n")
	code, out, errs := h.run("rules", "test")
	for _, want := range []string{
		`known_test.yaml:2:70: case "Sven": missing: library:loans is not given`, "nearest: rule librarians-half-time (policy.csv:27)", "fails  r.sub.percent >= 50   — percent is 25",
		`known_test.yaml:2:57: case "Sven": too much: library:desk is given`, "(policy.csv:26): whoever works in the library can lend",
		`known_test.yaml:3:6: case "gone": no person has the record hr/4711`, "8 cases pass, 2 fail, 1 problem in case files.",
	} {
		if code != exitError || !strings.Contains(out, want) {
			t.Errorf("exit status %d, without %q:\n%s", code, want, out)
		}
	}
	if want := `known_test.yaml:4:43: there is no entitlement "base:stuff" in catalogue.yaml`; !strings.Contains(errs, want) {
		t.Error(errs)
	}
	write("")
	h.edit("policy.csv", "r.sub.percent >= 50", "r.sub.percent >= 20")
	code, _, errs = h.run("check", "--offline")
	if code != 0 || !strings.Contains(errs, `warning: case "a part of the week in the library adds to the school" fails: library:loans is given, and should be not given`) {
		t.Errorf("exit status %d:\n%s", code, errs)
	}
}

// TestRulesApproval: with rules.approval an edit of the rules does nothing until a second
// person approves it, and status, check and the list say so.
func TestRulesApproval(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.edit("rights.csv", "g, hr/1001, administrator\n", "g, hr/1001, administrator\ng, hr/1002, operator\n")
	if code, _, errs := h.run("rules", "propose", "--reason", "r", "--by", "1001"); code != exitError || !strings.Contains(errs, "rules need no approval here") {
		t.Error(code, errs)
	}
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nrules: {approval: true}\n")
	h.edit("policy.csv", `"r.sub.unit == 'library'", library:desk`, `"r.sub.unit == 'finance'", library:desk`)
	if code, out, errs := h.run("plan"); code != 0 || !strings.Contains(out, "nothing to do") {
		t.Errorf("an edit is planned: %d\n%s%s", code, out, errs)
	}
	_, out, _ := h.run("status")
	if !strings.Contains(out, "which is NOT IN FORCE: behov rules propose") {
		t.Error(out)
	}
	if code, _, errs := h.run("check"); code != 0 || !strings.Contains(errs, "stays in force until this one is approved") {
		t.Error(code, errs)
	}
	if out = h.ok("rules", "list"); !strings.Contains(out, "no one has approved it") || !strings.Contains(out, `+ p, librarians, "r.sub.unit == 'finance'"`) || !strings.Contains(out, `- p, librarians, "r.sub.unit == 'library'"`) {
		t.Error(out)
	}
	h.ok("rules", "propose", "--reason", "moved", "--by", "1001")
	code, out, _ := h.run("status")
	if code != exitHeld || !strings.Contains(out, "WAITS for approval: behov rules list") || strings.Contains(out, "NOT IN FORCE") {
		t.Error(code, out)
	}
	out = h.ok("rules", "list")
	_, digest, found := strings.Cut(out, "behov rules approve ")
	digest, _, _ = strings.Cut(digest, " ")
	if !found || !strings.Contains(out, "WAITS for approval, proposed by Karin Lindqvist (1001): moved") || !strings.Contains(out, "what 4 people have changes: 2 begin and 2 end") {
		t.Fatal(out)
	}
	if code, _, errs := h.run("rules", "approve", digest, "--reason", "r", "--by", "1001"); code != exitError || !strings.Contains(errs, "another person decides") {
		t.Error(code, errs)
	}
	h.ok("rules", "approve", digest, "--reason", "fine", "--by", "1002")
	if code, out, _ := h.run("plan"); code != exitChanges || !strings.Contains(out, "library:desk") {
		t.Error(code, out)
	}
	if out = h.ok("rules", "list"); !strings.Contains(out, "approved by Johan Åkerblom (1002): fine") {
		t.Error(out)
	}
	// Files that are wrong, or gone, change nothing: what was approved goes on.
	h.ok("apply", "--yes")
	h.edit("policy.csv", "p, everyone, true, base:staff", "p, everyone, true, base:stuff")
	if code, out, errs := h.run("plan"); code != 0 || !strings.Contains(out, "nothing to do") || !strings.Contains(errs, "base:stuff") || !strings.Contains(errs, "which was approved, stays in force") {
		t.Errorf("a wrong file: %d\n%s%s", code, out, errs)
	}
	if err := os.Remove(h.file("policy.csv")); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := h.run("plan"); code != 0 || !strings.Contains(out, "nothing to do") {
		t.Errorf("a file that is gone: %d\n%s%s", code, out, errs)
	}
	h.edit("behov.yaml", "timezone: Europe/Stockholm", "timezone: Europe/Nowhere")
	if code, _, errs := h.run("plan"); code != exitError || !strings.Contains(errs, "Europe/Nowhere") || strings.Contains(errs, "stays in force") {
		t.Errorf("another mistake: %d\n%s", code, errs)
	}
}
