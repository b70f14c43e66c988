package store_test

import (
	"os"
	"os/exec"
	"testing"
)

// TestBuildsOnOtherSystems: what is said of one operating system only stands in a file
// of that system.
func TestBuildsOnOtherSystems(t *testing.T) {
	if testing.Short() {
		t.Skip("the first time, SQLite is compiled for each system")
	}
	for _, system := range []string{"windows", "darwin"} {
		t.Run(system, func(t *testing.T) {
			build := exec.CommandContext(t.Context(), "go", "build", ".", "../../cmd/behov-verify")
			build.Env = append(os.Environ(), "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
			if out, err := build.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
