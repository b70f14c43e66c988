package config

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Alerts configures who receives alerts about what needs a person's attention.
// The zero value sends none.
type Alerts struct {
	Email   *Email
	Webhook *Webhook
	// Silent is how long an HR source may deliver nothing new.
	Silent time.Duration
	// Unavailable is how long a target may not answer.
	Unavailable time.Duration
	// Language is what alerts are written in: en or sv.
	Language string
}

// Email configures alerts by mail.
type Email struct {
	From   string
	To     []string
	Host   string
	Port   int
	User   string // empty without authentication
	Secret string // a reference to the password
}

// Webhook configures alerts as CloudEvents 1.0 by HTTP POST.
type Webhook struct {
	URL   string
	Token string // a reference to a bearer token; empty without
	// Secret is a reference to the key that signs bodies, in the form of Standard
	// Webhooks (whsec_ and base64); empty without.
	Secret string
	CAFile string // has certificates to trust; empty for the system's
}

type alertsYAML struct {
	// Language is en (the default) or sv.
	Language string `yaml:"language"`
	// Silent is how long nothing new may come from an HR source. Default: 96h, which
	// is longer than a weekend with a holiday.
	Silent time.Duration `yaml:"silent_after"`
	// Away is how long a target may not answer. Default: 15m.
	Away time.Duration `yaml:"away_after"`
	// Email sends alerts by mail.
	Email *struct {
		// From is the sender's address.
		From string `yaml:"from"`
		// To are the recipients' addresses.
		To []string `yaml:"to"`
		// Server is HOST:PORT of the mail server, as smtp.example.org:587.
		Server string `yaml:"server"`
		// User is the name to sign in with at the mail server; with a password, or not
		// at all.
		User string `yaml:"user"`
		// Password is the reference to the user's password, as env:BEHOV_SMTP_PASSWORD.
		Password string `yaml:"password"`
	} `yaml:"email"`
	// Webhook posts alerts as CloudEvents 1.0.
	Webhook *struct {
		// URL is https://HOST/PATH; or a reference, when the address is a secret. A
		// redirect is not followed.
		URL string `yaml:"url"`
		// Token is the reference to a bearer token. Default: none.
		Token string `yaml:"token"`
		// Secret is the reference to the key that signs what is posted, as Standard
		// Webhooks (whsec_ and 32 random bytes in base64). Without it nothing is signed.
		Secret string `yaml:"secret"`
	} `yaml:"webhook"`
}

// defaultSilent is longer than a weekend with an adjacent holiday.
const defaultSilent = 4 * 24 * time.Hour

// alertLanguages are those that alerts can be written in.
var alertLanguages = []string{"en", "sv"}

// defaultUnavailable is longer than a server takes to restart.
const defaultUnavailable = 15 * time.Minute

func (l *loader) alerts(doc *document, y alertsYAML) Alerts {
	const at = "$.alerts"
	a := Alerts{Language: cmp.Or(y.Language, "en"), Silent: cmp.Or(y.Silent, defaultSilent), Unavailable: cmp.Or(y.Away, defaultUnavailable)}
	if !slices.Contains(alertLanguages, a.Language) {
		doc.report(at+".language", "alerts are written in en or sv, not %q", a.Language)
	}
	if a.Silent < time.Minute {
		doc.report(at+".silent_after", "it must be a minute or more, as in 26h or 96h")
	}
	if a.Unavailable < time.Minute {
		doc.report(at+".away_after", "it must be a minute or more, as in 15m or 2h")
	}
	secret := func(place, ref string) { checkSecret(doc, place, ref) }
	if e := y.Email; e != nil {
		at := at + ".email"
		out := &Email{From: e.From, To: e.To, User: e.User, Secret: e.Password}
		for _, address := range append([]string{e.From}, e.To...) {
			if _, err := mail.ParseAddress(address); err != nil {
				doc.report(at, "%q is no e-mail address: from has one, and to has one or more", address)
			}
		}
		if len(e.To) == 0 {
			doc.report(at+".to", "the recipient is missing: list e-mail addresses")
		}
		host, port, err := net.SplitHostPort(e.Server)
		n, portErr := strconv.ParseUint(port, 10, 16)
		if err != nil || portErr != nil || n == 0 || host == "" {
			doc.report(at+".server", "it must be HOST:PORT, as in smtp.example.org:587")
		}
		out.Host, out.Port = host, int(n)
		secret(at+".password", e.Password)
		if (e.User == "") != (e.Password == "") {
			doc.report(at, "user and password belong together")
		}
		a.Email = out
	}
	if w := y.Webhook; w != nil {
		at := at + ".webhook"
		checkWebhookURL(doc, at+".url", w.URL, "alerts contain data about people's access")
		secret(at+".token", w.Token)
		secret(at+".secret", w.Secret)
		a.Webhook = &Webhook{URL: w.URL, Token: w.Token, Secret: w.Secret}
	}
	return a
}

// checkSecret refuses a secret that stands in the configuration itself.
func checkSecret(doc *document, at, ref string) {
	if ref != "" && !isReference(ref) {
		doc.report(at, "a secret must not stand in the configuration: write env:NAME or file:PATH")
	}
}

// checkWebhookURL refuses an address that is none, or over which others could read what
// is posted.
func checkWebhookURL(doc *document, at, address, because string) {
	u, err := url.Parse(address)
	switch {
	case isReference(address): // the resolved URL is checked when it is used
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		doc.report(at, "it must be https://HOST/PATH; or env:NAME or file:PATH, when the address is a secret")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		doc.report(at, "it must be https://: %s", because)
	case hasPassword(u):
		doc.report(at, "a secret must not stand in the configuration: write it under token, as env:NAME or file:PATH")
	}
}

// Address returns the resolved URL.
func (w *Webhook) Address(dir string) (string, error) {
	if !isReference(w.URL) {
		return w.URL, nil
	}
	address, err := Resolve(dir, w.URL)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return "", fmt.Errorf("%s names no https://HOST/PATH", w.URL)
	}
	return address, nil
}

// Key returns the resolved key that signs bodies; nil for none.
func (w *Webhook) Key(dir string) ([]byte, error) {
	text, err := Resolve(dir, w.Secret)
	if text == "" || err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	if err != nil || len(key) < 24 || len(key) > 64 {
		return nil, fmt.Errorf("%s is no key of Standard Webhooks: it must be whsec_ and 24 to 64 random bytes in base64, as of \"openssl rand -base64 32\"", w.Secret)
	}
	return key, nil
}

// Unsigned returns a warning about a webhook without signed bodies; empty when
// there is none.
func (a Alerts) Unsigned() string {
	if a.Webhook == nil || a.Webhook.Secret != "" {
		return ""
	}
	return "alerts.webhook: what is posted is not signed: anyone who knows the address can send alerts that look like behov's; name a key under secret, as env:NAME or file:PATH (whsec_ and 32 random bytes in base64)"
}

// Secrets returns an error unless the secrets of the alerts can be read.
func (a Alerts) Secrets(dir string) error {
	var errs []error
	look := func(place, ref string) {
		if ref == "" {
			return
		}
		if _, err := Resolve(dir, ref); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", place, err))
		}
	}
	if a.Email != nil {
		look("alerts.email.password", a.Email.Secret)
	}
	if a.Webhook != nil {
		look("alerts.webhook.token", a.Webhook.Token)
		if _, err := a.Webhook.Key(dir); err != nil {
			errs = append(errs, fmt.Errorf("alerts.webhook.secret: %w", err))
		}
		if _, err := a.Webhook.Address(dir); err != nil {
			errs = append(errs, fmt.Errorf("alerts.webhook.url: %w", err))
		}
	}
	return errors.Join(errs...)
}
