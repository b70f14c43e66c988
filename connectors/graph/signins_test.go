package graph_test

import (
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph/standin"
)

// TestLastSignIns: a successful sign-in counts before an attempt, and who never signed in is told
// as that; a tenant without a licence tells nothing.
func TestLastSignIns(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	c := open(t, cfg)
	var ids []string
	for _, name := range []string{"anna", "bo", "cia"} {
		ids = append(ids, s.AddUser(name, nil))
	}
	s.SetUser(ids[0], map[string]any{"signInActivity": map[string]any{"lastSignInDateTime": "2026-11-30T08:00:00Z", "lastSuccessfulSignInDateTime": "2026-10-01T07:30:00Z"}})
	s.SetUser(ids[1], map[string]any{"signInActivity": map[string]any{"lastSignInDateTime": "2023-05-01T08:00:00Z", "lastNonInteractiveSignInDateTime": "2023-06-01T08:00:00Z"}})
	told := map[string]time.Time{}
	done, err := c.(connectors.SignInReader).LastSignIns(t.Context(), func(id string, at time.Time) error {
		told[id] = at
		return nil
	})
	if err != nil || !done.Complete {
		t.Fatal(done, err)
	}
	for i, want := range []time.Time{time.Date(2026, 10, 1, 7, 30, 0, 0, time.UTC), time.Date(2023, 6, 1, 8, 0, 0, 0, time.UTC), {}} {
		if at, is := told[ids[i]]; !is || !at.Equal(want) {
			t.Errorf("%d: %v, %v; want %v", i, at, is, want)
		}
	}
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.Contains(r.Query.Get("$select"), "signInActivity") {
			return &standin.Fault{Status: 403, Code: "Authentication_RequestFromNonPremiumTenantOrB2CTenant", Message: "Neither tenant is B2C or tenant doesn't have premium license"}
		}
		return nil
	})
	if done, err := c.(connectors.SignInReader).LastSignIns(t.Context(), func(string, time.Time) error { return nil }); err == nil || done.Complete || !strings.Contains(err.Error(), "AuditLog.Read.All") {
		t.Errorf("without a licence: %+v, %v", done, err)
	}
}
