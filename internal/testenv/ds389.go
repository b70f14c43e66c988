package testenv

import (
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Start389DS starts a 389 Directory Server and stops it when the test ends. It
// listens with TLS, as it accepts the Password Modify operation on an encrypted
// connection only. Its entries are identified by nsUniqueId, as the plugin for
// entryUUID is off.
func Start389DS(t testing.TB) *Directory {
	t.Helper()
	const install = "apt-get install 389-ds-base"
	path := Need(t, "ns-slapd", install)
	d := newDirectory(t, "dc=kommun,dc=test", "cn=Directory Manager", "hemligt-hemligt")
	dir := t.TempDir()
	certificates, err := NewCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.CAFile = certificates.CA
	config := filepath.Join(dir, "config")
	for _, sub := range []string{"lock", "tmp", "ldif", "bak", "run", "inst", "log", "db", "config", "config/schema"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{
		"/etc/dirsrv/config/slapd-collations.conf": "slapd-collations.conf",
		"/etc/dirsrv/config/certmap.conf":          "certmap.conf",
		"/etc/dirsrv/schema/99user.ldif":           "schema/99user.ldif",
	} {
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.WriteFile(filepath.Join(config, to), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := certificates.intoNSS(config, Need(t, "certutil", install), Need(t, "pk12util", install), Need(t, "openssl", install)); err != nil {
		t.Fatal(err)
	}
	d.startOn(30*time.Second, func() (*process, error) {
		port := FreePort(t)
		d.URL = fmt.Sprintf("ldaps://127.0.0.1:%d", port)
		if err := write389Config(dir, d, FreePort(t), port); err != nil {
			return nil, err
		}
		return start(path, "-D", config, "-i", filepath.Join(dir, "run", "pid"), "-d", "0")
	})
	d.populate(map[string][]string{"objectClass": {"domain"}, "dc": {"kommun"}})
	return d
}

// write389Config renders the package's configuration templates as its own setup
// does, with a database for the suffix.
func write389Config(dir string, d *Directory, port, securePort int) error {
	const templates = "/usr/share/dirsrv/data/"
	const salt = "salt"
	digest := sha1.Sum([]byte(d.Password + salt))
	values := map[string]string{
		"bak_dir": dir + "/bak", "cert_dir": dir + "/config", "config_dir": dir + "/config", "db_dir": dir + "/db", "db_home_dir": dir + "/db",
		"db_lib": "mdb", "ds_passwd": "{SSHA}" + base64.StdEncoding.EncodeToString(append(digest[:], salt...)),
		"ds_port": strconv.Itoa(port), "ds_suffix": d.BaseDN, "ds_user": userName(), "fqdn": "localhost", "inst_dir": dir + "/inst",
		"ldapi": dir + "/run/ldapi", "ldapi_autobind": "off", "ldapi_enabled": "off", "ldif_dir": dir + "/ldif", "lock_dir": dir + "/lock",
		"log_dir": dir + "/log", "rootdn": d.BindDN, "run_dir": dir + "/run", "schema_dir": dir + "/config/schema", "tmp_dir": dir + "/tmp",
		"ds_bename": "userRoot",
	}
	server, err := os.ReadFile(templates + "template-dse.ldif")
	suffix, err2 := os.ReadFile(templates + "template-suffix-db.ldif")
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("389-DS: %w", err)
	}
	text := strings.Replace(string(server), "nsslapd-port:", fmt.Sprintf(
		"nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\nnsslapd-security: on\nnsslapd-securePort: %d\nnsslapd-port:", securePort), 1)
	text += string(suffix)
	for name, value := range values {
		text = strings.ReplaceAll(text, "%"+name+"%", value)
	}
	if err := os.WriteFile(dir+"/config/dse.ldif", []byte(text), 0o600); err != nil {
		return fmt.Errorf("389-DS: %w", err)
	}
	return nil
}

// userName returns the system user that runs the tests: the server does not
// change to another.
func userName() string {
	out, err := exec.Command("id", "-un").Output()
	if err != nil {
		return "root"
	}
	return strings.TrimSpace(string(out))
}

// intoNSS writes the certificates as a Mozilla NSS database.
func (c Certificates) intoNSS(dir, certutil, pk12util, openssl string) error {
	bundle := filepath.Join(dir, "server.p12")
	for _, args := range [][]string{
		{openssl, "pkcs12", "-export", "-in", c.Cert, "-inkey", c.Key, "-name", "Server-Cert", "-out", bundle, "-passout", "pass:bundle"},
		{certutil, "-N", "-d", "sql:" + dir, "--empty-password"},
		{pk12util, "-i", bundle, "-d", "sql:" + dir, "-W", "bundle"},
		{certutil, "-A", "-d", "sql:" + dir, "-n", "ca", "-t", "CT,,", "-a", "-i", c.CA},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", filepath.Base(args[0]), err, out)
		}
	}
	return nil
}
