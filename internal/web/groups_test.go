package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/behov/behov/internal/testenv/office"
)

// TestGroupsOnPages: a plan shows the group that it creates, and a system says of which of
// its groups no one who works here is the owner.
func TestGroupsOnPages(t *testing.T) {
	h := newHouse(t, map[string]string{
		"catalogue.yaml": `systems:
  base: {target: one, entitlements: {staff: {}}}
  lib: {owner: owner, target: one, entitlements: {library: {}, desk: {name: The desk, native: the-desk, group: {purpose: lend}}, gone: {native: old-desk, group: {owner: staff}}}}
`,
		"policy.csv": "p, everyone, true, base:staff, allow, everybody\np, desk, r.sub.job_code == 'LIB', lib:desk, allow, lends books\n",
	})
	h.Import(office.Header + "staff,E1,Anna,Staff,office,LIB,Librarian,manager,2020-01-01,2026-11-01,no\n")
	v := h.as("operator", "en")
	_, _, at := v.ask(http.MethodPost, "/changes/plan", url.Values{"as_of": {""}})
	for range 200 {
		if page := v.get(at, 200); !strings.Contains(page, "data-reload") {
			break
		}
	}
	v.get(at, 200, "2 groups are created", "the-desk", "old-desk", `has behov create "the-desk"`)
	h.as("operator", "sv").get(at, 200, "2 grupper skapas")
	h.as("owner", "en").get("/systems/lib", 200, "owns the group of", "does not work here")
}
