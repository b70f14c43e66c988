package reconcile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reconcile"
)

// Where first passwords cannot go is found before an account is made.
func TestCheckFirstPassword(t *testing.T) {
	dir := t.TempDir()
	file, open := filepath.Join(dir, "file"), filepath.Join(dir, "open")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to   config.FirstPassword
		want string
	}{
		{config.FirstPassword{}, ""},
		{config.FirstPassword{Directory: filepath.Join(dir, "new")}, ""},
		{config.FirstPassword{Directory: open}, "chmod 700"},
		{config.FirstPassword{Directory: filepath.Join(file, "below")}, "not a directory"},
		{config.FirstPassword{Command: []string{filepath.Join(dir, "none")}}, "no such file"},
		{config.FirstPassword{Command: []string{"/bin/true"}}, ""},
	} {
		err := reconcile.CheckFirstPassword(c.to)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.to, err, c.want)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "new"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}
