package server_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/testenv"
)

// wire serves two mounts, and counts the requests that reach each.
type wire struct {
	address string
	tls     bool
	open    atomic.Int64 // requests to /open, which every client may send
	inner   atomic.Int64 // requests to /inner, which a proxy in front would refuse
}

func newWire(t *testing.T, encrypted bool) *wire {
	t.Helper()
	w := &wire{tls: encrypted}
	count := func(n *atomic.Int64) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			n.Add(1)
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
			_, _ = io.WriteString(w, "reached")
		})
	}
	h := server.New(ready, map[string]server.Mount{"/open": {Handler: count(&w.open)}, "/inner": {Handler: count(&w.inner)}}, server.Chain{})
	var c testenv.Certificates
	if encrypted {
		var err error
		if c, err = testenv.NewCertificates(t.TempDir()); err != nil {
			t.Fatal(err)
		}
	}
	w.address = serveLimited(t, h, c.Cert, c.Key, io.Discard, nil)
	return w
}

// send writes text on a connection of its own, in pieces, and returns the statuses of the
// answers, until the server closes it or has nothing to answer.
func (w *wire) send(t *testing.T, pieces ...string) []int {
	t.Helper()
	var c net.Conn
	var err error
	if w.tls {
		c, err = (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}}).DialContext(t.Context(), "tcp", w.address)
	} else {
		c, err = (&net.Dialer{}).DialContext(t.Context(), "tcp", w.address)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	go func() {
		for _, piece := range pieces {
			if _, err := io.WriteString(c, piece); err != nil {
				return // the server has closed it
			}
		}
	}()
	var statuses []int
	for b := bufio.NewReader(c); ; {
		if len(statuses) > 0 { // is there another answer?
			if err := c.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
		res, err := http.ReadResponse(b, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		statuses = append(statuses, res.StatusCode)
		if res.Close {
			return statuses
		}
	}
}

const (
	smuggled = "GET /inner/ HTTP/1.1\r\nHost: x\r\n\r\n"
	chunked  = "Transfer-Encoding: chunked\r\n"
)

func post(fields, body string) string {
	return "POST /open/ HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n" + body
}

// TestSmuggledRequests checks that a request whose end, or whose fields, another server may
// see elsewhere is refused, and the connection closed: nothing in it reaches a handler.
func TestSmuggledRequests(t *testing.T) {
	t.Parallel()
	length := fmt.Sprintf("Content-Length: %d\r\n", len(smuggled))
	for _, encrypted := range []bool{false, true} {
		w := newWire(t, encrypted)
		for name, text := range map[string]string{
			"two equal lengths":              post(length+length, smuggled),
			"two lengths":                    post(length+"Content-Length: 0\r\n", smuggled),
			"a list of lengths":              post("Content-Length: 5, 5\r\n", "12345"),
			"a signed length":                post("Content-Length: +5\r\n", "12345"),
			"a negative length":              post("Content-Length: -1\r\n", ""),
			"a hexadecimal length":           post("Content-Length: 0x5\r\n", "12345"),
			"an empty length":                post("Content-Length:\r\n", "12345"),
			"length, then chunked":           post(length+chunked, "0\r\n\r\n"+smuggled),
			"chunked, then length":           post(chunked+"Content-Length: 5\r\n", "0\r\n\r\n"+smuggled),
			"chunked twice":                  post(chunked+chunked, "0\r\n\r\n"+smuggled),
			"chunked and identity":           post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"+smuggled),
			"an unknown coding":              post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+smuggled),
			"a coding with a tab in front":   post("Transfer-Encoding:\tchunked\v\r\n", "0\r\n\r\n"+smuggled),
			"chunked in HTTP/1.0":            "POST /open/ HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n" + chunked + "\r\n0\r\n\r\n" + smuggled,
			"two hosts":                      "GET /open/ HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + smuggled,
			"two equal hosts":                "GET /open/ HTTP/1.1\r\nHost: x\r\nhost: x\r\n\r\n" + smuggled,
			"no host":                        "GET /open/ HTTP/1.1\r\n\r\n" + smuggled,
			"a host that is none":            "GET /open/ HTTP/1.1\r\nHost: x y\r\n\r\n" + smuggled,
			"a request line that ends in LF": "GET /open/ HTTP/1.1\nHost: x\r\n\r\n" + smuggled,
			"a field that ends in LF":        "GET /open/ HTTP/1.1\r\nHost: x\nA: b\r\n\r\n" + smuggled,
			"a head that ends in LF":         "GET /open/ HTTP/1.1\r\nHost: x\r\n\n" + smuggled,
			"all lines end in LF":            "GET /open/ HTTP/1.1\nHost: x\n\n",
			"CR in a value":                  "GET /open/ HTTP/1.1\r\nHost: x\r\nA: b\rTransfer-Encoding: chunked\r\n\r\n" + smuggled,
			"NUL in a value":                 "GET /open/ HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n" + smuggled,
			"a folded value":                 "GET /open/ HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n" + smuggled,
			"a folded coding":                post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"+smuggled),
			"a first field that is folded":   "GET /open/ HTTP/1.1\r\n Host: x\r\nHost: y\r\n\r\n" + smuggled,
			"a space before the colon":       post("Content-Length : 5\r\n", "12345"),
			"a tab before the colon":         post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"+smuggled),
			"a space in a name":              "GET /open/ HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n" + smuggled,
			"no name":                        "GET /open/ HTTP/1.1\r\nHost: x\r\n: c\r\n\r\n" + smuggled,
			"no colon":                       "GET /open/ HTTP/1.1\r\nHost: x\r\nabc\r\n\r\n" + smuggled,
			"no version":                     "GET /open/\r\nHost: x\r\n\r\n" + smuggled,
			"a tab in the request line":      "GET\t/open/\tHTTP/1.1\r\nHost: x\r\n\r\n" + smuggled,
			"two spaces":                     "GET  /open/ HTTP/1.1\r\nHost: x\r\n\r\n" + smuggled,
			"something after the version":    "GET /open/ HTTP/1.1 x\r\nHost: x\r\n\r\n" + smuggled,
			"version 1.2":                    "GET /open/ HTTP/1.2\r\nHost: x y\r\n\r\n" + smuggled,
			"HTTP/2 without TLS":             "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		} {
			statuses := w.send(t, text)
			if len(statuses) != 1 || statuses[0] != 400 && statuses[0] != 501 && statuses[0] != 505 {
				t.Errorf("TLS %v, %s: %v", encrypted, name, statuses)
			}
			if w.open.Swap(0)+w.inner.Swap(0) > 0 {
				t.Errorf("TLS %v, %s: a handler is reached", encrypted, name)
			}
		}
	}
}

// TestSmuggledChunks checks that a chunked body that another server may see end elsewhere
// hides no request. The handler of the request itself may have been reached.
func TestSmuggledChunks(t *testing.T) {
	t.Parallel()
	w := newWire(t, false)
	for name, body := range map[string]string{
		"a size that ends in LF":       "5\n12345\r\n0\r\n\r\n" + smuggled,
		"a chunk that ends in LF":      "5\r\n12345\n0\r\n\r\n" + smuggled,
		"a chunk beyond its size":      "5\r\n1234567\r\n0\r\n\r\n" + smuggled,
		"a size with a sign":           "+5\r\n12345\r\n0\r\n\r\n" + smuggled,
		"a size with 0x":               "0x5\r\n12345\r\n0\r\n\r\n" + smuggled,
		"a size with an underscore":    "0_5\r\n12345\r\n0\r\n\r\n" + smuggled,
		"a size with a space":          "5 \r\n12345\r\n0\r\n\r\n" + smuggled,
		"a size that is too large":     "ffffffffffffffff5\r\n12345\r\n0\r\n\r\n" + smuggled,
		"an extension that ends in LF": "5;a\n12345\r\n0\r\n\r\n" + smuggled,
		"no size":                      "\r\n12345\r\n0\r\n\r\n" + smuggled,
		"a trailer that ends in LF":    "0\r\nA: b\n\r\n" + smuggled,
	} {
		if statuses := w.send(t, post(chunked, body)); len(statuses) > 1 || len(statuses) == 1 && statuses[0] != 400 {
			t.Errorf("%s: %v", name, statuses)
		}
		if w.inner.Swap(0) > 0 {
			t.Errorf("%s: what is hidden in it is answered", name)
		}
	}
}

// TestWellFormedRequests checks that what is framed well is answered, however the network
// cuts it, and one request after another on a connection.
func TestWellFormedRequests(t *testing.T) {
	t.Parallel()
	get := "GET /open/ HTTP/1.1\r\nHost: x\r\nX-Empty:\r\nAccept: */*\r\n\r\n"
	all := get + post("Content-Length: 5\r\n", "12345") + post("content-length:0\r\n", "") + post(chunked, "5;ext=1\r\n12345\r\nA\r\n1234567890\r\n0\r\nT: v\r\n\r\n") +
		post("Transfer-Encoding: Chunked\r\n", "0\r\n\r\n") + "\r\n" + get + post("Content-Length: 9\r\n", "\n\n\n \r\r\n\r\n") + "GET /open/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
	const answers = 8
	for _, encrypted := range []bool{false, true} {
		w := newWire(t, encrypted)
		for _, size := range []int{len(all), 1, 7} {
			var pieces []string
			for text := all; text != ""; {
				n := min(size, len(text))
				pieces, text = append(pieces, text[:n]), text[n:]
			}
			statuses := w.send(t, pieces...)
			if got := fmt.Sprint(statuses); got != fmt.Sprint([]int{200, 200, 200, 200, 200, 200, 200, 200}) || w.open.Swap(0) != answers {
				t.Errorf("TLS %v, in pieces of %d: %v", encrypted, size, statuses)
			}
		}
		if statuses := w.send(t, "GET /open/ HTTP/1.0\r\n\r\n"); len(statuses) != 1 || statuses[0] != 200 {
			t.Errorf("HTTP/1.0: %v", statuses)
		}
		if statuses := w.send(t, post("Expect: 100-continue\r\nContent-Length: 5\r\n", "12345")); len(statuses) != 2 || statuses[0] != 100 || statuses[1] != 200 {
			t.Errorf("100-continue: %v", statuses)
		}
	}
}

// TestPathTricks checks that a path which may be another one to another server is refused,
// and that no handler but that of its clean form is reached.
func TestPathTricks(t *testing.T) {
	t.Parallel()
	w := newWire(t, false)
	for target, refused := range map[string]bool{
		"/open/":                     false,
		"/open/a%20b/%C3%A5/hr%2F1":  false,
		"/open/a:b,c@d/~x?q=//..;%0": false,
		"//inner/":                   true,
		"/open//inner/":              true,
		"///":                        true,
		"/open/../inner/":            true,
		"/open/..":                   true,
		"/open/./x":                  true,
		"/open/.":                    true,
		"/open/%2e%2e/inner/":        true,
		"/open/%2E%2E%2Finner/":      true,
		"/open/.%2e/inner/":          true,
		"/open/..%2finner/":          true,
		"/open/%2f/x":                true,
		"/open/..%5cinner/":          true,
		`/open/..\inner/`:            true,
		`\inner\`:                    true,
		"/open/x%00":                 true,
		"/open/%0d%0aA:b":            true,
		"/open/%7f":                  true,
		"/open/%c2%85":               true,
		"/open/%ff":                  true,
		"/open/%c0%ae%c0%ae/inner/":  true,
		"/open/..;/inner/":           true,
		"/open/x;a=b":                true,
		"/open;/x":                   true,
		"/open/#/inner/":             true,
		"/open/%":                    true,
		"/open/%zz":                  true,
		"http://x/inner/":            true,
		"http://other/open/":         true,
		"HTTP://x/open/":             true,
		"mailto:x":                   true,
		"open/":                      true,
		"?x":                         true,
		"*":                          true,
		"x:443":                      true,
	} {
		for _, method := range []string{"GET", "POST", "OPTIONS", "CONNECT"} {
			statuses := w.send(t, method+" "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			switch refused := refused || method == "CONNECT"; {
			case len(statuses) != 1, refused && statuses[0] != 400 && statuses[0] != 404, !refused && statuses[0] != 200:
				t.Errorf("%s %s: %v", method, target, statuses)
			}
			if open := w.open.Swap(0); w.inner.Swap(0) > 0 || refused && open > 0 {
				t.Errorf("%s %s: a handler is reached", method, target)
			}
		}
	}
}

// TestListenBeyondLoopback checks what is needed to listen where others can reach it, and
// that the exception is in the log.
func TestListenBeyondLoopback(t *testing.T) {
	t.Parallel()
	c, err := testenv.NewCertificates(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range []struct {
		address               string
		tls, signIn, insecure bool
		refused, warns        string
	}{
		{address: "127.0.0.1:0"},
		{address: "[::1]:0"},
		{address: "0.0.0.0:0", refused: "without a certificate"},
		{address: "0.0.0.0:0", signIn: true, refused: "without a certificate"},
		{address: "0.0.0.0:0", tls: true, refused: "without a way to sign in"},
		{address: "0.0.0.0:0", tls: true, signIn: true},
		{address: "0.0.0.0:0", signIn: true, insecure: true, warns: "WITHOUT TLS"},
		{address: "0.0.0.0:0", tls: true, insecure: true, warns: "WITHOUT a way to sign in"},
	} {
		var log logBuffer
		o := server.Options{SignIn: each.signIn, Insecure: each.insecure}
		if each.tls {
			o.CertFile, o.KeyFile = c.Cert, c.Key
		}
		l, err := server.Listen(t.Context(), each.address, o, slog.New(slog.NewTextHandler(&log, nil)))
		if err == nil {
			_ = l.Close()
		} else if each.address == "[::1]:0" && each.refused == "" && strings.Contains(err.Error(), "bind") {
			continue // there is no IPv6 here
		}
		if each.refused == "" && err != nil || each.refused != "" && (err == nil || !strings.Contains(err.Error(), each.refused)) {
			t.Errorf("%+v: %v", each, err)
		}
		if text := log.String(); (each.warns == "") != (text == "") || !strings.Contains(text, each.warns) {
			t.Errorf("%+v: the log says %s", each, text)
		}
	}
	_, err = server.Listen(t.Context(), "127.0.0.1:0", server.Options{CertFile: c.Cert, KeyFile: c.Key, ACME: &server.ACME{}}, slog.Default())
	if err == nil || !strings.Contains(err.Error(), "choose one") {
		t.Errorf("a certificate and ACME: %v", err)
	}
}
