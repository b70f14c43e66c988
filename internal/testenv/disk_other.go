//go:build !linux

package testenv

import "testing"

// SmallDisk skips the test, as only Linux can create such a file system.
func SmallDisk(t testing.TB, _ int) string {
	t.Helper()
	t.Skip("a small disk can be made on Linux only")
	return ""
}
