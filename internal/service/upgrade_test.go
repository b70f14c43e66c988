package service_test

import (
	"testing"
	"time"

	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestALaterVersionBeside: while this version serves, a later one brings the
// schema up to date, as it may (every table has a column more, and there are
// tables that no one here knows). This one goes on, and also when it is started
// again.
func TestALaterVersionBeside(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		stop := fixture.serve(nil)
		lives := func(what, key string) {
			t.Helper()
			fixture.hr(key+" school", key+"0 library")
			fixture.until(what+": two come", 20*time.Second, func() bool {
				return fixture.has(key, "one") == "account staff school" && fixture.has(key+"0", "two") == "account library"
			})
			fixture.hr(key+" library", key+"0 library 2020-12-31")
			fixture.until(what+": one moves, and one leaves", 20*time.Second, func() bool {
				return fixture.has(key, "one") == "account staff" && fixture.has(key+"0", "two") == ""
			})
		}
		lives("before", "1")
		raw := testenv.Raw(t, fixture.url)
		for _, table := range store.CopiedTables() {
			if _, err := raw.ExecContext(t.Context(), `ALTER TABLE `+table+` ADD COLUMN of_a_later_version TEXT NOT NULL DEFAULT ''`); err != nil {
				t.Fatal(err)
			}
		}
		for _, statement := range []string{`CREATE TABLE of_a_later_version (id BIGINT)`, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, TRUE)`} {
			if _, err := raw.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		lives("afterwards", "2")
		stop()
		stop = fixture.serve(nil)
		lives("started again", "3")
		stop()
		fixture.whole()
	})
}
