package testenv

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// Wire is a TCP connection's way to a server, on which things go wrong.
//
// toxiproxy does the same, and stops for ever when what goes wrong changes while
// a connection breaks off: each waits for the other (link.AddToxic in v2.5.0).
// Here nobody waits for anybody: each direction of each connection looks, with
// every piece that it carries, what is the matter now.
type Wire struct {
	t        testing.TB
	upstream string

	mu       sync.Mutex
	listener net.Listener // nil while nobody listens
	address  string
	conns    map[net.Conn]bool
	trouble  Trouble
	changed  chan struct{} // closed when the trouble is another
	carrying sync.WaitGroup
}

// Trouble is what goes wrong with a connection, in both directions: one thing at
// a time. The zero value is nothing.
type Trouble struct {
	Latency, Jitter time.Duration // each piece comes so much later
	Silent          bool          // nothing arrives, and nobody is told; when that is over the connection breaks
	Reset           bool          // the connection is reset when something is sent,
	ResetAfter      time.Duration // and so long after it
	Rate            int           // bytes per second
	Limit           int           // bytes in one direction, and the connection is closed
	Slice           int           // bytes that arrive at a time,
	SliceDelay      time.Duration // and what is between them
}

// NewWire lays a wire to an address, "host:port".
func NewWire(t testing.TB, upstream string) *Wire {
	t.Helper()
	w := &Wire{t: t, upstream: upstream, address: "127.0.0.1:0", conns: map[net.Conn]bool{}, changed: make(chan struct{})}
	w.Mend()
	w.address = w.listener.Addr().String()
	t.Cleanup(func() {
		w.Cut()
		w.Heals() // which ends those that are silent
		w.carrying.Wait()
	})
	return w
}

// Address is where the wire begins.
func (w *Wire) Address() string { return w.address }

// Suffers has all connections, also those to come, suffer from a trouble,
// instead of the one before.
func (w *Wire) Suffers(trouble Trouble) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.trouble = trouble
	close(w.changed)
	w.changed = make(chan struct{})
}

// Heals ends all trouble.
func (w *Wire) Heals() { w.Suffers(Trouble{}) }

// Cut breaks all connections; nobody listens any more until Mend.
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

// Mend listens, where it listened before.
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

// now is the trouble, and what is closed when it is another.
func (w *Wire) now() (Trouble, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trouble, w.changed
}

// carry takes from one end to the other until one of them is closed, and then
// the other is.
func (w *Wire) carry(from, to net.Conn) {
	defer func() {
		w.mu.Lock()
		delete(w.conns, from)
		w.mu.Unlock()
		_ = from.Close()
		_ = to.Close()
	}()
	var since <-chan struct{}
	carried, buf := 0, make([]byte, 1<<15) // carried since the trouble began
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
				continue // it is looked at again
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

// pause waits, and says whether nothing changed meanwhile.
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
