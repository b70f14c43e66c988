package testenv

// Many returns how many items a test of large numbers uses: n, or a tenth of it
// with the race detector, which makes it ten times as slow. make test runs such
// tests without it as well.
func Many(n int) int {
	if Race {
		return n / 10
	}
	return n
}
