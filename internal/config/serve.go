package config

import (
	"net/mail"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"golang.org/x/net/idna"
)

// Serve configures what listens.
type Serve struct {
	// Proxies are the addresses of proxies whose forwarded headers are believed.
	Proxies []netip.Prefix
	// PerAddress and PerSubject are the requests a second from one client address,
	// and of one subject. FailedSignIns is the number of failed sign-ins a minute from
	// one client address.
	PerAddress, PerSubject, FailedSignIns int
	ACME                                  *ACME
}

// ACME configures certificates by ACME (RFC 8555).
type ACME struct {
	Hosts     []string // in lower case and Punycode
	Directory string   // a URL; empty for Let's Encrypt
	Cache     string   // a directory
	Contact   string   // an e-mail address; empty for none
	CAFile    string   // empty for the system's authorities
}

// serveYAML is how behov serve listens: where, its flags say.
type serveYAML struct {
	// Proxies are the addresses or networks, as 10.1.2.0/24, of proxies whose Forwarded,
	// X-Forwarded-For and X-Forwarded-Proto headers are believed. The client is then
	// the last address in these that is not one of them. Without it such headers are
	// ignored.
	Proxies []string `yaml:"trusted_proxies"`
	// Limits are how much one client may ask for. Who asks for more is answered 429
	// and told when to come back.
	Limits struct {
		// PerAddress is the number of requests a second from one client address, of
		// which twice as many may come at once. Probes do not count. Behind a proxy
		// that is not among trusted_proxies, all clients have one address. Default: 300.
		PerAddress *int `yaml:"requests_per_address"`
		// PerSubject is the number of requests a second of one person or API client, of
		// which twice as many may come at once. Default: 50.
		PerSubject *int `yaml:"requests_per_subject"`
		// FailedSignIns is the number of failed sign-ins a minute from one client
		// address. Sign-ins that succeed are not delayed by those that fail. Default: 30.
		FailedSignIns *int `yaml:"failed_sign_ins"`
	} `yaml:"limits"`
	ACME *acmeYAML `yaml:"acme"`
}

// acmeYAML gets the certificate for --listen by ACME, and renews it, instead of reading
// it from files. Port 443 of each host must lead to the address of --listen, as the
// certificate authority checks by TLS-ALPN-01. Changes need a restart.
type acmeYAML struct {
	// Hosts are the names of this server, as [behov.example.org].
	Hosts []string `yaml:"hosts"`
	// Directory is the URL of the authority's ACME directory. Default: that of Let's
	// Encrypt, whose terms of service you then accept.
	Directory string `yaml:"directory"`
	// Cache is the directory for the account's key and the certificates. Several behov
	// serve for the same hosts share it. Default: acme.
	Cache string `yaml:"cache"`
	// Contact is an e-mail address that the authority may write to. Default: none.
	Contact string `yaml:"contact"`
	// CAFile is a file with the certificates, in PEM, by which the authority's own
	// server is verified. Default: the system's.
	CAFile string `yaml:"ca_file"`
}

// The defaults of serveYAML. One address may be that of a whole organisation.
const (
	defaultPerAddress    = 300
	defaultPerSubject    = 50
	defaultFailedSignIns = 30
	defaultACMECache     = "acme"
	mostRate             = 1_000_000
)

func (l *loader) serve(doc *document, y serveYAML) Serve {
	const at = "$.serve"
	s := Serve{PerAddress: rateOf(doc, at+".limits.requests_per_address", y.Limits.PerAddress, defaultPerAddress),
		PerSubject:    rateOf(doc, at+".limits.requests_per_subject", y.Limits.PerSubject, defaultPerSubject),
		FailedSignIns: rateOf(doc, at+".limits.failed_sign_ins", y.Limits.FailedSignIns, defaultFailedSignIns)}
	for _, text := range y.Proxies {
		network, err := netip.ParsePrefix(text)
		if address, addressErr := netip.ParseAddr(text); addressErr == nil && address.Zone() == "" {
			address = address.Unmap()
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		switch {
		case err != nil || network.Addr().Is4In6():
			doc.report(at+".trusted_proxies", "%q is no address and no network: write it as 10.1.2.3, 10.1.2.0/24 or 2001:db8::/64", text)
		case network != network.Masked():
			doc.report(at+".trusted_proxies", "%q has bits beyond its length: the network is %s", text, network.Masked())
		case network.Bits() == 0:
			doc.report(at+".trusted_proxies", "%q is every address: every client could say that it is another", text)
		default:
			s.Proxies = append(s.Proxies, network)
		}
	}
	if y.ACME != nil {
		s.ACME = l.acme(doc, at+".acme", *y.ACME)
	}
	return s
}

func rateOf(doc *document, at string, n *int, otherwise int) int {
	if n == nil {
		return otherwise
	}
	if *n < 1 || *n > mostRate {
		doc.report(at, "it is a number from 1 to %d", mostRate)
	}
	return *n
}

func (l *loader) acme(doc *document, at string, y acmeYAML) *ACME {
	a := &ACME{Directory: y.Directory, Cache: l.file(filepath.FromSlash(or(y.Cache, defaultACMECache))), Contact: y.Contact, CAFile: l.file(y.CAFile)}
	if len(y.Hosts) == 0 {
		doc.report(at+".hosts", "name the hosts that the certificate is for, as [behov.example.org]")
	}
	for _, host := range y.Hosts {
		name, err := idna.Lookup.ToASCII(strings.TrimSuffix(host, "."))
		if _, addressErr := netip.ParseAddr(name); err != nil || addressErr == nil || !strings.Contains(name, ".") {
			doc.report(at+".hosts", "%q is no name of a host in full, as behov.example.org", host)
		}
		a.Hosts = append(a.Hosts, name)
	}
	if u, err := url.Parse(y.Directory); y.Directory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		doc.report(at+".directory", "it must be https://HOST/PATH")
	}
	if address, err := mail.ParseAddress(y.Contact); y.Contact != "" && (err != nil || address.Address != y.Contact) {
		doc.report(at+".contact", "%q is no e-mail address", y.Contact)
	}
	return a
}
