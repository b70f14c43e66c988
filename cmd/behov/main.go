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
	if err := knownCommand(root, args); err != nil {
		return err
	}
	return root.ExecuteContext(ctx)
}

// exit is an error that only sets the exit status: everything was said.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// The exit statuses of plan and apply.
const (
	exitError   = 1
	exitChanges = 2
	exitHeld    = 3
)

// status prints an error and returns the process's exit status.
func status(err error, stderr io.Writer) int {
	var e exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return int(e)
	}
	fmt.Fprintln(stderr, "behov: "+oneLine(err))
	return exitError
}

// oneLine makes of several errors, and of cobra's suggestions, a line that a
// log keeps together.
func oneLine(err error) string {
	var parts []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			parts = append(parts, line)
		}
	}
	return strings.ReplaceAll(strings.Join(parts, "; "), "?; ", "? ")
}
