package store

import (
	"time"

	"golang.org/x/sys/unix"
)

// setUserTimeout has the system break a connection on which nothing that we sent
// was acknowledged for so long (RFC 5482; tcp(7), TCP_USER_TIMEOUT): by itself
// it tries for a quarter of an hour.
func setUserTimeout(fd uintptr, d time.Duration) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
