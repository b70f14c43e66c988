//go:build !linux

package testenv

import "os/exec"

func dieWithParent(*exec.Cmd) {}

func lockThread() (unlock func()) { return func() {} }

// stopped cannot be known here; the signal is taken at its word.
func stopped(int) bool { return true }
