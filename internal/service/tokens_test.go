package service_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestExpiringTokensAreTold: an alert is sent once for each stage of a token,
// also for one that was made before tokens expired, which goes on working.
func TestExpiringTokensAreTold(t *testing.T) {
	onBoth(t, func(t *testing.T, fixture *fixture) {
		p, mail, _ := openPostbox(t)
		text := configuration + fmt.Sprintf("hr: {precedence: {default: [hr, idp]}, sources: {idp: {scim: true}, hr: {file: none.csv}}}\nalerts: {email: {from: behov@example.org, to: [iam@example.org], server: %q}}\n", mail)
		if err := os.WriteFile(filepath.Join(fixture.dir, "behov.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		fixture.config = fixture.load()
		ctx, now := context.Background(), time.Now()
		ids := map[string]string{}
		for name, left := range map[string]time.Duration{"old": 100 * 24 * time.Hour, "soon": 20 * 24 * time.Hour, "very soon": 2 * 24 * time.Hour, "over": time.Millisecond, "later": 300 * 24 * time.Hour, "revoked": time.Hour} {
			_, kept, err := makeToken(ctx, fixture.db, name, "idp", now, now.Add(left))
			if err != nil {
				t.Fatal(err)
			}
			ids[name] = kept.ID
		}
		if err := revokeToken(ctx, fixture.db, ids["revoked"], now); err != nil {
			t.Fatal(err)
		}
		if _, err := testenv.Raw(t, fixture.url).ExecContext(ctx, `UPDATE api_token SET expires_us = 0 WHERE name = 'old'`); err != nil {
			t.Fatal(err)
		}
		count := func(text string) int { mails, _ := p.got(text, ""); return mails }
		for range 2 {
			var served *service.Service
			stop := fixture.serve(func(s *service.Service) { s.Apply, served = false, s })
			fixture.until("all are told", 30*time.Second, func() bool {
				return count("Token never expires: idp") > 0 && count("Token has expired: idp") > 0 && count("Token expires: idp") > 1
			})
			fixture.until("the tokens are measured", 20*time.Second, func() bool {
				return strings.Contains(scrape(t, served), fmt.Sprintf(`behov_token_expiry_timestamp_seconds{source="idp",token_id=%q} 0`, ids["old"]))
			})
			served.TokenRefused("unknown")
			if got := scrape(t, served); !strings.Contains(got, `behov_refused_tokens_total{reason="unknown"} 1`) {
				t.Errorf("the metrics lack the refused token:\n%s", got)
			}
			fixture.drained("alert")
			stop()
		}
		if n, over, soon := count("Token never expires"), count("Token has expired"), count("Token expires:"); n != 1 || over != 1 || soon != 2 {
			t.Errorf("%d, %d and %d mails", n, over, soon)
		}
	})
}

// makeToken makes a token as a decision does.
func makeToken(ctx context.Context, db *store.DB, name, source string, now, until time.Time) (string, store.Token, error) {
	token, t, err := store.NewToken(store.Token{Name: name, Source: source}, now, until)
	if err != nil {
		return "", t, err
	}
	return token, t, db.Write(ctx, func(tx *store.Tx) error { return tx.PutToken(ctx, t, store.Decision{Maker: "person:q"}) })
}

// revokeToken revokes a token as a decision does.
func revokeToken(ctx context.Context, db *store.DB, id string, now time.Time) error {
	return db.Write(ctx, func(tx *store.Tx) error { return tx.RevokeToken(ctx, id, store.Decision{Maker: "person:q"}, now) })
}
