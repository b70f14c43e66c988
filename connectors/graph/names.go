package graph

import (
	"strings"
)

// shortName returns the login name of an account: its user principal name,
// without the configured domain.
func (c *Connector) shortName(upn string) string {
	i := strings.LastIndexByte(upn, '@')
	if i > 0 && c.cfg.Domain != "" && strings.EqualFold(upn[i+1:], c.cfg.Domain) {
		return upn[:i]
	}
	return upn
}

// longName returns a login name with the configured domain, without validation.
func (c *Connector) longName(name string) string {
	if strings.Contains(name, "@") || c.cfg.Domain == "" {
		return name
	}
	return name + "@" + c.cfg.Domain
}

// upn returns the user principal name of a login name, or why it is invalid.
// Graph's rule is in https://learn.microsoft.com/graph/api/resources/user
// (userPrincipalName).
func (c *Connector) upn(name string) (upn, why string) {
	if name == "" {
		return "", "the account has no login name"
	}
	if name = c.longName(name); !strings.Contains(name, "@") {
		return "", "the name has no domain: add one, or set domain"
	}
	local, domain, _ := strings.Cut(name, "@")
	if why := invalidLocalPart(local); why != "" {
		return "", why
	}
	if !c.cfg.Guests && isExternal(local) {
		return "", "names with " + guestMarker + " belong to guests: set guests: true to manage guests"
	}
	if domain == "" || len(domain) > 48 || strings.ContainsFunc(domain, func(r rune) bool {
		return r != '.' && r != '-' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}) {
		return "", "the name's domain is invalid"
	}
	return name, ""
}

// invalidLocalPart returns why a text is invalid before the @, or "". The rules
// about dots are in
// https://learn.microsoft.com/office/troubleshoot/office-suite-issues/username-contains-special-character.
func invalidLocalPart(local string) string {
	const longest = 64
	switch {
	case local == "":
		return "the name has nothing before the @"
	case strings.ContainsFunc(local, func(r rune) bool { return !strings.ContainsRune(permitted, r) }):
		return "the name has characters that a user principal name does not allow; use A to Z, digits and ' . - _ ! # ^ ~"
	case strings.HasPrefix(local, "."), strings.HasSuffix(local, "."), strings.Contains(local, ".."):
		return "the name begins or ends with a dot or has several in a row, which a user principal name does not allow"
	case len(local) > longest:
		return "the name is too long: a user principal name has at most 64 characters before the @"
	}
	return ""
}

const permitted = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'.-_!#^~"

// nickname returns the mailNickname for a user principal name.
func nickname(upn string) string { local, _, _ := strings.Cut(upn, "@"); return local }

// passwordLength is the length of first passwords.
const passwordLength = 24
