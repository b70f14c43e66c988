package service

import (
	"runtime"
	"syscall"
	"testing"
	"time"
)

// TestUseWaitsWithoutSpinning: a request that comes while the service closes its last
// generation sleeps until that is done.
func TestUseWaitsWithoutSpinning(t *testing.T) {
	s, g := &Service{}, &generation{}
	s.current.Store(g)
	g.users.Lock()
	spent := make(chan time.Duration)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := threadTime(t)
		_, done := s.acquireGeneration()
		done()
		spent <- threadTime(t) - before
	}()
	time.Sleep(300 * time.Millisecond)
	g.users.Unlock()
	if d := <-spent; d > 100*time.Millisecond {
		t.Errorf("it spent %s waiting", d)
	}
}

// threadTime returns the processor time that the calling thread has spent.
func threadTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	const thread = 1 // RUSAGE_THREAD, getrusage(2)
	if err := syscall.Getrusage(thread, &u); err != nil {
		t.Error(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
