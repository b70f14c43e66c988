package store_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/behov/behov/internal/store"
)

// TestADeadServerIsFoundOut: connections to PostgreSQL break by themselves when
// no one acknowledges what is sent, and no one is there to close them.
func TestADeadServerIsFoundOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := store.Dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := raw.Control(func(fd uintptr) {
		most, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		if err != nil || most != 15_000 {
			t.Errorf("after %d ms: %v", most, err)
		}
	}); err != nil {
		t.Fatal(err)
	}
}
