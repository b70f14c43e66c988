package lock

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Locks belong to the open file, so that two databases opened in one process
// exclude each other, too.
const setLockCommand = unix.F_OFD_SETLK

// waitForByte returns when no other open file has the byte locked. It opens the file for
// itself, and what it locks ends with that: it can leave nothing locked. The lock is
// shared, so that those who wait for one byte do not wait for each other. The kernel looks
// for no deadlocks among locks of open files (fcntl(2)), and there can be none: it has no
// other lock while it waits.
func waitForByte(path string, key int64) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer f.Close() //nolint:errcheck // which unlocks
	for {
		err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_RDLCK, Whence: io.SeekStart, Start: key, Len: 1})
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
