// Package demo plays behov's main job on a made-up municipality, against a
// directory and a SCIM service that it speaks to over real sockets, and checks
// in those targets, not in its own books, that each step came true.
//
// It must never be given a real target: it creates and deletes as the story
// demands.
package demo

import (
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/behov/behov/internal/seal"
)

//go:embed files
var files embed.FS

// Endpoints say where the story's two targets are.
type Endpoints struct {
	LDAPURL, BindDN, Password string
	PeopleDN, GroupsDN        string
	SCIMURL, Token            string
}

// Write writes the demo's configuration into a directory that is empty or not
// there.
func Write(dir string, at Endpoints) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	if len(entries) > 0 {
		return fmt.Errorf("demo: %s is not empty: name a new directory, the demo begins at the beginning", dir)
	}
	key, err := seal.NewMaster()
	if err != nil {
		return err
	}
	out := map[string][]byte{"behov.key": key, "directory.password": []byte(at.Password), "cases.token": []byte(at.Token)}
	for _, name := range []string{"behov.yaml", "catalogue.yaml", "conflicts.yaml", "units.csv", "policy.csv", "rights.csv"} {
		b, err := files.ReadFile("files/" + name)
		if err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		text := strings.NewReplacer("@LDAP@", at.LDAPURL, "@BIND@", at.BindDN, "@PEOPLE@", at.PeopleDN, "@GROUPS@", at.GroupsDN, "@SCIM@", at.SCIMURL).Replace(string(b))
		out[name] = []byte(text)
	}
	for name, content := range out {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

// Groups returns the names of the groups that a target of the demo must have.
func Groups(target string) ([]string, error) {
	b, err := fs.ReadFile(files, "files/catalogue.yaml")
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	var catalogue struct {
		Systems map[string]struct {
			Target       string
			Entitlements map[string]struct{ Native string }
		}
	}
	if err := yaml.Unmarshal(b, &catalogue); err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	var groups []string
	for _, s := range catalogue.Systems {
		for _, e := range s.Entitlements {
			if s.Target == target {
				groups = append(groups, e.Native)
			}
		}
	}
	slices.Sort(groups)
	return groups, nil
}
