package testenv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Directory is an LDAP server for one test that is neither OpenLDAP nor Active
// Directory. People and groups are the containers ou=people and ou=groups.
type Directory struct {
	URL      string
	CAFile   string // set when URL is ldaps
	BaseDN   string
	PeopleDN string
	GroupsDN string
	BindDN   string // the administrator
	Password string

	t       testing.TB
	process *process
}

// Directory returns the server as a Directory.
func (s *Slapd) Directory() *Directory {
	return &Directory{t: s.t, URL: s.SecureURL, CAFile: s.CAFile, BaseDN: s.BaseDN, PeopleDN: s.PeopleDN, GroupsDN: s.GroupsDN, BindDN: s.BindDN, Password: s.Password, process: s.process}
}

// Directory returns the server as a Directory, with containers for people and
// groups.
func (s *Samba) Directory() *Directory {
	d := newDirectory(s.t, s.BaseDN, s.BindDN, s.Password)
	d.URL, d.CAFile, d.process = s.SecureURL, s.CAFile, s.process
	d.populate(nil)
	return d
}

// newDirectory returns a directory whose entries are below base.
func newDirectory(t testing.TB, base, bindDN, password string) *Directory {
	return &Directory{t: t, BaseDN: base, PeopleDN: "ou=people," + base, GroupsDN: "ou=groups," + base, BindDN: bindDN, Password: password}
}

// Dial connects as BindDN. The connection ends with the test.
func (d *Directory) Dial() *ldap.Conn {
	d.t.Helper()
	c, err := d.dial()
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = c.Close() })
	return c
}

// Connect connects and does not sign in.
func (d *Directory) Connect() (*ldap.Conn, error) {
	var options []ldap.DialOpt
	if d.CAFile != "" {
		u, err := url.Parse(d.URL)
		if err != nil {
			return nil, fmt.Errorf("url: %w", err)
		}
		config, err := trusting(d.CAFile, u.Hostname())
		if err != nil {
			return nil, err
		}
		options = append(options, ldap.DialWithTLSConfig(config))
	}
	c, err := ldap.DialURL(d.URL, options...)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

func (d *Directory) dial() (*ldap.Conn, error) {
	c, err := d.Connect()
	if err != nil {
		return nil, err
	}
	if err := c.Bind(d.BindDN, d.Password); err != nil {
		return nil, errors.Join(fmt.Errorf("bind: %w", err), c.Close())
	}
	return c, nil
}

// startOn starts the server with fresh ports until it binds them: another process
// may take a port meanwhile.
func (d *Directory) startOn(limit time.Duration, start func() (*process, error)) {
	d.t.Helper()
	var err error
	for range 3 {
		if d.process, err = start(); err != nil {
			break
		}
		err = d.process.await(limit, func(context.Context) error {
			c, err := d.dial()
			if err != nil {
				return err
			}
			return c.Close()
		})
		if err == nil {
			break
		}
		d.process.stop(syscall.SIGKILL)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { d.process.stop(syscall.SIGTERM) })
}

// populate adds the containers, and first the base where it is given.
func (d *Directory) populate(base map[string][]string) {
	d.t.Helper()
	c := d.Dial()
	add := func(dn string, attributes map[string][]string) {
		d.t.Helper()
		if attributes == nil {
			return
		}
		r := ldap.NewAddRequest(dn, nil)
		for name, values := range attributes {
			r.Attribute(name, values)
		}
		if err := c.Add(r); err != nil {
			d.t.Fatalf("add %s: %v", dn, err)
		}
	}
	add(d.BaseDN, base)
	add(d.PeopleDN, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"people"}})
	add(d.GroupsDN, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {"groups"}})
}

// cached returns the path of a file that install.sh puts into the user's cache.
// Without it the test is skipped, or fails where servers are required.
func cached(t testing.TB, name string) string {
	t.Helper()
	if testing.Short() {
		t.Skipf("%s: tests with real servers are not run with -short", name)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "behov-testenv", name)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		Missing(t, "%s is not installed: run make test-servers", name)
	}
	return path
}
