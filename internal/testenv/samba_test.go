package testenv_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/testenv"
)

func TestSambaIsADomainControllerAndLeavesNothing(t *testing.T) {
	// A place of its own, as other packages' tests use the common one; and a
	// short name, as the server's sockets are in it.
	dir, err := os.MkdirTemp("", "bs")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t.Setenv("TMPDIR", dir)
	var url string
	t.Run("up", func(t *testing.T) {
		one, two := testenv.StartSamba(t), testenv.StartSamba(t)
		url = one.URL
		if one.URL == two.URL {
			t.Error("both have the same address")
		}
		for _, s := range []*testenv.Samba{one, two} {
			if err := search(s.Dial(), s.BaseDN); err != nil {
				t.Error(err)
			}
		}
		if err := one.Dial().Add(ldap.NewAddRequest("OU=one,"+one.BaseDN, nil)); err == nil {
			t.Error("an entry without a class was added")
		}
		ou := ldap.NewAddRequest("OU=one,"+one.BaseDN, nil)
		ou.Attribute("objectClass", []string{"organizationalUnit"})
		if err := one.Dial().Add(ou); err != nil {
			t.Error(err)
		}
		if err := search(two.Dial(), "OU=one,"+two.BaseDN); err == nil {
			t.Error("the servers share their data")
		}
	})
	if url == "" {
		t.Skip("it could not start")
	}
	if _, err := ldap.DialURL(url); err == nil {
		t.Error("it still answers")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "behov-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
