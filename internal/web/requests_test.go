package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/behov/behov/internal/testenv/office"
)

// TestRequestsOnPages: what can be asked for is found, asked for with a reason and a last day,
// approved by the owner with its evidence, given, seen with its end, and withdrawn; emergency
// access comes at once and is looked at afterwards; other people see nothing of either.
func TestRequestsOnPages(t *testing.T) {
	h := newHouse(t, nil)
	h.Import(office.Header + "colleague,E7,Carl,Colleague,office,LIB,Librarian,manager,2020-01-01,,no\n")
	h.Apply()
	staff := string(h.Person("staff").ID)
	v := h.as("staff", "en")
	v.get("/requests", 200, "You have not asked for anything.", "What you can ask for")
	v.get("/requests/catalogue", 200, "Lend at the desk.", "For 365 days at most.", "The owner of the system approves.")
	v.get("/requests/catalogue?q=desk", 200, "Lend at the desk.")
	v.get("/requests/catalogue?q=payroll", 200, "There is nothing to ask for that matches.")
	v.get("/people/"+staff+"/request/lib:library", http.StatusNotFound) // it cannot be asked for
	v.get("/people/"+staff+"/why?entitlement=lib:desk", 200, "Ask …")
	v.get("/people/"+staff+"/why?entitlement=lib:library", 200, "NOT Ask …")
	v.get("/people/"+staff+"/request/lib:desk", 200, "Ask for desk for Anna Staff?", "The owner of the system approves.", "It ends by itself")
	v.send("/people/"+staff+"/request/lib:desk", url.Values{"until": {"2026-12-12"}, "reason": {"the desk in December"}}, 200)
	v.get("/requests", 200, "the desk in December", "waits", "until 12 December 2026")
	v.send("/people/"+staff+"/request/lib:desk", url.Values{"until": {"2026-12-12"}, "reason": {"again"}}, http.StatusConflict)
	v.send("/people/"+staff+"/request/lib:desk", url.Values{"until": {"2028-12-24"}, "reason": {"again"}}, http.StatusConflict)
	v.send("/requests/1/approve", url.Values{"reason": {"mine"}}, http.StatusConflict, "No one decides about themselves")
	v.get("/requests/1/approve", http.StatusConflict)
	h.as("stranger", "en").get("/requests/1", http.StatusConflict, "There is no request 1", "NOT Anna")
	h.as("stranger", "en").get("/requests", 200, "NOT Anna", "NOT the desk in December")

	o := h.as("owner", "en")
	o.get("/", 200, "request for access to approve")
	o.get("/requests", 200, "Anna Staff", "the desk in December", "Look and decide")
	o.get("/requests/1", 200, "desk for Anna Staff", "the desk in December", "0 of 1 others in the same unit and job have it", "No conflict, and no earlier decision about the same.", "The owner of the system")
	o.get("/requests/1/approve", 200, "Approve desk for Anna Staff until 12 December 2026?")
	o.send("/requests/1/approve", url.Values{"reason": {"she covers for Bo"}}, 200)
	o.get("/", 200, "NOT request for access to approve")
	h.Apply()
	v = h.as("staff", "en")
	v.get("/mine", 200, "Request 1, approved until 2026-12-12", "she covers for Bo", "until 12 December 2026")
	v.get("/requests/1", 200, "approved", "Withdraw …")
	v.get("/requests", 200, "Renew …")
	v.get("/requests/1/renew", 200, "Ask for desk for Anna Staff for longer?")
	v.send("/requests/1/renew", url.Values{"until": {"2027-01-24"}, "reason": {"January, too"}}, 200)
	h.as("deputy", "en").send("/requests/2/refuse", url.Values{"reason": {"December is enough"}}, 200)
	v = h.as("staff", "sv")
	v.get("/requests/2", 200, "avslagen", "December is enough")
	v.send("/requests/1/withdraw", url.Values{"reason": {"done early"}}, 200)
	h.Apply()
	v.get("/mine", 200, "NOT Begäran 1, godkänd")

	m := h.as("manager", "en")
	m.get("/people/"+staff, 200, "Ask for access …")
	m.get("/requests/catalogue?person="+staff, 200, "What you can ask for, for Anna Staff")
	m.get("/people/"+staff+"/emergency/lib:desk", 200, "Take desk for Anna Staff now?", "An alert is sent")
	m.send("/people/"+staff+"/emergency/lib:desk", url.Values{"until": {"2026-12-01"}, "reason": {"the desk is empty"}}, 200)
	h.Apply()
	h.as("staff", "en").get("/mine", 200, "Emergency access until 2026-12-01")
	h.as("owner", "en").get("/requests/3", 200, "emergency access", "the desk is empty", "Approve …")
	h.as("owner", "en").send("/requests/3/refuse", url.Values{"reason": {"there was a substitute"}}, 200)
	h.Apply()
	h.as("staff", "en").get("/mine", 200, "NOT Emergency access until")
	h.as("manager", "en").get("/people/"+string(h.Person("stranger").ID)+"/request/lib:desk", http.StatusNotFound)
}

// TestRequestsAreMasked: who approves for a person with protected identity sees neither the name
// nor what they wrote; the manager and the owner each see their part, and who manages no one and
// owns nothing sees no one's.
func TestRequestsAreMasked(t *testing.T) {
	h := newHouse(t, map[string]string{"controls.yaml": "controls:\n  sensitive: {from: {confidentiality: 3}, approvers: [manager, owner]}\n",
		"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, classification: {confidentiality: 3, integrity: 0, availability: 0}, entitlements: {library: {}, desk: {requestable: true, emergency: true}}}\n"})
	h.Apply()
	secret := string(h.Person("secret").ID)
	h.as("secret", "en").send("/people/"+secret+"/request/lib:desk", url.Values{"until": {"2026-12-12"}, "reason": {"Hemlig needs it in the hideout"}}, 200)
	for _, who := range []string{"manager", "owner", "deputy"} {
		v := h.as(who, "en")
		v.get("/", 200, "request for access to approve")
		v.get("/requests", 200, "Protected identity", "NOT Hemlig", "NOT hideout")
		v.get("/requests/1", 200, "Protected identity", "NOT Hemlig", "NOT hideout")
	}
	for _, who := range []string{"stranger", "reviewer", "staff"} {
		v := h.as(who, "en")
		v.get("/", 200, "NOT request for access to approve")
		v.get("/requests", 200, "NOT Protected identity")
		v.get("/requests/1", http.StatusConflict)
		v.send("/requests/1/approve", url.Values{"reason": {"mine"}}, http.StatusConflict)
	}
	h.as("manager", "en").send("/requests/1/approve", url.Values{"reason": {"needed in the unit"}}, 200)
	h.as("manager", "en").get("/", 200, "NOT request for access to approve")
	h.as("deputy", "en").send("/requests/1/approve", url.Values{"reason": {"agreed"}}, 200)
	h.as("secret", "en").get("/requests/1", 200, "approved")
	h.as("administrator", "en").get("/requests/1", 200, "approved", "Protected identity", "NOT Hemlig", "NOT hideout")
}
