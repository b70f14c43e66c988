package testenv

import "testing"

// Many returns how many items a test of large numbers uses: n, or a tenth of it
// with the race detector, which makes it ten times as slow. make test runs such
// tests without it as well.
func Many(n int) int {
	if Race {
		return n / 10
	}
	return n
}

// BenchSize returns the size of a benchmark: n, or with -short a hundredth of it, for
// running each benchmark once, to see that it runs.
func BenchSize(n int) int {
	if testing.Short() {
		return max(n/100, 50)
	}
	return n
}
