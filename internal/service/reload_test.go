package service_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
)

// TestNewRules: a new version is taken up while we serve, a broken one is
// refused and the old one kept, and every version is recorded.
func TestNewRules(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		var served *service.Service
		again := make(chan os.Signal)
		var panicking atomic.Bool
		stop := fixture.serve(func(s *service.Service) {
			served, s.Again = s, again
			s.Load = func() (*config.Config, error) {
				if panicking.Load() {
					panic("a defect")
				}
				c, problems := config.Load(fixture.dir)
				if c == nil {
					return nil, problems[0]
				}
				return c, nil
			}
		})
		write := func(name, text string) {
			t.Helper()
			if err := os.WriteFile(filepath.Join(fixture.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		fixture.hr("1 school", "2 library")
		fixture.until("everybody is there", 20*time.Second, func() bool { return fixture.has("2", "one") == "account staff" })

		write("policy.csv", rules+"p, more, \"r.sub.unit == 'library'\", base:school, allow, also the library\n")
		fixture.until("the new rule", 30*time.Second, func() bool { return fixture.has("2", "one") == "account staff school" })

		write("policy.csv", rules+"p, broken, \"r.sub.nothing == \", base:school, allow, oh\n")
		again <- os.Interrupt
		fixture.until("it is refused", 30*time.Second, func() bool { return served.Refused() != nil })
		if !strings.Contains(served.Refused().Error(), "policy.csv:4") {
			t.Errorf("refused: %v", served.Refused())
		}
		fixture.hr("3 library")
		fixture.until("the old rules go on", 20*time.Second, func() bool { return fixture.has("3", "one") == "account staff school" })

		write("behov.yaml", configuration+"database: sqlite:elsewhere.db\n")
		write("policy.csv", rules)
		again <- os.Interrupt
		fixture.until("another database is refused", 30*time.Second, func() bool {
			return served.Refused() != nil && strings.Contains(served.Refused().Error(), "the database or the key changed")
		})
		panicking.Store(true)
		again <- os.Interrupt
		fixture.until("one that panics is refused", 30*time.Second, func() bool {
			return served.Refused() != nil && strings.Contains(served.Refused().Error(), "a defect")
		})
		panicking.Store(false)
		// What used to overflow the stack, which nothing recovers from.
		write("behov.yaml", configuration)
		write("policy.csv", rules+"p, deep, \""+strings.Repeat("(", 2<<20)+"true"+strings.Repeat(")", 2<<20)+"\", base:school, allow, deep\n")
		again <- os.Interrupt
		fixture.until("a deep condition is refused", 30*time.Second, func() bool {
			return served.Refused() != nil && strings.Contains(served.Refused().Error(), "split the rule")
		})
		fixture.hr("4 library")
		fixture.until("the old rules go on still", 20*time.Second, func() bool { return fixture.has("4", "one") == "account staff school" })
		write("policy.csv", rules)
		fixture.until("the first rules", 30*time.Second, func() bool { return fixture.has("3", "one") == "account staff" && served.Refused() == nil })
		stop()
		fixture.config = fixture.load()
		fixture.whole()
		versions := 0
		for r, err := range fixture.db.AuditRecords(context.Background(), store.Everyone()) {
			if err != nil {
				t.Fatal(err)
			}
			if r.Action == audit.ConfigInUse {
				versions++
			}
		}
		if versions != 3 { // the last is the first once more
			t.Errorf("%d versions of the configuration are recorded", versions)
		}
	})
}
