package server

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"time"
)

// tlsListener accepts connections when their TLS handshake is done: those of HTTP/2 as
// they are, and those of HTTP/1 framed strictly, which package net/http can only have
// from a listener that knows what was negotiated.
type tlsListener struct {
	net.Listener
	config *tls.Config
	within time.Duration // the time for a handshake
	errors *log.Logger

	begin    sync.Once
	accepted chan accepted
	ctx      context.Context // ends when the listener is closed
	cancel   context.CancelFunc
}

type accepted struct {
	conn net.Conn
	err  error
}

func newTLSListener(l net.Listener, config *tls.Config, within time.Duration, errors *log.Logger) *tlsListener {
	t := &tlsListener{Listener: l, config: config, within: within, errors: errors, accepted: make(chan accepted)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Accept implements net.Listener.
func (l *tlsListener) Accept() (net.Conn, error) {
	l.begin.Do(func() { go l.accept() })
	select {
	case a := <-l.accepted:
		return a.conn, a.err
	case <-l.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It ends handshakes.
func (l *tlsListener) Close() error {
	l.cancel()
	return l.Listener.Close()
}

// accept accepts connections until the listener is closed. The handshakes at a time
// are as many as there may be connections.
func (l *tlsListener) accept() {
	for l.ctx.Err() == nil {
		c, err := l.Listener.Accept()
		if err != nil {
			l.deliver(accepted{err: err}) // the caller of Accept waits before it tries again
			continue
		}
		go l.handshake(c)
	}
}

// deliver returns something from Accept, and reports whether it did.
func (l *tlsListener) deliver(a accepted) bool {
	select {
	case l.accepted <- a:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func (l *tlsListener) handshake(plain net.Conn) {
	delivered := false
	defer func() {
		if !delivered {
			_ = plain.Close()
		}
	}()
	if err := plain.SetDeadline(time.Now().Add(l.within)); err != nil {
		return
	}
	c := tls.Server(plain, l.config)
	if err := c.HandshakeContext(l.ctx); err != nil {
		var record tls.RecordHeaderError
		if errors.As(err, &record) && record.Conn != nil && looksLikeHTTP(record.RecordHeader) {
			_, _ = io.WriteString(record.Conn, "HTTP/1.0 400 Bad Request\r\n\r\nThis address needs https://.\n")
		}
		l.errors.Printf("http: TLS handshake error from %s: %v", plain.RemoteAddr(), err)
		return
	}
	if err := plain.SetDeadline(time.Time{}); err != nil {
		return
	}
	switch c.ConnectionState().NegotiatedProtocol {
	case "h2":
		delivered = l.deliver(accepted{conn: c})
	case "", "http/1.1":
		delivered = l.deliver(accepted{conn: &strictTLSConn{strictConn{Conn: c}}})
	} // the others, as of an ACME challenge, end with the handshake
}

// looksLikeHTTP reports whether a client sent HTTP where TLS was expected.
func looksLikeHTTP(header [5]byte) bool {
	switch string(header[:]) {
	case "GET /", "HEAD ", "POST ", "PUT /", "OPTIO", "PATCH", "DELET":
		return true
	}
	return false
}

// strictTLSConn is a strictConn over TLS. Package net/http asks it for the state.
type strictTLSConn struct{ strictConn }

// ConnectionState is that of the TLS connection.
func (c *strictTLSConn) ConnectionState() tls.ConnectionState {
	return c.Conn.(*tls.Conn).ConnectionState()
}

// CloseWrite lets the client read an answer to what was not read.
func (c *strictTLSConn) CloseWrite() error { return c.Conn.(*tls.Conn).CloseWrite() }
