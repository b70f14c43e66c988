package scimapp

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"

	scimerrors "github.com/elimity-com/scim/errors"
)

// fail answers with an error as RFC 7644 §3.12 has it.
func fail(w http.ResponseWriter, status int, detail string) {
	body, err := json.Marshal(scimerrors.ScimError{Status: status, Detail: detail})
	if err != nil {
		body = nil
	}
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

// located puts a Location header on what was created (RFC 7644 §3.3), and full
// URLs into meta.location, which the library leaves relative.
func located(base string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &buffered{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(answer, r)
		body := answer.body.Bytes()
		if answer.status < http.StatusBadRequest && len(body) > 0 {
			if b, location, err := absolute(base, body); err == nil {
				body = b
				if answer.status == http.StatusCreated {
					w.Header().Set("Location", location)
				}
			}
		}
		w.WriteHeader(answer.status)
		_, _ = w.Write(body) // the client may be gone
	})
}

// absolute returns a resource, or a list of them, with full URLs, and the
// resource's own.
func absolute(base string, body []byte) (out []byte, location string, err error) {
	var resource map[string]any
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&resource); err != nil {
		return nil, "", fmt.Errorf("read the answer: %w", err)
	}
	list, _ := resource["Resources"].([]any)
	for _, r := range append(list, resource) {
		m, _ := r.(map[string]any)
		meta, _ := m["meta"].(map[string]any)
		if relative, ok := meta["location"].(string); ok {
			location = base + "/" + relative
			meta["location"] = location
		}
	}
	out, err = json.Marshal(resource)
	return out, location, err
}

// buffered is an answer that is not sent yet.
type buffered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (b *buffered) Header() http.Header { return b.header }

func (b *buffered) WriteHeader(status int) { b.status = status }

func (b *buffered) Write(p []byte) (int, error) { return b.body.Write(p) }
