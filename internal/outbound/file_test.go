package outbound_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/store"
)

// lines returns whom the lines of a file are about. Each must be a whole event.
func lines(t *testing.T, name string) (people []string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		var e outbound.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil || !strings.HasSuffix(line, "\n") {
			t.Fatalf("%q is no whole line: %v", line, err)
		}
		people = append(people, string(e.Subject))
	}
	return people
}

// TestFileGetsEachEventOnce: a file has each event once and in order, although the machine
// stopped when a line was half written, or when lines were written and the cursor was not
// moved; also when it was renamed meanwhile.
func TestFileGetsEachEventOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, x *fixture) {
		name := filepath.Join(x.dir, "events.jsonl")
		x.config.Events = []config.EventStream{{Name: "log", File: name}}
		stop := x.dispatch(x.db)
		x.grant(0, 30)
		x.delivered()
		stop()
		if got := lines(t, name); !slices.Equal(got, numbered(30)) {
			t.Fatalf("%v", got)
		}
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		for n, broken := range []struct {
			what    string
			back    int64  // how far the cursor is behind what is in the file
			half    string // what stands after the last whole line
			records int
		}{
			{"the cursor was not moved", 14, "", 5},
			{"a line is half written", 0, `{"specversion":"1.0","id":"9`, 5},
			{"both", 6, `{"specversion"`, 0},
			{"nothing", 0, "", 3},
		} {
			before := len(lines(t, name))
			if err := x.db.Write(t.Context(), func(tx *store.Tx) error {
				c, err := x.db.OutboundCursor(t.Context(), "log", false, x.now())
				if err != nil {
					return err
				}
				_, err = tx.MoveOutboundCursor(t.Context(), "log", c.Index, c.Index-broken.back, x.now())
				return err
			}); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = fmt.Fprint(f, broken.half)
			_ = f.Close()
			x.grant(before, broken.records)
			stop := x.dispatch(x.db)
			x.delivered()
			stop()
			if broken.records == 0 && broken.half != "" { // it is cut off when there is something to write
				continue
			}
			if got := lines(t, name); !slices.Equal(got, numbered(before+broken.records)) {
				t.Errorf("%d, %s: %v", n, broken.what, got)
			}
		}
		stop = x.dispatch(x.db)
		before := len(lines(t, name))
		if err := os.Rename(name, name+".1"); err != nil {
			t.Fatal(err)
		}
		x.grant(before, 4)
		x.delivered()
		stop()
		if got := append(lines(t, name+".1"), lines(t, name)...); !slices.Equal(got, numbered(before+4)) {
			t.Errorf("after it was renamed: %v", got)
		}
	})
}

// TestFileThatIsNone: what is no regular file is not written to, and the stream waits.
func TestFileThatIsNone(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	name := filepath.Join(x.dir, "events.jsonl")
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	x.config.Events = []config.EventStream{{Name: "log", File: name}}
	x.dispatch(x.db)
	x.grant(0, 3)
	x.until("it is said", func() bool { return strings.Contains(x.log.String(), "is no regular file") })
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	x.delivered()
	if got := lines(t, name); !slices.Equal(got, numbered(3)) {
		t.Errorf("%v", got)
	}
}
