package scim_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/testenv"
)

const (
	groupSchemaURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
	nobodysID      = "00000000-0000-4000-8000-00000000dead"
)

// excerpt is the part of a reading about given accounts and entitlements.
type excerpt struct {
	ids, names   []string
	Accounts     map[string]connectors.Account
	Entitlements map[connectors.Entitlement]bool
	Members      map[connectors.Membership]bool
	twice        []string
}

func (x *excerpt) Account(a connectors.Account) error {
	if !slices.Contains(x.ids, a.ID) {
		return nil
	}
	if _, twice := x.Accounts[a.ID]; twice {
		x.twice = append(x.twice, a.ID)
	}
	x.Accounts[a.ID] = a
	return nil
}

func (x *excerpt) Entitlement(e connectors.Entitlement) error {
	if slices.Contains(x.names, e.Name) {
		x.Entitlements[e] = true
	}
	return nil
}

func (x *excerpt) Membership(m connectors.Membership) error {
	if !slices.Contains(x.ids, m.AccountID) || !slices.Contains(x.names, m.Entitlement) {
		return nil
	}
	if x.Members[m] {
		x.twice = append(x.twice, m.AccountID)
	}
	x.Members[m] = true
	return nil
}

// alike checks that accounts and entitlements read one by one are as in a
// snapshot. Another connector reads the snapshot first, so that what it learns
// does not help c.
func alike(t *testing.T, whole, c connectors.Connector, refs []connectors.AccountRef, ids []string, names ...string) {
	t.Helper()
	read := func(read func(connectors.Sink) (connectors.Completeness, error)) *excerpt {
		x := &excerpt{ids: ids, names: names, Accounts: map[string]connectors.Account{}, Entitlements: map[connectors.Entitlement]bool{}, Members: map[connectors.Membership]bool{}}
		if done, err := read(x); err != nil || !done.Complete {
			t.Fatalf("reading: %+v %v", done, err)
		}
		if len(x.twice) > 0 {
			t.Errorf("came twice: %v", x.twice)
		}
		return x
	}
	all := read(func(s connectors.Sink) (connectors.Completeness, error) { return whole.Snapshot(t.Context(), s) })
	few := read(func(s connectors.Sink) (connectors.Completeness, error) {
		return c.(connectors.AccountReader).ReadAccounts(t.Context(), refs, names, s)
	})
	if diff := cmp.Diff(all, few, cmpopts.IgnoreUnexported(excerpt{})); diff != "" {
		t.Errorf("a snapshot, and the same read by itself: %s", diff)
	}
}

// TestReadAccountsMatchesSnapshot reads accounts one by one from services of
// every kind: at first, after a snapshot, after changes, and again.
func TestReadAccountsMatchesSnapshot(t *testing.T) {
	t.Parallel()
	for name, q := range fewServices {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, twins(q), "A required value was missing")
			cfg := f.config()
			if name == "deactivates where it should delete" {
				cfg.Quirks = []scim.Quirk{scim.SoftDelete}
			}
			for _, group := range []string{"twin 1", "twin 2", "lunch & fika", "empty"} {
				call(t, testToken, http.MethodPost, f.real+"/Groups", map[string]any{"schemas": []string{groupSchemaURN}, "displayName": group})
			}
			readAccountsMatchesSnapshot(t, func() connectors.Connector { return open(t, cfg) })
		})
	}
}

func TestReadAccountsMatchesSnapshotSCIMMY(t *testing.T) {
	t.Parallel()
	s := testenv.SCIMMY(t)
	url := s.Service()
	for _, name := range []string{"staff", `finance "big", a\b`, "twin 1", "twin 2", "lunch & fika", "empty"} {
		call(t, s.Token, http.MethodPost, url+"/Groups", map[string]any{"schemas": []string{groupSchemaURN}, "displayName": name})
	}
	cfg := newFrontOf(t, url, twins(asIs)).config()
	cfg.Token = s.Token
	readAccountsMatchesSnapshot(t, func() connectors.Connector { return open(t, cfg) })
}

// readAccountsMatchesSnapshot reads accounts one by one, twice, in a service that
// has the groups staff, finance, lunch & fika, empty and twin.
func readAccountsMatchesSnapshot(t *testing.T, open func() connectors.Connector) {
	t.Helper()
	whole, c := open(), open()
	ids := create(t, whole, "anna", "Berit", "cecilia", "disa", "name with blanks")
	const finance = `finance "big", a\b`
	names := []string{"staff", finance, "twin", "lunch & fika", "empty", "there is none of that", "none", ""}
	member := func(op connectors.Op, id, group string) {
		t.Helper()
		change := of(op, id)
		change.Entitlement = group
		apply(t, whole, connectors.Applied, change)
	}
	for _, m := range [][2]string{{ids[0], "staff"}, {ids[0], finance}, {ids[0], "lunch & fika"}, {ids[1], "staff"}, {ids[2], finance}, {ids[4], "staff"}} {
		member(connectors.AddMember, m[0], m[1])
	}
	apply(t, whole, connectors.Applied, of(connectors.DisableAccount, ids[2]))
	apply(t, whole, connectors.Applied, of(connectors.DeleteAccount, ids[3]))
	check := func(c connectors.Connector) {
		t.Helper()
		alike(t, whole, c, []connectors.AccountRef{{ID: ids[0]}}, ids[:1], "staff")
		alike(t, whole, c, []connectors.AccountRef{{ID: ids[0]}}, ids[:1], "staff", "twin")
		alike(t, whole, c, []connectors.AccountRef{{ID: ids[0], Anchor: "behov-anna"}, {Anchor: "behov-Berit"}, {ID: ids[2], Anchor: "behov-cecilia", Name: "cecilia"}}, ids[:3], names...)
		alike(t, whole, c, []connectors.AccountRef{{Name: "berit"}, {Name: "name with blanks"}, {Name: `"x"`}}, []string{ids[1], ids[4]}, names...)
		alike(t, whole, c, []connectors.AccountRef{{ID: ids[3]}, {Anchor: "behov-disa"}, {ID: nobodysID, Anchor: "behov-nobody", Name: "nobody"}, {ID: ".."}}, []string{ids[3], nobodysID}, names...)
		alike(t, whole, c, []connectors.AccountRef{{Anchor: "behov-Berit"}, {Name: "cecilia"}, {Anchor: "behov-nobody"}}, []string{ids[1], ids[2]}, "staff", "none")
		many := []connectors.AccountRef{{}, {Name: "nobody"}, {Name: "Berit"}, {ID: ids[0]}}
		for i := range 60 {
			many = append(many, connectors.AccountRef{Anchor: fmt.Sprintf("behov-%d", i)})
		}
		alike(t, whole, c, many, ids[:2], names...)
		alike(t, whole, c, []connectors.AccountRef{{ID: ids[0]}}, ids[:1], "staff", "lunch & fika")
		alike(t, whole, c, nil, nil, names...)
		alike(t, whole, c, []connectors.AccountRef{{ID: ids[0]}}, ids[:1])
	}
	check(c)
	snapshot(t, c)
	check(c)
	// What the connector has learned must not hide a change.
	member(connectors.RemoveMember, ids[0], "staff")
	member(connectors.RemoveMember, ids[0], finance)
	member(connectors.RemoveMember, ids[0], "lunch & fika")
	member(connectors.AddMember, ids[2], "staff")
	check(c)
	check(open())
}

// counted counts the requests to a service and the resources it sends.
type counted struct {
	requests, bytes atomic.Int64
	whole           atomic.Int64 // groups that were read with all their members
}

func (c *counted) of(q quirk) quirk {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		rec := httptest.NewRecorder()
		q(rec, r, real)
		c.requests.Add(1)
		c.bytes.Add(int64(rec.Body.Len()))
		if strings.Contains(r.URL.Path, "/Groups") && strings.Contains(rec.Body.String(), `"members"`) {
			c.whole.Add(1)
		}
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	}
}

// TestReadAccountsCost checks that the cost of one account does not grow with the
// number of accounts, nor, where the service allows it, with the members of its
// groups.
func TestReadAccountsCost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		service quirk
		crowded bool // everyone is in a group
	}{
		"small groups":           {asIs, false},
		"filters on members":     {byMember, true},
		"users say their groups": {withGroups(everywhere, truly), true},
		"and those around":       {withGroups(everywhere, around), true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var requests, bytes []int64
			for _, n := range []int{10, 1000} {
				count := &counted{}
				f := newFront(t, count.of(tt.service))
				cfg := f.config()
				cfg.PageSize = 0
				c := open(t, cfg)
				people := crowd(n)
				fill(t, f.real, people, tt.crowded)
				if tt.crowded {
					snapshot(t, c)
				} else if err := c.Check(t.Context()); err != nil {
					t.Fatal(err)
				}
				id := idOf(t, f.real, people[1])
				count.requests.Store(0)
				count.bytes.Store(0)
				count.whole.Store(0)
				s := &sink{}
				refs := []connectors.AccountRef{{ID: id, Anchor: "behov-" + people[1]}, {Anchor: "behov-nobody"}}
				if done, err := c.(connectors.AccountReader).ReadAccounts(t.Context(), refs, []string{"staff", "none"}, s); err != nil || !done.Complete {
					t.Fatalf("%+v %v", done, err)
				}
				if len(s.accounts) != 1 || len(s.entitlements) != 1 || len(s.members) != 1 {
					t.Errorf("%v, %v, %v", s.accounts, s.entitlements, s.members)
				}
				if tt.crowded && count.whole.Load() > 0 {
					t.Errorf("%d answers with all of a group's members", count.whole.Load())
				}
				requests, bytes = append(requests, count.requests.Load()), append(bytes, count.bytes.Load())
			}
			t.Logf("%d requests, %d bytes", requests, bytes)
			if requests[0] != requests[1] || bytes[1] > bytes[0]+bytes[0]/10 || requests[1] > 10 {
				t.Errorf("of 10 and of 1,000: %d requests, %d bytes", requests, bytes)
			}
		})
	}
}

// fill creates people without the connector, the first two or all of whom are in
// the group staff.
func fill(t *testing.T, real string, people []string, all bool) {
	t.Helper()
	var members []any
	for i, name := range people {
		id := call(t, testToken, http.MethodPost, real+"/Users", map[string]any{
			"schemas": []string{userSchema.ID}, "userName": name, "externalId": "behov-" + name,
		})["id"]
		if all || i < 2 {
			members = append(members, map[string]any{"value": id})
		}
	}
	group := list(call(t, testToken, http.MethodGet, real+"/Groups?filter=displayName+eq+%22staff%22", nil)["Resources"])[0].(map[string]any)
	call(t, testToken, http.MethodPatch, real+"/Groups/"+group["id"].(string), map[string]any{
		"schemas": []string{messages + "PatchOp"}, "Operations": []any{map[string]any{"op": "add", "path": "members", "value": members}},
	})
}

func idOf(t *testing.T, real, name string) string {
	t.Helper()
	found := list(call(t, testToken, http.MethodGet, real+"/Users?filter=userName+eq+%22"+name+"%22", nil)["Resources"])
	return found[0].(map[string]any)["id"].(string)
}

func TestConformanceOfReadAccounts(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the suite takes a while")
	}
	for _, name := range []string{"filters on members", "users say their groups"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conformance.Run(t, func(t *testing.T) conformance.Fixture {
				f := newFront(t, fewServices[name])
				return fixture(t, f.url, f.real, testToken)
			})
		})
	}
}

// TestReadAccountsWithFaults checks that a reading is not complete when any
// answer is missing or malformed, whatever is requested.
func TestReadAccountsWithFaults(t *testing.T) {
	t.Parallel()
	html := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<html>anna, log in</html>"))
		}
	}
	status := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	body := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
	}
	for name, broken := range map[string]http.HandlerFunc{
		"a web page": html(200), "a web page that is not there": html(404), "throttled": status(429), "failed": status(500), "busy": status(503),
		"not reached": status(502), "not let in": status(401), "forbidden": status(403), "cut off": body(`{"totalResults": 1, "Resources": [{"id": "`), "empty": body(""),
		"lost": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for kind, q := range map[string]quirk{"asIs": asIs, "byMember": byMember} {
				var left atomic.Int64
				left.Store(1 << 30)
				f := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
					// The service's schemas and configuration may be unavailable.
					if !strings.Contains(r.URL.Path, "/Users") && !strings.Contains(r.URL.Path, "/Groups") || left.Add(-1) != 0 {
						q(w, r, real)
						return
					}
					broken(w, r)
				})
				c := open(t, f.config())
				ids := create(t, c, "anna", "berit", "cecilia", "disa")
				for _, id := range ids {
					add := of(connectors.AddMember, id)
					add.Entitlement = "staff"
					apply(t, c, connectors.Applied, add)
				}
				refs := []connectors.AccountRef{{ID: ids[0], Anchor: "behov-anna"}, {Name: "berit"}, {ID: nobodysID}}
				// The first answer is broken, then the second, and so on.
				for i := int64(1); ; i++ {
					if kind == "byMember" {
						snapshot(t, c)
					} else {
						c = open(t, f.config())
					}
					left.Store(i)
					s := &sink{}
					done, err := c.(connectors.AccountReader).ReadAccounts(t.Context(), refs, []string{"staff", `finance "big", a\b`}, s)
					if left.Load() > 0 {
						if i < 6 {
							t.Errorf("%s: only %d requests", kind, i-1)
						}
						break
					}
					if whole := len(s.accounts) == 2 && len(s.entitlements) == 2 && len(s.members) == 2; done.Complete && (err != nil || !whole) {
						t.Errorf("%s, answer %d: complete, but %v, %v, %v", kind, i, s, done, err)
					}
					if err != nil {
						wantPrivate(t, err.Error())
					}
					left.Store(1 << 30)
				}
			}
		})
	}
}

// TestReadAccountsWithoutUsers checks that a service without any Users is not
// taken to have deleted an account.
func TestReadAccountsWithoutUsers(t *testing.T) {
	t.Parallel()
	c, _ := answering(t, http.StatusNotFound, nil, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}`)
	for _, ref := range []connectors.AccountRef{{ID: nobodysID}, {Anchor: "behov-anna"}, {Name: "anna"}} {
		if done, err := c.(connectors.AccountReader).ReadAccounts(t.Context(), []connectors.AccountRef{ref}, nil, &sink{}); err == nil || done.Complete {
			t.Errorf("%+v %v", done, err)
		}
	}
}

// TestReadAccountsOfShortList checks that a list with fewer resources than
// announced is not complete.
func TestReadAccountsOfShortList(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Users", "Groups"} {
		c := open(t, newFront(t, rewriting(func(r *http.Request, body map[string]any) {
			if _, ok := body["totalResults"]; ok && strings.HasSuffix(r.URL.Path, kind) && !r.URL.Query().Has("filter") {
				body["totalResults"] = 70
			}
		})).config())
		id := create(t, c, "name with blanks")[0]
		s := &sink{}
		done, err := c.(connectors.AccountReader).ReadAccounts(t.Context(), []connectors.AccountRef{{ID: id}, {Name: "name with blanks"}}, []string{`finance "big", a\b`}, s)
		if err != nil || done.Complete || !strings.Contains(done.Why, "announced 70 "+kind) || len(s.accounts) != 1 {
			t.Errorf("%s: %+v %v, %v", kind, done, err, s.accounts)
		}
	}
}

// TestReadAccountsWithStaleFilter checks that filters that do not find an
// existing account are not used to conclude that another is missing.
func TestReadAccountsWithStaleFilter(t *testing.T) {
	t.Parallel()
	lags := atomic.Bool{}
	c := open(t, newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if f := r.URL.Query().Get("filter"); lags.Load() && (strings.Contains(f, "behov-berit") || strings.Contains(f, "behov-cecilia")) {
			answer(w, []any{})
			return
		}
		real.ServeHTTP(w, r)
	}).config())
	ids := create(t, c, "anna", "berit", "cecilia")
	read := func(refs ...connectors.AccountRef) {
		t.Helper()
		s := &sink{}
		if done, err := c.(connectors.AccountReader).ReadAccounts(t.Context(), refs, nil, s); err != nil || !done.Complete || len(s.accounts) != 2 {
			t.Errorf("%+v %v, %v", done, err, s.accounts)
		}
	}
	read(connectors.AccountRef{ID: ids[0], Anchor: "behov-anna"}, connectors.AccountRef{Anchor: "behov-cecilia"})
	lags.Store(true)
	for range 2 {
		read(connectors.AccountRef{ID: ids[1], Anchor: "behov-berit"}, connectors.AccountRef{Anchor: "behov-cecilia"})
	}
	lags.Store(false)
	read(connectors.AccountRef{ID: ids[0], Anchor: "behov-anna"}, connectors.AccountRef{Anchor: "behov-cecilia"})
}
