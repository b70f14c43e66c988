package standin

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// batch carries out up to 20 requests, none of which may depend on another
// (https://learn.microsoft.com/graph/json-batching).
func (s *Server) batch(q call) answer {
	if q.Method != http.MethodPost {
		return fail(http.StatusMethodNotAllowed, "Request_BadRequest", "Specified HTTP method is not allowed for the request target.")
	}
	var b struct {
		Requests []struct {
			ID      string            `json:"id"`
			Method  string            `json:"method"`
			URL     string            `json:"url"`
			Headers map[string]string `json:"headers"`
			Body    json.RawMessage   `json:"body"`
		} `json:"requests"`
	}
	d := json.NewDecoder(strings.NewReader(string(q.Body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&b); err != nil {
		return fail(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload.")
	}
	switch {
	case len(b.Requests) == 0:
		return fail(http.StatusBadRequest, "BadRequest", "There are no requests in the batch.")
	case len(b.Requests) > 20:
		return fail(http.StatusBadRequest, "MaximumValueExceeded", "Number of batch request steps exceeds the maximum value of 20.")
	}
	seen := map[string]bool{}
	responses := []any{}
	for _, r := range b.Requests {
		u, err := url.Parse(r.URL)
		if r.ID == "" || seen[r.ID] || r.Method == "" || err != nil || !strings.HasPrefix(r.URL, "/") {
			return fail(http.StatusBadRequest, "BadRequest", "Invalid batch payload format: id, method and a relative url are required.")
		}
		seen[r.ID] = true
		h := http.Header{}
		for k, v := range r.Headers {
			h.Set(k, v)
		}
		a := s.one(call{Request: Request{Method: r.Method, Path: u.Path, Query: u.Query(), Header: h, Body: r.Body, InBatch: true}, base: q.base})
		if a.fault != nil && a.fault.Omit {
			continue
		}
		response := object{"id": r.ID, "status": a.status, "headers": object{"Content-Type": "application/json"}}
		for k, v := range a.header {
			response["headers"].(object)[k] = v
		}
		if a.body != nil {
			response["body"] = a.body
		}
		// Answers come in any order.
		responses = append([]any{response}, responses...)
	}
	return ok(object{"responses": responses})
}
