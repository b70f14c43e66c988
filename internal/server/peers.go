package server

import (
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// peerListener accepts no more connections from one address than its share, so that
// one client cannot take all that there may be. Trusted proxies have no share, as
// their connections are those of many clients.
type peerListener struct {
	net.Listener
	share   int
	proxies []netip.Prefix
	log     *slog.Logger
	sampler Sampler

	mu   sync.Mutex
	open map[string]int // by the key of the address
}

// Accept implements net.Listener. Connections beyond the share are closed.
func (l *peerListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := addressOf(c.RemoteAddr().String())
		if isTrusted(address, l.proxies) {
			return c, nil
		}
		if key := addressKey(address); l.take(key) {
			return &peerConn{Conn: c, release: sync.OnceFunc(func() { l.release(key) })}, nil
		}
		if others, first := l.sampler.Allow("share", time.Now()); first {
			l.log.Warn("a client has its share of connections; more are closed", "client", address.String(), "share", l.share, "not_logged_before", others)
		}
		_ = c.Close()
	}
}

func (l *peerListener) take(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[key] >= l.share {
		return false
	}
	l.open[key]++
	return true
}

func (l *peerListener) release(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[key]--; l.open[key] <= 0 {
		delete(l.open, key)
	}
}

// peerConn gives back its place when it is closed.
type peerConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *peerConn) Close() error {
	c.release()
	return c.Conn.Close()
}
