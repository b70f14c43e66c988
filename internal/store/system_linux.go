package store

import (
	"time"

	"golang.org/x/sys/unix"
)

// Locks belong to the open file, so that two databases opened in one process
// exclude each other, too.
const setLockCommand = unix.F_OFD_SETLK

// setUserTimeout has the system break a connection on which nothing that we sent
// was acknowledged for so long (RFC 5482; tcp(7), TCP_USER_TIMEOUT): by itself
// it tries for a quarter of an hour.
func setUserTimeout(fd uintptr, d time.Duration) error {
	return unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.Milliseconds()))
}
