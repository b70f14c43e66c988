package graph

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// MFAEnrolled implements connectors.MFAReader, from the report of registered
// methods (https://learn.microsoft.com/graph/api/resources/userregistrationdetails).
func (c *withMFA) MFAEnrolled(ctx context.Context, emit func(accountID string, method connectors.MFAMethod) error) (connectors.Completeness, error) {
	err := pages[models.UserRegistrationDetailsCollectionResponseable](ctx, c.Connector, c.build.registrations(pageSize),
		models.CreateUserRegistrationDetailsCollectionResponseFromDiscriminatorValue, func(d models.UserRegistrationDetailsable) error {
			if d.GetId() == nil || d.GetIsMfaRegistered() == nil {
				return connectors.Errorf(connectors.Permanent, "graph: read who is enrolled for multi-factor authentication: a row in the answer has no id or isMfaRegistered")
			}
			if !*d.GetIsMfaRegistered() {
				return nil
			}
			method := connectors.UnknownMethod
			for _, registered := range d.GetMethodsRegistered() {
				method = method.Stronger(registeredMethods[registered])
			}
			return emit(*d.GetId(), method)
		})
	return connectors.Completeness{Complete: err == nil}, err
}

// LastSignIns implements connectors.SignInReader
// (https://learn.microsoft.com/graph/api/resources/signinactivity). It needs AuditLog.Read.All
// and a tenant with Entra ID P1.
func (c *withMFA) LastSignIns(ctx context.Context, emit func(accountID string, at time.Time) error) (connectors.Completeness, error) {
	err := pages[models.UserCollectionResponseable](ctx, c.Connector, c.build.signIns(),
		models.CreateUserCollectionResponseFromDiscriminatorValue, func(u models.Userable) error {
			if u.GetId() == nil {
				return connectors.Errorf(connectors.Permanent, "graph: read last sign-ins: a user in the answer has no id")
			}
			return emit(*u.GetId(), lastSignIn(u.GetSignInActivity()))
		})
	return connectors.Completeness{Complete: err == nil}, err
}

// lastSignIn returns when a user was last signed in; the zero time for never. Of what came
// before December 2023 Graph knows no success, and tells attempts.
func lastSignIn(a models.SignInActivityable) (last time.Time) {
	if a == nil {
		return last
	}
	if at := a.GetLastSuccessfulSignInDateTime(); at != nil {
		return at.UTC()
	}
	for _, at := range []*time.Time{a.GetLastSignInDateTime(), a.GetLastNonInteractiveSignInDateTime()} {
		if at != nil && at.After(last) {
			last = at.UTC()
		}
	}
	return last
}

// registeredMethods are the methods of the report, by what they are called there
// (https://learn.microsoft.com/graph/api/resources/userregistrationdetails). Those that are
// no second factor are left out.
var registeredMethods = map[string]connectors.MFAMethod{
	"mobilePhone": connectors.PhoneMethod, "alternateMobilePhone": connectors.PhoneMethod, "officePhone": connectors.PhoneMethod,
	"microsoftAuthenticatorPush": connectors.AppMethod, "softwareOneTimePasscode": connectors.AppMethod, "hardwareOneTimePasscode": connectors.AppMethod,
	"microsoftAuthenticatorPasswordless": connectors.AppMethod,
	"windowsHelloForBusiness":            connectors.PhishingResistantMethod, "fido2SecurityKey": connectors.PhishingResistantMethod,
	"passKeyDeviceBound": connectors.PhishingResistantMethod, "passKeyDeviceBoundAuthenticator": connectors.PhishingResistantMethod,
	"passKeyDeviceBoundWindowsHello": connectors.PhishingResistantMethod, "passKeySynced": connectors.PhishingResistantMethod, "macOsSecureEnclaveKey": connectors.PhishingResistantMethod,
	"x509CertificateMultiFactor": connectors.PhishingResistantMethod,
}

// methodKinds are an account's methods, by the name of their type
// (https://learn.microsoft.com/graph/api/resources/authenticationmethods-overview).
var methodKinds = map[string]connectors.MFAMethod{
	"phone": connectors.PhoneMethod, "microsoftAuthenticator": connectors.AppMethod, "softwareOath": connectors.AppMethod, "hardwareOath": connectors.AppMethod,
	"passwordlessMicrosoftAuthenticator": connectors.AppMethod, "fido2": connectors.PhishingResistantMethod, "windowsHelloForBusiness": connectors.PhishingResistantMethod,
	"platformCredential": connectors.PhishingResistantMethod, "x509Certificate": connectors.PhishingResistantMethod,
}

// weakMethods are the authentication methods that are no second factor: a
// password, an address for resetting it, and a pass that was issued for
// enrolment.
var weakMethods = []string{"password", "email", "temporaryAccessPass"}

// MFAEnrolledFor implements connectors.SingleMFAReader.
func (c *withMFA) MFAEnrolledFor(ctx context.Context, account connectors.AccountRef) (connectors.MFAMethod, error) {
	if !isID(account.ID) {
		return connectors.NoMethod, connectors.Errorf(connectors.Permanent, "graph: read authentication methods: %s", noAccount)
	}
	strongest := connectors.NoMethod
	err := pages[models.AuthenticationMethodCollectionResponseable](ctx, c.Connector, c.build.listMethods(account.ID),
		models.CreateAuthenticationMethodCollectionResponseFromDiscriminatorValue, func(m models.AuthenticationMethodable) error {
			kind := ""
			if t := m.GetOdataType(); t != nil {
				kind = strings.TrimSuffix(strings.TrimPrefix(*t, "#microsoft.graph."), "AuthenticationMethod")
			}
			if kind == "" || slices.Contains(weakMethods, kind) {
				return nil
			}
			method, known := methodKinds[kind]
			if !known {
				method = connectors.UnknownMethod
			}
			strongest = strongest.Stronger(method)
			return nil
		})
	return strongest, err
}

// IssuePass implements connectors.PassIssuer. The pass is good for one sign-in
// (https://learn.microsoft.com/graph/api/resources/temporaryaccesspassauthenticationmethod).
func (c *withMFA) IssuePass(ctx context.Context, account connectors.AccountRef, valid time.Duration) (connectors.Pass, error) {
	const doing = "issue a temporary access pass"
	fail := func(format string, args ...any) (connectors.Pass, error) {
		return connectors.Pass{}, connectors.Errorf(connectors.Permanent, "graph: "+doing+": "+format, args...)
	}
	const shortest, longest = 10 * time.Minute, 43200 * time.Minute
	if valid < shortest || valid > longest {
		return fail("the validity must be from %s to %s", shortest, longest)
	}
	// A user has one at most.
	switch out, err := c.WithdrawPass(ctx, account); {
	case err != nil:
		return connectors.Pass{}, err
	case out.Status == connectors.Refused:
		return fail("%s", out.Detail)
	}
	a, err := c.send(ctx, c.build.createPass(account.ID, int32((valid+time.Minute-1)/time.Minute)))
	if err != nil {
		return connectors.Pass{}, err
	}
	if !a.ok() {
		return fail("Graph says: %s: check that the tenant's policy for temporary access passes allows the validity and the user", a.statusText())
	}
	p, err := decode[models.TemporaryAccessPassAuthenticationMethodable](a, models.CreateTemporaryAccessPassAuthenticationMethodFromDiscriminatorValue)
	if err != nil || p.GetTemporaryAccessPass() == nil || p.GetLifetimeInMinutes() == nil || p.GetStartDateTime() == nil {
		return fail("the answer is malformed: withdraw the pass and issue another")
	}
	starts := p.GetStartDateTime().UTC()
	return connectors.Pass{Code: *p.GetTemporaryAccessPass(), Starts: starts, Expires: starts.Add(time.Duration(*p.GetLifetimeInMinutes()) * time.Minute)}, nil
}

// WithdrawPass implements connectors.PassIssuer.
func (c *withMFA) WithdrawPass(ctx context.Context, account connectors.AccountRef) (connectors.Outcome, error) {
	if !isID(account.ID) {
		return refused(noAccount).Outcome, nil
	}
	first := c.build.listPasses(account.ID)
	a, err := c.send(ctx, first)
	if err != nil {
		return connectors.Outcome{}, err
	}
	if a.gone() {
		return refused(noAccount).Outcome, nil
	}
	var requests []request
	err = continued[models.TemporaryAccessPassAuthenticationMethodCollectionResponseable](ctx, c.Connector, first, a,
		models.CreateTemporaryAccessPassAuthenticationMethodCollectionResponseFromDiscriminatorValue, func(p models.TemporaryAccessPassAuthenticationMethodable) error {
			if p.GetId() == nil || *p.GetId() == "" {
				return connectors.Errorf(connectors.Permanent, "graph: %s: a pass in the answer has no ID", first.doing)
			}
			requests = append(requests, c.build.deletePass(account.ID, *p.GetId()))
			return nil
		})
	if err != nil {
		return connectors.Outcome{}, err
	}
	for _, r := range c.all(ctx, requests) {
		switch {
		case r.err != nil:
			return connectors.Outcome{}, r.err
		case !r.ok() && !r.gone():
			return r.refusal().Outcome, nil
		}
	}
	if len(requests) == 0 {
		return alreadySo().Outcome, nil
	}
	return applied().Outcome, nil
}

// RevokeSessions implements connectors.SessionRevoker. It invalidates refresh
// tokens; an access token that was issued remains valid for up to an hour
// (https://learn.microsoft.com/graph/api/user-revokesigninsessions).
func (c *Connector) RevokeSessions(ctx context.Context, account connectors.AccountRef) (connectors.Outcome, error) {
	if !isID(account.ID) {
		return refused(noAccount).Outcome, nil
	}
	r := c.sendWithPropagation(ctx, []request{c.build.revokeSessions(account.ID)}, func(int) []string { return []string{account.ID} })[0]
	switch {
	case r.err != nil:
		return connectors.Outcome{}, r.err
	case r.gone():
		return refused(noAccount).Outcome, nil
	case !r.ok():
		return r.refusal().Outcome, nil
	}
	return applied().Outcome, nil
}
