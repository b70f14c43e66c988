package wording_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"text/template/parse"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/wording"
)

func printer(t *testing.T, l wording.Language, at wording.Place, person func(identity.PersonID) string) *wording.Printer {
	t.Helper()
	p, err := wording.New(wording.Reader{Language: l, Place: at, Zone: time.UTC, Person: person})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// sentences returns the forms of each sentence of a language: "other", and "one" for
// those with a number. Beside are the texts that go with them, by section: titles and hints.
func sentences(t *testing.T, l wording.Language) (forms map[string]map[string]string, beside map[string]map[string]map[string]string) {
	t.Helper()
	text, err := os.ReadFile(string(l) + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]any
	if err := yaml.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	beside = map[string]map[string]map[string]string{}
	for _, section := range []string{"shell", "title", "mail"} {
		of, _ := all[section].(map[string]any)
		beside[section] = formsOf(t, of)
		delete(all, section)
	}
	delete(all, "term") // see TestDecisionsHaveWords
	if text, err = os.ReadFile("pages." + string(l) + ".yaml"); err != nil {
		t.Fatal(err)
	}
	var pages map[string]any
	if err := yaml.Unmarshal(text, &pages); err != nil {
		t.Fatal(err)
	}
	of, _ := pages["page"].(map[string]any) // the pages' own texts: package web tests them
	beside["page"] = formsOf(t, of)
	return formsOf(t, all), beside
}

func formsOf(t *testing.T, all map[string]any) map[string]map[string]string {
	t.Helper()
	forms := map[string]map[string]string{}
	for id, v := range all {
		forms[id] = map[string]string{}
		switch v := v.(type) {
		case string:
			forms[id]["other"] = v
		case map[string]any:
			for form, s := range v {
				forms[id][form], _ = s.(string)
			}
		default:
			t.Fatalf("%s is %T", id, v)
		}
	}
	return forms
}

// parametersOf returns the names of a kind's parameters.
func parametersOf(k reflect.Type) (names []string) {
	for i := range k.NumField() {
		f := k.Field(i)
		if f.Anonymous {
			names = append(names, parametersOf(f.Type)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
	}
	if slices.Contains(names, "of") && slices.Contains(names, "verdict") {
		names = slices.DeleteFunc(names, func(name string) bool { return name == "of" || name == "verdict" })
		names = append(names, "what") // in words
	}
	return names
}

// fieldsOf returns the parameters that a sentence uses.
func fieldsOf(t *testing.T, sentence string) (names []string) {
	t.Helper()
	parsed, err := template.New("").Parse(sentence)
	if err != nil {
		t.Errorf("%s: %v", sentence, err)
		return nil
	}
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
			if v.IsNil() {
				return
			}
			if f, ok := v.Interface().(*parse.FieldNode); ok {
				names = append(names, f.Ident...)
				return
			}
			v = v.Elem()
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i))
				}
			}
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i))
			}
		}
	}
	walk(reflect.ValueOf(parsed.Root))
	return names
}

// TestEveryCodeHasASentence checks that each code has a sentence in each language, that a
// sentence uses no parameter that the code lacks, and in both languages the same ones.
func TestEveryCodeHasASentence(t *testing.T) {
	used := map[wording.Language]map[string][]string{}
	besideIn := map[wording.Language][]string{}
	for _, l := range wording.Languages {
		forms, beside := sentences(t, l)
		used[l] = map[string][]string{}
		for code, k := range reason.All() {
			id := string(code)
			parameters := parametersOf(reflect.TypeOf(k))
			if forms[id]["other"] == "" {
				t.Errorf("%s: %s has no sentence", l, id)
				continue
			}
			counted := slices.Contains(parameters, "count")
			if one := forms[id]["one"] != ""; one != counted {
				t.Errorf("%s: %s has a number: %t, and a form for one: %t", l, id, counted, one)
			}
			for _, form := range []map[string]string{forms[id], beside["shell"][id], beside["title"][id], beside["mail"][id], beside["page"][id]} {
				for _, sentence := range form {
					for _, field := range fieldsOf(t, sentence) {
						if used[l][id] = append(used[l][id], field); !slices.Contains(parameters, field) {
							t.Errorf("%s: the sentence of %s uses %s, which the code does not have", l, id, field)
						}
					}
				}
			}
			for _, parameter := range parameters {
				if !slices.Contains(used[l][id], parameter) {
					t.Errorf("%s: the sentence of %s does not use %s", l, id, parameter)
				}
			}
			delete(forms, id)
		}
		for _, likeness := range []reason.Likeness{reason.SameNationalID, reason.SameEmail, reason.SameName, reason.SameNameAndBirth} {
			if forms[string(likeness)]["other"] == "" {
				t.Errorf("%s: %s has no text", l, likeness)
			}
			delete(forms, string(likeness))
		}
		delete(forms, "or")
		delete(forms, "warning")
		for id := range forms {
			t.Errorf("%s: %s is the code of nothing", l, id)
		}
		for section, of := range beside {
			for id := range of {
				besideIn[l] = append(besideIn[l], section+"."+id)
				if _, known := reason.All()[reason.Code(id)]; !known {
					t.Errorf("%s: %s.%s is the code of nothing", l, section, id)
				}
			}
		}
		slices.Sort(besideIn[l])
		for id := range beside["mail"] {
			if beside["title"][id] == nil {
				t.Errorf("%s: the alert %s has no title", l, id)
			}
		}
	}
	if !slices.Equal(besideIn[wording.English], besideIn[wording.Swedish]) {
		t.Errorf("titles and hints in English: %v, in Swedish: %v", besideIn[wording.English], besideIn[wording.Swedish])
	}
	english, _ := sentences(t, wording.English)
	swedish, _ := sentences(t, wording.Swedish)
	for id, forms := range english {
		for form := range forms {
			if swedish[id][form] == "" {
				t.Errorf("%s has the form %s in English only", id, form)
			}
			if form == "other" && len(strings.Fields(forms[form])) > 3 && forms[form] == swedish[id][form] {
				t.Errorf("%s is the same in both languages", id)
			}
		}
	}
}

// TestEverySentenceIsWritten writes the sentence of each kind without parameters.
func TestEverySentenceIsWritten(t *testing.T) {
	for _, l := range wording.Languages {
		p := printer(t, l, wording.Shell, nil)
		for code, k := range reason.All() {
			text := p.Reason(reason.Of(k))
			if strings.Contains(text, "<no value>") || strings.Contains(text, "{{") && code != "name-exposed" {
				t.Errorf("%s: %s: %s", l, code, text)
			}
		}
	}
}

func TestSentences(t *testing.T) {
	rule := reason.Of(reason.Rule{Rule: "library-staff", Version: "3", Place: "policy.csv:12", Via: "librarian", Why: "lends books"})
	anna := identity.PersonID("0197d2f0-0000-7000-8000-000000000001")
	for _, test := range []struct {
		reason           reason.Reason
		english, swedish string
	}{
		{rule, "rule library-staff@3 (policy.csv:12) through librarian: lends books", "regel library-staff@3 (policy.csv:12) genom librarian: lends books"},
		{
			reason.Of(reason.NeededFor{Entitlement: "koha", Because: reason.Join(rule, reason.Of(reason.Ready{}))}),
			"needed for koha: rule library-staff@3 (policy.csv:12) through librarian: lends books; it no longer waits",
			"behövs för koha: regel library-staff@3 (policy.csv:12) genom librarian: lends books; den väntar inte längre",
		},
		{reason.Of(reason.Suspended{Decision: 4, Maker: identity.PersonActor(anna)}), "suspended by decision 4 by Anna Berg", "avstängd genom beslut 4 av Anna Berg"},
		{reason.Of(reason.Reenables{Count: 1}), "the account of 1 person was disabled in the target, not by behov, and would be enabled: ask why it was disabled, then release it: behov enable, or behov hold release",
			"kontot för 1 person inaktiverades i målsystemet, inte av behov, och skulle aktiveras: fråga varför det inaktiverades, och släpp det sedan: behov enable, eller behov hold release"},
		{reason.Of(reason.ExportTruncated{Count: 1, People: reason.People{People: []identity.PersonID{anna, anna}, More: 1}}),
			"1 active employment is not in the file, and neither is the row of totals with which the last one ended, so that it may be cut off: it was not ended, and the rest was imported; export it again, or release it to end it (Anna Berg, Anna Berg and 1 more)",
			"1 pågående anställning finns inte i filen, och inte heller den summarad som den förra slutade med, så den kan vara avklippt: den avslutades inte, och resten lästes in; exportera igen, eller släpp spärren för att avsluta den (Anna Berg, Anna Berg och 1 till)"},
		{reason.Of(reason.ClosesFormer{Count: 2}), "accounts that were there before behov are those of 2 people who need none here any more, and would be closed",
			"konton som fanns före behov tillhör 2 personer som inte behöver något här längre, och skulle stängas"},
		{reason.Of(reason.RecordHeld{Person: anna, Other: anna, Columns: []string{"phone", "unit"}}),
			"the record may be that of Anna Berg, whose phone, unit joining them would change: decide whether Anna Berg is the same person: behov people merge " + string(anna) + " " + string(anna) + ", or behov people apart " + string(anna) + " " + string(anna),
			"posten kan gälla Anna Berg, vars phone, unit skulle ändras om de slogs ihop: besluta om Anna Berg är samma person: behov people merge " + string(anna) + " " + string(anna) + ", eller behov people apart " + string(anna) + " " + string(anna)},
		{reason.Of(reason.StepRetried{Count: 2, Last: reason.Of(reason.Answer{Text: "busy"}), Again: time.Date(2026, 11, 30, 9, 5, 0, 0, time.UTC)}),
			"it failed 2 times, last with: busy; it is tried again at 2026-11-30 09:05", "det misslyckades 2 gånger, senast med: busy; nytt försök 2026-11-30 09:05"},
		{reason.Of(reason.NotAllowed{Action: "target.pause", Roles: reason.AnyOf{"operator", "owner", "administrator"}}),
			"not allowed (target.pause): it requires the role operator, owner or administrator: behov rights lists who may do what, and rights.csv assigns roles",
			"inte tillåtet (target.pause): det kräver rollen operator, owner eller administrator: behov rights visar vem som får vad, och rights.csv tilldelar roller"},
		{reason.Reason{}, "", ""},
	} {
		name := func(identity.PersonID) string { return "Anna Berg" }
		if got := printer(t, wording.English, wording.Shell, name).Reason(test.reason); got != test.english {
			t.Errorf("got:\n%s\nwant:\n%s", got, test.english)
		}
		if got := printer(t, wording.Swedish, wording.Shell, name).Reason(test.reason); got != test.swedish {
			t.Errorf("got:\n%s\nwant:\n%s", got, test.swedish)
		}
	}
}

// TestTheWordsOfADecision: what a maker wrote stands beside the maker, for those who may
// read it.
func TestTheWordsOfADecision(t *testing.T) {
	p, err := wording.New(wording.Reader{Language: wording.English, Decision: func(seq int64) string {
		return map[int64]string{4: "no longer in the project"}[seq]
	}})
	if err != nil {
		t.Fatal(err)
	}
	for seq, want := range map[int64]string{4: "revoked by decision 4 by person p: no longer in the project", 5: "revoked by decision 5 by person p"} {
		if got := p.Reason(reason.Of(reason.Revoked{Decision: seq, Maker: identity.PersonActor("p")})); got != want {
			t.Error(got)
		}
	}
}

// TestDecisionsHaveWords: every kind and verdict that the store has stands in the sentences,
// in both languages; one of a later version is shown as it is.
func TestDecisionsHaveWords(t *testing.T) {
	var declared [][]string
	sources, _ := filepath.Glob("../store/*.go")
	for _, file := range sources {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		declared = append(declared, regexp.MustCompile(`(?m)^(?:const |\t)\w+ +(DecisionKind|Verdict) *= "([a-z-]+)"`).FindAllStringSubmatch(string(text), -1)...)
	}
	for _, l := range wording.Languages {
		content, err := os.ReadFile(string(l) + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var all struct {
			Term struct{ Decided map[string]map[string]string }
		}
		if err := yaml.Unmarshal(content, &all); err != nil {
			t.Fatal(err)
		}
		p, seen := printer(t, l, wording.Plain, nil), map[string]bool{}
		for of, verdicts := range all.Term.Decided {
			seen["DecisionKind "+of] = true
			for verdict, words := range verdicts {
				seen["Verdict "+verdict] = true
				if got := p.Reason(reason.Of(reason.Decided{Of: of, Verdict: verdict})); got != words || words == "" {
					t.Errorf("%s: %s %s: %q", l, of, verdict, got)
				}
			}
		}
		for _, d := range declared {
			if !seen[d[1]+" "+d[2]] {
				t.Errorf("%s: %s %s has no words", l, d[1], d[2])
			}
		}
		if got := p.Reason(reason.Of(reason.Decided{Of: "weather", Verdict: "rain"})); got != "weather rain" {
			t.Error(got)
		}
	}
	if len(declared) < 30 {
		t.Errorf("only %d kinds and verdicts are found in the code", len(declared))
	}
}

// TestAReasonOfALaterVersion is shown as it is, and not lost.
func TestAReasonOfALaterVersion(t *testing.T) {
	var r reason.Reason
	if err := r.Scan(`{"code":"from-tomorrow","rule":"x"}`); err != nil {
		t.Fatal(err)
	}
	if got := printer(t, wording.English, wording.Plain, nil).Reason(r); got != `{"code":"from-tomorrow","rule":"x"}` {
		t.Error(got)
	}
}

func BenchmarkReason(b *testing.B) {
	r := reason.Of(reason.NeededFor{Entitlement: "koha", Because: reason.Of(reason.Rule{Rule: "library-staff", Version: "3", Place: "policy.csv:12"})})
	b.Run("first", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			p, err := wording.New(wording.Reader{Language: wording.English, Zone: time.UTC})
			if err != nil {
				b.Fatal(err)
			}
			p.Reason(r)
		}
	})
	b.Run("different", func(b *testing.B) {
		p, err := wording.New(wording.Reader{Language: wording.English, Zone: time.UTC})
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; b.Loop(); n++ {
			p.Reason(reason.Of(reason.ClosesFormer{Count: n}))
		}
	})
	b.Run("again", func(b *testing.B) {
		p, err := wording.New(wording.Reader{Language: wording.English, Zone: time.UTC})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			p.Reason(r)
		}
	})
}
