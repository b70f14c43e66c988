package identity

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestPartsAreTheTemplate checks that simpleParts renders the same as the
// library.
func TestPartsAreTheTemplate(t *testing.T) {
	for text, simple := range map[string]bool{
		"": true, "a b": true, "{{.GivenName}} {{.FamilyName}}": true, "{{.Account}}@example.org": true, "{{.Start}}": true, "{{/* c */}}{{.Login}}": true,
		"{{.Percent}}": false, "{{ascii .GivenName}}": false, "{{.Begins}}": false, "{{if .Email}}x{{end}}": false, "{{.Attributes.cost_centre}}": false, "{{.Keys}}": false, "{{.GivenName | lower}}": false,
	} {
		p, err := ParseTemplate(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := p.parts != nil || text == ""; got != simple {
			t.Errorf("%q: simple is %v, want %v", text, got, simple)
		}
		rapid.Check(t, func(r *rapid.T) {
			v := View{PersonFacts: PersonFacts{GivenName: rapid.String().Draw(r, "given"), FamilyName: strings.Repeat(rapid.String().Draw(r, "family"), rapid.SampledFrom([]int{0, 1, 4000}).Draw(r, "times"))},
				Start: "2026-01-01", Login: "login", Account: rapid.SampledFrom([]string{"", " a "}).Draw(r, "account"), Terms: Terms{Percent: 75}}
			whole := &Template{t: p.t}
			want, wantErr := whole.Execute(v)
			got, err := p.Execute(v)
			if got != want || (err == nil) != (wantErr == nil) {
				r.Fatalf("%q: %q, %v; the library gives %q, %v", text, got, err, want, wantErr)
			}
		})
	}
}

func BenchmarkTemplate(b *testing.B) {
	v := View{PersonFacts: PersonFacts{GivenName: "Anna", FamilyName: "Ek"}}
	p, err := ParseTemplate("{{.GivenName}} {{.FamilyName}}")
	if err != nil {
		b.Fatal(err)
	}
	for name, t := range map[string]*Template{"parts": p, "library": {t: p.t}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := t.Execute(v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestReads: what a template reads is found in its tree, in branches and chains too.
func TestReads(t *testing.T) {
	for text, want := range map[string]string{
		"plain GivenName .Email":                        "",
		"{{.GivenName}}":                                "GivenName changes",
		"{{.Login}}-{{last 7 .PersonID}}":               "Login PersonID",
		"{{if .Unit}}{{.Login}}{{else}}{{.Key}}{{end}}": "Key Login Unit changes",
		"{{with .Attributes.cost_centre}}{{.}}{{end}}":  "Attributes cost_centre changes",
		"{{$.Keys.hr}}":                                 "Keys changes",
		"{{(.Attributes.åäö)}}":                         "Attributes åäö changes",
		"{{.}}":                                         "changes",
		"{{.Begins}}":                                   "Begins changes",
	} {
		tpl, err := ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, field := range []string{"Attributes", "Begins", "Email", "GivenName", "Key", "Keys", "Login", "PersonID", "Unit"} {
			if tpl.Reads(field) {
				got = append(got, field)
			}
		}
		got = append(got, tpl.Columns()...)
		if tpl.Changes() {
			got = append(got, "changes")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: got %v, want %s", text, got, want)
		}
	}
}
