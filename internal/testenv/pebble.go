package testenv

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// pebbleVersion is the version of Pebble, the ACME server of Let's Encrypt for tests.
const pebbleVersion = "v2.10.3"

// PebbleServer is a certificate authority that is asked by ACME.
type PebbleServer struct {
	Directory string // the URL of the ACME directory
	CAFile    string // verifies the server itself
	admin     string
	process   *process
}

// Pebble starts an ACME server on free loopback ports, and stops it when the test ends. It
// checks every host by TLS-ALPN-01 on 127.0.0.1 and tlsPort. The first time it is built
// from the Go module proxy, into the user's cache directory.
func Pebble(t testing.TB, tlsPort int) *PebbleServer {
	t.Helper()
	tool := Need(t, "go", "install Go")
	program, err := installGo(tool, "pebble-"+pebbleVersion, "github.com/letsencrypt/pebble/v2/cmd/pebble@"+pebbleVersion, "pebble")
	if err != nil {
		Missing(t, "pebble cannot be built: %v", err)
	}
	dir := t.TempDir()
	c, err := NewCertificates(dir)
	if err != nil {
		t.Fatal(err)
	}
	resolver := loopbackResolver(t)
	for try := 0; ; try++ {
		s, err := startPebble(t, program, dir, c, resolver, tlsPort)
		if err == nil {
			t.Cleanup(s.Stop)
			return s
		}
		if try == 4 || !portTaken(err) {
			t.Fatalf("pebble: %v", err)
		}
	}
}

func startPebble(t testing.TB, program, dir string, c Certificates, resolver string, tlsPort int) (*PebbleServer, error) {
	address, admin := fmt.Sprintf("127.0.0.1:%d", FreePort(t)), fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{"listenAddress": address, "managementListenAddress": admin, "certificate": c.Cert, "privateKey": c.Key,
		"httpPort": FreePort(t), "tlsPort": tlsPort, "keyAlgorithm": "ecdsa", "retryAfter": map[string]int{"authz": 1, "order": 1}}})
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-config", file, "-dnsserver", resolver, "-strict")
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	p, err := run(cmd)
	if err != nil {
		return nil, err
	}
	s := &PebbleServer{Directory: "https://" + address + "/dir", CAFile: c.CA, admin: "https://" + admin, process: p}
	err = p.await(30*time.Second, func(ctx context.Context) error {
		_, err := s.get(ctx, s.Directory)
		return err
	})
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Stop stops the server; a certificate that is asked for afterwards is not got.
func (s *PebbleServer) Stop() { s.process.stop(syscall.SIGTERM) }

// Root returns the certificate, in PEM, that verifies what the authority issues. It is
// another one each time the server is started.
func (s *PebbleServer) Root(ctx context.Context) ([]byte, error) {
	return s.get(ctx, s.admin+"/roots/0")
}

func (s *PebbleServer) get(ctx context.Context, url string) ([]byte, error) {
	trust, err := trusting(s.CAFile, "localhost")
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: trust}}
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return b, err
}

// installGo returns the path of a program that is built from the Go module proxy, once for
// each version of it and of Go. Concurrent test binaries may build it at the same time;
// what is there is whole, as it gets its name last.
func installGo(tool, name, module, program string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache directory: %w", err)
	}
	parent := filepath.Join(cache, "behov-testenv")
	path := filepath.Join(parent, name+"-"+runtime.Version())
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(parent, 0o700); err != nil {
		return "", err
	}
	temp, err := os.MkdirTemp(parent, "install-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, "install", module)
	cmd.Dir, cmd.Env = temp, append(os.Environ(), "GOBIN="+temp, "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go install %s: %w\n%s", module, err, out)
	}
	return path, os.Rename(filepath.Join(temp, program), path)
}

// loopbackResolver is a DNS server over TCP, by which Pebble asks, that knows every name
// as 127.0.0.1, until the test ends.
func loopbackResolver(t testing.TB) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // it is closed
			}
			go answerDNS(c)
		}
	}()
	return l.Addr().String()
}

// answerDNS answers the questions on a connection (RFC 1035 §4.2.2).
func answerDNS(c net.Conn) {
	defer func() { _ = c.Close() }()
	if c.SetDeadline(time.Now().Add(10*time.Second)) != nil {
		return
	}
	for {
		var length uint16
		if binary.Read(c, binary.BigEndian, &length) != nil {
			return
		}
		question := make([]byte, length)
		if _, err := io.ReadFull(c, question); err != nil {
			return
		}
		answer := resolveLoopback(question)
		if answer == nil {
			return
		}
		if _, err := c.Write(binary.BigEndian.AppendUint16(nil, uint16(len(answer)))); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// resolveLoopback answers a question of DNS; nil when it is none.
func resolveLoopback(question []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(question) != nil || len(m.Questions) != 1 {
		return nil
	}
	m.Response, m.Authoritative, m.Additionals = true, true, nil
	if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
		m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 60}, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}}}
	}
	b, err := m.Pack()
	if err != nil {
		return nil
	}
	return b
}
