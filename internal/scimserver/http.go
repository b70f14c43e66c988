package scimserver

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"

	"github.com/behov/behov/internal/scimtype"
)

// fail answers with an error in the form of RFC 7644 §3.12.
func fail(w http.ResponseWriter, status int, kind, detail string) {
	body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": strconv.Itoa(status), "detail": detail}
	if kind != "" {
		body["scimType"] = kind
	}
	b, err := json.Marshal(body)
	if err != nil {
		b = nil
	}
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may be gone
}

// retryLater is the answer 429 (RFC 6585 §4) or 503, which the library does not
// support, with Retry-After.
type retryLater struct {
	status int
	after  time.Duration
	why    string
}

// tryLater makes a request be answered with a status and Retry-After.
func tryLater(r *http.Request, status int, after time.Duration, why string) error {
	exchangeOf(r).later = retryLater{status: status, after: after, why: why}
	return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: why}
}

// completeAnswers completes the library's answers: absolute locations, the
// Location header of a creation (RFC 7644 §3.3), the number of results of a list
// (§3.4.2), 304 for a version that the client has (§3.14), and only the requested
// attributes (§3.9).
func (u *users) completeAnswers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, e := &buffered{header: w.Header(), status: http.StatusOK}, exchangeOf(r)
		next.ServeHTTP(answer, r)
		if e.later.why != "" {
			w.Header().Set("Retry-After", strconv.Itoa(int(e.later.after.Seconds())))
			fail(w, e.later.status, "", e.later.why)
			return
		}
		body := answer.body.Bytes()
		if answer.status < http.StatusBadRequest && len(body) > 0 {
			if r.Method == http.MethodGet && w.Header().Get("Etag") != "" && matches(r.Header.Values("If-None-Match"), w.Header().Get("Etag")) {
				w.WriteHeader(http.StatusNotModified)
				return
			}
			var resource map[string]any
			d := json.NewDecoder(bytes.NewReader(body))
			d.UseNumber()
			if d.Decode(&resource) == nil {
				location := e.complete(baseOf(r), resource)
				u.discovery(baseOf(r), r.URL.Path, resource)
				if b, err := json.Marshal(resource); err == nil {
					body = b
				}
				if answer.status == http.StatusCreated {
					w.Header().Set("Location", location)
				}
			}
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(body) // the client may be gone
	})
}

// baseOf returns the client's base URL of the service.
func baseOf(r *http.Request) string {
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https://"
	}
	return scheme + r.Host + Path
}

// complete completes a resource, or those of a list, and returns the location of
// the last one.
func (e *exchange) complete(base string, answer map[string]any) (location string) {
	resources := []any{answer}
	list, isList := answer["Resources"].([]any)
	if _, counts := answer["totalResults"]; isList || counts {
		resources, answer["itemsPerPage"] = list, len(list)
	}
	for _, r := range resources {
		resource, _ := r.(map[string]any)
		meta, _ := resource["meta"].(map[string]any)
		if relative, ok := meta["location"].(string); ok && !strings.Contains(relative, "://") {
			location = base + "/" + relative
			meta["location"] = location
		}
		if id, is := resource["id"].(string); is && meta["resourceType"] == "User" {
			if exact, known := e.meta[id]; known {
				meta["created"], meta["lastModified"] = exact.Created.Format(time.RFC3339Nano), exact.LastModified.Format(time.RFC3339Nano)
			}
			e.shown.apply(resource)
			resource["schemas"] = slices.DeleteFunc(scimtype.ListOf(resource["schemas"]), func(urn any) bool {
				name, _ := urn.(string)
				return name != coreURN && resource[name] == nil // RFC 7643 §3: schemas with attributes
			})
		}
	}
	return location
}

// matches reports whether a list of ETags (RFC 9110 §13.1.1) contains a version,
// or is *. Versions are compared as weak ones (§8.8.3.2).
func matches(header []string, version string) bool {
	for _, tag := range strings.Split(strings.Join(header, ","), ",") {
		if tag = strings.TrimSpace(tag); tag == "*" || strings.TrimPrefix(tag, "W/") == strings.TrimPrefix(version, "W/") {
			return true
		}
	}
	return false
}

// buffered holds an answer until it is complete.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header         { return b.header }
func (b *buffered) WriteHeader(status int)      { b.status = status }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }
