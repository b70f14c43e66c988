package testenv

// Many is how many of something a test takes that is about there being many: a
// tenth of n while the race detector watches, under which it takes ten times as
// long. Tests of n are run without it as well (make test).
func Many(n int) int {
	if Race {
		return n / 10
	}
	return n
}
