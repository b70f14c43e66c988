package targets_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/targets"
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
		err := targets.CheckFirstPassword(c.to)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.to, err, c.want)
		}
	}
	left, err := os.ReadDir(filepath.Join(dir, "new"))
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

// First passes go the same ways, with until when they are valid.
func TestFirstPassesAreHandedOver(t *testing.T) {
	account := connectors.AccountRef{ID: "id", Anchor: "0198-person", Name: "anna"}
	pass := connectors.Pass{Code: "p4ss", Starts: time.Date(2026, 12, 1, 7, 0, 0, 0, time.UTC), Expires: time.Date(2026, 12, 1, 15, 0, 0, 0, time.UTC)}
	dir := filepath.Join(t.TempDir(), "passes")
	to := config.FirstPass{To: config.FirstPassword{Directory: dir}, Valid: time.Hour}
	if err := errors.Join(targets.CheckFirstPass(to), targets.PassSink(to).FirstPass(t.Context(), "entra", account, pass)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "0198-person.entra.pass.json"))
	if want := `{"target":"entra","person":"0198-person","account":"anna","pass":"p4ss","starts":"2026-12-01T07:00:00Z","expires":"2026-12-01T15:00:00Z"}`; err != nil || strings.TrimSpace(string(b)) != want {
		t.Errorf("%s, %v", b, err)
	}
	to.To = config.FirstPassword{Command: []string{"/bin/sh", "-c", "cat >&2; exit 3"}}
	if err := targets.PassSink(to).FirstPass(t.Context(), "entra", account, pass); err == nil || strings.Contains(err.Error(), "p4ss") {
		t.Errorf("a program that fails: %v", err)
	}
	if err := targets.PassSink(config.FirstPass{}).FirstPass(t.Context(), "entra", account, pass); err == nil {
		t.Error("handed over to nothing")
	}
}

// First passwords go to a directory that no one else can read, or to a program
// on its standard input, and nowhere else.
func TestFirstPasswordsAreHandedOver(t *testing.T) {
	account := connectors.AccountRef{ID: "id", Anchor: "0198-person", Name: "anna"}
	dir := filepath.Join(t.TempDir(), "passwords")
	if h := targets.PasswordSink("ad", config.FirstPassword{}); h != nil {
		t.Errorf("by default it goes to %+v", h)
	}
	if err := targets.PasswordSink("ad", config.FirstPassword{Directory: dir}).FirstPassword(t.Context(), account, "p4ss"); err != nil {
		t.Fatal(err)
	}
	var got struct{ Person, Account, Password string }
	file := filepath.Join(dir, "0198-person.ad.json")
	b, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(b, &got) != nil || got.Person != "0198-person" || got.Account != "anna" || got.Password != "p4ss" {
		t.Errorf("%s, %v", b, err)
	}
	// Another target's, and one made again, have files of their own.
	for _, target := range []string{"ad", "ldap"} {
		if err := targets.PasswordSink(target, config.FirstPassword{Directory: dir}).FirstPassword(t.Context(), account, "other"); err != nil {
			t.Fatal(err)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3 {
		t.Errorf("%v, %v", files, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := targets.PasswordSink("ad", config.FirstPassword{Directory: dir}).FirstPassword(t.Context(), account, "p4ss"); err == nil || !strings.Contains(err.Error(), "can be read by others") || strings.Contains(err.Error(), "p4ss") {
		t.Errorf("a directory for everybody: %v", err)
	}
	out := filepath.Join(t.TempDir(), "out")
	if err := targets.PasswordSink("ad", config.FirstPassword{Command: []string{"/bin/sh", "-c", "cat > " + out}}).FirstPassword(t.Context(), account, "p4ss"); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(out); err != nil || !strings.Contains(string(b), `"password":"p4ss"`) {
		t.Errorf("the program got %s, %v", b, err)
	}
	// The program gets no secret that is in our environment.
	t.Setenv("BEHOV_TEST_SECRET", "s3cret")
	t.Setenv("AD_PASSWORD", "s3cret")
	t.Setenv("TZ", "Europe/Stockholm")
	if err := targets.PasswordSink("ad", config.FirstPassword{Command: []string{"/usr/bin/env", "sh", "-c", "env > " + out}}).FirstPassword(t.Context(), account, "p4ss"); err != nil {
		t.Error(err)
	}
	env, err := os.ReadFile(out)
	if err != nil || strings.Contains(string(env), "s3cret") || !strings.Contains(string(env), "TZ=Europe/Stockholm\n") || !strings.Contains(string(env), "PATH=") {
		t.Errorf("the program's environment: %s, %v", env, err)
	}
	if err := targets.PasswordSink("ad", config.FirstPassword{Command: []string{"/bin/sh", "-c", "cat >&2; exit 3"}}).FirstPassword(t.Context(), account, "p4ss"); err == nil || strings.Contains(err.Error(), "p4ss") {
		t.Errorf("a program that fails: %v", err)
	}
	if err := targets.PasswordSink("ad", config.FirstPassword{Command: []string{"/nonexistent/x"}}).FirstPassword(t.Context(), account, "p4ss"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no program: %v", err)
	}
}
