package migrations_test

import (
	"io/fs"
	"regexp"
	"slices"
	"testing"

	"github.com/behov/behov/migrations"
)

var table = regexp.MustCompile(`(?m)^(?:CREATE (?:UNIQUE )?(?:TABLE|INDEX) \w+|ALTER TABLE \w+ (?:ADD|DROP) COLUMN \w+)`)

// TestSameNumbersForBoth: SQLite and PostgreSQL have the same steps, by name,
// and each makes the same tables, columns and indexes.
func TestSameNumbersForBoth(t *testing.T) {
	steps := func(dir string) []string {
		t.Helper()
		entries, err := fs.ReadDir(migrations.FS, dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	sqlite, postgres := steps("sqlite"), steps("postgres")
	if len(sqlite) == 0 || !slices.Equal(sqlite, postgres) {
		t.Fatalf("SQLite has %v, PostgreSQL %v", sqlite, postgres)
	}
	for _, name := range sqlite {
		var made [2][]string
		for i, dir := range []string{"sqlite/", "postgres/"} {
			b, err := fs.ReadFile(migrations.FS, dir+name)
			if err != nil {
				t.Fatal(err)
			}
			made[i] = table.FindAllString(string(b), -1)
		}
		if len(made[0]) == 0 || !slices.Equal(made[0], made[1]) {
			t.Errorf("%s makes %v in SQLite and %v in PostgreSQL", name, made[0], made[1])
		}
	}
}
