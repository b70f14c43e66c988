package web

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
)

func catalogue() *policy.Catalogue {
	c := &policy.Catalogue{Systems: []policy.System{{ID: "care", Name: "Journalsystemet"}, {ID: "finance", Name: "Ekonomi"}},
		Entitlements: []policy.Entitlement{{ID: "care:record", Name: "Patientjournal", System: "care"}, {ID: "care:keys", Name: "Nyckelskåp", System: "care"}, {ID: "finance:ledger", Name: "Huvudbok", System: "finance"}}}
	c.Sort()
	return c
}

func TestQuestions(t *testing.T) {
	const today = identity.Date("2026-11-30")
	units := &identity.Units{}
	if err := units.Add(identity.Unit{ID: "nsk", Name: "Norra skolan"}); err != nil {
		t.Fatal(err)
	}
	if q := parseQuestion("vilka arbetade i Norra skolan 1 mars", today, catalogue(), units); len(q.Units) != 1 || q.Units[0] != "nsk" || q.From != "2026-03-01" {
		t.Errorf("a unit: %+v", q)
	}
	for text, want := range map[string]struct{ entitlements, systems, rest, from, to string }{
		"vem hade patientjournalen 3 mars?":      {"care:record", "", "", "2026-03-03", "2026-03-03"},
		"who had care:record on 3 March 2025":    {"care:record", "", "", "2025-03-03", "2025-03-03"},
		"Vad hade Sven Engström i mars 2026":     {"", "", "sven engström", "2026-03-01", "2026-03-31"},
		"what did Sven O'Brien have":             {"", "", "sven o'brien", "", ""},
		"vilka har ekonomi idag":                 {"", "finance", "", "2026-11-30", "2026-11-30"},
		"vilka hade huvudboken igår":             {"finance:ledger", "", "", "2026-11-29", "2026-11-29"},
		"nyckelskåp mellan 1 maj och 15 juni":    {"care:keys", "", "", "2026-05-01", "2026-06-15"},
		"finance from 2026-01-01 to 2026-03-31":  {"", "finance", "", "2026-01-01", "2026-03-31"},
		"hade Anna huvudboken den 24 december":   {"finance:ledger", "", "anna", "2025-12-24", "2025-12-24"},
		"Anna 29 februari":                       {"", "", "anna", "2024-02-29", "2024-02-29"},
		"Anna 31/10 2026":                        {"", "", "anna", "2026-10-31", "2026-10-31"},
		"ekonomi i oktober":                      {"", "finance", "", "2026-10-01", "2026-10-31"},
		"ekonomi 2025":                           {"", "finance", "", "2025-01-01", "2025-12-31"},
		"ekonomi senaste veckan":                 {"", "finance", "", "2026-11-23", "2026-11-30"},
		"hade Tove Ström patientjournal 3 mars":  {"care:record", "", "tove ström", "2026-03-03", "2026-03-03"},
		"who had the main ledger":                {"finance:ledger", "", "main", "", ""},
		"vem har huvudbok sedan 1 mars":          {"finance:ledger", "", "", "2026-03-01", "2026-11-30"},
		"vem hade huvudboken i tisdags":          {"finance:ledger", "", "tisdags", "", ""},
		"varför har Anna ekonomi":                {"", "finance", "varför anna", "", ""},
		"ekonomi 3 mars 2030":                    {"", "finance", "", "", ""},
		"ekonomi 31 februari":                    {"", "finance", "", "", ""},
		"":                                       {},
		"Maja Augustsson":                        {"", "", "maja augustsson", "", ""},
		"Who had the Journalsystemet at 2026-03": {"", "care", "", "2026-03-01", "2026-03-31"},
	} {
		q := parseQuestion(text, today, catalogue(), units)
		var entitlements []string
		for _, e := range q.Entitlements {
			entitlements = append(entitlements, string(e))
		}
		if strings.Join(entitlements, " ") != want.entitlements || strings.Join(q.Systems, " ") != want.systems || q.Rest != want.rest || string(q.From) != want.from || string(q.To) != want.to {
			t.Errorf("%q: %+v, want %+v", text, q, want)
		}
	}
}

// TestAWholeNameWins: what the whole of a name is asked for is meant, whatever else has one of
// its words.
func TestAWholeNameWins(t *testing.T) {
	c := &policy.Catalogue{Systems: []policy.System{{ID: "school", Name: "School administration"}, {ID: "pupilhealth", Name: "Pupil health"}},
		Entitlements: []policy.Entitlement{{ID: "school:register", Name: "Pupil register", System: "school"}, {ID: "pupilhealth:read", Name: "Read health records", System: "pupilhealth"}, {ID: "library:register", Name: "Borrowers' register", System: "library"}}}
	c.Sort()
	for text, want := range map[string]string{"who had the pupil register on 3 March": "school:register", "pupil health": "pupilhealth", "school": "school", "health records": "pupilhealth:read"} {
		q := parseQuestion(text, "2026-11-30", c, &identity.Units{})
		var got []string
		for _, e := range q.Entitlements {
			got = append(got, string(e))
		}
		if got = append(got, q.Systems...); len(got) != 1 || got[0] != want || q.Rest != "" {
			t.Errorf("%q: %+v, want %s", text, q, want)
		}
	}
	if q := parseQuestion("register", "2026-11-30", c, &identity.Units{}); len(q.Entitlements) != 2 {
		t.Errorf("which register: %+v", q)
	}
	for _, text := range []string{"school 31 February 2026", "school 2026-02-30", "school 3 March 2030"} {
		if q := parseQuestion(text, "2026-11-30", c, &identity.Units{}); len(q.Wrong) != 1 || q.From != "" {
			t.Errorf("%q: %+v", text, q)
		}
	}
}

// FuzzQuestion: whatever is asked, the time is one that exists, and begins before it ends.
func FuzzQuestion(f *testing.F) {
	for _, text := range []string{"vem hade journalen 3 mars", "who had care:record between 1 May and 2 June 2020", "99/99 0000-00-00 31 feb", "i dag i går 2026-11 \xff\x00"} {
		f.Add(text)
	}
	c := catalogue()
	f.Fuzz(func(t *testing.T, text string) {
		q := parseQuestion(text, "2026-11-30", c, &identity.Units{})
		if (q.From == "") != (q.To == "") || q.From != "" && (!isDate(q.From) || !isDate(q.To) || q.To < q.From) {
			t.Errorf("%q: from %q to %q", text, q.From, q.To)
		}
	})
}

func TestCellsAreText(t *testing.T) {
	for cell, want := range map[string]string{"=1+1": "'=1+1", "+46": "'+46", "-": "'-", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "Anna": "Anna", "": "", "a=b": "a=b"} {
		if got := asText(cell); got != want {
			t.Errorf("%q: %q", cell, got)
		}
	}
}
