package graph_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/graph/standin"
)

func nothing() *seen {
	return &seen{map[string]connectors.Account{}, map[string]bool{}, map[connectors.Membership]int{}}
}

// few reads accounts, and requires that the reading is complete.
func few(t testing.TB, c connectors.Connector, refs []connectors.AccountRef, names ...string) *seen {
	t.Helper()
	s := nothing()
	if done, err := c.(connectors.AccountReader).ReadAccounts(background, refs, names, s); err != nil || !done.Complete {
		t.Fatalf("ReadAccounts: %+v, %v", done, err)
	}
	return s
}

// about returns the part of a reading about given accounts and entitlements.
func (s *seen) about(ids, names []string) *seen {
	out := nothing()
	for id, a := range s.Accounts {
		if slices.Contains(ids, id) {
			out.Accounts[id] = a
		}
	}
	for name, ambiguous := range s.Entitlements {
		if slices.Contains(names, name) {
			out.Entitlements[name] = ambiguous
		}
	}
	for m, n := range s.Members {
		if slices.Contains(ids, m.AccountID) && slices.Contains(names, m.Entitlement) {
			out.Members[m] = n
		}
	}
	return out
}

// alike checks that accounts and entitlements read one by one are as in a
// snapshot, and that nothing came that is not in a snapshot.
func alike(t testing.TB, whole *seen, c connectors.Connector, refs []connectors.AccountRef, ids []string, names ...string) *seen {
	t.Helper()
	some := few(t, c, refs, names...)
	if diff := cmp.Diff(whole.about(ids, names), some.about(ids, names), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("a snapshot, and the same read by itself: %s", diff)
	}
	for id := range some.Accounts {
		if _, there := whole.Accounts[id]; !there {
			t.Errorf("account %s is in no snapshot", id)
		}
	}
	for name, ambiguous := range some.Entitlements {
		if other, there := whole.Entitlements[name]; !there || other != ambiguous {
			t.Errorf("entitlement %q, ambiguous %t: in a snapshot %t, %t", name, ambiguous, there, other)
		}
	}
	for m, n := range some.Members {
		if m.AccountID != "" && whole.Members[m] != n {
			t.Errorf("membership %+v came %d times, in a snapshot %d", m, n, whole.Members[m])
		}
	}
	return some
}

// tenant is a tenant with some of everything.
type tenant struct {
	*standin.Server
	ids, names []string // of all users, also those that are no accounts, and of all possible entitlements
	refs       []connectors.AccountRef
	guest      string
	deleted    string
	hidden     string
}

func newTenant(s *standin.Server) *tenant {
	w := &tenant{Server: s}
	for i := range 45 {
		name, anchor := fmt.Sprintf("u%d", i), fmt.Sprintf("person-%d", i)
		id := s.AddUser(name, map[string]any{
			"jobTitle": fmt.Sprint("Lärare ", i), "accountEnabled": i%4 > 0, "onPremisesSyncEnabled": i%5 == 0,
			"businessPhones": []any{"+46 8 1"}, "onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": anchor, "extensionAttribute1": "x"},
		})
		if w.ids = append(w.ids, id); i > 0 {
			s.SetManager(id, w.ids[i-1])
		}
		w.refs = append(w.refs, []connectors.AccountRef{{ID: id}, {Anchor: anchor}, {Name: name}, {ID: id, Anchor: anchor, Name: name}}[i%4])
		if i%3 == 0 {
			s.GiveLicence(id, "E3", i%2 == 0)
		}
	}
	w.guest = s.AddUser("gast", map[string]any{"userType": "Guest", "onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": "person-guest"}})
	external := s.AddUser("extern", map[string]any{"userPrincipalName": "extern_other.test#EXT#@kommun.test"})
	elsewhere := s.AddUser("annan", map[string]any{"userPrincipalName": "annan@other.test"})
	w.ids = append(w.ids, w.guest, external, elsewhere)
	w.refs = append(w.refs, connectors.AccountRef{ID: w.guest, Anchor: "person-guest", Name: "gast"},
		connectors.AccountRef{Name: "extern_other.test#EXT#"}, connectors.AccountRef{Name: "ANNAN@other.test"},
		connectors.AccountRef{}, connectors.AccountRef{ID: "00000000-0000-4000-8000-00000000dead"}, connectors.AccountRef{ID: "nobody", Anchor: "nobody", Name: "(no*'b)dy\x00"})
	names := []string{"staff", "Staff", "Staff", "STAFF", "", `finance "big", a\b'c`, "it's", "licence:E3", "licence:group", "licence:group", "00000000-0000-4000-8000-0000000000aa"}
	for i := range 40 {
		names = append(names, fmt.Sprint("Grupp ", i, " på skolan"))
	}
	for i, name := range names {
		props := map[string]any{}
		switch {
		case i == 20:
			props["visibility"] = "HiddenMembership"
		case i%6 == 0:
			props["onPremisesSyncEnabled"] = true
		}
		g := s.AddGroup(name, props)
		if i == 20 {
			w.hidden = name
		}
		for n, id := range w.ids {
			if (n+i)%3 == 0 {
				s.AddMembers(g, id)
			}
		}
		s.AddOther(g, fmt.Sprintf("00000000-0000-4000-8000-0000000001%02d", i), "device")
		if w.names = append(w.names, name); i < 13 {
			w.names = append(w.names, g)
		}
	}
	for i := range 20 {
		s.AddUnit(w.ids[1], fmt.Sprintf("00000000-0000-4000-8000-0000000002%02d", i))
	}
	w.names = append(w.names, "there is none", "00000000-0000-4000-8000-0000000000bb", "licence:none", "licence:EMS", strings.Repeat("x", 2000), "\xff")
	w.deleted = w.ids[7]
	s.SetManager(w.ids[8], w.deleted)
	s.RemoveUser(w.deleted)
	return w
}

// TestReadAccountsMatchesSnapshot reads guests, synchronised and deleted users,
// licences, names that several groups have, more accounts than a batch holds, and
// lists of several pages.
func TestReadAccountsMatchesSnapshot(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*graph.Config){
		"as it is":        func(*graph.Config) {},
		"licences":        func(c *graph.Config) { c.Licences = true },
		"guests":          func(c *graph.Config) { c.Guests, c.Licences = true, true },
		"groups by ID":    func(c *graph.Config) { c.GroupNames = "id" },
		"names in full":   func(c *graph.Config) { c.Domain = "" },
		"with a memory":   func(c *graph.Config) { c.StateStore = &memory{} },
		"few attributes":  func(c *graph.Config) { c.Attributes, c.References = []string{"jobTitle"}, nil },
		"another limit":   func(c *graph.Config) { c.Limits.Concurrent = 1 },
		"without any MFA": func(c *graph.Config) { c.MFA = false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, cfg := start(t, standin.Options{MaxPage: 7, ReadsHidden: true, Domains: []string{domain, "other.test"},
				Licences: []standin.Licence{{SKU: "E3", Units: 99}, {SKU: "EMS", Units: 99}}})
			prepare(&cfg)
			w := newTenant(s)
			if cfg.Domain == "" {
				for i, r := range w.refs {
					if r.Name != "" && !strings.Contains(r.Name, "@") {
						w.refs[i].Name += "@" + domain
					}
				}
			}
			c := open(t, cfg)
			whole := snapshot(t, c)
			got := alike(t, whole, c, w.refs, w.ids, w.names...)
			accounts, memberships := 45, 600
			if cfg.Guests {
				accounts = 47
			}
			if cfg.GroupNames == "id" {
				memberships = 100 // of those that are requested by ID
			}
			if _, there := got.Accounts[w.deleted]; there || len(got.Accounts) != accounts || len(got.Members) < memberships {
				t.Errorf("%d accounts, %d memberships: the test has lost its point", len(got.Accounts), len(got.Members))
			}
			for i, ref := range w.refs {
				alike(t, whole, c, []connectors.AccountRef{ref}, w.ids[min(i, len(w.ids)):min(i+1, len(w.ids))], "Staff", "it's", "licence:E3", w.names[2])
			}
			for _, name := range w.names[:30] {
				alike(t, whole, c, w.refs[:5], w.ids[:5], name)
			}
			alike(t, whole, c, nil, nil, w.names...)
			alike(t, whole, c, w.refs[:1], w.ids[:1])
			wantKnownRequests(t, s.Requests())
		})
	}
}

// TestReadAccountsCost checks that reading one account takes as many requests
// among ten users as among a thousand, and no list of all objects.
func TestReadAccountsCost(t *testing.T) {
	t.Parallel()
	count := func(users int) []string {
		s, cfg := start(t, standin.Options{Licences: []standin.Licence{{SKU: "E3", Units: 1}}})
		cfg.Licences = true
		var ids, names []string
		for i := range users {
			ids = append(ids, s.AddUser(fmt.Sprintf("u%d", i), map[string]any{"onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": fmt.Sprint("person-", i)}}))
		}
		for i := range users {
			name := fmt.Sprint("Grupp ", i)
			s.AddMembers(s.AddGroup(name, nil), ids...)
			if i < 10 {
				names = append(names, name)
			}
		}
		names = append(names, "licence:E3")
		got := few(t, open(t, cfg), []connectors.AccountRef{{ID: ids[3], Anchor: "person-3"}}, names...)
		if len(got.Accounts) != 1 || len(got.Members) != 10 || len(got.Entitlements) != 11 {
			t.Errorf("of %d: read %d accounts, %d memberships, %d entitlements", users, len(got.Accounts), len(got.Members), len(got.Entitlements))
		}
		var kinds []string
		for _, r := range s.Requests() {
			filter, _, _ := strings.Cut(r.Query.Get("$filter"), " ")
			kinds = append(kinds, r.Method+" "+objectID.ReplaceAllString(r.Path, "{}")+" "+filter)
		}
		return kinds
	}
	small, large := count(10), count(1000)
	want := []string{
		"GET /users onPremisesExtensionAttributes/extensionAttribute15", "GET /users/{} ", "GET /subscribedSkus ", "GET /groups displayName",
		"GET /users/{}/memberOf ", "GET /users/{}/memberOf ",
	}
	if diff := cmp.Diff(want[:5], small); diff != "" {
		t.Errorf("of ten: %s", diff)
	}
	// The account's own thousand memberships are on a second page.
	if diff := cmp.Diff(want, large); diff != "" {
		t.Errorf("of a thousand: %s", diff)
	}
}

// TestReadAccountsInBatches checks that twenty requests are sent in one batch.
func TestReadAccountsInBatches(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	var refs []connectors.AccountRef
	var names []string
	for i := range 40 {
		refs = append(refs, connectors.AccountRef{ID: s.AddUser(fmt.Sprintf("u%d", i), nil)})
	}
	for i := range 300 {
		names = append(names, fmt.Sprint("grupp ", i))
		s.AddGroup(names[i], nil)
	}
	if got := few(t, open(t, cfg), refs, names...); len(got.Accounts) != 40 || len(got.Entitlements) != 300 {
		t.Errorf("read %d accounts, %d entitlements", len(got.Accounts), len(got.Entitlements))
	}
	posts := 0
	for _, r := range s.Requests() {
		if !r.InBatch {
			posts++
		}
	}
	if posts != 5 {
		t.Errorf("%d requests, want two for the users, one for the groups and two for the memberships", posts)
	}
}

// TestReadAccountsRecentlyChanged checks that an account that this connector
// created, adopted or renamed is found by ID, anchor and name, although no filter
// finds it yet.
func TestReadAccountsRecentlyChanged(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{Lag: time.Hour})
	c := graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
	id := apply(t, c, connectors.Applied, creation("anna", nil))[0].AccountID
	there := func(ref connectors.AccountRef) {
		t.Helper()
		if got := few(t, c, []connectors.AccountRef{ref}); len(got.Accounts) != 1 || got.Accounts[id].ID != id {
			t.Errorf("%+v: read %v", ref, got.Accounts)
		}
	}
	there(connectors.AccountRef{Anchor: "behov-anna"})
	there(connectors.AccountRef{Name: "Anna"})
	apply(t, c, connectors.Applied, connectors.Change{Op: connectors.RenameAccount, Account: connectors.AccountRef{ID: id, Name: "annika"}})
	there(connectors.AccountRef{Name: "annika"})
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.HasSuffix(r.Path, id) {
			return &standin.Fault{Status: 404, Code: "Request_ResourceNotFound", Message: "Resource '" + id + "' does not exist."}
		}
		return nil
	})
	for _, ref := range []connectors.AccountRef{{ID: id}, {Anchor: "behov-anna"}, {Name: "annika"}} {
		done, err := c.(connectors.AccountReader).ReadAccounts(t.Context(), []connectors.AccountRef{ref}, nil, nothing())
		if connectors.ClassOf(err) != connectors.RetryLater || done.Complete {
			t.Errorf("%+v has not come through: %+v, %v; want to try later", ref, done, err)
		}
	}
	s.Hook(nil)
	s.RemoveUser(id)
	if got := few(t, c, []connectors.AccountRef{{ID: id, Anchor: "behov-anna", Name: "annika"}}); len(got.Accounts) > 0 {
		t.Errorf("deleted, and read: %v", got.Accounts)
	}
}

// TestReadAccountsHiddenMemberships checks that hidden memberships are read from
// the group, and that the reading is not complete without the permission.
func TestReadAccountsHiddenMemberships(t *testing.T) {
	t.Parallel()
	for _, may := range []bool{true, false} {
		s, cfg := start(t, standin.Options{ReadsHidden: may})
		id := s.AddUser("anna", nil)
		class := s.AddGroup("7B", map[string]any{"visibility": "HiddenMembership", "groupTypes": []any{"Unified"}})
		s.AddMembers(class, id, s.AddUser("berit", nil))
		s.AddMembers(s.AddGroup("staff", map[string]any{"visibility": "Private"}), id)
		got := nothing()
		done, err := open(t, cfg).(connectors.AccountReader).ReadAccounts(t.Context(), []connectors.AccountRef{{ID: id}}, []string{"7B", "staff"}, got)
		want := map[connectors.Membership]int{{Entitlement: "staff", AccountID: id}: 1}
		if may {
			want[connectors.Membership{Entitlement: "7B", AccountID: id}] = 1
		}
		if diff := cmp.Diff(want, got.Members); err != nil || done.Complete != may || may == strings.Contains(done.Why, class) || diff != "" {
			t.Errorf("may read them %t: %+v, %v, memberships %s", may, done, err, diff)
		}
	}
}

// TestReadAccountsWithoutUserPermission checks that an application that may read
// only groups gets the same memberships.
func TestReadAccountsWithoutUserPermission(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{ReadsHidden: true})
	w := newTenant(s)
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.HasSuffix(r.Path, "/memberOf") {
			return &standin.Fault{Status: 403, Code: "Authorization_RequestDenied", Message: "Insufficient privileges."}
		}
		return nil
	})
	c := open(t, cfg)
	alike(t, snapshot(t, c), c, w.refs, w.ids, w.names...)
}

// TestReadAccountsWithFaults checks that a reading that missed anything is not
// complete, whichever request fails.
func TestReadAccountsWithFaults(t *testing.T) {
	t.Parallel()
	parts := map[string]func(standin.Request) bool{
		"filter": func(r standin.Request) bool { return r.Path == "/users" },
		"user": func(r standin.Request) bool {
			return strings.HasPrefix(r.Path, "/users/") && !strings.HasSuffix(r.Path, "/memberOf")
		},
		"licences": func(r standin.Request) bool { return r.Path == "/subscribedSkus" },
		"groups":   func(r standin.Request) bool { return r.Path == "/groups" },
		"memberOf": func(r standin.Request) bool { return strings.HasSuffix(r.Path, "/memberOf") },
		"page":     func(r standin.Request) bool { return r.Query.Has("$skiptoken") },
		"hidden":   func(r standin.Request) bool { return strings.HasSuffix(r.Path, "/members") },
	}
	broken := map[string]standin.Fault{
		"throttled":      {Status: 429, RetryAfter: 10 * time.Minute},
		"unavailable":    {Status: 503},
		"expired token":  {Status: 401, Code: "InvalidAuthenticationToken", Message: "Lifetime validation failed, the token is expired."},
		"refused":        {Status: 400, Code: "Request_BadRequest", Message: "x"},
		"no list":        {Body: map[string]any{"x": 1}},
		"a list of null": {Body: map[string]any{"value": []any{nil}}},
		"nobody":         {Body: map[string]any{"value": []any{map[string]any{"displayName": "x"}}}},
	}
	for part, is := range parts {
		t.Run(part, func(t *testing.T) {
			t.Parallel()
			s, cfg := start(t, standin.Options{MaxPage: 7, ReadsHidden: true, Domains: []string{domain, "other.test"}, Licences: []standin.Licence{{SKU: "E3", Units: 99}}})
			cfg.Licences = true
			w := newTenant(s)
			c := graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
			read := func() (connectors.Completeness, error) {
				return c.(connectors.AccountReader).ReadAccounts(t.Context(), w.refs, append(w.names, w.hidden), nothing())
			}
			for name, fault := range broken {
				var hit atomic.Int32 // a lost answer has no order
				s.Hook(func(r standin.Request) *standin.Fault {
					if !is(r) {
						return nil
					}
					hit.Add(1)
					return &fault
				})
				if done, err := read(); err == nil && done.Complete || hit.Load() == 0 {
					t.Errorf("%s: %+v, %v after %d", name, done, err, hit.Load())
				}
			}
			s.Throttle(2, time.Second, is)
			if done, err := read(); err != nil || !done.Complete {
				t.Errorf("throttled twice: %+v, %v", done, err)
			}
			for _, fault := range []standin.Fault{{Omit: true}, {Drop: true}} {
				var hit atomic.Int32
				s.Hook(func(r standin.Request) *standin.Fault {
					if fault.Omit && (!is(r) || !r.InBatch) || fault.Drop && r.Path != "/$batch" {
						return nil
					}
					hit.Add(1)
					return &fault
				})
				if done, err := read(); hit.Load() > 0 && (err == nil || done.Complete) {
					t.Errorf("%+v: %+v, %v", fault, done, err)
				}
			}
			s.Hook(nil)
			if done, err := read(); err != nil || !done.Complete {
				t.Errorf("and then: %+v, %v", done, err)
			}
		})
	}
}

// TestReadAccountsDeletedMeanwhile checks that a user who is deleted during the
// reading is in no group.
func TestReadAccountsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	id := s.AddUser("anna", nil)
	s.AddMembers(s.AddGroup("staff", nil), id)
	s.Hook(func(r standin.Request) *standin.Fault {
		if strings.HasSuffix(r.Path, "/memberOf") {
			return &standin.Fault{Status: 404, Code: "Request_ResourceNotFound", Message: "Resource '" + id + "' does not exist."}
		}
		return nil
	})
	if got := few(t, open(t, cfg), []connectors.AccountRef{{ID: id}}, "staff"); len(got.Members) > 0 || len(got.Entitlements) != 1 {
		t.Errorf("read %+v", got)
	}
}

// TestReadAccountsSinkError checks that an error of the sink ends the reading.
func TestReadAccountsSinkError(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	id := s.AddUser("anna", nil)
	s.AddMembers(s.AddGroup("staff", nil), id)
	c := open(t, cfg).(connectors.AccountReader)
	for left := range 3 {
		done, err := c.ReadAccounts(t.Context(), []connectors.AccountRef{{ID: id}}, []string{"staff"}, &full{left})
		if !errors.Is(err, context.DeadlineExceeded) || done.Complete {
			t.Errorf("after %d: %+v, %v", left, done, err)
		}
	}
}

// full is a sink that fails after a number of items.
type full struct{ left int }

func (f *full) take() error {
	if f.left--; f.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func (f *full) Account(connectors.Account) error         { return f.take() }
func (f *full) Entitlement(connectors.Entitlement) error { return f.take() }
func (f *full) Membership(connectors.Membership) error   { return f.take() }

// TestReadAccountsOfOneAnchor checks that all accounts with an anchor are read,
// on several pages, and that those which Graph finds in another case are left
// out.
func TestReadAccountsOfOneAnchor(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	var ids []string
	for i, anchor := range []string{"x", "x", "X", "x", "x", "y"} {
		ids = append(ids, s.AddUser(fmt.Sprintf("u%d", i), map[string]any{"onPremisesExtensionAttributes": map[string]any{"extensionAttribute15": anchor}}))
	}
	c := open(t, cfg)
	if got := alike(t, snapshot(t, c), c, []connectors.AccountRef{{Anchor: "x"}}, ids[:5]); len(got.Accounts) != 5 {
		t.Errorf("read %v", got.Accounts)
	}
}
