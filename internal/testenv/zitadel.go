package testenv

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// zitadelVersion is the version of zitadel/oidc, whose example is an OpenID Connect provider.
const zitadelVersion = "v3.45.0"

// ZitadelClient and ZitadelOtherClient are the clients that a ZitadelProvider knows, with
// ZitadelSecret.
const (
	ZitadelClient      = "web"
	ZitadelOtherClient = "api"
	ZitadelSecret      = "secret"
)

// ZitadelUser is a user of a ZitadelProvider.
type ZitadelUser struct{ ID, Username, Password string }

// ZitadelProvider starts an OpenID Connect provider of another codebase than OIDCProvider's
// on a free port, and stops it when the test ends. Its login form is at
// ISSUERlogin/username, with id, username and password. The first time it is built from the
// Go module proxy, into the user's cache directory.
func ZitadelProvider(t testing.TB, redirect string, users ...ZitadelUser) (issuer string) {
	t.Helper()
	tool := Need(t, "go", "install Go")
	program, err := installGo(tool, "zitadel-oidc-"+zitadelVersion, "github.com/zitadel/oidc/v3/example/server@"+zitadelVersion, "server")
	if err != nil {
		Missing(t, "zitadel/oidc cannot be built: %v", err)
	}
	known := map[string]ZitadelUser{}
	for _, u := range users {
		known[u.ID] = u
	}
	text, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "users.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for try := 0; ; try++ {
		port := strconv.Itoa(FreePort(t))
		o := &OIDCProvider{Issuer: "http://localhost:" + port, t: t}
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), "PORT="+port, "USERS_FILE="+file, "REDIRECT_URI="+redirect)
		p, err := run(cmd)
		if err == nil {
			if err = p.await(30*time.Second, func(ctx context.Context) error { return o.answers(ctx) }); err == nil {
				t.Cleanup(func() { p.stop(syscall.SIGTERM) })
				return o.Issuer + "/"
			}
			p.stop(syscall.SIGKILL)
		}
		if try == 4 || !portTaken(err) {
			t.Fatalf("zitadel/oidc: %v", err)
		}
	}
}
