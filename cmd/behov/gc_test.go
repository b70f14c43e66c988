package main

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestMemoryLimitFollowsTheLiveHeap: the limit is what a small installation may use, and
// always above what is live.
func TestMemoryLimitFollowsTheLiveHeap(t *testing.T) {
	if memoryLimit(math.MaxUint32) < math.MaxUint32 {
		t.Error("the limit is below what is live")
	}
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	tuneGC()
	t.Cleanup(func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	if got := debug.SetMemoryLimit(-1); got != freeMemory {
		t.Errorf("the limit is %d MB at first", got>>20)
	}
	much := make([]byte, 600<<20)
	for range 500 {
		runtime.GC()
		if got := debug.SetMemoryLimit(-1); got > 700<<20 && got < 900<<20 {
			runtime.KeepAlive(much)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the limit is %d MB with 600 MB live", debug.SetMemoryLimit(-1)>>20)
}
