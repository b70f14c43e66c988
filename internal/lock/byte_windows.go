package lock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// lockByte locks one byte of the file without waiting, or returns ErrLocked. A lock
// belongs to the open file, and may be beyond its end (LockFileEx, fileapi.h).
func lockByte(f *os.File, key int64) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, byteAt(key))
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) || errors.Is(err, windows.ERROR_IO_PENDING) {
		return ErrLocked
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// unlockByte unlocks what lockByte locked.
func unlockByte(f *os.File, key int64) error {
	if err := windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, byteAt(key)); err != nil {
		return fmt.Errorf("unlock: %w", err)
	}
	return nil
}

func byteAt(key int64) *windows.Overlapped {
	return &windows.Overlapped{Offset: uint32(key), OffsetHigh: uint32(key >> 32)}
}
