package conformance

import (
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
)

// faultTests check that a target that misbehaves never leads to a reading that is
// reported as complete, or a change that is reported as applied.
var faultTests = []test{
	{"targets that misbehave", func(r *runner) {
		if len(r.Faults) == 0 {
			r.Skip("the fixture has no Faults")
		}
		for _, f := range r.Faults {
			r.Run(f.Name, func(t *testing.T) {
				c := f.Open(t)
				t.Cleanup(func() { _ = c.Close() })
				r.misbehaves(t, f, c)
			})
		}
	}},
}

func (r *runner) misbehaves(t *testing.T, f Fault, c connectors.Connector) {
	told := func(what, text string) {
		t.Helper()
		if strings.TrimSpace(text) == "" || strings.Contains(text, "\n") {
			t.Errorf("%s says %q, want one line", what, text)
		}
		for _, secret := range f.Secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s tells a secret: %q", what, text)
			}
		}
	}
	s := newState()
	completeness, err := c.Snapshot(r.ctx, s)
	switch {
	case f.Readable && (err != nil || !completeness.Complete):
		t.Errorf("it cannot be read: %v, %s", err, completeness.Why)
	case f.Readable:
	case err == nil && completeness.Complete:
		t.Errorf("a reading of %d accounts is said to be complete", len(s.accounts))
	case err != nil:
		told("Snapshot", err.Error())
	default:
		told("Snapshot", completeness.Why)
	}
	creation := r.creation("fault")
	for _, c := range c.Apply(r.ctx, []connectors.Change{creation, update(unknownID, r.Text, "x"), member(connectors.AddMember, unknownID, r.Entitlements[0])}) {
		switch {
		case c.Err != nil:
			told("a change", c.Err.Error())
		case c.Status == connectors.Refused:
			told("a refusal", c.Detail)
		default:
			t.Errorf("a change is said to be %s", c.Status)
		}
	}
	// Some faults show only with many entries, so Check may succeed.
	if err := c.Check(r.ctx); err != nil {
		told("Check", err.Error())
	}
}
