package ldap

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the length of a hash that no password has
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// passwords is how a flavour sets the first password.
type passwords interface {
	// required reports whether an account cannot be used without a password.
	required() bool
	// note tells the operator under which condition it works.
	note() string
	// unavailableReason returns why a password cannot be set on this connection.
	unavailableReason(s *session) (why string)
	// minimum returns the server's minimum length.
	minimum(ctx context.Context, s *session) (int, error)
	// addTo adds the password to a new entry's attributes, where it is set with
	// them.
	addTo(own map[string][]string, password string, keep bool)
	// finish sets the password of an existing entry, where it is not set with the
	// attributes, and keeps the account enabled or disabled as it was. note tells
	// the operator what else the server did not permit; the password is set all
	// the same.
	finish(ctx context.Context, s *session, dn, password string, keep, enabled bool) (note string, err error)
}

// setsPassword reports whether new accounts get a password.
func (c Config) setsPassword(f *flavour) bool {
	if c.FirstPassword.Set != nil {
		return *c.FirstPassword.Set
	}
	return c.PasswordSink != nil || f.passwords.required()
}

// unicodePassword sets the attribute unicodePwd of Active Directory ([MS-ADTS]
// 3.1.1.3.1.5.1).
type unicodePassword struct{}

func (unicodePassword) required() bool { return true }

func (unicodePassword) note() string { return "needs an encrypted connection" }

func (unicodePassword) unavailableReason(s *session) string {
	if s.encrypted {
		return ""
	}
	return "Active Directory accepts a first password on an encrypted connection only: use ldaps:// or start_tls"
}

func (unicodePassword) minimum(ctx context.Context, s *session) (int, error) {
	base := s.rootValues("defaultNamingContext")
	if len(base) == 0 {
		return 0, nil
	}
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: base[0], Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"minPwdLength"},
	})
	switch {
	case is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights):
		return 0, nil // the configured length is used
	case err != nil:
		return 0, s.failure(ctx, "read the password policy", err)
	case len(result.Entries) == 0:
		return 0, nil
	}
	n, _ := strconv.Atoi(result.Entries[0].GetEqualFoldAttributeValue("minPwdLength")) // a missing value is zero
	return n, nil
}

func (unicodePassword) addTo(own map[string][]string, password string, keep bool) {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b.WriteByte(byte(unit))
		b.WriteByte(byte(unit >> 8))
	}
	own["unicodepwd"] = []string{b.String()}
	if !keep {
		own["pwdlastset"] = []string{"0"} // [MS-ADA3] 2.175
	}
}

func (unicodePassword) finish(context.Context, *session, string, string, bool, bool) (string, error) {
	return "", nil
}

// extendedPassword uses the Password Modify operation (RFC 3062), with which the
// server hashes the password itself.
type extendedPassword struct{}

const passwordModify = "1.3.6.1.4.1.4203.1.11.1"

func (extendedPassword) required() bool { return false }

func (extendedPassword) note() string {
	return "by the Password Modify operation; to be changed at the first sign-in where the server has the ppolicy overlay"
}

func (extendedPassword) unavailableReason(s *session) string {
	if slices.Contains(s.rootValues("supportedExtension"), passwordModify) {
		return ""
	}
	return "the server does not support the Password Modify operation (RFC 3062), which sets the first password"
}

func (extendedPassword) minimum(context.Context, *session) (int, error) { return 0, nil }

func (extendedPassword) addTo(map[string][]string, string, bool) {}

// mustChangeAttribute makes the server require another password at the first
// sign-in (draft-behera-ldap-password-policy §5.3.6).
const mustChangeAttribute = "pwdReset"

// modifyPassword sets the password of an entry. Some servers change an existing
// password with this operation and do not set the first one: modifyPassword then
// writes the hash of a discarded random password first, which the operation
// replaces at once.
func modifyPassword(ctx context.Context, s *session, dn, password string) error {
	modify := func() error {
		return s.when(ctx, func() error {
			_, err := s.conn.PasswordModify(ldap.NewPasswordModifyRequest(dn, "", password))
			return err
		})
	}
	err := modify()
	if !is(err, ldap.LDAPResultUnwillingToPerform) {
		return err
	}
	random := make([]byte, sha1.Size+8)
	if _, err := rand.Read(random); err != nil {
		return fmt.Errorf("ldap: random numbers: %w", err)
	}
	m := ldap.NewModifyRequest(dn, nil)
	m.Add("userPassword", []string{"{SSHA}" + base64.StdEncoding.EncodeToString(random)})
	if s.modify(ctx, m) != nil {
		return err
	}
	return modify()
}

func (extendedPassword) finish(ctx context.Context, s *session, dn, password string, keep, enabled bool) (note string, err error) {
	if err := modifyPassword(ctx, s, dn, password); err != nil {
		return "", s.failure(ctx, "set the first password of an account that was created", err)
	}
	known, err := s.loadSchema(ctx)
	if err != nil {
		return "", err
	}
	if !enabled {
		// slapd removes the lock of an account when its password is set.
		m := ldap.NewModifyRequest(dn, nil)
		state := map[string][]string{}
		s.newState(state, false)
		for _, name := range sortedKeys(state) {
			m.Replace(name, state[name])
		}
		if err := s.modify(ctx, m); err != nil {
			return "", s.failure(ctx, "finish a new account's first password", err)
		}
	}
	if keep || !known.has(mustChangeAttribute) {
		return "", nil
	}
	// A server whose password policy sets the attribute itself refuses the write;
	// that must not lose the password.
	m := ldap.NewModifyRequest(dn, nil)
	m.Replace(mustChangeAttribute, []string{"TRUE"})
	err = s.modify(ctx, m)
	switch {
	case err == nil:
		return "", nil
	case is(err, refusals...):
		return mustChangeRefused, nil
	}
	return "", s.failure(ctx, "finish a new account's first password", err)
}

// mustChangeRefused is the note for an account whose first password is set and
// need not be changed.
const mustChangeRefused = "the first password need not be changed at the first sign-in: the server does not permit writing " + mustChangeAttribute + "; a password policy of the server can demand it, or set first_password: {keep: true} under ldap"
