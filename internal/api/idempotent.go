package api

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/behov/behov/internal/store"
)

// idempotencyKept is for how long a second request with the same key is answered as the
// first was.
const idempotencyKept = 24 * time.Hour

// maxBody is how long a request may be.
const maxBody = 8 << 20

// idempotent answers a writing request with an Idempotency-Key once: that it was made is
// written in the transaction of what it does, and a second one gets the answer of the first.
func (a *api) idempotent(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		key := r.Header.Get("Idempotency-Key")
		q, _ := r.Context().Value(requestKey{}).(request)
		if key == "" || r.Method == http.MethodGet || q.err != nil {
			next.ServeHTTP(w, r)
			return
		}
		if len(key) > 255 {
			a.write(w, r, newProblem(http.StatusBadRequest, "invalid", "the Idempotency-Key is longer than 255 characters"))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			a.write(w, r, newProblem(http.StatusRequestEntityTooLarge, "too-large", "the request is too large"))
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		keyHash, requestHash := sum(q.caller.Subject.ID(), key), sum(r.Method, r.URL.RequestURI(), string(body))
		now := a.Now()
		known, there, err := a.DB.KnownRequest(r.Context(), keyHash, now.Add(-idempotencyKept))
		switch {
		case err != nil:
			a.write(w, r, a.problem(r.Context(), err).(*Problem)) //nolint:errorlint // it is one always
			return
		case there && !bytes.Equal(known.RequestHash, requestHash):
			a.write(w, r, newProblem(http.StatusUnprocessableEntity, "idempotency-key-reused", "another request was made with this Idempotency-Key"))
			return
		case there && known.Status == 0:
			a.write(w, r, newProblem(http.StatusConflict, "done-already", "this request is under way, or was done and its answer is not known: look at what it was about"))
			return
		case there:
			w.Header().Set("Idempotency-Replayed", "true")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(known.Status)
			_, _ = w.Write(known.Body)
			return
		}
		ctx := store.WithBeside(r.Context(), func(tx *store.Tx) error {
			return tx.PutRequest(r.Context(), store.Request{KeyHash: keyHash, RequestHash: requestHash, AtUS: store.Micros(now.UnixMicro())}, now.Add(-idempotencyKept))
		})
		kept := &keeping{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(kept, r.WithContext(ctx))
		if kept.status < http.StatusMultipleChoices {
			if err := a.DB.AnswerRequest(r.Context(), keyHash, kept.status, kept.body.Bytes()); err != nil {
				a.Log.Warn("the answer of a request could not be kept", "error", err)
			}
		}
	})
}

func sum(parts ...string) []byte {
	h := sha256.New()
	for _, p := range parts {
		length := sha256.Sum256([]byte(p))
		h.Write(length[:])
	}
	return h.Sum(nil)
}

// keeping is a response that is kept while it is written.
type keeping struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (k *keeping) WriteHeader(status int) {
	k.status = status
	k.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (k *keeping) Write(b []byte) (int, error) {
	k.body.Write(b)
	return k.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (k *keeping) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// requestThere reports whether a request lost against the same one.
func requestThere(err error) bool { return errors.Is(err, store.ErrRequestThere) }
