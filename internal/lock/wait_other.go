//go:build !linux

package lock

import "errors"

// waitForByte is not supported, and the caller polls. Elsewhere than on Linux locks belong
// to the process, and closing the descriptor that waited would unlock all bytes that the
// process has locked. On Windows LockFileEx can wait on a handle of its own, but a thread
// for each wait is more than a database of one machine, which a service has to itself, is
// worth there.
func waitForByte(string, int64) error { return errors.ErrUnsupported }
