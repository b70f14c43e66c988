package scim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
)

// cursors is a service that pages by cursor only (RFC 9865).
type cursors struct {
	expire   int  // how many cursors are reported as expired
	circle   bool // every next page is the same
	noTotals bool
}

func (c *cursors) serve(w http.ResponseWriter, r *http.Request, real http.Handler) {
	q := r.URL.Query()
	listing := r.Method == http.MethodGet && (strings.HasSuffix(r.URL.Path, "/Users") || strings.HasSuffix(r.URL.Path, "/Groups"))
	switch {
	case strings.HasSuffix(r.URL.Path, "/ServiceProviderConfig"):
		rewriting(func(_ *http.Request, body map[string]any) {
			body["pagination"] = map[string]any{"cursor": true, "index": false, "defaultPaginationMethod": "cursor", "cursorTimeout": 3600}
		})(w, r, real)
	case !listing || q.Has("filter"):
		real.ServeHTTP(w, r)
	case q.Has("startIndex"):
		w.WriteHeader(http.StatusBadRequest)
	default:
		c.page(w, r, real)
	}
}

func (c *cursors) page(w http.ResponseWriter, r *http.Request, real http.Handler) {
	q := r.URL.Query()
	start := 1
	if cursor := q.Get("cursor"); cursor != "" {
		if c.expire > 0 {
			c.expire--
			w.Header().Set("Content-Type", "application/scim+json")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "400", "scimType": "expiredCursor"}`))
			return
		}
		if _, err := fmt.Sscanf(cursor, "at %d", &start); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	q.Del("cursor")
	q.Set("startIndex", strconv.Itoa(start))
	r.URL.RawQuery = q.Encode()
	rewriting(func(_ *http.Request, body map[string]any) {
		n := len(list(body["Resources"]))
		total, _ := strconv.Atoi(fmt.Sprint(body["totalResults"]))
		delete(body, "startIndex")
		if next := start + n; next <= total {
			body["nextCursor"] = "at " + strconv.Itoa(next)
			if c.noTotals {
				delete(body, "totalResults")
			}
		}
		if c.circle && start > 1 {
			body["nextCursor"] = "at " + strconv.Itoa(start)
		}
	})(w, r, real)
}

func TestCursorPaging(t *testing.T) {
	t.Parallel()
	for name, service := range map[string]*cursors{
		"plainly":             {},
		"without totals":      {noTotals: true},
		"a cursor that ended": {expire: 1},
	} {
		f := newFront(t, service.serve)
		c := open(t, f.config())
		create(t, c, crowd(10)...)
		s, complete := snapshot(t, c)
		if len(s.accounts) != 10 || !complete.Complete || len(s.entitlements) != 2 {
			t.Errorf("%s: %d accounts, %+v", name, len(s.accounts), complete)
		}
	}
	for name, service := range map[string]*cursors{
		"cursors that always end": {expire: 1000},
		"a circle":                {circle: true, noTotals: true},
	} {
		f := newFront(t, (&cursors{}).serve)
		create(t, open(t, f.config()), crowd(10)...)
		broken := newFrontOf(t, f.real, service.serve)
		if complete, err := open(t, broken.config()).Snapshot(t.Context(), &sink{}); err == nil && complete.Complete {
			t.Errorf("%s: it is said to be complete", name)
		}
	}
}

func TestConformanceOfCursors(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("the suite takes a while")
	}
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		f := newFront(t, (&cursors{}).serve)
		return fixture(t, f.url, f.real, testToken)
	})
}

// versioned is a service with ETags to which another client writes as well.
type versioned struct {
	version int
	foreign int // changes by another client, each just before one of the connector
	refused int
}

func (v *versioned) serve(w http.ResponseWriter, r *http.Request, real http.Handler) {
	write := r.Method == http.MethodPatch || r.Method == http.MethodPut
	if write && strings.Contains(r.URL.Path, "/Users/") {
		if v.foreign > 0 {
			v.foreign--
			v.version++
		}
		if r.Header.Get("If-Match") != fmt.Sprintf(`W/"%d"`, v.version) {
			v.refused++
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
	}
	rewriting(func(r *http.Request, body map[string]any) {
		if strings.HasSuffix(r.URL.Path, "/ServiceProviderConfig") {
			body["etag"] = map[string]any{"supported": true}
		}
		for _, user := range resources(body) {
			if user["userName"] != nil {
				user["meta"] = map[string]any{"resourceType": "User", "version": fmt.Sprintf(`W/"%d"`, v.version)}
			}
		}
	})(w, r, real)
}

// TestETag checks that a concurrent change is read again, and not overwritten.
func TestETag(t *testing.T) {
	t.Parallel()
	v := &versioned{version: 1}
	c := open(t, newFront(t, v.serve).config())
	id := create(t, c, "anna")[0]
	change := of(connectors.UpdateAccount, id)
	change.Attributes = map[string][]string{"title": {"Lärare"}}
	v.foreign = 2
	apply(t, c, connectors.Applied, change)
	if v.refused != 2 {
		t.Errorf("%d requests with an old version", v.refused)
	}
	v.foreign = 100
	change.Attributes = map[string][]string{"title": {"Rektor"}}
	if r := c.Apply(t.Context(), []connectors.Change{change})[0]; connectors.ClassOf(r.Err) != connectors.RetryLater {
		t.Errorf("against somebody who never stops: %+v", r)
	}
}

// TestMatchingOfTheService checks that Matching follows the service's schemas.
func TestMatchingOfTheService(t *testing.T) {
	t.Parallel()
	c := open(t, newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		rewriting(func(r *http.Request, body map[string]any) {
			if strings.HasSuffix(r.URL.Path, "/Schemas") {
				var schemas []any
				_ = json.Unmarshal([]byte(`[{"id": "urn:ietf:params:scim:schemas:core:2.0:User", "attributes": [
					{"name": "title", "type": "string", "caseExact": true}, {"name": "displayName", "type": "string", "caseExact": false}]}]`), &schemas)
				body["Resources"] = schemas
			}
		})(w, r, real)
	}).config())
	snapshot(t, c)
	m := c.(connectors.Matcher).Matching()
	if m["title"] != connectors.MatchExact || m["displayName"] != connectors.MatchIgnoreCase || m["emails"] != connectors.MatchIgnoreCase {
		t.Errorf("%v", m)
	}
	if err := c.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "name.givenName") {
		t.Errorf("an attribute that the service does not have: %v", err)
	}
}
