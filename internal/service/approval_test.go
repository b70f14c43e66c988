package service_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
)

// TestApprovedRulesAreTakenUp: where rules need approval, a service goes on with what was
// approved while files are edited, and takes a version up when another process approves it,
// with no file touched.
func TestApprovedRulesAreTakenUp(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		write := func(name, text string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(fixture.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// approve is what governance records, in another process.
		approve := func() {
			t.Helper()
			c, problems := config.Load(fixture.dir)
			if c == nil {
				t.Fatal(problems)
			}
			source, err := json.Marshal(c.RulesSource)
			if err != nil {
				t.Fatal(err)
			}
			if err := fixture.db.Write(t.Context(), func(tx *store.Tx) error {
				if err := tx.KeepRulesSource(t.Context(), c.Rules.Digest, source, time.Now()); err != nil {
					return err
				}
				_, err := tx.Decide(t.Context(), store.Decision{Kind: store.RulesDecision, Verdict: store.Approve, Subject: store.RulesSubject(c.Rules.Digest), Maker: "person:x", Reason: "r"}, time.Now())
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		write("behov.yaml", "rules: {approval: true}\n"+configuration)
		fixture.config = fixture.load()
		approve()
		stop := fixture.serve(func(s *service.Service) {
			s.Load = func() (*config.Config, error) {
				c, problems := config.Load(fixture.dir)
				if c == nil {
					return nil, problems[0]
				}
				return reconcile.RulesInForce(t.Context(), fixture.db, c)
			}
		})
		defer stop()
		fixture.hr("1 school", "2 library")
		fixture.until("everybody is there", 20*time.Second, func() bool { return fixture.has("2", "one") == "account staff" })
		write("policy.csv", rules+"p, more, \"r.sub.unit == 'library'\", base:school, allow, also the library\n")
		fixture.until("the edit is seen", 30*time.Second, func() bool { return strings.Contains(fixture.log.String(), "a new configuration is in use") })
		fixture.hr("3 library")
		fixture.until("what was approved goes on", 20*time.Second, func() bool { return fixture.has("3", "one") == "account staff" })
		if has := fixture.has("2", "one"); has != "account staff" {
			t.Errorf("an edit that no one approved: %s", has)
		}
		approve()
		fixture.until("the approved version is taken up", 30*time.Second, func() bool {
			return fixture.has("2", "one") == "account staff school" && fixture.has("3", "one") == "account staff school"
		})
	})
}
