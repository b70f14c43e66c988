package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/behov/behov/internal/testenv/office"
)

// TestComplianceAndSuppliers: the page shows what is demanded with what the data show, and each
// fact leads to the page that shows it; the picture of suppliers says what the table says.
func TestComplianceAndSuppliers(t *testing.T) {
	h := newHouse(t, map[string]string{
		"catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, classification: {confidentiality: 2, integrity: 1, availability: 1}, data_in: [SE, US], suppliers: [{name: \"Lib & Sons\", country: SE, sub_suppliers: [{name: Cloud, country: US}]}], entitlements: {library: {authoritative: true}, desk: {}}}\n",
		"conflicts.yaml": "conflicts:\n  lend-and-work: {why: no one lends to themselves, between: [\"lib:library\", \"lib:desk\"]}\n",
		"tests.yaml":     "cases:\n  - {case: a librarian, date: 2026-11-30, employments: [{unit: office, job_code: LIB}], has: [\"base:staff\", \"lib:library\"]}\n",
	})
	h.Apply()
	v := h.as("auditor", "en")
	var page string
	for range 100 { // it is counted in the background
		if page = v.get("/compliance", 200, "5.3", "Segregation of duties", "21.2 j"); !strings.Contains(page, "Everyone is being counted") {
			break
		}
	}
	v.get("/compliance", 200, "No one has both sides of a segregation of duties.", "1 of 2 systems has an owner who works here.", "1 of 2 systems is classified.", "1 of 1 tests of the rules passes.", "No one who has left has an account that can be used.", "No identity provider is configured")
	h.as("auditor", "sv").get("/compliance", 200, "Åtskilda arbetsuppgifter", "1 av 2 system har en ägare som arbetar här.")
	h.as("staff", "en").get("/compliance", http.StatusForbidden)

	page = v.get("/systems/suppliers", 200, "Lib & Sons", "Cloud", "outside the EU and EEA", "Systems without a known supplier: base")
	h.as("staff", "en").get("/systems/suppliers", 200, "Lib & Sons")
	if n := strings.Count(page, "Cloud"); n < 2 {
		t.Errorf("the picture lacks what the table has: %s", page)
	}
}

// TestALeaverWithAnAccountIsShown: who has left and whose account is open is counted.
func TestALeaverWithAnAccountIsShown(t *testing.T) {
	h := newHouse(t, nil)
	h.Apply()
	h.Import(office.Header + "staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,2026-11-01,no\n")
	v := h.as("auditor", "en")
	for range 100 {
		if page := v.get("/compliance", 200); !strings.Contains(page, "Everyone is being counted") {
			break
		}
	}
	v.get("/compliance", 200, "1 person has left and has an account that can be used.", "No segregation of duties is defined.")
}
