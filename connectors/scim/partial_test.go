package scim_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/scim"
)

// django behaves as django-scim2: PATCH of users supports texts only, PATCH of
// groups adds members and removes them by a list of values, PUT leaves members
// unchanged, and everything else is answered with 501.
func django(w http.ResponseWriter, r *http.Request, real http.Handler) {
	raw, isGroup := bodyOf(r), strings.Contains(r.URL.Path, "/Groups/")
	switch {
	case r.Method == http.MethodPut && isGroup:
		r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
	case r.Method == http.MethodPatch && (bytes.Contains(raw, []byte("members[")) || bytes.Contains(raw, []byte(`"value":false`)) || bytes.Contains(raw, []byte(`"value":true`))):
		w.WriteHeader(http.StatusNotImplemented)
		return
	case r.Method == http.MethodPatch && isGroup && bytes.Contains(raw, []byte(`"remove"`)):
		quirky[scim.ValueArrays](w, r, real)
		return
	}
	real.ServeHTTP(w, r)
}

func methods(f *front, method string) (paths []string) {
	for _, r := range f.requests() {
		if r.method == method {
			paths = append(paths, r.path[strings.LastIndex(r.path, "v2/")+3:])
		}
	}
	return paths
}

// TestOnePatchThatIsNotOffered checks that PUT replaces exactly the operation
// that a service does not support (501, RFC 7644 §3.12), and never one of a
// group.
func TestOnePatchThatIsNotOffered(t *testing.T) {
	t.Parallel()
	f := newFront(t, django, "removal of everything", "remove with the value")
	c := open(t, f.config())
	ids := create(t, c, "anna", "berit", "cecilia")
	f.requests()
	for i, want := range []int{1, 0} { // the second is not sent with PATCH
		apply(t, c, connectors.Applied, of(connectors.DisableAccount, ids[i]))
		if got := methods(f, http.MethodPatch); len(got) != want {
			t.Errorf("disable %d: PATCH %v", i+1, got)
		}
	}
	title := of(connectors.UpdateAccount, ids[0])
	title.Attributes = map[string][]string{"title": {"Head"}}
	apply(t, c, connectors.Applied, title)
	member := func(op connectors.Op, id string) connectors.Change {
		change := of(op, id)
		change.Entitlement = "staff"
		return change
	}
	apply(t, c, connectors.Applied, member(connectors.AddMember, ids[0]))
	if got := methods(f, http.MethodPut); len(got) != 0 {
		t.Errorf("PUT %v", got)
	}
	// An unsupported removal does not affect an addition, however often it is
	// tried.
	for range 2 {
		results := c.Apply(t.Context(), []connectors.Change{member(connectors.RemoveMember, ids[0]), member(connectors.AddMember, ids[1]), member(connectors.AddMember, ids[2])})
		for i, want := range []connectors.Status{connectors.Refused, connectors.Applied, connectors.Applied} {
			if got := results[i].Status; got != want && (i == 0 || got != connectors.AlreadyApplied) || results[i].Err != nil {
				t.Errorf("%d: %+v", i, results[i])
			}
		}
		if !strings.Contains(results[0].Detail, "django-scim2") || !strings.Contains(results[0].Detail, "member-removal-by-value-array") {
			t.Errorf("the reason is %q", results[0].Detail)
		}
		if got := methods(f, http.MethodPatch); len(got) == 0 {
			t.Error("no PATCH was sent")
		}
	}
	if s, _ := snapshot(t, c); len(s.members) != 3 {
		t.Errorf("members are %v", s.members)
	}
	cfg := f.config()
	cfg.Quirks = []scim.Quirk{scim.ValueArrays, scim.MemberlessPut}
	said := open(t, cfg)
	f.requests()
	apply(t, said, connectors.Applied, member(connectors.RemoveMember, ids[0]))
	if got := methods(f, http.MethodPut); len(got) != 0 {
		t.Errorf("PUT %v", got)
	}
	if s, _ := snapshot(t, said); len(s.members) != 2 {
		t.Errorf("members are %v", s.members)
	}
}

// TestBackToPatch checks that PATCH is tried again where PUT changes nothing: one
// 501 or 405 does not disable it for good.
func TestBackToPatch(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusNotImplemented, http.StatusMethodNotAllowed} {
		out := true
		f := newFront(t, func(w http.ResponseWriter, r *http.Request, real http.Handler) {
			switch {
			case r.Method == http.MethodPatch && out:
				w.WriteHeader(status)
				return
			case r.Method == http.MethodPut:
				r.Method, r.Body, r.ContentLength = http.MethodGet, http.NoBody, 0
			}
			real.ServeHTTP(w, r)
		})
		c := open(t, f.config())
		id := create(t, c, "anna")[0]
		add := of(connectors.AddMember, id)
		add.Entitlement = "staff"
		apply(t, c, connectors.Refused, of(connectors.DisableAccount, id))
		apply(t, c, connectors.Refused, add)
		out = false
		apply(t, c, connectors.Applied, of(connectors.DisableAccount, id))
		apply(t, c, connectors.Applied, add)
	}
}
