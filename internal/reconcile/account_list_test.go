package reconcile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// TestListOfAccounts: what the owner uploads is what the target holds.
func TestListOfAccounts(t *testing.T) {
	h := newPayroll(t, "")
	h.says("1 library CLERK", "2 library CLERK")
	h.runs()
	h.confirms("")
	h.runs()
	names := map[string]string{}
	if err := h.DB.AccountList("pay").Each(t.Context(), func(a connectors.Account) error { names[a.Anchor] = a.Name; return nil }, func(string, string) error { return nil }); err != nil {
		t.Fatal(err)
	}
	anna, bo := names[string(h.person("1").ID)], names[string(h.person("2").ID)]
	if anna == "" || bo == "" {
		t.Fatal(names)
	}
	// A faulty list has one error, at its place, and changes nothing.
	for text, want := range map[string]string{
		"":                             "unreadable 0:0",
		"account\n":                    "empty 0:0",
		"login,entitlement\nx,clerk\n": "no-account-column 1:0",
		"account,entitlement,colour\nx,clerk,red\n":             "unknown-column 1:0",
		"account,enabled,enabled\nx,,\n":                        "column-twice 1:0",
		"account,entitlement\nx,clerk\n,clerk\n":                "account-missing 3:1",
		"account;entitlement\nx;clerk\nX;clerk\n":               "row-twice 3:1",
		"account,enabled\nx,perhaps\n":                          "enabled-unclear 2:3",
		"account,entitlement,enabled\nx,clerk,no\nx,boss,yes\n": "enabled-differs 3:8",
		"account,entitlement\nx,\"clerk\n":                      "unreadable",
	} {
		err := h.upload(text)
		var refused *reason.Refusal
		if !errors.As(err, &refused) {
			t.Errorf("%q: %v", text, err)
			continue
		}
		kind, _ := refused.Reason.Kind()
		fault, is := kind.(reason.ListFault)
		if got := fmt.Sprintf("%s %d:%d", fault.Fault, fault.Line, fault.Column); !is || !strings.HasPrefix(got, want) || fault.File != "pay.csv" {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	if got := h.has("1"); got != "account pay:clerk" {
		t.Errorf("after faulty lists she has %q", got)
	}
	// Anna has more than behov gave, Bo is not in it, and one is nobody's.
	if err := h.upload("account;entitlement;enabled\n" + strings.ToUpper(anna) + ";clerk;ja\n" + anna + ";boss;ja\nadmin;boss;\n"); err != nil {
		t.Fatal(err)
	}
	r := h.runs()
	kinds := map[plan.FindingKind]int{}
	for _, f := range r.Plan.Findings {
		kinds[f.Kind]++
	}
	if kinds[plan.Orphan] != 1 || kinds[plan.Drift] != 1 || kinds[plan.Vanished] != 1 {
		t.Errorf("the findings are %v", r.Plan.Findings)
	}
	if got := h.has("1"); got != "account pay:boss pay:clerk" {
		t.Errorf("as the list says she has %q", got)
	}
	// What was ordered and is in the list is done.
	h.says("1 school CLERK", "2 library CLERK")
	h.runs()
	if err := h.upload("account,entitlement\n" + anna + ",clerk\n" + anna + ",school\n" + bo + ",clerk\n"); err != nil {
		t.Fatal(err)
	}
	h.runs()
	h.wantOrders("in the list", store.OrderWaiting)
	if got := h.has("1"); got != "account pay:clerk pay:school" {
		t.Errorf("as the second list says she has %q", got)
	}
	intervals, err := h.DB.Intervals(t.Context(), store.IntervalQuery{Person: h.person("1").ID, Entitlement: "pay:school"})
	if err != nil || len(intervals) != 1 || !intervals[0].Given {
		t.Errorf("%+v, %v", intervals, err)
	}
	h.verify()
}

// TestListCutShort: a list that lacks much of what is known is refused, and takes nothing
// from anyone until a person says that it is right.
func TestListCutShort(t *testing.T) {
	h := newPayroll(t, "hold_above: {disables: {number: 2}}, ")
	var rows []string
	for key := 10; key < 30; key++ {
		rows = append(rows, fmt.Sprintf("%d library CLERK", key))
	}
	h.says(rows...)
	h.runs()
	h.confirms("")
	h.runs()
	var text strings.Builder
	text.WriteString("account,entitlement\n")
	n := 0
	if err := h.DB.AccountList("pay").Each(t.Context(), func(a connectors.Account) error {
		if n++; n <= 17 {
			text.WriteString(a.Name + ",clerk\n")
		}
		return nil
	}, func(string, string) error { return nil }); err != nil || n != 20 {
		t.Fatal(n, err)
	}
	if err := h.upload(text.String()); !isRefusal(err, "list-shrank") {
		t.Errorf("a list without three of twenty: %v", err)
	}
	h.runs()
	if got := h.has("12"); got != "account pay:clerk" {
		t.Errorf("after it was refused: %q", got)
	}
	if _, _, err := h.decides().UploadList(t.Context(), "pay", governance.AccountFile{Name: "pay.csv", Content: []byte(text.String()), Shrunk: true}, h.as("4"), "three were removed"); err != nil {
		t.Fatal(err)
	}
	r := h.runs()
	n = 0
	for _, f := range r.Plan.Findings {
		if f.Kind == plan.Vanished {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d accounts vanished", n)
	}
}

// TestListOfAnEarlierDay: what was confirmed to be made after the day of a list is in it.
func TestListOfAnEarlierDay(t *testing.T) {
	h := newPayroll(t, "")
	h.says("1 library CLERK")
	h.runs()
	h.time = h.time.AddDate(0, 0, 3)
	h.confirms("2026-03-04")
	_, _, err := h.decides().UploadList(t.Context(), "pay", governance.AccountFile{Name: "pay.csv", Content: []byte("account,entitlement\nadmin,boss\n"), Day: "2026-03-03", Shrunk: true}, h.as("4"), "")
	if err != nil {
		t.Fatal(err)
	}
	h.runs()
	if got := h.has("1"); got != "account pay:clerk" {
		t.Errorf("made after the day of the list: %q", got)
	}
	h.wantOrders("the list", store.OrderWaiting)
}

// TestAdoptFromList: accounts of a list are recognised as people's by a column.
func TestAdoptFromList(t *testing.T) {
	h := newPayroll(t, "adopt: [{number: \"{{.Key}}\"}], ")
	h.says("1 library CLERK", "2 library OTHER")
	if err := h.upload("account,number,entitlement\nab,1,clerk\nbe,2,boss\n"); err != nil {
		t.Fatal(err)
	}
	h.runs()
	if got := h.has("1"); got != "account pay:clerk" {
		t.Errorf("anna has %q", got)
	}
	h.wantOrders("what is there already", store.OrderWaiting)
}
