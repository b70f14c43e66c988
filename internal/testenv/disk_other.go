//go:build !linux

package testenv

import "testing"

// SmallDisk is a directory on a disk of its own, which can be made on Linux
// only.
func SmallDisk(t testing.TB, _ int) string {
	t.Helper()
	t.Skip("a small disk can be made on Linux only")
	return ""
}
