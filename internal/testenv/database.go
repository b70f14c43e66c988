package testenv

import (
	"database/sql"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	_ "modernc.org/sqlite" // to read and write without behov
)

// A package that uses Database instead of naming a database runs on SQLite, and
// again on PostgreSQL when BEHOV_TEST_ON says so (make test does both).

// OnPostgres reports whether Database returns PostgreSQL databases.
func OnPostgres() bool { return os.Getenv("BEHOV_TEST_ON") == "postgres" }

// shared is the server of the databases of a test binary: a server for each would
// take longer than the tests.
var shared struct {
	mu     sync.Mutex
	server *Postgres
}

// Main runs the tests of a package that uses Database, and stops the shared
// server. TestMain calls it, and exits with its result.
func Main(m *testing.M) int {
	// Property tests use fewer cases where each is slow: on PostgreSQL, and with
	// the race detector.
	if checks := flag.Lookup("rapid.checks"); checks != nil && OnPostgres() {
		_ = checks.Value.Set("10") // a valid number
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

// Database returns the URL of a new, empty database.
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

// Raw opens a database without behov. Statements use $1 for an argument.
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
