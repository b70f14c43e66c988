//go:build !linux

package testenv

import "os/exec"

func dieWithParent(*exec.Cmd) {}

func lockThread() (unlock func()) { return func() {} }

// stopped returns true, as the state cannot be read here.
func stopped(int) bool { return true }
