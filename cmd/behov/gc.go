package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// freeMemory is how many bytes the process uses before the garbage collector becomes
// strict: a small installation has memory to spare and wants its answer.
const freeMemory = 320 << 20

// memoryLimit returns how many bytes the process may use with so many bytes of live
// heap: a large installation keeps what it read for as long as a run, and must fit into
// its machine. The limit is soft, and above what is live, so that collecting cannot
// become all that the process does.
func memoryLimit(live uint64) int64 {
	return max(freeMemory, int64(live+live/4)+32<<20)
}

// tuneGC keeps the memory limit at what the live heap allows, after every collection,
// until the process ends. GOGC or GOMEMLIMIT in the environment turn it off.
func tuneGC() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetGCPercent(400)
	limit := memoryLimit(0)
	debug.SetMemoryLimit(limit)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var afterNext func()
	afterNext = func() {
		type sentinel struct{ _ [64]byte }
		runtime.AddCleanup(new(sentinel), func(struct{}) {
			metrics.Read(sample)
			if now := memoryLimit(sample[0].Value.Uint64()); now != limit {
				limit = now
				debug.SetMemoryLimit(limit)
			}
			afterNext()
		}, struct{}{})
	}
	afterNext()
}
