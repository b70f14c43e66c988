package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
)

// RuleFiles names the files that say who needs what, as the configuration does.
type RuleFiles struct{ Policy, Catalogue, Units, Controls, Conflicts string }

// DefaultRuleFiles are the names of a configuration that has none of its own.
var DefaultRuleFiles = RuleFiles{policyFileName, catalogueFile, ownUnits, controlsFile, conflictsFile}

// NewFile is a file that is not in the configuration.
type NewFile struct {
	Name    string // as problems, and the reasons of what rules give, name it
	Content []byte
}

// Instead are files that are tried in place of those that the configuration names; nil
// leaves one as it is.
type Instead struct {
	Policy, Catalogue, Units, Controls, Conflicts *NewFile
	// Leave is tried in place of lifecycle.leave, as far as rules go; empty leaves it.
	Leave identity.LeaveRule
}

// RulesSource is all of which policy.Rules are made, as it was read.
type RulesSource struct {
	Policy    []byte `json:"policy"`
	Catalogue []byte `json:"catalogue"`
	Units     []byte `json:"units"`
	Controls  []byte `json:"controls"`
	Conflicts []byte `json:"conflicts"` // empty when there is no such file
	Leave     string `json:"leave"`     // lifecycle.leave
}

// Instead returns the source in the place of the files that a configuration names.
func (s RulesSource) Instead(names RuleFiles) Instead {
	return Instead{Policy: &NewFile{names.Policy, s.Policy}, Catalogue: &NewFile{names.Catalogue, s.Catalogue}, Units: &NewFile{names.Units, s.Units},
		Controls: &NewFile{names.Controls, s.Controls}, Conflicts: &NewFile{names.Conflicts, s.Conflicts}, Leave: identity.LeaveRule(s.Leave)}
}

// Over returns what is tried with the rules in force for what is not given, where those are
// other than the files.
func (in Instead) Over(c *Config) Instead {
	if c.InDirectory == nil {
		return in
	}
	base := c.RulesSource.Instead(c.RuleFiles)
	for _, f := range []struct{ given, otherwise **NewFile }{{&in.Policy, &base.Policy}, {&in.Catalogue, &base.Catalogue}, {&in.Units, &base.Units}, {&in.Controls, &base.Controls}, {&in.Conflicts, &base.Conflicts}} {
		if *f.given == nil {
			*f.given = *f.otherwise
		}
	}
	if in.Leave == "" {
		in.Leave = base.Leave
	}
	return in
}

// rulesSource returns the source of the rules that were read.
func (l *loader) rulesSource(c *Config) RulesSource {
	text := func(file string) []byte {
		if b, given := l.given[file]; given {
			return b
		}
		for _, f := range l.files {
			if f.Path == l.file(file) {
				return f.Content
			}
		}
		return nil
	}
	s := RulesSource{Policy: text(c.RuleFiles.Policy), Catalogue: text(c.RuleFiles.Catalogue), Units: text(c.RuleFiles.Units), Controls: text(c.RuleFiles.Controls), Conflicts: text(c.RuleFiles.Conflicts), Leave: string(c.Lifecycle.Leave)}
	if s.Controls == nil {
		s.Controls = text(defaultControls)
	}
	if l.instead.Leave != "" {
		s.Leave = string(l.instead.Leave)
	}
	return s
}

// LoadInstead is Load with other rules, catalogue or organisation: what would hold if they
// were put in place.
func LoadInstead(dir string, instead Instead) (*Config, []diagnostic.Problem) {
	l := &loader{dir: dir, instead: instead, given: map[string][]byte{}}
	c := l.load()
	if c != nil {
		c.Files = l.files
	}
	slices.SortStableFunc(l.problems, func(a, b diagnostic.Problem) int {
		if a.File != b.File {
			return strings.Compare(a.File, b.File)
		}
		return a.Line - b.Line
	})
	if slices.ContainsFunc(l.problems, func(p diagnostic.Problem) bool { return !p.Warning }) {
		return nil, l.problems
	}
	return c, l.problems
}

// LoadSettings reads of behov.yaml alone where the database and its key are, which files have the
// rules, and whether rules need approval, with the files as they are; nil when it cannot be read. It is for an
// installation whose rules are wrong in the directory, and approved in the database.
func LoadSettings(dir string) *Config {
	l := &loader{dir: dir}
	var f fileYAML
	doc := l.yaml(File, &f)
	if doc == nil {
		return nil
	}
	c := &Config{Dir: dir, Database: l.database(doc, "$.database", or(f.Database, defaultDatabase)), Key: or(f.Key, defaultKey), RulesApproval: f.Rules.Approval}
	c.RuleFiles = ruleFiles(&f)
	if len(l.problems) > 0 {
		return nil
	}
	c.Files = l.files
	for _, name := range []string{c.RuleFiles.Policy, c.RuleFiles.Catalogue, c.RuleFiles.Units, c.RuleFiles.Controls, c.RuleFiles.Conflicts} {
		content, err := readAtMost(l.file(name), maxFile)
		if err != nil {
			content = nil // it is looked at again when it is there
		}
		c.Files = append(c.Files, Read{Path: l.file(name), Content: content})
	}
	return c
}

func ruleFiles(f *fileYAML) RuleFiles {
	files := RuleFiles{Policy: or(f.Files.Policy, policyFileName), Catalogue: or(f.Files.Catalogue, catalogueFile), Units: or(f.Files.Units, ownUnits), Controls: or(f.Files.Controls, controlsFile), Conflicts: or(f.Files.Conflicts, conflictsFile)}
	if f.HR.Units != nil {
		files.Units = f.HR.Units.File
	}
	return files
}

// InsteadFrom reads, from another directory, the files that say who needs what; those that
// are not there stay as they are. The directory must have one of them.
func (r RuleFiles) InsteadFrom(dir string) (Instead, error) {
	var in Instead
	var names []string
	for _, f := range []struct {
		name string
		to   **NewFile
	}{{r.Policy, &in.Policy}, {r.Catalogue, &in.Catalogue}, {r.Units, &in.Units}, {r.Controls, &in.Controls}, {r.Conflicts, &in.Conflicts}} {
		name := filepath.Join(dir, filepath.Base(f.name))
		b, err := readAtMost(name, maxFile)
		if err == nil {
			*f.to = &NewFile{f.name, b} // as reasons name it once it is in place
		} else if !errors.Is(err, os.ErrNotExist) {
			return in, err
		}
		names = append(names, filepath.Base(f.name))
	}
	if in == (Instead{}) {
		return in, fmt.Errorf("%s has none of %s", dir, strings.Join(names, ", "))
	}
	return in, nil
}

// or returns the name of the file that is read: another one, when it is given instead.
func (l *loader) or(instead *NewFile, file string) string {
	if instead == nil {
		return file
	}
	l.given[instead.Name] = instead.Content
	return instead.Name
}

// FileSources returns the names of the sources of which files are imported, sorted.
func (c *Config) FileSources() []string {
	return slices.DeleteFunc(sortedKeys(c.Sources), func(name string) bool { return c.Sources[name].Forms })
}

// exists reports whether a file of the configuration is there.
func (l *loader) exists(file string) bool {
	_, err := os.Stat(l.file(file))
	return !errors.Is(err, os.ErrNotExist)
}
