//go:build unix

package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/testenv"
)

func chmod(t *testing.T, name string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(name, mode); err != nil {
		t.Fatal(err)
	}
}

// TestSecretsThatOthersCanReadAreRefused: as ssh refuses a key.
func TestSecretsThatOthersCanReadAreRefused(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "behov.key")
	if err := os.WriteFile(name, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o620: false, 0o604: false, 0o644: false, 0o602: false, 0o660: false} {
		chmod(t, name, mode)
		got, err := config.Resolve(dir, "file:behov.key")
		if (err == nil) != good || good && got != "s3cret" {
			t.Errorf("%04o: %q, %v", mode, got, err)
		}
		if err != nil && (!strings.Contains(err.Error(), fmt.Sprintf("permissions %04o for %s", mode, name)) || !strings.Contains(err.Error(), "chmod 600 "+name)) {
			t.Errorf("%04o: it says %v", mode, err)
		}
	}
	if os.Getuid() == 0 {
		chmod(t, name, 0o600)
		if err := os.Chown(name, 12345, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Resolve(dir, "file:behov.key"); err == nil || !strings.Contains(err.Error(), "belongs to user 12345") {
			t.Errorf("somebody else's: %v", err)
		}
	}
}

// TestAConfigurationThatOthersCanWriteIsRefused: each file and each directory of
// one, unless no one else can reach it.
func TestAConfigurationThatOthersCanWriteIsRefused(t *testing.T) {
	for _, file := range []string{"behov.yaml", "policy.csv", "catalogue.yaml", "units.csv", "."} {
		for _, mode := range []os.FileMode{0o664, 0o646} {
			dir := example(t)
			chmod(t, filepath.Dir(dir), 0o700)
			name := filepath.Join(dir, file)
			if file == "." {
				mode |= 0o111
			}
			chmod(t, name, mode)
			if c, problems := config.Load(dir); c == nil {
				t.Fatalf("%s %04o, where nobody can reach it: %v", file, mode, problems)
			}
			chmod(t, filepath.Dir(dir), 0o755)
			_, problems := config.Load(dir)
			if len(problems) != 1 || !strings.Contains(testenv.ProblemText(problems[0]), fmt.Sprintf("permissions %04o for ", mode)) || !strings.Contains(testenv.ProblemText(problems[0]), "chmod go-w") {
				t.Errorf("%s %04o: %v", file, mode, problems)
			}
		}
	}
	// Behind a link it is the file itself, and the directories on the way to it.
	dir := example(t)
	public := filepath.Join(filepath.Dir(t.TempDir()), "public")
	if err := os.Mkdir(public, 0o750); err != nil {
		t.Fatal(err)
	}
	chmod(t, filepath.Dir(public), 0o755)
	name, behind := filepath.Join(dir, "rights.csv"), filepath.Join(public, "rights.csv")
	if err := errors.Join(os.Rename(name, behind), os.Symlink(behind, name)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ file, dir os.FileMode }{{0o666, 0o755}, {0o644, 0o777}} {
		chmod(t, behind, c.file)
		chmod(t, public, c.dir)
		if _, problems := config.Load(dir); len(problems) != 1 || !strings.Contains(testenv.ProblemText(problems[0]), "are too open") {
			t.Errorf("a link to a file %04o in a directory %04o: %v", c.file, c.dir, problems)
		}
	}
	if os.Getuid() == 0 {
		dir := example(t)
		chmod(t, filepath.Dir(dir), 0o755)
		if err := os.Chown(filepath.Join(dir, "policy.csv"), 12345, 0); err != nil {
			t.Fatal(err)
		}
		if _, problems := config.Load(dir); len(problems) != 1 || !strings.Contains(testenv.ProblemText(problems[0]), "belongs to user 12345") {
			t.Errorf("somebody else's: %v", problems)
		}
	}
}
