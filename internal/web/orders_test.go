package web_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// withPay adds an application without an interface in which reviewer makes the changes.
var withPay = map[string]string{
	"behov.yaml":     "  pay: {manual: {to: reviewer, escalate: owner}}\n",
	"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {authoritative: true}, desk: {requestable: true, emergency: true, purpose: lend at the desk}}}\n  pay: {owner: owner, target: pay, entitlements: {clerk: {name: Payroll clerk}}}\n",
	"policy.csv":     "p, everyone, true, base:staff, allow, everybody\np, librarian, r.sub.job_code == 'LIB', lib:library, allow, lends books\np, clerk, r.sub.job_code == 'LIB', pay:clerk, allow, librarians report hours\n",
}

// order places a work order about a person that is overdue.
func (h *house) order(t *testing.T, about identity.PersonID) {
	t.Helper()
	body := `{"reason":` + reason.Of(reason.NothingNeeded{}).JSON() + `}`
	o := store.WorkOrder{Target: "pay", Person: about, Key: "x", Body: body, Op: string(connectors.AddMember), Entitlement: "pay:clerk", Native: "clerk", Due: "2026-11-01", Name: "anna.staff"}
	if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.PlaceOrder(t.Context(), o, h.Time)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// TestWorkOrders: the person who makes the changes sees what waits, confirms one, says that
// another cannot be made, and uploads a list; a wrong list is shown with its place.
func TestWorkOrders(t *testing.T) {
	h := newHouse(t, withPay)
	h.Apply()
	orders, err := h.DB.WaitingOrders(t.Context(), "pay", store.Only(h.Person("staff").ID))
	if err != nil || len(orders) != 2 {
		t.Fatal(orders, err)
	}
	v := h.as("reviewer", "en")
	v.get("/", 200, "Work orders", "4 work orders wait")
	v.get("/work-orders", 200, "Create an account", "Payroll clerk", "Anna Staff", "NOT Hemligsson", "Made", "No list has been uploaded")
	h.as("stranger", "en").get("/work-orders", 200, "None.", "NOT Anna Staff", "NOT Upload")
	h.as("stranger", "en").get("/work-orders/1/confirm", http.StatusConflict)
	h.as("auditor", "sv").get("/work-orders", 200, "Skapa ett konto", "Anna Staff", "NOT Ladda upp")
	create, member := "/work-orders/1", "/work-orders/3"
	for _, o := range orders {
		if o.Op == "create-account" {
			create = "/work-orders/" + strconv.FormatInt(o.ID, 10)
		} else {
			member = "/work-orders/" + strconv.FormatInt(o.ID, 10)
		}
	}
	v.get(create+"/confirm", 200, "Was the change for Anna Staff in pay made?", "Made on", "A note")
	v.send(create+"/confirm", url.Values{"until": {"2026-11-30"}}, 200, "Work order confirmed")
	v.send(create+"/confirm", url.Values{"until": {"2026-11-30"}}, http.StatusConflict, "does not wait any more")
	v.get(member+"/cannot", 200, "It cannot be made")
	v.send(member+"/cannot", url.Values{"reason": {"no licence is left"}}, 200, "Work order cannot be done")
	v.get("/work-orders?state=impossible", 200, "no licence is left", "Payroll clerk")
	v.get("/work-orders?state=nothing", http.StatusNotFound)
	fields := map[string]string{"target": "pay"}
	if status, body, _ := v.upload("/upload/account-list", fields, map[string]string{"list": "account\n\n,\nx\n"}); status != http.StatusUnprocessableEntity || !strings.Contains(textOf(body), "list.csv:3") {
		t.Errorf("a wrong list: %d %s", status, textOf(body))
	}
	if status, _, _ := h.as("stranger", "en").upload("/upload/account-list", fields, map[string]string{"list": "account\nx\n"}); status != http.StatusConflict {
		t.Errorf("a stranger uploads a list: %d", status)
	}
	if status, body, _ := h.as("owner", "en").upload("/upload/account-list", fields, map[string]string{"list": "account,entitlement\nroot,clerk\n"}); status != 200 || !strings.Contains(textOf(body), "1 account") {
		t.Errorf("a list: %d %s", status, textOf(body))
	}
}
