package testenv

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// StartApacheDS starts an ApacheDS server and stops it when the test ends. Its
// configuration is that of the jar, except for ports and address.
func StartApacheDS(t testing.TB) *Directory {
	t.Helper()
	java := Need(t, "java", "apt-get install default-jre-headless")
	jar := cached(t, apacheDSInstall)
	d := newDirectory(t, "dc=example,dc=com", "uid=admin,ou=system", "secret")
	d.startOn(90*time.Second, func() (*process, error) {
		dir := t.TempDir()
		port := FreePort(t)
		d.URL = fmt.Sprintf("ldap://127.0.0.1:%d", port)
		config, err := configOf(jar)
		if err != nil {
			return nil, err
		}
		config = strings.NewReplacer(
			"ads-transportaddress: 0.0.0.0", "ads-transportaddress: 127.0.0.1",
			"ads-systemport: 10389", fmt.Sprintf("ads-systemport: %d", port),
			"ads-systemport: 10636", fmt.Sprintf("ads-systemport: %d", FreePort(t))).Replace(config)
		if err := os.Mkdir(filepath.Join(dir, "conf"), 0o700); err != nil {
			return nil, fmt.Errorf("ApacheDS: %w", err)
		}
		if err := os.WriteFile(filepath.Join(dir, "conf", "config.ldif"), []byte(config), 0o600); err != nil {
			return nil, fmt.Errorf("ApacheDS: %w", err)
		}
		return start(java, "-Xmx192m", "-XX:TieredStopAtLevel=1", "-jar", jar, dir)
	})
	d.populate(nil)
	return d
}

// configOf returns the initial configuration in a jar of ApacheDS.
func configOf(jar string) (string, error) {
	archive, err := zip.OpenReader(jar)
	if err != nil {
		return "", fmt.Errorf("ApacheDS: %w", err)
	}
	defer func() { _ = archive.Close() }()
	f, err := archive.Open("config.ldif")
	if err != nil {
		return "", fmt.Errorf("ApacheDS: %w", err)
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(f)
	if err != nil {
		return "", fmt.Errorf("ApacheDS: %w", err)
	}
	return string(content), nil
}
