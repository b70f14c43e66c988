package server_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/testenv"
)

// h2Conn is a connection of HTTP/2 on which a test writes frames of its own.
type h2Conn struct {
	*http2.Framer
	conn    *tls.Conn
	headers bytes.Buffer
	encoder *hpack.Encoder
	next    uint32 // ID of the next stream
}

// dialH2 connects, and fails the test when that fails.
func dialH2(t *testing.T, address string) *h2Conn {
	t.Helper()
	c, err := connectH2(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.conn.Close() })
	return c
}

func connectH2(address string) (*h2Conn, error) {
	conn, err := tls.Dial("tcp", address, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return nil, err
	}
	c := &h2Conn{conn: conn, Framer: http2.NewFramer(conn, conn), next: 1}
	c.encoder = hpack.NewEncoder(&c.headers)
	_, err = io.WriteString(conn, http2.ClientPreface)
	return c, errors.Join(err, c.WriteSettings())
}

// get opens a stream with a request, and returns its ID.
func (c *h2Conn) get(path string) (uint32, error) {
	c.headers.Reset()
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}, {":path", path}} {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			return 0, err
		}
	}
	id := c.next
	c.next += 2
	return id, c.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.headers.Bytes(), EndHeaders: true, EndStream: true})
}

// TestHTTP2 checks that over TLS a client gets HTTP/2, through the whole chain, with the
// limit of streams, and HTTP/1.1 when it knows no other.
func TestHTTP2(t *testing.T) {
	t.Parallel()
	c, err := testenv.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := server.New(ready, map[string]server.Mount{"/api": {Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	})}}, server.Chain{})
	address := serveLimited(t, h, c.Cert, c.Key, io.Discard, nil)
	for _, protocol := range []string{"HTTP/2.0", "HTTP/1.1"} {
		transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: protocol == "HTTP/2.0"}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("https://" + address + "/api/")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(body) != protocol || res.Proto != protocol || res.TLS == nil || res.Header.Get("Strict-Transport-Security") == "" {
			t.Errorf("%v: %s in %s, %v", err, body, res.Proto, res.Header)
		}
	}
	conn := dialH2(t, address)
	for {
		f, err := conn.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if settings, ok := f.(*http2.SettingsFrame); ok && !settings.IsAck() {
			if n, ok := settings.Value(http2.SettingMaxConcurrentStreams); !ok || int(n) != server.DefaultLimits.Streams {
				t.Errorf("the limit of streams is %d", n)
			}
			return
		}
	}
}

// TestRapidReset checks that a client which opens streams and resets them at once keeps no
// more handlers at work than it may have streams, and that another client is answered
// meanwhile (CVE-2023-44487).
func TestRapidReset(t *testing.T) {
	t.Parallel()
	c, err := testenv.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const streams = 16
	var working, most, begun atomic.Int64
	h := server.New(ready, map[string]server.Mount{"/api": {Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/slow" {
			return
		}
		begun.Add(1)
		for n := working.Add(1); ; {
			if old := most.Load(); n <= old || most.CompareAndSwap(old, n) {
				break
			}
		}
		time.Sleep(5 * time.Millisecond) // as a query that does not end when its client has gone
		working.Add(-1)
	})}}, server.Chain{})
	address := serveLimited(t, h, c.Cert, c.Key, io.Discard, func(l *server.Limits) { l.Streams = streams })
	seconds := 3
	if testing.Short() {
		seconds = 1
	}
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	var resets atomic.Int64
	attacked := make(chan struct{})
	go func() {
		defer close(attacked)
		for time.Now().Before(end) {
			conn, err := connectH2(address)
			if err != nil {
				continue
			}
			go func() { _, _ = io.Copy(io.Discard, conn.conn) }()
			for time.Now().Before(end) {
				id, err := conn.get("/api/slow")
				if err == nil {
					err = conn.WriteRSTStream(id, http2.ErrCodeCancel)
				}
				if err != nil {
					break // the server has closed the connection: open another
				}
				resets.Add(1)
			}
			_ = conn.conn.Close()
		}
	}()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	answered, longest := 0, time.Duration(0)
	for time.Now().Before(end) {
		start := time.Now()
		res, err := client.Get("https://" + address + "/api/")
		if err != nil {
			t.Errorf("another client: %v", err)
			break
		}
		_ = res.Body.Close()
		answered++
		longest = max(longest, time.Since(start))
		time.Sleep(5 * time.Millisecond)
	}
	<-attacked
	client.CloseIdleConnections()
	t.Logf("%d streams reset, %d handlers began, at most %d at once; %d requests of another client, the longest %s", resets.Load(), begun.Load(), most.Load(), answered, longest)
	if resets.Load() < 500 || answered < 3*seconds { // the attacker uses the same processors
		t.Errorf("only %d resets and %d answers", resets.Load(), answered)
	}
	// A connection that was given up may have as many handlers at work as the next one.
	if most.Load() > 4*streams {
		t.Errorf("%d handlers worked at once, with a limit of %d streams", most.Load(), streams)
	}
}

// TestHTTP2Contradictions checks that what HTTP/2 frames by itself cannot be contradicted
// by fields.
func TestHTTP2Contradictions(t *testing.T) {
	t.Parallel()
	c, err := testenv.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var reached atomic.Int64
	h := server.New(ready, map[string]server.Mount{"/api": {Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) })}}, server.Chain{})
	address := serveLimited(t, h, c.Cert, c.Key, io.Discard, nil)
	for name, fields := range map[string][][2]string{
		"two lengths":        {{"content-length", "0"}, {"content-length", "0"}},
		"another host":       {{"host", "other"}},
		"transfer-encoding":  {{"transfer-encoding", "chunked"}},
		"CR and LF":          {{"a", "b\r\nc: d"}},
		"an upper-case name": {{"A", "b"}},
		"a dotted path":      {{":path", "/api/../health"}},
	} {
		conn := dialH2(t, address)
		all := append([][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "localhost"}}, fields...)
		if fields[0][0] != ":path" {
			all = append(all[:3], append([][2]string{{":path", "/api/"}}, fields...)...)
		}
		for _, f := range all {
			if err := conn.encoder.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
				t.Fatal(err)
			}
		}
		if err := conn.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: conn.headers.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
		if refusal, err := conn.refusal(); err != nil || refusal == "200" || reached.Swap(0) > 0 {
			t.Errorf("%s: %s, %v", name, refusal, err)
		}
	}
}

// refusal returns the status of the first stream, or what was done with it instead.
func (c *h2Conn) refusal() (string, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		f, err := c.ReadFrame()
		if errors.Is(err, io.EOF) {
			return "closed", nil
		}
		if err != nil {
			return "", err
		}
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			return f.PseudoValue("status"), nil
		case *http2.RSTStreamFrame:
			return f.ErrCode.String(), nil
		case *http2.GoAwayFrame:
			return f.ErrCode.String(), nil
		}
	}
}
