package service_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// TestTheLogIsPublished: behov serve publishes the log at its start, again when a review has
// ended, and tells a person when what was published is not what the log continues.
func TestTheLogIsPublished(t *testing.T) {
	fixture := newFixture(t, "")
	p, mail, _ := openPostbox(t)
	dir := filepath.Join(t.TempDir(), "log")
	text := configuration + fmt.Sprintf("audit: {publish: {directory: %q, every: 24h}}\nalerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", dir, mail)
	if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	fixture.config = fixture.load()
	fixture.hr("1 school")
	key, err := fixture.db.LogKey()
	if err != nil {
		t.Fatal(err)
	}
	published := func() int64 {
		signed, err := os.ReadFile(filepath.Join(dir, audit.CheckpointFile))
		if err != nil {
			return 0
		}
		c, err := key.Open(signed)
		if err != nil {
			t.Fatal(err)
		}
		return c.Size
	}
	stop := fixture.serve(nil)
	fixture.until("the log is published", 20*time.Second, func() bool { return published() > 0 })
	fixture.until("everybody is there", 20*time.Second, func() bool { return fixture.has("1", "one") == "account staff school" })
	var at int64
	if err := fixture.db.Write(context.Background(), func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: time.Now(), Actor: "behov", Action: audit.ReviewClosed, Reason: reason.Of(reason.ReviewClosed{Review: 1})})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	head, err := fixture.db.LogHead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at = head.Size
	fixture.until("it is published again", 20*time.Second, func() bool { return published() >= at })
	stop()

	// Another log stands there.
	forged, err := key.Sign(audit.Checkpoint{Size: 3, Root: make([]byte, 32)})
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, audit.CheckpointFile), forged, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = fixture.serve(nil)
	fixture.until("a person is told", 20*time.Second, func() bool { mails, _ := p.got("The audit trail is not published", ""); return mails > 0 })
	if mails, _ := p.got("are not those of the checkpoint", ""); mails == 0 {
		t.Error("the mail does not say why")
	}
	stop()
	if now, err := os.ReadFile(filepath.Join(dir, audit.CheckpointFile)); err != nil || !strings.HasPrefix(string(now), string(forged)) {
		t.Errorf("it was written over: %s, %v", now, err)
	}
}
