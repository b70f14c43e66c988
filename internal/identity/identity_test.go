package identity_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
)

func TestParseDate(t *testing.T) {
	for _, c := range []struct{ layout, in, want string }{
		{"2006-01-02", "2026-02-28", "2026-02-28"}, {"02.01.2006", "01.11.2026", "2026-11-01"}, {"20060102", "20241231", "2024-12-31"},
		{"2006-01-02", "2026-02-30", ""}, {"2006-01-02", "26-02-03", ""}, {"2006-01-02", "2026-02-03 ", ""}, {"2006-01-02", "", ""},
	} {
		got, err := identity.ParseDate(c.layout, c.in)
		if string(got) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("ParseDate(%q, %q) = %q, %v; want %q", c.layout, c.in, got, err, c.want)
		}
	}
}

// Law 9: a civil date is that of the organisation's time zone.
// TestDateErrorsNameTheConfiguredFormat checks that errors contain no layout of
// package time.
func TestDateErrorsNameTheConfiguredFormat(t *testing.T) {
	for layout, want := range map[string]string{"2006-01-02": "YYYY-MM-DD", "02.01.2006": "DD.MM.YYYY", "20060102": "YYYYMMDD"} {
		if _, err := identity.ParseDate(layout, "soon"); err == nil || err.Error() != `it is not a date in the format `+want {
			t.Errorf("%s: %v", layout, err)
		}
	}
}

func TestDateOfIsLocal(t *testing.T) {
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	for in, want := range map[string]identity.Date{
		"2026-06-30T21:59:59Z": "2026-06-30", "2026-06-30T22:00:00Z": "2026-07-01", // summer time
		"2026-12-31T22:59:59Z": "2026-12-31", "2026-12-31T23:00:00Z": "2027-01-01", // winter time
	} {
		instant, err := time.Parse(time.RFC3339, in)
		if err != nil {
			t.Fatal(err)
		}
		if got := identity.DateOf(instant, zone); got != want {
			t.Errorf("%s is %s, want %s", in, got, want)
		}
	}
}

func TestEmploymentOnADay(t *testing.T) {
	e := identity.Employment{EmploymentFacts: identity.EmploymentFacts{Start: "2026-03-01", End: "2026-06-30", Leaves: []identity.Leave{{Start: "2026-05-01", End: "2026-05-31"}}}}
	for day, want := range map[identity.Date][2]bool{
		"2026-02-28": {false, false}, "2026-03-01": {true, false}, "2026-05-01": {true, true}, "2026-05-31": {true, true},
		"2026-06-01": {true, false}, "2026-06-30": {true, false}, "2026-07-01": {false, false},
	} {
		if got := [2]bool{e.ActiveOn(day), e.ActiveOn(day) && e.OnLeave(day)}; got != want {
			t.Errorf("on %s active and on leave are %v, want %v", day, got, want)
		}
	}
	e.Withdrawn = "2026-04-01"
	if e.ActiveOn("2026-04-01") || !e.ActiveOn("2026-03-31") || !e.HasStarted("2026-04-01") || e.LastDay() != "2026-03-31" {
		t.Error("a withdrawn employment runs until it was withdrawn")
	}
	if e.Withdrawn = "2026-02-01"; e.ActiveOn("2026-03-02") || e.HasStarted("2026-03-02") {
		t.Error("one that was withdrawn before it began never ran")
	}
}

func TestMainEmployment(t *testing.T) {
	employment := func(id string, percent float64, start, end identity.Date) identity.Employment {
		return identity.Employment{ID: identity.EmploymentID(id), EmploymentFacts: identity.EmploymentFacts{Terms: []identity.Terms{{Percent: percent}}, Start: start, End: end}}
	}
	p := identity.Person{Employments: []identity.Employment{
		employment("a", 25, "2020-01-01", ""), employment("b", 75, "2019-01-01", "2026-05-01"), employment("c", 75, "2021-01-01", "2026-05-01"),
	}}
	for day, want := range map[identity.Date]identity.EmploymentID{"2026-05-01": "c", "2026-05-02": "a"} {
		if got, _ := p.Main(day, identity.LargestPercent); got.ID != want {
			t.Errorf("main on %s is %s, want %s", day, got.ID, want)
		}
	}
	ended := identity.Person{Employments: p.Employments[1:]}
	if got, ok := ended.Main("2027-01-01", identity.LargestPercent); !ok || got.End != "2026-05-01" {
		t.Errorf("after all have ended main is %+v, want one that ended last", got)
	}
	if _, ok := (identity.Person{}).Main("2027-01-01", identity.LargestPercent); ok {
		t.Error("somebody without employments has a main one")
	}
}

func TestASCII(t *testing.T) {
	for in, want := range map[string]string{"Åsa-Märta": "AsaMarta", "Łukasik": "Lukasik", "O'Brien": "OBrien", "Øystein Æ": "OysteinAE", "Đorđe": "Dorde", "日本": "", "Zoë": "Zoe", "Straße": "Strasse"} {
		if got := identity.ASCII(in); got != want {
			t.Errorf("ASCII(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestTemplate(t *testing.T) {
	v := identity.View{PersonFacts: identity.PersonFacts{GivenName: "Åsa", FamilyName: "Ek"}, Login: "asaek"}
	for text, want := range map[string]string{
		`{{first 3 (ascii .GivenName)}}{{first 3 (ascii .FamilyName)}}`: "AsaEk",
		`{{lower .GivenName}}.{{.FamilyName}}@example.org`:              "åsa.Ek@example.org", ` {{.Phone}} `: "",
	} {
		tmpl, err := identity.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := tmpl.Execute(v); err != nil || got != want {
			t.Errorf("%s gives %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"{{.NoSuchField}}", "{{", "{{nothing .Login}}"} {
		if _, err := identity.ParseTemplate(text); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error is %v, want one line", text, err)
		}
	}
}

// TestFoldIgnoresOrder checks that a person's events fold into the same person in
// any order.
func TestFoldIgnoresOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dates := []identity.Date{"2026-01-01", "2026-02-01", "2026-03-01"}
		events := []identity.Event{{Seq: 1, Kind: identity.PersonAdded, Person: "p", Source: "hr", Key: "1", Effective: dates[0], PersonFacts: &identity.PersonFacts{GivenName: "A"}}}
		for i := range rapid.IntRange(0, 12).Draw(t, "events") {
			e := identity.Event{Seq: int64(i + 2), Source: "hr", Person: "p", Effective: rapid.SampledFrom(dates).Draw(t, "effective")}
			switch e.Kind = rapid.SampledFrom([]identity.Kind{identity.PersonChanged, identity.EmploymentChanged, identity.EmploymentWithdrawn}).Draw(t, "kind"); e.Kind {
			case identity.PersonChanged:
				e.Key, e.PersonFacts = "1", &identity.PersonFacts{GivenName: fmt.Sprint(i)}
			default:
				e.Employment = identity.EmploymentID(rapid.SampledFrom([]string{"e1", "e2"}).Draw(t, "employment"))
				e.EmploymentFacts = &identity.EmploymentFacts{Terms: []identity.Terms{{Unit: fmt.Sprint(i)}}, Start: dates[0]}
			}
			events = append(events, e)
		}
		want := identity.Fold(identity.Person{}, events)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0)).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if got := identity.Fold(identity.Person{}, events); !reflect.DeepEqual(got, want) {
			t.Fatalf("got\n%+v\nwant\n%+v", got, want)
		}
	})
}

func TestUnits(t *testing.T) {
	tree := func(rows ...identity.Unit) (*identity.Units, error) {
		var u identity.Units
		for _, row := range rows {
			if err := u.Add(row); err != nil {
				return nil, err
			}
		}
		return &u, u.Check()
	}
	u, err := tree(identity.Unit{ID: "top"}, identity.Unit{ID: "a", Parent: "top"}, identity.Unit{ID: "a1", Parent: "a", Until: "2026-12-31"},
		identity.Unit{ID: "a1", Parent: "b", From: "2027-01-01", Until: "2027-06-30", Successor: "b"}, identity.Unit{ID: "b", Parent: "top"})
	if err != nil {
		t.Fatal(err)
	}
	for pair, want := range map[[2]string]bool{{"a1", "top"}: true, {"a1", "a"}: true, {"a1", "b"}: false, {"a1", "a1"}: true, {"a", "a1"}: false, {"b", "a"}: false, {"x", "top"}: false, {"x", "x"}: true, {"", "top"}: false} {
		if got := u.On("2026-12-31").Under(pair[0], pair[1]); got != want {
			t.Errorf("Under(%v) = %t", pair, got)
		}
	}
	if moved := u.On("2027-01-01"); moved.Under("a1", "a") || !moved.Under("a1", "b") {
		t.Error("a unit that moved lies where it lay")
	}
	if closed := u.On("2027-07-01"); closed.Has("a1") || closed.Current("a1") != "b" || closed.Current("a") != "a" || closed.Current("x") != "x" {
		t.Error("what is left in a closed unit belongs to its successor")
	}
	for name, rows := range map[string][]identity.Unit{
		"below itself": {{ID: "a", Parent: "b"}, {ID: "b", Parent: "a"}}, "no such parent": {{ID: "a", Parent: "nowhere"}}, "twice": {{ID: "a"}, {ID: "a"}},
		"parent closed": {{ID: "p", Until: "2026-12-31"}, {ID: "a", Parent: "p"}}, "ends before it begins": {{ID: "a", From: "2026-02-01", Until: "2026-01-01"}},
		"no such successor": {{ID: "a", Until: "2026-12-31", Successor: "b"}}, "overlap": {{ID: "a", Until: "2026-12-31"}, {ID: "a", From: "2026-12-31"}},
	} {
		if _, err := tree(rows...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestInstantsOfTemplates checks Begins and Ends: HR's dates are days in the
// organisation's time zone, the last day included, and targets require instants.
func TestInstantsOfTemplates(t *testing.T) {
	stockholm, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	v := identity.View{Start: "2026-03-29", End: "2026-10-24", Zone: stockholm}
	for text, want := range map[string]string{"{{.Begins}}": "2026-03-28T23:00:00Z", "{{.Ends}}": "2026-10-24T22:00:00Z"} {
		template, err := identity.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := template.Execute(v); err != nil || got != want {
			t.Errorf("%s is %q, want %q, %v", text, got, want, err)
		}
	}
	v.End = ""
	if v.Ends() != "" {
		t.Errorf("without a last day it ends %s", v.Ends())
	}
}

func TestNameCandidate(t *testing.T) {
	for _, c := range []struct {
		base    string
		n, most int
		want    string
	}{
		{"anna", 1, 0, "anna"}, {"anna", 2, 0, "anna2"}, {"anna", 12, 5, "ann12"}, {"anna@x", 2, 0, "anna2@x"}, {"anna@x", 2, 5, "an2@x"},
		{"åäö𝒳y", 1, 4, "åäö𝒳"}, {"åäö𝒳y", 2, 4, "åäö2"}, {"a", 100, 2, "100"},
	} {
		if got := identity.NameCandidate(c.base, c.n, c.most); got != c.want {
			t.Errorf("candidate %d of %q in %d is %q, want %q", c.n, c.base, c.most, got, c.want)
		}
	}
}

// TestEmploymentEndingBeforeItStartsIsNeverActive checks it for every method that
// depends on a day.
func TestEmploymentEndingBeforeItStartsIsNeverActive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := identity.Date("2026-06-10").AddDays(rapid.IntRange(-20, 20).Draw(t, "start"))
		e := identity.Employment{ID: "e", EmploymentFacts: identity.EmploymentFacts{Start: start, End: start.AddDays(-rapid.IntRange(1, 40).Draw(t, "before")), Terms: []identity.Terms{{}}}}
		day := identity.Date("2026-06-10").AddDays(rapid.IntRange(-60, 60).Draw(t, "day"))
		p := identity.Person{ID: "p", Employments: []identity.Employment{e}}
		_, next := p.NextStart(day)
		_, ended := p.EndedOn(day)
		state := identity.Lifecycle{Prepare: 30}.StageOf(p, day, false).State
		if e.ActiveOn(day) || e.HasStarted(day) || len(p.Active(day)) > 0 || next || ended || state != identity.Known {
			t.Fatalf("%s to %s on %s: active %t, ran %t, next %t, ended %t, %s", e.Start, e.End, day, e.ActiveOn(day), e.HasStarted(day), next, ended, state)
		}
	})
}

func TestANumberInAKeyIsNotShown(t *testing.T) {
	for key, has := range map[string]bool{"198507300013": true, "19850730-0013": true, "850730-0013": true, "8507300013": true, "198507300013-1": true, "E-850730-0013": true, "198507300013E": true, "19850790-0012": true,
		"1004": false, "E5": false, "8507300014": false, "2020-01-01": false, "0123456789ab": false, "123456789012345": false, "": false, "emp 12": false} {
		if got := identity.HasNationalID(key); got != has {
			t.Errorf("%s: %t", key, got)
		}
		if shown := (identity.SourceKey{Source: "hr", Key: key}).String(); has == strings.Contains(shown, key) {
			t.Errorf("%s is shown as %s", key, shown)
		}
	}
}

func TestWhatATemplateTells(t *testing.T) {
	for text, tells := range map[string]bool{"{{.GivenName}}": true, "{{lower (ascii .FamilyName)}}": true, "{{.Email}}": true, "{{.Keys.hr}}": true, "{{.Key}}": true, "{{.Attributes.room}}": true, "{{.Phone}}": true,
		"{{if .Unit}}{{.NationalID}}{{end}}": true, "{{with .PersonFacts}}{{.}}{{end}}": true, "{{printf \"%v\" .}}": true, "{{$x := .}}{{$x.GivenName}}": true, "{{with .Unit}}{{$.Email}}{{end}}": true, "{{.PersonFacts.GivenName}}": true, "{{print $}}": true,
		"{{.Terms}}": true, "{{if .Email}}x{{end}}": true, "{{print (.GivenName)}}": true,
		"{{.Login}}": false, "{{.Account}}@x": false, "{{.JobTitle}}": false, "{{with .Unit}}{{.}}{{end}}": false, "{{.Terms.Unit}}": false, "Employee": false, "u{{last 7 .PersonID}}": false, "{{if .Protected}}x{{end}}": false, "{{.Begins}}": false} {
		template, err := identity.ParseTemplate(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := template.Personal(); got != tells {
			t.Errorf("%s: %t", text, got)
		}
	}
}
