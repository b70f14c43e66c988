package testenv

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the probe's driver
)

// Postgres is a PostgreSQL server of the test's own.
type Postgres struct {
	t    testing.TB
	dir  string
	port int
	made atomic.Int32

	mu    sync.Mutex
	proc  *process
	again func() (*process, error) // starts it once more, on the same data
}

// Address is where it listens.
func (p *Postgres) Address() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// Crash ends it without any shutdown, as a machine does that loses power;
// Restart starts it again.
func (p *Postgres) Crash() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proc.stop(syscall.SIGQUIT)
}

// Restart starts it again after Crash.
func (p *Postgres) Restart() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	proc, err := p.again()
	if err != nil {
		p.t.Fatalf("start PostgreSQL again: %v", err)
	}
	p.proc = proc
}

// StartPostgres starts a PostgreSQL server on a free loopback port and stops
// it when the test ends. Any password is accepted, from this machine only.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p := startPostgres(t)
	t.Cleanup(p.end)
	return p
}

// end stops it, and leaves nothing of it.
func (p *Postgres) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proc.stop(syscall.SIGINT)
	_ = os.RemoveAll(p.dir)
}

// startPostgres starts a server that goes on until somebody ends it. When it
// cannot, it ends the test.
func startPostgres(t testing.TB) *Postgres {
	t.Helper()
	matches, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	for _, m := range matches {
		t.Setenv("PATH", os.Getenv("PATH")+":"+m)
	}
	initdb := Need(t, "initdb", "apt-get install postgresql")
	server := Need(t, "postgres", "apt-get install postgresql")
	dir, err := os.MkdirTemp("", "behov-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	as := notRoot(t, dir)
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-A", "trust", "-U", "behov", "-E", "UTF8", "--no-sync", "--locale=C")
	cmd.SysProcAttr = as
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	for try := 0; ; try++ {
		p := &Postgres{t: t, dir: dir, port: FreePort(t)}
		p.again = func() (*process, error) {
			cmd := exec.Command(server, "-D", data, "-p", strconv.Itoa(p.port), "-k", dir, "-h", "127.0.0.1", "-F")
			cmd.SysProcAttr = as
			cmd.Dir = dir
			proc, err := run(cmd)
			if err == nil {
				err = proc.await(30*time.Second, func(ctx context.Context) error { return p.exec(ctx, "SELECT 1") })
			}
			if err != nil && proc != nil {
				proc.stop(syscall.SIGKILL)
			}
			return proc, err
		}
		if p.proc, err = p.again(); err == nil {
			return p
		}
		if try == 3 || !portTaken(err) {
			_ = os.RemoveAll(dir)
			t.Fatal(err)
		}
	}
}

// notRoot gives the directory to the user postgres when the test is root, and
// has the server run as that user: it refuses to run as root.
func notRoot(t testing.TB, dir string) *syscall.SysProcAttr {
	t.Helper()
	attr := &syscall.SysProcAttr{Setpgid: true}
	if os.Getuid() != 0 {
		return attr
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		t.Fatalf("as root PostgreSQL runs as the user postgres: %v", err)
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		t.Fatalf("user postgres has odd numbers: %s, %s", u.Uid, u.Gid)
	}
	attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		t.Fatal(err)
	}
	return attr
}

func (p *Postgres) url(database string) string {
	return fmt.Sprintf("postgres://behov@127.0.0.1:%d/%s?sslmode=disable", p.port, database)
}

func (p *Postgres) exec(ctx context.Context, query string) error {
	db, err := sql.Open("pgx", p.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	_, err = db.ExecContext(ctx, query)
	return err
}

// Database makes a new, empty database and returns its URL.
func (p *Postgres) Database() string {
	p.t.Helper()
	name := fmt.Sprintf("test%d", p.made.Add(1))
	if err := p.exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		p.t.Fatalf("create a database: %v", err)
	}
	return p.url(name)
}
