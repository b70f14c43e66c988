package server

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

// verdict feeds text in pieces of a size, and returns where the framing stands.
func verdict(text []byte, size int) (place, error) {
	var f framing
	for len(text) > 0 {
		n := min(size, len(text))
		if err := f.feed(text[:n]); err != nil {
			return f.place, err
		}
		text = text[n:]
	}
	return f.place, nil
}

// FuzzFraming checks that the verdict about a stream does not depend on how the network
// cuts it, and that package net/http sees as many complete requests in what passes.
func FuzzFraming(f *testing.F) {
	for _, seed := range []string{
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n12345\r\n0\r\nT: v\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\nx",
		"GET / HTTP/1.1\nHost: x\n\n",
		"GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		at, err := verdict(text, len(text)+1)
		for _, size := range []int{1, 3} {
			if other, otherErr := verdict(text, size); (err == nil) != (otherErr == nil) || err == nil && other != at {
				t.Fatalf("in one piece %v %v, in pieces of %d %v %v", at, err, size, other, otherErr)
			}
		}
		if err != nil {
			return
		}
		// What passes means the same to net/http: it finds requests from the first byte
		// to the place where the framing stands, or refuses one itself.
		for b := bufio.NewReader(bytes.NewReader(text)); ; {
			if rest, _ := b.Peek(2); len(rest) == 2 && rest[0] == '\r' && rest[1] == '\n' {
				_, _ = b.Discard(2)
				continue
			}
			r, err := http.ReadRequest(b)
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				if at == inBody || at == inChunk || at == atChunkSize || at == atChunkEnd || at == inTrailer {
					t.Fatalf("net/http waits for a head, and the framing stands at %v", at)
				}
				return
			}
			if err != nil {
				return
			}
			_, err = io.Copy(io.Discard, r.Body)
			if errors.Is(err, io.ErrUnexpectedEOF) && (at == atRequestLine || at == inFields) {
				t.Fatalf("net/http waits for a body, and the framing stands at %v", at)
			}
			if err != nil {
				return // cut within the body, or refused there
			}
		}
	})
}

// BenchmarkFraming measures what it costs to follow a request of a browser's size.
func BenchmarkFraming(b *testing.B) {
	head := []byte("GET /api/people?limit=100 HTTP/1.1\r\nHost: behov.example.org\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\n" +
		"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Encoding: gzip, deflate, br\r\nAccept-Language: sv-SE,sv;q=0.9,en;q=0.8\r\nConnection: keep-alive\r\n" +
		"Cookie: session=0123456789abcdef0123456789abcdef0123456789abcdef\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\n\r\n")
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	var f framing
	for b.Loop() {
		if err := f.feed(head); err != nil {
			b.Fatal(err)
		}
	}
}
