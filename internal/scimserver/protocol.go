package scimserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/elimity-com/scim"
	scimerrors "github.com/elimity-com/scim/errors"
	"github.com/scim2/filter-parser/v2"

	"github.com/behov/behov/internal/scimtype"
)

// exchange is the data of a request and its answer that the library has no place
// for.
type exchange struct {
	later  retryLater
	filter filter.Expression // nil for all
	// filterText is the filter as the client sent it.
	filterText string
	shown      projection
	// meta holds the instants of each resource, by its ID: the library truncates
	// them to seconds, so that a client that asks for changes since then would
	// get the same resource again.
	meta map[string]scim.Meta
}

// exchangeKey is the context key of the exchange.
type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	if e, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return e
	}
	return &exchange{meta: map[string]scim.Meta{}} // without an answer
}

// protocol adds what the library lacks of RFC 7644: the methods of an endpoint,
// HEAD, searches by POST (§3.4.3), filters on common attributes (§3.4.2.2), and
// attribute selection (§3.9).
func (u *users) protocol(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, Path)
		if isGroups(path) {
			fail(w, http.StatusNotFound, "", groupsNotServed)
			return
		}
		allowed, known := methods(path)
		if known && !slices.Contains(allowed, r.Method) {
			w.Header().Set("Allow", strings.Join(allowed, ", ")) // RFC 9110 §15.5.6
			fail(w, http.StatusMethodNotAllowed, "", fmt.Sprintf("%s is not offered at %s: use %s.", r.Method, endpoint(path), strings.Join(allowed, ", ")))
			return
		}
		e := &exchange{meta: map[string]scim.Meta{}}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e))
		r.URL.Path = path
		query := r.URL.Query()
		if r.Method == http.MethodPost && strings.HasSuffix(path, searchPath) {
			var ok bool
			if query, ok = searchRequest(w, r); !ok {
				return
			}
			r.Method, r.URL.Path, r.Body = http.MethodGet, "/Users", http.NoBody // the only type of resources
		}
		if r.Method == http.MethodHead {
			r.Method = http.MethodGet // net/http sends the headers only
		}
		if err := u.readQuery(r, e, query); err != nil {
			refused := scimerrors.ScimErrorInvalidFilter
			_ = errors.As(scimtype.Plain(err), &refused)
			fail(w, refused.Status, string(refused.ScimType), refused.Detail)
			return
		}
		next.ServeHTTP(w, r)
	})
}

const searchPath = "/.search"

// groupsNotServed is the answer to every request for groups, which a client
// pushes by default: it must be able to tell a missing type of resources from a
// wrong URL, and an operator to read what to change.
const groupsNotServed = "Groups are not served: behov takes in users only (see /ResourceTypes), and works out roles and entitlements by its rules. Do not push groups: remove them from the client's provisioning."

// isGroups reports whether a path is that of groups, or of a group.
func isGroups(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return strings.EqualFold(first, "Groups")
}

// methods returns the methods of an endpoint.
func methods(path string) (allowed []string, known bool) {
	switch endpoint(path) {
	case "/Users":
		return []string{http.MethodGet, http.MethodHead, http.MethodPost}, true
	case "/Users/{id}":
		return []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPatch, http.MethodDelete}, true
	case searchPath, "/Users" + searchPath:
		return []string{http.MethodPost}, true
	case "/ServiceProviderConfig", "/ResourceTypes", "/Schemas":
		return []string{http.MethodGet, http.MethodHead}, true
	}
	return nil, false
}

// endpoint returns a path without the ID of a resource.
func endpoint(path string) string {
	switch {
	case strings.HasPrefix(path, "/Users/") && path != "/Users"+searchPath:
		return "/Users/{id}"
	case strings.HasPrefix(path, "/ResourceTypes/"):
		return "/ResourceTypes"
	case strings.HasPrefix(path, "/Schemas/"):
		return "/Schemas"
	}
	return path
}

// searchRequest returns the query of a search by POST (RFC 7644 §3.4.3) in the
// form of a GET. It answers a malformed request itself.
func searchRequest(w http.ResponseWriter, r *http.Request) (query url.Values, ok bool) {
	raw, ok := readBody(w, r)
	if !ok {
		return nil, false
	}
	body, decoded := decode(raw)
	if !decoded {
		fail(w, http.StatusBadRequest, "invalidSyntax", notAnObject)
		return nil, false
	}
	const urn = "urn:ietf:params:scim:api:messages:2.0:SearchRequest"
	query = url.Values{}
	named := false
	for key, v := range body {
		switch name := strings.ToLower(key); name {
		case "schemas":
			named = slices.ContainsFunc(scimtype.ListOf(v), func(s any) bool { text, _ := s.(string); return strings.EqualFold(text, urn) })
		case "attributes", "excludedattributes":
			var names []string
			for _, v := range scimtype.ListOf(v) {
				names = append(names, fmt.Sprint(v))
			}
			query.Set(map[string]string{"attributes": attributesParameter, "excludedattributes": excludedParameter}[name], strings.Join(names, ","))
		case "filter", "count":
			query.Set(name, fmt.Sprint(v))
		case "startindex":
			query.Set("startIndex", fmt.Sprint(v))
		case "sortby":
			query.Set("sortBy", fmt.Sprint(v))
		}
	}
	if !named {
		fail(w, http.StatusBadRequest, "invalidSyntax", "schemas: it must be "+urn+".")
		return nil, false
	}
	return query, true
}

const notAnObject = "The body is not a JSON object."

// readBody reads a request's body. It answers a request that is too large itself.
func readBody(w http.ResponseWriter, r *http.Request) (raw []byte, ok bool) {
	raw, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, "", "The body is larger than 1 MB.")
	case err != nil:
		fail(w, http.StatusBadRequest, "invalidSyntax", notAnObject)
	}
	return raw, err == nil
}

const (
	attributesParameter = "attributes"
	excludedParameter   = "excludedAttributes"
)

// readQuery removes from a query what the library would refuse or ignore.
func (u *users) readQuery(r *http.Request, e *exchange, query url.Values) error {
	if query.Has("sortBy") {
		return invalid("Sorting is not supported.")
	}
	shown, hidden := query.Get(attributesParameter), query.Get(excludedParameter)
	if shown != "" && hidden != "" {
		return invalid("attributes and excludedAttributes cannot be combined.") // RFC 7644 §3.9
	}
	e.shown = projection{only: namesIn(shown), without: namesIn(hidden)}
	switch text := strings.TrimSpace(query.Get("filter")); {
	case text == "" || r.Method != http.MethodGet:
	case endpoint(r.URL.Path) != "/Users":
		if _, known := methods(r.URL.Path); known && endpoint(r.URL.Path) != "/Users/{id}" {
			// RFC 7644 §4: a client must not take an unfiltered answer for a
			// filtered one.
			return scimerrors.ScimError{Status: http.StatusForbidden, Detail: "Filters are not supported at this endpoint."}
		}
	default:
		var err error
		e.filterText = text
		if e.filter, err = scimtype.ParseFilter(text); err != nil {
			return err
		}
		if err := u.resolve(e.filter); err != nil {
			return err
		}
	}
	query.Del("filter")
	r.URL.RawQuery = query.Encode()
	return nil
}

// projection selects the attributes of an answer (RFC 7644 §3.9): those in only,
// or all but those in without; names are in lower case.
type projection struct{ only, without []string }

func namesIn(text string) []string {
	var names []string
	for _, name := range strings.Split(text, ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			names = append(names, strings.TrimPrefix(name, strings.ToLower(coreURN)+":"))
		}
	}
	return names
}

// apply removes the attributes of a resource that are not to be shown. Those that
// identify the resource remain (RFC 7643 §7, returned: always).
func (p projection) apply(resource map[string]any) {
	p.in(resource, "")
}

func (p projection) in(object map[string]any, before string) {
	for key, v := range object {
		name := before + strings.ToLower(key)
		if before == "" && (name == "id" || name == "schemas") {
			continue
		}
		switch p.of(name) {
		case none:
			delete(object, key)
		case some:
			separator := "."
			if isExtension(key) {
				separator = ":"
			}
			for _, element := range scimtype.ListOf(v) {
				if values, is := element.(map[string]any); is {
					p.in(values, name+separator)
				}
			}
			if list, is := v.([]any); is {
				list = slices.DeleteFunc(list, scimtype.Empty)
				object[key] = list
			}
			if scimtype.Empty(object[key]) {
				delete(object, key)
			}
		}
	}
}

// visibility is how much of an attribute is shown.
type visibility int

const (
	all visibility = iota
	some
	none
)

func (p projection) of(name string) visibility {
	below := func(path string) bool { return strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+":") }
	switch {
	case len(p.only) > 0 && slices.Contains(p.only, name), len(p.only) == 0 && !slices.Contains(p.without, name) && !slices.ContainsFunc(p.without, below):
		return all
	case slices.ContainsFunc(p.only, below), len(p.only) == 0 && !slices.Contains(p.without, name):
		return some
	}
	return none
}
