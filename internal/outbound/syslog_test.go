package outbound_test

import (
	"crypto/tls"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/octetcounting"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/testenv"
)

// collector is a receiver of RFC 5425 whose frames and messages are parsed by a library.
type collector struct {
	net.Listener
	t      testing.TB
	mu     sync.Mutex
	breaks int // how many connections it breaks when it has read them
	events []outbound.Event
}

func newCollector(t testing.TB, files testenv.Certificates) *collector {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{Listener: l, t: t}
	var under sync.WaitGroup
	under.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			under.Go(func() { c.serve(conn.(*net.TCPConn), pair) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); under.Wait() })
	return c
}

func (c *collector) serve(raw *net.TCPConn, pair tls.Certificate) {
	conn := tls.Server(raw, &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}})
	c.mu.Lock()
	breaks := c.breaks > 0
	if breaks {
		c.breaks--
	}
	c.mu.Unlock()
	if breaks { // it read some, and died
		_, _ = conn.Read(make([]byte, 16))
		_ = raw.SetLinger(0)
		_ = raw.Close()
		return
	}
	if conn.Handshake() != nil {
		return
	}
	octetcounting.NewParser(syslog.WithListener(func(r *syslog.Result) { c.take(r) })).Parse(conn)
	_ = conn.Close()
}

func (c *collector) take(r *syslog.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Error != nil {
		c.t.Errorf("the message: %v", r.Error)
		return
	}
	m := r.Message.(*rfc5424.SyslogMessage)
	var e outbound.Event
	if err := json.Unmarshal([]byte(*m.Message), &e); err != nil {
		c.t.Errorf("the text: %v", err)
	}
	if *m.Facility != 13 || *m.Severity != 5 || m.Version != 1 || *m.Appname != "behov" || *m.MsgID != e.Type || !m.Timestamp.Equal(e.Time.Truncate(time.Microsecond)) || m.StructuredData != nil {
		c.t.Errorf("the header: %+v of %+v", m, e)
	}
	c.events = append(c.events, e)
}

func (c *collector) people() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []string
	for _, e := range c.events {
		all = append(all, string(e.Subject))
	}
	return all
}

// TestSyslog: a collector gets each event as RFC 5424 over TLS, in order; when it dies with
// what it was given, it gets that again, although syslog acknowledges nothing.
func TestSyslog(t *testing.T) {
	onBoth(t, func(t *testing.T, x *fixture) {
		files, err := testenv.NewCertificates(x.dir)
		if err != nil {
			t.Fatal(err)
		}
		c := newCollector(t, files)
		c.breaks = 1
		x.config.Events = []config.EventStream{{Name: "siem", Syslog: &config.Syslog{Address: c.Addr().String(), CAFile: files.CA}}}
		x.dispatch(x.db)
		x.grant(0, 150)
		x.delivered()
		if got := c.people(); !slices.Equal(got, numbered(150)) {
			t.Errorf("%d: %v", len(got), got)
		}
		if !strings.Contains(x.log.String(), "again_in") {
			t.Error("no connection broke")
		}
	})
}

// TestSyslogOfAnother: a collector with a certificate that is not trusted gets nothing.
func TestSyslogOfAnother(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	files, err := testenv.NewCertificates(x.dir)
	if err != nil {
		t.Fatal(err)
	}
	c := newCollector(t, files)
	x.config.Events = []config.EventStream{{Name: "siem", Syslog: &config.Syslog{Address: c.Addr().String()}}}
	x.dispatch(x.db)
	x.grant(0, 1)
	x.until("it is said", func() bool { return strings.Contains(x.log.String(), "certificate") })
	if n := len(c.people()); n > 0 {
		t.Errorf("it got %d", n)
	}
}
