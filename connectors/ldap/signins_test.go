package ldap_test

import (
	"testing"
	"time"
	"unicode/utf16"

	goldap "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/testenv"
)

// signIns returns the last sign-ins that a connector tells.
func signIns(t *testing.T, c connectors.SignInReader) (map[string]time.Time, connectors.Completeness) {
	t.Helper()
	all := map[string]time.Time{}
	done, err := c.LastSignIns(t.Context(), func(id string, at time.Time) error {
		all[id] = at
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all, done
}

// lately reports whether an instant is within the last minutes.
func lately(at time.Time) bool { return time.Since(at).Abs() < 10*time.Minute }

// TestLastSignInsOfOpenLDAP: with lastbind on, the server says who signed in and when; without
// sign_in_attribute the connector says nothing of anyone.
func TestLastSignInsOfOpenLDAP(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t, "lastbind on")
	tree := newSubtree(t, s)
	tree.addGroup(t, "g")
	cfg := tree.config()
	if all, done := signIns(t, open(t, cfg)); len(all) > 0 || done.Complete {
		t.Errorf("not configured: %v, %+v", all, done)
	}
	cfg.SignInAttribute = "pwdLastSuccess"
	c := open(t, cfg)
	ids := applyAll(t, c, creations("p", 2))
	dn := tree.entry(t, ids[0]).DN
	if _, err := tree.Dial().PasswordModify(goldap.NewPasswordModifyRequest(dn, "", "lösenord")); err != nil {
		t.Fatal(err)
	}
	if err := tree.Dial().Bind(dn, "lösenord"); err != nil {
		t.Fatal(err)
	}
	all, done := signIns(t, c)
	if !done.Complete || len(all) != 2 || !lately(all[ids[0]]) || !all[ids[1]].IsZero() {
		t.Errorf("%v, %+v", all, done)
	}
	if err := c.Check(t.Context()); err != nil {
		t.Error(err)
	}
	cfg.SignInAttribute = "noSuchThing"
	if _, err := open(t, cfg).LastSignIns(t.Context(), func(string, time.Time) error { return nil }); connectors.ClassOf(err) != connectors.Permanent {
		t.Errorf("an attribute that the server does not know: %v", err)
	}
}

// TestLastSignInsOfActiveDirectory: a domain tells lastLogonTimestamp without being configured.
func TestLastSignInsOfActiveDirectory(t *testing.T) {
	t.Parallel()
	s := testenv.StartSamba(t)
	d := newDomain(t, s)
	d.addGroup(t, "g")
	c := open(t, d.config())
	ids := applyAll(t, c, creations("p", 2))
	e := d.entry(t, ids[0])
	m := goldap.NewModifyRequest(e.DN, nil)
	m.Replace("unicodePwd", []string{utf16Password("Aa1!lösenord")})
	if err := d.Dial().Modify(m); err != nil {
		t.Fatal(err)
	}
	conn := d.Dial()
	if err := conn.Bind(e.DN, "Aa1!lösenord"); err != nil {
		t.Fatal(err)
	}
	all, done := signIns(t, c)
	if !done.Complete || len(all) != 2 || !lately(all[ids[0]]) || !all[ids[1]].IsZero() {
		t.Errorf("%v, %+v", all, done)
	}
}

// utf16Password is a password as unicodePwd takes it ([MS-ADTS] 3.1.1.3.1.5.1).
func utf16Password(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}
