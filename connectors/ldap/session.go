package ldap

import (
	"context"
	"crypto/tls"
	"net"
	"net/url"
	"sync"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

// session is one signed-in connection.
type session struct {
	*server
	conn *ldap.Conn
	net  net.Conn // below conn, closed to end a request whose caller has gone
	wire *wire    // between net and conn when whole directories are read; else nil
	// encrypted reports whether the connection is protected against
	// eavesdropping.
	encrypted bool
	limiter   *limit.Limiter
	paging    sync.Mutex // held by the one paged search that may run
}

// search, add, modify, modifyDN and del send a request when the limits allow it,
// and wait for the answer.
func (s *session) search(ctx context.Context, r *ldap.SearchRequest) (result *ldap.SearchResult, err error) {
	err = s.when(ctx, func() error {
		result, err = s.conn.Search(r)
		return err
	})
	if result == nil {
		result = &ldap.SearchResult{}
	}
	return result, err
}

func (s *session) add(ctx context.Context, r *ldap.AddRequest) error {
	return s.when(ctx, func() error { return s.conn.Add(r) })
}

func (s *session) modify(ctx context.Context, r *ldap.ModifyRequest) error {
	return s.when(ctx, func() error { return s.conn.Modify(r) })
}

func (s *session) modifyDN(ctx context.Context, r *ldap.ModifyDNRequest) error {
	return s.when(ctx, func() error { return s.conn.ModifyDN(r) })
}

func (s *session) del(ctx context.Context, r *ldap.DelRequest) error {
	return s.when(ctx, func() error { return s.conn.Del(r) })
}

func (s *session) when(ctx context.Context, send func() error) error {
	done, err := s.limiter.Wait(ctx)
	if err != nil {
		// RetryLater, as the server is not down.
		return connectors.Errorf(connectors.RetryLater, "ldap: the limits in the configuration did not allow the request in time: %w", err)
	}
	defer done()
	return send()
}

// dial connects, encrypts as configured and signs in.
func (c *Connector) dial(ctx context.Context) (*session, error) { return c.open(ctx, false) }

// dialReading is dial for a session that reads whole directories, with one paged
// search at a time.
func (c *Connector) dialReading(ctx context.Context) (*session, error) { return c.open(ctx, true) }

func (c *Connector) open(ctx context.Context, reading bool) (*session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s, err := c.connect(ctx, reading)
	if err != nil {
		return nil, err
	}
	stop := s.closeWith(ctx)
	defer stop()
	err = s.when(ctx, func() error { return s.conn.Bind(c.given.BindDN, c.given.Password) })
	if err != nil {
		s.close()
		return nil, c.failure(ctx, "sign in", err)
	}
	if s.server, err = c.detectServer(ctx, s); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (c *Connector) connect(ctx context.Context, reading bool) (*session, error) {
	u, err := url.Parse(c.given.URL)
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
	ctx, cancel := context.WithTimeout(ctx, c.given.Timeout)
	defer cancel()
	n, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return nil, c.failure(ctx, "connect", err)
	}
	s := &session{net: n, encrypted: secure || c.given.StartTLS, limiter: c.limiter}
	if s.encrypted {
		if n, err = c.encrypt(ctx, n, !secure); err != nil {
			_ = s.net.Close()
			return nil, c.failure(ctx, "TLS", err)
		}
	}
	if reading {
		s.wire = newWire(n)
		n = s.wire
	}
	s.conn = ldap.NewConn(n, s.encrypted)
	s.conn.SetTimeout(c.given.Timeout)
	s.conn.Start()
	return s, nil
}

// encrypt starts TLS before a password is sent. On a port for plain text it first
// requests StartTLS (RFC 4511 §4.14).
func (c *Connector) encrypt(ctx context.Context, n net.Conn, ask bool) (net.Conn, error) {
	if ask {
		stop := context.AfterFunc(ctx, func() { _ = n.Close() })
		err := askForTLS(n)
		if !stop() && err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
	}
	t := tls.Client(n, c.tls)
	return t, t.HandshakeContext(ctx)
}

// askForTLS sends a StartTLS request. The library's StartTLS cannot be used below
// another net.Conn.
func askForTLS(n net.Conn) error {
	const startTLS = "1.3.6.1.4.1.1466.20037"
	request := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "LDAP Request")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, "MessageID"))
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "Start TLS")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLS, "TLS Extended Command"))
	request.AppendChild(op)
	if _, err := n.Write(request.Bytes()); err != nil {
		return err
	}
	answer, err := ber.ReadPacket(n)
	if err != nil {
		return err
	}
	return ldap.GetLDAPError(answer)
}

// closeWith closes the connection, and ends every request on it, when ctx ends
// before stop is called.
func (s *session) closeWith(ctx context.Context) (stop func() bool) {
	return context.AfterFunc(ctx, func() { _ = s.net.Close() })
}

func (s *session) close() {
	if s != nil {
		_ = s.net.Close() // first, so that Close does not wait for the server
		_ = s.conn.Close()
	}
}

func (s *session) broken() bool { return s.conn.IsClosing() }

// ping sends a cheap request.
func (s *session) ping(ctx context.Context) error {
	_, err := s.search(ctx, &ldap.SearchRequest{Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"1.1"}})
	return err
}
