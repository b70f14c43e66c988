package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/behov/behov/internal/store"
)

// smallDisk mounts a file system of so many KB until the test ends.
func smallDisk(t *testing.T, kilobytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dk", kilobytes)); err != nil {
		t.Skipf("DID NOT RUN: it mounts a small file system, and needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestBackupOnAFullDisk checks that a backup that finds no room says so, however
// far it came, and leaves no file.
func TestBackupOnAFullDisk(t *testing.T) {
	h := applied(t)
	for _, kilobytes := range []int{4, 8, 16, 36, 64, 100, 200, 400, 600} {
		dir := smallDisk(t, kilobytes)
		file := filepath.Join(dir, "backup.db")
		h.fails("the backup could not be written to "+file+": no space left on device: free space there", "backup", file)
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("%d KB: left behind: %v %v", kilobytes, left, err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
			t.Errorf("%d KB: left behind: %v %v", kilobytes, left, err)
		}
	}
	h.ok("backup", filepath.Join(smallDisk(t, 64<<10), "backup.db"))
}

// TestBackupFaultNamesTheFile checks the error of a backup that could not be
// written, with and without a full disk.
func TestBackupFaultNamesTheFile(t *testing.T) {
	full := &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
	if got := backupFault("/b/x.db", fmt.Errorf("bring the schema up to date: %w", full)).Error(); !strings.HasPrefix(got, "the backup could not be written to /b/x.db: no space left on device") || strings.Contains(got, "schema") {
		t.Error(got)
	}
	if got := backupFault("/b/x.db", errors.New("broken")).Error(); got != "the backup could not be written to /b/x.db: broken" {
		t.Error(got)
	}
	if store.IsOutOfSpace(nil) || store.IsOutOfSpace(errors.New("full")) || !store.IsOutOfSpace(&os.PathError{Err: syscall.EDQUOT}) {
		t.Error("IsOutOfSpace")
	}
}
