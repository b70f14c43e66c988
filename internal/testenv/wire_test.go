package testenv_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/testenv"
)

// echo is a server that says what it hears.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return l.Addr().String()
}

// ask sends text over a connection, and returns what comes back within so long.
func ask(c net.Conn, text []byte, within time.Duration) ([]byte, error) {
	_ = c.SetDeadline(time.Now().Add(within))
	if _, err := c.Write(text); err != nil {
		return nil, err
	}
	got := make([]byte, len(text))
	n, err := io.ReadFull(c, got)
	return got[:n], err
}

func TestWire(t *testing.T) {
	text := bytes.Repeat([]byte("need "), 100)
	for _, test := range []struct {
		name    string
		trouble testenv.Trouble
		within  time.Duration
		least   time.Duration // it takes
		arrives int           // bytes, or fewer when it ends
		ends    error         // of the connection; nil when it goes on
	}{
		{name: "nothing", within: 10 * time.Second, arrives: 500},
		{name: "latency", trouble: testenv.Trouble{Latency: 50 * time.Millisecond, Jitter: time.Millisecond}, within: 10 * time.Second, least: 100 * time.Millisecond, arrives: 500},
		{name: "silence", trouble: testenv.Trouble{Silent: true}, within: 200 * time.Millisecond, least: 200 * time.Millisecond, ends: os.ErrDeadlineExceeded},
		{name: "reset", trouble: testenv.Trouble{Reset: true}, within: 10 * time.Second, ends: io.EOF},
		{name: "reset later", trouble: testenv.Trouble{Reset: true, ResetAfter: 50 * time.Millisecond}, within: 10 * time.Second, least: 50 * time.Millisecond, ends: io.EOF},
		{name: "bandwidth", trouble: testenv.Trouble{Rate: 2000}, within: 10 * time.Second, least: 250 * time.Millisecond, arrives: 500},
		{name: "limit", trouble: testenv.Trouble{Limit: 120}, within: 10 * time.Second, arrives: 20, ends: io.EOF},
		{name: "pieces", trouble: testenv.Trouble{Slice: 7, SliceDelay: time.Millisecond}, within: 10 * time.Second, least: 70 * time.Millisecond, arrives: 500},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := testenv.NewWire(t, echo(t))
			c, err := net.Dial("tcp", w.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			if _, err := ask(c, text, 10*time.Second); err != nil {
				t.Fatal(err)
			}
			w.Suffers(test.trouble)
			if test.trouble.Limit > 0 { // what is below it comes through
				if got, err := ask(c, text[:100], 10*time.Second); err != nil || !bytes.Equal(got, text[:100]) {
					t.Errorf("below the limit: %q, %v", got, err)
				}
			}
			began := time.Now()
			got, err := ask(c, text, test.within)
			if took := time.Since(began); took < test.least {
				t.Errorf("it took %s only", took)
			}
			if len(got) != test.arrives && test.ends == nil || len(got) > test.arrives || !bytes.HasPrefix(text, got) {
				t.Errorf("%q arrived", got)
			}
			if ends := err != nil; ends != (test.ends != nil) || errors.Is(test.ends, os.ErrDeadlineExceeded) != errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("it ended with %v, and should with %v", err, test.ends)
			}
			w.Heals()
			if test.ends == nil {
				if got, err := ask(c, text, 10*time.Second); err != nil || !bytes.Equal(got, text) {
					t.Errorf("afterwards: %q, %v", got, err)
				}
			} else if got, err := ask(c, text, 10*time.Second); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("it goes on as if nothing had been: %q, %v", got, err)
			}
			w.Cut()
			if c, err := net.Dial("tcp", w.Address()); err == nil {
				_ = c.Close()
				t.Error("somebody listens")
			}
			w.Mend()
			again, err := net.Dial("tcp", w.Address())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = again.Close() }()
			if got, err := ask(again, text, 10*time.Second); err != nil || !bytes.Equal(got, text) {
				t.Errorf("a new connection: %q, %v", got, err)
			}
		})
	}
}

// TestAWireNeverHangs: what is the matter changes while connections break off
// and no one reads what is on its way.
func TestAWireNeverHangs(t *testing.T) {
	w := testenv.NewWire(t, echo(t))
	stop := make(chan struct{})
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if c, err := net.Dial("tcp", w.Address()); err == nil {
					_, _ = c.Write(make([]byte, 100_000))
					_, _ = ask(c, make([]byte, 10), 5*time.Millisecond)
					_ = c.Close()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 60 {
			for _, trouble := range []testenv.Trouble{{Rate: 1000}, {Silent: true}, {Limit: 10}, {Latency: time.Hour}, {Reset: true}, {}} {
				w.Suffers(trouble)
				time.Sleep(time.Millisecond)
			}
			w.Cut()
			w.Mend()
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("it hangs")
	}
	close(stop)
	w.Cut()
	clients.Wait()
}
