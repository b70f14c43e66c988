package testenv_test

import (
	"os"
	"testing"

	"github.com/behov/behov/internal/testenv"
)

// TestPostgresOfAParallelTest: a test that runs beside others may be the first to need
// a server, and the environment that all of them share stays as it is.
func TestPostgresOfAParallelTest(t *testing.T) {
	before := os.Getenv("PATH")
	t.Parallel()
	p := testenv.StartPostgres(t)
	if url := p.Database(); url == "" {
		t.Error("there is no database")
	}
	if after := os.Getenv("PATH"); after != before {
		t.Errorf("PATH became %s", after)
	}
}
