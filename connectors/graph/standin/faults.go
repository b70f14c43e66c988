package standin

import (
	"net/http"
	"strconv"
	"time"
)

// Fault is a fault of one request.
type Fault struct {
	// Status, Code and Message make an error answer.
	Status        int
	Code, Message string
	// RetryAfter is sent in the header of that name, in whole seconds.
	RetryAfter time.Duration
	// Body replaces the answer's body, when set.
	Body any

	// The following faults happen after the request was carried out.

	// Drop closes the connection without an answer.
	Drop bool
	// Truncate closes the connection in the middle of the answer.
	Truncate bool
	// Omit omits the answer from a batch response.
	Omit bool
}

// Hook sets a function that is called before each request and returns a fault or
// nil. It must not call the Server.
func (s *Server) Hook(hook func(Request) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// Throttle answers the next matching requests with 429.
func (s *Server) Throttle(times int, after time.Duration, match func(Request) bool) {
	s.Hook(func(r Request) *Fault {
		if times == 0 || !match(r) {
			return nil
		}
		times--
		return &Fault{Status: http.StatusTooManyRequests, Code: "TooManyRequests", Message: "Too many requests.", RetryAfter: after}
	})
}

// faulty carries out a request, with a fault if there is one.
func (s *Server) faulty(q call, do func() answer) answer {
	var f *Fault
	if s.hook != nil {
		f = s.hook(q.Request)
	}
	if f == nil {
		return do()
	}
	if f.Status == 0 {
		a := do()
		a.fault = f
		if f.Body != nil {
			a.body = f.Body
		}
		return a
	}
	a := fail(f.Status, f.Code, "%s", f.Message)
	a.fault = f
	if f.Body != nil {
		a.body = f.Body
	}
	if f.RetryAfter > 0 {
		a.header = map[string]string{"Retry-After": strconv.Itoa(int((f.RetryAfter + time.Second - 1) / time.Second))}
	}
	return a
}
