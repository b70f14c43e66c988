package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/testenv/office"
)

// TestReportsOnPages: HR staff report an ending and a hire, see what waits, and take a report
// back; nothing that was entered is lost when a field cannot be as it is.
func TestReportsOnPages(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	staff := h.Person("staff")
	at := "/hr/report?person=" + string(staff.ID)
	employment := string(staff.Employments[0].ID)
	for _, key := range []string{"owner", "stranger", "auditor", "officer", "manager"} {
		v := h.as(key, "en")
		v.get("/hr/report", http.StatusConflict, "That was not possible")
		v.get("/", 200, "NOT Report an ending or a hire")
		status, _, _ := v.ask(http.MethodPost, at, url.Values{"form": {"end"}, "employment": {employment}, "last_day": {"2026-11-29"}, "reason": {"x"}})
		if status == http.StatusOK {
			t.Errorf("%s reports", key)
		}
	}
	v := h.as("personnel", "en")
	v.get("/", 200, "Report an ending or a hire …")
	v.get("/people/"+string(staff.ID), 200, "End an employment now …")
	v.get("/people/"+string(h.Person("gone").ID), 200, "NOT End an employment now …")
	v.get("/people/"+string(h.Person("personnel").ID), 200, "NOT End an employment now …")
	v.get("/hr/report", 200, "Whose employment ends?", "No report is waiting.")
	v.send("/hr/report", url.Values{"form": {"search"}, "q": {"anna"}}, 200, "Anna Staff")
	page := v.get(at, 200, "Anna Staff", "Librarian, The office", "from 1 January 2020")
	if !strings.Contains(page, `value="2026-11-30"`) {
		t.Error("today is not the last day that is proposed")
	}
	page = v.send(at, url.Values{"form": {"end"}, "employment": {employment}, "last_day": {"2019-02-03"}, "reason": {"left in anger"}}, http.StatusUnprocessableEntity,
		"Nothing is reported yet.", "Last day : The day is too early: give 2019-12-31 or later.", "left in anger")
	demandErrors(t, page, "end-last_day")
	for _, kept := range []string{`value="2019-02-03"`, `value="` + employment + `" checked`} {
		if !strings.Contains(page, kept) {
			t.Errorf("%s is lost", kept)
		}
	}
	demandErrors(t, v.send(at, url.Values{"form": {"end"}, "employment": {employment}}, http.StatusUnprocessableEntity), "end-last_day", "end-reason")
	v.send(at, url.Values{"form": {"end"}, "employment": {"x"}, "last_day": {"2026-11-29"}, "reason": {"x"}}, http.StatusConflict, "It is no employment of")
	v.send(at, url.Values{"form": {"end"}, "employment": {employment}, "last_day": {"2026-11-29"}, "reason": {"left in anger"}}, 200, "End of an employment reported", "ended on 2026-11-29, as was reported", "NOT End an employment now …")
	v.get(at, 200, "No employment of this person can end")
	v.get("/hr/report", 200, "ends on 29 November 2026", "left in anger", "has not said it yet")
	v.get("/", 200, "NOT not confirmed")
	h.Time = h.Time.Add(-20 * 24 * time.Hour)
	if _, err := h.Governance().ReportEnd(t.Context(), h.Person("deputy"), h.Person("deputy").Employments[0].ID, "2026-11-09", h.By("operator"), "long ago"); err != nil {
		t.Fatal(err)
	}
	h.Time = h.Time.Add(20 * 24 * time.Hour)
	v = h.as("personnel", "sv")
	v.get("/", 200, "inte bekräftad", "Given Familydeputy: slutar 9 november 2026", "NOT Anna Staff: slutar")
	h.as("auditor", "sv").get("/", 200, "NOT inte bekräftad")
	// HR states a day of its own, which has not come: that is not told in silence.
	h.Import(office.Header + "deputy,E-deputy,Given,Familydeputy,office,,,,2020-01-01,2026-12-31,no\n")
	v.get("/", 200, "HR-systemet säger annat", "Given Familydeputy: den anmälda sista dagen var 2026-11-09; HR-systemet säger att anställningen slutar 2026-12-31", "NOT inte bekräftad")
	v.get("/hr/report", 200, "Där HR-systemet säger annat")
	back := "/people/" + string(staff.ID) + "/take-back?employment=" + employment
	v.get(back, 200, "Ta tillbaka anmälan om Anna Staff?")
	v.send(back, url.Values{"reason": {" "}}, http.StatusConflict)
	v.send(back, url.Values{"reason": {"ett misstag"}}, 200, "Anmälan tillbakatagen.", "Avsluta en anställning nu …")
	v.send(back, url.Values{"reason": {"ett misstag"}}, http.StatusConflict, "Det finns ingen anmälan")
}

// demandErrors demands that exactly these fields have an error, each beside it.
func demandErrors(t *testing.T, page string, fields ...string) {
	t.Helper()
	invalid := regexp.MustCompile(`aria-invalid="true"`).FindAllString(page, -1)
	if len(invalid) != len(fields) {
		t.Errorf("%d fields are wrong, want %v", len(invalid), fields)
	}
	for _, f := range fields {
		if !strings.Contains(page, `id="`+f+`-error"`) || !strings.Contains(page, `href="#`+f+`"`) {
			t.Errorf("%s has no error beside it and above", f)
		}
	}
}

// TestAHireOnPages: a late hire becomes a person, by an address of the manager, too.
func TestAHireOnPages(t *testing.T) {
	h := newHouse(t, nil)
	v := h.as("personnel", "en")
	whole := url.Values{"form": {"hire"}, "given_name": {"Nya"}, "family_name": {"Vikarien"}, "national_id": {"900102-1113"}, "unit": {"hideout"}, "job_title": {"Temp"}, "job_code": {"LIB"}, "percent": {"75,5 %"}, "first_day": {"2026-11-30"}, "last_day": {"2026-12-31"}, "manager": {"manager"}, "reason": {"HR is away"}}
	demandErrors(t, v.send("/hr/report", url.Values{"form": {"hire"}}, http.StatusUnprocessableEntity), "hire-given_name", "hire-family_name", "hire-unit", "hire-job_title", "hire-first_day", "hire-reason")
	wrong := url.Values{}
	for field, value := range whole {
		wrong[field] = value
	}
	wrong["national_id"], wrong["manager"] = []string{"900102-1114"}, []string{"no one"}
	page := v.send("/hr/report", wrong, http.StatusUnprocessableEntity, "no personal identity or coordination number", "HR is away")
	demandErrors(t, page, "hire-national_id", "hire-manager")
	for _, kept := range []string{"Nya", "Vikarien", "900102-1114", "Temp", "LIB", "75,5 %", "2026-11-30", "2026-12-31", "no one"} {
		if !strings.Contains(page, `value="`+kept+`"`) {
			t.Errorf("%s is lost", kept)
		}
	}
	if !strings.Contains(page, `<option value="hideout" selected>`) {
		t.Error("the unit is lost")
	}
	text := textOf(v.send("/hr/report", whole, 200, "Hire reported before the HR system has it.", "Nya Vikarien", "Temp, The hideout, 75.5%"))
	if strings.Contains(text, "1113") {
		t.Errorf("the number is shown: %s", text)
	}
	v.get("/hr/report", 200, "Nya Vikarien", "hired from 30 November 2026", "HR is away")
	h.Import(strings.Replace(office.Header, "protected", "protected,national_id", 1) + "new,E77,Nya,Vikarien,hideout,LIB,Temp,manager,2026-11-30,,no,19900102-1113\n")
	v.get("/hr/report", 200, "No report is waiting.", "NOT Nya Vikarien")
}
