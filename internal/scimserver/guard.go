package scimserver

import (
	"context"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/store"
)

// guard authenticates requests by their bearer token (RFC 6750), and passes each
// to the source of its token. A token has 256 random bits and cannot be guessed;
// requests with a refused token are counted and logged, and not slowed down, as
// behind a proxy all clients have one address.
type guard struct {
	im       *hr.Importer
	services map[string]http.Handler // by source
	host     Host
	sampler  server.Sampler
}

// The reasons for refusing a token, besides those of the store.
const (
	tokenMissing  = "missing"
	tokenNoSource = "source-not-pushed-to"
)

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, bearer := bearerToken(r.Header)
	if !bearer {
		g.refuse(w, r, store.Token{}, tokenMissing)
		return
	}
	t, why, err := g.im.DB.CheckToken(r.Context(), token, g.im.Now())
	switch service := g.services[t.Source]; {
	case err != nil:
		fail(w, http.StatusInternalServerError, "", "The token could not be checked.")
	case why != "":
		g.refuse(w, r, t, string(why))
	case service == nil:
		g.refuse(w, r, t, tokenNoSource)
	default:
		server.SetSubject(r.Context(), t.ID)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		service.ServeHTTP(w, r)
	}
}

// bearerToken returns the token of an Authorization header. The scheme is
// case-insensitive (RFC 9110 §11.1).
func bearerToken(h http.Header) (token string, ok bool) {
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	return strings.TrimLeft(token, " "), strings.EqualFold(scheme, "Bearer")
}

// refuse answers 401, with the same text for every reason. The reason is counted,
// and logged once a minute; the token never is.
func (g *guard) refuse(w http.ResponseWriter, r *http.Request, t store.Token, why string) {
	if g.host.TokenRefused != nil {
		g.host.TokenRefused(why)
	}
	if others, ok := g.sampler.Allow(why, time.Now()); ok {
		remote, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			remote = r.RemoteAddr
		}
		args := []any{"reason", why, "remote", remote, "not_logged_before", others}
		if t.ID != "" {
			args = append(args, "token_id", t.ID, "source", t.Source)
		}
		g.host.Log.WarnContext(context.WithoutCancel(r.Context()), "SCIM token refused", args...)
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="behov"`)
	fail(w, http.StatusUnauthorized, "", "The bearer token is missing or not valid.")
}
