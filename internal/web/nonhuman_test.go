package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/store"
)

// robot makes an account in the target that is no person's.
func (h *house) robot(name string) {
	h.t.Helper()
	m, ok := h.Engine.Targets["one"].(*memory.Connector)
	if !ok {
		h.t.Fatal("the target is none in memory")
	}
	if _, err := m.Put(connectors.Account{Name: name, Enabled: true}, false); err != nil {
		h.t.Fatal(err)
	}
}

// accountItem returns the question of a review that is about an account of the register.
func (h *house) accountItem(campaign int64) string {
	h.t.Helper()
	items, _, err := h.DB.ReviewItems(h.t.Context(), campaign)
	if err != nil {
		h.t.Fatal(err)
	}
	i := slices.IndexFunc(items, func(i store.ReviewItem) bool { return i.Kind == store.AccountItem })
	if i < 0 {
		h.t.Fatal("the review asks about no account")
	}
	return items[i].Ref()
}

// TestNonHumanAccountsOnPages: an account is registered on a page, with one clear sentence for
// what cannot be so; the list shows it to those who answer for it and to no stranger; it is handed
// over, renewed and retired.
func TestNonHumanAccountsOnPages(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	h.robot("robot-1")
	owner := h.as("owner", "en")
	owner.get("/non-human-accounts", 200, "No account is registered.", "Register an account")
	owner.get("/non-human-accounts/register", 200, "Choose lib")
	form := url.Values{"target": {"one"}, "account": {"robot-1"}, "kind": {"robot"}, "system": {"lib"}, "owner": {"staff"}, "purpose": {"sends reminders"}, "until": {"2027-06-30"}, "reason": {"found in the review"}}
	but := func(field, value string) url.Values {
		changed := url.Values{}
		for k, v := range form {
			changed[k] = v
		}
		changed[field] = []string{value}
		return changed
	}
	const at = "/non-human-accounts/register"
	owner.send(at, but("account", "nothing"), http.StatusUnprocessableEntity, "There is no account with the ID nothing")
	owner.send(at, but("owner", "nothing"), http.StatusUnprocessableEntity, "nothing")
	owner.send(at, but("owner", "gone"), http.StatusUnprocessableEntity, "does not work here today")
	owner.send(at, but("until", "2030-01-01"), http.StatusUnprocessableEntity, "The last day is a day from")
	owner.send(at, but("purpose", " "), http.StatusUnprocessableEntity, "The purpose is missing")
	owner.send(at, but("system", "base"), http.StatusConflict, "This is for: Owner, Operator")
	owner.send(at, form, 200, "robot-1", "Anna Staff", "sends reminders", "in use")
	owner.send(at, form, http.StatusUnprocessableEntity, "in the register of accounts that are no person's")
	h.as("auditor", "sv").get("/non-human-accounts", 200, "robot-1", "används", "NOT Överlämna")
	h.as("stranger", "en").get("/non-human-accounts", 200, "NOT robot-1", "NOT Register an account")
	h.as("stranger", "en").get("/non-human-accounts/robot-1/retire", http.StatusConflict, "No account of the register")
	h.as("stranger", "en").send("/non-human-accounts/robot-1/retire", url.Values{"reason": {"r"}}, http.StatusConflict, "No account of the register")
	h.as("auditor", "en").get("/non-human-accounts/robot-1/retire", http.StatusConflict, "This is for")

	// Anna leaves: her manager sees it, and hands it over.
	h.as("manager", "en").get("/", 200, "NOT account that is no person's waits")
	if _, err := h.Governance().Suspend(t.Context(), h.Person("staff"), false, h.By("manager"), "a case"); err != nil {
		t.Fatal(err)
	}
	manager := h.as("manager", "en")
	manager.get("/", 200, "account that is no person's waits for you")
	manager.get("/non-human-accounts", 200, "robot-1", "to hand over", "Answers for it now: Given Familymanager", "hand it over by")
	manager.get("/non-human-accounts/robot-1/hand-over", 200, "Who owns robot-1 from now on?")
	manager.send("/non-human-accounts/robot-1/hand-over", url.Values{"owner": {"manager"}, "reason": {"Anna is away"}}, 200, "in use")
	manager.get("/non-human-accounts/robot-1/renew", 200, "Renew robot-1?")
	manager.send("/non-human-accounts/robot-1/renew", url.Values{"until": {"2026-12-15"}, "reason": {"for the winter"}}, 200, "ends soon")
	if _, err := h.Governance().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "lib"}, h.By("owner")); err != nil {
		t.Fatal(err)
	}
	owner.get("/reviews/1", 200, "robot-1: Account", "An account that is no person's, of which Given Familymanager (manager) is the owner until 2026-12-15: sends reminders", "Remove")
	owner.send("/reviews/1/keep/"+h.accountItem(1), url.Values{}, 200, "1 of 2 answered")
	owner.get("/non-human-accounts/robot-1/retire", 200, "Retire robot-1?")
	owner.send("/non-human-accounts/robot-1/retire", url.Values{"reason": {"replaced"}}, 200, "retired", "Decision")
	h.Apply()
	seen := plan.NewObserved()
	c, err := h.Engine.Targets["one"].Snapshot(t.Context(), seen)
	if err != nil {
		t.Fatal(err)
	}
	seen.Done(c)
	if a, found := seen.ByName("robot-1"); !found || a.Enabled {
		t.Errorf("after it was retired: %+v, %t", a, found)
	}
}
