package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	ldapv3 "github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/internal/testenv"
)

// BenchmarkApplyToDirectory brings people who are new to the real slapd, each with an
// account, three memberships and a reference to a manager, and compares that with
// ldapmodify, which does the same changes on one connection, and writes nothing down.
// ratio is ldapmodify's time by behov's, plan and reading the directory left out; goal:
// at least 0.9. BEHOV_BENCH_PEOPLE says how many people.
func BenchmarkApplyToDirectory(b *testing.B) {
	people := testenv.BenchSize(4_000)
	if n, err := strconv.Atoi(os.Getenv("BEHOV_BENCH_PEOPLE")); err == nil {
		people = n
	}
	modify := testenv.Need(b, "ldapmodify", "apt-get install ldap-utils")
	var ours, theirs time.Duration
	changes := 0
	for range b.N {
		peer := testenv.StartSlapd(b)
		benchGroups(b, peer)
		var text string
		text, changes = benchLDIF(peer, people)
		file := filepath.Join(b.TempDir(), "changes.ldif")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command(modify, "-x", "-ZZ", "-H", peer.URL, "-D", peer.BindDN, "-w", peer.Password, "-f", file)
		var errs bytes.Buffer
		cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+peer.CAFile)
		cmd.Stdout, cmd.Stderr = io.Discard, &errs
		began := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatalf("ldapmodify: %v\n%s", err, errs.String())
		}
		theirs += time.Since(began)

		slapd := testenv.StartSlapd(b)
		benchGroups(b, slapd)
		h := newBenchDirectory(b, slapd, people)
		began = time.Now()
		h.run(b, "plan", "--json")
		planned := time.Since(began)
		began = time.Now()
		h.run(b, "apply", "--yes")
		ours += time.Since(began) - planned
		h.run(b, "plan") // nothing is left to do
		b.Logf("ldapmodify %s, behov apply %s of which plan %s", theirs.Round(time.Millisecond), (ours + planned).Round(time.Millisecond), planned.Round(time.Millisecond))
	}
	count := float64(changes * b.N)
	b.ReportMetric(count/ours.Seconds(), "changes/s")
	b.ReportMetric(count/theirs.Seconds(), "ldapmodify/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

var benchGroupNames = []string{"staff", "school", "library", "mail"}

func benchGroups(b *testing.B, s *testenv.Slapd) {
	b.Helper()
	c := s.Dial()
	for _, group := range benchGroupNames {
		add := ldapv3.NewAddRequest("cn="+group+","+s.GroupsDN, nil)
		add.Attribute("objectClass", []string{"groupOfNames"})
		add.Attribute("member", []string{"cn=" + group + "," + s.GroupsDN})
		if err := c.Add(add); err != nil {
			b.Fatal(err)
		}
	}
}

// benchLDIF is what behov writes to the directory, as changes for ldapmodify.
func benchLDIF(s *testenv.Slapd, people int) (text string, changes int) {
	var t strings.Builder
	dn := func(n int) string { return fmt.Sprintf("uid=annek%d,%s", n, s.PeopleDN) }
	for n := range people {
		fmt.Fprintf(&t, "dn: %s\nchangetype: add\nobjectClass: inetOrgPerson\nuid: annek%d\nemployeeNumber: 0197b1f0-0000-7000-8000-%012d\nsn: Ek%d\ncn: Anna%d Ek%d\nmail: p%d@example.org\n\n", dn(n), n, n, n%1000, n%100, n%1000, n)
		changes++
	}
	for n := range people {
		for _, group := range []string{"staff", []string{"school", "library"}[n%2], "mail"} {
			fmt.Fprintf(&t, "dn: cn=%s,%s\nchangetype: modify\nadd: member\nmember: %s\n-\n\n", group, s.GroupsDN, dn(n))
			changes++
		}
	}
	for n := range people {
		if n/20 == n {
			continue
		}
		fmt.Fprintf(&t, "dn: %s\nchangetype: modify\nreplace: manager\nmanager: %s\n-\n\n", dn(n), dn(n/20))
		changes++
	}
	return t.String(), changes
}

// newBenchDirectory is an installation whose target is a directory, with the people
// imported.
func newBenchDirectory(b *testing.B, s *testenv.Slapd, people int) benchInstallation {
	b.Helper()
	h := benchInstallation{filepath.Join(b.TempDir(), "k")}
	h.run(b, "init", h.dir)
	h.write(b, "ldap.password", s.Password)
	h.write(b, "behov.yaml", fmt.Sprintf("timezone: Europe/Stockholm\ndatabase: sqlite:behov.db\nkey: file:behov.key\nhr: {sources: {hr: {}}}\n"+
		"targets: {ldap: {hold_above: {all: {number: 10000000, percent: 100}}, attributes: {sn: \"{{.FamilyName}}\", cn: \"{{.GivenName}} {{.FamilyName}}\", mail: \"{{.Email}}\", manager: {reference: manager}}, "+
		"ldap: {url: %q, ca_file: %q, start_tls: true, bind_dn: %q, password: file:ldap.password, people_dn: %q, groups_dn: %q}}}\n", s.URL, s.CAFile, s.BindDN, s.PeopleDN, s.GroupsDN))
	h.write(b, "catalogue.yaml", "systems:\n  base: {owner: \"7\", target: ldap, entitlements: {staff: {}, school: {}, library: {}, mail: {}}}\n")
	h.write(b, "policy.csv", "p, staff, true, base:staff, allow, all people\np, mail, true, base:mail, allow, all people\n"+
		"p, school, \"under(r.sub.unit, 'school')\", base:school, allow, the school\np, library, \"under(r.sub.unit, 'library')\", base:library, allow, the library\n")
	h.write(b, "units.csv", "unit,parent,name\nschool,,\nlibrary,,\n")
	h.importPeople(b, people)
	return h
}

// BenchmarkNothingToDoInDirectory looks at everyone in the real slapd when nothing is
// to be done, and compares that with ldapsearch, which reads the same entries. ratio is
// behov's time by ldapsearch's; goal: at most 4.
func BenchmarkNothingToDoInDirectory(b *testing.B) {
	people := testenv.BenchSize(8_000)
	if n, err := strconv.Atoi(os.Getenv("BEHOV_BENCH_PEOPLE")); err == nil {
		people = n
	}
	search := testenv.Need(b, "ldapsearch", "apt-get install ldap-utils")
	slapd := testenv.StartSlapd(b, "dbnosync")
	benchGroups(b, slapd)
	h := newBenchDirectory(b, slapd, people)
	h.run(b, "apply", "--yes")
	tuneGC() // as the command itself does
	b.ResetTimer()
	var ours, theirs time.Duration
	for range b.N {
		for _, args := range [][]string{
			{"-b", slapd.PeopleDN, "(objectClass=inetOrgPerson)", "entryUUID", "uid", "employeeNumber", "pwdAccountLockedTime", "cn", "sn", "mail", "manager"},
			{"-b", slapd.GroupsDN, "(objectClass=groupOfNames)", "cn", "member"},
		} {
			cmd := exec.Command(search, append([]string{"-x", "-H", slapd.URL, "-D", slapd.BindDN, "-w", slapd.Password, "-LLL", "-E", "pr=500/noprompt"}, args...)...)
			cmd.Stdout = io.Discard
			began := time.Now()
			if err := cmd.Run(); err != nil {
				b.Fatal(err)
			}
			theirs += time.Since(began)
		}
		began := time.Now()
		h.run(b, "plan")
		ours += time.Since(began)
	}
	b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms/plan")
	b.ReportMetric(float64(theirs.Milliseconds())/float64(b.N), "ms/ldapsearch")
	b.ReportMetric(ours.Seconds()/theirs.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkApplyToActiveDirectory is BenchmarkApplyToDirectory on Samba's domain
// controller over LDAPS, beside ldapmodify over LDAPS, both in one domain: accounts
// with a first password, two memberships each. Goal: at least 0.9.
func BenchmarkApplyToActiveDirectory(b *testing.B) {
	people := testenv.BenchSize(1_000)
	if n, err := strconv.Atoi(os.Getenv("BEHOV_BENCH_PEOPLE")); err == nil {
		people = n
	}
	modify := testenv.Need(b, "ldapmodify", "apt-get install ldap-utils")
	samba := testenv.StartSamba(b)
	run := func(text string) time.Duration {
		file := filepath.Join(b.TempDir(), "changes.ldif")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command(modify, "-x", "-H", samba.SecureURL, "-D", samba.BindDN, "-w", samba.Password, "-f", file)
		var errs bytes.Buffer
		cmd.Env = append(os.Environ(), "LDAPTLS_CACERT="+samba.CAFile)
		cmd.Stdout, cmd.Stderr = io.Discard, &errs
		began := time.Now()
		if err := cmd.Run(); err != nil {
			b.Fatalf("ldapmodify: %v\n%s", err, errs.String())
		}
		return time.Since(began)
	}
	var ours, theirs time.Duration
	changes := 0
	for n := range b.N {
		var units, text strings.Builder
		for _, side := range []string{"peer", "ours"} {
			fmt.Fprintf(&units, "dn: OU=%s%d,%s\nchangetype: add\nobjectClass: organizationalUnit\n\n", side, n, samba.BaseDN)
			for _, group := range []string{"staff", "mail"} {
				fmt.Fprintf(&units, "dn: CN=%[1]s-%[2]s%[3]d,OU=%[2]s%[3]d,%[4]s\nchangetype: add\nobjectClass: group\nsAMAccountName: %[1]s-%[2]s%[3]d\n\n", group, side, n, samba.BaseDN)
			}
		}
		run(units.String())
		password := utf16.Encode([]rune(`"Sommar-2026-och-vinter"`))
		var raw []byte
		for _, u := range password {
			raw = append(raw, byte(u), byte(u>>8))
		}
		changes = 0
		for k := range people {
			dn := fmt.Sprintf("CN=Peer%d Ek%d,OU=peer%d,%s", k, k, n, samba.BaseDN)
			fmt.Fprintf(&text, "dn: %s\nchangetype: add\nobjectClass: user\nsAMAccountName: p%dx%d\ngivenName: Peer%d\nsn: Ek%d\nmail: p%d@example.org\nmsDS-cloudExtensionAttribute1: 0197b1f0-0000-7000-8000-%012d\nuserAccountControl: 512\nunicodePwd:: %s\n\n",
				dn, k, n, k, k, k, k, base64.StdEncoding.EncodeToString(raw))
			changes++
		}
		for k := range people {
			for _, group := range []string{"staff", "mail"} {
				fmt.Fprintf(&text, "dn: CN=%s-peer%d,OU=peer%d,%s\nchangetype: modify\nadd: member\nmember: CN=Peer%d Ek%d,OU=peer%d,%s\n-\n\n", group, n, n, samba.BaseDN, k, k, n, samba.BaseDN)
				changes++
			}
		}
		theirs += run(text.String())

		h := benchInstallation{filepath.Join(b.TempDir(), "k")}
		h.run(b, "init", h.dir)
		h.write(b, "ad.password", samba.Password)
		h.write(b, "behov.yaml", fmt.Sprintf("timezone: Europe/Stockholm\ndatabase: sqlite:behov.db\nkey: file:behov.key\nhr: {sources: {hr: {}}}\nlogin: \"o{{.Key}}x%d\"\n"+
			"targets: {ad: {hold_above: {all: {number: 10000000, percent: 100}}, name: {value: \"{{.Login}}\", max_length: 20}, attributes: {cn: {value: \"{{.GivenName}} {{.FamilyName}}\", set: create}, givenName: \"{{.GivenName}}\", sn: \"{{.FamilyName}}\", mail: \"{{.Email}}\"}, "+
			"ldap: {url: %q, ca_file: %q, bind_dn: %q, password: file:ad.password, people_dn: %q, groups_dn: %q, anchor_attribute: msDS-cloudExtensionAttribute1}}}\n",
			n, samba.SecureURL, samba.CAFile, samba.UPN, fmt.Sprintf("OU=ours%d,%s", n, samba.BaseDN), fmt.Sprintf("OU=ours%d,%s", n, samba.BaseDN)))
		h.write(b, "catalogue.yaml", fmt.Sprintf("systems:\n  base: {owner: \"7\", target: ad, entitlements: {staff: {native: staff-ours%d}, mail: {native: mail-ours%d}}}\n", n, n))
		h.write(b, "policy.csv", "p, staff, true, base:staff, allow, all people\np, mail, true, base:mail, allow, all people\n")
		h.write(b, "units.csv", "unit,parent,name\nschool,,\n")
		h.write(b, "rights.csv", "g, hr/7, administrator\n")
		var hr strings.Builder
		hr.WriteString("person_id,employment_id,given_name,family_name,email,unit,job_title,start_date\n")
		for k := range people {
			fmt.Fprintf(&hr, "%d,E%d,Our%d,Ek%d,p%d@example.org,school,Clerk,2020-01-01\n", k, k, k, k, k)
		}
		h.write(b, "hr.csv", hr.String())
		h.run(b, "hr", "import", filepath.Join(h.dir, "hr.csv"))
		began := time.Now()
		h.run(b, "plan", "--json")
		planned := time.Since(began)
		began = time.Now()
		h.run(b, "apply", "--yes")
		ours += time.Since(began) - planned
		b.Logf("ldapmodify %s, behov apply %s of which plan %s", theirs.Round(time.Millisecond), (ours + planned).Round(time.Millisecond), planned.Round(time.Millisecond))
	}
	count := float64(changes * b.N)
	b.ReportMetric(count/ours.Seconds(), "changes/s")
	b.ReportMetric(count/theirs.Seconds(), "ldapmodify/s")
	b.ReportMetric(theirs.Seconds()/ours.Seconds(), "ratio")
	b.ReportMetric(0, "ns/op")
}
