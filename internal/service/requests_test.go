package service_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// TestEmergencyAccessIsToldAndComesAtOnce: behov serve gives emergency access within moments,
// tells of it by mail without a name, and takes it away within moments when an approver refuses
// it.
func TestEmergencyAccessIsToldAndComesAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		p, mail, _ := openPostbox(t)
		for name, text := range map[string]string{
			"behov.yaml":     configuration + fmt.Sprintf("alerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", mail),
			"catalogue.yaml": strings.Replace(strings.Replace(catalogue, "school: {}", "school: {emergency: true}", 1), "    target: one", "    owner: \"2\"\n    target: one", 1),
		} {
			if err := os.WriteFile(filepath.Join(fixture.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		fixture.config = fixture.load()
		fixture.hr("1 library", "2 library")
		fixture.serve(nil)
		fixture.until("everybody is there", 20*time.Second, func() bool { return fixture.has("1", "one") == "account staff" })
		asker, err := fixture.db.FindPerson(t.Context(), "1", "hr")
		if err != nil {
			t.Fatal(err)
		}
		owner, err := fixture.db.FindPerson(t.Context(), "2", "hr")
		if err != nil {
			t.Fatal(err)
		}
		g := &governance.Governance{DB: fixture.db, Config: fixture.config, Now: time.Now}
		r, _, err := g.RequestAccess(t.Context(), asker, governance.Request{Entitlement: "base:school", Emergency: true}, rights.Subject{Person: asker.ID, How: rights.Claimed}, "a burst pipe")
		if err != nil {
			t.Fatal(err)
		}
		fixture.until("it is given", 20*time.Second, func() bool { return fixture.has("1", "one") == "account staff school" })
		fixture.until("it is told", 20*time.Second, func() bool { mails, _ := p.got("Emergency access: base:school", ""); return mails == 1 })
		p.mu.Lock()
		if all := strings.Join(p.mails, ""); strings.Contains(all, asker.GivenName) || strings.Contains(all, "burst pipe") || !strings.Contains(all, fmt.Sprint("behov requests show ", r.ID)) {
			t.Errorf("the mails: %s", all)
		}
		p.mu.Unlock()
		if _, err := g.DecideRequest(t.Context(), r.ID, store.Refuse, rights.Subject{Person: owner.ID, How: rights.Claimed}, "it could have waited"); err != nil {
			t.Fatal(err)
		}
		fixture.until("it is taken away", 20*time.Second, func() bool { return fixture.has("1", "one") == "account staff" })
	})
}
