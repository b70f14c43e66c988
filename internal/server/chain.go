package server

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// Chain is what every request passes through before a mounted handler answers it.
// The zero value trusts no proxy, limits no rate and logs nowhere.
type Chain struct {
	Log *slog.Logger
	// Proxies are the addresses of proxies whose forwarded headers are believed.
	Proxies []netip.Prefix
	// PerAddress limits the requests from one client address, and PerSubject those of
	// one subject, where LimitSubject is used.
	PerAddress, PerSubject Rate
}

// handler is the handler of a process.
type handler struct {
	mux       *http.ServeMux
	next      http.Handler // the chain, in front of mux
	log       *slog.Logger
	proxies   []netip.Prefix
	addresses *Limiter
	subjects  *Limiter
	sampler   Sampler
}

// newHandler composes the chain. The first line is the outermost.
func newHandler(c Chain) *handler {
	h := &handler{mux: http.NewServeMux(), log: c.Log, proxies: c.Proxies,
		addresses: NewLimiter("address", c.PerAddress), subjects: NewLimiter("subject", c.PerSubject)}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	// From the outside in: request ID, client address, headers and access log; 500
	// for a panic; paths that two servers may understand differently; what another
	// site makes a browser send. Rates and bodies are each mount's (mounted).
	h.next = h.observed(h.recoverPanic(plainTarget(crossOrigin(h.mux))))
	return h
}

// mounted returns a mounted handler behind its rate and body limits.
func (h *handler) mounted(m Mount) http.Handler {
	next := limitBody(m.Handler, m.Body)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := exchangeOf(r.Context())
		if x == nil {
			next.ServeHTTP(w, r)
			return
		}
		if m.ContentPolicy != "" {
			x.out.contentPolicy = m.ContentPolicy
		}
		if h.addresses.allowed(w, addressKey(x.client)) {
			next.ServeHTTP(w, r)
		}
	})
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.next.ServeHTTP(w, r) }

// exchange is a request with its answer, as the chain knows them.
type exchange struct {
	handler *handler
	id      string
	client  netip.Addr // not valid when the client has no IP address
	secure  bool       // the client's connection is encrypted
	out     recorder
	subject atomic.Pointer[string]
	route   atomic.Pointer[string]
}

type exchangeKey struct{}

// exchangeOf returns the exchange of a context; nil outside the chain.
func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// RequestID returns the ID of a context's request, which its answer carries as
// X-Request-Id and the log as request_id; empty outside the chain.
func RequestID(ctx context.Context) string {
	if x := exchangeOf(ctx); x != nil {
		return x.id
	}
	return ""
}

// ClientAddress returns the address of the client of a context's request: that of
// the connection, or the one that trusted proxies forwarded. It is not valid
// outside the chain.
func ClientAddress(ctx context.Context) netip.Addr {
	if x := exchangeOf(ctx); x != nil {
		return x.client
	}
	return netip.Addr{}
}

// IsSecure reports whether the client sent a context's request over TLS, to this
// process or to a trusted proxy. Cookies and redirects depend on it.
func IsSecure(ctx context.Context) bool {
	x := exchangeOf(ctx)
	return x != nil && x.secure
}

// SetSubject records who sent a context's request, by an opaque ID, for the access
// log and for LimitSubject. The caller has authenticated the subject. Outside the
// chain it does nothing.
func SetSubject(ctx context.Context, id string) {
	if x := exchangeOf(ctx); x != nil {
		x.subject.Store(&id)
	}
}

// LimitSubject refuses requests of a subject beyond Chain.PerSubject with 429. It
// stands behind the handler that calls SetSubject; requests without a subject pass.
func LimitSubject(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if x := exchangeOf(r.Context()); x != nil {
			if id := textOf(&x.subject); id != "" && !x.handler.subjects.allowed(w, id) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Routes makes the access log show the patterns of a mounted http.ServeMux instead
// of the path that it is mounted at.
func Routes(mux http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mounted := r.Pattern
		mux.ServeHTTP(w, r)
		if r.Pattern == "" { // it knows no such path
			r.Pattern = mounted
		}
		if x := exchangeOf(r.Context()); x != nil {
			x.route.Store(&r.Pattern)
		}
	})
}

func textOf(p *atomic.Pointer[string]) string {
	if s := p.Load(); s != nil {
		return *s
	}
	return ""
}

// observed gives a request its ID and its client's address, completes the headers
// of the answer, and logs both.
func (h *handler) observed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &exchange{handler: h, id: rand.Text()}
		x.out = recorder{ResponseWriter: w, exchange: x}
		r = r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x))
		x.identify(r, h.proxies)
		w.Header().Set("X-Request-Id", x.id)
		aborted := true
		defer func() { h.logAccess(x, r, time.Since(start), aborted) }()
		next.ServeHTTP(&x.out, r)
		aborted = false
	})
}

// logAccess logs a request: its route and not its path, which may name a person,
// and nothing of its query.
func (h *handler) logAccess(x *exchange, r *http.Request, took time.Duration, aborted bool) {
	status, level, ctx := x.out.status, slog.LevelInfo, context.WithoutCancel(r.Context())
	if status == 0 && !aborted {
		status = http.StatusOK // net/http writes it after the handler
	}
	others := 0
	switch probe := r.Pattern == "GET /health" || r.Pattern == "GET /ready"; {
	case status == http.StatusTooManyRequests:
		var first bool
		level = slog.LevelDebug // the client must not fill the log
		if others, first = h.sampler.Allow("rate", time.Now()); first {
			level = slog.LevelWarn
		}
	case probe && status < http.StatusBadRequest:
		level = slog.LevelDebug
	}
	if !h.log.Enabled(ctx, level) {
		return
	}
	route := r.Pattern
	if inner := textOf(&x.route); inner != "" {
		route = inner
	}
	attrs := make([]slog.Attr, 0, 10)
	attrs = append(attrs, slog.String("request_id", x.id), slog.String("method", methodOf(r)), slog.String("route", route), slog.Int("status", status),
		slog.Duration("duration", took), slog.Int64("bytes", x.out.bytes), slog.String("client", x.client.String()))
	if subject := textOf(&x.subject); subject != "" {
		attrs = append(attrs, slog.String("subject", subject))
	}
	if aborted {
		attrs = append(attrs, slog.Bool("aborted", true))
	}
	if others > 0 {
		attrs = append(attrs, slog.Int("not_logged_before", others))
	}
	h.log.LogAttrs(ctx, level, "request", attrs...)
}

// methodOf returns a request's method, unless it is one that the client made up.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, http.MethodConnect:
		return r.Method
	}
	return "other"
}
