package service_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/scimserver"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/testenv"
)

// pushUsers pushes so many new users as fast as the server takes them, by eight
// clients with one token, and returns how many it took and how many it put off.
func pushUsers(t *testing.T, address, token string, first, n int) (made, putOff int) {
	t.Helper()
	var next, took, later atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				key := fmt.Sprint(first + i)
				body := `{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "u` + key + `", "externalId": "` + key + `", "name": {"givenName": "Given` + key + `", "familyName": "Family` + key + `"},
					"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "school"}}`
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/scim/v2/Users", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+token)
				answer, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				said, _ := io.ReadAll(answer.Body)
				_ = answer.Body.Close()
				switch answer.StatusCode {
				case http.StatusCreated:
					took.Add(1)
				case http.StatusTooManyRequests:
					if answer.Header.Get("Retry-After") == "" {
						t.Errorf("429 does not say when to try again: %s", said)
					}
					later.Add(1)
				default:
					t.Errorf("%s: %s", answer.Status, said)
				}
			}
		})
	}
	wg.Wait()
	return int(took.Load()), int(later.Load())
}

// serveSCIM serves the installation with a source idp that is pushed to, and returns
// where.
func serveSCIM(t *testing.T, fixture *fixture) (address string) {
	t.Helper()
	var served *service.Service
	stop := fixture.serve(func(s *service.Service) {
		served = s
		s.Listen = func(c *config.Config, _ *reconcile.Engine, im *hr.Importer) (http.Handler, error) {
			return scimserver.New(im, c.Sources, scimserver.Host{Log: slog.New(slog.DiscardHandler)})
		}
	})
	web := httptest.NewServer(served)
	t.Cleanup(func() {
		web.Close()
		stop()
	})
	return web.URL
}

// TestAStolenTokenMakesFewAccounts: a client that pushes new users as fast as they are
// taken gets as many accounts as the limit for creations says, and the rest
// waits for a person.
func TestAStolenTokenMakesFewAccounts(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		const loaded, pushed, limit = 50, 30, 10
		text := strings.Replace(configuration, "one: {hold_above: {all: {number: 9999}}", fmt.Sprintf("one: {hold_above: {all: {number: 9999}, creations: {number: %d}}", limit), 1) + "hr: {precedence: {default: [hr, idp]}, sources: {idp: {scim: true}, hr: {}}}\n"
		if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		fixture.config = fixture.load()
		var rows []string
		for n := range loaded {
			rows = append(rows, fmt.Sprint(n+1, " school"))
		}
		fixture.hr(rows...)
		token, _, err := makeToken(t.Context(), fixture.db, "stolen", "idp", time.Now(), time.Now().Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		var ahead atomic.Int64
		fixture.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		address := serveSCIM(t, fixture)
		fixture.until("everybody is there", 60*time.Second, func() bool { return fixture.quiet() })
		// The first load ends within minutes, not when everyone is due for a look.
		ahead.Store(int64(6 * time.Minute))
		fixture.until("the first load is over", 60*time.Second, func() bool {
			states, err := fixture.db.TargetStates(t.Context())
			return err == nil && states["one"].Loaded()
		})
		if made, _ := pushUsers(t, address, token, 1000, pushed); made != pushed {
			t.Fatalf("%d of %d users were taken", made, pushed)
		}
		accounts := func() (n int) {
			for i := range pushed {
				if fixture.has(fmt.Sprint(1000+i), "one") != "" {
					n++
				}
			}
			return n
		}
		held := func() int {
			holds, err := fixture.db.Holds(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			open := 0
			for _, h := range holds {
				if h.Subject == "one" && h.Decision == nil {
					open++
				}
			}
			return open
		}
		fixture.until("what was pushed is in the targets, or held", 60*time.Second, func() bool { return fixture.quiet() && held() > 0 })
		fixture.drained("people")
		if n := accounts(); n > limit || n == 0 {
			t.Errorf("%d of %d pushed users have an account, with a limit of %d", n, pushed, limit)
		}
		t.Logf("%d of %d pushed users have an account; %d holds", accounts(), pushed, held())
	})
}

// TestAPushSourceAddsFewPeople: beyond new_people_per_hour a new user is refused
// with 429, those that are there are changed all the same, and an hour later
// there is room again.
func TestAPushSourceAddsFewPeople(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		text := configuration + "hr: {sources: {idp: {scim: true, new_people_per_hour: 7}}}\n"
		if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		fixture.config = fixture.load()
		var ahead atomic.Int64
		fixture.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		token, _, err := makeToken(t.Context(), fixture.db, "stolen", "idp", time.Now(), time.Now().Add(24*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		address := serveSCIM(t, fixture)
		if made, putOff := pushUsers(t, address, token, 1000, 30); made != 7 || putOff != 23 {
			t.Errorf("%d were made and %d put off", made, putOff)
		}
		// Deleted users are counted, too.
		if _, err := testenv.Raw(t, fixture.url).ExecContext(t.Context(), `DELETE FROM scim_resource`); err != nil {
			t.Fatal(err)
		}
		if made, _ := pushUsers(t, address, token, 3000, 5); made != 0 {
			t.Errorf("after users were deleted %d were made", made)
		}
		ahead.Store(int64(61 * time.Minute))
		if made, putOff := pushUsers(t, address, token, 2000, 10); made != 7 || putOff != 3 {
			t.Errorf("an hour later %d were made and %d put off", made, putOff)
		}
	})
}
