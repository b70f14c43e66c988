package demo_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
)

// checkEventsNameNobody delivers every event of the story in a directory, and looks in them
// for what the database knows of its people: names, numbers, addresses and logins.
func checkEventsNameNobody(t *testing.T, dir string) {
	t.Helper()
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	key, err := config.Resolve(c.Dir, c.Key)
	if err != nil {
		t.Fatal(err)
	}
	master, err := seal.ParseMaster([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), c.Database, master)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	text := words(t, events(t, c, db))
	people, personal := 0, map[string]string{}
	note := func(what, value string) {
		if value = strings.ToLower(strings.TrimSpace(value)); len(value) > 1 {
			personal[value] = what
		}
	}
	for p, err := range db.People(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		people++
		note("given name", p.GivenName)
		note("family name", p.FamilyName)
		note("address", p.Email)
		note("telephone", p.Phone)
		note("login", p.Login)
		for _, k := range p.Keys {
			note("key", k.Key)
		}
	}
	numbers, err := db.NationalIDs(t.Context(), store.Everyone())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		note("national identity number", n)
		note("national identity number", strings.ReplaceAll(n, "-", ""))
	}
	found := 0
	for value, what := range personal {
		if text[value] {
			found++
			t.Errorf("an event has the %s %q", what, value)
		}
	}
	if people < 20 || len(numbers) < 20 || len(text) < 100 {
		t.Errorf("%d people, %d numbers and %d words", people, len(numbers), len(text))
	}
	t.Logf("%d people with %d personal values, %d words, %d found", people, len(personal), len(text), found)
}

// events returns the lines of a file to which all events are delivered.
func events(t *testing.T, c *config.Config, db *store.DB) []string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "events.jsonl")
	d := &outbound.Dispatcher{DB: db, Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	d.Use(&config.Config{Dir: c.Dir, Events: []config.EventStream{{Name: "all", FromStart: true, File: name}}})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	done := make(chan struct{})
	go func() { defer close(done); d.Run(ctx) }()
	for ctx.Err() == nil {
		if cursors, head, err := db.OutboundCursors(ctx); err == nil && head > 0 && cursors["all"].Index == head {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	cancel()
	<-done
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(b)), "\n")
}

// opaqueID is the form of the IDs of people and employments.
var opaqueID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// words returns the words of the texts in events, and the whole texts, in small letters.
// Hashes and times are none.
func words(t *testing.T, lines []string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			for key, below := range v {
				if key != "hash" && key != "id" && key != "sequence" && key != "plan" && key != "time" && key != "attempt" && key != "began" {
					walk(below)
				}
			}
		case []any:
			for _, below := range v {
				walk(below)
			}
		case string:
			text := strings.ToLower(opaqueID.ReplaceAllString(v, " "))
			all[strings.TrimSpace(text)] = true
			for _, word := range regexp.MustCompile(`[^\pL\pN@.+_-]+`).Split(text, -1) {
				all[word] = true
			}
		}
	}
	for _, line := range lines {
		var e map[string]any
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		walk(e)
	}
	return all
}
