package execute

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Blame says whose defect a panic is.
type Blame string

// Whose defect a panic is.
const (
	InConnector Blame = "its connector is defective"
	InEngine    Blame = "behov itself is defective, please report it"
)

// Recover calls f and returns a panic in it as an error, so that a defect in the work on
// one target does not stop the others.
func Recover(in Blame, f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s: %v, at %s", in, v, where())
		}
	}()
	return f()
}

// where says where a panic came from, in one line.
func where() string {
	frames := runtime.CallersFrames(callers())
	for {
		f, more := frames.Next()
		if !strings.HasPrefix(f.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", filepath.Base(f.File), f.Line)
		}
		if !more {
			return "an unknown place"
		}
	}
}

func callers() []uintptr {
	pcs := make([]uintptr, 32)
	return pcs[:runtime.Callers(4, pcs)]
}
