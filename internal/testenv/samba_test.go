package testenv_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/testenv"
)

func TestSambaIsADomainControllerAndLeavesNothing(t *testing.T) {
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), "behov-*"))
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
	if after, _ := filepath.Glob(filepath.Join(os.TempDir(), "behov-*")); len(after) > len(before) {
		t.Errorf("left behind: %v, before %v", after, before)
	}
}
