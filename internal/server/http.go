package server

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	scimerrors "github.com/elimity-com/scim/errors"
)

// fail answers with an error as RFC 7644 §3.12 has it.
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

// putOff is why a request is answered 429 (RFC 6585 §4) or 503, which the library
// does not let through, and when it is to be sent again. It is its own key in
// the request's context.
type putOff struct {
	status int
	after  time.Duration
	why    string
}

// tryLater has a request answered with a status and Retry-After.
func tryLater(r *http.Request, status int, after time.Duration, why string) error {
	if later, ok := r.Context().Value(putOff{}).(*putOff); ok {
		*later = putOff{status: status, after: after, why: why}
	}
	return scimerrors.ScimError{Status: http.StatusInternalServerError, Detail: why}
}

// located makes the library's relative locations absolute, and says in a
// header where what was made is, which the library forgets (RFC 7644 §3.3).
func located(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, later := &buffered{header: w.Header(), status: http.StatusOK}, &putOff{}
		next.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), putOff{}, later)))
		if later.why != "" {
			w.Header().Set("Retry-After", strconv.Itoa(int(later.after.Seconds())))
			fail(w, later.status, "", later.why)
			return
		}
		body := answer.body.Bytes()
		if answer.status < http.StatusBadRequest && len(body) > 0 {
			var resource map[string]any
			d := json.NewDecoder(bytes.NewReader(body))
			d.UseNumber()
			if d.Decode(&resource) == nil {
				base := "http://"
				if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
					base = "https://"
				}
				base += r.Host + scimPath
				location := locate(base, resource)
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

func locate(base string, resource map[string]any) (location string) {
	list, _ := resource["Resources"].([]any)
	for _, r := range append(list, resource) {
		m, _ := r.(map[string]any)
		meta, _ := m["meta"].(map[string]any)
		if relative, ok := meta["location"].(string); ok && !strings.Contains(relative, "://") {
			location = base + "/" + relative
			meta["location"] = location
		}
	}
	return location
}

// buffered keeps an answer until it is whole.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header         { return b.header }
func (b *buffered) WriteHeader(status int)      { b.status = status }
func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }

// value understands one text as the value of what a path names.
func value(path, text string) any {
	name := path[strings.LastIndexAny(path, ":.")+1:]
	switch {
	case strings.EqualFold(name, "active") || strings.EqualFold(name, "primary") || strings.EqualFold(name, "protected"):
		switch strings.ToLower(text) {
		case "true":
			return true
		case "false":
			return false
		}
	case strings.EqualFold(name, "manager"):
		return map[string]any{"value": text}
	}
	return text
}

func booleans(in map[string]any) {
	for key, v := range in {
		switch v := v.(type) {
		case string:
			in[key] = value(key, v)
		case map[string]any:
			if !strings.EqualFold(key, "manager") {
				booleans(v)
			}
		case []any:
			for _, x := range v {
				if element, ok := x.(map[string]any); ok {
					booleans(element)
				}
			}
		}
	}
}
