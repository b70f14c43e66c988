package server

import (
	"encoding/json"
	"net/http"
)

// Problem is an error answer as RFC 9457 describes it. It must contain no personal
// data.
type Problem struct {
	// Type is a URI of the kind of problem; about:blank when it is empty, which means
	// that Status says it all.
	Type string `json:"type,omitempty"`
	// Title is the text of Status when it is empty.
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// RequestID is that of the answer when it is empty.
	RequestID string `json:"request_id,omitempty"`
	// ViolatedPolicies are the names of the exceeded rate limits
	// (draft-ietf-httpapi-ratelimit-headers §5.1).
	ViolatedPolicies []string `json:"violated-policies,omitempty"`
}

// WriteProblem answers with a problem.
func WriteProblem(w http.ResponseWriter, p Problem) {
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	h := w.Header()
	if p.RequestID == "" {
		p.RequestID = h.Get("X-Request-Id")
	}
	b, err := json.Marshal(p)
	if err != nil {
		b = []byte("{}")
	}
	h.Del("Content-Length")
	h.Del("Etag")
	h.Del("Last-Modified")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_, _ = w.Write(b) // the client may be gone
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	WriteProblem(w, Problem{Status: http.StatusNotFound, Detail: "There is nothing at this path."})
}
