package main

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// withDirectory makes the household's HR source a directory that is watched.
func withDirectory(t *testing.T) *household {
	t.Helper()
	h := newHousehold(t)
	if err := os.Mkdir(h.file("inbox"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.edit("behov.yaml", "      shrink_limit: {number: 5, percent: 50}", "      shrink_limit: {number: 5, percent: 50}\n      directory: inbox\n      settle: 10ms")
	return h
}

func (h *household) drop(name string) {
	h.t.Helper()
	content, err := os.ReadFile(h.file("hr.csv"))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "inbox", name), content, 0o600); err != nil {
		h.t.Fatal(err)
	}
}

func TestPull(t *testing.T) {
	h := withDirectory(t)
	h.says([]string{"hr", "pull"}, "Nothing new.")
	h.drop("hr-2026-11-01.csv")
	h.says([]string{"hr", "pull", "hr"}, "hr, hr-2026-11-01.csv: ", "10 new people, 11 new employments")
	h.says([]string{"hr", "imports"}, "hr  done: 11 rows, 0 bad, 21 events, made 2026-11-01")
	h.edit("hr.csv", "1004,E5,Sven,Öberg", "1004,E55,Sven,Öberg")
	h.drop("hr-2026-10-01.csv")
	code, out, errs := h.run("hr", "pull")
	if code != exitError || !strings.Contains(errs, "was refused") || strings.Contains(out, "new") {
		t.Errorf("an older one: %d, %s%s", code, out, errs)
	}
	h.says([]string{"hr", "imports", "--problems", "-n", "1"}, "refused", "before what was imported last")
	h.fails("there is no source", "hr", "pull", "nowhere")
	plain := newHousehold(t)
	plain.fails("no source says where it is read from", "hr", "pull")
}

// safeBuffer is written to by one goroutine and read by another.
type safeBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestServe: what HR puts into the directory is in the targets by itself.
func TestServe(t *testing.T) {
	h := withDirectory(t)
	var out, errs safeBuffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now}
	root := a.root()
	root.SetArgs([]string{"-c", h.dir, "serve", "--every", "1s", "--apply"})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	h.drop("hr.csv")
	deadline := time.Now().Add(20 * time.Second)
	for !strings.Contains(errs.String(), "create-account=10") && time.Now().Before(deadline) {
		time.Sleep(50 * time.Millisecond)
	}
	stop()
	if err := <-done; err != nil || !strings.Contains(errs.String(), "create-account=10") {
		t.Errorf("serve: %v\n%s%s", err, out.String(), errs.String())
	}
	h.says([]string{"plan"}, "nothing to do")
	h.fails("not more often than every second", "serve", "--every", "1ms")
}

// TestPushed: whom another platform pushes has an account, and has none when
// it says that they are gone.
func TestPushed(t *testing.T) {
	h := newHousehold(t)
	h.fails("is not pushed to", "token", "make", "hr", "--name", "Entra ID")
	h.edit("behov.yaml", "      shrink_limit: {number: 5, percent: 50}", "      scim: true")
	h.fails("there is no source", "token", "make", "nowhere", "--name", "x")
	h.fails("say who will have it", "token", "make", "hr")
	h.says([]string{"token", "list"}, "There are no tokens.")
	for _, expires := range []string{"never", "-1h", "2020-01-01", "99999h", "tomorrow"} {
		h.fails("--expires", "token", "make", "hr", "--name", "Entra ID", "--expires", expires)
	}
	token := strings.TrimSpace(h.ok("token", "make", "hr", "--name", "Entra ID"))
	h.fails("belong together", "serve", "--listen", "127.0.0.1:0", "--cert", "x")
	h.fails("without a certificate it must be a loopback address", "serve", "--listen", "0.0.0.0:0")

	free, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	var out, errs safeBuffer
	a := &app{stdin: strings.NewReader(""), stdout: &out, stderr: &errs, now: time.Now}
	root := a.root()
	root.SetArgs([]string{"-c", h.dir, "serve", "--every", "1s", "--apply", "--listen", address})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	send := func(method, path, body string) (status int, id string) {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+"/scim/v2"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/scim+json")
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, ""
		}
		defer func() { _ = res.Body.Close() }()
		if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "1" {
			return res.StatusCode, "" // it listens and has not read its configuration yet
		}
		var o struct {
			ID     string `json:"id"`
			Detail string `json:"detail"`
		}
		if err := json.NewDecoder(res.Body).Decode(&o); err != nil {
			t.Error(err)
		}
		if o.Detail != "" {
			t.Log(o.Detail)
		}
		return res.StatusCode, o.ID
	}
	wait := func(is func() bool) {
		for deadline := time.Now().Add(20 * time.Second); !is() && time.Now().Before(deadline); {
			time.Sleep(20 * time.Millisecond)
		}
	}
	wait(func() bool { status, _ := send("GET", "/Users", ""); return status == http.StatusOK })
	status, id := send("POST", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "eva", "externalId": "2001", "name": {"givenName": "Eva", "familyName": "Ny"},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "library"}}`)
	if status != http.StatusCreated {
		t.Fatalf("POST: %d", status)
	}
	wait(func() bool { return strings.Contains(errs.String(), "create-account=1") })
	if status, _ := send("PATCH", "/Users/"+id, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]}`); status != http.StatusOK {
		t.Errorf("PATCH: %d", status)
	}
	wait(func() bool { return strings.Contains(errs.String(), "disable-account=1") })
	// Now people are known: a person decides.
	if status, _ := send("POST", "/Users", `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ida", "externalId": "1009", "name": {"givenName": "Ida", "familyName": "Ek"},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "library"}}`); status != http.StatusCreated {
		t.Errorf("POST: %d", status)
	}
	stop()
	if err := <-done; err != nil || !strings.Contains(errs.String(), "create-account=1") || !strings.Contains(errs.String(), "disable-account=1") {
		t.Errorf("serve: %v\n%s%s", err, out.String(), errs.String())
	}
	list := h.ok("token", "list")
	if strings.Contains(list, token) || !strings.Contains(list, "Entra ID") || !strings.Contains(list, "EXPIRES") || !strings.Contains(list, time.Now().In(stockholm(t)).Add(365*24*time.Hour).Format("2006-01-02")) {
		t.Error(list)
	}
	h.fails("say why", "token", "revoke", "x")
	h.fails("there is no token x", "token", "revoke", "x", "--reason", "r")
	h.says([]string{"token", "revoke", strings.Fields(strings.Split(list, "\n")[1])[0], "--reason", "done"}, "Revoked.")
	h.ok("audit", "verify")
}

func TestSuspend(t *testing.T) {
	h := applied(t)
	h.fails("a decision needs a reason", "suspend", "1004")
	h.fails("no one decides about themselves", "suspend", "1001", "--reason", "r", "--by", "1001")
	h.says([]string{"suspend", "1004", "--reason", "dismissed", "--by", "1001"}, "Decided: Sven Öberg (1004) is suspended", "Closed at once: 1 applied", "Nothing to do.")
	h.says([]string{"explain", "1004"}, "suspended by decision 1 by Karin Lindqvist", "may not use it")
	h.ok("hr", "import", h.file("hr.csv"))
	h.says([]string{"plan"}, "nothing to do")
	h.says([]string{"people", "show", "1004"}, "suspended by decision 1")
	h.says([]string{"audit", "who-had", "library:desk"}, "now, SUSPENDED", "; suspended by decision 1 by Karin Lindqvist (1001): dismissed")
	h.fails("a suspended person decides nothing", "suspend", "1005", "--reason", "r", "--by", "1004")
	h.says([]string{"suspend", "1004", "--lift", "--reason", "a mistake", "--by", "1001"}, "is no longer suspended")
	h.says([]string{"apply", "--yes"}, "1 account enabled")
	h.fails("there is no suspension of this person to lift", "suspend", "1004", "--lift", "--reason", "r")
}

// TestASuspensionThatClosesNothingSaysSo: the person who suspends a person reads one
// line in a hurry, and it must not begin with "closed".
func TestASuspensionThatClosesNothingSaysSo(t *testing.T) {
	for want, of := range map[string]map[string]int{
		"Closed at once: nothing, as behov knows no account.\n":                                                              {},
		"Closed at once: 2 applied, 1 already-applied.\n":                                                                    {"applied": 2, "already-applied": 1},
		"NOT CLOSED: 1 unknown. It is tried again by behov serve, and by every behov apply.\n":                               {"unknown": 1},
		"Closed at once: 1 applied.\nNOT CLOSED: 1 not-tried. It is tried again by behov serve, and by every behov apply.\n": {"applied": 1, "not-tried": 1},
	} {
		if got := closingText(of); got != want {
			t.Errorf("%v: %q, want %q", of, got, want)
		}
	}
}

func TestPeople(t *testing.T) {
	h := applied(t)
	h.says([]string{"people", "list"}, "10 active", "Sven Öberg (1004)", "an employment is active")
	h.says([]string{"people", "list", "--state", "on-leave"}, "10 active")
	h.says([]string{"people", "main", "1004", "E5", "--reason", "asked", "--by", "1001"}, "main employment chosen")
	h.fails("by a decision already", "people", "main", "1004", "E5", "--reason", "asked", "--by", "1001")
	h.fails("has no employment", "people", "main", "1004", "E77", "--reason", "asked")
	h.fails("name an employment, or --lift", "people", "main", "1004", "--reason", "asked")
	h.says([]string{"people", "main", "1004", "--lift", "--reason", "asked", "--by", "1001"}, "main employment left to the rule")
	h.says([]string{"people", "duplicates"}, "No possible duplicates.")
	h.says([]string{"people", "legal-hold", "1004", "--reason", "an investigation", "--by", "1001"}, "data kept under a legal hold")
	h.fails("that holds already", "people", "legal-hold", "1004", "--reason", "again")
	h.fails("no one is erased who works here", "people", "erase", "1004", "--reason", "r", "--yes")
	h.fails("it cannot be undone", "people", "erase", "1004", "--reason", "r")
	h.fails("it is the only record the person has", "people", "split", "1004", "hr/1004", "--reason", "r")
	h.fails("by what HR says they are two people", "people", "merge", "1004", "1007", "--reason", "the same man", "--by", "1001")
	h.edit("hr.csv", "Ali,Karimi", "Ali,Öberg")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	h.says([]string{"people", "merge", "1004", "1007", "--reason", "the same man", "--by", "1001"}, "two people merged into one")
	h.says([]string{"people", "show", "1007"}, "records: hr/1004, hr/1007")
	h.says([]string{"people", "split", "1004", "hr/1007", "--reason", "two after all", "--by", "1001"}, "The record is Ali Öberg (1007)'s now.")
	h.says([]string{"plan"}, "nothing to do")
	h.ok("audit", "verify")
}

// stockholm is the time zone of the example configuration.
func stockholm(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
