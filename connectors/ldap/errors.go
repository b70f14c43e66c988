package ldap

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// code returns the server's result code. It returns false when the error is not
// the server's: the connection broke, or the answer was malformed.
func code(err error) (uint16, bool) {
	var e *ldap.Error
	if !errors.As(err, &e) || e.ResultCode >= ldap.ErrorNetwork {
		return 0, false
	}
	return e.ResultCode, true
}

func is(err error, codes ...uint16) bool {
	c, ok := code(err)
	return ok && slices.Contains(codes, c)
}

// failure classifies an error that is no answer to a change. It leaves out the
// server's own text, which may hold personal data.
func (c *Connector) failure(ctx context.Context, doing string, err error) error {
	return failure(ctx, c.given.URL, doing, err)
}

func (v *server) failure(ctx context.Context, doing string, err error) error {
	return failure(ctx, v.cfg.URL, doing, err)
}

func failure(ctx context.Context, server, doing string, err error) error {
	var already *connectors.Error
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ldap: %s: %w", doing, ctx.Err())
	case errors.As(err, &already):
		return err
	}
	result, ok := code(err)
	// The library keeps only the text of a certificate error.
	if !ok && strings.Contains(err.Error(), "x509:") {
		return connectors.Errorf(connectors.Permanent, "ldap: %s: the server's certificate is not trusted: check url and ca_file: %w", doing, err)
	}
	if !ok {
		return connectors.Errorf(connectors.TargetDown, "ldap: %s: no connection to %s: %w", doing, server, err)
	}
	class, advice := advise(result)
	if why := signInErrors[dataCode(err)]; result == ldap.LDAPResultInvalidCredentials && why != "" {
		advice = ": the account in bind_dn " + why
	}
	return connectors.Errorf(class, "ldap: %s: %s (%d)%s", doing, strings.ToLower(ldap.LDAPResultCodeMap[result]), result, advice)
}

// signInErrors explains the hexadecimal Windows code that Active Directory adds
// to invalidCredentials ([MS-ERREF] 2.2).
var signInErrors = map[string]string{
	"530": "may not sign in at this hour", "531": "may not sign in from here", "532": "has a password that has expired",
	"533": "is disabled", "701": "has expired", "773": "must change its password", "775": "is locked after too many wrong passwords",
}

var windowsData = regexp.MustCompile(`, data ([0-9a-f]+),`)

func dataCode(err error) string { return group1(windowsData, err.Error()) }

func advise(result uint16) (connectors.Class, string) {
	switch result {
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable, ldap.LDAPResultTimeLimitExceeded,
		ldap.LDAPResultAdminLimitExceeded, ldap.LDAPResultOther:
		return connectors.RetryLater, ""
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication:
		return connectors.Permanent, ": check bind_dn and its password"
	case ldap.LDAPResultInsufficientAccessRights:
		return connectors.Permanent, ": give the account in bind_dn the right to do this"
	case ldap.LDAPResultNoSuchObject:
		return connectors.Permanent, ": check people_dn and groups_dn, and that the account in bind_dn may read them"
	case ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultStrongAuthRequired:
		return connectors.Permanent, ": the server requires an encrypted connection: use ldaps:// or start_tls"
	case ldap.LDAPResultReferral:
		return connectors.Permanent, ": this server does not hold the entries, or holds a read-only copy: set url to a writable server"
	case ldap.LDAPResultProtocolError:
		return connectors.Permanent, ": the server does not understand the request (start_tls without a certificate?)"
	case ldap.LDAPResultInvalidDNSyntax:
		return connectors.Permanent, ": check the DNs in the configuration"
	}
	return connectors.Permanent, ""
}

// refusals are the codes that reject a change for good: repeating it unchanged is
// no use.
var refusals = []uint16{
	ldap.LDAPResultUnwillingToPerform, ldap.LDAPResultConstraintViolation, ldap.LDAPResultObjectClassViolation,
	ldap.LDAPResultUndefinedAttributeType, ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultInvalidAttributeSyntax,
	ldap.LDAPResultInvalidDNSyntax, ldap.LDAPResultNamingViolation, ldap.LDAPResultNotAllowedOnRDN,
	ldap.LDAPResultNotAllowedOnNonLeaf, ldap.LDAPResultEntryAlreadyExists, ldap.LDAPResultAttributeOrValueExists,
	ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultInappropriateMatching, ldap.LDAPResultObjectClassModsProhibited,
	ldap.LDAPResultAffectsMultipleDSAs,
}

// answer turns the error of a request that changes something into a result.
func (v *server) answer(ctx context.Context, doing string, err error) connectors.Result {
	switch {
	case err == nil:
		return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
	case is(err, refusals...):
		return refused(v.detail(err))
	}
	return connectors.Result{Err: v.failure(ctx, doing, err)}
}

func refused(why string) connectors.Result {
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Refused, Detail: why}}
}

func alreadySo() connectors.Result {
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.AlreadyApplied}}
}

// quotedName finds a name that a server's message puts in quotes or before a
// colon.
var quotedName = regexp.MustCompile(`'([A-Za-z][A-Za-z0-9-]*)'|([A-Za-z][A-Za-z0-9-]*):`)

// detail returns why the server refused, without values and DNs: of the server's
// own text it keeps only the names of attributes and object classes.
func (v *server) detail(err error) string {
	result, _ := code(err)
	why := fmt.Sprintf("the directory says: %s (%d)", strings.ToLower(ldap.LDAPResultCodeMap[result]), result)
	var e *ldap.Error
	if !errors.As(err, &e) || e.Err == nil {
		return why
	}
	var names []string
	for _, m := range quotedName.FindAllStringSubmatch(e.Err.Error(), -1) {
		if name := m[1] + m[2]; v.isSchemaName(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return why
	}
	return why + ": " + strings.Join(names, ", ")
}
