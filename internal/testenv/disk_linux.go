package testenv

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// SmallDisk returns a directory on a file system of its own with the given number
// of bytes. Without root the test is Missing.
func SmallDisk(t testing.TB, bytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		Missing(t, "only root can make a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		Missing(t, "a small disk cannot be made here: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
