package testenv

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
)

// dieWithParent makes the kernel kill the program when the thread that started it
// ends. A process group of its own keeps a Ctrl-C for the test from reaching it
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

// stopped reports whether a signal has stopped every thread of a process
// (proc(5), the third field of stat).
func stopped(pid int) bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, name := range threads {
		stat, err := os.ReadFile(name)
		if err != nil {
			return false
		}
		_, after, ok := bytes.Cut(stat, []byte(") "))
		if !ok || after[0] != 'T' {
			return false
		}
	}
	return len(threads) > 0
}
