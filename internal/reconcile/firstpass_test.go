package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// handed keeps the passes that are handed over.
type handed struct {
	to    []string
	fails error
}

func (h *handed) FirstPass(_ context.Context, target string, account connectors.AccountRef, pass connectors.Pass) error {
	if h.fails != nil {
		return h.fails
	}
	h.to = append(h.to, fmt.Sprint(target, " ", account.Anchor, " ", pass.Code))
	return nil
}

// TestFirstPasses: who begins and is not enrolled is issued one pass, on the first day or
// shortly after it, without anyone asking for it; a pass that cannot be handed over is
// withdrawn, and another is issued later.
func TestFirstPasses(t *testing.T) {
	h := newFixture(t)
	w := &withPasses{scripted: h.one, valid: map[string]bool{}}
	to := &handed{fails: errors.New("the gateway is closed")}
	h.e.Targets["one"], h.e.Passes = w, to
	h.e.Config.FirstPass = config.FirstPass{To: config.FirstPassword{Directory: "x"}, Valid: 8 * time.Hour}
	now := time.Date(2026, 12, 1, 11, 0, 0, 0, time.UTC)
	h.e.Now = func() time.Time { return now }
	today := identity.DateOf(now, h.e.Config.Zone)
	row := func(key string, start identity.Date) string {
		return fmt.Sprintf("%s,E%s,Given%s,Family%s,%s@x,school,T,%s,\n", key, key, key, key, key, start)
	}
	h.export("person_id,employment_id,given_name,family_name,email,unit,job_code,start_date,end_date\n" +
		row("1", today) + row("2", "2020-01-01") + row("3", today.AddDays(1)) + row("4", today.AddDays(-3)))
	h.settledRun()
	if len(w.valid) != 0 || h.told(audit.PassWithdrawn) != 2 {
		t.Errorf("what was not handed over stays valid: %v, %d withdrawn", w.valid, h.told(audit.PassWithdrawn))
	}
	to.fails = nil
	h.settledRun()
	if len(to.to) != 0 {
		t.Errorf("it is tried again at once: %v", to.to)
	}
	now = now.Add(61 * time.Minute)
	for range 2 {
		h.settledRun()
	}
	if len(to.to) != 2 || len(w.valid) != 2 || !strings.Contains(strings.Join(to.to, " "), "one "+string(h.person("1"))+" secret-pass") || !strings.Contains(strings.Join(to.to, " "), string(h.person("4"))) {
		t.Errorf("handed over: %v", to.to)
	}
	n := 0
	for _, r := range records(t, h) {
		if strings.Contains(r.Reason.JSON()+string(r.Payload), "secret-pass") {
			t.Errorf("the code is in the trail: %+v", r)
		}
		if r.Action == audit.DecisionMade && r.Outcome == audit.Outcome(store.Issue) && r.Actor == identity.System && strings.Contains(testenv.Words(r.Reason), "is not enrolled for MFA") {
			n++
		}
	}
	if n != 4 {
		t.Errorf("the trail says %d times why a pass was issued", n)
	}

	// Who is enrolled, or was given a pass by a person, gets none.
	if _, err := h.one.Put(h.accounts(h.one, h.person("3"))[0], true); err != nil {
		t.Fatal(err)
	}
	now = now.Add(24 * time.Hour)
	h.settledRun()
	if len(to.to) != 2 {
		t.Errorf("an enrolled person: %v", to.to)
	}
}
