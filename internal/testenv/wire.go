package testenv

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Wire is a TCP proxy in front of a server, with injected faults.
//
// toxiproxy is similar, and deadlocks when a fault is changed while a connection
// breaks (link.AddToxic in v2.5.0). Wire has no such locks: each direction of
// each connection reads the current fault with every chunk.
type Wire struct {
	t        testing.TB
	upstream string

	mu       sync.Mutex
	listener net.Listener // nil while not listening
	address  string
	conns    map[net.Conn]bool
	trouble  Trouble
	changed  chan struct{} // closed when the fault changes
	carrying sync.WaitGroup
}

// Trouble is a fault of a connection, in both directions; one at a time. The zero
// value is none.
type Trouble struct {
	Latency, Jitter time.Duration // the delay of each chunk
	Silent          bool          // nothing arrives, without an error; when it ends the connection breaks
	Reset           bool          // the connection is reset when something is sent,
	ResetAfter      time.Duration // after this delay
	Rate            int           // bytes per second
	Limit           int           // bytes in one direction, after which the connection is closed
	Slice           int           // bytes that arrive at a time,
	SliceDelay      time.Duration // and the pause between them
}

// NewWire starts a proxy to an address, "host:port".
func NewWire(t testing.TB, upstream string) *Wire {
	t.Helper()
	w := &Wire{t: t, upstream: upstream, address: "127.0.0.1:0", conns: map[net.Conn]bool{}, changed: make(chan struct{})}
	w.Mend()
	w.address = w.listener.Addr().String()
	t.Cleanup(func() {
		w.Cut()
		w.Heals() // ends silent connections
		w.carrying.Wait()
	})
	return w
}

// Address returns the proxy's address.
func (w *Wire) Address() string { return w.address }

// Suffers sets the fault of all connections, including later ones.
func (w *Wire) Suffers(trouble Trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = trouble
	close(w.changed)
	w.changed = make(chan struct{})
}

// Heals removes the fault.
func (w *Wire) Heals() { w.Suffers(Trouble{}) }

// Cut breaks all connections, and stops listening until Mend.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.listener != nil {
		_ = w.listener.Close()
		w.listener = nil
	}
	for c := range w.conns {
		_ = c.Close()
	}
}

// Mend listens again at the same address.
func (w *Wire) Mend() {
	w.t.Helper()
	listener, err := net.Listen("tcp", w.address) //nolint:noctx // a moment, on loopback
	if err != nil {
		w.t.Fatalf("wire: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.listener = listener
	w.carrying.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			w.connect(listener, client)
		}
	})
}

func (w *Wire) connect(listener net.Listener, client net.Conn) {
	server, err := net.Dial("tcp", w.upstream) //nolint:noctx // a moment, on loopback
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil || w.listener != listener { // it was cut meanwhile
		_ = client.Close()
		if err == nil {
			_ = server.Close()
		}
		return
	}
	w.conns[client], w.conns[server] = true, true
	w.carrying.Go(func() { w.carry(client, server) })
	w.carrying.Go(func() { w.carry(server, client) })
}

// now returns the current fault, and a channel that is closed when it changes.
func (w *Wire) now() (Trouble, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trouble, w.changed
}

// carry copies from one end to the other until one of them is closed, and then
// closes the other.
func (w *Wire) carry(from, to net.Conn) {
	defer func() {
		w.mu.Lock()
		delete(w.conns, from)
		w.mu.Unlock()
		_ = from.Close()
		_ = to.Close()
	}()
	var since <-chan struct{}
	carried, buf := 0, make([]byte, 1<<15) // since the fault began
	for {
		n, err := from.Read(buf)
		piece := buf[:n]
		for len(piece) > 0 {
			trouble, changed := w.now()
			if changed != since {
				since, carried = changed, 0
			}
			part, wait := piece, trouble.Latency
			switch {
			case trouble.Silent:
				<-changed
				return
			case trouble.Reset:
				pause(trouble.ResetAfter, changed)
				for _, c := range []net.Conn{from, to} {
					_ = c.(*net.TCPConn).SetLinger(0)
				}
				return
			case trouble.Jitter > 0:
				wait += rand.N(trouble.Jitter)
			case trouble.Rate > 0:
				part = piece[:min(len(piece), max(1, trouble.Rate/10))]
				wait = time.Duration(len(part)) * time.Second / time.Duration(trouble.Rate)
			case trouble.Slice > 0:
				part, wait = piece[:min(len(piece), trouble.Slice)], trouble.SliceDelay
			case trouble.Limit > 0:
				part = piece[:min(len(piece), max(0, trouble.Limit-carried))]
			}
			if !pause(wait, changed) {
				continue // the fault is read again
			}
			if _, err := to.Write(part); err != nil {
				return
			}
			carried += len(part)
			if trouble.Limit > 0 && carried >= trouble.Limit {
				return
			}
			piece = piece[len(part):]
		}
		if err != nil {
			return
		}
	}
}

// pause waits, and reports whether the fault is unchanged.
func pause(d time.Duration, changed <-chan struct{}) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-changed:
		return false
	}
}
