package targets

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
)

// PasswordSink returns the sink of a target's first passwords; nil when none is
// configured.
func PasswordSink(target string, to config.FirstPassword) connectors.PasswordSink {
	switch {
	case to.Directory != "":
		return passwordFiles{target, to.Directory}
	case len(to.Command) > 0:
		return passwordCommand{target, to.Command}
	}
	return nil
}

// CheckFirstPassword says why first passwords cannot be handed over: the directory
// cannot be written to, or others can read it, or the program is not there.
// Call it early: otherwise the error comes after an account was created.
func CheckFirstPassword(to config.FirstPassword) error {
	switch {
	case to.Directory != "":
		return (passwordFiles{dir: to.Directory}).ready()
	case len(to.Command) > 0:
		if _, err := exec.LookPath(to.Command[0]); err != nil {
			return fmt.Errorf("first_password: command %s cannot be run: %w", to.Command[0], err)
		}
	}
	return nil
}

// firstPassword is what is handed over, as JSON.
type firstPassword struct {
	Target   string `json:"target"`
	Person   string `json:"person"`
	Account  string `json:"account"`
	Password string `json:"password"`
}

func encode(target string, account connectors.AccountRef, password string) ([]byte, error) {
	return json.Marshal(firstPassword{Target: target, Person: account.Anchor, Account: account.Name, Password: password}) //nolint:gosec // it is what is handed over
}

// passwordFiles writes each password into a file of its own, named after the
// person by opaque ID.
type passwordFiles struct{ target, dir string }

// FirstPassword implements connectors.PasswordSink.
func (p passwordFiles) FirstPassword(_ context.Context, account connectors.AccountRef, password string) error {
	content, err := encode(p.target, account, password)
	if err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	if err := p.prepare(); err != nil {
		return err
	}
	f, err := p.create(filepath.Base(account.Anchor) + "." + filepath.Base(p.target))
	if err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	_, err = f.Write(append(content, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	return nil
}

// prepare makes the directory when it is not there, and says why no password may
// be written into it.
func (p passwordFiles) prepare() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	info, err := os.Stat(p.dir)
	if err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("first password: %s can be read by others: chmod 700 it", p.dir)
	}
	return nil
}

// ready says why no file can be written.
func (p passwordFiles) ready() error {
	if err := p.prepare(); err != nil {
		return err
	}
	f, err := os.CreateTemp(p.dir, ".check-*")
	if err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// create creates a new file. An account that is created a second time may have an older
// file.
func (p passwordFiles) create(name string) (*os.File, error) {
	for n := 1; ; n++ {
		file := name + ".json"
		if n > 1 {
			file = fmt.Sprintf("%s.%d.json", name, n)
		}
		f, err := os.OpenFile(filepath.Join(p.dir, file), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// passwordCommand runs a program for each password. The program reads it from its
// standard input: every user of the machine can see arguments.
type passwordCommand struct {
	target string
	argv   []string
}

// handoverTime is how long the program may take.
const handoverTime = 30 * time.Second

// programEnvironment returns what a program gets of behov's environment: the
// rest may be secrets that the configuration refers to (env:NAME).
func programEnvironment() []string {
	env := []string{}
	for _, name := range []string{"PATH", "HOME", "LANG", "TZ"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// FirstPassword implements connectors.PasswordSink.
func (p passwordCommand) FirstPassword(ctx context.Context, account connectors.AccountRef, password string) error {
	content, err := encode(p.target, account, password)
	if err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...) //nolint:gosec // the operator names it
	cmd.Stdin, cmd.Env, cmd.WaitDelay = bytes.NewReader(content), programEnvironment(), time.Second
	if err := cmd.Run(); err != nil { // what it says may have the password in it
		return fmt.Errorf("first password: %s: %w", p.argv[0], err)
	}
	return nil
}
