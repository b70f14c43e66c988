package testenv

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// SmallDisk is a directory on a disk of its own that has so many bytes. It
// takes root to make one; without, the test is skipped and says so.
func SmallDisk(t testing.TB, bytes int) string {
	t.Helper()
	if os.Getuid() != 0 {
		skipped(t, "only root can make a small disk")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=0700", bytes)); err != nil {
		skipped(t, fmt.Sprintf("a small disk cannot be made here: %v", err))
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}
