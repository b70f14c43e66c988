package scim

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/transport"
)

// errBusy and errToken are wrapped by errors that every other request would get
// too; errForbidden by those that concern some requests only.
var (
	errBusy  = errors.New("the service is busy")
	errToken = errors.New("the service does not accept the token, key or certificate: renew it")
	// errConflict is wrapped by the error for a resource that another client
	// changed since it was read (RFC 7644 §3.14).
	errConflict  = errors.New("another client changed it at the same time")
	errForbidden = errors.New("the token does not permit this: grant it read and write access to Users and Groups")
)

// failure returns an error when an answer shows that the service, or a proxy
// before it, could not handle the request at all. The message contains the
// answer's error keyword, if any.
func (c *Connector) failure(doing string, status int, header http.Header, keyword string) error {
	if keyword != "" {
		keyword = ": " + keyword
	}
	say := func(class connectors.Class, format string, args ...any) error {
		return connectors.Errorf(class, "scim: %s: %w%s", doing, fmt.Errorf(format, args...), keyword)
	}
	switch {
	case status == http.StatusUnauthorized:
		return say(connectors.Permanent, "%w (401)", errToken)
	case status == http.StatusForbidden:
		return say(connectors.Permanent, "%w (403)", errForbidden)
	case status >= 300 && status < 400:
		return say(connectors.Permanent, "%s redirects (%d): set url to the address it redirects to", c.cfg.URL, status)
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable:
		return &connectors.Error{
			Class:      connectors.RetryLater,
			RetryAfter: transport.RetryAfter(header.Get("Retry-After"), time.Now()),
			Err:        fmt.Errorf("scim: %s: %w (%d)%s", doing, errBusy, status, keyword),
		}
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status > 511:
		return say(connectors.TargetDown, "the service cannot be reached behind %s (%d)", c.cfg.URL, status)
	case status == http.StatusPreconditionFailed:
		return say(connectors.RetryLater, "%w (412)", errConflict)
	case status == http.StatusRequestTimeout, status == http.StatusLocked, status == http.StatusTooEarly, status == http.StatusInternalServerError:
		return say(connectors.RetryLater, "the service failed (%d)", status)
	}
	return nil
}

// unexpected returns the error for an answer to a request that no service should
// refuse.
func (c *Connector) unexpected(doing string, a *answer) error {
	advice := ""
	if a.isNotFound() || a.status == http.StatusMethodNotAllowed {
		advice = ": check that url is the address below which Users and Groups are"
	}
	return connectors.Errorf(connectors.Permanent, "scim: %s: %s answered %s%s", doing, c.cfg.URL, a.statusText(), advice)
}

// scimTypes are the error keywords of RFC 7644 §3.12.
var scimTypes = []string{
	"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax",
	"invalidPath", "noTarget", "invalidValue", "invalidVers", "sensitive",
	"invalidCursor", "expiredCursor", "invalidCount", // RFC 9865 §2.1
	"notFound", "conflict", "preConditionFailed", "internal", // go-scim
}

// errorType returns an error's keyword when it is a known one: other text may
// hold personal data. Some services have the keyword as the first word of the
// detail.
func errorType(body resource) string {
	given := text(body.field("scimType"))
	if given == "" {
		given, _, _ = strings.Cut(text(body.field("detail")), ":")
	}
	i := slices.IndexFunc(scimTypes, func(t string) bool { return strings.EqualFold(t, given) })
	if i < 0 {
		return ""
	}
	return scimTypes[i]
}

func (a *answer) statusText() string {
	return fmt.Sprintf("%d (%s)", a.status, cmp.Or(a.scimType, strings.ToLower(http.StatusText(a.status)), "no reason given"))
}

// refusal turns a refused request into a result. Of the service's own text it
// keeps only the names of attributes that were sent: the rest may hold personal
// data.
func (a *answer) refusal(sent ...string) connectors.Result {
	why := "the service says: " + a.statusText()
	var named []string
	for _, name := range sent {
		if short := name[strings.LastIndexAny(name, ":.")+1:]; strings.Contains(a.detail, short) {
			named = append(named, name)
		}
	}
	if len(named) > 0 {
		why += ": " + strings.Join(named, ", ")
	}
	return refused("%s", why)
}

func refused(why string, args ...any) connectors.Result {
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Refused, Detail: fmt.Sprintf(why, args...)}}
}

func alreadySo() connectors.Result {
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.AlreadyApplied}}
}

func applied() connectors.Result {
	return connectors.Result{Outcome: connectors.Outcome{Status: connectors.Applied}}
}

func failed(err error) connectors.Result { return connectors.Result{Err: err} }
