package identity_test

import (
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
)

// TestTemplateThatCouldRunForLongIsRefused checks the limits of templates, which
// are executed for every person.
func TestTemplateThatCouldRunForLongIsRefused(t *testing.T) {
	double := `{{$a := "0123456789"}}` + strings.Repeat(`{{$a = print $a $a}}`, 60) + `{{$a}}`
	for text, want := range map[string]string{
		`{{range 1000000000}}x{{end}}`:           "range is not supported",
		`{{if true}}{{range 9}}x{{end}}{{end}}`:  "range is not supported",
		`{{define "x"}}{{template "x"}}{{end}}x`: "define and block are not supported",
		`{{block "x" .}}{{end}}`:                 "define and block are not supported",
		`{{template "x"}}`:                       "template is not supported",
		`{{printf "%1000000000d" 1}}`:            "a width has at most two digits",
		`{{printf "%.1000000000f" 1.0}}`:         "a width has at most two digits",
		`{{printf "%*d" 1000000000 1}}`:          "a width has at most two digits",
		`{{printf "%[1]*d" 1000000000 1}}`:       "a width has at most two digits",
		double:                                   "longer than 16384 bytes",
		`{{first -1 .Login}}`:                    "-1 is no number of characters",
		`{{last -1 .Login}}`:                     "-1 is no number of characters",
		strings.Repeat("x", 5000):                "it has 5000 bytes, the maximum is 4096",
		strings.Repeat("{{if true}}", 40) + strings.Repeat("{{end}}", 40): "nested more than 16 deep",
	} {
		start := time.Now()
		_, err := identity.ParseTemplate(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: got %v, want %q", text, err, want)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%.60s took %s", text, took)
		}
	}
	for _, text := range []string{`{{with .Email}}{{.}}{{else}}{{.Login}}@example.org{{end}}`, `{{if eq .Unit "x"}}a{{else if .Login}}b{{end}}`, `{{printf "%-10s%05.1f" .Login .Percent}}`, `{{index .Attributes "x"}}{{/* why */}}`} {
		if _, err := identity.ParseTemplate(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestValueOfATemplateIsBounded checks the limit of the value, as a template is
// tried on an empty view only.
func TestValueOfATemplateIsBounded(t *testing.T) {
	template, err := identity.ParseTemplate(strings.Repeat(`{{.Unit}}`, 400))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := template.Execute(identity.View{Terms: identity.Terms{Unit: strings.Repeat("x", 1000)}}); err == nil || !strings.Contains(err.Error(), "longer than 16384 bytes") {
		t.Errorf("got %v", err)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, text := range []string{`{{first 3 (ascii .GivenName)}}{{first 3 (ascii .FamilyName)}}`, `{{with .Email}}{{.}}{{else}}x{{end}}`, `{{printf "%05.1f" .Percent}}`, `{{$a := print .Login .Login}}{{$a}}`,
		`{{if and .Protected (eq .Unit "x")}}{{html .Unit | js | urlquery}}{{end}}`, `{{slice .Login 0 2}}{{index .Keys "hr"}}{{len .Login}}`, `{{range 9}}{{end}}`} {
		f.Add(text)
	}
	view := identity.View{PersonFacts: identity.PersonFacts{GivenName: "Åsa", FamilyName: "Ek"}, Login: "asaek", Terms: identity.Terms{Unit: "care", Percent: 75}}
	f.Fuzz(func(t *testing.T, text string) {
		template, err := identity.ParseTemplate(text)
		if err != nil {
			return
		}
		start := time.Now()
		value, err := template.Execute(view)
		if took := time.Since(start); took > time.Second || len(value) > 16<<10 {
			t.Fatalf("%d bytes after %s, %v", len(value), took, err)
		}
	})
}

// TestAReportedKeyIsNoEmployeeNumber: what HR calls a person comes before what a report does,
// whatever the names of the sources.
func TestAReportedKeyIsNoEmployeeNumber(t *testing.T) {
	reported := identity.Record{SourceKey: identity.SourceKey{Source: "manual", Key: "R1"}}
	known := identity.Record{SourceKey: identity.SourceKey{Source: "wages", Key: "1001"}}
	for want, keys := range map[string][]identity.Record{"": nil, "R1": {reported}, "1001": {reported, known}} {
		if got := (identity.Person{Keys: keys}).ViewOn("2026-11-30", identity.LargestPercent, "manual").Key; got != want {
			t.Errorf("key %q, want %q", got, want)
		}
	}
}
