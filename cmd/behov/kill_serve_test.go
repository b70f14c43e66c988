package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/testenv"
)

// realService is a real behov serve.
type realService struct {
	t   *testing.T
	cmd *exec.Cmd
	out bytes.Buffer
}

func startService(t *testing.T, binary, dir string, args ...string) *realService {
	t.Helper()
	s := &realService{t: t, cmd: exec.Command(binary, append([]string{"-c", dir, "serve", "--apply", "--every", "1s"}, args...)...)}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
	return s
}

// kill kills it, and fails when it had ended by itself.
func (s *realService) kill() {
	s.t.Helper()
	if err := s.cmd.Process.Kill(); err != nil {
		s.t.Fatalf("it ended by itself: %v\n%s", err, s.out.String())
	}
	var exit *exec.ExitError
	if err := s.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != -1 {
		s.t.Fatalf("it ended by itself: %v\n%s", err, s.out.String())
	}
}

// stop interrupts it, and fails unless it ends well.
func (s *realService) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("it did not end well: %v\n%s", err, s.out.String())
	}
}

// TestServiceKilledAtAnyInstant kills the real service with SIGKILL, again and
// again, while HR says new things of everyone, on SQLite and on PostgreSQL and
// against the real slapd. In the end the directory is as it should be, every
// intent has one outcome, the chain verifies, and slapd's own log shows nothing
// twice. BEHOV_KILLS sets how many kills.
func TestServiceKilledAtAnyInstant(t *testing.T) {
	binary := buildBinary(t)
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			url := ""
			if database == "postgres" {
				url = testenv.StartPostgres(t).Database()
			}
			dir, slapd, log := servedInstallation(t, url)
			killService(t, binary, dir)
			compareWithDirectory(t, dir, slapd)
			checkNothingTwice(t, log)
		})
	}
}

// servedInstallation is one whose HR is a file that is read again and again, and
// whose slapd logs every change. Without a database's URL it is on SQLite.
func servedInstallation(t *testing.T, url string) (dir string, slapd *testenv.Slapd, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "audit.ldif")
	slapd = testenv.StartSlapd(t, "moduleload auditlog", "overlay auditlog", "auditlog "+log, "dbnosync")
	dir = ldapInstallation(t, slapd)
	file := filepath.Join(dir, "behov.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// Slow enough that kills come while the directory is being changed.
	slow := strings.Replace(string(text), "    hold_above:", "    limits: {requests_per_second: 250, burst: 1}\n    hold_above:", 1)
	slow += "\nhr: {sources: {hr: {file: hr.csv}}}\n"
	if url != "" {
		slow += "database: " + url + "\n"
	}
	if err := os.WriteFile(file, []byte(slow), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, slapd, log
}

// sayHR has HR say something new of everyone, in one piece: half a file is
// another test's matter.
func sayHR(t *testing.T, dir string, round int) {
	t.Helper()
	if err := os.Rename(killHR(t, t.TempDir(), 150, round), filepath.Join(dir, "hr.csv")); err != nil {
		t.Fatal(err)
	}
}

// behovCommand runs the real command. JSON is read without what is said beside it, as
// that a database was made.
func behovCommand(binary, dir string, args ...string) (string, error) {
	cmd := exec.Command(binary, append([]string{"-c", dir}, args...)...)
	if slices.Contains(args, "--json") {
		out, err := cmd.Output()
		return string(out), err
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func killService(t *testing.T, binary, dir string) {
	t.Helper()
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("BEHOV_KILLS")); err == nil {
		kills = n
	}
	behov := func(args ...string) (string, error) { return behovCommand(binary, dir, args...) }
	say := func(round int) { t.Helper(); sayHR(t, dir, round) }
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	round, open := 0, 0
	say(round)
	for n := 0; n < kills || open == 0 && n < 10*kills; n++ {
		s := startService(t, binary, dir)
		// HR says something new now and then, before the service starts or
		// while it works; and it is killed soon after.
		if rng.IntN(2) == 0 {
			time.Sleep(time.Duration(rng.Int64N(int64(time.Second))))
		}
		if rng.IntN(3) > 0 {
			round++
			say(round)
		}
		time.Sleep(time.Duration(rng.Int64N(int64(1200 * time.Millisecond))))
		s.kill()
		out, err := behov("audit", "verify", "--json")
		if err != nil {
			t.Fatalf("verify: %v\n%s", err, out)
		}
		var summary struct {
			Open []string `json:"open_steps"`
		}
		if err := json.Unmarshal([]byte(out), &summary); err != nil {
			t.Fatal(err)
		}
		open += len(summary.Open)
	}
	t.Logf("%d kills, %d exports, %d steps left open by them", kills, round+1, open)
	if open == 0 {
		t.Error("no kill came between an intent and its outcome: the test shows nothing")
	}
	round++
	say(round)
	s := startService(t, binary, dir)
	untilDone(t, binary, dir, s)
	s.stop()
	checkDone(t, binary, dir)
}

// untilDone waits until everything that HR said is in the directory.
func untilDone(t *testing.T, binary, dir string, s *realService) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "hr.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
		imports, _ := behovCommand(binary, dir, "hr", "imports", "-n", "1", "--json")
		out, err := behovCommand(binary, dir, "plan")
		if err == nil && strings.Contains(imports, hr.HashOf(b)) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after a minute there is still something to do:\n%s\n%s", out, s.out.String())
		}
	}
}

// checkDone says that there is nothing to do, that no step fails or is open,
// and that the trail is whole.
func checkDone(t *testing.T, binary, dir string) {
	t.Helper()
	if out, err := behovCommand(binary, dir, "plan"); err != nil {
		t.Errorf("after it stopped there is something to do: %v\n%s", err, out)
	}
	if out, err := behovCommand(binary, dir, "audit", "verify"); err != nil || !strings.Contains(out, "Audit trail verified") || strings.Contains(out, "not seen to end") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if out, err := behovCommand(binary, dir, "steps"); err != nil || !strings.Contains(out, "No step is failing") {
		t.Errorf("steps: %v\n%s", err, out)
	}
}

// TestReplicas: three services share one PostgreSQL database, and one of them is
// killed again and again, while HR says new things of everyone.
// BEHOV_REPLICA_SECONDS sets for how long.
func TestReplicas(t *testing.T) {
	binary := buildBinary(t)
	dir, slapd, log := servedInstallation(t, testenv.StartPostgres(t).Database())
	seconds := 15
	if n, err := strconv.Atoi(os.Getenv("BEHOV_REPLICA_SECONDS")); err == nil {
		seconds = n
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	round := 0
	sayHR(t, dir, round)
	replicas := []*realService{startService(t, binary, dir), startService(t, binary, dir), startService(t, binary, dir)}
	worked := map[int]bool{}
	kills := 0
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); kills++ {
		round++
		sayHR(t, dir, round)
		time.Sleep(500*time.Millisecond + time.Duration(rng.Int64N(int64(1500*time.Millisecond))))
		victim := rng.IntN(len(replicas))
		replicas[victim].kill()
		if strings.Contains(replicas[victim].out.String(), "reconciled ") {
			worked[victim] = true
		}
		replicas[victim] = startService(t, binary, dir)
	}
	round++
	sayHR(t, dir, round)
	untilDone(t, binary, dir, replicas[0])
	for _, s := range replicas {
		s.stop()
	}
	t.Logf("%d kills, %d exports, %d of the three worked before they were killed", kills, round, len(worked))
	checkDone(t, binary, dir)
	compareWithDirectory(t, dir, slapd)
	checkNothingTwice(t, log)
}
