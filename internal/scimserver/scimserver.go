// Package scimserver serves inbound SCIM 2.0 (RFC 7643, RFC 7644), with which an HR system
// or another identity platform pushes people.
//
// It must never answer an unauthenticated client, never decide anything about access, and
// never put personal data into a log, an error or a URL.
package scimserver

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/server"
)

// Path is the path below which SCIM answers.
const Path = "/scim/v2"

const maxBody = 1 << 20

// Host is the process that runs the handler.
type Host struct {
	Log *slog.Logger
	// TokenRefused, when set, is called for each request whose token is refused,
	// with the reason (a constant).
	TokenRefused func(reason string)
}

// New returns the handler of SCIM for the sources that are pushed to.
func New(im *hr.Importer, sources map[string]config.Source, host Host) (http.Handler, error) {
	services := map[string]http.Handler{}
	for name, s := range sources {
		if !s.SCIM {
			continue
		}
		h, err := newUsers(im, s, host.Log)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", name, err)
		}
		services[name] = h
	}
	return server.Recover(&guard{im: im, services: services, host: host}, host.Log, func(w http.ResponseWriter) {
		fail(w, http.StatusInternalServerError, "", "Internal server error.")
	}), nil
}
