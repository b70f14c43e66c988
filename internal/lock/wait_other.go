//go:build !linux

package lock

import "errors"

// waitForByte is not supported, and the caller polls. On other Unix systems locks belong to
// the process: a descriptor that waited would, when it is closed, unlock all bytes that the
// process has locked. On Windows LockFileEx can wait on a handle of its own; no test runs
// there that would show that a wait that was given up leaves nothing locked.
func waitForByte(string, int64) error { return errors.ErrUnsupported }
