package store

import "golang.org/x/sys/unix"

// Locks belong to the open file, so that two databases opened in one process
// exclude each other, too.
const setLockCommand = unix.F_OFD_SETLK
