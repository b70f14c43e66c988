package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
)

var _ connectors.DisableProver = (*Connector)(nil)

// throwAway begins the login names of the accounts that a proof makes.
const throwAway = "behovcheck"

// ProveDisable implements connectors.DisableProver. Where no throw-away account
// can be made it goes by what is known: Active Directory shuts a disabled
// account out by definition (ACCOUNTDISABLE, [MS-ADTS] 2.2.16), and OpenLDAP
// when its password policies say so (draft-behera-ldap-password-policy §5.2.11:
// pwdLockout).
func (c *Connector) ProveDisable(ctx context.Context) (connectors.DisableProof, error) {
	s, err := c.dial(ctx)
	if err != nil {
		return connectors.DisableProof{}, err
	}
	defer s.close()
	defer s.closeWith(ctx)()
	if by := c.given.Disable.EnforcedBy; by != "" {
		return connectors.DisableProof{Verdict: connectors.SignInRefused, Why: "the configuration says that it is enforced by " + by + " (disable.enforced_by)"}, nil
	}
	known, err := s.loadSchema(ctx)
	if err != nil {
		return connectors.DisableProof{}, err
	}
	t := newTrial(c, s, known)
	proof, err := t.run(ctx)
	if err == nil && proof.Verdict == connectors.SignInRefused && s.byLock() {
		return t.otherPolicies(ctx, proof)
	}
	if err != nil || proof.Verdict != connectors.NotTried {
		return proof, err
	}
	if s.byFlag() {
		return connectors.DisableProof{Verdict: connectors.SignInRefused, Why: "by definition of the flag ACCOUNTDISABLE; it was not tried, as " + proof.Why}, nil
	}
	if !s.byLock() {
		return proof, nil
	}
	return t.policies(ctx, proof)
}

// trial is one throw-away account.
type trial struct {
	*Connector
	session      *session
	schema       *schema
	name, anchor string
	dn, id       string
	password     string
	// denied is set when the server does not permit to create the account, and
	// passwordFault when it does not take the password.
	denied, passwordFault error
}

func newTrial(c *Connector, s *session, known *schema) *trial {
	return &trial{Connector: c, session: s, schema: known, name: throwAway + strings.ReplaceAll(uuid.NewString(), "-", "")[:8], anchor: uuid.NewString()}
}

func (t *trial) run(ctx context.Context) (proof connectors.DisableProof, err error) {
	not := func(format string, args ...any) (connectors.DisableProof, error) {
		return connectors.DisableProof{Verdict: connectors.NotTried, Why: fmt.Sprintf(format, args...)}, nil
	}
	if why := t.session.flavour.passwords.ready(t.session); why != "" {
		return not("no throw-away account can be made: %s", why)
	}
	if err := t.removeLeft(ctx); err != nil {
		return connectors.DisableProof{}, err
	}
	why, err := t.create(ctx)
	if t.dn != "" {
		defer func() {
			if left := t.removeAfter(ctx); left != nil && err == nil {
				err = left
			}
		}()
	}
	if err != nil {
		return connectors.DisableProof{}, err
	}
	if why != "" {
		return not("no throw-away account can be made: %s", why)
	}
	in, err := t.signsIn(ctx, t.dn)
	if err != nil {
		return connectors.DisableProof{}, err
	}
	if !in {
		return not("a throw-away account could not sign in even before it was disabled: the account in bind_dn may not set passwords, or the server wants something else besides")
	}
	switch fault, err := t.disable(ctx); {
	case err != nil:
		return not("a throw-away account could not be disabled: %s", err)
	case fault != "":
		return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: "a throw-away account could not be disabled: " + fault}, nil
	}
	shown, err := t.readBack(ctx)
	if err != nil {
		return connectors.DisableProof{}, err
	}
	if in, err = t.signsIn(ctx, t.dn); err != nil {
		return connectors.DisableProof{}, err
	}
	switch {
	case in:
		return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: "a throw-away account was disabled and signed in all the same: " + t.advice()}, nil
	case !shown:
		return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: fmt.Sprintf(
			"a throw-away account was disabled and is not shown as disabled: what behov writes into %s cannot be read back: let the account in bind_dn read it", t.session.cfg.Disable.Attribute)}, nil
	}
	return connectors.DisableProof{Verdict: connectors.SignInRefused, Why: "a throw-away account signed in, was disabled, and was refused"}, nil
}

// disable disables the account. It returns why the server does not permit it, and
// what to set instead. The account may be in another place then.
func (t *trial) disable(ctx context.Context) (fault string, err error) {
	r := t.Apply(ctx, []connectors.Change{{Op: connectors.DisableAccount, Account: connectors.AccountRef{ID: t.id, Anchor: t.anchor, Name: t.name}}})[0]
	if dn, known := t.cache.account(t.id); known {
		t.dn = dn
	}
	var e *connectors.Error
	switch {
	case r.Err != nil && (!errors.As(r.Err, &e) || e.Class != connectors.Permanent):
		return "", r.Err
	case r.Err == nil && r.Status == connectors.Applied:
		return "", nil
	}
	fault = r.Detail + errorText(r.Err)
	setting := t.schema.disableSetting()
	if setting != "" && !strings.Contains(strings.ToLower(setting), strings.ToLower(t.session.cfg.Disable.Attribute)) {
		return fault + ": the server does not let " + t.session.cfg.Disable.Attribute + " be written: under ldap set " + setting, nil
	}
	return fault + ": let the account in bind_dn write " + t.session.cfg.Disable.Attribute + ", or choose another way under disable", nil
}

// Syntaxes of which a value can be made up (RFC 4517 §3.3), by their OIDs.
const (
	syntaxDN        = "1.3.6.1.4.1.1466.115.121.1.12"
	syntaxText      = "1.3.6.1.4.1.1466.115.121.1.15"
	syntaxASCII     = "1.3.6.1.4.1.1466.115.121.1.26"
	syntaxPrintable = "1.3.6.1.4.1.1466.115.121.1.44"
	syntaxPhone     = "1.3.6.1.4.1.1466.115.121.1.50"
	syntaxTime      = "1.3.6.1.4.1.1466.115.121.1.24"
	syntaxInteger   = "1.3.6.1.4.1.1466.115.121.1.27"
)

// writeAll writes each mapped attribute of the account whose syntax it can make
// up a value of, and asks to remove an absent value from the others. It returns
// which cannot be written, each on a line of its own.
func (t *trial) writeAll(ctx context.Context) error {
	s := t.session
	attributes := append([]string{s.cfg.AnchorAttribute, s.cfg.Disable.Attribute}, s.cfg.writtenAttributes()...)
	if s.flavour.effectiveRights {
		return t.mayWrite(ctx, s, t.schema, t.dn, "accounts", attributes...)
	}
	var missing []string
	for _, attribute := range attributes {
		value := ""
		switch t.schema.syntaxOf(attribute) {
		case syntaxDN:
			value = t.dn
		case syntaxText, syntaxASCII, syntaxPrintable:
			value = t.name
		case syntaxPhone:
			value = "0"
		case syntaxTime:
			value = "20000101000000Z"
		case syntaxInteger:
			value = "2147483000"
		}
		_, inRDN := names(rdnOf(t.dn), attribute)
		var fault error
		if value == "" || inRDN || !s.cfg.manages(attribute) {
			fault = t.mayWrite(ctx, s, t.schema, t.dn, "accounts", attribute)
		} else {
			m := ldap.NewModifyRequest(t.dn, nil)
			m.Replace(attribute, []string{value})
			err := s.modify(ctx, m)
			if _, answered := code(err); err != nil && !answered {
				return s.failure(ctx, "write the attribute "+attribute+" of a throw-away account", err)
			}
			fault = s.writeFault(ctx, t.schema, attribute, "accounts", err)
		}
		var e *connectors.Error
		if fault != nil && (!errors.As(fault, &e) || e.Class != connectors.Permanent) {
			return fault
		}
		if fault != nil {
			missing = append(missing, fault.Error())
		}
	}
	return permanentLines(missing)
}

// removeAfter is remove, whatever became of ctx.
func (t *trial) removeAfter(ctx context.Context) error {
	if err := t.remove(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("the throw-away account %s could not be deleted; delete it by hand: %w", t.dn, err)
	}
	return nil
}

// readBack reports whether a snapshot shows the account as disabled. It also
// learns where it is: disabling may move it.
func (t *trial) readBack(ctx context.Context) (disabled bool, err error) {
	s := t.session
	entries, err := t.resolve(ctx, s, []string{t.id}, s.accountAttributes())
	if err != nil {
		return false, err
	}
	e := entries[t.id]
	if e == nil {
		return false, nil
	}
	t.dn = e.DN
	a, err := s.account(e, nil, false)
	return !a.Enabled, err
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// advice says what to set so that a disabled account is shut out.
func (t *trial) advice() string {
	if t.session.byLock() {
		return "set pwdLockout TRUE in the password policy that applies to accounts (ppolicy_default), or choose another way under disable"
	}
	return "the server does not enforce disable.attribute " + t.session.cfg.Disable.Attribute + ": choose another way under disable, or say under disable.enforced_by what enforces it"
}

// create makes the account with a password, and says why it cannot be.
func (t *trial) create(ctx context.Context) (why string, err error) {
	s := t.session
	if t.password, err = newPassword(max(24, s.cfg.FirstPassword.Length), t.name); err != nil {
		return "", err
	}
	b := &birth{Connector: t.Connector, session: s}
	change := connectors.Change{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: t.name, Anchor: t.anchor}, Enabled: true, Attributes: map[string][]string{}}
	mandatory := map[string]string{"sn": t.name, "cn": t.name} // of inetOrgPerson and its kind
	if s.hasClass("posixAccount") {                            // RFC 2307 §4
		mandatory["uidNumber"], mandatory["gidNumber"], mandatory["homeDirectory"] = "2147483000", "2147483000", "/nonexistent"
	}
	for name, value := range mandatory {
		if t.schema.knows(name) && !strings.EqualFold(name, s.cfg.AnchorAttribute) {
			change.Attributes[name] = []string{value}
		}
	}
	request, why, err := b.request(change, t.name)
	if err != nil || why != "" {
		return why, err
	}
	own := map[string][]string{}
	s.flavour.passwords.with(own, t.password, true)
	for name, values := range own {
		request.Attribute(name, values)
	}
	if err := s.add(ctx, request); err != nil {
		if is(err, mayNot...) {
			t.denied = err
		}
		r := s.answer(ctx, "create a throw-away account", err)
		return r.Detail + errorText(r.Err), nil
	}
	t.dn = request.DN
	if _, err := s.flavour.passwords.after(ctx, s, t.dn, t.password, true, true); err != nil {
		t.passwordFault = err
	}
	e, err := t.readOne(ctx, s, t.dn, equals(s.cfg.AnchorAttribute, t.anchor), []string{s.cfg.IDAttribute})
	if err != nil || e == nil {
		return "it was made and cannot be read", err
	}
	if t.id, err = s.idOf(e); err == nil {
		t.cache.setAccount(t.id, t.dn)
	}
	if t.passwordFault != nil {
		why = t.passwordFault.Error()
	}
	return why, err
}

func (v *server) hasClass(name string) bool {
	for _, class := range v.cfg.ObjectClasses {
		if strings.EqualFold(class, name) {
			return true
		}
	}
	return false
}

// signsIn reports whether the account can sign in, on a connection of its own.
func (t *trial) signsIn(ctx context.Context, dn string) (bool, error) {
	other, err := t.connect(ctx, false)
	if err != nil {
		return false, err
	}
	defer other.close()
	defer other.closeWith(ctx)()
	err = other.when(ctx, func() error { return other.conn.Bind(dn, t.password) })
	if _, answered := code(err); err != nil && !answered {
		return false, t.failure(ctx, "sign in as a throw-away account", err)
	}
	return err == nil, nil
}

// left is what the login name of a throw-away account looks like.
var left = regexp.MustCompile(`^` + throwAway + `[0-9a-f]{8}$`)

// removeLeft deletes the throw-away accounts of proofs that were killed.
func (t *trial) removeLeft(ctx context.Context) error {
	s := t.session
	for _, base := range s.bases() {
		q := search{"look for throw-away accounts", base, allOf(s.isAccount(), "("+s.cfg.NameAttribute+"="+throwAway+"*)"), []string{s.cfg.NameAttribute}, accountPage}
		if err := t.find(ctx, s, q, func(e *ldap.Entry) error {
			if !left.MatchString(strings.ToLower(naming(e, s.cfg.NameAttribute))) {
				return nil
			}
			if err := s.del(ctx, ldap.NewDelRequest(e.DN, nil)); err != nil && !is(err, ldap.LDAPResultNoSuchObject) {
				return s.failure(ctx, "delete a throw-away account that was left", err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes the account, by the DN where it is.
func (t *trial) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := t.session.del(ctx, ldap.NewDelRequest(t.dn, nil))
	t.cache.setAccount(t.id, "")
	if is(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	return err
}

// locksOut reports whether a password policy keeps locked accounts out.
func locksOut(policy *ldap.Entry) bool {
	return strings.EqualFold(policy.GetEqualFoldAttributeValue("pwdLockout"), "TRUE")
}

// policyAttribute is where an account names the password policy that applies to
// it instead of the server's default (draft-behera-ldap-password-policy §5.3.8).
const policyAttribute = "pwdPolicySubentry"

// otherPolicies looks at the policies that apply to accounts instead of the one
// that the throw-away account had. Under one without pwdLockout TRUE a disabled
// account can sign in; of one that cannot be read nothing is known.
func (t *trial) otherPolicies(ctx context.Context, proved connectors.DisableProof) (connectors.DisableProof, error) {
	policies, _, err := t.session.passwordPolicies(ctx, "pwdLockout")
	if err != nil {
		return connectors.DisableProof{}, err
	}
	unknown := []string{"(" + policyAttribute + "=*)"}
	for _, p := range policies {
		applies := equals(policyAttribute, p.DN)
		unknown = append(unknown, "(!"+applies+")")
		if locksOut(p) {
			continue
		}
		account, err := t.accountWith(ctx, applies)
		if err != nil {
			return connectors.DisableProof{}, err
		}
		if account != nil {
			return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: "the password policy " + p.DN + " applies to an account (" + policyAttribute + ") and has no pwdLockout TRUE, and so a disabled account can sign in: set it"}, nil
		}
	}
	account, err := t.accountWith(ctx, allOf(unknown...))
	if err != nil {
		return connectors.DisableProof{}, err
	}
	if account != nil {
		return connectors.DisableProof{Verdict: connectors.NotTried, Why: "the password policy " + account.GetEqualFoldAttributeValue(policyAttribute) + " applies to an account (" + policyAttribute + ") and cannot be read or is not there: let the account in bind_dn read it, and see that it has pwdLockout TRUE"}, nil
	}
	return proved, nil
}

// accountWith returns one account that a filter finds, with the name of its
// policy, or nil.
func (t *trial) accountWith(ctx context.Context, filter string) (*ldap.Entry, error) {
	for _, base := range t.session.bases() {
		e, err := t.sample(ctx, t.session, base, allOf(t.session.isAccount(), filter), []string{policyAttribute})
		if e != nil || err != nil {
			return e, err
		}
	}
	return nil, nil
}

// policies goes by what the password policies say, where nothing could be
// tried.
func (t *trial) policies(ctx context.Context, tried connectors.DisableProof) (connectors.DisableProof, error) {
	policies, all, err := t.session.passwordPolicies(ctx, "pwdLockout")
	if err != nil {
		return tried, nil //nolint:nilerr // a policy that cannot be read says nothing
	}
	lacking := ""
	for _, e := range policies {
		if !locksOut(e) {
			lacking = e.DN
		}
	}
	switch {
	case lacking != "":
		return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: "the password policy " + lacking + " has no pwdLockout TRUE, and so a disabled account can sign in: set it; it was not tried, as " + tried.Why}, nil
	case all && len(policies) > 0:
		return connectors.DisableProof{Verdict: connectors.SignInRefused, Why: "every password policy has pwdLockout TRUE; it was not tried, as " + tried.Why}, nil
	}
	return tried, nil
}
