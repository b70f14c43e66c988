package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzSavedPlan: a saved plan is taken when it is what its digest names, and is
// an error otherwise.
func FuzzSavedPlan(f *testing.F) {
	f.Add([]byte(`{"digest":"","basis":{"as_of":"2026-11-28","rules":"","events":0,"decisions":0,"targets":{}},"steps":[]}`))
	f.Add([]byte(`{"steps":[{"id":"1","depends_on":["1"],"attributes":{"mail":"x"}}],"holds":[{"steps":[{}]}]}`))
	f.Add([]byte("\x00"))
	f.Add([]byte(`[[[[[[[[[[`))
	f.Fuzz(func(t *testing.T, content []byte) {
		name := filepath.Join(t.TempDir(), "p")
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := loadPlan(name)
		if (p == nil) != (err != nil) {
			t.Fatalf("%+v, %v", p, err)
		}
		if p != nil && p.Verify() != nil {
			t.Errorf("taken, and it does not verify: %s", content)
		}
	})
}

// FuzzInstant: an instant or a date on a command line is a stretch of time that
// ends after it begins, or an error.
func FuzzInstant(f *testing.F) {
	for _, s := range []string{"2026-11-28", "2026-11-28 14:05", "2026-11-28T14:05:00+01:00", "2026-03-29", "2026-02-30", "0000-00-00", "9999-12-31", "\u00a02026-11-28"} {
		f.Add(s)
	}
	zone, err := time.LoadLocation("Europe/Stockholm")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := parseStretch(text, zone); err == nil && !s.to.After(s.from) {
			t.Errorf("%q is from %s to %s", text, s.from, s.to)
		}
	})
}
