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
	if c := channelOf("first password", to); c != nil {
		return passwords{target, c}
	}
	return nil
}

// channel hands secrets over, each as JSON. name is of whom it is.
type channel interface {
	deliver(ctx context.Context, name string, content []byte) error
}

// channelOf returns where secrets are handed over; nil for nowhere. doing is what they are,
// for errors.
func channelOf(doing string, to config.FirstPassword) channel {
	switch {
	case to.Directory != "":
		return secretFiles{doing, to.Directory}
	case len(to.Command) > 0:
		return secretCommand{doing, to.Command}
	}
	return nil
}

// CheckFirstPassword says why first passwords cannot be handed over: the directory
// cannot be written to, or others can read it, or the program is not there.
// Call it early: otherwise the error comes after an account was created.
func CheckFirstPassword(to config.FirstPassword) error { return checkChannel("first_password", to) }

// CheckFirstPass says why first passes cannot be handed over.
func CheckFirstPass(to config.FirstPass) error { return checkChannel("first_pass", to.To) }

func checkChannel(setting string, to config.FirstPassword) error {
	switch {
	case to.Directory != "":
		return (secretFiles{setting, to.Directory}).ready()
	case len(to.Command) > 0:
		if _, err := exec.LookPath(to.Command[0]); err != nil {
			return fmt.Errorf("%s: command %s cannot be run: %w", setting, to.Command[0], err)
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

// passwords hands over first passwords.
type passwords struct {
	target  string
	channel channel
}

// FirstPassword implements connectors.PasswordSink.
func (p passwords) FirstPassword(ctx context.Context, account connectors.AccountRef, password string) error {
	content, err := json.Marshal(firstPassword{Target: p.target, Person: account.Anchor, Account: account.Name, Password: password}) //nolint:gosec // it is what is handed over
	if err != nil {
		return fmt.Errorf("first password: %w", err)
	}
	return p.channel.deliver(ctx, filepath.Base(account.Anchor)+"."+filepath.Base(p.target), content)
}

// firstPass is what is handed over, as JSON.
type firstPass struct {
	Target  string    `json:"target"`
	Person  string    `json:"person"`
	Account string    `json:"account"`
	Pass    string    `json:"pass"`
	Starts  time.Time `json:"starts"`
	Expires time.Time `json:"expires"`
}

// Passes hands over first passes.
type Passes struct{ channel channel }

// PassSink returns the sink of first passes.
func PassSink(to config.FirstPass) Passes { return Passes{channelOf("first pass", to.To)} }

// FirstPass hands over a pass. An error means that it was not handed over.
func (p Passes) FirstPass(ctx context.Context, target string, account connectors.AccountRef, pass connectors.Pass) error {
	if p.channel == nil {
		return errors.New("first pass: nothing is configured that takes it")
	}
	content, err := json.Marshal(firstPass{Target: target, Person: account.Anchor, Account: account.Name, Pass: pass.Code, Starts: pass.Starts.UTC(), Expires: pass.Expires.UTC()}) //nolint:gosec // it is what is handed over
	if err != nil {
		return fmt.Errorf("first pass: %w", err)
	}
	return p.channel.deliver(ctx, filepath.Base(account.Anchor)+"."+filepath.Base(target)+".pass", content)
}

// secretFiles writes each secret into a file of its own.
type secretFiles struct{ doing, dir string }

func (p secretFiles) deliver(_ context.Context, name string, content []byte) error {
	if err := p.prepare(); err != nil {
		return err
	}
	f, err := p.create(name)
	if err != nil {
		return fmt.Errorf("%s: %w", p.doing, err)
	}
	_, err = f.Write(append(content, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", p.doing, err)
	}
	return nil
}

// prepare makes the directory when it is not there, and says why no secret may
// be written into it.
func (p secretFiles) prepare() error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("%s: %w", p.doing, err)
	}
	info, err := os.Stat(p.dir)
	if err != nil {
		return fmt.Errorf("%s: %w", p.doing, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s: %s can be read by others: chmod 700 it", p.doing, p.dir)
	}
	return nil
}

// ready says why no file can be written.
func (p secretFiles) ready() error {
	if err := p.prepare(); err != nil {
		return err
	}
	f, err := os.CreateTemp(p.dir, ".check-*")
	if err != nil {
		return fmt.Errorf("%s: %w", p.doing, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// create creates a new file. An account that is created a second time may have an older
// file.
func (p secretFiles) create(name string) (*os.File, error) {
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

// secretCommand runs a program for each secret. The program reads it from its
// standard input: every user of the machine can see arguments.
type secretCommand struct {
	doing string
	argv  []string
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

func (p secretCommand) deliver(ctx context.Context, _ string, content []byte) error {
	ctx, cancel := context.WithTimeout(ctx, handoverTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.argv[0], p.argv[1:]...) //nolint:gosec // the operator names it
	cmd.Stdin, cmd.Env, cmd.WaitDelay = bytes.NewReader(content), programEnvironment(), time.Second
	if err := cmd.Run(); err != nil { // what it says may have the secret in it
		return fmt.Errorf("%s: %s: %w", p.doing, p.argv[0], err)
	}
	return nil
}
