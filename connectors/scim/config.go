package scim

import (
	"errors"
	"fmt"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/behov/behov/connectors/limit"
)

// Config describes the service and how to connect to it.
type Config struct {
	// URL is the service's base URL, below which Users and Groups are.
	URL string `yaml:"url"`
	// Token is the bearer token; behov.yaml holds a reference to it, as
	// env:BEHOV_SCIM_TOKEN. The connector gets the token itself. OAuth obtains a
	// token instead.
	Token string `yaml:"token"`
	OAuth *OAuth `yaml:"oauth"`
	// APIKey is sent with each request, in addition to a token or instead of one.
	APIKey *APIKey `yaml:"api_key"`
	// CertificateFile holds the client certificate and its chain, in PEM, for
	// services that require mutual TLS (RFC 8705 §2), in addition to a token or a
	// key, or instead. It is read again for each connection.
	CertificateFile string `yaml:"certificate_file"`
	// CertificateKeyFile holds its private key, in PEM. Default: CertificateFile.
	CertificateKeyFile string `yaml:"certificate_key_file"`
	// Plaintext must be true when the URL begins with http://: token and personal
	// data are then sent unencrypted.
	Plaintext bool `yaml:"plaintext"`
	// CAFile holds certificates, in PEM, to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// PageSize is how many resources a request asks for. Default: 200; a service
	// may send fewer.
	PageSize int `yaml:"page_size"`
	// Timeout is how long one request may take. Default: 30 seconds.
	Timeout time.Duration `yaml:"timeout"`
	// Attributes are the managed attributes, which a snapshot reads: SCIM
	// paths such as title, name.givenName, emails (the work address),
	// phoneNumbers[type eq "mobile"], roles, or, of an extension, its URN, a
	// colon and the name.
	Attributes []string `yaml:"-"`
	// MFAAttribute, when set, is the path of the attribute that shows MFA
	// enrolment: an account is enrolled when it has a value other than false.
	MFAAttribute string `yaml:"mfa_attribute"`
	// References are those of the managed attributes whose values are other
	// accounts' IDs: the enterprise extension's manager.
	References []string `yaml:"-"`
	// Quirks are ways in which the service differs from the standard, as
	// [no-group-patch]; behov connectors scim lists them.
	Quirks []Quirk `yaml:"quirks"`
	// Limits bounds the requests to the service.
	Limits limit.Limits `yaml:"-"`
}

// APIKey is a secret in a header of its own.
type APIKey struct {
	// Header is the header's name. Default: X-API-Key.
	Header string `yaml:"header"`
	// Value is the secret; behov.yaml holds a reference to it.
	Value string `yaml:"value"`
}

const (
	defaultPageSize = 200
	defaultTimeout  = 30 * time.Second
)

// withDefaults sets the defaults.
func (c Config) withDefaults() Config {
	if c.PageSize == 0 {
		c.PageSize = defaultPageSize
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.APIKey != nil && c.APIKey.Header == "" {
		c.APIKey = &APIKey{Header: "X-API-Key", Value: c.APIKey.Value}
	}
	if c.CertificateKeyFile == "" {
		c.CertificateKeyFile = c.CertificateFile
	}
	c.URL = strings.TrimRight(c.URL, "/")
	c.Attributes = slices.Clone(c.Attributes)
	return c
}

// validate returns what is missing or wrong, each on a line of its own.
func (c Config) validate() error {
	var errs []error
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }

	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
		add("url is missing: https://host/path, below which Users and Groups are")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Scheme != "http" && u.Scheme != "https"):
		add("url must be https://host/path, without user, query or fragment")
	case u.Scheme == "http" && !c.Plaintext:
		add("the connection would not be encrypted: use https://, or allow it with plaintext: true")
	}
	switch {
	case c.OAuth != nil && c.Token != "":
		add("token and oauth are both set: remove one of them")
	case c.OAuth != nil:
		c.OAuth.validate(c.Plaintext, add)
	case c.Token == "" && c.APIKey == nil && c.CertificateFile == "":
		add("credentials are missing: set token; or oauth, with token_url, client_id and client_secret; or api_key, with header and value; or certificate_file")
	case strings.ContainsFunc(c.Token, noPartOfSecret):
		add("token has invalid characters: check it for line breaks")
	}
	if c.CertificateFile == "" && c.CertificateKeyFile != "" {
		add("certificate_key_file is set without certificate_file")
	}
	if c.CertificateFile != "" && u != nil && u.Scheme == "http" {
		add("certificate_file requires https://")
	}
	if c.APIKey != nil {
		c.APIKey.validate(add)
	}
	if c.PageSize < 1 {
		add("page_size must be at least 1")
	}
	if c.Timeout < 0 {
		add("timeout must not be negative")
	}
	for _, q := range c.Quirks {
		if why := unknownQuirk(q); why != "" {
			add("%s", why)
		}
	}
	if err := c.Limits.Validate(); err != nil {
		add("%w", err)
	}
	for _, a := range c.Attributes {
		if _, err := parsePath(a); err != nil {
			add("%w", err)
		}
	}
	if c.MFAAttribute != "" {
		if _, err := parsePath(c.MFAAttribute); err != nil {
			add("mfa_attribute: %w", err)
		}
	}
	return errors.Join(errs...)
}

func noPartOfSecret(r rune) bool { return r <= ' ' || r > '~' }

// reservedHeaders are those that the connector sets itself.
var reservedHeaders = []string{"Authorization", "Accept", "Content-Type", "Content-Length", "Host", "If-Match", "Connection", "Transfer-Encoding", "Cookie"}

func (k *APIKey) validate(add func(format string, args ...any)) {
	switch {
	case k.Value == "":
		add("api_key.value is missing")
	case strings.ContainsFunc(k.Value, noPartOfSecret):
		add("api_key.value has invalid characters: check it for line breaks")
	}
	name := textproto.CanonicalMIMEHeaderKey(k.Header)
	if !httpguts.ValidHeaderFieldName(k.Header) || slices.Contains(reservedHeaders, name) {
		add("api_key.header %q is invalid or reserved; use a header name such as X-API-Key", k.Header)
	}
}

func (o *OAuth) validate(plaintext bool, add func(format string, args ...any)) {
	u, err := url.Parse(o.TokenURL)
	switch {
	case o.TokenURL == "":
		add("oauth.token_url is missing")
	case err != nil || u.Host == "" || u.User != nil || (u.Scheme != "http" && u.Scheme != "https"):
		add("oauth.token_url must be https://host/path")
	case u.Scheme == "http" && !plaintext:
		add("oauth.token_url would not be encrypted: use https://, or allow it with plaintext: true")
	}
	if o.ClientID == "" {
		add("oauth.client_id is missing")
	}
	if o.ClientSecret == "" {
		add("oauth.client_secret is missing")
	}
}
