package graph_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/graph/standin"
)

const secretToken = "wrong-token-nobody-may-read"

// faults returns connectors to tenants that misbehave.
func faults(prepare func(*graph.Config)) []conformance.Fault {
	fault := func(name string, opts standin.Options, hook func(standin.Request) *standin.Fault, change func(*graph.Config)) conformance.Fault {
		return conformance.Fault{Name: name, Secrets: []string{secretToken, "anna@", "Bearer"}, Open: func(t *testing.T) connectors.Connector {
			opts.MaxPage = 5
			s, cfg := start(t, opts)
			g := s.AddGroup("staff", nil)
			for i := range 12 {
				s.AddMembers(g, s.AddUser(fmt.Sprintf("anna%d", i), nil))
			}
			prepare(&cfg)
			if change != nil {
				change(&cfg)
			}
			s.Hook(hook)
			c := open(t, cfg)
			return graph.WithSleep(c, func(ctx context.Context, _ time.Duration) error { return ctx.Err() })
		}}
	}
	on := func(prefix string, f standin.Fault) func(standin.Request) *standin.Fault {
		return func(r standin.Request) *standin.Fault {
			if strings.HasPrefix(r.Path, prefix) {
				return &f
			}
			return nil
		}
	}
	onMembers := func(f standin.Fault) func(standin.Request) *standin.Fault {
		return func(r standin.Request) *standin.Fault {
			if strings.HasSuffix(r.Path, "/members") || r.Method != http.MethodGet && r.Path != "/$batch" || strings.HasPrefix(r.Path, "/users") && r.Query.Has("$filter") || strings.HasPrefix(r.Path, "/users/0") {
				return &f
			}
			return nil
		}
	}
	denied := standin.Fault{Status: 403, Code: "Authorization_RequestDenied", Message: "Insufficient privileges to complete the operation."}
	list := []conformance.Fault{
		fault("wrong secret", standin.Options{}, nil, func(c *graph.Config) { c.Credential = static(secretToken) }),
		fault("no permission for users", standin.Options{}, on("/users", denied), nil),
		fault("no permission for members", standin.Options{}, onMembers(denied), nil),
		fault("throttled for ever", standin.Options{}, on("/", standin.Fault{Status: 429, Code: "TooManyRequests", Message: "anna@kommun.test", RetryAfter: time.Second}), nil),
		fault("users are cut", standin.Options{}, on("/users", standin.Fault{Truncate: true}), nil),
		fault("members are cut", standin.Options{}, onMembers(standin.Fault{Body: map[string]any{}}), nil),
		fault("the connection drops", standin.Options{}, on("/", standin.Fault{Drop: true}), nil),
		fault("internal errors", standin.Options{}, on("/", standin.Fault{Status: 500, Code: "UnknownError", Message: "anna@kommun.test\nnext"}), nil),
		fault("gateway", standin.Options{}, on("/", standin.Fault{Status: 502, Body: "<html>anna@kommun.test</html>"}), nil),
		fault("a login page", standin.Options{}, nil, func(c *graph.Config) {
			page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>log in</html>")) }))
			c.URL = page.URL + "/v1.0"
		}),
		fault("nobody there", standin.Options{}, nil, func(c *graph.Config) { c.URL = "http://127.0.0.1:1/v1.0" }),
		fault("the last page is missing", standin.Options{}, func(r standin.Request) *standin.Fault {
			if r.Path == "/users" && (r.Query.Has("$skiptoken") || r.Query.Has("$filter")) || strings.HasPrefix(r.Path, "/users/0") {
				return &standin.Fault{Status: 404, Code: "Request_ResourceNotFound", Message: "x"}
			}
			return nil
		}, nil),
	}
	readable := fault("read only", standin.Options{ReadOnly: true}, nil, nil)
	readable.Readable = true
	return append(list, readable)
}

func results(t *testing.T, c connectors.Connector, changes ...connectors.Change) []connectors.Result {
	t.Helper()
	r := c.Apply(t.Context(), changes)
	if len(r) != len(changes) {
		t.Fatalf("%d results for %d changes", len(r), len(changes))
	}
	return r
}

// sleepRecorder records the pauses of a connector and does not sleep.
type sleepRecorder struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *sleepRecorder) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

func (w *sleepRecorder) total() (sum time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.all {
		sum += d
	}
	return sum
}

// TestThrottling checks that Retry-After is honoured, for a single request and
// for one request of a batch, which alone is sent again.
func TestThrottling(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	w := &sleepRecorder{}
	c := graph.WithSleep(open(t, cfg), w.sleep)
	s.Throttle(2, 7*time.Second, func(r standin.Request) bool { return r.Method == http.MethodPost && r.Path == "/users" })
	var changes []connectors.Change
	for i := range 10 {
		changes = append(changes, creation(fmt.Sprintf("u%d", i), nil))
	}
	apply(t, c, connectors.Applied, changes...)
	if w.total() != 7*time.Second {
		t.Errorf("waited %v, want 7s once for both", w.all)
	}
	posts := 0
	for _, r := range s.Requests() {
		if r.Method == http.MethodPost && r.Path == "/users" {
			posts++
		}
	}
	if posts != 12 || len(s.Users()) != 10 {
		t.Errorf("%d creations were sent, want 10 and 2 again; %d users", posts, len(s.Users()))
	}
	s.Throttle(1, 3*time.Second, func(r standin.Request) bool { return r.Path == "/users" })
	snapshot(t, c)
	if w.total() != 10*time.Second {
		t.Errorf("waited %v, want 3s more", w.all)
	}
}

// TestThrottledTooLong checks that a delay beyond the maximum is returned to the
// caller, and that nothing else is tried.
func TestThrottledTooLong(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	w := &sleepRecorder{}
	c := graph.WithSleep(open(t, cfg), w.sleep)
	s.Throttle(-1, 10*time.Minute, func(standin.Request) bool { return true })
	for i, r := range results(t, c, creation("anna", nil), connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: "00000000-0000-4000-8000-00000000dead"}}) {
		var e *connectors.Error
		if !errors.As(r.Err, &e) || e.Class != connectors.RetryLater || e.RetryAfter != 10*time.Minute {
			t.Errorf("change %d: %+v, want to try again after 10 minutes", i, r)
		}
	}
	if n := len(s.Requests()); n != 1 || len(w.all) != 0 {
		t.Errorf("%d requests, waits %v; want one and none", n, w.all)
	}
}

// TestWritesAreNotRepeated checks that a creation that failed with a server error
// is not sent again, as it may have succeeded.
func TestWritesAreNotRepeated(t *testing.T) {
	t.Parallel()
	for _, f := range []standin.Fault{{Status: 500}, {Status: 503, RetryAfter: time.Second}, {Status: 504}, {Drop: true}, {Truncate: true}} {
		s, cfg := start(t, standin.Options{})
		c := graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
		var posts atomic.Int32
		s.Hook(func(r standin.Request) *standin.Fault {
			if r.Method == http.MethodPost && r.Path == "/users" {
				posts.Add(1)
				return &f
			}
			return nil
		})
		r := results(t, c, creation("anna", nil))[0]
		if r.Err == nil || connectors.ClassOf(r.Err) == connectors.Permanent || posts.Load() != 1 {
			t.Errorf("%+v: %+v after %d creations", f, r, posts.Load())
		}
		// The answer was lost, and the user may exist: repeat.
		s.Hook(nil)
		r = results(t, c, creation("anna", nil))[0]
		if r.Err != nil || r.AccountID == "" || len(s.Users()) != 1 {
			t.Errorf("%+v, again: %+v, %d users", f, r, len(s.Users()))
		}
	}
}

// TestLostAnswerBeforeTheFilterSees repeats a creation whose answer was lost with
// another connector, while no filter finds the user yet.
func TestLostAnswerBeforeTheFilterSees(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{Lag: 400 * time.Millisecond})
	first, second := open(t, cfg), open(t, cfg)
	id := apply(t, first, connectors.Applied, creation("anna", nil))[0].AccountID
	r := results(t, second, creation("anna", nil))[0]
	if connectors.ClassOf(r.Err) != connectors.RetryLater {
		t.Errorf("at once: %+v, want to try again", r)
	}
	time.Sleep(450 * time.Millisecond)
	r = results(t, second, creation("anna", nil))[0]
	if r.Status != connectors.AlreadyApplied || r.AccountID != id || len(s.Users()) != 1 {
		t.Errorf("later: %+v, want %s", r, id)
	}
}

// TestEventualConsistency checks that a new account that Graph does not find for
// a group yet is added after propagation, and is never reported as missing.
func TestEventualConsistency(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{Lag: 300 * time.Millisecond})
	g := s.AddGroup("staff", nil)
	c := open(t, cfg)
	created := apply(t, c, connectors.Applied, creation("anna", nil), creation("berit", nil))
	id := created[0].AccountID
	add := connectors.Change{Op: connectors.AddMember, Account: connectors.AccountRef{ID: id}, Entitlement: "staff"}
	apply(t, c, connectors.Applied, add,
		connectors.Change{Op: connectors.UpdateAccount, Account: connectors.AccountRef{ID: created[1].AccountID}, Attributes: map[string][]string{"manager": {id}}})
	if got := s.Members(g); len(got) != 1 || s.Manager(created[1].AccountID) != id {
		t.Errorf("members %v", got)
	}
	// An endless delay is not "no such account" either.
	s2, cfg := start(t, standin.Options{Lag: time.Hour})
	s2.AddGroup("staff", nil)
	c = graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
	add.Account.ID = apply(t, c, connectors.Applied, creation("anna", nil))[0].AccountID
	if r := results(t, c, add)[0]; connectors.ClassOf(r.Err) != connectors.RetryLater {
		t.Errorf("%+v, want to try again", r)
	}
}

// TestBatchAnswersAreMatched checks that an answer with another ID, a duplicate
// one or none is not assigned to a request.
func TestBatchAnswersAreMatched(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]any{
		"others' answers": map[string]any{"responses": []any{map[string]any{"id": "7", "status": 204}, map[string]any{"id": "8", "status": 204}}},
		"the same twice":  map[string]any{"responses": []any{map[string]any{"id": "0", "status": 204}, map[string]any{"id": "0", "status": 204}}},
		"no status":       map[string]any{"responses": []any{map[string]any{"id": "0"}, map[string]any{"id": "1"}}},
		"nothing":         map[string]any{},
		"not an object":   []any{},
	} {
		s, cfg := start(t, standin.Options{})
		ids := []string{s.AddUser("anna", nil), s.AddUser("berit", nil)}
		c := graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
		s.Hook(func(r standin.Request) *standin.Fault {
			if r.Path == "/$batch" {
				return &standin.Fault{Body: body}
			}
			return nil
		})
		for i, r := range results(t, c, connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: ids[0]}}, connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: ids[1]}}) {
			if r.Err == nil {
				t.Errorf("%s: change %d is said to be %s", name, i, r.Status)
			}
		}
	}
}

// TestBatchLeavesAnswersOut checks that a request without an answer fails, and
// that a reading without a group's members is not complete.
func TestBatchLeavesAnswersOut(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]standin.Fault{"left out": {Omit: true}, "throttled": {Status: 429, RetryAfter: time.Second}, "busy": {Status: 503}} {
		s, cfg := start(t, standin.Options{})
		ids := []string{s.AddUser("anna", nil), s.AddUser("berit", nil)}
		groups := []string{s.AddGroup("g", nil), s.AddGroup("h", nil)}
		s.AddMembers(groups[1], ids...)
		c := graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
		s.Hook(func(r standin.Request) *standin.Fault {
			if r.InBatch && (strings.Contains(r.Path, groups[1]) || strings.Contains(r.Path, ids[1])) {
				return &f
			}
			return nil
		})
		if done, err := c.Snapshot(t.Context(), &seen{map[string]connectors.Account{}, map[string]bool{}, map[connectors.Membership]int{}}); err == nil || done.Complete {
			t.Errorf("%s: a reading without a group's members: %v, complete %t", name, err, done.Complete)
		}
		r := results(t, c, connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: ids[0]}}, connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: ids[1]}})
		if r[0].Status != connectors.Applied || connectors.ClassOf(r[1].Err) != connectors.RetryLater {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestOneOfABatchFails checks that the other answers of the batch are used.
func TestOneOfABatchFails(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{})
	c := graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
	var changes []connectors.Change
	var ids []string
	for i := range 5 {
		ids = append(ids, s.AddUser(fmt.Sprintf("u%d", i), nil))
		changes = append(changes, connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: ids[i]}})
	}
	s.Hook(func(r standin.Request) *standin.Fault {
		if r.Method == http.MethodDelete && strings.HasSuffix(r.Path, ids[3]) {
			return &standin.Fault{Status: 403, Code: "Authorization_RequestDenied", Message: "Insufficient privileges"}
		}
		return nil
	})
	for i, r := range results(t, c, changes...) {
		if i != 3 && r.Status != connectors.Applied || i == 3 && (r.Err == nil || !strings.Contains(r.Err.Error(), "User.ReadWrite.All")) {
			t.Errorf("change %d: %+v", i, r)
		}
	}
}

// TestCheckNamesThePermission checks that Check names the missing permission.
func TestCheckNamesThePermission(t *testing.T) {
	t.Parallel()
	for path, permission := range map[string]string{
		"/users": "User.Read.All", "/groups": "GroupMember.Read.All", "/organization": "Organization.Read.All",
		"/subscribedSkus": "LicenseAssignment.Read.All", "/reports": "AuditLog.Read.All",
	} {
		s, cfg := start(t, standin.Options{})
		cfg.Licences = true
		s.Hook(func(r standin.Request) *standin.Fault {
			if strings.HasPrefix(r.Path, path) {
				return &standin.Fault{Status: 403, Code: "Authorization_RequestDenied", Message: "Insufficient privileges"}
			}
			return nil
		})
		if err := open(t, cfg).Check(t.Context()); err == nil || !strings.Contains(err.Error(), permission) || connectors.ClassOf(err) != connectors.Permanent {
			t.Errorf("%s: %v, want %s in it", path, err, permission)
		}
	}
	_, cfg := start(t, standin.Options{})
	cfg.Domain = "elsewhere.test"
	if err := open(t, cfg).Check(t.Context()); err == nil || !strings.Contains(err.Error(), "verified domain") {
		t.Errorf("another domain: %v", err)
	}
}

// TestCheckKnowsTheTenant checks that Check compares the tenant with tenant_id,
// by its ID and by its domains.
func TestCheckKnowsTheTenant(t *testing.T) {
	t.Parallel()
	const meant, other = "aaaaaaaa-2222-4333-8444-555555555555", "11111111-2222-4333-8444-666666666666"
	_, cfg := start(t, standin.Options{TenantID: meant, Domains: []string{domain, "kommun.onmicrosoft.test"}})
	for tenant, right := range map[string]bool{
		"": true, meant: true, strings.ToUpper(meant): true, "kommun.onmicrosoft.test": true, "KOMMUN.test": true,
		other: false, "elsewhere.test": false, "common": false,
	} {
		cfg.TenantID = tenant
		err := open(t, cfg).Check(t.Context())
		if right && err != nil {
			t.Errorf("%q: %v", tenant, err)
		}
		if !right && (connectors.ClassOf(err) != connectors.Permanent || !strings.Contains(err.Error(), "the application signs in to another tenant ("+meant+") than tenant_id says")) {
			t.Errorf("%q: %v", tenant, err)
		}
	}
}

// TestErrorsAreClassed checks the class and text of errors, and that they contain
// Graph's request ID.
func TestErrorsAreClassed(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		code   string
		class  connectors.Class // empty: refused
		word   string
	}{
		{401, "InvalidAuthenticationToken", connectors.Permanent, "tenant_id"},
		{403, "Authorization_RequestDenied", connectors.Permanent, "User.ReadWrite.All"},
		{403, "Directory_QuotaExceeded", connectors.Permanent, "quota"},
		{409, "Directory_ConcurrencyViolation", connectors.RetryLater, "409"},
		{409, "Request_Conflict", "", "Request_Conflict"},
		{400, "Request_BadRequest", "", "Request_BadRequest"},
		{400, "anna <b>", "", "(error)"},
		{302, "Moved", connectors.Permanent, "url"},
		{429, "TooManyRequests", connectors.RetryLater, "throttled"},
		{500, "UnknownError", connectors.RetryLater, "500"},
		{503, "ServiceUnavailable", connectors.RetryLater, "503"},
	} {
		s, cfg := start(t, standin.Options{})
		id := s.AddUser("anna", nil)
		c := graph.WithSleep(open(t, cfg), (&sleepRecorder{}).sleep)
		s.Hook(func(r standin.Request) *standin.Fault {
			if r.Method == http.MethodPatch {
				return &standin.Fault{Status: tt.status, Code: tt.code, Message: "anna@kommun.test is the matter"}
			}
			return nil
		})
		r := results(t, c, on(connectors.DisableAccount, id))[0]
		text := r.Detail
		if r.Err != nil {
			text = r.Err.Error()
		}
		if connectors.ClassOf(r.Err) != tt.class || !strings.Contains(text, tt.word) || strings.Contains(text, "anna") || !strings.Contains(text, "request-id") {
			t.Errorf("%d %s: %+v", tt.status, tt.code, r)
		}
	}
}

// TestOneGroupCannotBeRead checks that a reading without one group's members is
// not complete and says so.
func TestOneGroupCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, with := range []bool{false, true} {
		s, cfg := start(t, standin.Options{})
		if with {
			cfg.StateStore = &memory{}
		}
		hidden := s.AddGroup("hidden", nil)
		s.AddMembers(hidden, s.AddUser("anna", nil))
		s.AddMembers(s.AddGroup("staff", nil), s.AddUser("berit", nil))
		s.Hook(func(r standin.Request) *standin.Fault {
			if r.Path == "/groups/"+hidden+"/members" {
				return &standin.Fault{Status: 403, Code: "Authorization_RequestDenied", Message: "x"}
			}
			return nil
		})
		c := open(t, cfg)
		for range 2 {
			got := &seen{map[string]connectors.Account{}, map[string]bool{}, map[connectors.Membership]int{}}
			done, err := c.Snapshot(t.Context(), got)
			if err != nil || done.Complete || !strings.Contains(done.Why, hidden) || len(got.Members) != 1 {
				t.Errorf("%v, %+v, members %v", err, done, got.Members)
			}
		}
	}
}

// TestTokenGoesNowhereElse checks that a link to another host is not followed.
func TestTokenGoesNowhereElse(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked <- r.Header.Get("Authorization") }))
	t.Cleanup(elsewhere.Close)
	s, cfg := start(t, standin.Options{})
	c := open(t, cfg)
	s.Hook(func(r standin.Request) *standin.Fault {
		return &standin.Fault{Body: map[string]any{"value": []any{}, "@odata.nextLink": elsewhere.URL + "/v1.0/users"}}
	})
	if done, err := c.Snapshot(t.Context(), &seen{map[string]connectors.Account{}, map[string]bool{}, map[connectors.Membership]int{}}); err == nil || done.Complete {
		t.Error("no error")
	}
	select {
	case token := <-asked:
		t.Errorf("the other host was asked, with %q", token)
	default:
	}
}

// TestConnectionsAreReused checks that connections are reused and that requests
// time out.
func TestConnectionsAreReused(t *testing.T) {
	t.Parallel()
	s := standin.New(standin.Options{MaxPage: 1})
	connections := 0
	var mu sync.Mutex
	server := httptest.NewUnstartedServer(s)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			mu.Lock()
			connections++
			mu.Unlock()
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	_, cfg := start(t, standin.Options{})
	cfg.URL, cfg.Timeout = server.URL+"/v1.0", 300*time.Millisecond
	for i := range 30 {
		s.AddUser(fmt.Sprintf("u%d", i), nil)
	}
	c := open(t, cfg)
	snapshot(t, c)
	mu.Lock()
	n := connections
	mu.Unlock()
	if n > 2 {
		t.Errorf("%d connections for 30 pages", n)
	}
	var stuck sync.WaitGroup
	stuck.Add(1)
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stuck.Wait() }))
	t.Cleanup(slow.Close)
	t.Cleanup(stuck.Done)
	cfg.URL = slow.URL + "/v1.0"
	began := time.Now()
	if err := open(t, cfg).Check(t.Context()); connectors.ClassOf(err) != connectors.TargetDown || time.Since(began) > 5*time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
}
