package signin_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv/office"
)

// TestServiceAccount: the token of a service account is no session and no sign-in, lets no
// machine in as a person, and one of neither owner nor service lets no one in.
func TestServiceAccount(t *testing.T) {
	o := office.New(t, nil)
	door, err := signin.New(o.DB, o.Config, o.Clock, slog.New(slog.NewTextHandler(io.Discard, nil)), nil)
	if err != nil {
		t.Fatal(err)
	}
	door.GiveTokens(func(context.Context, signin.DeviceToken) (string, error) {
		t.Error("a token is made")
		return "", nil
	})
	put := func(of store.Token) string {
		t.Helper()
		text, made, err := store.NewToken(of, o.Time, o.Time.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if err := o.DB.Write(t.Context(), func(tx *store.Tx) error {
			return tx.PutToken(t.Context(), made, store.Decision{Maker: identity.System})
		}); err != nil {
			t.Fatal(err)
		}
		return text
	}
	ask := func(token string) (signin.Caller, error) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		return door.Caller(r)
	}
	// What the row says of factors and groups is not the service account's.
	text := put(store.Token{Service: "auditor", Scopes: "*:read", Factors: store.ManyFactors, How: string(rights.SignedIn), Groups: "admins"})
	c, err := ask(text)
	if err != nil || c.Subject != (rights.Subject{Service: "auditor", How: rights.ByToken}) || c.Known.ID() != "service:auditor" || !c.Known.Works || c.Session != "" || c.Factors != "" || len(c.Known.Member) != 1 || c.Known.Member[0] != "service:auditor" {
		t.Errorf("%+v, %v", c, err)
	}
	for what, of := range map[string]store.Token{"a source's": {Source: "hr"}, "one that is not declared": {Service: "nothing", Scopes: "*:read"}} {
		if _, err := ask(put(of)); !errors.Is(err, signin.ErrNotSignedIn) {
			t.Errorf("%s: %v", what, err)
		}
	}
	form := url.Values{"code": {"BCDF-GHJK"}, "decision": {"confirm"}, "form": {"x"}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, signin.DevicePath+"/decision", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Authorization", "Bearer "+text)
	w := httptest.NewRecorder()
	door.Handler().ServeHTTP(w, r)
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(w.Header().Get("Location"), signin.Path+"?return=") {
		t.Errorf("a service account confirms a machine's sign-in: %d %s", w.Code, w.Body)
	}
}
