package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/behov/behov/internal/signin"
)

// maxSignIn is how long an answer of a sign-in may be, in bytes.
const maxSignIn = 1 << 20

// BeginSignIn begins to sign in on this machine. A person confirms it in a browser.
func (c *Client) BeginSignIn(ctx context.Context, machine string) (b signin.DeviceBegun, err error) {
	status, err := c.form(ctx, signin.DevicePath, url.Values{"machine": {machine}}, &b)
	if err == nil && (status != http.StatusOK || b.DeviceCode == "") {
		err = fmt.Errorf("%s does not let machines sign in (%d)", c.base, status)
	}
	return b, err
}

// The errors of a sign-in that ended without a token.
var (
	ErrSignInDenied  = errors.New("the person denied it in the browser")
	ErrSignInExpired = errors.New("it was not confirmed in time: begin again")
)

// AwaitToken returns the token of a sign-in, and until when it works, once a person has
// confirmed it.
func (c *Client) AwaitToken(ctx context.Context, b signin.DeviceBegun) (Credential, error) {
	wait := time.Duration(max(b.Interval, 1)) * time.Second
	end := time.Now().Add(time.Duration(b.Lasts) * time.Second)
	for time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return Credential{}, ctx.Err()
		case <-time.After(wait):
		}
		var a signin.DeviceAnswer
		status, err := c.form(ctx, signin.DeviceTokenPath, url.Values{"device_code": {b.DeviceCode}}, &a)
		switch {
		case err != nil:
			return Credential{}, err
		case a.Token != "":
			return Credential{Token: a.Token, Expires: time.Now().Add(time.Duration(a.Lasts) * time.Second).UTC().Truncate(time.Second)}, nil
		case a.Error == signin.DevicePending:
		case a.Error == signin.DeviceSlow:
			wait += 5 * time.Second // RFC 8628 section 3.5
		case a.Error == signin.DeviceDenied:
			return Credential{}, ErrSignInDenied
		case a.Error == "":
			return Credential{}, fmt.Errorf("%s answers %d", c.base, status)
		default:
			return Credential{}, ErrSignInExpired
		}
	}
	return Credential{}, ErrSignInExpired
}

// form sends a form without a token, and decodes the answer.
func (c *Client) form(ctx context.Context, path string, values url.Values, out any) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(path).String(), strings.NewReader(values.Encode()))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := c.http.Do(r)
	if err != nil {
		return 0, c.unreachable(err)
	}
	defer res.Body.Close() //nolint:errcheck // it was read
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != "application/json" {
		return res.StatusCode, fmt.Errorf("%s answers %d with %q where machines sign in: check the address, and that it is a behov server at which people sign in", c.base, res.StatusCode, kind)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxSignIn)).Decode(out); err != nil {
		return res.StatusCode, c.otherVersion(err)
	}
	return res.StatusCode, nil
}
