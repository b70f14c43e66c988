// Package standin is a strict stand-in for Microsoft Graph v1.0, for tests and
// for evaluation without a tenant: users, groups and their members, deleted
// items, licences, delta queries, $batch, registration of authentication methods,
// and a token endpoint.
//
// It refuses what Graph would refuse, with Graph's error format, and it must
// never accept more: an unknown property, path, query option or verb is an error.
// Everything is in memory, and it must never be reachable from a network: it has
// no permissions other than read and write.
package standin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Options configure the tenant. The zero value is a tenant with the domain
// kommun.test, in which the bearer token "token" has all permissions.
type Options struct {
	// TenantID is the organization's ID. Default:
	// 00000000-0000-4000-8000-000000000001.
	TenantID string
	// Domains are the verified domains. Default: kommun.test.
	Domains []string
	// Token is a bearer token that is accepted, in addition to those that the
	// token endpoint issued. Default: "token".
	Token string
	// ClientID and ClientSecret are accepted by the token endpoint. Without an ID
	// it issues no tokens.
	ClientID, ClientSecret string
	// ReadOnly removes the application's permission to write.
	ReadOnly bool
	// ReadsHidden gives the application Member.Read.Hidden. Without it the
	// members of a group with visibility HiddenMembership cannot be read, and a
	// user's memberships silently omit such groups
	// (https://learn.microsoft.com/graph/api/user-list-memberof).
	ReadsHidden bool
	// PageSize is the number of objects on a page without $top. Default: 100, as
	// Graph's.
	PageSize int
	// MaxPage, when set, is the maximum number on a page, whatever $top requests:
	// Graph may always send fewer.
	MaxPage int
	// Lag is how long a new user is not found by group additions and filters.
	Lag time.Duration
	// Licences are the SKUs the tenant has.
	Licences []Licence
	// Passes is the policy for temporary access passes, in minutes. Default: 10
	// to 43,200.
	PassMin, PassMax int
	// Now is the clock. Default: time.Now.
	Now func() time.Time
}

// Licence is a SKU of the tenant.
type Licence struct {
	SKU   string // skuPartNumber
	Units int
}

// Request is a received request, alone or in a $batch.
type Request struct {
	Method  string
	Path    string // below /v1.0, unescaped
	Query   url.Values
	Header  http.Header
	Body    []byte
	InBatch bool
}

// Server is the tenant. It is an http.Handler; its other methods change the
// tenant without a request.
type Server struct {
	opts Options

	mu       sync.Mutex
	users    map[string]*user
	groups   map[string]*group
	skus     []*sku
	seq      int64 // of the last change
	epoch    int   // of the valid delta tokens
	graves   []grave
	tokens   map[string]bool
	requests []Request
	hook     func(Request) *Fault
}

// New returns an empty tenant.
func New(opts Options) *Server {
	if len(opts.Domains) == 0 {
		opts.Domains = []string{"kommun.test"}
	}
	if opts.TenantID == "" {
		opts.TenantID = "00000000-0000-4000-8000-000000000001"
	}
	if opts.Token == "" {
		opts.Token = "token"
	}
	if opts.PageSize == 0 {
		opts.PageSize = 100
	}
	if opts.PassMin == 0 {
		opts.PassMin = 10
	}
	if opts.PassMax == 0 {
		opts.PassMax = 43200
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	s := &Server{opts: opts, users: map[string]*user{}, groups: map[string]*group{}, tokens: map[string]bool{opts.Token: true}}
	for _, l := range opts.Licences {
		s.skus = append(s.skus, &sku{id: uuid.NewString(), part: l.SKU, units: l.Units})
	}
	return s
}

// Requests returns the received requests, each request of a $batch separately.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Forget clears the list of requests.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

const maxBody = 4 << 20

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if !strings.HasPrefix(path, "/v1.0/") {
		s.authority(w, r)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return
	}
	q := call{
		Request: Request{Method: r.Method, Path: strings.TrimPrefix(path, "/v1.0"), Query: r.URL.Query(), Header: r.Header.Clone(), Body: body},
		base:    "http://" + r.Host + "/v1.0",
	}
	if r.TLS != nil {
		q.base = "https://" + r.Host + "/v1.0"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var a answer
	switch problem := s.admit(r); {
	case problem != nil:
		a = *problem
	case len(body) > maxBody:
		a = fail(http.StatusRequestEntityTooLarge, "Request_BadRequest", "The request is too large.")
	case q.Path == "/$batch":
		s.requests = append(s.requests, q.Request)
		if a = s.faulty(q, func() answer { return s.batch(q) }); a.fault != nil && a.fault.Drop {
			panic(http.ErrAbortHandler)
		}
	default:
		a = s.one(q)
	}
	a.write(w)
}

// one handles one request, alone or in a batch.
func (s *Server) one(q call) answer {
	s.requests = append(s.requests, q.Request)
	return s.faulty(q, func() answer {
		if s.opts.ReadOnly && q.Method != http.MethodGet {
			return fail(http.StatusForbidden, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
		}
		return s.route(q)
	})
}

// admit checks the bearer token.
func (s *Server) admit(r *http.Request) *answer {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var a answer
	switch {
	case !ok || token == "":
		a = fail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token is empty.")
	case !s.tokens[token]:
		a = fail(http.StatusUnauthorized, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.")
	default:
		return nil
	}
	return &a
}

// call is a request with the base URL of links in its answer.
type call struct {
	Request
	base string
}

// answer is a response.
type answer struct {
	status int
	body   any
	header map[string]string
	fault  *Fault
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

func none() answer { return answer{status: http.StatusNoContent} }

// fail returns Graph's error
// (https://learn.microsoft.com/graph/errors#error-resource-type).
func fail(status int, code, format string, args ...any) answer {
	id := uuid.NewString()
	return answer{status: status, body: object{"error": object{
		"code": code, "message": fmt.Sprintf(format, args...),
		"innerError": object{"date": time.Now().UTC().Format("2006-01-02T15:04:05"), "request-id": id, "client-request-id": id},
	}}}
}

func badRequest(format string, args ...any) answer {
	return fail(http.StatusBadRequest, "Request_BadRequest", format, args...)
}

func notFound(id string) answer {
	return fail(http.StatusNotFound, "Request_ResourceNotFound",
		"Resource '%s' does not exist or one of its queried reference-property objects are not present.", id)
}

func (a answer) write(w http.ResponseWriter) {
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.fault != nil && a.fault.Drop {
		panic(http.ErrAbortHandler)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	b, err := json.Marshal(a.body)
	if err != nil {
		panic(err) // everything in the store came from JSON
	}
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	w.Header().Set("Content-Length", fmt.Sprint(len(b)))
	w.WriteHeader(a.status)
	if a.fault != nil && a.fault.Truncate {
		_, _ = w.Write(b[:len(b)/2])
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(b)
}
