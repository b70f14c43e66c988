package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// gcLevels say how far the heap may grow beyond what is live, in percent, by how much
// is live: a small installation has memory to spare and wants its answer, a large one
// keeps what it read for as long as a run and must fit into its machine.
var gcLevels = []struct {
	live    uint64 // bytes, up to which the level holds
	percent int
}{{64 << 20, 200}, {160 << 20, 100}, {1<<64 - 1, 35}}

// gcPercent returns the level for a live heap.
func gcPercent(live uint64) int {
	for _, l := range gcLevels {
		if live <= l.live {
			return l.percent
		}
	}
	return 35
}

// tuneGC keeps the garbage collector at the level of the live heap, after every
// collection, until the process ends. GOGC in the environment turns it off.
func tuneGC() {
	if os.Getenv("GOGC") != "" {
		return
	}
	percent := gcPercent(0)
	debug.SetGCPercent(percent)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var afterNext func()
	afterNext = func() {
		type sentinel struct{ _ [64]byte }
		runtime.AddCleanup(new(sentinel), func(struct{}) {
			metrics.Read(sample)
			if p := gcPercent(sample[0].Value.Uint64()); p != percent {
				percent = p
				debug.SetGCPercent(p)
			}
			afterNext()
		}, struct{}{})
	}
	afterNext()
}
