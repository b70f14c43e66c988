// Package config reads and validates an installation's configuration: the
// behov.yaml and the catalogue, units and policy files it names. Errors name
// file, line and column.
//
// It must never contact a target, and never keep a secret in what it prints:
// secrets are references (env:NAME, file:PATH), resolved on use.
package config

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
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
	"github.com/behov/behov/internal/rights"
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
	// LoginProtected makes the login of people with protected identity.
	LoginProtected *identity.Template
	Lifecycle      identity.Lifecycle
	// Main says which employment speaks for a person where a target does not.
	Main       identity.MainRule
	Precedence identity.Precedence
	// HoldsExpire is how long after it was raised a hold ends.
	HoldsExpire time.Duration
	Alerts      Alerts
	Sources     map[string]Source
	Targets     []Target // sorted by name
	Rules       *policy.Rules
	// Rights says who may decide what.
	Rights *rights.Rights
	// Operators maps users of the operating system, by name or number, to the
	// records of people. When it is nil a name on the command line is a claim.
	Operators map[string]identity.SourceKey
	// First is the source whose keys name people where no source is said.
	First string
	// Attributes are the organisation's own HR columns.
	Attributes []string
	Files      []Read // everything that it was read from
}

// Source is an HR source.
type Source struct {
	Name string
	// Columns maps the canonical column names, and the organisation's own, to those
	// of the file, or to a Value made of them.
	Columns map[string]string
	// Format is one of sheet.Formats, Delimiter a character, Encoding one of
	// sheet.Encodings; each is found out when it is empty, but for XML and fixed
	// width.
	Format    string
	Delimiter rune
	Encoding  string
	// Dates reads the dates as the source writes them, in the organisation's time
	// zone.
	Dates identity.DateReader
	// HeaderRow is the line of the column names, from 1; zero finds it.
	HeaderRow int
	// Sheet is that of a workbook; empty finds it.
	Sheet string
	// Record is the XPath of a record of XML.
	Record string
	// Skip names rows that are none.
	Skip []Skip
	// Empty says what stands in a column that has no value.
	Empty EmptyValues
	// ProtectedValues are the organisation's own words for a protected identity.
	ProtectedValues []string
	// Constants are values for canonical columns that the file lacks, or templates
	// of them.
	Constants map[string]string
	// Shrink is how many running employments may be missing from a full export
	// before it is held.
	Shrink plan.Limit
	// Every is how often it is read; zero leaves it to the service.
	Every time.Duration
	// Changes: what the source gives is what changed, and not all there is.
	Changes bool
	// Contracts says what the source's employments need.
	Contracts Contracts
	// Where it is read from, when it is: one of these at most.
	File      string
	Directory *Directory
	HTTP      *Feed
	SQL       *View
	// SCIM: it is pushed to, over SCIM.
	SCIM bool
	// Joins are the sources with whose records those of this one are joined when
	// they have one national identity number and a name in common.
	Joins []string
	// NewPeople is how many users may be pushed within an hour who were not there
	// before; 0 is any number.
	NewPeople int
}

// Directory is where a source puts its files.
type Directory struct {
	Path    string
	Pattern string // as package path has them
	// Archive is where files go that were read.
	Archive string
	// Settle is for how long a file must have been as it is, to be whole.
	Settle time.Duration
	// KeepDays is for how many days files are kept in the archive; 0 is for ever.
	KeepDays int
}

// Feed is a source that is asked over HTTP.
type Feed struct {
	URL    string
	Token  string // a reference
	CAFile string
	// Cursor is the query parameter that says how far we have read; empty for a
	// feed that gives everything. Next is the field of an answer that says how to
	// go on, a URL or a cursor, and Position the one that says where to begin
	// the next time.
	Cursor, Next, Position string
	// Page is the query parameter that takes the token of the next page, where
	// an answer gives a token and no URL; empty for Cursor.
	Page string
	// Complete: each answer is all there is, whatever it says of more.
	Complete bool
	Timeout  time.Duration
}

// View is a source that is a query.
type View struct {
	Database string // as store.Open takes it, resolved
	Query    string
	// HighWater is the column by which it is read on, from Start the first time;
	// empty for a full read.
	HighWater, Start string
}

// Contracts says what a source of people who are not employed has to give.
// The zero value is a source of employees.
type Contracts struct {
	// Sponsored: each contract has a sponsor, who is employed, and an end.
	Sponsored bool
	identity.Sponsorship
	// DefaultDays after its start a contract without an end ends; none may end
	// more than MostDays ahead.
	DefaultDays, MostDays int
}

// Target is a connected system.
type Target struct {
	Name       string
	Account    AccountName
	Main       identity.MainRule    // which employment speaks for a person here
	Attributes map[string]Attribute // by the target's own attribute names
	Adopt      []Claim              // how accounts that were there are told, the strongest first
	// Limits says how many people steps of each kind may concern within an hour
	// before they wait for a release.
	Limits map[plan.Kind]plan.Limit
	Ignore []string
	// Reconcile is how often the service looks at everybody; zero leaves it to
	// the service.
	Reconcile time.Duration
	// Report: what somebody changes in the target is reported and left.
	Report bool
	MFA    bool // this target says who is enrolled
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
	// Protected takes its place for people with protected identity; nil for
	// none.
	Protected *identity.Template
	// Stated is set when the mapping itself says which name they get.
	Stated bool
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
	// Cleared is set when a reference is emptied as long as HR names no manager who
	// works here. Otherwise what stands in the target stays.
	Cleared bool
	// Protected takes the place of Value for people with protected identity, when
	// Replaced is set; nil withholds the value.
	Protected *identity.Template
	Replaced  bool
	// Stated is set when the mapping itself says what people with protected
	// identity get. Otherwise a value that tells who they are is withheld.
	Stated bool
}

// Claim is an attribute that tells whose an account is.
type Claim struct {
	Attribute string // plan.NameAttribute for the login name
	Value     *identity.Template
}

// Reads says whether anything that is made for the target has the field of
// identity.View in it.
func (t Target) Reads(field string) bool {
	for _, a := range t.Attributes {
		if a.Value.Reads(field) || a.Default.Reads(field) || a.Protected.Reads(field) {
			return true
		}
	}
	for _, c := range t.Adopt {
		if c.Value.Reads(field) {
			return true
		}
	}
	return t.Account.Value.Reads(field) || t.Account.Protected.Reads(field)
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

// Read is a file that the configuration was read from.
type Read struct {
	Path    string
	Content []byte
}

// Text is what all files of the configuration say, one after another. There is
// no secret in it.
func (c *Config) Text() string {
	var b strings.Builder
	for _, f := range c.Files {
		name, err := filepath.Rel(c.Dir, f.Path)
		if err != nil {
			name = f.Path
		}
		fmt.Fprintf(&b, "==> %s <==\n%s\n", name, f.Content)
	}
	return b.String()
}

// Digest names what all files of the configuration say.
func (c *Config) Digest() string {
	sum := sha256.Sum256([]byte(c.Text()))
	return hex.EncodeToString(sum[:])
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
		b, err := ReadSecret(name)
		if err != nil {
			return "", fmt.Errorf("secret: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	return "", fmt.Errorf("a secret is a reference: env:NAME or file:PATH")
}

// ReadSecret reads a file with a secret; on Unix it refuses one that others can
// read or change.
func ReadSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err == nil {
		err = checkSecretFile(name, info)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}
