//go:build race

package testenv

// Race says whether the race detector watches.
const Race = true
