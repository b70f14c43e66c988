package connectors

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Class classifies an error by what the caller does about it.
type Class string

// The classes of error.
const (
	// RetryLater: the target is available but does not carry out the request now
	// (throttled, busy). The caller waits for Error.RetryAfter, or behov's own
	// backoff, and repeats.
	RetryLater Class = "retry-later"
	// TargetDown: the connection failed or broke. Every change would fail.
	TargetDown Class = "target-down"
	// Permanent: a retry does not help until an operator changes something
	// (credentials, permissions, configuration).
	Permanent Class = "permanent"
)

// Error is what a connector returns when the target gave no usable answer. Its
// text names what failed and what to do, in one line, without personal data and
// without secrets.
type Error struct {
	Class Class
	// RetryAfter is, with RetryLater, how long the target asked the client to
	// wait; zero when it did not say.
	RetryAfter time.Duration
	Err        error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Errorf returns an Error of the class.
func Errorf(class Class, format string, args ...any) *Error {
	return &Error{Class: class, Err: fmt.Errorf(format, args...)}
}

// RetryAfter returns how long the target asked the client to wait; zero when it
// did not say.
func RetryAfter(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) {
		return e.RetryAfter
	}
	return 0
}

// ClassOf returns the class of err: its own when it is or wraps an [Error],
// RetryLater for a cancelled or expired context, Permanent otherwise. For nil it
// returns the empty class.
func ClassOf(err error) Class {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return RetryLater
	}
	return Permanent
}
