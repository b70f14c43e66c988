package testenv

import (
	"context"
	"crypto/rand"
	_ "embed" // the server's files
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var (
	//go:embed scimmy/package.json
	scimmyPackage []byte
	//go:embed scimmy/server.mjs
	scimmyServer []byte
)

// SCIMMYServer is an independent SCIM server: SCIMMY, on Node. It serves any
// number of isolated services.
type SCIMMYServer struct {
	Token string
	base  string
	made  atomic.Int32
}

const nodeInstall = "apt-get install nodejs npm"

// SCIMMY starts a SCIM server on a free loopback port and stops it when the test
// ends. The first time it installs the server's packages with npm, into the
// user's cache directory.
func SCIMMY(t testing.TB) *SCIMMYServer {
	t.Helper()
	node := Need(t, "node", nodeInstall)
	npm := Need(t, "npm", nodeInstall)
	dir, err := npmInstalled(npm, "scimmy", map[string][]byte{"package.json": scimmyPackage, "server.mjs": scimmyServer})
	if err != nil {
		Missing(t, "scimmy cannot be installed: %v", err)
	}
	for try := 0; ; try++ {
		s := &SCIMMYServer{Token: rand.Text(), base: "http://127.0.0.1:" + strconv.Itoa(FreePort(t))}
		p, err := s.start(node, dir)
		if err == nil {
			t.Cleanup(func() { p.stop(syscall.SIGTERM) })
			return s
		}
		if try == 4 || !portTaken(err) && !errors.Is(err, errSCIMMYPort) {
			t.Fatalf("scimmy: %v", err)
		}
	}
}

// Service returns the base URL of a new service, without users and groups.
func (s *SCIMMYServer) Service() string {
	return fmt.Sprintf("%s/service%d/scim/v2", s.base, s.made.Add(1))
}

var errSCIMMYPort = errors.New("another server answers")

func (s *SCIMMYServer) start(node, dir string) (*process, error) {
	port := s.base[strings.LastIndex(s.base, ":")+1:]
	p, err := start(node, filepath.Join(dir, "server.mjs"), port, s.Token)
	if err != nil {
		return nil, err
	}
	err = p.await(30*time.Second, func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.base+"/probe/scim/v2/Users", nil)
		if err != nil {
			return err
		}
		r.Header.Set("Authorization", "Bearer "+s.Token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = res.Body.Close() }()
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("%w: %s", errSCIMMYPort, res.Status)
		}
		return nil
	})
	if err != nil {
		p.stop(syscall.SIGKILL)
		return nil, err
	}
	return p, nil
}
