package scimserver_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/behov/behov/internal/scimserver"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestPushedStartInTheFutureIsHeld checks that a client that moves the start of
// an active employment into the future gets a normal answer, that its statements
// about the person apply, and that the employment is unchanged until a decision.
// A deactivation ends it all the same.
func TestPushedStartInTheFutureIsHeld(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	before := s.people("2026-11-25")
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "value": {"`+scimserver.EmploymentURN+`": {"startDate": "2027-02-01"}}}`))
	if got := s.people("2026-11-25"); got != before {
		t.Errorf("it is %s, and was %s", got, before)
	}
	holds, err := s.db.Holds(t.Context())
	if err != nil || len(holds) != 1 || holds[0].Kind != store.HRStartHold || !strings.Contains(testenv.Words(holds[0].Why), "2027-02-01") {
		t.Errorf("%+v, %v", holds, err)
	}
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(deactivate))
	if got := s.people("2026-11-25"); strings.Contains(got, "[1001") {
		t.Errorf("deactivated: %s", got)
	}
	if holds, err = s.db.Holds(t.Context()); err != nil || len(holds) != 0 {
		t.Errorf("deactivated: %+v, %v", holds, err)
	}
}
