// Package config reads and validates an installation's configuration: the
// behov.yaml and the catalogue, units and policy files that it names. Errors name
// file, line and column.
//
// It must never contact a target, and never print a secret: secrets are
// references (env:NAME, file:PATH), resolved when they are used.
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

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
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
	Database string // in the form of store.Open
	Key      string // a reference to the master key
	Login    *identity.Template
	// LoginProtected renders the login of people with protected identity.
	LoginProtected *identity.Template
	Lifecycle      identity.Lifecycle
	// Main selects a person's main employment where a target does not.
	Main       identity.MainRule
	Precedence identity.Precedence
	// AccountHandoverDays is for how many days an account that is no person's can be handed
	// over when its owner does not work here any more, before it is disabled.
	AccountHandoverDays int
	// HoldsExpire is how long after it was raised a hold expires.
	HoldsExpire time.Duration
	Alerts      Alerts
	// Notices are the mails that tell people what waits for them; nil when none are sent.
	Notices *Notices
	// Reviews are the access reviews that behov starts by itself, sorted by name.
	Reviews []ReviewSeries
	SignIn  SignIn
	Serve   Serve
	// Events are the streams of events out, sorted by name.
	Events  []EventStream
	Sources map[string]Source
	Targets []Target // sorted by name
	// MFAMethod is how strong the method of an enrolment for MFA is where the target does
	// not say.
	MFAMethod policy.Method
	// MFASuspendAfter is the number of days after which the accounts of a person are disabled
	// who is not enrolled while access waits for it; 0 for never. MFAAskManager has managers told
	// of joiners who need a pass.
	MFASuspendAfter int
	MFAAskManager   bool
	// Publish is where the log of the audit trail is published.
	Publish Publish
	// FirstPass is how passes of people who begin are issued and handed over; the zero value is
	// not at all.
	FirstPass FirstPass
	Rules     *policy.Rules
	// Rights defines who may decide what.
	Rights *rights.Rights
	// Operators maps users of the operating system, by name or number, to
	// people's records. When it is nil, a person named on the command line is an
	// unverified claim.
	Operators map[string]identity.SourceKey
	// ServiceAccounts are the programs that call the API as themselves, sorted by name.
	ServiceAccounts []ServiceAccount
	// First is the default source of people's keys.
	First string
	// Forms is the source of what people report by form; empty when there is none.
	Forms string
	// Attributes are the organisation's custom HR columns.
	Attributes []string
	Files      []Read // all files that were read
	RuleFiles  RuleFiles
	// RulesApproval reports that a version of the rules comes into use when a second person
	// approves it.
	RulesApproval bool
	// RulesSource is the text of the rules, with which they can be loaded again.
	RulesSource RulesSource
	// InDirectory is the configuration as its files say, when other rules are in use because
	// those wait for approval; nil otherwise.
	InDirectory *Config
}

// Source is an HR source.
type Source struct {
	Name string
	// Columns maps the canonical and custom column names to those of the file, or
	// to a Value made of them.
	Columns map[string]string
	// Format is one of sheet.Formats, Delimiter a character, Encoding one of
	// sheet.Encodings; each is detected when it is empty, except for XML and
	// fixed width.
	Format    string
	Delimiter rune
	Encoding  string
	// Dates parses the source's dates, in the organisation's time zone.
	Dates identity.DateReader
	// HeaderRow is the line of the column names, from 1; zero means detection.
	HeaderRow int
	// Sheet is the sheet of a workbook; empty means detection.
	Sheet string
	// Record is the XPath of a record of XML.
	Record string
	// Skip selects rows to ignore.
	Skip []Skip
	// Empty says what stands in a column that has no value.
	Empty EmptyValues
	// ProtectedValues are the organisation's own words for a protected identity, and
	// UnprotectedValues those for one that is not protected.
	ProtectedValues, UnprotectedValues []string
	// Constants are values for canonical columns that the file lacks, or templates
	// of them.
	Constants map[string]string
	// Shrink is how many active employments may be missing from a full export
	// before it is held.
	Shrink blastradius.Limit
	// Every is the interval of reading; zero means the service's default.
	Every time.Duration
	// Changes reports that the source delivers deltas, and not full exports.
	Changes bool
	// Contracts defines the requirements of the source's contracts.
	Contracts Contracts
	// Where it is read from; at most one of these is set.
	File      string
	Directory *Directory
	HTTP      *Feed
	SQL       *View
	// SCIM reports that the source pushes over SCIM.
	SCIM bool
	// Forms reports that the source is what people report by form. ConfirmDays is for how
	// many days such a report may wait for the source that it is about.
	Forms       bool
	ConfirmDays int
	// Joins are the sources whose records are joined with this one's when they
	// have the same national identity number and a common name.
	Joins []string
	// NewPeople is the maximum of new users that may be pushed within an hour; 0
	// means no limit.
	NewPeople int
}

// Directory is a directory with a source's files.
type Directory struct {
	Path    string
	Pattern string // in the syntax of package path
	// Archive is the directory for files that were read.
	Archive string
	// Settle is how long a file must be unchanged to count as complete.
	Settle time.Duration
	// KeepDays is for how many days files are kept in the archive; 0 means
	// without limit.
	KeepDays int
}

// Feed is a source that is read over HTTP.
type Feed struct {
	URL    string
	Token  string // a reference
	CAFile string
	// Cursor is the query parameter of the position; empty for a feed without
	// deltas. Next is the field of an answer with the next page, a URL or a
	// cursor, and Position the field with the position for the next reading.
	Cursor, Next, Position string
	// Page is the query parameter for the token of the next page, when an answer
	// contains a token and no URL; empty for Cursor.
	Page string
	// Complete reports that each answer is complete, even when it announces more.
	Complete bool
	Timeout  time.Duration
}

// View is a source that is a query.
type View struct {
	Database string // in the form of store.Open, resolved
	Query    string
	// HighWater is the column by which it is read incrementally, from Start the
	// first time; empty for a full read.
	HighWater, Start string
}

// Contracts defines the requirements of a source of people who are not employed.
// The zero value is a source of employees.
type Contracts struct {
	// Sponsored reports that each contract needs a sponsor, who is employed, and
	// an end.
	Sponsored bool
	identity.Sponsorship
	// DefaultDays after its start a contract without an end ends; no contract may
	// end more than MostDays ahead.
	DefaultDays, MostDays int
}

// Target is a connected system.
type Target struct {
	Name       string
	Account    AccountName
	Main       identity.MainRule    // the main employment here
	Attributes map[string]Attribute // by the target's own attribute names
	Adopt      []Claim              // how existing accounts are matched, the strongest claim first
	// Limits are the maximum of people that steps of each kind may concern within
	// an hour before they are held.
	Limits map[blastradius.Kind]blastradius.Limit
	Ignore []string
	// Reconcile is the interval of full reconciliation; zero means the service's
	// default.
	Reconcile time.Duration
	// Report reports that drift in the target is reported and left.
	Report bool
	MFA    bool // the target knows who is enrolled
	// FirstPassword configures the delivery of first passwords.
	FirstPassword FirstPassword
	// Settings are those of the connector.
	Settings Settings
	// references are the references of the connector's secrets, by field.
	references map[string]string
}

// Publish is where the log of the audit trail is published, and how often; an empty directory
// is nowhere.
type Publish struct {
	Directory string
	Every     time.Duration
}

// defaultPublish is how often the log is published.
const defaultPublish = time.Hour

// FirstPass is where the passes are handed over with which people who begin enrol for MFA, and
// for how long they are valid.
type FirstPass struct {
	To    FirstPassword
	Valid time.Duration
}

// FirstPassword is where first passwords are delivered; the zero value is
// nowhere.
type FirstPassword struct {
	// Directory gets a file for each password, readable for its owner only.
	Directory string
	// Command is run for each password, which it gets on standard input.
	Command []string
}

// AccountName defines the names of accounts in a target.
type AccountName struct {
	Value *identity.Template
	// Protected replaces it for people with protected identity; nil for none.
	Protected *identity.Template
	// Stated reports that the mapping itself defines their name.
	Stated bool
	// Most is the maximum length of a name, in characters; zero means no maximum.
	Most int
	// Number reports that a name that is taken gets a number. Otherwise the
	// account waits for a decision: the name may be taken by an account of the
	// same person.
	Number bool
	// Rename reports that accounts are renamed when the name changes. Otherwise
	// the name is assigned once.
	Rename bool
}

// Attribute defines the value of an attribute.
type Attribute struct {
	Value *identity.Template // nil for a reference
	// Default is used when Value is empty; nil for none.
	Default *identity.Template
	// OnCreate reports that it is set on a new account only.
	OnCreate bool
	// Manager reports that the value is the account of the person's manager.
	Manager bool
	// Cleared reports that a reference is removed while HR names no manager who
	// works here. Otherwise the value in the target is kept.
	Cleared bool
	// Protected replaces Value for people with protected identity, when Replaced
	// is set; nil withholds the value.
	Protected *identity.Template
	Replaced  bool
	// Stated reports that the mapping itself defines the value for people with
	// protected identity. Otherwise a value with personal data is withheld.
	Stated bool
}

// Claim is an attribute by which accounts are matched with people.
type Claim struct {
	Attribute string // connectors.LoginName means the login name
	Value     *identity.Template
}

// Reads reports whether any template of the target contains the field of
// identity.View.
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

// AttributeNames returns the names of the managed attributes, sorted.
func (t Target) AttributeNames() []string { return sortedKeys(t.Attributes) }

// References returns those of them that refer to accounts, sorted.
func (t Target) References() []string {
	return slices.DeleteFunc(t.AttributeNames(), func(name string) bool { return !t.Attributes[name].Manager })
}

// read returns the attributes that a snapshot must contain: the managed ones and
// those of claims.
func (t Target) read() []string {
	names := t.AttributeNames()
	for _, c := range t.Adopt {
		if c.Attribute != connectors.LoginName && !slices.Contains(names, c.Attribute) {
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

// ServiceAccount is a program that calls the API as itself, with tokens that are made for
// it. It decides nothing.
type ServiceAccount struct {
	Name    string
	Purpose string
	// Responsible are the records of the people who answer for it. While none of them works
	// here its tokens are refused.
	Responsible []identity.SourceKey
}

// ServiceAccount returns the service account with the name.
func (c *Config) ServiceAccount(name string) (ServiceAccount, bool) {
	i := slices.IndexFunc(c.ServiceAccounts, func(s ServiceAccount) bool { return s.Name == name })
	if i < 0 {
		return ServiceAccount{}, false
	}
	return c.ServiceAccounts[i], true
}

// Read is a file that the configuration was read from.
type Read struct {
	Path    string
	Content []byte
}

// Text returns the content of all configuration files, one after another. It
// contains no secrets.
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

// Digest returns a hash of the content of all configuration files.
func (c *Config) Digest() string {
	sum := sha256.Sum256([]byte(c.Text()))
	return hex.EncodeToString(sum[:])
}

// Resolve returns the secret of a reference: env:NAME is an environment variable,
// file:PATH a file, relative to the installation's directory. The empty reference
// is the empty secret.
func Resolve(dir, ref string) (string, error) {
	if ref == "" {
		return "", nil
	}
	if name, ok := strings.CutPrefix(ref, "env:"); ok {
		v, ok := os.LookupEnv(name)
		switch {
		case !ok:
			return "", fmt.Errorf("the environment variable %s is not set", name)
		case v == "":
			return "", fmt.Errorf("the environment variable %s is empty", name)
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
		secret := strings.TrimRight(string(b), "\r\n")
		if secret == "" {
			return "", fmt.Errorf("secret: %s is empty", name)
		}
		return secret, nil
	}
	return "", fmt.Errorf("a secret is a reference: env:NAME or file:PATH")
}

// ReadSecret reads a file with a secret; on Unix it refuses a file that other
// users can read or write.
func ReadSecret(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	info, err := f.Stat()
	if err == nil {
		err = checkSecretFile(name, info)
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}
