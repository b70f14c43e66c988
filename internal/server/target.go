package server

import (
	"net/http"
	"path"
	"strings"
	"unicode/utf8"
)

// plainTarget answers 400 to a request whose target a proxy in front, a mounted
// handler and the mux might understand differently: anything but the path, in its
// shortest form, of RFC 9112 §3.2.1. http.ServeMux redirects some of these, and
// passes on others.
func plainTarget(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := targetFault(r); why != "" {
			w.Header().Set("Connection", "close")
			WriteProblem(w, Problem{Status: http.StatusBadRequest, Detail: why})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// targetFault returns what is wrong with a request's target; empty when nothing is.
func targetFault(r *http.Request) string {
	decoded, escaped := r.URL.Path, r.URL.EscapedPath()
	switch {
	case r.Method == http.MethodConnect, r.URL.Host != "", r.URL.Scheme != "", !strings.HasPrefix(decoded, "/"):
		return "The request's target must be a path."
	case r.ProtoMajor >= 2 && (len(r.Header["Content-Length"]) > 1 || len(r.Header["Host"]) > 0 && r.Header.Get("Host") != r.Host):
		return "The request contradicts itself." // package net/http refuses these only in HTTP/1
	case strings.Contains(r.RequestURI, "#"):
		return "The request's target must have no fragment."
	case strings.ContainsAny(escaped, `;\`), strings.Contains(decoded, `\`):
		return "The path must contain neither a backslash nor a semicolon that is not escaped."
	case strings.ContainsFunc(decoded, isControl), !utf8.ValidString(decoded):
		return "The path must be UTF-8 without control characters."
	case !isShortest(decoded):
		return "The path must be in its shortest form, without //, /./ and /../."
	}
	return ""
}

func isControl(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 }

// isShortest reports whether a path has no empty and no dot segments. It may end
// with a slash.
func isShortest(p string) bool {
	clean := path.Clean(p)
	return p == clean || len(p) == len(clean)+1 && p[:len(clean)] == clean && p[len(clean)] == '/' && clean != "/"
}

// crossOrigin answers 403 to what another site makes a browser send, unless the
// method promises to change nothing.
func crossOrigin(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		WriteProblem(w, Problem{Status: http.StatusForbidden, Detail: "The request comes from another site."})
	}))
	return protection.Handler(next)
}

// limitBody bounds the body of requests: a longer one is answered with 413 when its
// length is stated, and is an *http.MaxBytesError for the reader otherwise.
func limitBody(next http.Handler, limit int64) http.Handler {
	if limit < 0 {
		return next
	}
	if limit == 0 {
		limit = DefaultBody
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > limit {
			w.Header().Set("Connection", "close") // the body is not read
			WriteProblem(w, Problem{Status: http.StatusRequestEntityTooLarge, Detail: "The body of the request is too large."})
			return
		}
		under := w
		if out, ok := w.(*recorder); ok {
			under = out.ResponseWriter // by which net/http closes the connection
		}
		r.Body = http.MaxBytesReader(under, r.Body, limit)
		next.ServeHTTP(w, r)
	})
}
