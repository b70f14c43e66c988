package memory

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
)

// document is the file's format, which people may read and edit.
type document struct {
	Accounts []fileAccount       `json:"accounts"`
	Groups   map[string][]string `json:"groups"` // account IDs
	// Created are the groups that the connector created, by their names.
	Created map[string]group `json:"created_groups,omitempty"`
}

type fileAccount struct {
	ID         string              `json:"id"`
	Anchor     string              `json:"anchor,omitempty"`
	Name       string              `json:"name"`
	Enabled    bool                `json:"enabled"`
	MFA        mfaJSON             `json:"mfa,omitempty"`
	Attributes map[string][]string `json:"attributes,omitempty"`
}

// mfaJSON is an account's strongest method: true when it is not known.
type mfaJSON connectors.MFAMethod

// MarshalJSON implements json.Marshaler.
func (m mfaJSON) MarshalJSON() ([]byte, error) {
	switch connectors.MFAMethod(m) {
	case connectors.NoMethod, connectors.UnknownMethod:
		return json.Marshal(m != "")
	}
	return json.Marshal(string(m))
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *mfaJSON) UnmarshalJSON(b []byte) error {
	var enrolled bool
	if json.Unmarshal(b, &enrolled) == nil {
		if *m = ""; enrolled {
			*m = mfaJSON(connectors.UnknownMethod)
		}
		return nil
	}
	return json.Unmarshal(b, (*string)(m))
}

// load reads the file. A missing file is an empty target; a file that cannot be
// parsed is an error, never an empty target.
func load(name string, groups []string) (*state, os.FileInfo, error) {
	s := newState(groups)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the target's file: %w", err)
	}
	defer f.Close() //nolint:errcheck // reading
	info, err := f.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("read the target's file: %w", err)
	}
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, nil, fmt.Errorf("read the target's file: %w", err)
	}
	var d document
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, nil, fmt.Errorf("%s is not a memory target's file: %w", name, err)
	}
	for _, a := range d.Accounts {
		if a.ID == "" {
			return nil, nil, fmt.Errorf("%s: an account has no id", name)
		}
		if _, twice := s.accounts[a.ID]; twice {
			return nil, nil, fmt.Errorf("%s: two accounts have the id %s", name, a.ID)
		}
		s.put(a.account())
	}
	for g, ids := range d.Groups {
		s.members[g] = make(map[string]bool, len(ids))
		for _, id := range ids {
			s.members[g][id] = true
		}
	}
	for name, g := range d.Created {
		if s.members[name] != nil { // else a person deleted it by hand
			s.groups[name] = g
		}
	}
	return s, info, nil
}

func (a fileAccount) account() account {
	return account{mfa: connectors.MFAMethod(a.MFA), Account: connectors.Account{ID: a.ID, Anchor: a.Anchor, Name: a.Name, Enabled: a.Enabled, Attributes: a.Attributes}}
}

func (a account) file() fileAccount {
	return fileAccount{ID: a.ID, Anchor: a.Anchor, Name: a.Name, Enabled: a.Enabled, MFA: mfaJSON(a.mfa), Attributes: a.Attributes}
}

// save replaces the file atomically, so that a reader, or a power failure, finds
// either the old one or the new one.
func save(name string, s *state) (err error) {
	d := document{Groups: make(map[string][]string, len(s.members)), Created: s.groups}
	for _, id := range slices.Sorted(maps.Keys(s.accounts)) {
		d.Accounts = append(d.Accounts, s.accounts[id].file())
	}
	for g, m := range s.members {
		d.Groups[g] = slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(m))))
	}
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("write the target's file: %w", err)
	}
	sweep(name)
	// CreateTemp makes it readable by its owner only.
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-*")
	if err != nil {
		return fmt.Errorf("write the target's file: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("write the target's file: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(append(b, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// sweep removes temporary files of processes that were killed while writing. It
// ignores errors; the next call tries again.
func sweep(name string) {
	const abandoned = time.Hour
	dir, prefix := filepath.Dir(name), "."+filepath.Base(name)+"-"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // the write reports the error
	}
	for _, e := range entries {
		if random, is := strings.CutPrefix(e.Name(), prefix); !is || random == "" || strings.Trim(random, "0123456789") != "" {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && time.Since(info.ModTime()) > abandoned {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
