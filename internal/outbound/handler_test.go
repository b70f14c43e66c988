package outbound_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/outbound"
)

// TestConfiguration: a receiver finds out what it needs, as in the example of SSF 1.0 §7.2,
// and without a token only that.
func TestConfiguration(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	r, server := x.portal(ecKey(t), config.SubjectFormat{Format: "email"})
	status, body := get(t, server.URL+"/.well-known/ssf-configuration", "")
	want := `{"authorization_schemes":[{"spec_urn":"urn:ietf:rfc:6750"}],"configuration_endpoint":"https://behov.example.org/ssf/stream","default_subjects":"ALL","delivery_methods_supported":["urn:ietf:rfc:8935","urn:ietf:rfc:8936"],"issuer":"https://behov.example.org","jwks_uri":"https://behov.example.org/ssf/jwks.json","spec_version":"1_0","status_endpoint":"https://behov.example.org/ssf/status","verification_endpoint":"https://behov.example.org/ssf/verify"}`
	if status != http.StatusOK || strings.TrimSpace(string(body)) != want {
		t.Errorf("%d %s", status, body)
	}
	var stream struct {
		ID        string            `json:"stream_id"`
		Issuer    string            `json:"iss"`
		Audience  string            `json:"aud"`
		Delivered []string          `json:"events_delivered"`
		Delivery  map[string]string `json:"delivery"`
	}
	status, body = get(t, server.URL+"/ssf/stream?stream_id=portal", "read-token")
	if err := json.Unmarshal(body, &stream); err != nil || status != http.StatusOK || stream.ID != "portal" || stream.Issuer != issuer || stream.Audience != audience || len(stream.Delivered) != 4 ||
		stream.Delivery["method"] != "urn:ietf:rfc:8935" || stream.Delivery["endpoint_url"] != r.URL || strings.Contains(string(body), "token") {
		t.Errorf("%d %s %v", status, body, err)
	}
	for _, c := range []struct {
		method, path, token, body string
		want                      int
	}{
		{"GET", "/ssf/stream", "read-token", "", 200},
		{"GET", "/ssf/stream", "", "", 401},
		{"GET", "/ssf/stream", "push-token", "", 401}, // by which behov is known to the receiver
		{"GET", "/ssf/stream?stream_id=other", "read-token", "", 404},
		{"POST", "/ssf/stream", "read-token", "{}", 409}, // SSF 1.0 §8.1.1.1
		{"DELETE", "/ssf/stream?stream_id=portal", "read-token", "", 403},
		{"POST", "/ssf/stream", "", "{}", 401},
		{"GET", "/ssf/status?stream_id=portal", "read-token", "", 200},
		{"GET", "/ssf/status?stream_id=other", "read-token", "", 404},
		{"POST", "/ssf/status", "read-token", `{"stream_id":"portal","status":"disabled"}`, 403},
		{"POST", "/ssf/verify", "read-token", `{"stream_id":"other"}`, 404},
		{"POST", "/ssf/verify", "read-token", `{`, 400},
		{"POST", "/ssf/verify", "", `{"stream_id":"portal"}`, 401},
		{"POST", "/ssf/poll/portal", "read-token", `{}`, 404}, // it is pushed to
		{"GET", "/.well-known/openid-configuration", "", "", 404},
	} {
		if got, body := request(t, c.method, server.URL+c.path, c.token, c.body); got != c.want {
			t.Errorf("%s %s with %q: %d %s", c.method, c.path, c.token, got, body)
		}
	}
	x.config.Events = nil
	h, err := outbound.Handler(x.config, x.db, x.now, x.logger())
	if err != nil {
		t.Fatal(err)
	}
	none := httptest.NewServer(h)
	defer none.Close()
	if status, _ := get(t, none.URL+"/.well-known/ssf-configuration", ""); status != http.StatusNotFound {
		t.Errorf("without a transmitter it answers %d", status)
	}
}

// TestVerification: a receiver that asks for a verification event gets it over its stream,
// with its state, though nothing else happens, and not more often than it may.
func TestVerification(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	r, server := x.portal(ecKey(t), opaque)
	r.answer = func(n int, w http.ResponseWriter) bool {
		if n == 1 {
			http.Error(w, "down", http.StatusBadGateway)
		}
		return n > 1
	}
	x.dispatch(x.open()) // another process than the one that is asked
	state := "VGhpcyBpcyBhbiBleGFtcGxlIHN0YXRlIHZhbHVlLgo="
	if status, body := request(t, "POST", server.URL+"/ssf/verify", "read-token", fmt.Sprintf(`{"stream_id":"portal","state":%q}`, state)); status != http.StatusNoContent || len(body) > 0 {
		t.Fatalf("%d %s", status, body)
	}
	x.until("it comes", func() bool { return len(r.got()) == 1 })
	s := r.got()[0]
	if _, name, about := s.event(); name != "verification" || about["state"] != state || s.SubjectID["format"] != "opaque" || s.SubjectID["id"] != "portal" {
		t.Errorf("%+v", s)
	}
	if status, _ := request(t, "POST", server.URL+"/ssf/verify", "read-token", `{"stream_id":"portal"}`); status != http.StatusTooManyRequests {
		t.Errorf("a second one at once: %d", status)
	}
	x.record(step("p1", "ad", "disable-account", left)...)
	x.delivered()
	if got := r.names(); !slices.Equal(got, []string{"verification", "session-revoked", "account-disabled"}) {
		t.Errorf("%v", got)
	}
}

// polled is an answer to a poll, its tokens in their order.
type polled struct {
	ids   []string
	names []string
	more  bool
}

// poll polls as in the examples of RFC 8936 §2.4, and verifies the tokens.
func poll(t *testing.T, r *receiver, server, body string) (p polled) {
	t.Helper()
	status, answer := request(t, "POST", server+"/ssf/poll/portal", "read-token", body)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	var all struct {
		Sets map[string]string `json:"sets"`
		More bool              `json:"moreAvailable"`
	}
	if err := json.Unmarshal(answer, &all); err != nil || all.Sets == nil {
		t.Fatalf("%s: %v", answer, err)
	}
	p.more = all.More
	for id, token := range all.Sets {
		s, code, err := r.read(token)
		if err != nil || s.ID != id {
			t.Fatalf("%s: %s %v", id, code, err)
		}
		p.ids = append(p.ids, id)
	}
	slices.SortFunc(p.ids, func(a, b string) int {
		return strings.Index(string(answer), `"`+a+`"`) - strings.Index(string(answer), `"`+b+`"`)
	})
	for _, id := range p.ids {
		p.names = append(p.names, id[strings.LastIndex(id, ".")+1:])
	}
	return p
}

func acknowledgeAll(ids ...string) string {
	b, _ := json.Marshal(ids)
	return fmt.Sprintf(`{"returnImmediately":true,"ack":%s}`, b)
}

// TestPoll: a receiver that polls gets what it has not acknowledged, the oldest first,
// whatever it acknowledges before something else, and after another process took over.
func TestPoll(t *testing.T) {
	onBoth(t, func(t *testing.T, x *fixture) {
		x.t.Setenv("BEHOV_TEST_READ", "read-token")
		server := x.transmit(ecKey(t), config.Receiver{Name: "portal", Audience: []string{"other", audience}, Token: "env:BEHOV_TEST_READ", Signals: config.Signals, Subject: opaque})
		r := newReceiver(t, issuer, audience, "", func() []byte { _, b := get(t, server.URL+"/ssf/jwks.json", ""); return b })
		stop := x.dispatch(x.db)
		now := `{"returnImmediately":true}`
		if p := poll(t, r, server.URL, now); len(p.ids) > 0 || p.more {
			t.Errorf("there is nothing yet: %+v", p)
		}
		x.grant(0, 150) // which signals nothing
		x.record(step("p1", "ad", "disable-account", left)...)
		x.record(step("p2", "ad", "disable-account", left)...)
		all := poll(t, r, server.URL, now)
		if want := []string{"session-revoked", "account-disabled", "session-revoked", "account-disabled"}; !slices.Equal(all.names, want) || all.more {
			t.Fatalf("%+v", all)
		}
		if p := poll(t, r, server.URL, now); !slices.Equal(p.ids, all.ids) {
			t.Errorf("what is not acknowledged: %+v", p)
		}
		if p := poll(t, r, server.URL, `{"returnImmediately":true,"maxEvents":3}`); !slices.Equal(p.ids, all.ids[:3]) || !p.more {
			t.Errorf("at most three: %+v", p)
		}
		if p := poll(t, r, server.URL, acknowledgeAll(all.ids[1], all.ids[2])); !slices.Equal(p.ids, []string{all.ids[0], all.ids[3]}) {
			t.Errorf("two were acknowledged out of order: %+v", p)
		}
		if p := poll(t, r, server.URL, acknowledgeAll(all.ids[0], "portal.9999-00000000.session-revoked", "invented")); !slices.Equal(p.ids, all.ids[3:]) {
			t.Errorf("the first was acknowledged: %+v", p)
		}
		stop()
		h, err := outbound.Handler(x.config, x.open(), x.now, x.logger())
		if err != nil {
			t.Fatal(err)
		}
		other := httptest.NewServer(h)
		defer other.Close()
		if p := poll(t, r, other.URL, now); !slices.Equal(p.ids, all.ids[3:]) {
			t.Errorf("another process: %+v", p)
		}
		refused := fmt.Sprintf(`{"returnImmediately":true,"setErrs":{%q:{"err":"invalid_request","description":"Göta Hemligstam"}}}`, all.ids[3])
		if p := poll(t, r, other.URL, refused); len(p.ids) > 0 {
			t.Errorf("what the receiver cannot take: %+v", p)
		}
		if log := x.log.String(); !strings.Contains(log, "did not accept") || strings.Contains(log, "Hemligstam") {
			t.Errorf("the log: %s", log)
		}
		cursors, head, err := x.db.OutboundCursors(t.Context())
		if c := cursors["signals/portal"]; err != nil || c.Index != head || c.Pending != "" && !strings.Contains(c.Pending, "9999") {
			t.Errorf("%+v of %d: %v", c, head, err)
		}
	})
}

// TestLongPoll: a poll waits for a token, and for a verification.
func TestLongPoll(t *testing.T) {
	x := newFixture(t, "sqlite:"+t.TempDir()+"/behov.db")
	x.t.Setenv("BEHOV_TEST_READ", "read-token")
	server := x.transmit(ecKey(t), config.Receiver{Name: "portal", Audience: []string{audience}, Token: "env:BEHOV_TEST_READ", Signals: config.Signals, Subject: opaque})
	r := newReceiver(t, issuer, audience, "", func() []byte { _, b := get(t, server.URL+"/ssf/jwks.json", ""); return b })
	x.dispatch(x.db)
	wait := func(what string, cause func()) polled {
		t.Helper()
		came := make(chan polled, 1)
		go func() { came <- poll(t, r, server.URL, `{}`) }()
		time.Sleep(100 * time.Millisecond)
		began := time.Now()
		cause()
		p := <-came
		if took := time.Since(began); took > time.Second || len(p.ids) == 0 {
			t.Errorf("%s: %+v after %s", what, p, took)
		}
		return p
	}
	p := wait("a leaver", func() { x.record(step("p1", "ad", "disable-account", left)...) })
	poll(t, r, server.URL, acknowledgeAll(p.ids...))
	p = wait("a verification", func() {
		if status, _ := request(t, "POST", server.URL+"/ssf/verify", "read-token", `{"stream_id":"portal"}`); status != http.StatusNoContent {
			t.Errorf("%d", status)
		}
	})
	if p := poll(t, r, server.URL, acknowledgeAll(p.ids...)); len(p.ids) > 0 {
		t.Errorf("after it was acknowledged: %+v", p)
	}
}
