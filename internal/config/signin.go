package config

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// SignIn configures how people sign in, by OpenID Connect. The zero value is none.
type SignIn struct {
	// Issuer is the identity provider, as it calls itself.
	Issuer string
	// Client is behov's client ID there, Secret a reference to its secret; empty for a
	// public client, which shows by PKCE alone that it began the sign-in.
	Client, Secret string
	// URL is where people's browsers reach behov, without a path.
	URL    *url.URL
	Scopes []string
	Person PersonClaim
	// Groups is the claim with the groups that rights.csv names as group:NAME; empty for
	// none.
	Groups string
	// ACR and AMR are values of these claims that mean more than one factor. StepUpACR is
	// what is asked for when more than one factor is needed.
	ACR, AMR  []string
	StepUpACR string
	// Fresh is for how long a sign-in counts as just now. Idle is after how long without
	// use a session ends, and Lasts after how long at the latest.
	Fresh, Idle, Lasts time.Duration
}

// Configured reports whether people can sign in.
func (s SignIn) Configured() bool { return s.Issuer != "" }

// PersonClaim says which claim tells who a person is.
type PersonClaim struct {
	Claim string
	// Source is the HR source whose person_id the claim is, or Target the target whose
	// account's ID it is.
	Source, Target string
}

type signInYAML struct {
	// Issuer is the address of the OpenID Connect provider, as it calls itself, as
	// https://login.microsoftonline.com/TENANT/v2.0. Its metadata is read below
	// /.well-known/openid-configuration.
	Issuer string `yaml:"issuer"`
	// Client is behov's client ID there. The redirect address to register is
	// URL/sign-in/callback, the one after a sign-out URL/, the back-channel one
	// URL/sign-in/logged-out.
	Client string `yaml:"client"`
	// Secret is the reference to the client's secret, as env:BEHOV_SIGN_IN_SECRET.
	// Default: none, for a public client.
	Secret string `yaml:"secret"`
	// URL is where people's browsers reach behov, as https://behov.example.org.
	URL string `yaml:"url"`
	// Scopes are asked for beside openid. Default: profile.
	Scopes []string `yaml:"scopes"`
	// Person says which claim tells who a person is. It must be one that is never given
	// to another person: an address or a name is not taken.
	Person struct {
		// Claim is the name of the claim, as oid or employee_id.
		Claim string `yaml:"claim"`
		// Source is the HR source whose person_id the claim is. Default: the first
		// source, when target is not set.
		Source string `yaml:"source"`
		// Target is the target whose account's own ID the claim is, as of Entra ID's oid
		// the target of kind graph: the person is the one whose account it is.
		Target string `yaml:"target"`
	} `yaml:"person"`
	// Groups is the name of the claim with the person's groups. rights.csv gives them
	// roles as g, group:NAME, ROLE. Default: none.
	Groups string `yaml:"groups"`
	// MFA says how the provider tells that more than one factor was used. Decisions need
	// it; to look needs none.
	MFA struct {
		// ACR are values of the claim acr. Default: none.
		ACR []string `yaml:"acr"`
		// AMR are values of the claim amr. Default: mfa.
		AMR []string `yaml:"amr"`
		// Ask is the acr value that is asked for when a decision needs more than the
		// sign-in had. Default: the first of acr.
		Ask string `yaml:"ask"`
	} `yaml:"mfa"`
	// Fresh is for how long a sign-in counts as just now, which releases of holds,
	// suspensions and erasures need. Default: 10m.
	Fresh time.Duration `yaml:"fresh"`
	// Idle is after how long without use a session ends. Default: 30m.
	Idle time.Duration `yaml:"idle"`
	// Lasts is after how long a session ends at the latest. Default: 10h.
	Lasts time.Duration `yaml:"lasts"`
}

const (
	defaultFresh = 10 * time.Minute
	defaultIdle  = 30 * time.Minute
	defaultLasts = 10 * time.Hour
)

// weakClaims are given to another person sooner or later, or are what people say of
// themselves.
var weakClaims = []string{"email", "mail", "preferred_username", "upn", "unique_name", "name", "nickname", "given_name", "family_name", "phone_number", "profile"}

// signIn reads the section; nil is none. sources and targets are the names of those that
// are configured.
func (l *loader) signIn(doc *document, y *signInYAML, c *Config) SignIn {
	if y == nil {
		return SignIn{Fresh: defaultFresh, Idle: defaultIdle, Lasts: defaultLasts}
	}
	const at = "$.sign_in"
	s := SignIn{Issuer: y.Issuer, Client: y.Client, Secret: y.Secret, Scopes: y.Scopes, Groups: y.Groups, ACR: y.MFA.ACR, AMR: y.MFA.AMR,
		StepUpACR: y.MFA.Ask, Fresh: cmp.Or(y.Fresh, defaultFresh), Idle: cmp.Or(y.Idle, defaultIdle), Lasts: cmp.Or(y.Lasts, defaultLasts)}
	address := func(place, text, example string) *url.URL {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			doc.report(place, "it must be an address, as %s", example)
			return &url.URL{}
		case u.Scheme == "http" && !loopback(u.Hostname()):
			doc.report(place, "it must be https://: what is sent there lets people in")
		}
		return u
	}
	address(at+".issuer", y.Issuer, "https://login.example.org")
	if s.URL = address(at+".url", y.URL, "https://behov.example.org"); strings.Trim(s.URL.Path, "/") != "" {
		doc.report(at+".url", "it has a path, and behov answers at the root of its address: leave out %s", s.URL.Path)
	}
	s.URL.Path = ""
	if s.Client == "" {
		doc.report(at+".client", "the client ID is missing: register behov at the identity provider, and write its client ID here")
	}
	if s.Secret != "" && !isReference(s.Secret) {
		doc.report(at+".secret", "a secret must not stand in the configuration: write env:NAME or file:PATH")
	}
	s.Person = l.personClaim(doc, at+".person", y, c)
	if len(s.Scopes) == 0 {
		s.Scopes = []string{"profile"}
	}
	if len(s.ACR)+len(s.AMR) == 0 {
		s.AMR = []string{"mfa"}
	}
	if s.StepUpACR == "" && len(s.ACR) > 0 {
		s.StepUpACR = s.ACR[0]
	}
	for place, d := range map[string]time.Duration{".fresh": s.Fresh, ".idle": s.Idle, ".lasts": s.Lasts} {
		if d < time.Minute || d > 30*24*time.Hour {
			doc.report(at+place, "it is a duration from 1m to 720h, as 30m or 10h")
		}
	}
	return s
}

func (l *loader) personClaim(doc *document, at string, y *signInYAML, c *Config) PersonClaim {
	p := PersonClaim{Claim: y.Person.Claim, Source: y.Person.Source, Target: y.Person.Target}
	switch {
	case p.Claim == "":
		doc.report(at+".claim", "the claim that tells who a person is is missing, as oid or employee_id")
	case slices.Contains(weakClaims, strings.ToLower(p.Claim)):
		doc.report(at+".claim", "%s does not tell who a person is: an address or a name is given to another person sooner or later. Take a claim that is never given again, as oid, or the employee number", p.Claim)
	}
	isTarget := slices.ContainsFunc(c.Targets, func(t Target) bool { return t.Name == p.Target })
	_, isSource := c.Sources[p.Source]
	switch {
	case p.Source != "" && p.Target != "":
		doc.report(at, "the claim is a person_id of a source or the ID of an account in a target: leave out source or target")
	case p.Target != "" && !isTarget:
		doc.report(at+".target", "there is no target %q", p.Target)
	case p.Source != "" && !isSource:
		doc.report(at+".source", "there is no HR source %q", p.Source)
	case p.Target == "" && p.Source == "":
		p.Source = c.First
	}
	return p
}

// Secrets returns an error unless the client's secret can be read.
func (s SignIn) Secrets(dir string) error {
	if s.Secret == "" {
		return nil
	}
	if _, err := Resolve(dir, s.Secret); err != nil {
		return fmt.Errorf("sign_in.secret: %w", err)
	}
	return nil
}
