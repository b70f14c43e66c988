// Package testenv starts the real servers that tests use: each caller gets a
// server of its own, on free loopback ports and in its own temporary directory,
// and nothing of it is left when the test ends, however it ends.
//
// It must never be imported by anything but tests, and must never let a test pass
// that did not run: where servers are required (CI=true) a missing one fails the
// test.
package testenv

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Need returns the path of a server's program. Without it, or with -short, it
// skips the test and says what to install; with CI=true in the environment a
// missing program fails the test instead.
func Need(t testing.TB, program, install string) string {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s: tests with real servers are not run with -short", program)
	}
	// Debian keeps servers in sbin, and PostgreSQL's programs by version, which
	// are rarely in a user's PATH. Need does not change PATH, as a parallel test
	// must not.
	names := []string{program, "/usr/sbin/" + program, "/usr/local/sbin/" + program, "/usr/local/libexec/" + program}
	versions, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + program)
	for _, name := range append(names, versions...) {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	Missing(t, "%s is not installed: %s", program, install)
	return ""
}

// Missing skips a test for want of a server, and lists it in the file that
// BEHOV_SKIPPED names, as go test hides the reason of a skip; with CI=true it
// fails the test.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	why := fmt.Sprintf(format, args...)
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	skipped(t, why)
}

// skipped skips a test and lists it.
func skipped(t testing.TB, why string) {
	t.Helper()
	if name := os.Getenv("BEHOV_SKIPPED"); name != "" {
		if f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			_, _ = fmt.Fprintf(f, "%s: %s\n", t.Name(), why)
			_ = f.Close()
		}
	}
	t.Skip(why)
}

// FreePort returns a free loopback port. Another process may take it before it is
// used; a caller that starts a server on it retries then.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("find a free port: %v", err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port
}

// process is a running server program.
type process struct {
	cmd    *exec.Cmd
	output *tail
	done   chan struct{} // closed when it has ended
	err    error         // the error, once done is closed
}

// start runs a program until stop. The program also ends when the test binary
// does, by a panic, a timeout or a kill.
func start(path string, args ...string) (*process, error) {
	return run(exec.Command(path, args...))
}

// run is start for a command that needs more than arguments.
func run(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, output: &tail{}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	dieWithParent(p.cmd)
	started := make(chan error, 1)
	go func() {
		defer close(p.done)
		// The signal of dieWithParent is sent when the starting thread ends: this
		// goroutine keeps that thread until the program has ended.
		unlock := lockThread()
		defer unlock()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return p, nil
}

// stop sends the signal, and kills the program when it does not end in time.
func (p *process) stop(signal os.Signal) {
	_ = p.cmd.Process.Signal(signal) // it may have ended already
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// await calls probe until it succeeds. It fails when the program has ended or the
// time is over.
func (p *process) await(limit time.Duration, probe func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	for {
		err := probe(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.done:
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, errors.Join(p.err, err), p.output)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer after %s: %w\n%s", p.cmd.Path, limit, err, p.output)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// portTaken reports whether a program ended because another process took its
// port.
func portTaken(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "Address already in use") || strings.Contains(err.Error(), "address already in use"))
}
