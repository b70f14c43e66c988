package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// TestExtract: who may have it gets everything about the person and no one else's name, with
// more than one factor and a token that is for it; each time is recorded.
func TestExtract(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	at := "/people/" + string(h.Person("staff").ID) + "/extract"
	r := h.good(h.get("officer", at))
	var x access.Extract
	r.into(t, &x)
	if x.Identities[0].FamilyName != "Staff" || len(x.Access) < 3 || len(x.Events) != 2 || strings.Contains(r.body, "Familymanager") || strings.Contains(r.body, "Familyofficer") {
		t.Errorf("%s", r.body)
	}
	if last := x.Records[len(x.Records)-1]; last.Action != audit.PersonExtracted || last.Actor.Actor != h.By("officer").Actor() {
		t.Errorf("%+v", last)
	}
	h.tokens["weak"] = h.token("officer", "*:read", "", "")
	if r := h.get("weak", at); r.status != http.StatusUnauthorized || !strings.Contains(r.body, "sign-in-stronger") {
		t.Errorf("with one factor: %d %s", r.status, r.body)
	}
	h.tokens["reads"] = h.token("officer", "people:read", "", "")
	if r := h.get("reads", at); r.status != http.StatusForbidden || !strings.Contains(r.body, "token-scope") {
		t.Errorf("with a token for people: %d %s", r.status, r.body)
	}
	gone := h.Person("gone").ID
	if err := h.DB.Write(t.Context(), func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: h.Time, Actor: identity.System, Action: audit.PersonErased, Person: gone})
		return tx.ErasePerson(t.Context(), gone, h.Time)
	}); err != nil {
		t.Fatal(err)
	}
	if r := h.get("officer", "/people/"+string(gone)+"/extract"); r.status != http.StatusNotFound || !strings.Contains(r.body, "was-erased") {
		t.Errorf("of an erased person: %d %s", r.status, r.body)
	}
	if r := h.get("stranger", "/people/"+string(gone)+"/extract"); r.status != http.StatusNotFound || strings.Contains(r.body, "was-erased") {
		t.Errorf("of an erased person, to a stranger: %d %s", r.status, r.body)
	}
}
