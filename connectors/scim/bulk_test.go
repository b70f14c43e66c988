package scim_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/internal/testenv"
)

// bulkService adds Bulk (RFC 7644 §3.7) to a service without it. It enforces its
// limits, and may lose some of its answers.
type bulkService struct {
	most     int
	requests atomic.Int32
	lose     func(i int) bool // the answer to the i-th operation of a request
}

func (b *bulkService) serve(w http.ResponseWriter, r *http.Request, real http.Handler) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/ServiceProviderConfig"):
		rewriting(func(_ *http.Request, body map[string]any) {
			body["bulk"] = map[string]any{"supported": true, "maxOperations": b.most, "maxPayloadSize": 20_000}
		})(w, r, real)
	case strings.HasSuffix(r.URL.Path, "/Bulk"):
		b.bulk(w, r, real)
	default:
		real.ServeHTTP(w, r)
	}
}

func (b *bulkService) bulk(w http.ResponseWriter, r *http.Request, real http.Handler) {
	b.requests.Add(1)
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	var asked struct {
		Operations []struct {
			Method, BulkID, Path string
			Data                 json.RawMessage
		}
	}
	if err := json.Unmarshal(body.Bytes(), &asked); err != nil || len(asked.Operations) > b.most || body.Len() > 20_000 {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	base := strings.TrimSuffix(r.URL.Path, "/Bulk")
	var answers []any
	for i, o := range asked.Operations {
		one := httptest.NewRequestWithContext(r.Context(), o.Method, base+o.Path, bytes.NewReader(o.Data))
		one.Header = r.Header.Clone()
		rec := httptest.NewRecorder()
		real.ServeHTTP(rec, one)
		if b.lose != nil && b.lose(i) {
			continue
		}
		answer := map[string]any{"method": o.Method, "bulkId": o.BulkID, "status": fmt.Sprint(rec.Code), "location": "http://here" + base + o.Path}
		var response map[string]any
		if json.Unmarshal(rec.Body.Bytes(), &response) == nil {
			if id, ok := response["id"].(string); ok && o.Method == http.MethodPost {
				answer["location"] = "http://here" + base + o.Path + "/" + id
			}
			if rec.Code >= 300 {
				answer["response"] = response
			}
		}
		answers = append(answers, answer)
	}
	slices.Reverse(answers) // in any order
	w.Header().Set("Content-Type", "application/scim+json")
	_ = json.NewEncoder(w).Encode(map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:BulkResponse"}, "Operations": answers})
}

func crowd(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("crowd%03d", i))
	}
	return names
}

// TestBulk checks that many changes are sent in few requests, that each gets its
// own result, and that the result of a lost answer is read back.
func TestBulk(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]func(int) bool{
		"every answer comes":     nil,
		"every third is lost":    func(i int) bool { return i%3 == 0 },
		"all of them are lost":   func(int) bool { return true },
		"only the first is lost": func(i int) bool { return i == 0 },
	} {
		t.Run(name, func(t *testing.T) {
			service := &bulkService{most: 40, lose: lose}
			f := newFront(t, service.serve)
			cfg := f.config()
			cfg.PageSize = 100
			c := open(t, cfg)
			var creations []connectors.Change
			for _, name := range crowd(100) {
				creations = append(creations, creation(name))
			}
			var ids []string
			for i, r := range c.Apply(t.Context(), creations) {
				if r.Err != nil || r.Status != connectors.Applied && (lose == nil || r.Status != connectors.AlreadyApplied) || r.AccountID == "" {
					t.Fatalf("creation %d: %+v", i, r)
				}
				ids = append(ids, r.AccountID)
			}
			if service.requests.Load() == 0 || service.requests.Load() > 5 {
				t.Errorf("%d Bulk requests", service.requests.Load())
			}
			n := 0
			for _, r := range f.requests() {
				if r.method == http.MethodPost && strings.HasSuffix(r.path, "/Users") {
					n++
				}
			}
			if n > 0 { // what was applied is found, not repeated
				t.Errorf("%d accounts were asked for a second time", n)
			}
			var changes []connectors.Change
			for i, id := range ids {
				change := of(connectors.UpdateAccount, id)
				change.Attributes = map[string][]string{"title": {"Lärare"}}
				if i == 50 {
					change.Attributes = map[string][]string{"x509Certificates": {"this is not base64!"}}
				}
				if i == 60 {
					change.Account.ID = "00000000-0000-4000-8000-00000000dead"
				}
				changes = append(changes, change)
			}
			for i, r := range c.Apply(t.Context(), changes) {
				want := connectors.Applied
				switch {
				case i == 50 || i == 60:
					want = connectors.Refused
				case lose != nil && r.Status == connectors.AlreadyApplied:
					want = connectors.AlreadyApplied // read back afterwards
				}
				if r.Err != nil || r.Status != want {
					t.Errorf("update %d: %+v, want %s", i, r, want)
				}
			}
			s, _ := snapshot(t, c)
			for i, name := range crowd(100) {
				if got := s.accounts[name].Attributes["title"]; (len(got) == 1) != (i != 50 && i != 60) {
					t.Errorf("%s has the title %v", name, got)
				}
			}
		})
	}
}

// TestBulkThatDoesNotWork checks that changes are sent one by one to a service
// whose Bulk does not work.
func TestBulkThatDoesNotWork(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusForbidden, http.StatusNotImplemented, http.StatusNotFound, http.StatusRequestEntityTooLarge} {
		service := &bulkService{most: 1000}
		c := open(t, newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			if strings.HasSuffix(r.URL.Path, "/Bulk") {
				service.requests.Add(1)
				w.WriteHeader(status)
				return
			}
			service.serve(w, r, real)
		}).config())
		create(t, c, crowd(20)...)
		if s, _ := snapshot(t, c); len(s.accounts) != 20 || service.requests.Load() == 0 || service.requests.Load() > 10 {
			t.Errorf("%d: %d accounts, %d Bulk requests", status, len(s.accounts), service.requests.Load())
		}
	}
}

// TestConformanceOfBulk runs the conformance suite on a service with Bulk.
func TestConformanceOfBulk(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the suite takes a while")
	}
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		f := newFront(t, (&bulkService{most: 50}).serve)
		return fixture(t, f.url, f.real, testToken)
	})
}

// TestBulkSCIMMY checks that the connector uses the Bulk of SCIMMY, an
// independent server.
func TestBulkSCIMMY(t *testing.T) {
	t.Parallel()
	s := testenv.SCIMMY(t)
	f := newFrontOf(t, s.Service(), nil)
	cfg := f.config()
	cfg.Token, cfg.PageSize = s.Token, 200
	c := open(t, cfg)
	ids := create(t, c, crowd(300)...)
	var changes []connectors.Change
	for _, id := range ids {
		changes = append(changes, of(connectors.DisableAccount, id))
	}
	for i, r := range c.Apply(t.Context(), changes) {
		if r.Err != nil || r.Status != connectors.Applied {
			t.Errorf("%d: %+v", i, r)
		}
	}
	count := map[string]int{}
	for _, r := range f.requests() {
		count[r.method]++
	}
	if count[http.MethodPatch] > 0 || count[http.MethodPost] > 4 || count[http.MethodGet] > 20 {
		t.Errorf("requests %v", count)
	}
}
