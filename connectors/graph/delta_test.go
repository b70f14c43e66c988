package graph_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/graph/standin"
)

// seen holds a snapshot.
type seen struct {
	Accounts     map[string]connectors.Account
	Entitlements map[string]bool // name → ambiguous
	Members      map[connectors.Membership]int
}

func (s *seen) Account(a connectors.Account) error {
	if _, twice := s.Accounts[a.ID]; twice {
		return fmt.Errorf("account %s came twice", a.ID)
	}
	s.Accounts[a.ID] = a
	return nil
}

func (s *seen) Entitlement(e connectors.Entitlement) error {
	if _, twice := s.Entitlements[e.Name]; twice {
		return fmt.Errorf("entitlement %q came twice", e.Name)
	}
	s.Entitlements[e.Name] = e.Ambiguous
	return nil
}

func (s *seen) Membership(m connectors.Membership) error {
	s.Members[m]++
	return nil
}

type tester interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func snapshot(t tester, c connectors.Connector) *seen {
	t.Helper()
	s := &seen{map[string]connectors.Account{}, map[string]bool{}, map[connectors.Membership]int{}}
	switch done, err := c.Snapshot(background, s); {
	case err != nil:
		t.Fatalf("Snapshot: %v", err)
	case !done.Complete:
		t.Fatalf("Snapshot is not complete: %s", done.Why)
	}
	return s
}

// TestDeltaEqualsFull checks, for random changes of the tenant, that a delta
// reading returns the same as a full reading.
func TestDeltaEqualsFull(t *testing.T) {
	t.Parallel()
	for name, attributes := range map[string][]string{
		"users by delta": {"jobTitle", "businessPhones", "onPremisesExtensionAttributes.extensionAttribute1", "employeeOrgData.division"},
		"users in full":  {"jobTitle", "manager"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(r *rapid.T) { deltaLaw(t, r, attributes) })
		})
	}
}

func deltaLaw(t *testing.T, r *rapid.T, attributes []string) {
	s, cfg := start(t, standin.Options{MaxPage: 3, Licences: []standin.Licence{{SKU: "E3", Units: 100}}})
	cfg.Attributes = attributes
	cfg.References = nil
	if slices.Contains(attributes, "manager") {
		cfg.References, cfg.Licences = []string{"manager"}, true
	}
	cfg.Guests = rapid.Bool().Draw(r, "guests")
	full := open(t, cfg)
	cfg.StateStore = &memory{}
	delta := open(t, cfg)
	w := &scenario{s: s, groups: []string{s.AddGroup("g0", nil), s.AddGroup("g1", nil)}, users: []string{s.AddUser("u0", nil), s.AddUser("u1", nil)}}
	for range rapid.IntRange(1, 6).Draw(r, "rounds") {
		for range rapid.IntRange(0, 8).Draw(r, "changes") {
			w.change(r)
		}
		if rapid.IntRange(0, 9).Draw(r, "expire") == 0 {
			s.ExpireDelta()
		}
		if diff := cmp.Diff(snapshot(r, full), snapshot(r, delta)); diff != "" {
			r.Fatalf("a reading of everything and of changes differ (-everything +changes):\n%s", diff)
		}
	}
}

// scenario changes a tenant without the connector.
type scenario struct {
	s             *standin.Server
	users, groups []string
}

func (w *scenario) change(r *rapid.T) {
	user := func() string { return rapid.SampledFrom(w.users).Draw(r, "user") }
	live := func(do func(string)) {
		if id := user(); w.s.User(id) != nil {
			do(id)
		}
	}
	group := func() int { return rapid.IntRange(0, len(w.groups)-1).Draw(r, "group") }
	switch rapid.IntRange(0, 13).Draw(r, "kind") {
	case 0, 1:
		w.users = append(w.users, w.s.AddUser(fmt.Sprintf("u%d", len(w.users)), map[string]any{"jobTitle": "new"}))
	case 2:
		w.s.RemoveUser(user())
	case 3:
		w.s.RestoreUser(user())
	case 4:
		live(func(id string) {
			w.s.SetUser(id, map[string]any{"jobTitle": rapid.SampledFrom([]any{"boss", "clerk", nil}).Draw(r, "title")})
		})
	case 5:
		live(func(id string) {
			w.s.SetUser(id, map[string]any{
				"accountEnabled": rapid.Bool().Draw(r, "enabled"), "businessPhones": rapid.SampledFrom([]any{[]string{}, []string{"1"}}).Draw(r, "phones"),
				"onPremisesExtensionAttributes": rapid.SampledFrom([]any{map[string]any{"extensionAttribute1": "x"}, map[string]any{"extensionAttribute15": "p"}, map[string]any{"extensionAttribute1": nil}}).Draw(r, "attribute"),
				"employeeOrgData":               rapid.SampledFrom([]any{map[string]any{"division": "d"}, nil}).Draw(r, "division"),
			})
		})
	case 6:
		live(func(id string) {
			ext := rapid.SampledFrom([]string{"", "", "#EXT#"}).Draw(r, "ext")
			w.s.SetUser(id, map[string]any{"userPrincipalName": fmt.Sprintf("r%d%s@%s", rapid.IntRange(0, 1000).Draw(r, "name"), ext, domain)})
		})
	case 7, 8:
		live(func(id string) { w.s.AddMembers(w.groups[group()], id) })
	case 9:
		w.s.RemoveMember(w.groups[group()], user())
	case 10:
		w.groups = append(w.groups, w.s.AddGroup(fmt.Sprintf("g%d", rapid.IntRange(0, 3).Draw(r, "group name")), nil))
	case 11:
		if i := group(); len(w.groups) > 1 {
			w.s.RemoveGroup(w.groups[i])
			w.groups = slices.Delete(w.groups, i, i+1)
		}
	case 13: // synchronised from on-premises, or not
		live(func(id string) {
			w.s.SetUser(id, rapid.SampledFrom([]map[string]any{
				{"onPremisesSyncEnabled": true}, {"onPremisesSyncEnabled": false}, {"onPremisesSyncEnabled": nil},
				{"userType": "Guest"}, {"userType": "Member"}, {"userType": nil},
			}).Draw(r, "origin"))
		})
	case 12:
		switch rapid.IntRange(0, 3).Draw(r, "rest") {
		case 0:
			w.s.SetGroup(w.groups[group()], map[string]any{"displayName": fmt.Sprintf("g%d", rapid.IntRange(0, 3).Draw(r, "group name"))})
		case 1:
			w.s.AddOther(w.groups[group()], uuid.NewString(), "device")
		case 2:
			live(func(id string) { live(func(m string) { w.s.SetManager(id, m) }) })
		case 3:
			live(func(id string) { w.s.GiveLicence(id, "E3", false) })
		}
	}
}

// asked returns the paths of the requests.
func asked(s *standin.Server) []string {
	var paths []string
	for _, r := range s.Requests() {
		paths = append(paths, r.Method+" "+r.Path)
	}
	return paths
}

// TestDeltaAsksForChangesOnly checks that with a StateStore the second reading
// requests neither users nor groups nor members, and that it does so again after
// 410, with another configuration, with a corrupt state, and after a day.
func TestDeltaAsksForChangesOnly(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	cfg.Attributes, cfg.References = []string{"jobTitle"}, nil
	m := &memory{}
	cfg.StateStore = m
	g := s.AddGroup("staff", nil)
	id := s.AddUser("anna", nil)
	s.AddMembers(g, id)
	c := open(t, cfg)
	snapshot(t, c)
	full := func() bool {
		s.Forget()
		got := snapshot(t, c)
		if len(got.Accounts) != 1 || got.Members[connectors.Membership{Entitlement: "staff", AccountID: id}] != 1 {
			t.Fatalf("read %+v", got)
		}
		return slices.Contains(asked(s), "GET /users")
	}
	if full() {
		t.Errorf("everything was read again: %v", asked(s))
	}
	if paths := asked(s); !slices.Equal(paths, []string{"GET /users/delta()", "GET /groups/delta()"}) {
		t.Errorf("asked for %v", paths)
	}
	s.ExpireDelta()
	if !full() || full() {
		t.Error("after 410 everything is to be read once")
	}
	m.state = append(slices.Clone(m.state[:len(m.state)/2]), 0)
	if !full() {
		t.Error("with half a memory everything is to be read")
	}
	cfg.Attributes = []string{"jobTitle", "city"}
	c = open(t, cfg)
	if !full() || full() {
		t.Error("with another attribute everything is to be read once")
	}
	graph.Age(c, 25)
	if !full() || full() {
		t.Error("after a day everything is to be read once")
	}
}

// TestDeltaBroken checks that 410 for the second page leads to a full reading,
// and that another error fails the reading.
func TestDeltaBroken(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{MaxPage: 1})
	cfg.Attributes, cfg.References = []string{"jobTitle"}, nil
	cfg.StateStore = &memory{}
	c := open(t, cfg)
	snapshot(t, c)
	for i := range 4 {
		s.AddUser(fmt.Sprintf("u%d", i), nil)
	}
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.HasPrefix(r.Path, "/users/delta") && r.Query.Has("$skiptoken") {
			return &standin.Fault{Status: http.StatusGone, Code: "syncStateNotFound", Message: "gone"}
		}
		return nil
	})
	if got := snapshot(t, c); len(got.Accounts) != 4 {
		t.Errorf("%d accounts, want 4", len(got.Accounts))
	}
	for name, fault := range map[string]*standin.Fault{
		"cut":          {Truncate: true},
		"dropped":      {Drop: true},
		"no list":      {Body: map[string]any{}},
		"both links":   {Body: map[string]any{"value": []any{}, "@odata.nextLink": "x", "@odata.deltaLink": "y"}},
		"a link away":  {Body: map[string]any{"value": []any{}, "@odata.nextLink": "https://elsewhere.test/v1.0/users/delta"}},
		"neither link": {Body: map[string]any{"value": []any{}}},
	} {
		s.Hook(func(r standin.Request) *standin.Fault {
			if strings.HasPrefix(r.Path, "/groups/delta") {
				return fault
			}
			return nil
		})
		if done, err := c.Snapshot(t.Context(), &seen{map[string]connectors.Account{}, map[string]bool{}, map[connectors.Membership]int{}}); err == nil || done.Complete {
			t.Errorf("%s: no error, complete %t", name, done.Complete)
		}
	}
	s.Hook(nil)
	if got := snapshot(t, c); len(got.Accounts) != 4 {
		t.Errorf("%d accounts afterwards, want 4", len(got.Accounts))
	}
}
