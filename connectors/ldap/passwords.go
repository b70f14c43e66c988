package ldap

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // the length of a hash that no password has
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// passwords is how a flavour sets the first password.
type passwords interface {
	// always is set when an account is no use without.
	always() bool
	// note says for a person under which condition it works.
	note() string
	// ready says why a password cannot be set on this connection.
	ready(s *session) (why string)
	// minimum returns how long the server wants it at least.
	minimum(ctx context.Context, s *session) (int, error)
	// with adds it to a new entry's attributes, where it goes with them.
	with(own map[string][]string, password string, keep bool)
	// after sets it for an entry that is there, where it does not, and sees to
	// it that the account is enabled or not as it was. note says for people what
	// the server did not permit besides; the password is set all the same.
	after(ctx context.Context, s *session, dn, password string, keep, enabled bool) (note string, err error)
}

// setsPassword says whether new accounts get a password.
func (c Config) setsPassword(f *flavour) bool {
	if c.FirstPassword.Set != nil {
		return *c.FirstPassword.Set
	}
	return c.Handover != nil || f.passwords.always()
}

// kinds are the characters of a password, without those that are taken for
// one another when they are read out.
var kinds = []string{"abcdefghijkmnopqrstuvwxyz", "ABCDEFGHJKLMNPQRSTUVWXYZ", "23456789", "-_.:!?#%+=*"}

// newPassword returns a random password with characters of every kind, in
// which none of the words is found: Active Directory refuses those that hold
// a part of the name ([MS-SAMR] 3.1.1.7.1).
func newPassword(length int, words ...string) (string, error) {
	alphabet := strings.Join(kinds, "")
	limit := big.NewInt(int64(len(alphabet)))
	for range 1000 {
		b := make([]byte, length)
		for i := range b {
			n, err := rand.Int(rand.Reader, limit)
			if err != nil {
				return "", fmt.Errorf("ldap: random numbers: %w", err)
			}
			b[i] = alphabet[n.Int64()]
		}
		if p := string(b); everyKind(p) && !holdsAny(p, words) {
			return p, nil
		}
	}
	return "", connectors.Errorf(connectors.Permanent, "ldap: no password that does not hold a part of the name")
}

func everyKind(p string) bool {
	return !slices.ContainsFunc(kinds, func(kind string) bool { return !strings.ContainsAny(p, kind) })
}

func holdsAny(p string, words []string) bool {
	p = strings.ToLower(p)
	for _, text := range words {
		for _, w := range strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
			if len(w) >= 3 && strings.Contains(p, w) {
				return true
			}
		}
	}
	return false
}

// unicodePassword is Active Directory's way ([MS-ADTS] 3.1.1.3.1.5.1).
type unicodePassword struct{}

func (unicodePassword) always() bool { return true }

func (unicodePassword) note() string { return "needs an encrypted connection" }

func (unicodePassword) ready(s *session) string {
	if s.encrypted {
		return ""
	}
	return "Active Directory takes a first password on an encrypted connection only: use ldaps:// or start_tls"
}

func (unicodePassword) minimum(ctx context.Context, s *session) (int, error) {
	base := s.said("defaultNamingContext")
	if len(base) == 0 {
		return 0, nil
	}
	result, err := s.search(ctx, &ldap.SearchRequest{
		BaseDN: base[0], Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"minPwdLength"},
	})
	switch {
	case is(err, ldap.LDAPResultNoSuchObject, ldap.LDAPResultInsufficientAccessRights):
		return 0, nil // then the configured length has to do
	case err != nil:
		return 0, s.failure(ctx, "read the password policy", err)
	case len(result.Entries) == 0:
		return 0, nil
	}
	n, _ := strconv.Atoi(result.Entries[0].GetEqualFoldAttributeValue("minPwdLength")) // none is zero
	return n, nil
}

func (unicodePassword) with(own map[string][]string, password string, keep bool) {
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

func (unicodePassword) after(context.Context, *session, string, string, bool, bool) (string, error) {
	return "", nil
}

// extendedPassword is the Password Modify operation (RFC 3062), with which the
// server itself hashes it.
type extendedPassword struct{}

const passwordModify = "1.3.6.1.4.1.4203.1.11.1"

func (extendedPassword) always() bool { return false }

func (extendedPassword) note() string {
	return "by the Password Modify operation; to be changed at the first sign-in where the server has the ppolicy overlay"
}

func (extendedPassword) ready(s *session) string {
	if slices.Contains(s.said("supportedExtension"), passwordModify) {
		return ""
	}
	return "the server does not have the Password Modify operation (RFC 3062), which a first password needs"
}

func (extendedPassword) minimum(context.Context, *session) (int, error) { return 0, nil }

func (extendedPassword) with(map[string][]string, string, bool) {}

// mustChange makes the server ask for another password at the first sign-in
// (draft-behera-ldap-password-policy §5.3.6).
const mustChange = "pwdReset"

// modifyPassword sets the password of an entry. A server may change a password
// with this operation and not set the first one: it then gets the hash of a
// random one before, which nobody knows and which is replaced at once.
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

func (extendedPassword) after(ctx context.Context, s *session, dn, password string, keep, enabled bool) (note string, err error) {
	if err := modifyPassword(ctx, s, dn, password); err != nil {
		return "", s.failure(ctx, "set the first password of an account that was created", err)
	}
	known, err := s.loadSchema(ctx)
	if err != nil {
		return "", err
	}
	if !enabled {
		// With a new password slapd ends the lock of an account.
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
	if keep || !known.knows(mustChange) {
		return "", nil
	}
	// A server that sets the attribute itself, by its password policy, refuses it:
	// the password must not be lost for that.
	m := ldap.NewModifyRequest(dn, nil)
	m.Replace(mustChange, []string{"TRUE"})
	err = s.modify(ctx, m)
	switch {
	case err == nil:
		return "", nil
	case is(err, refusals...):
		return mustChangeRefused, nil
	}
	return "", s.failure(ctx, "finish a new account's first password", err)
}

// mustChangeRefused is what is told of an account whose first password is set
// and need not be changed.
const mustChangeRefused = "the first password need not be changed at the first sign-in: the server does not permit to write " + mustChange + "; a password policy of the server can demand it, or set first_password: {keep: true} under ldap"
