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
	"github.com/behov/behov/internal/testenv"
)

// TestBackupOnAFullDisk checks that a backup that finds no room says so, however
// far it came, and leaves no file.
func TestBackupOnAFullDisk(t *testing.T) {
	h := applied(t)
	for _, kilobytes := range []int{4, 8, 16, 36, 64, 100, 200, 400, 600} {
		dir := testenv.SmallDisk(t, kilobytes<<10)
		file := filepath.Join(dir, "backup.db")
		h.fails("the backup could not be written to "+file+": no space left on device: free space there", "backup", file)
		if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
			t.Errorf("%d KB: left behind: %v %v", kilobytes, left, err)
		}
		if left, err := filepath.Glob(filepath.Join(dir, ".*")); err != nil || len(left) > 0 {
			t.Errorf("%d KB: left behind: %v %v", kilobytes, left, err)
		}
	}
	h.ok("backup", filepath.Join(testenv.SmallDisk(t, 64<<20), "backup.db"))
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
