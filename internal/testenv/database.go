package testenv

import (
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite" // what is looked into behind behov's back
)

// A suite that says Database instead of naming a database runs on SQLite, and
// once more on PostgreSQL where BEHOV_TEST_ON says so (make test does both).

// OnPostgres says whether Database gives PostgreSQL databases.
func OnPostgres() bool { return os.Getenv("BEHOV_TEST_ON") == "postgres" }

// shared is the server on which the databases of a test binary are: one of its
// own for each would take longer than the tests.
var shared struct {
	mu     sync.Mutex
	server *Postgres
}

// Main runs the tests of a package that uses Database, and ends what they share.
// Call it from TestMain, and exit with what it returns.
func Main(m *testing.M) int {
	// Properties hold of both alike, and with the race detector or without: fewer
	// cases where each takes its time.
	if checks := flag.Lookup("rapid.checks"); checks != nil && OnPostgres() {
		_ = checks.Value.Set("10") // which is a number
	} else if checks != nil && Race {
		_ = checks.Value.Set("25")
	}
	code := m.Run()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server != nil {
		shared.server.end()
	}
	return code
}

// Database returns the URL of a new and empty database.
func Database(t testing.TB) string {
	t.Helper()
	if !OnPostgres() {
		return "sqlite:" + filepath.Join(t.TempDir(), "behov.db")
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.server == nil {
		shared.server = startPostgres(t)
	}
	shared.server.t = t
	return shared.server.Database()
}

// Raw opens a database behind behov's back. In its statements write $1 for an
// argument.
func Raw(t testing.TB, url string) *sql.DB {
	t.Helper()
	driver, name := "pgx", url
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		driver, name = "sqlite", "file:"+file+"?_pragma=busy_timeout(10000)"
	}
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
