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
