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
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver of the probe
)

// Postgres is a PostgreSQL server for one test.
type Postgres struct {
	t      testing.TB
	dir    string
	server string // the program
	as     *syscall.SysProcAttr
	port   int
	made   atomic.Int32

	mu   sync.Mutex
	proc *process
}

// Address returns its address, HOST:PORT.
func (p *Postgres) Address() string { return fmt.Sprintf("127.0.0.1:%d", p.port) }

// Crash kills it without a shutdown, as a power failure does; Restart starts it
// again.
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
	proc, err := p.start()
	if err != nil {
		p.t.Fatalf("start PostgreSQL again: %v", err)
	}
	p.proc = proc
}

// StartPostgres starts a PostgreSQL server on a free loopback port and stops it
// when the test ends. It accepts any password, from the local machine only.
func StartPostgres(t testing.TB) *Postgres {
	t.Helper()
	p := startPostgres(t)
	t.Cleanup(p.end)
	return p
}

// end stops it, and deletes its files.
func (p *Postgres) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.proc.stop(syscall.SIGINT)
	_ = os.RemoveAll(p.dir)
}

// startPostgres starts a server that the caller must stop. When it cannot, it
// fails the test.
func startPostgres(t testing.TB) *Postgres {
	t.Helper()
	initdb := Need(t, "initdb", "apt-get install postgresql")
	server := Need(t, "postgres", "apt-get install postgresql")
	dir, err := os.MkdirTemp("", "behov-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	p := &Postgres{t: t, dir: dir, as: notRoot(t, dir), server: server}
	if err := p.command(initdb, "-D", p.data(), "-A", "trust", "-U", "behov", "-E", "UTF8", "--no-sync", "--locale=C"); err != nil {
		t.Fatalf("initdb: %v", err)
	}
	p.begin()
	return p
}

func (p *Postgres) data() string { return filepath.Join(p.dir, "data") }

// command runs one of PostgreSQL's programs as the server's user.
func (p *Postgres) command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = p.as
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// begin starts it on a free port.
func (p *Postgres) begin() {
	p.t.Helper()
	var err error
	for try := 0; ; try++ {
		p.port = FreePort(p.t)
		if p.proc, err = p.start(); err == nil {
			return
		}
		if try == 3 || !portTaken(err) {
			_ = os.RemoveAll(p.dir)
			p.t.Fatal(err)
		}
	}
}

// start starts it on its port with its data.
func (p *Postgres) start() (*process, error) {
	cmd := exec.Command(p.server, "-D", p.data(), "-p", strconv.Itoa(p.port), "-k", p.dir, "-h", "127.0.0.1", "-F", "-c", "max_connections=400")
	cmd.SysProcAttr = p.as
	cmd.Dir = p.dir
	proc, err := run(cmd)
	if err == nil {
		err = proc.await(30*time.Second, func(ctx context.Context) error { return p.exec(ctx, "SELECT 1") })
	}
	if err != nil && proc != nil {
		proc.stop(syscall.SIGKILL)
	}
	return proc, err
}

// Standby starts a synchronous standby of this server: what this one confirms as
// committed is there as well (synchronous_commit = on).
func (p *Postgres) Standby() *Postgres {
	p.t.Helper()
	copies := Need(p.t, "pg_basebackup", "apt-get install postgresql")
	dir, err := os.MkdirTemp("", "behov-postgres-")
	if err != nil {
		p.t.Fatal(err)
	}
	s := &Postgres{t: p.t, dir: dir, as: notRoot(p.t, dir), server: p.server}
	if err := s.command(copies, "-D", s.data(), "-d", p.url("postgres"), "-R", "-X", "stream", "-c", "fast", "--no-sync"); err != nil {
		p.t.Fatalf("copy PostgreSQL: %v", err)
	}
	s.begin()
	p.t.Cleanup(s.end)
	for _, statement := range []string{"ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"} {
		if err := p.exec(context.Background(), statement); err != nil {
			p.t.Fatal(err)
		}
	}
	return s
}

// Promote promotes a standby.
func (p *Postgres) Promote() {
	p.t.Helper()
	if err := p.exec(context.Background(), "SELECT pg_promote()"); err != nil {
		p.t.Fatalf("promote: %v", err)
	}
}

// Either returns the URL of a database on this server or another, whichever is
// writable.
func (p *Postgres) Either(database string, other *Postgres) string {
	return strings.Replace(database, p.Address(), p.Address()+","+other.Address(), 1) + "&target_session_attrs=read-write"
}

// notRoot gives the directory to the user postgres when the test runs as root,
// and has the server run as that user, as it refuses to run as root.
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

// Database creates an empty database and returns its URL.
func (p *Postgres) Database() string {
	p.t.Helper()
	name := fmt.Sprintf("test%d", p.made.Add(1))
	if err := p.exec(context.Background(), "CREATE DATABASE "+name); err != nil {
		p.t.Fatalf("create a database: %v", err)
	}
	return p.url(name)
}
