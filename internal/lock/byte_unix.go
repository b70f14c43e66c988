//go:build !windows

package lock

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockByte locks one byte of the file without waiting, or returns ErrLocked.
func lockByte(f *os.File, key int64) error { return setLock(f, unix.F_WRLCK, key) }

// unlockByte unlocks what lockByte locked.
func unlockByte(f *os.File, key int64) error { return setLock(f, unix.F_UNLCK, key) }

func setLock(f *os.File, kind int16, key int64) error {
	err := unix.FcntlFlock(f.Fd(), setLockCommand, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: key, Len: 1})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}
