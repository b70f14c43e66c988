// Package directory is an LDAP server inside this process, on a loopback
// port, for "behov demo": a directory to try behov on where there is none.
//
// It must be as strict as a real server, so that what works in the demo works
// elsewhere, and must never be used for anything else: it keeps nothing, and
// it encrypts nothing.
package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
	"github.com/hashicorp/go-hclog"
	"github.com/jimlambrt/gldap"
)

// Server is a directory that runs.
type Server struct {
	addr   string
	baseDN string
	ldap   *gldap.Server
	tree   *tree
	closed atomic.Bool
	// stopped is closed when the server has let its last client go.
	stopped chan struct{}
}

// Start starts a directory with containers for people and groups, and with
// the groups, which have no members: each holds its own DN, as groupOfNames
// must hold something. It runs until ctx ends or Close is called.
func Start(ctx context.Context, baseDN, adminDN, password string, groups []string) (*Server, error) {
	t, err := newTree(baseDN, adminDN, password, groups)
	if err != nil {
		return nil, fmt.Errorf("demo directory: %w", err)
	}
	// Another process may take a free port before the server listens on it.
	for range 5 {
		var s *Server
		if s, err = listen(ctx, t, baseDN); err == nil {
			context.AfterFunc(ctx, func() { _ = s.Close() })
			return s, nil
		}
	}
	return nil, fmt.Errorf("demo directory: %w", err)
}

// Addr is where it listens, as host:port.
func (s *Server) Addr() string { return s.addr }

// URL is the same as an LDAP URL.
func (s *Server) URL() string { return "ldap://" + s.addr }

// PeopleDN is where accounts go.
func (s *Server) PeopleDN() string { return peopleRDN + "," + s.baseDN }

// GroupsDN is where the groups are.
func (s *Server) GroupsDN() string { return groupsRDN + "," + s.baseDN }

// Close stops listening. Clients that are still connected get "unavailable"
// for an answer until they leave.
func (s *Server) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	failed := make(chan error, 1)
	go func() {
		failed <- s.ldap.Stop() // returns when the last client has left
		close(s.stopped)
	}()
	select {
	case err := <-failed:
		if err != nil {
			return fmt.Errorf("demo directory: stop: %w", err)
		}
	case <-time.After(500 * time.Millisecond):
	}
	return nil
}

// listen runs a server on a free loopback port. The library listens by
// itself and does not say where, so that the port is chosen here.
func listen(ctx context.Context, t *tree, baseDN string) (*Server, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	s := &Server{addr: l.Addr().String(), baseDN: baseDN, tree: t, stopped: make(chan struct{})}
	if err := l.Close(); err != nil {
		return nil, fmt.Errorf("find a port: %w", err)
	}
	h := &handler{tree: t, closed: &s.closed, nonce: uuid.NewString()}
	s.ldap, err = gldap.NewServer(gldap.WithLogger(hclog.NewNullLogger()), gldap.WithOnClose(h.forget))
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	mux, err := h.routes()
	if err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	if err := s.ldap.Router(mux); err != nil {
		return nil, fmt.Errorf("set up: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.ldap.Run(s.addr) }()
	for {
		err := s.answers(h.nonce)
		if err == nil {
			return s, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), s.Close())
		case err := <-ended:
			return nil, fmt.Errorf("listen on %s: %w", s.addr, cmp.Or(err, errors.New("it stopped at once")))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// answers says whether it is this server that answers there.
func (s *Server) answers(nonce string) error {
	c, err := ldap.DialURL(s.URL(), ldap.DialWithDialer(&net.Dialer{Timeout: time.Second}))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = c.Close() }()
	c.SetTimeout(time.Second)
	r, err := c.Search(&ldap.SearchRequest{Filter: "(objectClass=*)", Attributes: []string{"vendorVersion"}})
	if err != nil {
		return fmt.Errorf("read the root DSE: %w", err)
	}
	if len(r.Entries) != 1 || !strings.Contains(r.Entries[0].GetAttributeValue("vendorVersion"), nonce) {
		return errors.New("another server answers")
	}
	return nil
}
