//go:build !linux

package testenv

import "os/exec"

func dieWithParent(*exec.Cmd) {}

func lockThread() (unlock func()) { return func() {} }
