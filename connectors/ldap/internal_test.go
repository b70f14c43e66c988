package ldap

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	goldap "github.com/go-ldap/ldap/v3"
	"pgregory.net/rapid"

	"github.com/behov/behov/connectors"
)

func TestFoldDN(t *testing.T) {
	for _, same := range [][]string{
		{"uid=anna,ou=people,dc=test", "UID=Anna,OU=People,DC=test", "uid = anna , ou=people, dc=test", `uid=ann\61,ou=people,dc=test`},
		{`cn=Ek\, Anna,dc=test`, `cn=Ek\2C Anna,dc=test`, `CN=ek\,  anna,dc=test`},
		{`cn=\20a,dc=test`, `cn=\ a,dc=test`, "cn=a,dc=test"},
		{"cn=a+sn=b,dc=test", "sn=b+cn=a,dc=test"},
		{"cn=Åsa,dc=test", "cn=A\u030asa,dc=test", `cn=\C3\85sa,dc=test`, "cn=åsa,dc=test"},
		{`cn=a\3Cb,dc=test`, `cn=a\<b,dc=test`},
	} {
		for _, dn := range same[1:] {
			if foldDN(dn) != foldDN(same[0]) {
				t.Errorf("%q and %q are equal, but fold to %q and %q", dn, same[0], foldDN(dn), foldDN(same[0]))
			}
		}
	}
	for _, pair := range [][2]string{
		{"cn=a,cn=b", `cn=a\,cn\=b`}, {"cn=a+sn=b", `cn=a\+sn\=b`}, {"uid=a,dc=x", "uid=a,dc=y"}, {`cn=a\\,dc=x`, "cn=a,dc=x"},
	} {
		if foldDN(pair[0]) == foldDN(pair[1]) {
			t.Errorf("%q and %q differ, but both fold to %q", pair[0], pair[1], foldDN(pair[0]))
		}
	}
}

// Whatever the name, the account's DN is one entry directly below the base,
// and another name's is another.
func TestAnyNameIsOneRDN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(rapid.String().Filter(func(s string) bool { return fold(s) != "" }), 2, 2).Draw(t, "names")
		const base = "ou=people,dc=test"
		var folded []string
		for _, n := range names {
			dn := "uid=" + goldap.EscapeDN(n) + "," + base
			parsed, err := goldap.ParseDN(dn)
			if err != nil || len(parsed.RDNs) != 3 || len(parsed.RDNs[0].Attributes) != 1 || !below(dn, base) {
				t.Fatalf("%q: %v %v", dn, parsed, err)
			}
			folded = append(folded, foldDN(dn))
		}
		if (folded[0] == folded[1]) != (fold(names[0]) == fold(names[1])) {
			t.Fatalf("%q fold to %q", names, folded)
		}
	})
}

func TestErrorClasses(t *testing.T) {
	c, err := New(Config{URL: "ldaps://ldap.example", BindDN: "cn=a", Password: "p", PeopleDN: "ou=p", GroupsDN: "ou=g"})
	if err != nil {
		t.Fatal(err)
	}
	server := func(code uint16) error {
		return goldap.NewError(code, errors.New("uid=hemlig,ou=people: 'sn' of hemlig"))
	}
	for _, tt := range []struct {
		err   error
		class connectors.Class // "" is refused
	}{
		{io.ErrUnexpectedEOF, connectors.TargetDown},
		{server(goldap.ErrorNetwork), connectors.TargetDown},
		{errors.New("tls: x509: certificate signed by unknown authority"), connectors.Permanent},
		{server(goldap.LDAPResultBusy), connectors.RetryLater},
		{server(goldap.LDAPResultUnavailable), connectors.RetryLater},
		{server(goldap.LDAPResultOther), connectors.RetryLater},
		{server(goldap.LDAPResultReferral), connectors.Permanent},
		{server(goldap.LDAPResultInvalidCredentials), connectors.Permanent},
		{server(goldap.LDAPResultNoSuchObject), connectors.Permanent},
		{fmt.Errorf("wrapped: %w", server(goldap.LDAPResultBusy)), connectors.RetryLater},
		{server(goldap.LDAPResultUnwillingToPerform), ""},
		{server(goldap.LDAPResultConstraintViolation), ""},
		{server(goldap.LDAPResultInsufficientAccessRights), ""},
		{server(goldap.LDAPResultUndefinedAttributeType), ""},
	} {
		r := c.answer(t.Context(), "do it", tt.err)
		if connectors.ClassOf(r.Err) != tt.class || (tt.class == "") != (r.Status == connectors.Refused) {
			t.Errorf("%v: %+v, want class %q", tt.err, r, tt.class)
		}
		text := r.Detail
		if r.Err != nil {
			text = r.Err.Error()
		}
		// A broken connection's error is not the server's and names nobody.
		if tt.class != connectors.TargetDown && strings.Contains(text, "hemlig") {
			t.Errorf("%v: %q tells what the server said", tt.err, text)
		}
	}
}

func TestNamesOf(t *testing.T) {
	for definition, want := range map[string][]string{
		"( 2.5.4.4 NAME ( 'sn' 'surname' ) DESC 'the NAME of it' SUP name )": {"sn", "surname"},
		"( 1.2 NAME 'title' )":   {"title"},
		"( 1.2 DESC 'nothing' )": nil,
	} {
		if got := namesOf(definition); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", definition, got, want)
		}
	}
}
