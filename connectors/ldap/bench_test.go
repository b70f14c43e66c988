package ldap_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/ldap"
	"github.com/behov/behov/internal/testenv"
)

// The benchmarks compare the connector with OpenLDAP's own tools: the same
// entries, on the same server, on one connection, in one run. The reported ratio
// is ldapadd's time by the connector's for creating (above 1: the connector is
// faster), and the connector's time by ldapsearch's for reading (below 1: the
// connector is faster).

const benchmarkBatch = 500 // changes in one Apply, as the engine sends them

// benchServer returns a slapd that syncs writes to disk before it answers, when
// durable is set.
func benchServer(b testing.TB, durable bool) *subtree {
	b.Helper()
	var extra []string
	if durable {
		extra = []string{"# fsync"}
	}
	s := testenv.StartSlapd(b, extra...)
	return &subtree{s, s.PeopleDN, s.GroupsDN}
}

// entries returns creations that differ only in what must be unique.
func entries(prefix string, n int) []connectors.Change {
	changes := creations(prefix, n)
	for i := range changes {
		changes[i].Attributes["title"] = []string{"Handläggare"}
		changes[i].Attributes["mail"] = []string{changes[i].Account.Name + "@kommun.test"}
		changes[i].Attributes["telephoneNumber"] = []string{"+46 8 123 45 67"}
	}
	return changes
}

// ldif writes the same entries for ldapadd.
func ldif(t testing.TB, people string, changes []connectors.Change) (file string) {
	t.Helper()
	var b bytes.Buffer
	for _, c := range changes {
		fmt.Fprintf(&b, "dn: uid=%s,%s\nobjectClass: inetOrgPerson\nuid: %s\nemployeeNumber: %s\n", c.Account.Name, people, c.Account.Name, c.Account.Anchor)
		for name, values := range c.Attributes {
			for _, v := range values {
				fmt.Fprintf(&b, "%s: %s\n", name, v)
			}
		}
		b.WriteString("\n")
	}
	file = filepath.Join(t.TempDir(), "entries.ldif")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// tool runs one of OpenLDAP's tools and returns its run time.
func (s *subtree) tool(t testing.TB, name string, args ...string) time.Duration {
	t.Helper()
	path := testenv.Need(t, name, "apt-get install ldap-utils")
	cmd := exec.Command(path, append([]string{"-x", "-H", s.URL, "-D", s.BindDN, "-w", s.Password}, args...)...)
	var errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Discard, &errs
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, errs.String())
	}
	return time.Since(begin)
}

func createAll(t testing.TB, c connectors.Connector, changes []connectors.Change) time.Duration {
	t.Helper()
	begin := time.Now()
	for i := 0; i < len(changes); i += benchmarkBatch {
		applyAll(t, c, changes[i:min(i+benchmarkBatch, len(changes))])
	}
	return time.Since(begin)
}

func BenchmarkCreate(b *testing.B) {
	const n = 10000
	for name, durable := range map[string]bool{"fsync": true, "dbnosync": false} {
		b.Run(name, func(b *testing.B) {
			var ours, theirs time.Duration
			for range b.N {
				tree := benchServer(b, durable)
				theirs += tree.tool(b, "ldapadd", "-f", ldif(b, tree.people, entries("a", n)))
				c := openB(b, tree.config())
				ours += createAll(b, c, entries("b", n))
			}
			count := float64(n * b.N)
			b.ReportMetric(count/ours.Seconds(), "accounts/s")
			b.ReportMetric(count/theirs.Seconds(), "ldapadd/s")
			b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
		})
	}
}

func BenchmarkRead(b *testing.B) {
	const n = 50000
	tree := benchServer(b, false)
	tree.tool(b, "ldapadd", "-f", ldif(b, tree.people, entries("a", n)))
	c := openB(b, tree.config())
	args := []string{"-LLL", "-E", "pr=500/noprompt", "-b", tree.people, "(objectClass=inetOrgPerson)", "entryUUID", "uid", "employeeNumber", "pwdAccountLockedTime", "cn", "sn", "title", "mail", "telephoneNumber", "manager"}
	read(b, c, n)
	b.ResetTimer()
	var ours, theirs time.Duration
	for range b.N {
		theirs += tree.tool(b, "ldapsearch", args...)
		begin := time.Now()
		read(b, c, n)
		ours += time.Since(begin)
	}
	count := float64(n * b.N)
	b.ReportMetric(count/ours.Seconds(), "accounts/s")
	b.ReportMetric(count/theirs.Seconds(), "ldapsearch/s")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
}

// BenchmarkFind looks up whether a new person has an account, among 6,000
// accounts, and reports the cost of one look-up as a share of reading all
// accounts.
func BenchmarkFind(b *testing.B) {
	const n = 6000
	tree := benchServer(b, false)
	tree.tool(b, "ldapadd", "-f", ldif(b, tree.people, entries("a", n)))
	c := openB(b, tree.config())
	var few, all time.Duration
	for range b.N {
		sink := &counting{}
		begin := time.Now()
		if done, err := c.FindAccounts(b.Context(), []string{"anna"}, map[string][]string{"mail": {"a00042@kommun.test"}}, sink); err != nil || !done.Complete || sink.n != 1 {
			b.Fatalf("%v, %+v, %d accounts", err, done, sink.n)
		}
		few += time.Since(begin)
		begin = time.Now()
		read(b, c, n)
		all += time.Since(begin)
	}
	b.ReportMetric(float64(few.Milliseconds())/float64(b.N), "ms/find")
	b.ReportMetric(float64(all.Milliseconds())/float64(b.N), "ms/snapshot")
	b.ReportMetric(few.Seconds()/all.Seconds(), "ratio")
}

func openB(t testing.TB, cfg ldap.Config) *ldap.Connector {
	t.Helper()
	c, err := ldap.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// counting is a sink that keeps nothing and samples the memory in use.
type counting struct {
	n, members int
	peak       uint64
}

func (c *counting) Account(connectors.Account) error {
	if c.n++; c.n%5000 == 0 {
		c.look()
	}
	return nil
}

func (c *counting) look() {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	c.peak = max(c.peak, m.HeapAlloc)
}

func (c *counting) Entitlement(connectors.Entitlement) error { return nil }
func (c *counting) Membership(connectors.Membership) error   { c.members++; return nil }

func read(t testing.TB, c connectors.Connector, want int) *counting {
	t.Helper()
	sink := &counting{}
	done, err := c.Snapshot(context.Background(), sink)
	if err != nil || !done.Complete || sink.n != want {
		t.Fatalf("%v, %+v, %d accounts, want %d", err, done, sink.n, want)
	}
	return sink
}

// TestBenchmarksDoTheSameWork runs the benchmarks in small and checks that the
// connector and the tools do the same work.
func TestBenchmarksDoTheSameWork(t *testing.T) {
	t.Parallel()
	const n = 300
	tree := benchServer(t, false)
	tree.tool(t, "ldapadd", "-f", ldif(t, tree.people, entries("a", n)))
	c := openB(t, tree.config())
	createAll(t, c, entries("b", n))
	s := snapshot(t, c)
	for i, change := range entries("a", n) {
		theirs, ours := s.accounts[change.Account.Name], s.accounts[strings.Replace(change.Account.Name, "a", "b", 1)]
		if theirs.ID == "" || ours.ID == "" || len(theirs.Attributes) != len(ours.Attributes) || theirs.Enabled != ours.Enabled {
			t.Fatalf("entry %d: %+v and %+v", i, theirs, ours)
		}
	}
}
