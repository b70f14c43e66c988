package server

import (
	"os"
	"runtime"
)

// fewProcessors is how many of Go's processors a process that answers has at least.
const fewProcessors = 4

// ShareProcessors has the operating system share few processors between answers and the
// work of a run. Go itself lets work go on for 10 ms before another goroutine has its turn,
// and an answer waits for several turns. It does nothing where there are enough, or where
// the environment says how many there are.
func ShareProcessors() {
	if os.Getenv("GOMAXPROCS") == "" && runtime.GOMAXPROCS(0) < fewProcessors {
		runtime.GOMAXPROCS(fewProcessors)
	}
}
