package main

import (
	"strings"
	"testing"
)

// TestManagersAreListed: who is missing among the managers that HR names, from an
// export to the list.
func TestManagersAreListed(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	if out := h.ok("people", "managers"); !strings.Contains(out, "Every manager whom HR names is listed") {
		t.Errorf("at first: %s", out)
	}
	h.edit("hr.csv", "5330,Care assistant,hourly,0,1003", "5330,Care assistant,hourly,0,4711")
	h.ok("hr", "import", h.file("hr.csv"))
	out := h.ok("people", "managers")
	if !strings.Contains(out, "hr/4711") || !strings.Contains(out, "unknown") || strings.Contains(out, "1003") {
		t.Errorf("with one who is not listed: %s", out)
	}
	if out := h.ok("people", "managers", "--all", "--json"); !strings.Contains(out, `"state": "works"`) || !strings.Contains(out, `"key": "1003"`) {
		t.Errorf("all of them: %s", out)
	}
}

// TestWhoHadSaysTheReasonInForce: who keeps something after a move has it by the
// handover, in the list of who has it as in the explanation.
func TestWhoHadSaysTheReasonInForce(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.edit("hr.csv", ",library,4410,Library assistant", ",finance,4410,Library assistant")
	h.ok("hr", "import", h.file("hr.csv"))
	if out := h.ok("explain", "1004", "library:desk"); !strings.Contains(out, "handed over until") {
		t.Fatalf("explain: %s", out)
	}
	for _, args := range [][]string{{"audit", "who-had", "library:desk"}, {"audit", "access", "1004"}} {
		out := h.ok(args...)
		line := ""
		for l := range strings.Lines(out) {
			if strings.Contains(l, "1004") && strings.Contains(l, "library:desk") {
				line = l
			}
		}
		if !strings.Contains(line, "handed over until") || !strings.Contains(line, "librarians") {
			t.Errorf("behov %s: %q", strings.Join(args, " "), line)
		}
	}
}
