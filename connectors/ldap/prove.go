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
	"github.com/behov/behov/connectors/password"
)

var _ connectors.DisableProver = (*Connector)(nil)

// testAccountPrefix begins the login names of test accounts.
const testAccountPrefix = "behovcheck"

// ProveDisable implements connectors.DisableProver. Where no test account can be
// created it relies on documented behaviour: Active Directory refuses sign-in to
// a disabled account (ACCOUNTDISABLE, [MS-ADTS] 2.2.16), and OpenLDAP does when
// its password policies say so (draft-behera-ldap-password-policy §5.2.11:
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
	if err == nil && proof.Verdict == connectors.SignInRefused && s.disabledByLock() {
		return t.otherPolicies(ctx, proof)
	}
	if err != nil || proof.Verdict != connectors.NotTried {
		return proof, err
	}
	if s.disabledByFlag() {
		return connectors.DisableProof{Verdict: connectors.SignInRefused, Why: "by definition of the flag ACCOUNTDISABLE; it was not tried, as " + proof.Why}, nil
	}
	if !s.disabledByLock() {
		return proof, nil
	}
	return t.policies(ctx, proof)
}

// disableTest is a run of ProveDisable with one test account.
type disableTest struct {
	*Connector
	session      *session
	schema       *schema
	name, anchor string
	dn, id       string
	password     string
	// denied is set when the server does not permit to create the account, and
	// passwordFault when it rejects the password.
	denied, passwordFault error
}

func newTrial(c *Connector, s *session, known *schema) *disableTest {
	return &disableTest{Connector: c, session: s, schema: known, name: testAccountPrefix + strings.ReplaceAll(uuid.NewString(), "-", "")[:8], anchor: uuid.NewString()}
}

func (t *disableTest) run(ctx context.Context) (proof connectors.DisableProof, err error) {
	not := func(format string, args ...any) (connectors.DisableProof, error) {
		return connectors.DisableProof{Verdict: connectors.NotTried, Why: fmt.Sprintf(format, args...)}, nil
	}
	if why := t.session.flavour.passwords.unavailableReason(t.session); why != "" {
		return not("no test account can be created: %s", why)
	}
	if err := t.removeLeftovers(ctx); err != nil {
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
		return not("no test account can be created: %s", why)
	}
	in, err := t.signsIn(ctx, t.dn)
	if err != nil {
		return connectors.DisableProof{}, err
	}
	if !in {
		return not("a test account could not sign in even before it was disabled: let the account in bind_dn set passwords, and see the server's log for other reasons")
	}
	switch fault, err := t.disable(ctx); {
	case err != nil:
		return not("a test account could not be disabled: %s", err)
	case fault != "":
		return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: "a test account could not be disabled: " + fault}, nil
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
		return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: "a test account was disabled and signed in all the same: " + t.advice()}, nil
	case !shown:
		return connectors.DisableProof{Verdict: connectors.SignInPossible, Why: fmt.Sprintf(
			"a test account was disabled and is not shown as disabled: what behov writes into %s cannot be read back: let the account in bind_dn read it", t.session.cfg.Disable.Attribute)}, nil
	}
	return connectors.DisableProof{Verdict: connectors.SignInRefused, Why: "a test account signed in, was disabled, and was refused"}, nil
}

// disable disables the account. It returns why the server does not permit it, and
// what to configure instead. The account may have moved afterwards.
func (t *disableTest) disable(ctx context.Context) (fault string, err error) {
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

// Syntaxes for which a valid value can be generated (RFC 4517 §3.3), by their
// OIDs.
const (
	syntaxDN        = "1.3.6.1.4.1.1466.115.121.1.12"
	syntaxText      = "1.3.6.1.4.1.1466.115.121.1.15"
	syntaxASCII     = "1.3.6.1.4.1.1466.115.121.1.26"
	syntaxPrintable = "1.3.6.1.4.1.1466.115.121.1.44"
	syntaxPhone     = "1.3.6.1.4.1.1466.115.121.1.50"
	syntaxTime      = "1.3.6.1.4.1.1466.115.121.1.24"
	syntaxInteger   = "1.3.6.1.4.1.1466.115.121.1.27"
)

// writeAll writes each mapped attribute for whose syntax it can generate a value,
// and asks to remove an absent value from the others. It returns which cannot be
// written, each on a line of its own.
func (t *disableTest) writeAll(ctx context.Context) error {
	s := t.session
	attributes := append([]string{s.cfg.AnchorAttribute, s.cfg.Disable.Attribute}, s.cfg.writtenAttributes()...)
	if s.flavour.effectiveRights {
		return t.checkWritable(ctx, s, t.schema, t.dn, "accounts", attributes...)
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
			fault = t.checkWritable(ctx, s, t.schema, t.dn, "accounts", attribute)
		} else {
			m := ldap.NewModifyRequest(t.dn, nil)
			m.Replace(attribute, []string{value})
			err := s.modify(ctx, m)
			if _, answered := code(err); err != nil && !answered {
				return s.failure(ctx, "write the attribute "+attribute+" of a test account", err)
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

// removeAfter calls remove even when ctx is cancelled.
func (t *disableTest) removeAfter(ctx context.Context) error {
	if err := t.remove(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("the test account %s could not be deleted; delete it by hand: %w", t.dn, err)
	}
	return nil
}

// readBack reports whether a snapshot shows the account as disabled. It also
// updates the account's DN, which disabling may change.
func (t *disableTest) readBack(ctx context.Context) (disabled bool, err error) {
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

// advice returns what to configure so that a disabled account cannot sign in.
func (t *disableTest) advice() string {
	if t.session.disabledByLock() {
		return "set pwdLockout TRUE in the password policy that applies to accounts (ppolicy_default), or choose another way under disable"
	}
	return "the server does not enforce disable.attribute " + t.session.cfg.Disable.Attribute + ": choose another way under disable, or say under disable.enforced_by what enforces it"
}

// create creates the account with a password, or returns why it cannot be
// created.
func (t *disableTest) create(ctx context.Context) (why string, err error) {
	s := t.session
	if t.password, err = password.New(max(24, s.cfg.FirstPassword.Length), t.name); err != nil {
		return "", err
	}
	b := &accountCreation{Connector: t.Connector, session: s}
	change := connectors.Change{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: t.name, Anchor: t.anchor}, Enabled: true, Attributes: map[string][]string{}}
	mandatory := map[string]string{"sn": t.name, "cn": t.name} // of inetOrgPerson and its superior classes
	if s.hasClass("posixAccount") {                            // RFC 2307 §4
		mandatory["uidNumber"], mandatory["gidNumber"], mandatory["homeDirectory"] = "2147483000", "2147483000", "/nonexistent"
	}
	for name, value := range mandatory {
		if t.schema.has(name) && !strings.EqualFold(name, s.cfg.AnchorAttribute) {
			change.Attributes[name] = []string{value}
		}
	}
	request, why, err := b.buildRequest(change, t.name)
	if err != nil || why != "" {
		return why, err
	}
	own := map[string][]string{}
	s.flavour.passwords.addTo(own, t.password, true)
	for name, values := range own {
		request.Attribute(name, values)
	}
	if err := s.add(ctx, request); err != nil {
		if is(err, missingRightCodes...) {
			t.denied = err
		}
		r := s.answer(ctx, "create a test account", err)
		return r.Detail + errorText(r.Err), nil
	}
	t.dn = request.DN
	if _, err := s.flavour.passwords.finish(ctx, s, t.dn, t.password, true, true); err != nil {
		t.passwordFault = err
	}
	e, err := t.readOne(ctx, s, t.dn, equals(s.cfg.AnchorAttribute, t.anchor), []string{s.cfg.IDAttribute})
	if err != nil || e == nil {
		return "it was created and cannot be read", err
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
func (t *disableTest) signsIn(ctx context.Context, dn string) (bool, error) {
	other, err := t.connect(ctx, false)
	if err != nil {
		return false, err
	}
	defer other.close()
	defer other.closeWith(ctx)()
	err = other.when(ctx, func() error { return other.conn.Bind(dn, t.password) })
	if _, answered := code(err); err != nil && !answered {
		return false, t.failure(ctx, "sign in as a test account", err)
	}
	return err == nil, nil
}

// testAccountName matches the login name of a test account.
var testAccountName = regexp.MustCompile(`^` + testAccountPrefix + `[0-9a-f]{8}$`)

// removeLeftovers deletes the test accounts that killed processes left behind.
func (t *disableTest) removeLeftovers(ctx context.Context) error {
	s := t.session
	for _, base := range s.accountBases() {
		q := search{"look for test accounts", base, allOf(s.isAccount(), "("+s.cfg.NameAttribute+"="+testAccountPrefix+"*)"), []string{s.cfg.NameAttribute}, accountPage}
		if err := t.find(ctx, s, q, func(e *ldap.Entry) error {
			if !testAccountName.MatchString(strings.ToLower(namingValue(e, s.cfg.NameAttribute))) {
				return nil
			}
			if err := s.del(ctx, ldap.NewDelRequest(e.DN, nil)); err != nil && !is(err, ldap.LDAPResultNoSuchObject) {
				return s.failure(ctx, "delete a test account that was left", err)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes the account at its current DN.
func (t *disableTest) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	err := t.session.del(ctx, ldap.NewDelRequest(t.dn, nil))
	t.cache.setAccount(t.id, "")
	if is(err, ldap.LDAPResultNoSuchObject) {
		return nil
	}
	return err
}

// enforcesLockout reports whether a password policy refuses sign-in to locked
// accounts.
func enforcesLockout(policy *ldap.Entry) bool {
	return strings.EqualFold(policy.GetEqualFoldAttributeValue("pwdLockout"), "TRUE")
}

// policyAttribute holds the password policy of an account that replaces the
// server's default (draft-behera-ldap-password-policy §5.3.8).
const policyAttribute = "pwdPolicySubentry"

// otherPolicies checks the policies that apply to accounts instead of the one
// that the test account had. Under one without pwdLockout TRUE a disabled account
// can sign in; for one that cannot be read the result is unknown.
func (t *disableTest) otherPolicies(ctx context.Context, proved connectors.DisableProof) (connectors.DisableProof, error) {
	policies, _, err := t.session.passwordPolicies(ctx, "pwdLockout")
	if err != nil {
		return connectors.DisableProof{}, err
	}
	unknown := []string{"(" + policyAttribute + "=*)"}
	for _, p := range policies {
		applies := equals(policyAttribute, p.DN)
		unknown = append(unknown, "(!"+applies+")")
		if enforcesLockout(p) {
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

// accountWith returns one account that matches a filter, with the DN of its
// policy, or nil.
func (t *disableTest) accountWith(ctx context.Context, filter string) (*ldap.Entry, error) {
	for _, base := range t.session.accountBases() {
		e, err := t.sample(ctx, t.session, base, allOf(t.session.isAccount(), filter), []string{policyAttribute})
		if e != nil || err != nil {
			return e, err
		}
	}
	return nil, nil
}

// policies derives the verdict from the password policies where nothing could be
// tried.
func (t *disableTest) policies(ctx context.Context, tried connectors.DisableProof) (connectors.DisableProof, error) {
	policies, all, err := t.session.passwordPolicies(ctx, "pwdLockout")
	if err != nil {
		return tried, nil //nolint:nilerr // a policy that cannot be read proves nothing
	}
	lacking := ""
	for _, e := range policies {
		if !enforcesLockout(e) {
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
