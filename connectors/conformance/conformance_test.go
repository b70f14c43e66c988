package conformance_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/memory"
)

const none = "no fault"

// faults are mistakes that a connector can make. The suite must find each.
var faults = map[string]func(*faulty){
	none: func(*faulty) {},
	"an account is missing": func(f *faulty) {
		f.account = func(a connectors.Account) (connectors.Account, bool) { return a, !strings.HasSuffix(a.Name, "a") }
	},
	"names are trimmed": func(f *faulty) {
		f.account = func(a connectors.Account) (connectors.Account, bool) {
			a.Name = strings.TrimSpace(a.Name)
			return a, true
		}
	},
	"everybody is enabled": func(f *faulty) {
		f.account = func(a connectors.Account) (connectors.Account, bool) { a.Enabled = true; return a, true }
	},
	"a sink's error is lost": func(f *faulty) { f.deaf = true },
	"results are in another order": func(f *faulty) {
		f.results = func(_ []connectors.Change, r []connectors.Result) { slices.Reverse(r) }
	},
	"a refusal is called done": func(f *faulty) {
		f.results = func(_ []connectors.Change, r []connectors.Result) {
			for i := range r {
				if r[i].Status == connectors.Refused {
					r[i].Outcome = connectors.Outcome{Status: connectors.AlreadyApplied}
				}
			}
		}
	},
	"what was so is called done": func(f *faulty) {
		f.results = func(_ []connectors.Change, r []connectors.Result) {
			for i := range r {
				if r[i].Status == connectors.AlreadyApplied {
					r[i].Status = connectors.Applied
				}
			}
		}
	},
	"removals are not carried out": func(f *faulty) {
		f.skip = func(c connectors.Change) bool { return c.Op == connectors.RemoveMember }
	},
	"adoption takes what is somebody's": func(f *faulty) {
		f.results = func(c []connectors.Change, r []connectors.Result) {
			for i := range r {
				if c[i].Op == connectors.AdoptAccount && r[i].Status == connectors.Refused {
					r[i].Outcome = connectors.Outcome{Status: connectors.Applied}
				}
			}
		}
	},
	"renaming is not carried out": func(f *faulty) {
		f.skip = func(c connectors.Change) bool { return c.Op == connectors.RenameAccount }
	},
	"a broken reading is called complete": func(f *faulty) { f.faults = true },
	"the order is by kind": func(f *faulty) {
		f.order = func(a, b connectors.Change) int { return strings.Compare(string(a.Op), string(b.Op)) }
	},
}

// faulty is a connector with a fault.
type faulty struct {
	*memory.Connector
	account func(connectors.Account) (connectors.Account, bool)
	deaf    bool
	results func([]connectors.Change, []connectors.Result)
	skip    func(connectors.Change) bool
	order   func(a, b connectors.Change) int
	faults  bool
}

// Apply implements connectors.Connector.
func (f *faulty) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	changes = slices.Clone(changes)
	if f.order != nil {
		slices.SortStableFunc(changes, f.order)
	}
	if f.skip != nil && slices.ContainsFunc(changes, f.skip) {
		results := make([]connectors.Result, len(changes))
		for i := range results {
			results[i].Status = connectors.Applied
		}
		return results
	}
	results := f.Connector.Apply(ctx, changes)
	if f.results != nil {
		f.results(changes, results)
	}
	return results
}

func (f *faulty) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	c, err := f.Connector.Snapshot(ctx, &between{sink, f})
	if f.deaf && ctx.Err() == nil {
		return connectors.Completeness{Complete: true}, nil
	}
	return c, err
}

// broken is a target that cannot be read; its connector may not notice.
type broken struct {
	*memory.Connector
	complete bool
}

func (b *broken) Snapshot(context.Context, connectors.Sink) (connectors.Completeness, error) {
	return connectors.Completeness{Complete: b.complete, Why: "it broke off"}, nil
}

func (b *broken) Apply(_ context.Context, changes []connectors.Change) []connectors.Result {
	return slices.Repeat([]connectors.Result{{Err: connectors.Errorf(connectors.TargetDown, "gone")}}, len(changes))
}

type between struct {
	connectors.Sink
	fault *faulty
}

func (b *between) Account(a connectors.Account) error {
	if b.fault.account != nil {
		var ok bool
		if a, ok = b.fault.account(a); !ok {
			return nil
		}
	}
	return b.Sink.Account(a)
}

const faultVariable = "BEHOV_CONFORMANCE_FAULT"

// TestFaulty is run by TestSuiteFindsFaults in a process of its own, where it
// must fail.
func TestFaulty(t *testing.T) {
	fault := faults[os.Getenv(faultVariable)]
	if fault == nil {
		t.Skip("only with a fault")
	}
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		m, err := memory.New(memory.Config{Groups: []string{"g", "h"}, References: []string{"manager"}})
		if err != nil {
			t.Fatal(err)
		}
		f := &faulty{Connector: m}
		fault(f)
		return conformance.Fixture{
			Reference: "manager",
			Foreign: func(t *testing.T, name string) string {
				id, err := m.Put(connectors.Account{Name: name, Enabled: true}, false)
				if err != nil {
					t.Fatal(err)
				}
				return id
			},
			Faults:    []conformance.Fault{{Name: "broken", Open: func(*testing.T) connectors.Connector { return &broken{m, f.faults} }}},
			Connector: f, Entitlements: []string{"g", "h"}, Text: "title",
			Attributes: func(string) map[string][]string { return map[string][]string{} },
			SetMFA:     func(*testing.T, string, bool) {},
		}
	})
}

func TestSuiteFindsFaults(t *testing.T) {
	for name := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestFaulty$/^(accounts|adoption|renaming|repetition|members|text|snapshot|faults)$/^[^M]")
			cmd.Env = append(os.Environ(), faultVariable+"="+name)
			out, err := cmd.CombinedOutput()
			if name == none {
				if err != nil {
					t.Errorf("the suite fails without a fault:\n%s", out)
				}
				return
			}
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestFaulty/") {
				t.Errorf("the suite passes: %v\n%s", err, out)
			}
			if strings.Contains(string(out), "panic:") {
				t.Errorf("the suite panics:\n%s", out)
			}
		})
	}
}
