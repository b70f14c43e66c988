package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/behov/behov/connectors/transport"
	"github.com/behov/behov/internal/config"
)

// answering is for how long a receiver may take to answer.
const answering = 30 * time.Second

// poster posts messages, one at a time over one connection.
type poster struct {
	client         *http.Client
	address, token string
	key            []byte // that signs; nil for none
	contentType    string
	now            func() time.Time
}

func newPoster(dir string, w *config.Webhook, contentType string, now func() time.Time) (*poster, error) {
	p := &poster{contentType: contentType, now: now}
	var err error
	if p.address, err = w.Address(dir); err != nil {
		return nil, err
	}
	if p.token, err = config.Resolve(dir, w.Token); err != nil {
		return nil, err
	}
	if p.key, err = w.Key(dir); err != nil {
		return nil, err
	}
	tls, err := transport.TLS(w.CAFile)
	if err != nil {
		return nil, err
	}
	p.client = transport.Client(tls, answering, 1)
	return p, nil
}

// newWebhook returns the sink that posts CloudEvents (HTTP 1.1 Web Hooks for Event
// Delivery §2), signed as Standard Webhooks.
func newWebhook(dir string, w *config.Webhook, now func() time.Time) (sink, error) {
	return newPoster(dir, w, "application/cloudevents+json; charset=utf-8", now)
}

// newPush returns the sink that pushes Security Event Tokens (RFC 8935 §2.1).
func newPush(dir string, w *config.Webhook, now func() time.Time) (sink, error) {
	return newPoster(dir, w, "application/secevent+jwt", now)
}

// Sign signs a body as Standard Webhooks 1.0.0 has it, where there is a key.
func Sign(h http.Header, key []byte, id string, at time.Time, body []byte) error {
	if key == nil {
		return nil
	}
	signer, err := standardwebhooks.NewWebhookRaw(key)
	if err != nil {
		return err
	}
	signature, err := signer.Sign(id, at, body)
	if err != nil {
		return err
	}
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	return nil
}

func (p *poster) deliver(ctx context.Context, all []message) (taken int, err error) {
	began := time.Now()
	for i, m := range all {
		if i > 0 && time.Since(began) > atOnce {
			return i, nil
		}
		if err := p.post(ctx, m); err != nil {
			return i, err
		}
	}
	return len(all), nil
}

func (p *poster) post(ctx context.Context, m message) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.address, bytes.NewReader(m.body))
	if err != nil {
		return errors.New("the receiver's address is none")
	}
	r.Header.Set("Content-Type", p.contentType)
	r.Header.Set("Accept", "application/json")
	if p.token != "" {
		r.Header.Set("Authorization", "Bearer "+p.token)
	}
	if err := Sign(r.Header, p.key, m.id, p.now(), m.body); err != nil {
		return fmt.Errorf("sign: %w", err)
	}
	answer, err := p.client.Do(r)
	var of *url.Error
	if errors.As(err, &of) {
		err = of.Err // the address may be a secret
	}
	if err != nil {
		return fmt.Errorf("the receiver did not answer: %w", err)
	}
	defer answer.Body.Close() //nolint:errcheck // read as far as it is of use
	body, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	switch code := answer.StatusCode; {
	case code < http.StatusOK || code >= http.StatusMultipleChoices:
		err = fmt.Errorf("the receiver answered %d %s%s", code, http.StatusText(code), errorCode(body))
		if after := transport.RetryAfter(answer.Header.Get("Retry-After"), p.now()); after > 0 {
			return &laterError{after: after, err: err}
		}
		return err
	}
	return nil
}

// codeForm is the form of the codes of RFC 8935 §2.4.
var codeForm = regexp.MustCompile(`^[a-z_]{1,40}$`)

// errorCode returns the code of an answer that says why a token was refused (RFC 8935
// §2.3). Its description is left out: it may quote the token.
func errorCode(body []byte) string {
	var e struct {
		Err string `json:"err"`
	}
	if json.Unmarshal(body, &e) != nil || !codeForm.MatchString(e.Err) {
		return ""
	}
	return ": " + e.Err
}
