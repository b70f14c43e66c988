package connectors_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
)

// TestWaves checks that every change is in exactly one wave and that changes of
// one account that depend on each other stay in order.
func TestWaves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var changes []connectors.Change
		for range rapid.IntRange(0, 20).Draw(t, "changes") {
			changes = append(changes, connectors.Change{
				Op:          rapid.SampledFrom([]connectors.Op{connectors.UpdateAccount, connectors.AddMember, connectors.RemoveMember, connectors.DisableAccount}).Draw(t, "op"),
				Account:     connectors.AccountRef{ID: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account")},
				Entitlement: rapid.SampledFrom([]string{"g", "h"}).Draw(t, "group"),
			})
		}
		wave := map[int]int{}
		for n, indexes := range connectors.Waves(changes) {
			for _, i := range indexes {
				if _, ok := wave[i]; ok {
					t.Fatalf("change %d is in two waves", i)
				}
				wave[i] = n
			}
		}
		if len(wave) != len(changes) {
			t.Fatalf("%d of %d changes are in a wave", len(wave), len(changes))
		}
		membership := func(c connectors.Change) bool {
			return c.Op == connectors.AddMember || c.Op == connectors.RemoveMember
		}
		for i, a := range changes {
			for j := i + 1; j < len(changes); j++ {
				b := changes[j]
				free := membership(a) && membership(b) && a.Entitlement != b.Entitlement
				if a.Account.ID == b.Account.ID && wave[j] < wave[i] || a.Account.ID == b.Account.ID && !free && wave[j] == wave[i] {
					t.Fatalf("change %d (%v) is in wave %d, change %d (%v) in wave %d", i, a, wave[i], j, b, wave[j])
				}
			}
		}
	})
}

func TestClassOf(t *testing.T) {
	for err, want := range map[error]connectors.Class{
		connectors.Errorf(connectors.TargetDown, "gone"):                            connectors.TargetDown,
		fmt.Errorf("wrapped: %w", connectors.Errorf(connectors.RetryLater, "busy")): connectors.RetryLater,
		context.DeadlineExceeded:                                                    connectors.RetryLater, errors.New("anything"): connectors.Permanent,
	} {
		if got := connectors.ClassOf(err); got != want {
			t.Errorf("ClassOf(%v) = %s, want %s", err, got, want)
		}
	}
	if connectors.ClassOf(nil) != "" {
		t.Error("nil has a class")
	}
}

func TestOneByOneStopsWhenTheTargetIsDown(t *testing.T) {
	calls := 0
	results := connectors.OneByOne(t.Context(), make([]connectors.Change, 4), func(context.Context, connectors.Change) (connectors.Outcome, error) {
		calls++
		if calls == 2 {
			return connectors.Outcome{}, connectors.Errorf(connectors.TargetDown, "gone")
		}
		return connectors.Outcome{Status: connectors.Applied}, nil
	})
	if calls != 2 || results[0].Err != nil || results[0].Status != connectors.Applied {
		t.Fatalf("%d calls, results %+v", calls, results)
	}
	for _, r := range results[1:] {
		if connectors.ClassOf(r.Err) != connectors.TargetDown {
			t.Errorf("a change that was not tried has %+v", r)
		}
	}
}
