package testenv

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// Samba is an Active Directory domain controller for one test, with the domain
// kommun.test as Samba provisions it, and its default password policy (seven
// characters of three kinds).
type Samba struct {
	URL       string // ldap://127.x.y.z, which also takes StartTLS
	SecureURL string // ldaps://127.x.y.z; passwords are set on encrypted connections only
	CAFile    string // the CA certificate
	BaseDN    string
	BindDN    string // the administrator
	UPN       string // the same account's userPrincipalName
	Password  string

	t       testing.TB
	path    string
	dir     string
	address string
	process *process
}

const (
	sambaInstall  = "apt-get install samba samba-ad-provision samba-dsdb-modules winbind"
	sambaPassword = "Hemligt-1234"
)

// StartSamba starts a domain controller and stops it when the test ends. It takes
// a second or two, and the first in a test binary longer, so tests share one
// where possible. Its ports are fixed, which requires root: each gets a loopback
// address of its own.
func StartSamba(t testing.TB) *Samba {
	t.Helper()
	s := &Samba{
		BaseDN:   "DC=kommun,DC=test",
		BindDN:   "CN=Administrator,CN=Users,DC=kommun,DC=test",
		UPN:      "administrator@kommun.test",
		Password: sambaPassword,
		t:        t,
		path:     Need(t, "samba", sambaInstall),
	}
	tool := Need(t, "samba-tool", sambaInstall)
	if os.Geteuid() != 0 {
		Missing(t, "samba: a domain controller listens on port 389, which only root may")
	}
	domain, err := provisioned(tool)
	if err != nil {
		t.Fatalf("samba: provision: %v", err)
	}
	// Not t.TempDir: it contains the test's name, and the path of a socket has at
	// most 107 bytes.
	if s.dir, err = os.MkdirTemp("", "behov-samba"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.process != nil {
			s.process.stop(syscall.SIGTERM)
		}
		if err := os.RemoveAll(s.dir); err != nil {
			t.Errorf("samba: %v", err)
		}
	})
	if err := domain.write(s.dir); err != nil {
		t.Fatalf("samba: %v", err)
	}
	for range 5 {
		if err = s.listen(); err != nil {
			continue
		}
		if err = s.start(); err == nil {
			return s
		}
	}
	t.Fatalf("samba: %v", err)
	return nil
}

// listen chooses an unused loopback address, and creates a certificate for it.
func (s *Samba) listen() error {
	ip := net.IPv4(127, byte(64+rand.IntN(128)), byte(rand.IntN(256)), byte(1+rand.IntN(254)))
	s.address = ip.String()
	l, err := net.Listen("tcp", net.JoinHostPort(s.address, "389"))
	if err != nil {
		return fmt.Errorf("port 389 of %s: %w", s.address, err)
	}
	if err := l.Close(); err != nil {
		return fmt.Errorf("port 389 of %s: %w", s.address, err)
	}
	s.URL, s.SecureURL = "ldap://"+s.address, "ldaps://"+s.address
	now := time.Now()
	files, err := NewCertificatesFor(s.dir, now.Add(-time.Hour), now.Add(24*time.Hour), ip)
	s.CAFile = files.CA
	if err != nil {
		return err
	}
	config := fmt.Sprintf(smbConf, s.dir, s.address, files.CA, files.Cert, files.Key)
	return os.WriteFile(filepath.Join(s.dir, "smb.conf"), []byte(config), 0o600)
}

// smbConf disables every service but LDAP, trades durability for speed, and
// allows sign-in on connections without encryption, as some tests need it.
const smbConf = `[global]
	netbios name = DC1
	realm = KOMMUN.TEST
	workgroup = KOMMUN
	server role = active directory domain controller
	server services = ldap
	dcerpc endpoint servers =
	ldb:nosync = true
	interfaces = %[2]s/8
	bind interfaces only = yes
	ldap server require strong auth = no
	tls cafile = %[3]s
	tls certfile = %[4]s
	tls keyfile = %[5]s
	private dir = %[1]s/private
	state directory = %[1]s/state
	cache directory = %[1]s/cache
	lock directory = %[1]s
	binddns dir = %[1]s/bind-dns
	pid directory = %[1]s
	log file = %[1]s/log
	max log size = 1000
`

func (s *Samba) start() error {
	// A single process, so that no child outlives it.
	p, err := start(s.path, "--interactive", "--model=single", "--configfile="+filepath.Join(s.dir, "smb.conf"))
	if err != nil {
		return err
	}
	s.process = p
	err = p.await(30*time.Second, func(context.Context) error {
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

// Kill kills the server, as a power failure would.
func (s *Samba) Kill() { s.process.stop(syscall.SIGKILL) }

// Dial connects as BindDN, encrypted. The connection ends with the test.
func (s *Samba) Dial() *ldap.Conn {
	s.t.Helper()
	c, err := s.dial()
	if err != nil {
		s.t.Fatalf("samba: %v", err)
	}
	s.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (s *Samba) dial() (*ldap.Conn, error) {
	trust, err := trusting(s.CAFile, s.address)
	if err != nil {
		return nil, err
	}
	c, err := ldap.DialURL(s.SecureURL, ldap.DialWithTLSConfig(trust))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if err := c.Bind(s.BindDN, s.Password); err != nil {
		return nil, errors.Join(fmt.Errorf("bind: %w", err), c.Close())
	}
	return c, nil
}

// domain is a provisioned domain: its files, by their paths.
type domain map[string][]byte

// provisioned provisions a domain, once in a test binary.
var provisioned = func() func(tool string) (domain, error) {
	var mu sync.Mutex
	var made domain
	return func(tool string) (domain, error) {
		mu.Lock()
		defer mu.Unlock()
		if made != nil {
			return made, nil
		}
		d, err := provision(tool)
		if err == nil {
			made = d
		}
		return d, err
	}
}()

func provision(tool string) (domain, error) {
	dir, err := os.MkdirTemp("", "behov-provision")
	if err != nil {
		return nil, fmt.Errorf("a directory for it: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// The machine's own smb.conf is ignored.
	empty := filepath.Join(dir, "none.conf")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		return nil, fmt.Errorf("smb.conf: %w", err)
	}
	target := filepath.Join(dir, "domain")
	cmd := exec.Command(tool, "domain", "provision", "--configfile="+empty, "--targetdir="+target,
		"--realm=KOMMUN.TEST", "--domain=KOMMUN", "--server-role=dc", "--adminpass="+sambaPassword,
		"--dns-backend=NONE", "--use-rfc2307", "--host-name=dc1", "--host-ip=127.0.0.1",
		"--option=interfaces=lo", "--option=bind interfaces only=yes")
	p, err := run(cmd)
	if err != nil {
		return nil, err
	}
	<-p.done
	if p.err != nil {
		return nil, fmt.Errorf("samba-tool: %w\n%s", p.err, p.output)
	}
	return readDomain(target)
}

func readDomain(dir string) (domain, error) {
	d := domain{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		switch {
		case e.IsDir():
			d[name+"/"] = nil
		case e.Type().IsRegular() && !strings.HasPrefix(name, "etc"):
			d[name], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the domain: %w", err)
	}
	return d, nil
}

// write puts the files of a domain into a directory.
func (d domain) write(dir string) error {
	for name, content := range d {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("copy the domain: %w", err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o700); err != nil {
				return fmt.Errorf("copy the domain: %w", err)
			}
			continue
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return fmt.Errorf("copy the domain: %w", err)
		}
	}
	return nil
}
