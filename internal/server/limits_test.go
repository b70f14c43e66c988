package server_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/testenv"
)

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// serveLimited serves h on a loopback address until the test ends, and returns
// the address.
func serveLimited(t *testing.T, h http.Handler, cert, key string, log io.Writer, change func(*server.Limits)) string {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l, err := server.Listen(ctx, "127.0.0.1:0", server.Options{CertFile: cert, KeyFile: key}, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(&l.Limits)
	}
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, h) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Address()
}

// dialAndWrite opens a connection and sends text; the connection is closed when
// the test ends.
func dialAndWrite(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestSlowReaderIsDisconnected checks that a client that does not read its answer
// keeps neither the connection nor the handler's work.
func TestSlowReaderIsDisconnected(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	endless := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for part := make([]byte, 1<<16); ; {
			if _, err := w.Write(part); err != nil {
				ended <- err
				return
			}
		}
	})
	address := serveLimited(t, endless, "", "", io.Discard, func(l *server.Limits) { l.Write = 200 * time.Millisecond })
	dialAndWrite(t, address, "GET / HTTP/1.1\r\nHost: x\r\n\r\n") // and never reads
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the answer is still being written after ten seconds")
	}
}

// TestConnectionLimit checks that beyond the limit a connection is served only
// after another is closed.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	address := serveLimited(t, hello, "", "", io.Discard, func(l *server.Limits) { l.Connections = 2 })
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	answered := func(c net.Conn, within time.Duration) bool {
		if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		return err == nil && strings.Contains(line, "200")
	}
	first, second := dialAndWrite(t, address, request), dialAndWrite(t, address, request)
	if !answered(first, 10*time.Second) || !answered(second, 10*time.Second) {
		t.Fatal("the connections within the limit are not answered")
	}
	third := dialAndWrite(t, address, request)
	if answered(third, 300*time.Millisecond) {
		t.Fatal("a third connection is answered, with a limit of two")
	}
	_ = first.Close()
	if !answered(third, 10*time.Second) {
		t.Error("it is not answered when there is room")
	}
}

// TestLargeHeadersAreRefused checks that headers take no more memory than the
// limit.
func TestLargeHeadersAreRefused(t *testing.T) {
	t.Parallel()
	address := serveLimited(t, http.NotFoundHandler(), "", "", io.Discard, nil)
	c := dialAndWrite(t, address, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", server.DefaultLimits.HeaderBytes+8<<10)+"\r\n\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil || !strings.Contains(line, "431") {
		t.Errorf("%q, %v", line, err)
	}
}

// TestHandshakeErrorsAreInTheLog checks that connection errors are logged in the
// log's own format, once a minute, and that the value of a panic is not.
func TestHandshakeErrorsAreInTheLog(t *testing.T) {
	t.Parallel()
	c, err := testenv.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	panics := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("Hemligstam") })
	address := serveLimited(t, panics, c.Cert, c.Key, &log, nil)
	for range 5 {
		_, _ = io.ReadAll(dialAndWrite(t, address, "this is no TLS at all\r\n\r\n"))
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := client.Do(r); err != nil || answer.StatusCode != http.StatusInternalServerError {
		t.Errorf("%v, %v", answer, err)
	} else {
		_ = answer.Body.Close()
	}
	text := log.String()
	if strings.Count(text, `level=WARN msg="HTTP connection failed"`) != 1 || !strings.Contains(text, "TLS handshake error from 127.0.0.1") {
		t.Errorf("the log says:\n%s", text)
	}
	if !strings.Contains(text, "a request panicked") || strings.Contains(text, "Hemligstam") {
		t.Errorf("of a panic the log says:\n%s", text)
	}
}

// TestOneClientCannotTakeAllConnections checks that connections beyond a client's share are
// closed, that one of them can be used again, and that a trusted proxy has no share.
func TestOneClientCannotTakeAllConnections(t *testing.T) {
	t.Parallel()
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") })
	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	connect := func(address string) (c net.Conn, answered bool) {
		c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, request) // the server may have closed it
		line, err := bufio.NewReader(c).ReadString('\n')
		return c, err == nil && strings.Contains(line, "200")
	}
	var log logBuffer
	address := serveLimited(t, hello, "", "", &log, func(l *server.Limits) { l.Connections, l.PerAddress = 4, 2 })
	first, answered := connect(address)
	if _, also := connect(address); !answered || !also {
		t.Fatal("the connections within the share are not answered")
	}
	for range 3 {
		if _, answered := connect(address); answered {
			t.Fatal("a third connection is answered, with a share of two")
		}
	}
	if n := strings.Count(log.String(), "share of connections"); n != 1 {
		t.Errorf("the log says so %d times", n)
	}
	_ = first.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, answered := connect(address); answered {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no connection is answered when there is room")
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	l, err := server.Listen(ctx, "127.0.0.1:0", server.Options{Proxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	l.Limits.PerAddress = 1
	done := make(chan error, 1)
	go func() { done <- l.Serve(ctx, hello) }()
	for range 3 {
		if _, answered := connect(l.Address()); !answered {
			t.Error("a connection of a trusted proxy is not answered")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
