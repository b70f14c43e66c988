package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// probe looks into the two targets by ways of its own, so that the story does
// not take behov's word for what behov did.
type probe struct {
	at   Endpoints
	http *http.Client
}

func newProbe(at Endpoints) *probe {
	return &probe{at: at, http: &http.Client{Timeout: 10 * time.Second}}
}

func (p *probe) ldap() (*ldap.Conn, error) {
	c, err := ldap.DialURL(p.at.LDAPURL)
	if err != nil {
		return nil, fmt.Errorf("look into the directory: %w", err)
	}
	if err := c.Bind(p.at.BindDN, p.at.Password); err != nil {
		return nil, fmt.Errorf("look into the directory: %w", err)
	}
	return c, nil
}

func (p *probe) userDN(login string) string {
	return "uid=" + ldap.EscapeDN(login) + "," + p.at.PeopleDN
}

func (p *probe) groupDN(group string) string {
	return "cn=" + ldap.EscapeDN(group) + "," + p.at.GroupsDN
}

// member says whether the login is a member of the directory's group.
func (p *probe) member(login, group string) (bool, error) {
	c, err := p.ldap()
	if err != nil {
		return false, err
	}
	defer c.Close() //nolint:errcheck // reading
	r, err := c.Search(ldap.NewSearchRequest(p.groupDN(group), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"member"}, nil))
	if err != nil {
		return false, fmt.Errorf("look into the directory: %w", err)
	}
	return slices.ContainsFunc(r.Entries[0].GetAttributeValues("member"), func(dn string) bool { return strings.EqualFold(dn, p.userDN(login)) }), nil
}

// usable says whether the directory has the login's account and does not have
// it locked.
func (p *probe) usable(login string) (bool, error) {
	c, err := p.ldap()
	if err != nil {
		return false, err
	}
	defer c.Close() //nolint:errcheck // reading
	r, err := c.Search(ldap.NewSearchRequest(p.at.PeopleDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(uid="+ldap.EscapeFilter(login)+")", []string{"pwdAccountLockedTime"}, nil))
	if err != nil {
		return false, fmt.Errorf("look into the directory: %w", err)
	}
	return len(r.Entries) == 1 && r.Entries[0].GetAttributeValue("pwdAccountLockedTime") == "", nil
}

// accounts counts the accounts in the directory.
func (p *probe) accounts() (int, error) {
	c, err := p.ldap()
	if err != nil {
		return 0, err
	}
	defer c.Close() //nolint:errcheck // reading
	r, err := c.SearchWithPaging(ldap.NewSearchRequest(p.at.PeopleDN, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=inetOrgPerson)", []string{"uid"}, nil), 500)
	if err != nil {
		return 0, fmt.Errorf("look into the directory: %w", err)
	}
	return len(r.Entries), nil
}

// enrol sets or clears the attribute by which the directory says who is
// enrolled for MFA.
func (p *probe) enrol(logins []string, enrolled bool) error {
	c, err := p.ldap()
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // everything was answered
	for _, login := range logins {
		m := ldap.NewModifyRequest(p.userDN(login), nil)
		var values []string
		if enrolled {
			values = []string{"mfa-enrolled"}
		}
		m.Replace("carLicense", values)
		if err := c.Modify(m); err != nil {
			return fmt.Errorf("set MFA in the directory: %w", err)
		}
	}
	return nil
}

// slipIn puts a login into a group, as an operator with rights in the directory
// might.
func (p *probe) slipIn(login, group string) error {
	c, err := p.ldap()
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // everything was answered
	m := ldap.NewModifyRequest(p.groupDN(group), nil)
	m.Add("member", []string{p.userDN(login)})
	if err := c.Modify(m); err != nil {
		return fmt.Errorf("change the directory: %w", err)
	}
	return nil
}

// active says whether the SCIM service has the login as an active user.
func (p *probe) active(ctx context.Context, login string) (bool, error) {
	var list struct {
		Resources []struct {
			UserName string `json:"userName"`
			Active   bool   `json:"active"`
		} `json:"Resources"`
	}
	q := url.Values{"filter": {fmt.Sprintf("userName eq %q", login)}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(p.at.SCIMURL, "/")+"/Users?"+q.Encode(), nil)
	if err != nil {
		return false, fmt.Errorf("look into the SCIM service: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+p.at.Token)
	res, err := p.http.Do(req)
	if err != nil {
		return false, fmt.Errorf("look into the SCIM service: %w", err)
	}
	defer res.Body.Close() //nolint:errcheck // reading
	if res.StatusCode != http.StatusOK {
		return false, fmt.Errorf("look into the SCIM service: %s", res.Status)
	}
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return false, fmt.Errorf("look into the SCIM service: %w", err)
	}
	return len(list.Resources) == 1 && list.Resources[0].Active, nil
}
