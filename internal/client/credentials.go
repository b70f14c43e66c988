package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// Credentials are the tokens of a user of this machine, by server. The file is readable for
// the user alone: one that others can read is refused, and stays as it is.
type Credentials struct {
	file    string
	Servers map[string]Credential `json:"servers"`
}

// Credential is a token of a server.
type Credential struct {
	Token   string    `json:"token"`
	Expires time.Time `json:"expires,omitzero"` // as far as it is known
}

// LoadCredentials reads the credentials of the user of this process.
func LoadCredentials() (*Credentials, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("where tokens are kept: %w", err)
	}
	return loadCredentials(filepath.Join(dir, "behov", "credentials.json"))
}

func loadCredentials(file string) (*Credentials, error) {
	c := &Credentials{file: file, Servers: map[string]Credential{}}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	}
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	defer f.Close() //nolint:errcheck // it is only read
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("tokens: %w", err)
	}
	if mode := info.Mode(); !mode.IsRegular() || runtime.GOOS != "windows" && mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s has tokens in it, and others can read it (%s): take that away from them (chmod 600), and end the tokens if anyone may have read them", file, mode)
	}
	if err := json.NewDecoder(f).Decode(c); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w: delete it, and sign in again", file, err)
	}
	if c.Servers == nil {
		c.Servers = map[string]Credential{}
	}
	return c, nil
}

// Save writes the credentials in one piece.
func (c *Credentials) Save() error {
	dir := filepath.Dir(c.file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	f, err := os.CreateTemp(dir, ".credentials-*") // for its owner alone
	if err != nil {
		return fmt.Errorf("keep the token: %w", err)
	}
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), c.file)
	}
	if err != nil {
		return fmt.Errorf("keep the token: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
