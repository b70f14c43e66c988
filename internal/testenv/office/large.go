package office

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
)

// Large is an office with so many people more, each of whom has an account and so many
// entitlements, all in systems of the owner's; every twenty of them have a manager. They are
// called by their numbers, from 0 on.
func Large(b testing.TB, people, entitlements int) *Office {
	b.Helper()
	var catalogue, policy, groups strings.Builder
	catalogue.WriteString("systems:\n  base: {target: one, entitlements: {staff: {}}}\n  lib: {owner: owner, deputies: [deputy], target: one, entitlements: {library: {authoritative: true}}}\n")
	groups.WriteString("staff, library")
	for n := range entitlements {
		fmt.Fprintf(&catalogue, "  sys%d: {owner: owner, target: two, entitlements: {e: {native: g%d}}}\n", n, n)
		fmt.Fprintf(&policy, "p, r%d, true, sys%d:e, allow, all people need it\n", n, n)
		fmt.Fprintf(&groups, ", g%d", n)
	}
	o := New(b, map[string]string{"catalogue.yaml": catalogue.String(), "policy.csv": policy.String(),
		"behov.yaml": "  two: {hold_above: {all: {number: 10000000, percent: 100}}, memory: {groups: [" + groups.String() + "]}}\n"})
	o.Time = time.Now()
	var rows strings.Builder
	rows.WriteString(Header)
	for n := range people {
		fmt.Fprintf(&rows, "%d,B%d,Given%d,Family%d,office,,Clerk,%d,2020-01-01,,no\n", n, n, n, n%1000, n/20)
	}
	source := o.Config.Sources["hr"]
	source.Changes = true
	im := hr.Importer{DB: o.DB, Config: o.Config, Now: o.Clock, Actor: identity.System}
	began := time.Now()
	if r, err := im.Import(b.Context(), "hr.csv", []byte(rows.String()), source); err != nil || r.LeftOut > 0 || r.Held != nil {
		b.Fatalf("%+v, %v", r, err)
	}
	b.Logf("import of %d: %s", people, time.Since(began).Round(time.Millisecond))
	began = time.Now()
	o.Apply()
	b.Logf("apply: %s", time.Since(began).Round(time.Millisecond))
	return o
}
