package testenv_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/testenv"
)

func search(c *ldap.Conn, base string) error {
	_, err := c.Search(ldap.NewSearchRequest(base, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", []string{"1.1"}, nil))
	return err
}

func TestSlapdKeepsItsDataOverARestart(t *testing.T) {
	t.Parallel()
	s := testenv.StartSlapd(t)
	if err := search(s.Dial(), s.PeopleDN); err != nil {
		t.Fatal(err)
	}
	before := s.Dial()
	s.Restart()
	if err := search(before, s.PeopleDN); err == nil {
		t.Error("a connection outlived the restart")
	}
	if err := search(s.Dial(), s.PeopleDN); err != nil {
		t.Error(err)
	}
	s.Kill()
	if _, err := ldap.DialURL(s.URL); err == nil {
		t.Error("it still answers after Kill")
	}
	s.Restart()
	if err := search(s.Dial(), s.PeopleDN); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	testenv.Need(t, "slapd", "apt-get install slapd") // here: other goroutines must not skip
	var wg sync.WaitGroup
	var mu sync.Mutex
	urls := map[string]bool{}
	for range 3 {
		wg.Go(func() {
			s := testenv.StartSlapd(t)
			mu.Lock()
			defer mu.Unlock()
			urls[s.URL] = true
		})
	}
	wg.Wait()
	if len(urls) != 3 {
		t.Errorf("%d addresses, want 3", len(urls))
	}
}

// recorder stands in for a test that lacks its server.
type recorder struct {
	testing.TB
	skipped, failed string
}

func (r *recorder) Helper()                           {}
func (r *recorder) Skipf(format string, args ...any)  { r.skipped = format }
func (r *recorder) Fatalf(format string, args ...any) { r.failed = format }

func TestNeed(t *testing.T) {
	if testing.Short() {
		t.Skip("with -short everything is skipped")
	}
	for _, tt := range []struct {
		ci   string
		skip bool
	}{{"", true}, {"false", true}, {"true", false}} {
		t.Setenv("CI", tt.ci)
		t.Setenv("BEHOV_SKIPPED", "") // this is not about a server that is missing
		r := &recorder{TB: t}
		testenv.Need(r, "no-such-server", "apt-get install it")
		if (r.skipped != "") != tt.skip || (r.failed != "") == tt.skip {
			t.Errorf("CI=%q: skipped %q, failed %q", tt.ci, r.skipped, r.failed)
		}
		if !strings.Contains(r.skipped+r.failed, "not installed") {
			t.Errorf("CI=%q: it does not say what is missing", tt.ci)
		}
	}
}

// TestNothingIsLeftOfACrashedTest runs itself: as the child it starts a server
// and is killed before any cleanup.
func TestNothingIsLeftOfACrashedTest(t *testing.T) {
	const child = "BEHOV_TESTENV_CHILD"
	if os.Getenv(child) != "" {
		s := testenv.StartSlapd(t)
		fmt.Println("listens at", s.URL)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends programs with their parents")
	}
	testenv.Need(t, "slapd", "apt-get install slapd")
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingIsLeftOfACrashedTest$", "-test.v")
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+t.TempDir()) // no one else cleans up after it
	out, err := cmd.CombinedOutput()
	_, rest, found := strings.Cut(string(out), "listens at ")
	if err == nil || !found {
		t.Fatalf("the child: %v\n%s", err, out)
	}
	url, _, _ := strings.Cut(rest, "\n")
	for range 200 {
		c, err := ldap.DialURL(url)
		if err != nil {
			return
		}
		_ = c.Close()
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s still answers", url)
}
