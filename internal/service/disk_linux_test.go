package service_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/testenv"
)

// TestADiskThatIsFull: what cannot be written down is not done, the person who asked
// is told, and when there is room again everything goes on.
func TestADiskThatIsFull(t *testing.T) {
	disk := testenv.SmallDisk(t, 8<<20)
	fixture := newFixture(t, "sqlite:"+filepath.Join(disk, "behov.db"))
	var served *service.Service
	stop := fixture.serve(func(s *service.Service) { served = s })
	fixture.hr("1 school", "2 school")
	fixture.until("everybody is there", 20*time.Second, func() bool { return fixture.has("2", "two") == "account library" })

	ballast := filepath.Join(disk, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for block := make([]byte, 4096); ; {
		if _, err := f.Write(block); err != nil {
			break
		}
	}
	_ = f.Close()
	source := fixture.config.Sources["hr"]
	source.Changes = true
	im := hr.Importer{DB: served.DB, Config: fixture.config, Now: time.Now, Actor: "behov"}
	// What fits into the room that is left goes in, and the rest does not.
	header := "person_id,employment_id,given_name,family_name,unit,start_date\n"
	refused := false
	for n := 100; n < 400 && !refused; n++ {
		key := strings.Repeat("7", n%7+1) + time.Duration(n).String()
		_, err := im.Import(context.Background(), "hr.csv", []byte(header+key+",E"+key+",Given,Family,school,2020-01-01\n"), source)
		refused = err != nil
		if err != nil && !strings.Contains(err.Error(), "full") {
			t.Errorf("the error does not say what it is: %v", err)
		}
	}
	if !refused {
		t.Fatal("the disk is not full")
	}
	time.Sleep(time.Second) // the service tries in vain
	if err := served.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "full") {
		t.Errorf("the disk is full, and the service is ready: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	fixture.hr("1 library", "3 school")
	fixture.until("it is ready", 30*time.Second, func() bool { return served.Ready(t.Context()) == nil })
	fixture.until("it goes on", 60*time.Second, func() bool {
		return fixture.has("1", "one") == "account staff" && fixture.has("3", "one") == "account staff school"
	})
	fixture.until("nothing is left to do", 60*time.Second, func() bool {
		sequences, err := fixture.db.Sequences(context.Background())
		return err == nil && sequences.Audit > 0 && fixture.quiet()
	})
	stop()
	fixture.whole()
}
