package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/testenv/office"
)

// approvingHouse is a house whose rules need approval, with a version in force.
func approvingHouse(t *testing.T) *house {
	h := newHouse(t, map[string]string{"behov.yaml": "rules: {approval: true}\n"})
	digest := h.Config.Rules.Digest
	d, err := h.Governance().ProposeRules(t.Context(), h.Engine, h.By("operator"), "the first version")
	if err != nil || string(d.Subject) != digest {
		t.Fatal(d, err)
	}
	if _, err := h.Governance().DecideRules(t.Context(), digest, "approve", h.By("administrator"), "as it should be"); err != nil {
		t.Fatal(err)
	}
	h.Apply()
	return h
}

// edited has the files say other rules than are in force.
func (h *house) edited(t *testing.T, text string) string {
	c, problems := config.LoadInstead(h.Config.Dir, config.Instead{Policy: &config.NewFile{Name: "policy.csv", Content: []byte(text)}})
	if c == nil {
		t.Fatal(problems)
	}
	h.Config.InDirectory = c
	return c.Rules.Digest
}

const editedPolicy = "p, everyone, true, base:staff, allow, everybody\np, clerks, r.sub.job_code == 'CLK', lib:library, allow, <b>clerks</b> lend\n"

// TestApprovingRules: on the page who proposes rules sees that another person decides, others see
// how they differ, try them and approve or reject them; who may not does not.
func TestApprovingRules(t *testing.T) {
	h := approvingHouse(t)
	const page = "/administration/rules"
	operator, administrator, auditor := h.as("operator", "en"), h.as("administrator", "en"), h.as("auditor", "sv")
	administrator.get(page, 200, "The version in use was approved by Given Familyadministrator : As it should be.", "No version waits.", "NOT Propose")
	digest := h.edited(t, editedPolicy)
	administrator.get(page, 200, "which no one has proposed", "<b>clerks</b> lend", "Propose …")
	auditor.get(page, 200, "som ingen har föreslagit", "NOT Föreslå")
	h.as("staff", "en").get(page, http.StatusForbidden)
	auditor.get(page+"/propose", http.StatusConflict)
	auditor.send(page+"/propose", url.Values{"reason": {"r"}}, http.StatusConflict)
	operator.get(page+"/propose", 200, "Propose the rules in the directory?")
	operator.send(page+"/propose", url.Values{"reason": {"ticket 4711"}}, 200, "waits for approval", "Proposed by Given Familyoperator", "Ticket 4711.", "You proposed it: another person decides.", "NOT Approve …")
	at := page + "/waiting/" + digest
	operator.get(at+"/approve", 200)
	operator.send(at+"/approve", url.Values{"reason": {"r"}}, http.StatusConflict)
	auditor.get(page, 200, "väntar på godkännande", "NOT Godkänn …")
	auditor.get(at+"/approve", http.StatusConflict)
	auditor.send(at+"/reject", url.Values{"reason": {"r"}}, http.StatusConflict)
	administrator.get(page+"/waiting/0123456789abcdef/approve", http.StatusNotFound)
	status, text, tried := administrator.ask(http.MethodPost, at+"/try", url.Values{})
	for deadline := time.Now().Add(20 * time.Second); strings.Contains(text, "data-reload"); status, text, _ = administrator.ask(http.MethodGet, tried, nil) {
		if time.Now().After(deadline) {
			t.Fatal("it is never worked out")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if status != http.StatusOK || !strings.Contains(textOf(text), "Anna Staff") {
		t.Errorf("%d %s", status, textOf(text))
	}
	h.as("staff", "en").send(at+"/try", url.Values{}, http.StatusForbidden)
	// Edited again, it is still exactly what was proposed that is approved.
	h.edited(t, editedPolicy+"p, more, true, lib:library, allow, x\n")
	administrator.get(page, 200, "The files say something else by now.", "Approve …")
	administrator.get(at+"/approve", 200, "Approve version "+digest[:12]+" of the rules?", "What 1 person has changes: 0 begin and 1 end")
	administrator.send(at+"/approve", url.Values{"reason": {"looked at it"}}, 200)
	approved, _, err := h.DB.ApprovedRules(t.Context())
	if err != nil || string(approved.Subject) != digest {
		t.Errorf("%+v, %v", approved, err)
	}
	administrator.send(at+"/reject", url.Values{"reason": {"r"}}, http.StatusConflict)
}

// TestSuggestionsPage: who sees everyone sees the line that would give what many have.
func TestSuggestionsPage(t *testing.T) {
	h := newHouse(t, nil)
	var rows, moved strings.Builder
	for _, b := range []*strings.Builder{&rows, &moved} {
		b.WriteString(office.Header)
	}
	for _, n := range []string{"1", "2", "3", "4"} {
		rows.WriteString("c" + n + ",C" + n + ",Given,<i>Clerk" + n + ",office,LIB,,,2020-01-01,,no\n")
		moved.WriteString("c" + n + ",C" + n + ",Given,<i>Clerk" + n + ",office,CLK,,,2020-01-01,,no\n")
	}
	h.Import(rows.String())
	h.Apply()
	h.Import(moved.String())
	h.as("auditor", "en").get("/administration/rules/suggestions", 200, "4 of 4 people with job CLK have it", `r.sub.job_code == 'CLK'`, "A review would ask 4 questions less. It would be given to no one else.", "NOT <i>Clerk")
	h.as("staff", "en").get("/administration/rules/suggestions", http.StatusForbidden)
}

// TestCasesOnAPage: who sees everyone sees which cases beside the rules pass, which do not, and
// what cannot be read; others do not.
func TestCasesOnAPage(t *testing.T) {
	h := newHouse(t, map[string]string{"tests.yaml": "cases:\n  - {case: a librarian, date: 2026-11-30, employments: [{unit: office, job_code: LIB}], has: [\"base:staff\", \"lib:library\"]}\n  - {case: anyone, date: 2026-11-30, employments: [{unit: office}], has: [\"base:staff\", \"lib:library\"]}\n  - {case: a known one, date: 2026-11-30, person: staff, has: [\"base:staff\", \"lib:library\"]}\n  - {case: no one, hates: [x]}\n"})
	h.Apply()
	h.as("auditor", "en").get("/administration/rules", 200, "Tests of the rules")
	h.as("auditor", "en").get("/administration/rules/test", 200, "1 fails", "2 pass", "tests.yaml:5", "is not given, and should be given")
	h.as("auditor", "sv").get("/administration/rules/test", 200, "1 stämmer inte", "är inte given, och ska vara given")
	h.as("staff", "en").get("/administration/rules/test", http.StatusForbidden)
}
