package ldap

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestAnyNameIsOneRDN checks that, for any name, the account's DN is one entry
// directly below the base, and differs from another name's.
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
	v := &server{cfg: c.given, flavour: flavours[OpenLDAP]}
	v.cfg = v.flavour.complete(v.cfg)
	said := func(code uint16) error {
		return goldap.NewError(code, errors.New("uid=hemlig,ou=people: 'sn' of hemlig"))
	}
	for _, tt := range []struct {
		err   error
		class connectors.Class // "" means refused
	}{
		{io.ErrUnexpectedEOF, connectors.TargetDown},
		{said(goldap.ErrorNetwork), connectors.TargetDown},
		{errors.New("tls: x509: certificate signed by unknown authority"), connectors.Permanent},
		{said(goldap.LDAPResultBusy), connectors.RetryLater},
		{said(goldap.LDAPResultUnavailable), connectors.RetryLater},
		{said(goldap.LDAPResultOther), connectors.RetryLater},
		{said(goldap.LDAPResultReferral), connectors.Permanent},
		{said(goldap.LDAPResultInvalidCredentials), connectors.Permanent},
		{said(goldap.LDAPResultNoSuchObject), connectors.Permanent},
		{fmt.Errorf("wrapped: %w", said(goldap.LDAPResultBusy)), connectors.RetryLater},
		{said(goldap.LDAPResultUnwillingToPerform), ""},
		{said(goldap.LDAPResultConstraintViolation), ""},
		{said(goldap.LDAPResultInsufficientAccessRights), ""},
		{said(goldap.LDAPResultUndefinedAttributeType), ""},
	} {
		r := v.answer(t.Context(), "do it", tt.err)
		if connectors.ClassOf(r.Err) != tt.class || (tt.class == "") != (r.Status == connectors.Refused) {
			t.Errorf("%v: %+v, want class %q", tt.err, r, tt.class)
		}
		text := r.Detail
		if r.Err != nil {
			text = r.Err.Error()
		}
		// The error of a broken connection is not the server's and holds no
		// personal data.
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

// TestGUID compares with the octets and the text of [MS-DTYP] 2.3.4.3: the first
// three parts are little-endian, the last two are not.
func TestGUID(t *testing.T) {
	octets := "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff"
	const text = "00112233-4455-6677-8899-aabbccddeeff"
	if got := guidString(octets); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	filter, ok := guidFilter("objectGUID", text)
	if want := `(objectGUID=\33\22\11\00\55\44\77\66\88\99\aa\bb\cc\dd\ee\ff)`; !ok || filter != want {
		t.Errorf("got %s, want %s", filter, want)
	}
	for _, bad := range []string{"", "*", "{" + text + "}", strings.ToUpper(text), "urn:uuid:" + text, strings.ReplaceAll(text, "-", "")} {
		if _, ok := guidFilter("objectGUID", bad); ok {
			t.Errorf("%q passes for an ID", bad)
		}
	}
	if guidString("short") != "" {
		t.Error("five octets are a GUID")
	}
}

func TestFileTime(t *testing.T) {
	for ticks, want := range map[string]string{
		"116444736000000000": "1970-01-01T00:00:00Z", "134110080000000000": "2025-12-24T00:00:00Z", "116444736000000001": "1970-01-01T00:00:00.0000001Z",
		"0": "", "9223372036854775807": "", "-1": "", "x": "", "9223372036854775806": "",
	} {
		at, ok := fromFileTime(ticks)
		if ok != (want != "") || ok && at.Format(time.RFC3339Nano) != want {
			t.Errorf("%s is %s, %t; want %q", ticks, at.Format(time.RFC3339Nano), ok, want)
		}
		if ok && toFileTime(at) != ticks {
			t.Errorf("%s comes back as %s", ticks, toFileTime(at))
		}
	}
}

// TestStateOfAWindowsAccount checks that a lock after too many wrong passwords
// does not count as disabled, and that an expired account does.
func TestStateOfAWindowsAccount(t *testing.T) {
	v := &server{flavour: flavours[ActiveDirectory]}
	v.cfg = v.flavour.complete(Config{})
	for name, tt := range map[string]struct {
		attributes        map[string][]string
		disabled, enabled bool
	}{
		"enabled":  {map[string][]string{"userAccountControl": {"512"}}, false, true},
		"disabled": {map[string][]string{"userAccountControl": {"66050"}}, true, false},
		"locked":   {map[string][]string{"userAccountControl": {"528"}, "lockoutTime": {"134112000000000000"}}, false, true},
		"expired":  {map[string][]string{"userAccountControl": {"512"}, "accountExpires": {"116444736000000000"}}, false, false},
		"never":    {map[string][]string{"userAccountControl": {"512"}, "accountExpires": {"9223372036854775807"}}, false, true},
	} {
		e := goldap.NewEntry("CN=a", tt.attributes)
		e.Attributes = append(e.Attributes, &goldap.EntryAttribute{Name: "objectGUID", Values: []string{"0123456789abcdef"}})
		a, err := v.account(e, nil, false)
		if err != nil || v.disabled(e, false) != tt.disabled || a.Enabled != tt.enabled {
			t.Errorf("%s: disabled %t, enabled %t, %v", name, v.disabled(e, false), a.Enabled, err)
		}
	}
	if err := v.changeState(goldap.NewModifyRequest("CN=a", nil), goldap.NewEntry("CN=a", nil), true, false); err == nil {
		t.Error("flags that cannot be read are changed")
	}
}

// TestFlagsAreChangedNotOverwritten checks that the change names the value that
// was read, so that a concurrent change makes it fail instead of being lost.
func TestFlagsAreChangedNotOverwritten(t *testing.T) {
	v := &server{flavour: flavours[ActiveDirectory]}
	v.cfg = v.flavour.complete(Config{})
	m := goldap.NewModifyRequest("CN=a", nil)
	if err := v.changeState(m, goldap.NewEntry("CN=a", map[string][]string{"userAccountControl": {"66048"}}), false, false); err != nil {
		t.Fatal(err)
	}
	if len(m.Changes) != 2 || m.Changes[0].Operation != goldap.DeleteAttribute || m.Changes[0].Modification.Vals[0] != "66048" ||
		m.Changes[1].Operation != goldap.AddAttribute || m.Changes[1].Modification.Vals[0] != "66050" {
		t.Errorf("changes %+v", m.Changes)
	}
}

func TestRanged(t *testing.T) {
	for name, next := range map[string]string{
		"member": "", "member;range=0-1499": "member;range=1500-*", "Member;Range=1500-2999": "member;range=3000-*", "member;range=3000-*": "", "memberOf": "",
	} {
		values, got := ranged(goldap.NewEntry("cn=g", map[string][]string{name: {"x"}}), "member")
		if got != next || (len(values) == 1) == (name == "memberOf") {
			t.Errorf("%s: %q, next %q, want %q", name, values, got, next)
		}
	}
}

func TestOutsideDirectory(t *testing.T) {
	v := &server{root: goldap.NewEntry("", map[string][]string{
		"configurationNamingContext": {"CN=Configuration,DC=kommun,DC=test"}, "schemaNamingContext": {"CN=Schema,CN=Configuration,DC=kommun,DC=test"},
	})}
	for referral, want := range map[string]bool{
		"ldap://kommun.test/CN=Configuration,DC=kommun,DC=test":                       true,
		"ldaps://ForestDnsZones.kommun.test/DC=ForestDnsZones,DC=kommun,DC=test":      true,
		"ldap://DomainDnsZones.kommun.test/DC=DomainDnsZones,DC=kommun,DC=test??base": true,
		"ldap://skola.kommun.test/DC=skola,DC=kommun,DC=test":                         false, // another domain, with people
		"ldap://elsewhere/ou=people,dc=kommun,dc=test":                                false,
		"ldap://elsewhere": false, "%%%": false, "": false,
	} {
		if got := v.outsideDirectory(referral); got != want {
			t.Errorf("%q: %t, want %t", referral, got, want)
		}
	}
	if (&server{}).outsideDirectory("ldap://x/dc=forestdnszones,dc=test") {
		t.Error("a server that is no domain controller has such a zone")
	}
}

func TestMatchingFromTheSchema(t *testing.T) {
	s := newSchema([]string{
		"( 2.5.4.41 NAME 'name' DESC 'SUP cn EQUALITY booleanMatch' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15{32768} )",
		"( 2.5.4.4 NAME ( 'sn' 'surname' ) SUP name )",
		"( 1.1 NAME 'second' SUP 2.5.4.4 SINGLE-VALUE )",
		"( 1.2 NAME 'manager' EQUALITY 2.5.13.1 SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )",
		"( 1.3 NAME 'loop' SUP pool )", "( 1.4 NAME 'pool' SUP loop )",
		"( 1.5 NAME 'exact' SUP name EQUALITY caseExactMatch )",
		"( 1.6 NAME 'displayName' SYNTAX '1.3.6.1.4.1.1466.115.121.1.15' SINGLE-VALUE )",
	}, []string{"( 2.5.6.6 NAME 'person' SUP top MUST sn )"})
	for attribute, want := range map[string]connectors.Matching{
		"sn": connectors.MatchIgnoreCase, "SURNAME;lang-sv": connectors.MatchIgnoreCase, "second": connectors.MatchIgnoreCase, "manager": connectors.MatchDN,
		"loop": connectors.MatchExact, "exact": connectors.MatchExact, "unknown": connectors.MatchExact, "person": connectors.MatchExact, "displayName": connectors.MatchExact,
	} {
		if got := s.matching(attribute, nil); got != want {
			t.Errorf("%s: %s, want %s", attribute, got, want)
		}
	}
	if got := s.matching("displayName", windowsSyntaxes); got != connectors.MatchIgnoreCase {
		t.Errorf("displayName in Active Directory: %s", got)
	}
}

func TestUnicodePassword(t *testing.T) {
	own := map[string][]string{}
	unicodePassword{}.addTo(own, "Å1", false)
	if own["unicodepwd"][0] != "\"\x00\xc5\x001\x00\"\x00" || own["pwdlastset"][0] != "0" {
		t.Errorf("got %q", own)
	}
}

func TestRequiredAttributesOfAClass(t *testing.T) {
	known := newSchema([]string{"( 2.5.4.31 NAME 'member' SUP distinguishedName )", "( 2.5.4.50 NAME ( 'uniqueMember' 'um' ) )"}, []string{
		"( 2.5.6.0 NAME 'top' ABSTRACT MUST objectClass )",
		"( 2.5.6.9 NAME 'groupOfNames' DESC 'MUST member' SUP top STRUCTURAL MUST ( member $ cn ) MAY o )",
		"( 1.1 NAME ( 'team' 'lag' ) SUP ( top $ groupOfNames ) STRUCTURAL )",
		"( 1.2 NAME 'loose' SUP top MUST cn MAY ( member ) )",
		"( 1.3 NAME 'byOID' SUP 2.5.6.9 )",
		"( 1.4 NAME 'round' SUP round )",
		"( 1.5 NAME 'unique' SUP top MUST UM )",
	})
	for _, tt := range []struct {
		class, attribute string
		requires, known  bool
	}{
		{"groupOfNames", "Member", true, true},
		{"LAG", "member", true, true},
		{"byOID", "member", true, true},
		{"loose", "member", false, true},
		{"round", "member", false, true},
		{"unique", "uniqueMember", true, true},
		{"absent", "member", false, false},
	} {
		if requires, ok := known.requires(tt.class, tt.attribute); requires != tt.requires || ok != tt.known {
			t.Errorf("%s requires %s: %t, known %t", tt.class, tt.attribute, requires, ok)
		}
	}
}
