package server

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

// exchange is what a request and its answer say past the library, which has no
// place for it.
type exchange struct {
	later  putOff
	filter filter.Expression // nil for all
	shown  projection
	// meta are the instants of each resource, by its ID: the library cuts them to
	// seconds, by which a client that asks for what changed since would be given
	// the same again.
	meta map[string]scim.Meta
}

// exchangeKey is where in a request's context the exchange is.
type exchangeKey struct{}

func exchangeOf(r *http.Request) *exchange {
	if e, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		return e
	}
	return &exchange{meta: map[string]scim.Meta{}} // of no answer
}

// protocol answers for what the library does not know of RFC 7644: which methods
// an endpoint has, HEAD, searches by POST (§3.4.3), filters on what every resource
// has (§3.4.2.2), and a choice of attributes (§3.9).
func (u *users) protocol(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimPrefix(r.URL.Path, scimPath)
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
			r.Method, r.URL.Path, r.Body = http.MethodGet, "/Users", http.NoBody // the only resources that there are
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

// methods returns what an endpoint offers.
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

// endpoint is a path without what is a resource's in it.
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

// searchRequest reads what a search by POST asks for (RFC 7644 §3.4.3) as the
// query of a GET. When it is none, it is answered.
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

const notAnObject = "The body is no JSON object."

// readBody reads a request's body. When it is too large, it is answered.
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

// readQuery takes out of a query what the library would refuse or pass over.
func (u *users) readQuery(r *http.Request, e *exchange, query url.Values) error {
	if query.Has("sortBy") {
		return invalid("Sorting is not supported.")
	}
	shown, hidden := query.Get(attributesParameter), query.Get(excludedParameter)
	if shown != "" && hidden != "" {
		return invalid("attributes and excludedAttributes exclude one another.") // RFC 7644 §3.9
	}
	e.shown = projection{only: namesIn(shown), without: namesIn(hidden)}
	switch text := strings.TrimSpace(query.Get("filter")); {
	case text == "" || r.Method != http.MethodGet:
	case endpoint(r.URL.Path) != "/Users":
		if _, known := methods(r.URL.Path); known && endpoint(r.URL.Path) != "/Users/{id}" {
			// RFC 7644 §4: no client may take what is there for what it asked for.
			return scimerrors.ScimError{Status: http.StatusForbidden, Detail: "There is no filter here."}
		}
	default:
		var err error
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

// projection is which attributes of a resource an answer has (RFC 7644 §3.9):
// those that are named, or all but those; their names are in lower case.
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

// apply takes out of a resource what is not to be shown. What says which resource
// it is stays (RFC 7643 §7, returned: always).
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

// share is how much of an attribute is shown.
type share int

const (
	all share = iota
	some
	none
)

func (p projection) of(name string) share {
	below := func(path string) bool { return strings.HasPrefix(path, name+".") || strings.HasPrefix(path, name+":") }
	switch {
	case len(p.only) > 0 && slices.Contains(p.only, name), len(p.only) == 0 && !slices.Contains(p.without, name) && !slices.ContainsFunc(p.without, below):
		return all
	case slices.ContainsFunc(p.only, below), len(p.only) == 0 && !slices.Contains(p.without, name):
		return some
	}
	return none
}
