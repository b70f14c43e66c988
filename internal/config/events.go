package config

import (
	"cmp"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// EventStream is where events about decisions and access are delivered. Exactly one of
// Webhook, File, Syslog and SSF is set.
type EventStream struct {
	Name string
	// FromStart reports that a new stream begins with the first record of the audit
	// trail, and not with the next one.
	FromStart bool
	Webhook   *Webhook
	File      string // the path, absolute or from the working directory
	Syslog    *Syslog
	SSF       *Transmitter
}

// Syslog is a collector of RFC 5424 messages over TLS (RFC 5425).
type Syslog struct {
	Address string // HOST:PORT
	// CAFile has certificates to trust; empty for the system's. CertificateFile and
	// CertificateKeyFile are those of the client; empty without.
	CAFile, CertificateFile, CertificateKeyFile string
}

// Transmitter is a transmitter of the OpenID Shared Signals Framework 1.0.
type Transmitter struct {
	Issuer string // without a slash at the end
	// Key is a reference to the private key, in PEM, that signs Security Event Tokens.
	Key       string
	Receivers []Receiver // sorted by name
}

// Receiver is a receiver of Security Event Tokens.
type Receiver struct {
	Name     string
	Audience []string
	// Push is where tokens are pushed (RFC 8935); nil for a receiver that polls (RFC
	// 8936).
	Push *Webhook
	// Token is a reference to the bearer token by which the receiver reads its stream
	// and polls; empty for one that only gets pushed to.
	Token   string
	Signals []string // of Signals, sorted
	Subject SubjectFormat
}

// SubjectFormat is how a receiver is told whom an event is about (RFC 9493).
type SubjectFormat struct {
	Format string // SubjectOpaque, SubjectEmail or SubjectIssSub
	Issuer string // of SubjectIssSub
	// Attribute is the subject of SubjectIssSub: AttributePersonID, AttributeLogin or
	// AttributeEmail; or Account is the target whose ID of the account it is.
	Attribute, Account string
	// Protected reports that the e-mail address of people with protected identity is
	// sent, too.
	Protected bool
}

// The formats of a subject.
const (
	SubjectOpaque = "opaque"
	SubjectEmail  = "email"
	SubjectIssSub = "iss_sub"
)

// The attributes of a subject.
const (
	AttributePersonID = "person_id"
	AttributeLogin    = "login"
	AttributeEmail    = "email"
)

// The signals that a receiver gets.
const (
	SignalSessionRevoked   = "session-revoked"
	SignalCredentialChange = "credential-change" //nolint:gosec // no credential
	SignalAccountDisabled  = "account-disabled"
	SignalAccountEnabled   = "account-enabled"
)

// Signals are all of them, sorted.
var Signals = []string{SignalAccountDisabled, SignalAccountEnabled, SignalCredentialChange, SignalSessionRevoked}

type eventStreamYAML struct {
	// FromStart reports that a new stream begins with the first record of the audit
	// trail. Default: false, with what happens from now on.
	FromStart bool `yaml:"from_start"`
	// Webhook posts each event as CloudEvents 1.0, signed as Standard Webhooks.
	Webhook *eventWebhookYAML `yaml:"webhook"`
	// File is a file to which each event is appended as a line of JSON.
	File string `yaml:"file"`
	// Syslog sends each event to a collector as RFC 5424 over TLS.
	Syslog *syslogYAML `yaml:"syslog"`
	// SSF transmits Security Event Tokens to receivers of the OpenID Shared Signals
	// Framework 1.0. One stream may have it.
	SSF *transmitterYAML `yaml:"ssf"`
}

type eventWebhookYAML struct {
	// URL is https://HOST/PATH; or a reference, when the address is a secret. A
	// redirect is not followed.
	URL string `yaml:"url"`
	// Token is the reference to a bearer token. Default: none.
	Token string `yaml:"token"`
	// Secret is the reference to the key that signs what is posted, as Standard
	// Webhooks (whsec_ and 32 random bytes in base64).
	Secret string `yaml:"secret"`
	// CAFile has certificates, in PEM, to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
}

type syslogYAML struct {
	// Address is HOST:PORT of the collector, as siem.example.org:6514.
	Address string `yaml:"address"`
	// CAFile has certificates, in PEM, to trust instead of the system's.
	CAFile string `yaml:"ca_file"`
	// CertificateFile is the client's certificate, in PEM. Default: none.
	CertificateFile string `yaml:"certificate_file"`
	// CertificateKeyFile is the private key of the client's certificate, in PEM.
	CertificateKeyFile string `yaml:"certificate_key_file"`
}

type transmitterYAML struct {
	// Issuer is https://HOST, at which receivers reach behov serve --listen: the
	// configuration is at /.well-known/ssf-configuration there.
	Issuer string `yaml:"issuer"`
	// Key is the reference to the private key that signs, in PEM: RSA of 2048 bits or
	// more signs with RS256, P-256 with ES256. As file:ssf.key.
	Key string `yaml:"key"`
	// Receivers are the receivers, each with a name of its own.
	Receivers map[string]receiverYAML `yaml:"receivers"`
}

type receiverYAML struct {
	// Audience is what the receiver calls itself: the claim aud.
	Audience []string `yaml:"audience"`
	// Push is where tokens are pushed. Without it the receiver polls.
	Push *struct {
		// URL is https://HOST/PATH; or a reference, when the address is a secret. A
		// redirect is not followed.
		URL string `yaml:"url"`
		// Token is the reference to the bearer token that behov shows the receiver.
		// Default: none.
		Token string `yaml:"token"`
		// CAFile has certificates, in PEM, to trust instead of the system's.
		CAFile string `yaml:"ca_file"`
	} `yaml:"push"`
	// Token is the reference to the bearer token by which the receiver polls, reads the
	// configuration and the status of its stream, and asks for a verification.
	Token string `yaml:"token"`
	// Events are the signals that the receiver gets: session-revoked, account-disabled,
	// account-enabled, credential-change. Default: all of them.
	Events []string `yaml:"events"`
	// Subject is how the receiver is told whom an event is about.
	Subject subjectYAML `yaml:"subject"`
}

type subjectYAML struct {
	// Format is opaque (behov's ID of the person, the default), email or iss_sub.
	Format string `yaml:"format"`
	// Issuer is the issuer of iss_sub: the identity provider that both know.
	Issuer string `yaml:"issuer"`
	// Attribute is the subject of iss_sub: login (the default), email or person_id.
	Attribute string `yaml:"attribute"`
	// Account is the target whose own ID of the person's account is the subject of
	// iss_sub, as the object ID of Entra ID; instead of attribute.
	Account string `yaml:"account"`
	// Protected reports that the e-mail address of people with protected identity is
	// sent, too. Default: false; their events have the opaque ID.
	Protected bool `yaml:"protected"`
}

// streamName is a name that can stand in a URL and in a metric's label.
var streamName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

const badStreamName = "%q is no name for a stream or a receiver: letters, digits, - and _, as in siem"

func (l *loader) events(doc *document, y map[string]eventStreamYAML, c *Config) []EventStream {
	var all []EventStream
	files := map[string]bool{}
	transmitters := 0
	for _, name := range sortedKeys(y) {
		at := "$.events." + quoteKey(name)
		if !streamName.MatchString(name) {
			doc.report(at, badStreamName, name)
		}
		s := l.eventStream(doc, at, y[name], c)
		s.Name = name
		if files[s.File] && s.File != "" {
			doc.report(at+".file", "another stream has this file already")
		}
		files[s.File] = true
		if s.SSF != nil {
			if transmitters++; transmitters > 1 {
				doc.report(at+".ssf", "another stream is a transmitter already: list all receivers there")
			}
		}
		all = append(all, s)
	}
	return all
}

func (l *loader) eventStream(doc *document, at string, y eventStreamYAML, c *Config) EventStream {
	s := EventStream{FromStart: y.FromStart, File: l.file(y.File)}
	kinds := 0
	if y.File != "" {
		kinds++
	}
	if w := y.Webhook; w != nil {
		kinds++
		checkWebhookURL(doc, at+".webhook.url", w.URL, "events contain data about people's access")
		checkSecret(doc, at+".webhook.token", w.Token)
		checkSecret(doc, at+".webhook.secret", w.Secret)
		if w.Secret == "" {
			doc.report(at+".webhook", "secret is missing: anyone who knows the address could send events that look like behov's; name a key as env:NAME or file:PATH (whsec_ and 32 random bytes in base64)")
		}
		s.Webhook = &Webhook{URL: w.URL, Token: w.Token, Secret: w.Secret, CAFile: l.file(w.CAFile)}
	}
	if y.Syslog != nil {
		kinds++
		s.Syslog = l.syslog(doc, at+".syslog", *y.Syslog)
	}
	if y.SSF != nil {
		kinds++
		s.SSF = l.transmitter(doc, at+".ssf", *y.SSF, c)
		if y.FromStart {
			doc.report(at+".from_start", "a transmitter sends what happens from now on: receivers act on signals")
		}
	}
	if kinds != 1 {
		doc.report(at, "a stream has exactly one of webhook, file, syslog and ssf; this one has %d", kinds)
	}
	return s
}

func (l *loader) syslog(doc *document, at string, y syslogYAML) *Syslog {
	host, port, err := net.SplitHostPort(y.Address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	if err != nil || portErr != nil || n == 0 || host == "" {
		doc.report(at+".address", "it must be HOST:PORT, as in siem.example.org:6514")
	}
	if (y.CertificateFile == "") != (y.CertificateKeyFile == "") {
		doc.report(at, "certificate_file and certificate_key_file belong together")
	}
	return &Syslog{Address: y.Address, CAFile: l.file(y.CAFile), CertificateFile: l.file(y.CertificateFile), CertificateKeyFile: l.file(y.CertificateKeyFile)}
}

func (l *loader) transmitter(doc *document, at string, y transmitterYAML, c *Config) *Transmitter {
	t := &Transmitter{Issuer: strings.TrimSuffix(y.Issuer, "/"), Key: y.Key}
	if u, err := url.Parse(y.Issuer); err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		doc.report(at+".issuer", "it must be https://HOST, without a path: receivers read /.well-known/ssf-configuration there")
	}
	checkSecret(doc, at+".key", y.Key)
	if y.Key == "" {
		doc.report(at, "key is missing: name the private key that signs, as file:ssf.key")
	}
	if len(y.Receivers) == 0 {
		doc.report(at, "receivers are missing: a transmitter has one or more")
	}
	for _, name := range sortedKeys(y.Receivers) {
		place := at + ".receivers." + quoteKey(name)
		if !streamName.MatchString(name) {
			doc.report(place, badStreamName, name)
		}
		r := l.receiver(doc, place, y.Receivers[name], c)
		r.Name = name
		t.Receivers = append(t.Receivers, r)
	}
	return t
}

func (l *loader) receiver(doc *document, at string, y receiverYAML, c *Config) Receiver {
	r := Receiver{Audience: y.Audience, Token: y.Token, Signals: slices.Sorted(slices.Values(y.Events)), Subject: subject(doc, at+".subject", y.Subject, c)}
	if len(y.Audience) == 0 || slices.Contains(y.Audience, "") {
		doc.report(at, "audience is missing: list what the receiver calls itself, as [https://portal.example.org]")
	}
	checkSecret(doc, at+".token", y.Token)
	if p := y.Push; p != nil {
		checkWebhookURL(doc, at+".push.url", p.URL, "signals say whose access ends")
		checkSecret(doc, at+".push.token", p.Token)
		r.Push = &Webhook{URL: p.URL, Token: p.Token, CAFile: l.file(p.CAFile)}
	} else if y.Token == "" {
		doc.report(at, "a receiver is pushed to, under push, or polls with a token of its own, under token; this one has neither")
	}
	for _, name := range y.Events {
		if !slices.Contains(Signals, name) {
			doc.report(at+".events", "%q is none of %s", name, strings.Join(Signals, ", "))
		}
	}
	if len(y.Events) == 0 {
		r.Signals = Signals
	}
	return r
}

func subject(doc *document, at string, y subjectYAML, c *Config) SubjectFormat {
	s := SubjectFormat{Format: cmp.Or(y.Format, SubjectOpaque), Issuer: y.Issuer, Attribute: y.Attribute, Account: y.Account, Protected: y.Protected}
	iss := s.Format == SubjectIssSub
	switch {
	case !slices.Contains([]string{SubjectOpaque, SubjectEmail, SubjectIssSub}, s.Format):
		doc.report(at+".format", "%q is none of opaque, email and iss_sub", s.Format)
	case iss && y.Issuer == "":
		doc.report(at, "issuer is missing: iss_sub names the identity provider that both know, as https://login.example.org")
	case !iss && (y.Issuer != "" || y.Attribute != "" || y.Account != ""):
		doc.report(at, "issuer, attribute and account are for the format iss_sub")
	case y.Attribute != "" && y.Account != "":
		doc.report(at, "either attribute or account is the subject")
	}
	if iss && s.Account == "" {
		s.Attribute = cmp.Or(s.Attribute, AttributeLogin)
		if !slices.Contains([]string{AttributeLogin, AttributeEmail, AttributePersonID}, s.Attribute) {
			doc.report(at+".attribute", "%q is none of login, email and person_id", s.Attribute)
		}
	}
	if _, ok := c.Target(s.Account); s.Account != "" && !ok {
		doc.report(at+".account", "there is no target %q", s.Account)
	}
	return s
}
