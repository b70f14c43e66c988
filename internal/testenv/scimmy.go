package testenv

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed" // the server's files
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
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
	dir, err := installSCIMMY(npm)
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

// installSCIMMY returns a directory with the server and its packages. Concurrent
// test binaries wait for the first to install them; an existing directory is
// complete, as it gets its name last.
func installSCIMMY(npm string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	parent := filepath.Join(cache, "behov-testenv", "scimmy")
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	sum := sha256.Sum256(append(append([]byte{}, scimmyPackage...), scimmyServer...))
	dir := filepath.Join(parent, hex.EncodeToString(sum[:8]))
	lock := dir + ".lock"
	for {
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
		f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			defer func() { _ = os.Remove(lock) }()
			if err := f.Close(); err != nil {
				return "", err
			}
			return dir, npmInstall(npm, parent, dir)
		}
		if !errors.Is(err, fs.ErrExist) {
			return "", err
		}
		// A holder of the lock that takes longer than an install was killed.
		if info, err := os.Stat(lock); err == nil && time.Since(info.ModTime()) > npmLimit {
			_ = os.Remove(lock)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

const npmLimit = 3 * time.Minute

func npmInstall(npm, parent, dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil // installed by another process meanwhile
	}
	temp, err := os.MkdirTemp(parent, "install-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	for name, content := range map[string][]byte{"package.json": scimmyPackage, "server.mjs": scimmyServer} {
		if err := os.WriteFile(filepath.Join(temp, name), content, 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), npmLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock")
	cmd.Dir = temp
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return os.Rename(temp, dir)
}
