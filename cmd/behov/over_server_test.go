package main

import (
	"bytes"
	"context"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/manual"
	"github.com/behov/behov/internal/testenv"
)

// running is behov serve in this process, until it is stopped.
type running struct {
	t       *testing.T
	address string
	out     safeBuffer
	errs    safeBuffer
	stop    func()
}

// freePort returns an address on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// runServer serves a configuration.
func runServer(t *testing.T, dir, address string, args ...string) *running {
	t.Helper()
	s := &running{t: t, address: address}
	a := &app{stdin: strings.NewReader(""), stdout: &s.out, stderr: &s.errs, now: time.Now}
	root := a.root()
	root.SetArgs(append([]string{"-c", dir, "serve", "--every", "1h", "--listen", address}, args...))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- root.ExecuteContext(ctx) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v\n%s", err, s.errs.String())
		}
	}
	t.Cleanup(s.stop)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if res, err := http.Get("http://" + address + "/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("behov is not ready:\n%s", s.errs.String())
		}
	}
}

// shellWith runs a command with a standard input, not of any configuration.
func shellWith(t *testing.T, stdin string, stderr io.Writer, args ...string) (code int, out string) {
	t.Helper()
	var stdout bytes.Buffer
	a := &app{stdin: strings.NewReader(stdin), stdout: &stdout, stderr: stderr, now: time.Now}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(&stdout)
	root.SetErr(stderr)
	code = status(root.ExecuteContext(t.Context()), stderr)
	return code, stdout.String()
}

// shellAt runs a command over a server.
func shellAt(t *testing.T, server string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stderr bytes.Buffer
	code, out = shellWith(t, "", &stderr, append([]string{"--server", server}, args...)...)
	return code, out, stderr.String()
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar}
}

func browse(t *testing.T, b *http.Client, address string, form url.Values) string {
	t.Helper()
	var res *http.Response
	var err error
	if form == nil {
		res, err = b.Get(address)
	} else {
		res, err = b.PostForm(address, form)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 400 {
		t.Fatalf("%s: %d %s %v", address, res.StatusCode, text, err)
	}
	return string(text)
}

var (
	confirmAt = regexp.MustCompile(`http://\S+\?code=\S+`)
	formValue = regexp.MustCompile(`name="(code|form)" value="([^"]*)"`)
)

// login signs in on this machine, and confirms it in a browser.
func login(t *testing.T, server string, b *http.Client) string {
	t.Helper()
	var errs safeBuffer
	said := make(chan string, 1)
	go func() {
		code, out := shellWith(t, "", &errs, "login", "--server", server)
		if code != 0 {
			out = errs.String()
		}
		said <- out
	}()
	var address string
	for deadline := time.Now().Add(10 * time.Second); address == ""; time.Sleep(10 * time.Millisecond) {
		address = confirmAt.FindString(errs.String())
		if time.Now().After(deadline) {
			t.Fatalf("login says %s", errs.String())
		}
	}
	form := url.Values{"decision": {"confirm"}}
	page := browse(t, b, address, nil)
	for _, found := range formValue.FindAllStringSubmatch(page, -1) {
		form.Set(found[1], html.UnescapeString(found[2]))
	}
	if !strings.Contains(errs.String(), "confirm the code "+form.Get("code")+":") {
		t.Errorf("the page shows the code %q, and the machine says %s", form.Get("code"), errs.String())
	}
	if done := browse(t, b, server+"/sign-in/device/decision", form); !strings.Contains(done, "Confirmed") {
		t.Fatalf("the page says %s", done)
	}
	return <-said
}

// credentialsHere has tokens kept in a directory of the test.
func credentialsHere(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", dir)
	t.Setenv("HOME", dir)
	return filepath.Join(dir, "behov", "credentials.json")
}

var (
	seenIDs   = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`)
	osUsers   = regexp.MustCompile(`os-uid:\d+(, as \S+)?`)
	tokenText = regexp.MustCompile(`behov_[A-Za-z0-9_-]{43}`)
)

// TestOverServer runs every command that works over a server both ways, on two copies of one
// installation, as the same administrator: what is printed, and the exit status, is the same
// to the byte, but for the time.
func TestOverServer(t *testing.T) {
	if testing.Short() {
		t.Skip("a machine asks for its token every five seconds")
	}
	t.Setenv("BEHOV_TEST_ON", "sqlite") // the copy is one of files
	t.Setenv("BEHOV_BY", "1001")
	file := credentialsHere(t)
	h := newHousehold(t)
	if err := os.WriteFile(h.file("rights.csv"), []byte("g, hr/1001, administrator\ng, hr/1002, administrator\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.edit("hr.csv", "1003,E3,", "1011,E98,Gun,Gammal,,,,care,1120,Head of care,permanent,100,1001,2010-01-08,2011-01-08,,,no,30\n1012,E99,Petter,Nyström,,peter.nystrom@example.org,,care,5330,Care assistant,permanent,100,4711,2018-01-08,,,,no,30\n1014,E14,Ulla,Ek,,,,care,5330,Care assistant,permanent,100,1003,2018-01-08,,,,no,30\n1015,E15,Ivar,Ek,,,,care,5330,Care assistant,permanent,100,1003,2018-01-08,,,,no,30\n1003,E3,")
	h.edit("behov.yaml", "renames: {number: 10, percent: 5}", "disables: {number: 1, percent: 1}")
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nservice_accounts:\n  payroll: {purpose: says who is hired, responsible: [1001]}\nserve:\n  limits: {requests_per_address: 1000, requests_per_subject: 1000}\n")
	h.ok("hr", "import", h.file("hr.csv"))
	h.ok("apply", "--yes")
	// One begins, and two leave, which is too many at once.
	h.edit("hr.csv", "1003,E3,", "1013,E13,Åsa,Ny,,,,care,5330,Care assistant,permanent,100,1003,2026-11-01,,,,no,30\n1003,E3,")
	h.edit("hr.csv", "permanent,100,1003,2018-01-08,,,,no,30\n1015", "permanent,100,1003,2018-01-08,2026-11-02,,,no,30\n1015")
	h.edit("hr.csv", "permanent,100,1003,2018-01-08,,,,no,30\n1013", "permanent,100,1003,2018-01-08,2026-11-02,,,no,30\n1013")
	t.Setenv("BEHOV_BY", "1002") // who imports a file does not release what it causes
	h.ok("hr", "import", "--made", "now", h.file("hr.csv"))
	t.Setenv("BEHOV_BY", "1001")
	h.putFailingStep("aa11", "1004", "library:desk")
	h.putFailingStep("bb22", "1005", "library:desk")
	h.addOrphan("orphan-1")
	h.addOrphan("robot-1")
	h.ok("people", "erase", "1011", "--reason", "r", "--yes", "--by", "1002")
	h.ok("review", "start", "--system", "school", "--all")
	h.ok("pause", "directory", "--reason", "r")
	manager := strings.TrimSpace(h.ok("token", "make", "--scope", "*:read", "--scope", "*:write", "--name", "m", "--by", "1006"))
	service := strings.TrimSpace(h.ok("token", "make", "--service", "payroll", "--scope", "*:read", "--scope", "*:write", "--name", "s"))
	for range 3 {
		h.putSession("1006")
	}
	brief := strings.TrimSpace(h.ok("token", "make", "--scope", "*:read", "--name", "b", "--expires", "1s"))

	// A person signs in; then the installation is copied, and one copy is served.
	address := freePort(t)
	server := "http://" + address
	s := runServer(t, h.dir, address, "--local-sign-in", "1001")
	b := newBrowser(t)
	browse(t, b, regexp.MustCompile(`http://\S+`).FindString(s.out.String()), nil)
	if said := login(t, server, b); !strings.Contains(said, "Karin Lindqvist, at "+server+"\n  administrator\n") || !strings.Contains(said, "known by a link of the first start") {
		t.Errorf("login says %s", said)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credentials: %v, %v", info, err)
	}
	s.stop()
	copied := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(copied, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(copied, "behov.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	runServer(t, copied, address)

	scrub := func(text string) string {
		text = strings.ReplaceAll(text, copied, h.dir)
		return tokenText.ReplaceAllString(osUsers.ReplaceAllString(instants.ReplaceAllString(text, "TIME"), "USER"), "TOKEN")
	}
	ran := map[string]bool{}
	// both runs a command both ways, and returns what is printed here.
	compare := func(made func(string) string, want int, args ...string) string {
		t.Helper()
		code, out, errs := h.run(args...)
		there, remote, remoteErrs := shellAt(t, server, args...)
		if code != want || there != code || made(out) != made(remote) {
			t.Errorf("behov %s: %d here and %d there, not %d\n%s\nhere it says\n%s%s\nthere\n%s%s", strings.Join(args, " "), code, there, want, firstDifference(made(out), made(remote)), out, errs, remote, remoteErrs)
		}
		name := args[0]
		for _, of := range overServer {
			if strings.HasPrefix(strings.Join(args, " ")+" ", of+" ") && len(of) > len(name) {
				name = of
			}
		}
		ran[name] = true
		return out
	}
	both := func(want int, args ...string) string { t.Helper(); return compare(scrub, want, args...) }
	// What makes something with an ID of its own.
	fresh := func(want int, args ...string) string {
		t.Helper()
		return compare(func(s string) string { return seenIDs.ReplaceAllString(scrub(s), "ID") }, want, args...)
	}
	read := func(want int, args ...string) {
		t.Helper()
		both(want, args...)
		both(want, append(args, "--json")...)
	}
	read(exitHeld, "status")
	read(0, "people", "list")
	read(0, "people", "list", "--state", "active")
	for _, person := range []string{"1004", "1005", "1008", "1011", "hr/1012", "sven.oberg@example.org"} {
		read(0, "people", "show", person)
		read(0, "explain", person)
		read(0, "account", "list", person)
		read(0, "audit", "access", person)
	}
	read(0, "explain", "1004", "library:loans")
	read(0, "explain", "1004", "school:register")
	read(1, "explain", "1004", "no:thing")
	read(1, "people", "show", "9999")
	read(0, "people", "managers", "--all")
	read(0, "people", "duplicates")
	read(0, "rights")
	read(0, "rights", "1001")
	read(0, "rights", "1006")
	read(0, "audit", "who-had", "school:register")
	read(0, "audit", "who-had", "school", "--at", time.Now().Format("2006-01-02"))
	read(1, "audit", "who-had", "no:thing")
	read(0, "audit", "access", "1004", "--from", "2026-01-01")
	read(0, "audit", "changes", "--from", "2020-01-01")
	both(0, "audit", "log")
	both(0, "audit", "log", "1011", "--json")
	read(0, "hold", "list", "--all")
	read(0, "hr", "imports")
	both(0, "hr", "imports", "--problems", "-n", "1")
	read(exitHeld, "steps")
	read(0, "review", "list")
	read(0, "token", "list")
	read(0, "token", "list", "--mine")

	read(0, "people", "sessions", "1004")
	read(0, "people", "sessions", "1006")
	one := regexp.MustCompile(`"id": "([^"]*)"`).FindStringSubmatch(both(0, "people", "sessions", "1006", "--json"))

	why := []string{"--reason", "a test"}
	decide := func(want int, args ...string) string { t.Helper(); return both(want, append(args, why...)...) }
	decide(0, "people", "sessions", "1006", "--end", "--session", one[1], "--json")
	decide(1, "people", "sessions", "1006", "--end", "--session", one[1])
	decide(0, "people", "sessions", "1006", "--end")
	decide(1, "people", "sessions", "1006", "--end") // there are none
	decide(1, "people", "sessions", "1001", "--end") // one's own
	both(1, "people", "sessions", "1006", "--end")
	fresh(0, "token", "make", "--service", "payroll", "--scope", "people:read", "--name", "a program", "--json")
	both(1, "token", "make", "--service", "nothing", "--scope", "people:read", "--name", "a program")
	decide(0, "resume", "directory")
	read(exitHeld, "plan")
	read(exitHeld, "plan", "--all")
	read(0, "plan", "--person", "1009")
	read(exitChanges, "plan", "--person", "1013")
	read(exitHeld, "plan", "--person", "1014")
	ofPlan := regexp.MustCompile(`"digest": "([0-9a-f]+)",\s+"kind": "plan"`).FindStringSubmatch(both(0, "hold", "list", "--json"))
	if ofPlan == nil {
		t.Fatal("the plan holds nothing")
	}
	read(0, "hold", "show", ofPlan[1])
	tried := filepath.Join(t.TempDir(), "rules")
	if err := os.Mkdir(tried, 0o700); err != nil {
		t.Fatal(err)
	}
	policy, err := os.ReadFile(h.file("policy.csv"))
	if err == nil {
		err = os.WriteFile(filepath.Join(tried, "policy.csv"), append(policy, "p, desk-for-all, true, library:desk, allow, all of us lend books\n"...), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	read(exitChanges, "simulate", "--rules", tried)
	both(0, "people", "extract", "1004")
	both(0, "systems")
	both(0, "systems", "school")
	read(0, "systems", "revisions")
	decide(0, "systems", "revise", "school", "--json")
	decide(1, "systems", "revise", "nothing")
	read(0, "compliance")
	read(0, "conflicts")
	read(0, "absences")
	read(0, "rules", "suggest")
	read(0, "rules", "list")
	decide(1, "rules", "propose")
	decide(1, "rules", "approve", "0123456789ab")
	decide(1, "rules", "reject", "0123456789ab")
	decide(1, "absences", "set", "1006", "--deputy", "1006", "--until", "2027-01-31")
	decide(1, "absences", "end", "1006")
	decide(1, "conflicts", "allow", "1006", "nothing", "--until", "2027-01-31")
	read(0, "requests")
	read(0, "requests", "catalogue", "library")
	nextWeek := time.Now().AddDate(0, 0, 7).Format(time.DateOnly)
	robot := []string{"--kind", "robot", "--system", "library", "--owner", "1006", "--purpose", "sends reminders", "--until", nextWeek}
	decide(1, append([]string{"non-human-accounts", "register", "directory", "nothing"}, robot...)...)
	decide(0, append([]string{"non-human-accounts", "register", "directory", "robot-1"}, robot...)...)
	decide(1, append([]string{"service-accounts", "register", "directory", "robot-1"}, robot...)...)
	decide(0, "non-human-accounts", "hand-over", "robot-1", "--to", "1001", "--json")
	decide(1, "non-human-accounts", "hand-over", "nothing", "--to", "1001")
	decide(0, "non-human-accounts", "renew", "robot-1", "--until", time.Now().AddDate(0, 0, 20).Format(time.DateOnly))
	read(0, "non-human-accounts", "list")
	decide(0, "non-human-accounts", "retire", "robot-1")
	decide(1, "non-human-accounts", "retire", "robot-1")
	decide(0, "requests", "ask", "1005", "library:loans", "--until", nextWeek)
	decide(1, "requests", "ask", "1005", "library:loans", "--until", nextWeek)
	decide(1, "requests", "ask", "1005", "library:desk", "--until", nextWeek)
	decide(1, "requests", "approve", "1")
	decide(1, "requests", "refuse", "9")
	decide(0, "requests", "emergency", "1005", "library:loans", "--json")
	decide(1, "requests", "renew", "1", "--until", nextWeek)
	read(0, "requests", "show", "1")
	read(1, "requests", "show", "x")
	read(0, "requests", "--all")
	decide(0, "requests", "withdraw", "1")
	both(0, "requests", "--mine")
	both(0, "requests", "--to-approve")
	read(0, "work-orders", "list")
	read(0, "work-orders", "targets")
	read(1, "work-orders", "list", "--state", "x")
	decide(1, "work-orders", "confirm", "1", "--date", "2026-12-01")
	decide(1, "work-orders", "cannot", "1")
	decide(1, "work-orders", "upload", "directory", h.file("units.csv"))
	decide(0, "people", "screened", "1006", "--until", time.Now().AddDate(1, 0, 0).Format("2006-01-02"))
	decide(0, "people", "screened", "1006", "--lift", "--json")
	decide(1, "mfa", "exempt", "1006", "--until", "2020-01-01")
	decide(0, "mfa", "exempt", "1006", "--until", time.Now().AddDate(0, 0, 10).Format("2006-01-02"))
	browse(t, b, server+"/changes/what-if", nil)
	read(exitHeld, "plan", "--as-of", time.Now().AddDate(1, 0, 0).Format("2006-01-02"))
	decide(0, "pause", "--except-leavers")
	decide(0, "pause", "--except-leavers")
	decide(0, "resume", "--json")
	decide(1, "resume")
	decide(0, "people", "legal-hold", "1005")
	decide(0, "people", "legal-hold", "1005", "--lift", "--json")
	decide(0, "people", "protect", "1006")
	decide(0, "people", "protect", "1006", "--lift")
	decide(0, "people", "main", "1004", "E5")
	decide(0, "people", "main", "1004", "--lift", "--json")
	decide(0, "people", "apart", "1009", "1012")
	decide(0, "people", "merge", "1012", "1009")
	fresh(0, append([]string{"people", "split", "1012", "hr/1009"}, why...)...)
	decide(1, "people", "readmit", "hr/1011")
	decide(0, "review", "decide", "1-1", "change-rule")
	decide(0, "review", "decide", "1-2", "keep", "--until", "2027-01-31")
	decide(0, "review", "decide", "1-2", "revoke", "--json")
	decide(1, "review", "decide", "1-2", "perhaps")
	decide(0, "review", "hand-on", "1-2", "1006")
	decide(1, "review", "sign-off", "1")
	read(0, "review", "status")
	read(0, "review", "report", "1")
	read(0, "review", "tasks")
	both(0, "review", "start", "--system", "library")
	decide(0, "steps", "give-up", "aa11")
	decide(0, "steps", "retry", "--all")
	decide(0, "steps", "retry", "aa11", "--json")
	decide(1, "steps", "retry", "cc")
	held := both(0, "hold", "list", "--json")
	erasure := regexp.MustCompile(`"digest": "([0-9a-f]+)",\s+"kind": "erasure"`).FindStringSubmatch(held)
	if erasure == nil {
		t.Fatalf("no hold of an erasure in %s", held)
	}
	read(0, "hold", "show", erasure[1])
	decide(0, "hold", "reject", erasure[1][:8])
	bound := decide(0, "account", "bind", "1012", "orphan-1", "--target", "directory", "--json")
	digest := regexp.MustCompile(`"hold": "([0-9a-f]+)"`).FindStringSubmatch(bound)
	decide(1, "hold", "release", digest[1]) // whose proposal it is
	decide(0, "hold", "reject", digest[1], "--json")
	decide(1, "enable", "1004") // nothing is disabled
	decide(1, "mfa", "pass", "1004")
	decide(1, "mfa", "withdraw", "1004")
	both(0, append([]string{"people", "erase", "1011", "--yes"}, why...)...)
	decide(1, "suspend", "1010", "--lift", "--json") // there is none
	decide(0, "hold", "release", ofPlan[1], "--person", "1014")
	decide(0, "hold", "release", ofPlan[1])
	yesterday := time.Now().AddDate(0, 0, -1).Format("2006-01-02")
	decide(1, "hr", "report", "end", "1004", "E5", "--last-day", "soon")
	decide(0, "hr", "report", "end", "1004", "E5", "--last-day", yesterday)
	decide(1, "hr", "report", "end", "1004", "E5", "--last-day", yesterday)
	read(0, "hr", "report", "list")
	decide(0, "hr", "report", "take-back", "1004", "E5")
	decide(1, "hr", "report", "take-back", "1004", "E5")
	decide(1, "hr", "report", "hire", "--given-name", "Eva")
	compare(func(s string) string {
		return reported.ReplaceAllString(seenIDs.ReplaceAllString(scrub(s), "ID"), "KEY")
	}, 0,
		append([]string{"hr", "report", "hire", "--given-name", "Eva", "--family-name", "Ek", "--unit", "library", "--job-code", "4410", "--first-day", yesterday}, why...)...)
	made := fresh(0, "token", "make", "--scope", "people:read", "--name", "a program", "--json")
	both(1, "token", "make", "--scope", "nothing:read", "--name", "a program")
	both(1, "token", "revoke", regexp.MustCompile(`"id": "([^"]*)"`).FindStringSubmatch(made)[1]) // without a reason
	if code, out, errs := shellAt(t, server, append([]string{"suspend", "1010"}, why...)...); code != 0 || !strings.Contains(out, "Fatima Yusuf (1010) is suspended (decision ") || !strings.Contains(out, "The server closes") {
		t.Errorf("suspend: %d %s%s", code, out, errs)
	}

	// A service account reads by its roles, which are none here, and decides nothing.
	t.Setenv("BEHOV_TOKEN", service)
	if code, out, errs := shellAt(t, server, "whoami"); code != 0 || !strings.Contains(out, "the service account payroll, at "+server+"\n  no role: sees no one\n  reads, sends HR events") {
		t.Errorf("a service account: %d %s%s", code, out, errs)
	}
	for _, args := range [][]string{{"people", "show", "1005"}, {"status"}, {"people", "sessions", "1004"}, {"pause", "--reason", "r"}, {"token", "make", "--scope", "*:read", "--name", "another"}, {"token", "make", "--service", "payroll", "--scope", "*:read", "--name", "another"}} {
		if code, out, errs := shellAt(t, server, args...); code != 1 || out != "" || strings.Contains(errs, "Maria") {
			t.Errorf("a service account: behov %s: %d %s%s", strings.Join(args, " "), code, out, errs)
		}
	}
	// Over a server a manager sees their staff, and decides nothing.
	t.Setenv("BEHOV_TOKEN", manager)
	code, out, _ := shellAt(t, server, "people", "list")
	if code != 0 || !strings.Contains(out, "Sven Öberg (1004)") || strings.Contains(out, "Karin") || strings.Contains(out, "Lena") {
		t.Errorf("the manager sees %d %s", code, out)
	}
	for _, args := range [][]string{{"people", "show", "1005"}, {"status"}, {"people", "legal-hold", "1004", "--reason", "r"}, {"suspend", "1004", "--reason", "r"}, {"people", "legal-hold", "1004", "--reason", "r", "--by", "1001"}, {"token", "make", "--scope", "*:read", "--name", "another"}} {
		if code, out, errs := shellAt(t, server, args...); code != 1 || out != "" || strings.Contains(errs, "Maria") {
			t.Errorf("the manager: behov %s: %d %s%s", strings.Join(args, " "), code, out, errs)
		}
	}
	// What lets nobody in says how to sign in.
	for what, token := range map[string]string{"none": "behov_none", "an expired one": brief} {
		t.Setenv("BEHOV_TOKEN", token)
		if code, _, errs := shellAt(t, server, "status"); code != 1 || !strings.Contains(errs, "behov login --server "+server) || strings.Contains(errs, token) {
			t.Errorf("with %s: %d %s", what, code, errs)
		}
	}
	t.Setenv("BEHOV_TOKEN", "")
	if code, out, errs := shellAt(t, server, "whoami"); code != 0 || !strings.Contains(out, "Karin Lindqvist") || !strings.Contains(out, "until ") {
		t.Errorf("whoami: %d %s%s", code, out, errs)
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := shellAt(t, server, "logout"); code != 0 || out != "Logged out of "+server+".\n" {
		t.Errorf("logout: %d %s%s", code, out, errs)
	}
	if code, _, errs := shellAt(t, server, "whoami"); code != 1 || !strings.Contains(errs, "you are not signed in at "+server) {
		t.Errorf("after it: %d %s", code, errs)
	}
	// The token is ended at the server, too.
	if err := os.WriteFile(file, kept, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := shellAt(t, server, "whoami"); code != 1 || !strings.Contains(errs, "behov login") {
		t.Errorf("with the token of before: %d %s", code, errs)
	}
	// A token is pasted, and never an argument.
	var errs bytes.Buffer
	if code, out := shellWith(t, manager+"\n", &errs, "login", "--server", server, "--token", "-"); code != 0 || !strings.Contains(out, "Elin Sjögren") {
		t.Errorf("a pasted token: %d %s%s", code, out, errs.String())
	}
	if code, _ := shellWith(t, "", &errs, "login", "--server", server, "--token", manager); code != 1 || strings.Contains(errs.String(), manager) {
		t.Errorf("a token as an argument: %d %s", code, errs.String())
	}
	for _, name := range []string{"login", "logout", "whoami", "suspend"} {
		ran[name] = true
	}
	for _, name := range overServer {
		if !ran[name] {
			t.Errorf("behov %s is not run both ways", name)
		}
	}
}

// TestServerFlag: what has no counterpart in the API refuses a server, and names of servers
// are checked before a token is read.
func TestServerFlag(t *testing.T) {
	credentialsHere(t)
	var walk func(path []string)
	root := (&app{}).root()
	checked := 0
	walk = func(path []string) {
		cmd, _, err := root.Find(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, below := range cmd.Commands() {
			walk(append(append([]string{}, path...), below.Name()))
		}
		name := strings.Join(path, " ")
		if !cmd.Runnable() || name == "" || strings.HasPrefix(name, "help") || strings.HasPrefix(name, "completion") || name == "version" {
			return
		}
		for _, of := range overServer {
			if of == name {
				return
			}
		}
		checked++
		args := append([]string{"--server", "https://behov.example.org"}, path...)
		if takes := cmd.Use; strings.Contains(takes, " ") && !strings.Contains(takes, "[") && name != "db copy" {
			for range strings.Fields(takes)[1:] {
				args = append(args, "x")
			}
		}
		if name == "db copy" {
			args = append(args, "--to", "sqlite:x")
		}
		var errs bytes.Buffer
		if code, out := shellWith(t, "", &errs, args...); code != 1 || out != "" || !strings.Contains(errs.String(), "behov "+name+" works on the machine of the installation, and with no server: leave --server out") {
			t.Errorf("behov %s: %d %s%s", strings.Join(args, " "), code, out, errs.String())
		}
	}
	walk(nil)
	if checked < 12 {
		t.Errorf("%d commands", checked)
	}
	for address, want := range map[string]string{"http://behov.example.org": "would send the token in the clear", "behov.example.org": "is named by its address", "https://u:p@behov.example.org": "no user", "https://behov.example.org/x": "path", "ftp://x": "is named by its address"} {
		if code, _, errs := shellAt(t, address, "status"); code != 1 || !strings.Contains(errs, want) {
			t.Errorf("%s: %d %s", address, code, errs)
		}
	}
	h := newHousehold(t)
	h.fails("say either --server or --config", "status", "--server", "https://behov.example.org")
	// The environment names a server, unless the command names a configuration.
	t.Setenv("BEHOV_SERVER", "https://behov.example.org")
	h.ok("people", "list")
	var errs bytes.Buffer
	if code, _ := shellWith(t, "", &errs, "people", "list"); code != 1 || !strings.Contains(errs.String(), "you are not signed in at https://behov.example.org") {
		t.Errorf("%d %s", code, errs.String())
	}
	if code, _ := shellWith(t, "", &errs, "apply", "--yes"); code != 1 || !strings.Contains(errs.String(), "leave the environment variable BEHOV_SERVER out") {
		t.Errorf("%d %s", code, errs.String())
	}
	t.Setenv("BEHOV_SERVER", "")
	errs.Reset()
	if code, _ := shellWith(t, "", &errs, "whoami"); code != 1 || !strings.Contains(errs.String(), "say which server") {
		t.Errorf("%d %s", code, errs.String())
	}
}

// TestLoginWithProvider signs in on a machine with a browser that is sent to the
// organisation's identity provider: what demands more than one factor is let do.
func TestLoginWithProvider(t *testing.T) {
	if testing.Short() {
		t.Skip("a provider takes seconds to start")
	}
	t.Setenv("BEHOV_TEST_ON", "sqlite")
	credentialsHere(t)
	h := applied(t)
	address := freePort(t)
	server := "http://" + address
	provider := testenv.NewOIDCProvider(t, testenv.OIDCClient{ID: "behov", Secret: "geheim", RedirectURIs: []string{server + "/sign-in/callback"}})
	t.Setenv("BEHOV_TEST_SIGN_IN", "geheim")
	h.edit("behov.yaml", "timezone: Europe/Stockholm\n", "timezone: Europe/Stockholm\nsign_in:\n  issuer: "+provider.Issuer+"\n  client: behov\n  secret: env:BEHOV_TEST_SIGN_IN\n  url: "+server+"\n  person: {claim: employee_id}\n  mfa: {amr: [mfa]}\n")
	runServer(t, h.dir, address)
	for _, c := range []struct {
		how   testenv.OIDCLogin
		known string
		code  int
	}{{testenv.OIDCLogin{}, "with one factor", 1}, {testenv.OIDCLogin{AMR: []string{"pwd", "mfa"}}, "with more than one factor, just now", 0}} {
		c.how.Subject, c.how.Claims = "sub-1001", map[string]any{"employee_id": "1001"}
		provider.Next(c.how)
		if said := login(t, server, newBrowser(t)); !strings.Contains(said, "Karin Lindqvist") || !strings.Contains(said, c.known) {
			t.Errorf("login says %s", said)
		}
		code, out, errs := shellAt(t, server, "people", "legal-hold", "1005", "--reason", "r")
		if code != c.code || code != 0 && !strings.Contains(errs, "behov login --server "+server) {
			t.Errorf("%s: legal-hold: %d %s%s", c.known, code, out, errs)
		}
		if code, out, errs := shellAt(t, server, "suspend", "1010", "--reason", "r"); code != c.code {
			t.Errorf("%s: suspend: %d %s%s", c.known, code, out, errs)
		}
	}
}

// TestManualServerRuns runs the commands of the manual's topic about servers, one after
// another, against a server at which a person has signed in.
func TestManualServerRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("a machine asks for its token every five seconds")
	}
	t.Setenv("BEHOV_TEST_ON", "sqlite")
	credentialsHere(t)
	shell := newShell(t)
	shell.run(t, "behov init .\nbehov hr import hr.csv\nbehov apply --yes\nbehov review start --system library --by 1001\nbehov token make --scope '*:read' --scope '*:write' --name t --by 1001 > token\n")
	address := freePort(t)
	s := runServer(t, shell.dir, address, "--local-sign-in", "1001")
	b := newBrowser(t)
	browse(t, b, regexp.MustCompile(`http://\S+`).FindString(s.out.String()), nil)
	topic, ok := manual.Find("server")
	if !ok {
		t.Fatal("there is no such topic")
	}
	var out string
	ran := 0
	for _, block := range manual.Blocks(topic.Markdown) {
		text := strings.ReplaceAll(block.Text, "https://behov.example.org", "http://"+address)
		switch {
		case block.Info == "output":
			for line := range strings.Lines(text) {
				if line = strings.TrimSpace(line); !printed(line).MatchString(out) {
					t.Errorf("server:%d: the commands do not print %q, but\n%s", block.Line, line, out)
				}
			}
		case block.Info != "sh":
			t.Errorf("server:%d: %s", block.Line, block.Info)
		case strings.Contains(text, "behov login") && !strings.Contains(text, "--token"):
			continue // the next block signs in, and this one does after it
		default:
			if ran++; strings.Contains(text, "--token") {
				out = shell.run(t, text)
				login(t, "http://"+address, b)
				continue
			}
			out = shell.run(t, "export BEHOV_SERVER=http://"+address+"\n"+text)
		}
	}
	if ran < 6 {
		t.Errorf("%d blocks were run", ran)
	}
}
