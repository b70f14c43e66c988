package ldap

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// session is one connection, signed in.
type session struct {
	conn *ldap.Conn
	net  net.Conn // below conn, to end a request that nobody waits for
	// slots bounds how many requests wait for an answer: a server may close a
	// connection that has too many.
	slots chan struct{}
}

// search, add, modify and del send a request and wait for the answer.
func (s *session) search(r *ldap.SearchRequest) (*ldap.SearchResult, error) {
	defer s.slot()()
	result, err := s.conn.Search(r)
	if result == nil {
		result = &ldap.SearchResult{}
	}
	return result, err
}

func (s *session) add(r *ldap.AddRequest) error {
	defer s.slot()()
	return s.conn.Add(r)
}

func (s *session) modify(r *ldap.ModifyRequest) error {
	defer s.slot()()
	return s.conn.Modify(r)
}

func (s *session) del(r *ldap.DelRequest) error {
	defer s.slot()()
	return s.conn.Del(r)
}

func (s *session) slot() (free func()) {
	s.slots <- struct{}{}
	return func() { <-s.slots }
}

// dial connects, encrypts as configured and signs in.
func (c *Connector) dial(ctx context.Context) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := c.connect(ctx)
	if err != nil {
		return nil, err
	}
	stop := s.closeWith(ctx)
	defer stop()
	if err := c.signIn(s); err != nil {
		s.close()
		return nil, c.failure(ctx, "sign in", err)
	}
	return s, nil
}

func (c *Connector) connect(ctx context.Context) (*session, error) {
	u, err := url.Parse(c.cfg.URL)
	if err != nil {
		return nil, connectors.Errorf(connectors.Permanent, "ldap: url: %w", err)
	}
	secure := u.Scheme == "ldaps"
	port := u.Port()
	switch {
	case port != "":
	case secure:
		port = ldap.DefaultLdapsPort
	default:
		port = ldap.DefaultLdapPort
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	n, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, c.failure(ctx, "connect", err)
	}
	s := &session{net: n, slots: make(chan struct{}, inFlight)}
	if secure {
		t := tls.Client(n, c.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = n.Close()
			return nil, c.failure(ctx, "TLS", err)
		}
		n = t
	}
	s.conn = ldap.NewConn(n, secure)
	s.conn.SetTimeout(c.cfg.Timeout)
	s.conn.Start()
	return s, nil
}

// signIn encrypts where that is still to do, before the password is sent.
func (c *Connector) signIn(s *session) error {
	if c.cfg.StartTLS {
		if err := s.conn.StartTLS(c.tls); err != nil {
			return err
		}
	}
	return s.conn.Bind(c.cfg.BindDN, c.cfg.Password)
}

// closeWith ends the connection, and with it every request on it, when ctx
// ends before stop is called.
func (s *session) closeWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = s.net.Close() })
}

func (s *session) close() {
	if s != nil {
		_ = s.net.Close() // first, so that nothing waits for the server
		_ = s.conn.Close()
	}
}

func (s *session) broken() bool { return s.conn.IsClosing() }

// ping asks for next to nothing.
func (s *session) ping() error {
	_, err := s.search(&ldap.SearchRequest{Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	return err
}
