package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
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

// located makes the library's relative locations absolute, and says in a
// header where what was made is, which the library forgets (RFC 7644 §3.3).
func located(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &buffered{header: w.Header(), status: http.StatusOK}
		next.ServeHTTP(answer, r)
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

// understood brings requests as real clients send them into the form of the
// RFC, before the library looks at them.
func understood(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
			raw, err := io.ReadAll(r.Body)
			var large *http.MaxBytesError
			if errors.As(err, &large) {
				fail(w, http.StatusRequestEntityTooLarge, "", "The body is larger than 1 MB.")
				return
			}
			var body map[string]any
			d := json.NewDecoder(bytes.NewReader(raw))
			d.UseNumber()
			if err != nil || d.Decode(&body) != nil {
				fail(w, http.StatusBadRequest, "invalidSyntax", "The body is no JSON object.")
				return
			}
			if r.Method == http.MethodPatch {
				dialects(body)
			} else {
				booleans(body)
			}
			if raw, err = json.Marshal(body); err != nil {
				fail(w, http.StatusBadRequest, "invalidSyntax", "The body is no JSON object.")
				return
			}
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
		}
		if r.URL.Query().Has("sortBy") {
			fail(w, http.StatusBadRequest, "invalidValue", "Sorting is not supported.")
			return
		}
		r.URL.Path = strings.TrimPrefix(r.URL.Path, scimPath)
		next.ServeHTTP(w, r)
	})
}

// dialects understands what Entra ID and others make of a PATCH: operations in
// capitals, truth as text, a manager as a text, names with dots as keys.
func dialects(body map[string]any) {
	for key, v := range body {
		if !strings.EqualFold(key, "Operations") {
			continue
		}
		list, _ := v.([]any)
		for _, o := range list {
			op, _ := o.(map[string]any)
			if name, ok := op["op"].(string); ok {
				op["op"] = strings.ToLower(name)
			}
			path, _ := op["path"].(string)
			switch v := op["value"].(type) {
			case map[string]any:
				if path == "" {
					flatten(v)
				}
				booleans(v)
			case string:
				op["value"] = value(path, v)
			}
			if op["op"] == "remove" && path != "" && !strings.Contains(path, "[") {
				delete(op, "value") // of one attribute it says only what was there
			}
		}
	}
}

// flatten names the attributes of an extension that is given as an object, as
// RFC 7643 §3.3 has them in a resource, by their paths.
func flatten(values map[string]any) {
	for urn, v := range values {
		extension, is := v.(map[string]any)
		if !is || !strings.EqualFold(urn, enterpriseURN) && !strings.EqualFold(urn, EmploymentURN) {
			continue
		}
		delete(values, urn)
		for name, v := range extension {
			values[urn+":"+name] = v
		}
	}
}

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
