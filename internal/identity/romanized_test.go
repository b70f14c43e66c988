package identity_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
)

// TestRomanized checks logins from names in other scripts, and from a single
// name.
func TestRomanized(t *testing.T) {
	template, err := identity.ParseTemplate(`{{first 3 (ascii .GivenName)}}{{first 3 (ascii .FamilyName)}}`)
	if err != nil {
		t.Fatal(err)
	}
	for names, want := range map[string]string{"Иван Щербаков": "ivashc", "王伟 王": "wanwan", "Åsa Öberg": "asaobe", "محمد ": "mhm", " Suharto": "suh", "Γιώργος Παπάς": "giopap", "O'Neil Đorđević": "onedor", "日本 ": "rib", "김 민준": "gimmin", "ℵ ": "user"} {
		given, family, _ := strings.Cut(names, " ")
		base, err := template.Execute(identity.View{PersonFacts: identity.PersonFacts{GivenName: given, FamilyName: family}})
		if got := identity.LoginCandidate(base, 1); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", names, got, err, want)
		}
	}
}

// TestRecordTemplate checks columns with any name, parts of values, and what is
// refused.
func TestRecordTemplate(t *testing.T) {
	record := map[string]string{"Namn": "Öberg, Sven", "Anst nr": "0042", "org.enhet": "A", "Nivå": ""}
	for text, want := range map[string]string{
		`{{.Namn | before ","}}`: "Öberg", `{{.Namn | after ","}}`: "Sven", `{{after "/" .Namn}}`: "", `{{before "/" .Namn}}`: "Öberg, Sven",
		`{{col "Anst nr"}}-{{(col "Anst nr") | last 2}}`: "0042-42", `{{col "org.enhet" | lower}}`: "a", `{{if .Nivå}}{{.Nivå}}{{else}}{{$.Namn | first 2}}{{end}}`: "Öb",
		`{{with .Namn}}{{. | last 4}}{{end}}`: "Sven", `x{{.Nowhere}}`: "x",
	} {
		template, err := identity.ParseRecordTemplate(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got, err := template.Execute(func(name string) string { return record[name] }); got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		`{{col .Namn}}`: "the name of one column", `{{col}}`: "the name of one column", `{{.org.enhet}}`: `write {{col "org.enhet"}}`, `{{range .Namn}}{{end}}`: "range is not supported", `{{.Namn`: "template",
		`{{lower col}}`: "parentheses", `{{define "x"}}{{end}}`: "define", strings.Repeat("x", 5000): "shorten",
	} {
		if _, err := identity.ParseRecordTemplate(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: %v", text, err)
		}
	}
	template, err := identity.ParseRecordTemplate(`{{col "b"}}{{.a}}{{col "b"}}`)
	if err != nil || strings.Join(template.Columns(), " ") != "b a" {
		t.Error(err, template)
	}
}

// FuzzRecordTemplate checks that an accepted template ends, and renders no more
// than the maximum.
func FuzzRecordTemplate(f *testing.F) {
	f.Add(`{{.Namn | before ","}} {{col "x y"}}`, "a")
	f.Add(`{{with $x := .a}}{{$x}}{{end}}`, "b")
	f.Fuzz(func(t *testing.T, text, value string) {
		template, err := identity.ParseRecordTemplate(text)
		if err != nil {
			return
		}
		if out, err := template.Execute(func(string) string { return value }); err == nil && len(out) > 16<<10 {
			t.Fatal(len(out))
		}
	})
}
