package outbound

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/store"
)

// The paths below which Handler answers.
const (
	WellKnown = "/.well-known"
	Path      = "/ssf"
)

// The delivery methods (SSF 1.0 §6.1).
const (
	byPush = "urn:ietf:rfc:8935"
	byPoll = "urn:ietf:rfc:8936"
)

const (
	// verifyEvery is how often a receiver may ask for a verification event.
	verifyEvery = 10 * time.Second
	// mostState is the longest state of a verification, in bytes.
	mostState = 1024
)

// handler answers the receivers of a transmitter.
type handler struct {
	*transmitter
	stream string
	log    *slog.Logger

	mu       sync.Mutex
	verified map[string]time.Time // when a receiver last asked
}

// Handler answers at WellKnown and Path what a transmitter of the Shared Signals Framework
// answers: its configuration and keys to everyone, and to each receiver by its own token
// its stream, which only the operator changes, and tokens that it polls. Without a
// transmitter in the configuration nothing is found.
func Handler(c *config.Config, db *store.DB, now func() time.Time, log *slog.Logger) (http.Handler, error) {
	mux := http.NewServeMux()
	for _, s := range c.Events {
		if s.SSF == nil {
			continue
		}
		t, err := newTransmitter(c.Dir, s.SSF, db, now)
		if err != nil {
			return nil, err
		}
		h := &handler{transmitter: t, stream: s.Name, log: log, verified: map[string]time.Time{}}
		mux.HandleFunc("GET "+WellKnown+"/ssf-configuration", h.configuration)
		mux.HandleFunc("GET "+Path+"/jwks.json", h.jwks)
		mux.HandleFunc("GET "+Path+"/stream", h.readStream)
		mux.HandleFunc("POST "+Path+"/stream", h.refuse(http.StatusConflict))
		mux.HandleFunc(Path+"/stream", h.refuse(http.StatusForbidden))
		mux.HandleFunc("GET "+Path+"/status", h.readStatus)
		mux.HandleFunc(Path+"/status", h.refuse(http.StatusForbidden))
		mux.HandleFunc("POST "+Path+"/verify", h.verify)
		mux.HandleFunc("POST "+Path+"/poll/{receiver}", h.poll)
	}
	return mux, nil
}

// configuration answers with the metadata of SSF 1.0 §7.1.
func (h *handler) configuration(w http.ResponseWriter, _ *http.Request) {
	base := h.config.Issuer + Path
	answerJSON(w, http.StatusOK, map[string]any{
		"spec_version": "1_0", "issuer": h.config.Issuer, "jwks_uri": base + "/jwks.json", "delivery_methods_supported": []string{byPush, byPoll},
		"configuration_endpoint": base + "/stream", "status_endpoint": base + "/status", "verification_endpoint": base + "/verify",
		"authorization_schemes": []any{map[string]string{"spec_urn": "urn:ietf:rfc:6750"}}, "default_subjects": "ALL",
	})
}

func (h *handler) jwks(w http.ResponseWriter, _ *http.Request) { answerJSON(w, http.StatusOK, h.keys) }

// readStream answers with the configuration of the receiver's stream (SSF 1.0 §8.1.1).
func (h *handler) readStream(w http.ResponseWriter, r *http.Request) {
	receiver, ok := h.authenticate(w, r)
	if !ok {
		return
	}
	signals := make([]string, len(receiver.Signals))
	for i, s := range receiver.Signals {
		signals[i] = eventURI(s)
	}
	supported := make([]string, len(config.Signals))
	for i, s := range config.Signals {
		supported[i] = eventURI(s)
	}
	delivery := map[string]string{"method": byPoll, "endpoint_url": h.config.Issuer + Path + "/poll/" + receiver.Name}
	if p := receiver.Push; p != nil {
		delivery = map[string]string{"method": byPush}
		if strings.HasPrefix(p.URL, "http") { // else it is a secret
			delivery["endpoint_url"] = p.URL
		}
	}
	stream := map[string]any{"stream_id": receiver.Name, "iss": h.config.Issuer, "aud": audience(receiver), "events_supported": supported, "events_requested": signals, "events_delivered": signals,
		"delivery": delivery, "min_verification_interval": int(verifyEvery.Seconds()), "format": receiver.Subject.Format}
	switch r.URL.Query().Get("stream_id") {
	case "":
		answerJSON(w, http.StatusOK, []any{stream})
	case receiver.Name:
		answerJSON(w, http.StatusOK, stream)
	default:
		http.NotFound(w, r)
	}
}

// readStatus answers with the status of the receiver's stream (SSF 1.0 §8.1.2).
func (h *handler) readStatus(w http.ResponseWriter, r *http.Request) {
	receiver, ok := h.authenticate(w, r)
	switch {
	case !ok:
	case r.URL.Query().Get("stream_id") != receiver.Name:
		http.NotFound(w, r)
	default:
		answerJSON(w, http.StatusOK, map[string]string{"stream_id": receiver.Name, "status": "enabled"})
	}
}

// verify notes that the receiver wants a verification event (SSF 1.0 §8.1.4.2).
func (h *handler) verify(w http.ResponseWriter, r *http.Request) {
	receiver, ok := h.authenticate(w, r)
	if !ok {
		return
	}
	var request struct {
		Stream string `json:"stream_id"`
		State  string `json:"state"`
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4*mostState)).Decode(&request); err != nil || len(request.State) > mostState {
		http.Error(w, "the body has stream_id, and a state of at most 1024 bytes", http.StatusBadRequest)
		return
	}
	if request.Stream != receiver.Name {
		http.NotFound(w, r)
		return
	}
	if wait := h.mayVerify(receiver.Name); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait.Seconds())+1))
		http.Error(w, "too many verifications", http.StatusTooManyRequests)
		return
	}
	s := &signals{transmitter: h.transmitter, receiver: receiver}
	err := h.change(r.Context(), s, func(_ *store.OutboundCursor, p *pending) {
		// One that was never taken is replaced.
		p.Verify = []verify{{ID: receiver.Name + ".verification." + uuid.Must(uuid.NewV7()).String(), State: request.State, At: h.now().UTC()}}
	})
	if err != nil {
		h.failed(w, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusNoContent)
}

// mayVerify returns how long a receiver has to wait until it may ask for a verification.
func (h *handler) mayVerify(receiver string) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if wait := h.verified[receiver].Add(verifyEvery).Sub(now); wait > 0 {
		return wait
	}
	h.verified[receiver] = now
	return 0
}

// refuse refuses to change a stream, to receivers.
func (h *handler) refuse(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if _, ok := h.authenticate(w, r); ok {
			http.Error(w, "streams are configured by the operator", status)
		}
	}
}

// authenticate returns the receiver whose bearer token the request has (RFC 6750 §2.1), or
// answers 401.
func (h *handler) authenticate(w http.ResponseWriter, r *http.Request) (config.Receiver, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(strings.TrimSpace(token)))
	for _, receiver := range h.config.Receivers {
		if receiver.Token == "" || token == "" || !strings.EqualFold(scheme, "Bearer") {
			continue
		}
		want, err := config.Resolve(h.dir, receiver.Token)
		if err != nil {
			h.log.Error("the token of a receiver cannot be read", "receiver", receiver.Name, "error", err)
			continue
		}
		sum := sha256.Sum256([]byte(want))
		if want != "" && subtle.ConstantTimeCompare(sum[:], got[:]) == 1 {
			return receiver, true
		}
	}
	w.Header().Set("WWW-Authenticate", "Bearer")
	http.Error(w, "a valid token is required", http.StatusUnauthorized)
	return config.Receiver{}, false
}

// failed answers that behov could not work, and logs why.
func (h *handler) failed(w http.ResponseWriter, err error) {
	h.log.Error("a receiver could not be answered", "error", err)
	http.Error(w, "try again later", http.StatusServiceUnavailable)
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, "Internal server error.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}
