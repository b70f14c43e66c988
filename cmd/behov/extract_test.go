package main

import (
	"os"
	"strings"
	"testing"
)

// TestExtractOnTheCommandLine: a text and a file, in either language, for who may have it.
func TestExtractOnTheCommandLine(t *testing.T) {
	h := newHousehold(t)
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	out := h.ok("people", "extract", "1004", "--by", "1001")
	for _, told := range []string{"IDENTITY", "Family name: Öberg", "AUDIT TRAIL", "person.extracted", "another person ("} {
		if !strings.Contains(out, told) {
			t.Errorf("it does not tell %q:\n%s", told, out)
		}
	}
	t.Setenv("BEHOV_LANG", "sv")
	file := h.file("utdrag.html")
	if out := h.ok("people", "extract", "1004", "--by", "1001", "--html", file); !strings.Contains(out, "utdrag.html") {
		t.Error(out)
	}
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, told := range []string{`<html lang="sv">`, "Registerutdrag", "Efternamn", "Öberg", "Granskningslogg", "@media print"} {
		if !strings.Contains(string(page), told) {
			t.Errorf("the file does not tell %q", told)
		}
	}
	for _, loads := range []string{"src=", "href=", "url(", "@import", "<script", "http"} {
		if strings.Contains(string(page), loads) {
			t.Errorf("the file loads something: %s", loads)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	before := h.ok("audit", "log", "1004")
	for _, args := range [][]string{{"1004", "--by", "1001", "--html", file}, {"1004", "--by", "1007"}, {"nobody", "--by", "1001"}} {
		if code, out, _ := h.run(append([]string{"people", "extract"}, args...)...); code == 0 || strings.Contains(out, "Öberg") {
			t.Errorf("%v: %d\n%s", args, code, out)
		}
	}
	if h.ok("audit", "log", "1004") != before {
		t.Error("what was refused is recorded as asked for")
	}
	if code, out, errs := h.run("people", "extract", "1004", "--by", "1004"); code != 0 || !strings.Contains(out, "personen själv") {
		t.Errorf("one's own: %d %s%s", code, out, errs)
	}
}
