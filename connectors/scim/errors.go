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

// errBusy and errToken are in errors that every other request would get as
// well; errForbidden is in those that say no to some requests.
var (
	errBusy  = errors.New("the service is busy")
	errToken = errors.New("the service does not accept the token, key or certificate: renew it")
	// errConflict is in the error for a resource that somebody else changed
	// since it was read (RFC 7644 §3.14).
	errConflict  = errors.New("somebody else changed it at the same time")
	errForbidden = errors.New("the token does not permit this: give it the right to read and write Users and Groups")
)

// failure returns the error when an answer says that the service, or something
// before it, could not or would not deal with the request at all.
// Its keyword, when it has one, is in the message.
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
		return say(connectors.Permanent, "%s redirects elsewhere (%d): put the right address into url", c.cfg.URL, status)
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

// unexpected is the error for an answer to something that no service should
// refuse.
func (c *Connector) unexpected(doing string, a *answer) error {
	advice := ""
	if a.gone() || a.status == http.StatusMethodNotAllowed {
		advice = ": is url the address below which Users and Groups are?"
	}
	return connectors.Errorf(connectors.Permanent, "scim: %s: %s answered %s%s", doing, c.cfg.URL, a.says(), advice)
}

// scimTypes are the error keywords of RFC 7644 §3.12.
var scimTypes = []string{
	"invalidFilter", "tooMany", "uniqueness", "mutability", "invalidSyntax",
	"invalidPath", "noTarget", "invalidValue", "invalidVers", "sensitive",
	"invalidCursor", "expiredCursor", "invalidCount", // RFC 9865 §2.1
	"notFound", "conflict", "preConditionFailed", "internal", // go-scim
}

// errorType returns an error's keyword, when it is one: anything else could
// hold anything. Some have it as the first word of the detail.
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

func (a *answer) says() string {
	return fmt.Sprintf("%d (%s)", a.status, cmp.Or(a.scimType, strings.ToLower(http.StatusText(a.status)), "no reason given"))
}

// no turns a refusal into a result. Of the service's own words only those are
// kept that name an attribute which was sent: the rest may name people.
func (a *answer) no(sent ...string) connectors.Result {
	why := "the service says: " + a.says()
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
