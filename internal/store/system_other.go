//go:build !linux

package store

import "time"

// setUserTimeout does nothing: here the system decides when a connection is dead.
func setUserTimeout(uintptr, time.Duration) error { return nil }
