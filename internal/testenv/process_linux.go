package testenv

import (
	"os/exec"
	"runtime"
	"syscall"
)

// dieWithParent has the kernel kill the program when the thread that started
// it is gone. A group of its own keeps a Ctrl-C for the test from reaching it
// before its cleanup does.
func dieWithParent(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig, cmd.SysProcAttr.Setpgid = syscall.SIGKILL, true
}

func lockThread() (unlock func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}
