package lock_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/behov/behov/internal/lock"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) {
	if url := os.Getenv("BEHOV_LOCK_URL"); url != "" {
		os.Exit(holdUntilTold(url, strings.Fields(os.Getenv("BEHOV_LOCK_NAMES"))))
	}
	os.Exit(testenv.Main(m))
}

// holdUntilTold is the main function of another process: it locks names, writes a line
// when it has them, and unlocks them when it reads a line.
func holdUntilTold(url string, names []string) int {
	locks, _, err := connect(url)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	l, err := locks.Wait(context.Background(), time.Minute, names...)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("locked")
	in := bufio.NewReader(os.Stdin)
	if _, err := in.ReadString('\n'); err != nil {
		return 1
	}
	l.Unlock()
	_, _ = in.ReadString('\n') // until it is killed, or the test ends
	return 0
}

// process is another process that holds names.
type process struct {
	cmd   *exec.Cmd
	stdin io.Writer
}

func startHolder(t *testing.T, url string, names ...string) process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BEHOV_LOCK_URL="+url, "BEHOV_LOCK_NAMES="+strings.Join(names, " "))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the other process says %q, %v", line, err)
	}
	return process{cmd, in}
}

func (p process) unlock() { _, _ = io.WriteString(p.stdin, "\n") }
func (p process) kill()   { _ = p.cmd.Process.Kill() }

func connect(url string) (*lock.Locks, func() error, error) {
	if file, ok := strings.CutPrefix(url, "sqlite:"); ok {
		return lock.OnFile(file), func() error { return nil }, nil
	}
	pool, err := sql.Open("pgx", url)
	if err != nil {
		return nil, nil, err
	}
	return lock.OnPostgres(pool), pool.Close, nil
}

// open returns locks as another process has them.
func open(t testing.TB, url string) *lock.Locks {
	t.Helper()
	locks, end, err := connect(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		locks.Close()
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	return locks
}

// postgres returns the URL of an empty database on the server that the tests share.
func postgres(t *testing.T) string {
	t.Setenv("BEHOV_TEST_ON", "postgres")
	return testenv.Database(t)
}

// onBoth runs a test on both backends.
func onBoth(t *testing.T, f func(t *testing.T, url string)) {
	t.Run("file", func(t *testing.T) { f(t, "sqlite:"+filepath.Join(t.TempDir(), "behov.db")) })
	t.Run("postgres", func(t *testing.T) { f(t, postgres(t)) })
}

func take(t *testing.T, locks *lock.Locks, names ...string) *lock.Lock {
	t.Helper()
	l, err := locks.Try(t.Context(), names...)
	if err != nil {
		t.Fatalf("lock %v: %v", names, err)
	}
	return l
}

func refused(t *testing.T, locks *lock.Locks, names ...string) {
	t.Helper()
	if l, err := locks.Try(t.Context(), names...); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("lock %v gives %v, %v; it is held elsewhere", names, l, err)
	}
}

// soon fails the test when f takes as long as a poll or a timeout could.
func soon(t *testing.T, what string, f func()) {
	t.Helper()
	began := time.Now()
	f()
	if took := time.Since(began); took > 700*time.Millisecond {
		t.Errorf("%s took %v", what, took)
	}
}

type result struct {
	lock *lock.Lock
	err  error
	at   time.Time
}

// wait begins to wait for names, and returns the channel of its outcome.
func wait(ctx context.Context, locks *lock.Locks, patience time.Duration, names ...string) <-chan result {
	ended := make(chan result, 1)
	go func() {
		l, err := locks.Wait(ctx, patience, names...)
		ended <- result{l, err, time.Now()}
	}()
	return ended
}

// TestTry checks that a name is held in one place at a time, in a process and among
// processes, and that all names are taken or none.
func TestTry(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		here, there := open(t, url), open(t, url)
		l := take(t, here, "a", "b", "a")
		refused(t, here, "a")
		refused(t, there, "b")
		refused(t, there, "c", "b")
		refused(t, here, "c", "b")
		c := take(t, there, "c") // which the refused ones did not keep
		if err := l.Held(t.Context()); err != nil {
			t.Error(err)
		}
		l.Unlock()
		l.Unlock()
		if err := l.Held(t.Context()); !errors.Is(err, lock.ErrLost) {
			t.Errorf("after Unlock Held returns %v", err)
		}
		take(t, there, "a", "b").Unlock()
		refused(t, here, "c")
		c.Unlock()
		l = take(t, here, "a", "b", "c")
		here.Close()
		if err := l.Held(t.Context()); !errors.Is(err, lock.ErrLost) {
			t.Errorf("after Close Held returns %v", err)
		}
		if _, err := here.Try(t.Context(), "d"); !errors.Is(err, os.ErrClosed) {
			t.Errorf("after Close Try returns %v", err)
		}
		// A server needs a moment to notice.
		if _, err := there.Wait(t.Context(), 10*time.Second, "a", "b", "c"); err != nil {
			t.Error(err)
		}
	})
}

// TestManyLockers checks that two never hold a name at the same time.
func TestManyLockers(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		all := []*lock.Locks{open(t, url), open(t, url)}
		var inside atomic.Int32
		var wg sync.WaitGroup
		for n := range 8 {
			wg.Go(func() {
				names := []string{"a", "b", fmt.Sprint(n)}
				for range 25 {
					l, err := all[n%2].Wait(t.Context(), time.Minute, names...)
					if err != nil {
						t.Error(err)
						return
					}
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d are inside at a time", n)
					}
					if err := l.Held(t.Context()); err != nil {
						t.Error(err)
					}
					inside.Add(-1)
					l.Unlock()
				}
			})
		}
		wg.Wait()
	})
}

// TestWaitEndsPromptly checks that a waiter gets a name as soon as its holder unlocks it,
// in this process and in another, or dies; and that it does not poll meanwhile.
func TestWaitEndsPromptly(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		for how, hold := range map[string]func(t *testing.T, here *lock.Locks) (end func()){
			"this process unlocks": func(t *testing.T, here *lock.Locks) func() { return take(t, here, "x").Unlock },
			"another unlocks":      func(t *testing.T, _ *lock.Locks) func() { return startHolder(t, url, "x").unlock },
			"another is killed":    func(t *testing.T, _ *lock.Locks) func() { return startHolder(t, url, "x").kill },
		} {
			t.Run(how, func(t *testing.T) {
				here := open(t, url)
				end := hold(t, here)
				observed := lock.Observe(here)
				if _, err := here.Wait(t.Context(), 300*time.Millisecond, "x"); !errors.Is(err, lock.ErrLocked) {
					t.Errorf("after waiting in vain: %v", err)
				}
				ended := wait(t.Context(), here, time.Minute, "x")
				if how != "this process unlocks" {
					// The first belongs to the wait before, the next says that it waits.
					for range 2 {
						<-observed.Awaits
					}
				}
				began := time.Now()
				end()
				got := <-ended
				if got.err != nil {
					t.Fatal(got.err)
				}
				if took := got.at.Sub(began); took > 500*time.Millisecond {
					t.Errorf("it waited for %v more", took)
				}
				if tries := len(observed.Attempts); tries > 8 {
					t.Errorf("it tried %d times", tries)
				}
				got.lock.Unlock()
			})
		}
	})
}

// TestWaitEndsWithItsContext checks that a waiter whose context ends returns at once, and
// that nothing is left of its wait.
func TestWaitEndsWithItsContext(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		here, there := open(t, url), open(t, url)
		for _, holder := range []*lock.Locks{here, there} {
			held := take(t, holder, "x")
			observed := lock.Observe(here)
			ctx, cancel := context.WithCancel(t.Context())
			ended := wait(ctx, here, time.Minute, "x")
			if holder == there {
				<-observed.Awaits
			}
			soon(t, "the end of a cancelled wait", func() {
				cancel()
				if got := <-ended; !errors.Is(got.err, context.Canceled) {
					t.Errorf("it ended with %v", got.err)
				}
			})
			if _, err := here.Try(ctx, "y"); !errors.Is(err, context.Canceled) {
				t.Errorf("Try with an ended context returns %v", err)
			}
			soon(t, "a wait for what is not held", func() {
				held.Unlock()
				for _, locks := range []*lock.Locks{there, here} {
					l, err := locks.Wait(t.Context(), time.Minute, "x")
					if err != nil {
						t.Fatal(err)
					}
					l.Unlock()
				}
			})
		}
	})
}

// TestOppositeOrder checks that of waiters for overlapping names, given in opposite order,
// each gets them.
func TestOppositeOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		holder := startHolder(t, url, "a", "b")
		one, two := open(t, url), open(t, url)
		sees := []*lock.Observed{lock.Observe(one), lock.Observe(two)}
		ended := []<-chan result{wait(t.Context(), one, time.Minute, "a", "b"), wait(t.Context(), two, time.Minute, "b", "a")}
		for _, o := range sees {
			<-o.Awaits
			if keys := <-o.Attempts; !slices.IsSorted(keys) {
				t.Errorf("it takes %v", keys)
			}
		}
		soon(t, "both turns", func() {
			holder.unlock()
			for range ended {
				var got result
				select {
				case got = <-ended[0]:
				case got = <-ended[1]:
				}
				if got.err != nil {
					t.Fatal(got.err)
				}
				got.lock.Unlock()
			}
		})
	})
}

// TestEachWaitsForTheOther checks that two who each hold what the other waits for are told
// so when their patience is over: PostgreSQL's search for deadlocks ends neither.
func TestEachWaitsForTheOther(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		if !strings.HasPrefix(url, "sqlite:") {
			url += "&deadlock_timeout=50"
		}
		one, two := open(t, url), open(t, url)
		a, b := take(t, one, "a"), take(t, two, "b")
		first, second := wait(t.Context(), one, time.Second, "b"), wait(t.Context(), two, time.Second, "a")
		for _, ended := range []<-chan result{first, second} {
			if got := <-ended; !errors.Is(got.err, lock.ErrLocked) {
				t.Errorf("it ended with %v, %v", got.lock, got.err)
			}
		}
		second = wait(t.Context(), two, time.Minute, "a")
		a.Unlock()
		if got := <-second; got.err != nil {
			t.Error(got.err)
		}
		b.Unlock()
	})
}

// TestMoreWaitersThanConnections checks that each of many waiters gets its turn, although
// only a few of them wait in the server, whatever the others wait for.
func TestMoreWaitersThanConnections(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		here := open(t, url)
		observed := lock.Observe(here)
		names := map[bool][]string{}
		holders := map[bool]process{}
		ended := map[bool][]<-chan result{}
		waiting := map[int64]bool{}
		for _, last := range []bool{false, true} {
			for i := range 2 * lock.MostAwaits {
				names[last] = append(names[last], fmt.Sprintf("%v-%d", last, i))
			}
			holders[last] = startHolder(t, url, names[last]...)
			for _, name := range names[last] {
				ended[last] = append(ended[last], wait(t.Context(), here, time.Minute, name))
			}
			for len(waiting) < len(names[false])+len(names[true]) {
				waiting[<-observed.Awaits] = true
			}
		}
		for _, last := range []bool{true, false} {
			soon(t, "the turn of all", func() {
				holders[last].unlock()
				for _, e := range ended[last] {
					if got := <-e; got.err != nil {
						t.Error(got.err)
					}
				}
			})
		}
	})
}

// TestHandOver checks that a waiter in the holder's process does not poll.
func TestHandOver(t *testing.T) {
	locks := open(t, "sqlite:"+filepath.Join(t.TempDir(), "behov.db"))
	soon(t, "handing over 60 times", func() {
		for range 60 {
			held := take(t, locks, "x")
			ended := wait(t.Context(), locks, time.Minute, "x")
			time.Sleep(time.Millisecond) // in most rounds it waits by now
			held.Unlock()
			got := <-ended
			if got.err != nil {
				t.Fatal(got.err)
			}
			got.lock.Unlock()
		}
	})
}

// TestHeldAfterTheConnectionBroke checks that a holder whose connection broke is told so,
// that others get the lock, and that the names stay taken in the process until Unlock.
func TestHeldAfterTheConnectionBroke(t *testing.T) {
	url := postgres(t)
	here, there := open(t, url), open(t, url)
	l, other := take(t, here, "a"), take(t, here, "b")
	if _, err := testenv.Raw(t, url).ExecContext(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'`); err != nil {
		t.Fatal(err)
	}
	l2, err := there.Wait(t.Context(), 10*time.Second, "a")
	if err != nil {
		t.Fatalf("no process holds it any more: %v", err)
	}
	for _, lost := range []*lock.Lock{l, other, l} {
		if err := lost.Held(t.Context()); !errors.Is(err, lock.ErrLost) {
			t.Errorf("a lock that was lost says %v", err)
		}
	}
	take(t, here, "c").Unlock() // in the next session
	if err := l.Held(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("in the next session the lock that was lost says %v", err)
	}
	refused(t, here, "b") // this process still works on it
	other.Unlock()
	take(t, here, "b").Unlock()
	l.Unlock() // which is no longer ours to give
	refused(t, here, "a")
	l2.Unlock()
	take(t, here, "a")
}

// TestStalledServer checks that no caller waits for another's question to a server that
// does not answer, and that all is free when the connection breaks.
func TestStalledServer(t *testing.T) {
	direct := postgres(t)
	address := direct[strings.Index(direct, "@")+1 : strings.LastIndex(direct, "/")]
	wire := testenv.NewWire(t, address)
	here, there := open(t, strings.Replace(direct, address, wire.Address(), 1)), open(t, direct)
	x, y := take(t, here, "x"), take(t, here, "y")
	wire.Suffers(testenv.Trouble{Silent: true})
	observed := lock.Observe(here)
	hung := wait(t.Context(), here, 0, "z")
	<-observed.Attempts
	asking := make(chan error, 1)
	go func() { asking <- y.Held(t.Context()) }() // behind it
	soon(t, "Held", func() {
		if err := x.Held(t.Context()); err != nil {
			t.Errorf("the server has just answered, and Held returns %v", err)
		}
	})
	soon(t, "Try of a held name", func() { refused(t, here, "x") })
	soon(t, "Unlock", x.Unlock)
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	for _, name := range []string{"z", "q"} {
		soon(t, "Try with a context", func() {
			if _, err := here.Try(short, name); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: it returns %v", name, err)
			}
		})
	}
	if err := <-asking; err != nil {
		t.Errorf("the server has just answered, and Held returns %v", err)
	}
	wire.Heals() // by which the connection breaks
	if got := <-hung; got.err == nil || errors.Is(got.err, lock.ErrLocked) {
		t.Errorf("the hanging Try returns %v", got.err)
	}
	if err := y.Held(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("the lock that was lost says %v", err)
	}
	if _, err := there.Wait(t.Context(), 10*time.Second, "x", "y", "z", "q"); err != nil {
		t.Errorf("no process holds them: %v", err)
	}
}

// TestHeldIsNotAssumedForLong checks that Held does not answer of its own when the server
// has not answered for long.
func TestHeldIsNotAssumedForLong(t *testing.T) {
	direct := postgres(t)
	address := direct[strings.Index(direct, "@")+1 : strings.LastIndex(direct, "/")]
	wire := testenv.NewWire(t, address)
	here := open(t, strings.Replace(direct, address, wire.Address(), 1))
	x := take(t, here, "x")
	lock.Age(here, lock.AssumeHeld)
	wire.Suffers(testenv.Trouble{Silent: true})
	observed := lock.Observe(here)
	hung := wait(t.Context(), here, 0, "z")
	<-observed.Attempts
	ctx, cancel := context.WithTimeout(t.Context(), 600*time.Millisecond)
	defer cancel()
	if err := x.Held(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Held returns %v", err)
	}
	wire.Heals()
	<-hung
	if err := x.Held(t.Context()); !errors.Is(err, lock.ErrLost) {
		t.Errorf("the lock that was lost says %v", err)
	}
}

// TestAbandonedTry checks that what the server gives to a caller who left is given back.
func TestAbandonedTry(t *testing.T) {
	direct := postgres(t)
	address := direct[strings.Index(direct, "@")+1 : strings.LastIndex(direct, "/")]
	wire := testenv.NewWire(t, address)
	here, there := open(t, strings.Replace(direct, address, wire.Address(), 1)), open(t, direct)
	held := take(t, here, "x")
	wire.Suffers(testenv.Trouble{Latency: 200 * time.Millisecond})
	observed := lock.Observe(here)
	ctx, cancel := context.WithCancel(t.Context())
	ended := wait(ctx, here, 0, "z")
	<-observed.Attempts
	// The server is asked; the answer is on its way for as long again.
	raw, locks := testenv.Raw(t, direct), 0
	for deadline := time.Now().Add(10 * time.Second); locks < 2; {
		if err := raw.QueryRowContext(t.Context(), `SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE locktype = 'advisory' AND datname = current_database()`).Scan(&locks); err != nil || time.Now().After(deadline) {
			t.Fatalf("the server was not asked: %d, %v", locks, err)
		}
	}
	cancel()
	if got := <-ended; !errors.Is(got.err, context.Canceled) {
		t.Errorf("it ended with %v, %v", got.lock, got.err)
	}
	wire.Heals()
	for _, locks := range []*lock.Locks{there, here} {
		l, err := locks.Wait(t.Context(), 10*time.Second, "z")
		if err != nil {
			t.Fatalf("no caller has it: %v", err)
		}
		l.Unlock()
	}
	if err := held.Held(t.Context()); err != nil {
		t.Errorf("the connection broke: %v", err)
	}
}

// TestMoreLocksThanThereIsRoomFor checks that a process that wants more than PostgreSQL, or
// a process's own limit, has room for is told so, that nothing breaks, and that there is
// room again when locks are given back.
func TestMoreLocksThanThereIsRoomFor(t *testing.T) {
	url := testenv.StartPostgres(t).Database()
	var held []*lock.Lock
	full := 0
	for p := range 12 { // processes
		locks := open(t, url)
		alive, err := locks.Try(t.Context(), fmt.Sprint("alive ", p))
		if err != nil && !lock.IsLimit(err) {
			t.Fatal(err)
		}
		if err == nil {
			held = append(held, alive)
		}
		for i := range 4 {
			l, err := locks.Try(t.Context(), manyNames(p, i)...)
			if lock.IsLimit(err) {
				full++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, l)
		}
	}
	if full < 12 {
		t.Errorf("only %d of 12 × 4 were refused", full)
	}
	locks := open(t, url)
	ended := wait(t.Context(), locks, time.Minute, manyNames(11, 3)...)
	for _, l := range held {
		if err := l.Held(t.Context()); err != nil {
			t.Errorf("a lock that was held: %v", err)
		}
		l.Unlock()
	}
	if got := <-ended; got.err != nil {
		t.Errorf("waiting for room: %v", got.err)
	}
	for i := range 2 {
		held = append(held, take(t, locks, manyNames(0, i)...))
	}
	ended = wait(t.Context(), locks, time.Minute, manyNames(0, 3)...)
	soon(t, "the wait for room in this process", func() {
		held[len(held)-1].Unlock()
		if got := <-ended; got.err != nil {
			t.Errorf("waiting for room in this process: %v", got.err)
		}
	})
}

func manyNames(p, i int) []string {
	names := make([]string, 499)
	for j := range names {
		names[j] = fmt.Sprint(p, i, j)
	}
	return names
}

// BenchmarkLocks measures how long taking and releasing the names of a batch takes, and
// how long after Unlock a waiter has the name.
func BenchmarkLocks(b *testing.B) {
	names := make([]string, 50)
	for i := range names {
		names[i] = fmt.Sprint("name ", i)
	}
	for _, on := range []string{"file", "postgres"} {
		b.Run(on, func(b *testing.B) {
			url := "sqlite:" + filepath.Join(b.TempDir(), "behov.db")
			if on == "postgres" {
				url = testenv.StartPostgres(b).Database()
			}
			here, there := open(b, url), open(b, url)
			b.Run("take and release 50 names", func(b *testing.B) {
				for b.Loop() {
					l, err := here.Try(b.Context(), names...)
					if err != nil {
						b.Fatal(err)
					}
					l.Unlock()
				}
			})
			b.Run("wait for this process", func(b *testing.B) { benchmarkWait(b, here, here) })
			b.Run("wait for another", func(b *testing.B) { benchmarkWait(b, here, there) })
		})
	}
}

func benchmarkWait(b *testing.B, waiter, holder *lock.Locks) {
	var waited time.Duration
	for b.Loop() {
		held, err := holder.Try(b.Context(), "a")
		if err != nil {
			b.Fatal(err)
		}
		unlocked := make(chan time.Time, 1)
		time.AfterFunc(15*time.Millisecond, func() {
			at := time.Now()
			held.Unlock()
			unlocked <- at
		})
		got, err := waiter.Wait(b.Context(), time.Minute, "a")
		if err != nil {
			b.Fatal(err)
		}
		end := time.Now()
		waited += end.Sub(<-unlocked)
		got.Unlock()
	}
	b.ReportMetric(float64(waited.Microseconds())/float64(b.N), "µs-after-unlock/op")
}
