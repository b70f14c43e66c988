//go:build !linux && !windows

package lock

import "golang.org/x/sys/unix"

// Locks belong to the process.
const setLockCommand = unix.F_SETLK
