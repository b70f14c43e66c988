package service_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
)

// TestNotices: behov serve sends an owner one mail about all that waits for them, in their
// language, without a name and with the address of each page, and sends it once.
func TestNotices(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		p, mail, _ := openPostbox(t)
		for name, text := range map[string]string{
			"behov.yaml": configuration + fmt.Sprintf("alerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\nnotices: {language: sv}\n", mail) +
				"sign_in: {issuer: \"https://sign-in.example.org\", client: behov, url: \"https://behov.example.org\", person: {claim: employee_id}}\n",
			"catalogue.yaml": strings.Replace(strings.Replace(catalogue, "school: {}", "school: {requestable: true}", 1), "    target: one", "    owner: \"2\"\n    target: one", 1),
			"controls.yaml":  "controls:\n  every: {from: {confidentiality: 0}, request_days: 30, approvers: [owner]}\n",
		} {
			if err := os.WriteFile(filepath.Join(fixture.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		fixture.config = fixture.load()
		now := time.Now()
		now = time.Date(now.Year(), now.Month(), now.Day(), 10, 0, 0, 0, fixture.config.Zone)
		fixture.now = func() time.Time { return now }
		source := fixture.config.Sources["hr"]
		source.Changes = true
		im := hr.Importer{DB: fixture.db, Config: fixture.config, Now: fixture.now, Actor: "behov"}
		if r, err := im.Import(context.Background(), "hr.csv", []byte("person_id,employment_id,given_name,family_name,unit,start_date,end_date,email\n1,E1,Anna,Asker,library,2020-01-01,,anna@example.org\n2,E2,Olle,Owner,library,2020-01-01,,olle@example.org\n"), source); err != nil || r.LeftOut > 0 {
			t.Fatal(r, err)
		}
		person := func(key string) rights.Subject {
			x, err := fixture.db.FindPerson(t.Context(), key, "hr")
			if err != nil {
				t.Fatal(err)
			}
			return rights.Subject{Person: x.ID, How: rights.Claimed}
		}
		anna, err := fixture.db.FindPerson(t.Context(), "1", "hr")
		if err != nil {
			t.Fatal(err)
		}
		g := &governance.Governance{DB: fixture.db, Config: fixture.config, Now: fixture.now}
		r, _, err := g.RequestAccess(t.Context(), anna, governance.Request{Entitlement: "base:school", Until: identity.DateOf(now, fixture.config.Zone).AddDays(20)}, person("1"), "the move")
		if err != nil {
			t.Fatal(err)
		}
		fixture.serve(func(s *service.Service) { s.Now = fixture.now })
		fixture.until("it is told", 30*time.Second, func() bool { mails, _ := p.got("olle@example.org", ""); return mails > 0 })
		fixture.drained("notice")
		p.mu.Lock()
		all := strings.Join(p.mails, "\n====\n")
		p.mu.Unlock()
		if n := strings.Count(all, "To: <olle@example.org>"); n != 1 || strings.Contains(all, "Anna") || strings.Contains(all, "the move") ||
			!strings.Contains(all, fmt.Sprintf("https://behov.example.org/requests/%d", r.ID)) || !strings.Contains(all, "https://behov.example.org/systems/revisions") {
			t.Errorf("%d mails to the owner:\n%s", n, all)
		}
		if err := fixture.db.Write(t.Context(), func(tx *store.Tx) error { tx.Enqueue(queue.Watch{}); return nil }); err != nil {
			t.Fatal(err)
		}
		fixture.drained("watch")
		fixture.drained("notice")
		if mails, _ := p.got("olle@example.org", ""); mails != 1 {
			t.Errorf("%d mails", mails)
		}
	})
}
