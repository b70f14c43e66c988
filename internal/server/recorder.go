package server

import (
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
)

// apiContentPolicy lets an answer load, frame and submit nothing.
const apiContentPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// hsts keeps browsers from this host without TLS for two years. Other hosts of the
// domain are not behov's to decide about.
var hsts = []string{"max-age=63072000"}

// securityHeaders are set on every answer that does not state them itself. Their
// names are canonical.
var securityHeaders = [...]struct {
	name  string
	value []string
}{
	{"Cache-Control", []string{"no-store"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"X-Frame-Options", []string{"DENY"}}, // frame-ancestors, for old browsers
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Opener-Policy", []string{"same-origin"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
	{"Permissions-Policy", []string{"accelerometer=(), autoplay=(), camera=(), display-capture=(), fullscreen=(), geolocation=(), gyroscope=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), usb=()"}},
}

// recorder completes the headers of an answer, and records its status and size.
type recorder struct {
	http.ResponseWriter
	exchange      *exchange
	contentPolicy string
	status        int // zero until the header is written
	bytes         int64
}

// Unwrap is for http.ResponseController.
func (w *recorder) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && (status >= http.StatusOK || status == http.StatusSwitchingProtocols) {
		w.status = status
		w.complete()
	}
	w.ResponseWriter.WriteHeader(status)
}

// complete sets the security headers that the handler did not.
func (w *recorder) complete() {
	h := w.Header()
	for _, each := range securityHeaders {
		if _, stated := h[each.name]; !stated {
			h[each.name] = each.value
		}
	}
	if _, stated := h["Content-Security-Policy"]; !stated {
		policy := w.contentPolicy
		if policy == "" {
			policy = apiContentPolicy
		}
		h["Content-Security-Policy"] = []string{policy}
	}
	if _, stated := h["Strict-Transport-Security"]; !stated && w.exchange.secure {
		h["Strict-Transport-Security"] = hsts
	}
}

// Write implements io.Writer.
func (w *recorder) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	n, err := w.ResponseWriter.Write(p)
	w.bytes += int64(n)
	return n, err
}

// FlushError is for http.ResponseController.
func (w *recorder) FlushError() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements http.Flusher.
func (w *recorder) Flush() { _ = w.FlushError() }

// finish completes an answer of which the handler wrote nothing.
func (w *recorder) finish() {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
}

// recoverPanic answers 500 when a handler panics.
func (h *handler) recoverPanic(next http.Handler) http.Handler {
	recovered := Recover(next, h.log, func(w http.ResponseWriter) {
		WriteProblem(w, Problem{Status: http.StatusInternalServerError, Detail: "The request failed because of a defect in behov. The log has the stack under the request ID."})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		recovered.ServeHTTP(w, r)
		if out, ok := w.(*recorder); ok {
			out.finish()
		}
	})
}

// Recover calls answer when a handler panics, and logs the stack. An answer that has
// begun is aborted: its client must not take it for a complete one.
func Recover(next http.Handler, log *slog.Logger, answer func(http.ResponseWriter)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			reason := recover() // the value may be personal
			if reason == nil {
				return
			}
			if err, is := reason.(error); is && errors.Is(err, http.ErrAbortHandler) {
				panic(http.ErrAbortHandler)
			}
			log.Error("a request panicked", "method", methodOf(r), "request_id", RequestID(r.Context()), "stack", string(debug.Stack()))
			if out, is := w.(*recorder); is && out.status != 0 {
				panic(http.ErrAbortHandler)
			}
			answer(w)
		}()
		next.ServeHTTP(w, r)
	})
}
