package server

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// strictListener accepts connections on which requests are framed strictly.
type strictListener struct{ net.Listener }

// Accept implements net.Listener.
func (l strictListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &strictConn{Conn: c}, nil
}

// strictConn is a connection of HTTP/1 that refuses requests whose end, or whose
// fields, two servers may see in different places (request smuggling, RFC 9112 §11.2).
// Package net/http takes some of these, as it may: lines that end with LF alone, fields
// that go on in the next line, Content-Length beside Transfer-Encoding, and equal
// Content-Lengths. It never sees the end of such a head, answers 400 and closes the
// connection.
type strictConn struct {
	net.Conn
	framing framing
	err     error
}

// Read implements net.Conn.
func (c *strictConn) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.Conn.Read(p)
	if c.err = c.framing.feed(p[:n]); c.err != nil {
		return 0, c.err
	}
	return n, err
}

// place is where in the messages of a connection the next byte stands.
type place int

const (
	atRequestLine place = iota
	inFields
	inBody
	atChunkSize
	inChunk
	atChunkEnd
	inTrailer
)

// framing follows the requests of a connection (RFC 9112 §2 to §7).
type framing struct {
	place place
	line  []byte // the beginning of a line of which the end is not there yet
	left  int64  // bytes of the body or the chunk

	// What the fields of the current request say.
	old     bool // HTTP/1.0
	hosts   int
	length  int64 // -1 without a Content-Length
	chunked bool
}

// maxLine bounds memory; package net/http stops reading a head long before.
const maxLine = 1 << 20

var errFraming = errors.New("the request is not framed strictly")

// feed follows the next bytes, and returns an error when they are refused.
func (f *framing) feed(p []byte) error {
	for len(p) > 0 {
		if f.place == inBody || f.place == inChunk {
			n := min(f.left, int64(len(p)))
			p, f.left = p[n:], f.left-n
			if f.left == 0 && f.place == inChunk {
				f.place = atChunkEnd
			} else if f.left == 0 {
				f.place = atRequestLine
			}
			continue
		}
		end := bytes.IndexByte(p, '\n') + 1
		if end == 0 {
			f.line = append(f.line, p...)
			if len(f.line) > maxLine {
				return fmt.Errorf("%w: a line is too long", errFraming)
			}
			return nil
		}
		line := p[:end]
		if len(f.line) > 0 {
			f.line = append(f.line, line...)
			line = f.line
		}
		if err := f.endOfLine(line); err != nil {
			return err
		}
		p, f.line = p[end:], f.line[:0]
	}
	return nil
}

// endOfLine follows a line, with its end.
func (f *framing) endOfLine(line []byte) error {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.ContainsAny(text, "\r\x00") {
		return fmt.Errorf("%w: a line ends with LF alone, or has CR or NUL in it", errFraming)
	}
	switch f.place {
	case atRequestLine:
		if len(text) == 0 { // RFC 9112 §2.2
			return nil
		}
		f.place, f.old, f.hosts, f.length, f.chunked = inFields, bytes.HasSuffix(text, []byte(" HTTP/1.0")), 0, -1, false
	case inFields:
		if len(text) == 0 {
			return f.endOfHead()
		}
		return f.field(text)
	case atChunkSize:
		size, _, _ := strings.Cut(string(text), ";")
		n, err := strconv.ParseUint(size, 16, 62)
		if err != nil || !isHex(size) {
			return fmt.Errorf("%w: a chunk has no size", errFraming)
		}
		if f.place, f.left = inChunk, int64(n); n == 0 {
			f.place = inTrailer
		}
	case atChunkEnd:
		if len(text) > 0 {
			return fmt.Errorf("%w: a chunk is longer than its size", errFraming)
		}
		f.place = atChunkSize
	case inTrailer:
		if len(text) == 0 {
			f.place = atRequestLine
		}
	}
	return nil
}

// field follows a line of a head.
func (f *framing) field(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) { // a line that continues another begins with a space
		return fmt.Errorf("%w: a line of the head is no field", errFraming)
	}
	value = bytes.Trim(value, " \t")
	switch {
	case equalFold(name, "Host"):
		if f.hosts++; f.hosts > 1 {
			return fmt.Errorf("%w: two Host fields", errFraming)
		}
	case equalFold(name, "Content-Length"):
		n, err := strconv.ParseUint(string(value), 10, 62)
		if err != nil || f.length >= 0 || value[0] == '+' {
			return fmt.Errorf("%w: Content-Length is there twice, or is no number", errFraming)
		}
		f.length = int64(n)
	case equalFold(name, "Transfer-Encoding"):
		if f.chunked || !equalFold(value, "chunked") {
			return fmt.Errorf("%w: Transfer-Encoding is there twice, or is not chunked", errFraming)
		}
		f.chunked = true
	}
	return nil
}

// endOfHead finds out what follows the head.
func (f *framing) endOfHead() error {
	switch {
	case f.chunked && (f.length >= 0 || f.old):
		return fmt.Errorf("%w: Transfer-Encoding beside Content-Length, or in HTTP/1.0", errFraming)
	case f.chunked:
		f.place = atChunkSize
	case f.length > 0:
		f.place, f.left = inBody, f.length
	default:
		f.place = atRequestLine
	}
	return nil
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

func isHex(s string) bool {
	return s != "" && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// isToken reports whether a name is a token of RFC 9110 §5.6.2.
func isToken(name []byte) bool {
	for _, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return len(name) > 0
}
