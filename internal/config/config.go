// Package config reads and validates an installation's configuration: the
// behov.yaml and the catalogue, units and policy files it names. Errors name
// file, line and column.
//
// It must never contact a target, and never keep a secret in what it prints:
// secrets are references (env:NAME, file:PATH), resolved on use.
package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors/graph"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/connectors/memory"
	"github.com/behov/behov/connectors/scim"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
)

// File is the name of the main configuration file in an installation's
// directory.
const File = "behov.yaml"

// Config is a validated configuration.
type Config struct {
	Dir      string
	Zone     *time.Location
	Database string // as store.Open takes it
	Key      string // reference to the master key
	Login    *identity.Template
	Sources  map[string]Source
	Targets  []Target // sorted by name
	Rules    *policy.Rules
	// Attributes are the organisation's own HR columns.
	Attributes []string
}

// Source is an HR source.
type Source struct {
	Name string
	// Columns maps the canonical column names to those of the file.
	Columns   map[string]string
	Delimiter rune
	Encoding  string // "utf-8", "iso-8859-1" or "windows-1252"
	// DateLayout is as package time has them.
	DateLayout string
	// Constants are values for canonical columns that the file lacks.
	Constants map[string]string
	Shrink    Shrink
}

// Shrink says how much an export may shrink before it is held.
type Shrink struct {
	Rows  int
	Share float64
}

// Target is a connected system.
type Target struct {
	Name       string
	Account    AccountName
	Attributes map[string]Attribute // by the target's own attribute names
	Adopt      []Claim              // how accounts that were there are told, the strongest first
	Limit      plan.Limit           // how many people may lose something in a run
	Changes    plan.Limit           // how many people's accounts may be changed in a run
	Ignore     []string
	MFA        bool // this target says who is enrolled
	// FirstPassword says who is told the first password of a new account.
	FirstPassword FirstPassword
	// One of these is set.
	Memory *memory.Config
	LDAP   *ldap.Config
	SCIM   *scim.Config
	Graph  *graph.Config
	// references are those behind the connector's secrets, by field.
	references map[string]string
}

// FirstPassword is where first passwords go; the zero value is nowhere.
type FirstPassword struct {
	// Directory gets a file for each, readable for its owner only.
	Directory string
	// Command is run for each, with the password on its standard input.
	Command []string
}

// AccountName says how accounts in a target are named.
type AccountName struct {
	Value *identity.Template
	// Most is how many characters a name may have; zero is any number.
	Most int
	// Number is set when a name that is taken gets a number. Otherwise the
	// person waits until somebody has looked: the name may be taken by an
	// account of their own.
	Number bool
	// Rename is set when accounts follow the name. Otherwise it is given once.
	Rename bool
}

// Attribute says what value an attribute gets.
type Attribute struct {
	Value *identity.Template // nil for a reference
	// Default is used where Value comes out empty; nil for none.
	Default *identity.Template
	// OnCreate is set when it is set on a new account and then left alone.
	OnCreate bool
	// Manager is set when the value is the account of the person's manager.
	Manager bool
}

// Claim is an attribute that tells whose an account is.
type Claim struct {
	Attribute string // plan.NameAttribute for the login name
	Value     *identity.Template
}

// AttributeNames returns the names of the attributes that are managed in the
// target, sorted.
func (t Target) AttributeNames() []string { return sortedKeys(t.Attributes) }

// References returns those of them that refer to accounts, sorted.
func (t Target) References() []string {
	return slices.DeleteFunc(t.AttributeNames(), func(name string) bool { return !t.Attributes[name].Manager })
}

// read returns the attributes that a snapshot has to show: those that are
// managed and those that tell whose an account is.
func (t Target) read() []string {
	names := t.AttributeNames()
	for _, c := range t.Adopt {
		if c.Attribute != plan.NameAttribute && !slices.Contains(names, c.Attribute) {
			names = append(names, c.Attribute)
		}
	}
	slices.Sort(names)
	return names
}

// Target returns the target with the name.
func (c *Config) Target(name string) (Target, bool) {
	i := slices.IndexFunc(c.Targets, func(t Target) bool { return t.Name == name })
	if i < 0 {
		return Target{}, false
	}
	return c.Targets[i], true
}

// Resolve returns the secret behind a reference: env:NAME is an environment
// variable, file:PATH a file, relative to the installation's directory. The
// empty reference is the empty secret.
func Resolve(dir, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		v, ok := os.LookupEnv(name)
		if !ok {
			return "", fmt.Errorf("the environment variable %s is not set", name)
		}
		return v, nil
	}
	if name, ok := strings.CutPrefix(ref, "file:"); ok {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	return "", fmt.Errorf("a secret is a reference: env:NAME or file:PATH")
}
