package testenv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Slapd is an OpenLDAP server for one test. People and groups are the containers
// ou=people and ou=groups; the password policy locks accounts.
type Slapd struct {
	URL       string // ldap://127.0.0.1:PORT, which also takes StartTLS
	SecureURL string // ldaps://127.0.0.1:PORT
	CAFile    string // the CA certificate
	BaseDN    string
	PeopleDN  string
	GroupsDN  string
	BindDN    string // the administrator
	Password  string
	// ReaderDN may read everything and write nothing. Its password is also
	// Password.
	ReaderDN string

	t       testing.TB
	path    string
	config  string
	process *process
}

const slapdInstall = "apt-get install slapd ldap-utils (set slapd slapd/no_configuration to true first)"

// StartSlapd starts an OpenLDAP server and stops it when the test ends. Extra
// lines go into the database section of its slapd.conf, before its own access
// rules, of which the first match applies.
func StartSlapd(t testing.TB, extra ...string) *Slapd {
	t.Helper()
	s := &Slapd{
		BaseDN:   "dc=kommun,dc=test",
		PeopleDN: "ou=people,dc=kommun,dc=test",
		GroupsDN: "ou=groups,dc=kommun,dc=test",
		BindDN:   "cn=admin,dc=kommun,dc=test",
		ReaderDN: "cn=reader,dc=kommun,dc=test",
		Password: "hemligt",
		t:        t,
		path:     Need(t, "slapd", slapdInstall),
	}
	dir := t.TempDir()
	certificates, err := NewCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	s.CAFile = certificates.CA
	if err := s.configure(dir, certificates, extra); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process != nil {
			s.process.stop(syscall.SIGTERM)
		}
	})
	// Another process may take a free port before slapd binds it. slapd then
	// exits without a distinguishable error, so every exit is retried.
	for range 5 {
		s.URL = fmt.Sprintf("ldap://127.0.0.1:%d", FreePort(t))
		s.SecureURL = fmt.Sprintf("ldaps://127.0.0.1:%d", FreePort(t))
		if err = s.start(); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("slapd: %v", err)
	}
	if err := s.populate(); err != nil {
		t.Fatalf("slapd: first entries: %v", err)
	}
	return s
}

// Kill kills the server, as a power failure would.
func (s *Slapd) Kill() {
	s.process.stop(syscall.SIGKILL)
}

// Restart stops a running server, and starts it again at the same address with
// the same data.
func (s *Slapd) Restart() {
	s.t.Helper()
	s.process.stop(syscall.SIGTERM)
	if err := s.start(); err != nil {
		s.t.Fatalf("slapd: restart: %v", err)
	}
}

// Reconfigure restarts the server with more lines in the database section of
// its slapd.conf.
func (s *Slapd) Reconfigure(lines string) {
	s.t.Helper()
	config, err := os.ReadFile(s.config)
	if err == nil {
		err = os.WriteFile(s.config, []byte(strings.Replace(string(config), "\noverlay ppolicy", "\n"+lines+"\noverlay ppolicy", 1)), 0o600)
	}
	if err != nil {
		s.t.Fatalf("slapd: reconfigure: %v", err)
	}
	s.Restart()
}

// Freeze suspends the server, without closing connections, until the returned
// function is called.
func (s *Slapd) Freeze() (thaw func()) {
	s.t.Helper()
	_ = s.process.cmd.Process.Signal(syscall.SIGSTOP)
	// On a busy machine its threads continue for a while.
	deadline := time.Now().Add(10 * time.Second)
	for !stopped(s.process.cmd.Process.Pid) {
		if time.Now().After(deadline) {
			s.t.Fatal("slapd does not stop")
		}
		time.Sleep(time.Millisecond)
	}
	return func() { _ = s.process.cmd.Process.Signal(syscall.SIGCONT) }
}

// Dial connects as BindDN. The connection ends with the test.
func (s *Slapd) Dial() *ldap.Conn {
	s.t.Helper()
	c, err := s.dial()
	if err != nil {
		s.t.Fatalf("slapd: %v", err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Slapd) dial() (*ldap.Conn, error) {
	c, err := ldap.DialURL(s.URL)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := c.Bind(s.BindDN, s.Password); err != nil {
		return nil, errors.Join(fmt.Errorf("bind: %w", err), c.Close())
	}
	return c, nil
}

func (s *Slapd) start() error {
	// -d 0 keeps it in the foreground.
	p, err := start(s.path, "-f", s.config, "-h", s.URL+"/ "+s.SecureURL+"/", "-d", "0")
	if err != nil {
		return err
	}
	s.process = p
	err = p.await(20*time.Second, func(context.Context) error {
		c, err := s.dial()
		if err != nil {
			return err
		}
		return c.Close()
	})
	if err != nil {
		p.stop(syscall.SIGKILL)
	}
	return err
}

// configure writes slapd.conf. The database may grow to 1 GB; dbnosync trades
// durability for speed, and extra lines can undo it.
func (s *Slapd) configure(dir string, certificates Certificates, extra []string) error {
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return fmt.Errorf("slapd: %w", err)
	}
	s.config = filepath.Join(dir, "slapd.conf")
	schemas := firstDir("/etc/ldap/schema", "/etc/openldap/schema")
	config := fmt.Sprintf(`include %[1]s/core.schema
include %[1]s/cosine.schema
include %[1]s/inetorgperson.schema
include %[1]s/nis.schema

# Says who is enrolled for MFA, and makes an account unusable by its value.
attributetype ( 1.3.6.1.4.1.99999.1.1 NAME 'behovMfa' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.99999.1.2 NAME 'behovStatus' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.99999.2.1 NAME 'behovPerson' SUP top AUXILIARY MAY ( behovMfa $ behovStatus ) )

modulepath %[2]s
moduleload back_mdb
moduleload ppolicy
moduleload refint

pidfile %[3]s/slapd.pid
TLSCACertificateFile %[4]s
TLSCertificateFile %[5]s
TLSCertificateKeyFile %[6]s

# Large groups: values are kept sorted and apart from their entry.
sortvals member

database mdb
suffix "%[7]s"
rootdn "%[8]s"
rootpw %[9]s
directory %[3]s/data
maxsize 1073741824
multival member 100,10
index objectClass eq
index entryUUID eq
index uid eq
index cn eq
index employeeNumber eq
index member eq
limits dn.exact="cn=limited,%[7]s" size=10 size.pr=none
overlay ppolicy
ppolicy_default "cn=policy,%[7]s"
access to attrs=userPassword by anonymous auth by * none
access to * by users read by anonymous auth
`, schemas, firstDir("/usr/lib/ldap", "/usr/lib/openldap", "/usr/lib64/openldap"), dir,
		certificates.CA, certificates.Cert, certificates.Key, s.BaseDN, s.BindDN, s.Password)
	config = strings.Replace(config, "overlay ppolicy", cmp.Or(strings.Join(extra, "\n"), "dbnosync")+"\noverlay ppolicy", 1)
	if err := os.WriteFile(s.config, []byte(config), 0o600); err != nil {
		return fmt.Errorf("slapd: %w", err)
	}
	return nil
}

// populate writes the initial entries of every test.
func (s *Slapd) populate() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	entries := []struct {
		dn         string
		attributes map[string][]string
	}{
		{s.BaseDN, map[string][]string{"objectClass": {"dcObject", "organization"}, "o": {"Kommun"}}},
		{s.PeopleDN, map[string][]string{"objectClass": {"organizationalUnit"}}},
		{s.GroupsDN, map[string][]string{"objectClass": {"organizationalUnit"}}},
		{"cn=policy," + s.BaseDN, map[string][]string{"objectClass": {"device", "pwdPolicy"}, "pwdAttribute": {"userPassword"}, "pwdLockout": {"TRUE"}}},
	}
	for _, name := range []string{"reader", "limited"} {
		entries = append(entries, struct {
			dn         string
			attributes map[string][]string
		}{"cn=" + name + "," + s.BaseDN, map[string][]string{"objectClass": {"organizationalRole", "simpleSecurityObject"}, "userPassword": {s.Password}}})
	}
	for _, e := range entries {
		add := ldap.NewAddRequest(e.dn, nil)
		for name, values := range e.attributes {
			add.Attribute(name, values)
		}
		if err := c.Add(add); err != nil {
			return fmt.Errorf("%s: %w", e.dn, err)
		}
	}
	return nil
}

// firstDir returns the first directory that exists, as distributions differ.
func firstDir(names ...string) string {
	for _, n := range names {
		if info, err := os.Stat(n); err == nil && info.IsDir() {
			return n
		}
	}
	return names[0]
}
