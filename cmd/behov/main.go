// Command behov gives every person exactly the access their work needs, from
// the day it starts to the day it ends, and proves it afterwards.
//
// This package parses arguments and prints; it must never decide anything.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/behov/behov/internal/wording"
)

func main() {
	tuneGC()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// What is under way ends by itself after the first signal; the second one
	// waits for nothing, and behov may be killed at any instant.
	context.AfterFunc(ctx, stop)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(status(err, os.Stderr))
}

// run is the whole command, without the process around it.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now, patience: 30 * time.Second}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if l := os.Getenv("BEHOV_LANG"); l != "" && !known(l) {
		fmt.Fprintf(stderr, "behov: BEHOV_LANG is %q, and behov speaks %s: English follows\n", l, wording.Languages)
	}
	if err := knownCommand(root, args); err != nil {
		return err
	}
	return root.ExecuteContext(ctx)
}

// exit is an error that only sets the exit status: the command has printed everything.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// The exit statuses of plan and apply.
const (
	exitError   = 1
	exitChanges = 2
	exitHeld    = 3
)

// status prints an error, each of several on a line of its own, and returns the process's
// exit status. An exit among them sets the status only when there is no other error.
func status(err error, stderr io.Writer) int {
	code := 0
	for _, one := range several(err) {
		var e exit
		if errors.As(one, &e) {
			if code == 0 {
				code = int(e)
			}
			continue
		}
		fmt.Fprintln(stderr, "behov: "+oneLine(one))
		code = exitError
	}
	return code
}

// inZone is an error of an installation, whose instants are told in its zone.
type inZone struct {
	error
	zone *time.Location
}

func (e inZone) Unwrap() error { return e.error }

// several returns the errors that errors.Join joined, or the one.
func several(err error) []error {
	if err == nil {
		return nil
	}
	if in := (inZone{}); errors.As(err, &in) {
		all := several(in.error)
		for i := range all {
			all[i] = inZone{all[i], in.zone}
		}
		return all
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var texts []string
	var all []error
	for _, one := range joined.Unwrap() {
		texts = append(texts, one.Error())
		all = append(all, several(one)...)
	}
	if strings.Join(texts, "\n") != err.Error() { // a sentence that wraps several
		return []error{err}
	}
	return all
}

// oneLine makes of an error, and of cobra's suggestions, a line that a log keeps
// together.
func oneLine(err error) string {
	reader := wording.Reader{Place: wording.Shell}
	var in inZone
	if errors.As(err, &in) {
		reader.Zone, err = in.zone, in.error
	}
	text := printerFor(reader).Error(err)
	var parts []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), "?; ", "? ")
}
