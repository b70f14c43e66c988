package main

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestGCFollowsTheLiveHeap: the collector is lax while little is live, strict while much
// is, and lax again afterwards.
func TestGCFollowsTheLiveHeap(t *testing.T) {
	t.Setenv("GOGC", "")
	before := debug.SetGCPercent(100)
	t.Cleanup(func() { debug.SetGCPercent(before) })
	tuneGC()
	percent := func() int {
		p := debug.SetGCPercent(100)
		debug.SetGCPercent(p)
		return p
	}
	reach := func(want int) {
		t.Helper()
		for range 200 {
			runtime.GC()
			if percent() == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("the collector is at %d %%, not at %d %%", percent(), want)
	}
	much := make([]byte, 200<<20)
	reach(35)
	runtime.KeepAlive(much)
	if gcPercent(10<<20) != 200 || gcPercent(100<<20) != 100 {
		t.Error("a small heap is collected as a large one")
	}
}
