package governance_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestAuthorityOfTokens: each decision about a token says as what its maker made it.
func TestAuthorityOfTokens(t *testing.T) {
	o := newOffice(t)
	ctx, hour := t.Context(), time.Now().Add(time.Hour)
	authority := func() string {
		t.Helper()
		var last string
		for r, err := range o.g.DB.AuditRecords(ctx, store.Everyone()) {
			if err != nil {
				t.Fatal(err)
			}
			last = r.Authority
		}
		return last
	}
	_, own, err := o.g.CreateOwnToken(ctx, governance.OwnToken{Name: "n", Scopes: []string{"people:read"}, Expires: hour}, o.by("staff"))
	if got := authority(); err != nil || got != "their own, claimed" {
		t.Errorf("one's own is made as %q, %v", got, err)
	}
	if err := o.g.RevokeToken(ctx, own.ID, o.by("staff"), "r"); err != nil {
		t.Fatal(err)
	}
	if got := authority(); got != "their own, claimed" {
		t.Errorf("one's own is revoked as %q", got)
	}
	_, made, err := o.g.CreateServiceToken(ctx, governance.ServiceToken{Service: "robot", Name: "n", Scopes: []string{"people:read"}, Expires: hour}, o.by("administrator"))
	if got := authority(); err != nil || got != "administrator, claimed, rights "+o.g.Config.Rights.Digest() {
		t.Errorf("a service account's is made as %q, %v", got, err)
	}
	if made.Service != "robot" || made.Owner != "" || made.Factors != "" || made.How != "" {
		t.Errorf("%+v", made)
	}
	// The maker does not own it: it takes the right to revoke it.
	if err := o.g.RevokeToken(ctx, made.ID, o.by("owner"), "r"); !refused(err) {
		t.Errorf("the owner of a system revokes it: %v", err)
	}
	if err := o.g.RevokeToken(ctx, made.ID, rights.Subject{Service: "robot", How: rights.ByToken}, "r"); !refused(err) {
		t.Errorf("the service account revokes it: %v", err)
	}
	if err := o.g.RevokeToken(ctx, made.ID, o.by("operator"), "r"); err != nil {
		t.Error(err)
	}
}

// TestServiceTokens: each request for a token of a service account that is refused.
func TestServiceTokens(t *testing.T) {
	o := newOffice(t)
	hour := time.Now().Add(time.Hour)
	for what, c := range map[string]struct {
		service string
		expires time.Time
		by      rights.Subject
		want    reason.Kind
	}{
		"a program asks":             {"robot", hour, rights.Subject{Person: o.person("administrator").ID, How: rights.ByToken}, reason.TokenByToken{}},
		"a service account asks":     {"robot", hour, rights.Subject{Service: "robot", How: rights.ByToken}, reason.NeedsPerson{Action: "token.make-for-service", Service: "robot"}},
		"one factor":                 {"robot", hour, rights.Subject{Person: o.person("administrator").ID, How: rights.SignedIn}, reason.SignInStronger{Action: "token.make-for-service"}},
		"an operator":                {"robot", hour, o.by("operator"), reason.NotAllowed{Action: "token.make-for-service", Roles: reason.AnyOf{"administrator"}}},
		"not declared":               {"nothing", hour, o.by("administrator"), reason.NoSuchService{Service: "nothing", Services: []string{"orphan", "robot"}}},
		"no one responsible is here": {"orphan", hour, o.by("administrator"), reason.ServiceUnattended{Service: "orphan"}},
		"two years":                  {"robot", time.Now().AddDate(2, 0, 0), o.by("administrator"), reason.TokenExpiry{}},
		"over already":               {"robot", time.Now().Add(-time.Hour), o.by("administrator"), reason.TokenExpiry{}},
	} {
		token, _, err := o.g.CreateServiceToken(t.Context(), governance.ServiceToken{Service: c.service, Name: "n", Scopes: []string{"people:read"}, Expires: c.expires}, c.by)
		var why interface{ Because() reason.Reason }
		if token != "" || !errors.As(err, &why) || why.Because() != reason.Of(c.want) {
			t.Errorf("%s: %q, %v", what, token, err)
		}
	}
	if all, err := o.g.DB.Tokens(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// TestTheResponsibleAreNotMerged: a record that answers for a service account does not pass
// to another person, who would keep its tokens working.
func TestTheResponsibleAreNotMerged(t *testing.T) {
	o := newOffice(t)
	o.g.Config.ServiceAccounts[1].Responsible[0].Key = "temp"
	if _, err := o.g.Merge(t.Context(), o.person("other"), o.person("temp"), o.by("hr"), "r"); err == nil || !strings.Contains(testenv.ErrorText(err), "service_accounts in behov.yaml, of robot") {
		t.Errorf("%v", err)
	}
}
