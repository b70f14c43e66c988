// Package scimapp is a SCIM 2.0 service inside this process, on a loopback
// port, for "behov demo": an application to give people access to where there
// is none.
//
// It must be as strict as a good service is, so that what works in the demo
// works elsewhere, and must never be used for anything else: it keeps nothing,
// and it encrypts nothing.
package scimapp

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/elimity-com/scim"
	"github.com/elimity-com/scim/optional"
)

// Server is a SCIM service that runs.
type Server struct {
	addr string
	http *http.Server
	done chan struct{} // closed when it has stopped serving
}

const (
	// basePath is the part of the path that the library takes off.
	basePath = "/v2"
	maxPage  = 100
	maxBody  = 4 << 20
)

// Start starts a service with the groups, which have no members. It answers
// a client with the bearer token, until ctx ends or Close is called.
func Start(ctx context.Context, token string, groups []string) (*Server, error) {
	if token == "" {
		return nil, errors.New("scimapp: a service without a token would be open to every program on this machine")
	}
	d := newData()
	for _, name := range groups {
		if _, err := d.create(d.groups, map[string]any{"displayName": name}); err != nil {
			return nil, fmt.Errorf("scimapp: group %q: %w", name, err)
		}
	}
	handler, err := newHandler(d)
	if err != nil {
		return nil, fmt.Errorf("scimapp: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("scimapp: %w", err)
	}
	s := &Server{addr: l.Addr().String(), done: make(chan struct{})}
	s.http = &http.Server{
		Handler:           recovered(authorized(token, located("http://"+s.addr+basePath, handler))),
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // returns when the server is closed
	}()
	context.AfterFunc(ctx, func() { _ = s.Close() })
	return s, nil
}

// URL is the service's base URL.
func (s *Server) URL() string { return "http://" + s.addr + basePath }

// Close stops the service. It may be called more than once.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("scimapp: stop: %w", err)
	}
	return nil
}

func newHandler(d *data) (http.Handler, error) {
	return scim.NewServer(&scim.ServerArgs{
		ServiceProviderConfig: &scim.ServiceProviderConfig{
			MaxResults:       maxPage,
			SupportFiltering: true,
			SupportPatch:     true,
			AuthenticationSchemes: []scim.AuthenticationScheme{{
				Type: scim.AuthenticationTypeOauthBearerToken, Name: "Bearer token", Description: "A fixed token", Primary: true,
			}},
		},
		ResourceTypes: []scim.ResourceType{
			{
				ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: d.users.schema,
				SchemaExtensions: []scim.SchemaExtension{{Schema: d.users.extension}},
				Handler:          &handler{data: d, of: d.users},
			},
			{
				ID: optional.NewString("Group"), Name: "Group", Endpoint: "/Groups", Schema: d.groups.schema,
				Handler: &handler{data: d, of: d.groups},
			},
		},
	})
}

// authorized lets only bearers of the token through (RFC 6750).
func authorized(token string, next http.Handler) http.Handler {
	want := []byte("Bearer " + token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), want) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="scimapp"`)
			fail(w, http.StatusUnauthorized, "The bearer token is missing or not valid.")
			return
		}
		if r.ContentLength != 0 {
			if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); kind != "application/scim+json" && kind != "application/json" {
				fail(w, http.StatusUnsupportedMediaType, "Send application/scim+json.")
				return
			}
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// recovered answers requests on which the library panics.
func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				fail(w, http.StatusInternalServerError, "The request could not be handled.")
			}
		}()
		next.ServeHTTP(w, r)
	})
}
