package testenv

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// OpenDJInstall and ApacheDSInstall are the installations of the servers from
// Maven Central by install.sh, below the tests' cache directory.
const (
	openDJInstall   = "opendj-4.9.3"
	apacheDSInstall = "apacheds-2.0.0.AM27.jar"
)

// StartOpenDJ starts an OpenDJ server and stops it when the test ends. Each test
// has a copy of the configuration and the empty database that its setup created;
// the programs are shared.
func StartOpenDJ(t testing.TB) *Directory {
	t.Helper()
	java := Need(t, "java", "apt-get install default-jre-headless")
	installed := cached(t, openDJInstall)
	d := newDirectory(t, "dc=kommun,dc=test", "cn=Directory Manager", "hemligt")
	var dir string
	d.startOn(90*time.Second, func() (*process, error) {
		dir = t.TempDir()
		if err := copyOpenDJ(installed, dir); err != nil {
			return nil, err
		}
		port := FreePort(t)
		d.URL = fmt.Sprintf("ldap://127.0.0.1:%d", port)
		err := rewrite(filepath.Join(dir, "config", "config.ldif"),
			"ds-cfg-listen-address: 0.0.0.0", "ds-cfg-listen-address: 127.0.0.1",
			"ds-cfg-listen-port: 1389", fmt.Sprintf("ds-cfg-listen-port: %d", port),
			"ds-cfg-listen-port: 4444", fmt.Sprintf("ds-cfg-listen-port: %d", FreePort(t)))
		if err != nil {
			return nil, err
		}
		return start(java, "-server", "-Xmx192m", "-XX:TieredStopAtLevel=1",
			"--add-exports", "java.base/sun.security.x509=ALL-UNNAMED", "--add-exports", "java.base/sun.security.tools.keytool=ALL-UNNAMED",
			"-Dorg.opends.server.scriptName=start-ds", "-Dorg.opends.server.ServerRoot="+dir,
			"-cp", dir+"/classes:"+installed+"/lib/bootstrap.jar", "org.opends.server.core.DirectoryServer",
			"--configFile", dir+"/config/config.ldif", "--nodetach")
	})
	d.populate(nil)
	return d
}

func copyOpenDJ(installed, dir string) error {
	for _, sub := range []string{"config", "db", "classes"} {
		if err := os.CopyFS(filepath.Join(dir, sub), os.DirFS(filepath.Join(installed, sub))); err != nil {
			return fmt.Errorf("OpenDJ: %w", err)
		}
	}
	for _, sub := range []string{"bak", "changelogDb", "import-tmp", "ldif", "locks", "logs"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return fmt.Errorf("OpenDJ: %w", err)
		}
	}
	for _, sub := range []string{"lib", "template"} {
		if err := os.Symlink(filepath.Join(installed, sub), filepath.Join(dir, sub)); err != nil {
			return fmt.Errorf("OpenDJ: %w", err)
		}
	}
	return nil
}

// rewrite replaces text in a file, given as pairs of old and new.
func rewrite(name string, pairs ...string) error {
	content, err := os.ReadFile(name)
	if err == nil {
		err = os.WriteFile(name, []byte(strings.NewReplacer(pairs...).Replace(string(content))), 0o600)
	}
	if err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	return nil
}
