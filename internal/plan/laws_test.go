package plan_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
)

// target is a little directory that plans are carried out on.
type target struct {
	name     string
	accounts map[string]connectors.Account // by ID
	members  map[string]map[string]bool    // native → account IDs
	complete bool
	hidden   map[string]bool // accounts that an incomplete reading does not show
}

func (t *target) observe(order *rand.Rand) *plan.Observed {
	type item func(*plan.Observed) error
	var items []item
	for id, a := range t.accounts {
		if !t.complete && t.hidden[id] {
			continue
		}
		items = append(items, func(o *plan.Observed) error { return o.Account(a) })
	}
	for native, ids := range t.members {
		items = append(items, func(o *plan.Observed) error { return o.Entitlement(connectors.Entitlement{Name: native}) })
		for id := range ids {
			if !t.complete && t.hidden[id] {
				continue
			}
			items = append(items, func(o *plan.Observed) error {
				return o.Membership(connectors.Membership{Entitlement: native, AccountID: id})
			})
		}
	}
	if order != nil {
		order.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
	}
	o := plan.NewObserved()
	for _, f := range items {
		if err := f(o); err != nil {
			panic(err)
		}
	}
	o.Done(connectors.Completeness{Complete: t.complete, Why: "it broke"})
	return o
}

// carryOut does what the steps say, and fails the test on a step that cannot
// be done in its place.
func (t *target) carryOut(tb failer, p *plan.Plan, people []plan.Person, given map[plan.Access]reason.Reason, bound map[identity.PersonID]string) {
	tb.Helper()
	desired := map[identity.PersonID]plan.Account{}
	for _, person := range people {
		desired[person.ID] = person.Accounts[t.name]
	}
	for _, adopted := range p.Adopted {
		if adopted.Target == t.name {
			given[plan.Access{Person: adopted.Person, Entitlement: adopted.Entitlement}] = adopted.Reason
		}
	}
	accountOf := func(person identity.PersonID) string {
		if id := bound[person]; id != "" {
			return id
		}
		for id, a := range t.accounts {
			if a.Anchor == string(person) {
				return id
			}
		}
		// One that was there, and whose adoption is held.
		id := "id-" + string(person)
		if a, ok := t.accounts[id]; ok && slices.Equal(a.Attributes["number"], []string{string(person)}) {
			return id
		}
		return "new-" + string(person)
	}
	for _, s := range p.Steps {
		if s.Target != t.name {
			continue
		}
		id := s.AccountID
		if id == "" {
			id = accountOf(s.Person)
		}
		a, ok := t.accounts[id]
		if ok == (s.Op == connectors.CreateAccount) {
			tb.Fatalf("step %v: account there is %t", s, ok)
		}
		access := plan.Access{Person: s.Person, Entitlement: s.Entitlement}
		switch s.Op {
		case connectors.CreateAccount:
			a = connectors.Account{ID: id, Anchor: string(s.Person), Name: desired[s.Person].Name, Enabled: true, Attributes: map[string][]string{}}
			for name := range s.Attributes {
				if v := desired[s.Person].Attributes[name]; len(v) > 0 {
					a.Attributes[name] = v
				}
			}
			bound[s.Person] = id
		case connectors.AdoptAccount:
			if a.Anchor != "" {
				tb.Fatalf("step %v adopts somebody's account", s)
			}
			a.Anchor = string(s.Person)
			bound[s.Person] = id
		case connectors.RenameAccount:
			a.Name = desired[s.Person].Name
		case connectors.UpdateAccount:
			a.Attributes = maps.Clone(a.Attributes)
			for name := range s.Attributes {
				a.Attributes[name] = desired[s.Person].Attributes[name]
				if boss, ok := desired[s.Person].References[name]; ok && boss != "" {
					if _, there := t.accounts[accountOf(boss)]; !there {
						tb.Fatalf("step %v refers to an account that does not exist", s)
					}
					a.Attributes[name] = []string{accountOf(boss)}
				}
			}
		case connectors.DisableAccount:
			a.Enabled = false
		case connectors.EnableAccount:
			a.Enabled = true
		case connectors.AddMember:
			t.members[s.Native][id] = true
			given[access] = s.Reason
		case connectors.RemoveMember:
			delete(t.members[s.Native], id)
			delete(given, access)
		}
		if s.Op == connectors.CreateAccount || s.Op == connectors.EnableAccount {
			given[plan.Access{Person: s.Person, Entitlement: plan.AccountAccess}] = s.Reason
		}
		if s.Op == connectors.DisableAccount {
			delete(given, plan.Access{Person: s.Person, Entitlement: plan.AccountAccess})
		}
		t.accounts[id] = a
	}
}

var catalogue = policy.Catalogue{Entitlements: []policy.Entitlement{
	{ID: "app:a", Target: "t1", Native: "a", Authoritative: true}, {ID: "app:b", Target: "t1", Native: "b"},
	{ID: "app:c", Target: "t1", Native: "c", MFA: true, Authoritative: true}, {ID: "web:d", Target: "t2", Native: "d"},
}}

type scenario struct {
	people  []plan.Person
	targets []*target
	given   map[string]map[plan.Access]reason.Reason
	bound   map[string]map[identity.PersonID]string
	limit   int // how many people may lose something
}

func (w *scenario) input(order *rand.Rand) plan.Input {
	in := plan.Input{Basis: plan.Basis{AsOf: "2026-11-23", Rules: "r", Events: 7}, Catalogue: &catalogue, FingerprintKey: []byte("k")}
	in.People = slices.Values(w.people)
	for _, t := range w.targets {
		in.Targets = append(in.Targets, plan.Target{Name: t.name, Observed: t.observe(order), Given: given(w.given[t.name]), Claims: []string{"number"}, Bound: bindings(w.bound[t.name]), Limits: w.limits(), Ignore: []string{"svc-*"},
			Adopts: true, Renames: true, References: map[string]bool{"boss": true}})
	}
	if order != nil {
		order.Shuffle(len(in.Targets), func(i, j int) { in.Targets[i], in.Targets[j] = in.Targets[j], in.Targets[i] })
	}
	for i := range in.Targets {
		in.Targets[i].Correlate(in.People)
	}
	return in
}

func given(m map[plan.Access]reason.Reason) plan.Given {
	var g plan.Given
	for access, reason := range m { // in any order
		g.Add(access, reason)
	}
	return g
}

func bindings(m map[identity.PersonID]string) plan.Bindings {
	var b plan.Bindings
	for person, account := range m {
		b.Bind(person, account)
	}
	return b
}

func build(tb failer, in plan.Input) *plan.Plan {
	tb.Helper()
	p, err := plan.Build(in)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// genScenario draws people with grants and targets in any state, with accounts of
// no one, groups of no one, and access that came behind our back.
func genScenario(complete bool) *rapid.Generator[*scenario] {
	return rapid.Custom(func(t *rapid.T) *scenario {
		w := &scenario{given: map[string]map[plan.Access]reason.Reason{"t1": {}, "t2": {}}, bound: map[string]map[identity.PersonID]string{"t1": {}, "t2": {}}, limit: 1000}
		for _, name := range []string{"t1", "t2"} {
			w.targets = append(w.targets, &target{name: name, accounts: map[string]connectors.Account{}, members: map[string]map[string]bool{"not-ours": {}}, complete: true, hidden: map[string]bool{}})
		}
		for _, e := range catalogue.Entitlements {
			w.targets[e.Target[1]-'1'].members[e.Native] = map[string]bool{}
		}
		for i := range rapid.IntRange(0, 8).Draw(t, "people") {
			p := plan.Person{ID: identity.PersonID(fmt.Sprintf("p%d", i)), Accounts: map[string]plan.Account{}}
			if rapid.IntRange(0, 3).Draw(t, "gone") == 0 {
				p.NoEntitlementReason = reason.Of(reason.NoEmployment{})
			}
			for _, e := range catalogue.Entitlements {
				gate := rapid.SampledFrom([]policy.Gate{"", "", policy.Open, policy.Open, policy.Revoked, policy.Denied, policy.AwaitingMFA, policy.MFAUnknown, policy.Kept}).Draw(t, "gate")
				if gate == "" || !p.NoEntitlementReason.IsZero() {
					continue
				}
				g := policy.Grant{Entitlement: e.ID, Gate: gate}
				if gate == policy.Open {
					g.Reasons = []policy.Reason{{By: reason.Of(reason.Rule{Rule: "r", Version: "1"})}}
				} else {
					g.GateReason = reason.Of(reason.Kept{Decision: 1, Maker: identity.Actor(gate)})
				}
				p.Grants = append(p.Grants, g)
			}
			for _, tt := range w.targets {
				account := plan.Account{Name: "login-" + string(p.ID), Rename: rapid.Bool().Draw(t, "rename"), Attributes: map[string][]string{"mail": {string(p.ID) + "@x"}, "title": nil},
					Claims: []plan.Claim{{Attribute: "number", Value: string(p.ID)}}}
				if boss := rapid.IntRange(-1, 8).Draw(t, "boss"); boss < 8 { // who may not be there
					account.References = map[string]identity.PersonID{"boss": ""}
					if boss >= 0 {
						account.References["boss"] = identity.PersonID(fmt.Sprintf("p%d", boss))
					}
				}
				p.Accounts[tt.name] = account
				if !rapid.Bool().Draw(t, "account") {
					continue
				}
				a := connectors.Account{ID: "id-" + string(p.ID), Anchor: string(p.ID), Name: rapid.SampledFrom([]string{"login-", "old-"}).Draw(t, "name") + string(p.ID), Enabled: rapid.Bool().Draw(t, "enabled"),
					Attributes: map[string][]string{"mail": {rapid.SampledFrom([]string{"old@x", string(p.ID) + "@x"}).Draw(t, "mail")}}}
				// The account may have been there before behov, and its anchor
				// may have been removed since.
				before := rapid.IntRange(0, 3).Draw(t, "before") == 0
				if before {
					a.Attributes["number"] = []string{string(p.ID)}
				}
				if before || rapid.IntRange(0, 5).Draw(t, "wiped") == 0 {
					a.Anchor = ""
				}
				if a.Anchor == "" && !before { // another person's number says nothing
					a.Attributes["number"] = []string{fmt.Sprintf("p%d", rapid.IntRange(0, 8).Draw(t, "number"))}
				}
				tt.accounts[a.ID] = a
				tt.hidden[a.ID] = rapid.Bool().Draw(t, "hidden")
				if a.Anchor == "" && !before || a.Anchor != "" && rapid.Bool().Draw(t, "bound") {
					w.bound[tt.name][p.ID] = a.ID
				}
				for _, native := range slices.Sorted(maps.Keys(tt.members)) {
					ids := tt.members[native]
					if rapid.Bool().Draw(t, "member-"+native) {
						ids[a.ID] = true
					}
				}
				for _, e := range catalogue.Entitlements {
					if e.Target == tt.name && tt.members[e.Native][a.ID] && !before && rapid.Bool().Draw(t, "given") {
						w.given[tt.name][plan.Access{Person: p.ID, Entitlement: e.ID}] = reason.Of(reason.Rule{Rule: "r"})
					}
				}
			}
			w.people = append(w.people, p)
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "strangers") {
			tt := w.targets[i%2]
			id := fmt.Sprintf("stranger%d", i)
			tt.accounts[id] = connectors.Account{ID: id, Name: rapid.SampledFrom([]string{"svc-backup", "old-admin"}).Draw(t, "stranger"), Enabled: true}
			for _, ids := range tt.members {
				ids[id] = true
			}
		}
		for _, tt := range w.targets {
			tt.complete = complete
		}
		return w
	})
}

// Law 1: run twice, and the second plan is empty.
func TestLawSecondPlanIsEmpty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(true).Draw(t, "scenario")
		p := build(t, w.input(nil))
		for _, tt := range w.targets {
			tt.carryOut(t, p, w.people, w.given[tt.name], w.bound[tt.name])
		}
		if again := build(t, w.input(nil)); len(again.Steps) > 0 || len(again.Adopted) > 0 {
			t.Fatalf("after\n%+v\nthere is still\n%+v\n%+v", p.Steps, again.Steps, again.Adopted)
		}
	})
}

// Law 2: the same inputs in any order give the same bytes and digest.
func TestLawDeterministic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(rapid.Bool().Draw(t, "complete")).Draw(t, "scenario")
		w.limit = rapid.IntRange(0, 3).Draw(t, "limit")
		var first []byte
		for seed := range uint64(4) {
			p := build(t, w.input(rand.New(rand.NewPCG(seed, 1))))
			b, err := json.Marshal(p)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = b
			} else if !bytes.Equal(first, b) {
				t.Fatalf("two orders of the same input give\n%s\n%s", first, b)
			}
			if err := p.Verify(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// Law 2: an approval covers nothing that its digest does not name.
func TestLawDigestNamesContent(t *testing.T) {
	w := genScenario(true).Example(3)
	p := build(t, w.input(nil))
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var saved plan.Plan
	if err := json.Unmarshal(b, &saved); err != nil {
		t.Fatal(err)
	}
	if err := saved.Verify(); err != nil {
		t.Errorf("a plan that was saved and read again: %v", err)
	}
	saved.Basis.Events++
	if saved.Verify() == nil {
		t.Error("a plan whose basis was changed verifies")
	}
	if len(p.Steps) == 0 {
		t.Fatal("the example has no steps to tamper with")
	}
	saved.Basis.Events--
	saved.Steps[0].Person = "somebody-else"
	if saved.Verify() == nil {
		t.Error("a plan with a step changed verifies")
	}
}

// Law 3: an incomplete reading takes nothing away, and what waits for a whole
// one is said.
func TestLawPartialReadsRemoveNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(false).Draw(t, "scenario")
		p := build(t, w.input(nil))
		for _, s := range p.Steps {
			if s.Destructive || s.Op == plan.RevokeSessions {
				t.Fatalf("an incomplete reading led to %+v", s)
			}
			if s.Op == connectors.CreateAccount && w.bound[s.Target][s.Person] != "" {
				t.Fatalf("an account that was not seen is created a second time: %+v", s)
			}
		}
	})
}

// Law 4: more people losing something than the limit allows is held, and a
// release of exactly that digest lets exactly that through.
func TestLawBlastRadius(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(true).Draw(t, "scenario")
		w.limit = rapid.IntRange(0, 4).Draw(t, "limit")
		in := w.input(nil)
		p := build(t, in)
		for _, tt := range w.targets {
			losing := map[blastradius.Kind]map[identity.PersonID]bool{blastradius.Disables: {}, blastradius.Removals: {}}
			for _, s := range p.Steps {
				if s.Target == tt.name && s.Destructive && s.Op != connectors.UpdateAccount {
					losing[s.Kind][s.Person] = true
				}
			}
			for kind, people := range losing {
				if len(people) > w.limit {
					t.Fatalf("%s of %d people in %s, the limit is %d", kind, len(people), tt.name, w.limit)
				}
			}
		}
		if len(p.Holds) == 0 {
			return
		}
		hold := p.Holds[0]
		decide(&in, hold.Steps, plan.Release)
		released := build(t, in)
		for _, s := range hold.Steps {
			if !slices.ContainsFunc(released.Steps, func(x plan.Step) bool { return x.ID == s.ID }) {
				t.Fatalf("released step %+v is not in the plan", s)
			}
		}
		for _, s := range released.Steps {
			if !slices.ContainsFunc(append(slices.Clone(p.Steps), hold.Steps...), func(x plan.Step) bool { return x.ID == s.ID }) {
				t.Fatalf("the release of one hold let through something else: %+v", s)
			}
		}
		decide(&in, hold.Steps, plan.Reject)
		for _, s := range build(t, in).Steps {
			if slices.ContainsFunc(hold.Steps, func(x plan.Step) bool { return x.ID == s.ID }) {
				t.Fatalf("rejected step %+v is in the plan", s)
			}
		}
		other := hold.Steps[0]
		other.AccountID += "x"
		decide(&in, []plan.Step{other}, plan.Release)
		if other := build(t, in); len(other.Holds) != len(p.Holds) {
			t.Fatal("the release of another account's step let a hold through")
		}
	})
}

// Law 6: accounts and groups that are not ours are never touched; every
// account is owned, ignored on purpose, or listed.
func TestLawOnlyWhatIsOurs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(true).Draw(t, "scenario")
		p := build(t, w.input(nil))
		for _, s := range p.Steps {
			if strings.HasPrefix(s.AccountID, "stranger") || s.Native == "not-ours" {
				t.Fatalf("a step touches what is not ours: %+v", s)
			}
			e, _ := catalogue.Entitlement(s.Entitlement)
			unexplained := s.Reason == reason.Of(reason.GrantedInTarget{})
			if s.Op == connectors.RemoveMember && unexplained && !e.Authoritative {
				t.Fatalf("access that behov did not give is taken away though %s is not authoritative: %+v", e.ID, s)
			}
		}
		for _, tt := range w.targets {
			for id, a := range tt.accounts {
				listed := slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == plan.Orphan && f.AccountID == id && f.Target == tt.name })
				disabled := a.Anchor == "" && !a.Enabled // perhaps on purpose: not adopted, and listed
				if want := strings.HasPrefix(id, "stranger") && !strings.HasPrefix(a.Name, "svc-"); listed != want && !disabled {
					t.Fatalf("account %+v listed as orphan: %t", a, listed)
				}
			}
			if !slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == plan.Unmanaged && f.Target == tt.name }) {
				t.Fatal("the group that is not in the catalogue is not reported")
			}
		}
	})
}

// Law 7: what behov gave and nothing needs any more is taken away, now.
func TestLawMoversLoseTheOldAccess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(true).Draw(t, "scenario")
		p := build(t, w.input(nil))
		for _, person := range w.people {
			for _, tt := range w.targets {
				for access := range w.given[tt.name] {
					if access.Person != person.ID || slices.ContainsFunc(person.Grants, func(g policy.Grant) bool { return g.Entitlement == access.Entitlement }) {
						continue
					}
					if !slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
						return s.Op == connectors.RemoveMember && s.Person == person.ID && s.Entitlement == access.Entitlement
					}) {
						t.Fatalf("%v is needed by nothing and stays", access)
					}
				}
			}
		}
	})
}

// Law 8: a leaver's account is disabled before memberships go, a joiner has an
// account before memberships, and no one is enabled before.
func TestLawOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(true).Draw(t, "scenario")
		in := w.input(nil)
		for i := range in.Targets {
			in.Targets[i].Sessions = true
		}
		p := build(t, in)
		phase := plan.PhaseAdopt
		for i, s := range p.Steps {
			if phase > plan.PhaseOf(s.Op) {
				t.Fatalf("step %d, %s of %s, comes after phase %d", i, s.Op, s.Person, phase)
			}
			phase = plan.PhaseOf(s.Op)
			if _, refers := s.Attributes["boss"]; refers && s.Op == connectors.UpdateAccount {
				i := slices.IndexFunc(w.people, func(p plan.Person) bool { return p.ID == s.Person })
				boss := w.people[i].Accounts[s.Target].References["boss"]
				created := slices.IndexFunc(p.Steps, func(x plan.Step) bool {
					return x.Op == connectors.CreateAccount && x.Person == boss && x.Target == s.Target
				})
				if created >= 0 && !slices.Contains(s.DependsOn, p.Steps[created].ID) {
					t.Fatalf("%+v does not depend on the account that it refers to", s)
				}
			}
			if s.Op == connectors.AddMember && s.AccountID == "" {
				created := slices.IndexFunc(p.Steps, func(x plan.Step) bool { return x.ID == s.DependsOn[0] })
				if created < 0 || created > i || p.Steps[created].Op != connectors.CreateAccount {
					t.Fatalf("%+v does not follow its account", s)
				}
			}
		}
	})
}

// Law 8: every account of a leaver is signed out and disabled, in every target.
func TestLawLeaverIsDisabledEverywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := genScenario(true).Draw(t, "scenario")
		in := w.input(nil)
		for i := range in.Targets {
			in.Targets[i].Sessions = true
		}
		p := build(t, in)
		for _, person := range w.people {
			for _, tt := range w.targets {
				for _, a := range tt.accounts {
					if person.NoEntitlementReason.IsZero() || a.ID != "id-"+string(person.ID) || !a.Enabled {
						continue
					}
					for _, op := range []connectors.Op{plan.RevokeSessions, connectors.DisableAccount} {
						planned := slices.Clone(p.Steps)
						for _, h := range p.Holds { // what was there before behov waits for a look
							planned = append(planned, h.Steps...)
						}
						if !slices.ContainsFunc(planned, func(s plan.Step) bool { return s.Op == op && s.AccountID == a.ID && s.Target == tt.name }) {
							t.Fatalf("%s has no employment, and no step does %s on %s in %s", person.ID, op, a.ID, tt.name)
						}
					}
				}
			}
		}
	})
}

// Law 10: every step has a reason that a person can read.
func TestLawEveryStepHasAReason(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := build(t, genScenario(rapid.Bool().Draw(t, "complete")).Draw(t, "scenario").input(nil))
		ids := map[audit.StepID]bool{}
		for _, s := range p.Steps {
			if s.Reason.IsZero() {
				t.Fatalf("no reason: %+v", s)
			}
			if ids[s.ID] {
				t.Fatalf("two steps have the ID of %+v", s)
			}
			ids[s.ID] = true
		}
	})
}

// Law 12: a plan holds no personal value.
func TestLawPlanHoldsNoPersonalValue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, err := json.Marshal(build(t, genScenario(true).Draw(t, "scenario").input(nil)))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("@x")) || bytes.Contains(b, []byte("login-")) {
			t.Fatalf("the plan has an address or a login in it: %s", b)
		}
	})
}

// failer is what helpers need of a *testing.T or a *rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// limits bound what takes away; the rest may happen to everyone.
func (w *scenario) limits() map[blastradius.Kind]blastradius.Limit {
	l := atMost(1000)
	l[blastradius.Disables], l[blastradius.Removals] = blastradius.Limit{People: w.limit, Share: -1}, blastradius.Limit{People: w.limit, Share: -1}
	return l
}

// atMost is one number for every kind.
func atMost(n int) map[blastradius.Kind]blastradius.Limit {
	l := map[blastradius.Kind]blastradius.Limit{}
	for _, kind := range blastradius.Kinds {
		l[kind] = blastradius.Limit{People: n, Share: -1}
	}
	return l
}

// decide has a person release or reject steps.
func decide(in *plan.Input, steps []plan.Step, verdict plan.Verdict) {
	for i := range in.Targets {
		in.Targets[i].Decided = map[audit.StepDigest]plan.Decided{}
		for _, s := range steps {
			if s.Target == in.Targets[i].Name {
				in.Targets[i].Decided[s.Digest()] = plan.Decided{Person: s.Person, Hold: "h", Verdict: verdict}
			}
		}
	}
}

// TestTheDigestIsOfTheJSON: the digest that is worked out step by step is SHA-256 of
// the plan's JSON.
func TestTheDigestIsOfTheJSON(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		p := plan.Plan{Basis: plan.Basis{Rules: rapid.SampledFrom([]string{"r", `"steps":[]`}).Draw(r, "rules"), Targets: map[string]string{"t": "d"}}, Steps: []plan.Step{}}
		for n := range rapid.IntRange(0, 3).Draw(r, "steps") {
			p.Steps = append(p.Steps, plan.Step{ID: audit.StepID(fmt.Sprint(n)), Reason: reason.Of(reason.Answer{Text: rapid.String().Draw(r, "reason")}), Attributes: map[string]string{"a": "b"}})
		}
		text, err := json.Marshal(&p)
		if err != nil {
			r.Fatal(err)
		}
		p.Digest = audit.PlanDigest(fmt.Sprintf("%x", sha256.Sum256(text)))
		if err := p.Verify(); err != nil {
			r.Fatal(err)
		}
	})
}
