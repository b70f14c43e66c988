package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/transport"
)

// errThrottled is in errors after which the request was not carried out and
// may be sent again; errForbidden in those that say no to some requests.
var (
	errThrottled = errors.New("the tenant is throttled")
	errForbidden = errors.New("the application may not do this")
)

// failure returns the error when an answer says that Graph could not or would
// not deal with the request at all.
func (c *Connector) failure(q request, r *raw, a *answer) error {
	say := func(class connectors.Class, format string, args ...any) error {
		return &connectors.Error{Class: class, RetryAfter: transport.RetryAfter(r.header.Get("Retry-After"), time.Now()),
			Err: fmt.Errorf("graph: %s: %w%s", q.doing, fmt.Errorf(format, args...), a.trace())}
	}
	switch status := r.status; {
	case status == http.StatusUnauthorized:
		return say(connectors.Permanent, "%w: the token is refused (401): check tenant_id, cloud and url", errToken)
	case status == http.StatusForbidden && strings.Contains(a.code, "Quota"):
		return say(connectors.Permanent, "the tenant's quota of directory objects is used up (%s): delete some for good, or have it raised", a.code)
	case status == http.StatusForbidden:
		return say(connectors.Permanent, "%w (403 %s): %s", errForbidden, a.code, needs(q))
	case status == http.StatusTooManyRequests:
		return say(connectors.RetryLater, "%w (429)", errThrottled)
	case status >= 300 && status < 400:
		return say(connectors.Permanent, "%s redirects elsewhere (%d): put the right address into url", c.cfg.URL, status)
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status == http.StatusServiceUnavailable,
		status == http.StatusInternalServerError, status == http.StatusRequestTimeout, status == http.StatusLocked, status == http.StatusConflict && (a.code == "" || strings.Contains(a.code, "Concurrency")),
		status == http.StatusPreconditionFailed, status > 505:
		return say(connectors.RetryLater, "Graph failed (%d)", status)
	}
	return nil
}

// needs says which application permission a request needs
// (https://learn.microsoft.com/graph/permissions-reference).
func needs(q request) string {
	permission := "User.ReadWrite.All"
	path := q.url
	switch read := q.method == http.MethodGet; {
	case strings.Contains(path, "/temporaryAccessPassMethods") && !read:
		permission = "UserAuthenticationMethod.ReadWrite.All"
	case strings.Contains(path, "/authentication/"):
		permission = "UserAuthenticationMethod.Read.All"
	case strings.Contains(path, "/reports/"):
		permission = "AuditLog.Read.All"
	case strings.Contains(path, "/assignLicense"):
		permission = "LicenseAssignment.ReadWrite.All"
	case strings.Contains(path, "/subscribedSkus"):
		permission = "LicenseAssignment.Read.All"
	case strings.Contains(path, "/organization"):
		permission = "Organization.Read.All"
	case strings.Contains(path, "/memberOf"):
		permission = "GroupMember.Read.All or Directory.Read.All"
	case strings.Contains(path, "/groups") && read:
		permission = "GroupMember.Read.All"
	case strings.Contains(path, "/groups"):
		permission = "GroupMember.ReadWrite.All"
	case strings.Contains(path, "/revokeSignInSessions"):
		permission = "User.RevokeSessions.All"
	case strings.Contains(path, "/restore"):
		permission = "User.DeleteRestore.All or User.ReadWrite.All"
	case read:
		permission = "User.Read.All"
	}
	text := "grant it the application permission " + permission + ", with an administrator's consent"
	if q.method != http.MethodGet {
		text += "; for users and groups with administrative roles it needs such a role as well"
	}
	return text
}

// errorOf reads Graph's error. Its code is kept when it looks like one:
// anything else could hold anything.
func errorOf(body []byte) (code, message, request string) {
	var e struct {
		Error struct {
			Code       string
			Message    string
			InnerError map[string]any
		}
	}
	if json.Unmarshal(body, &e) != nil {
		return "", "", ""
	}
	if id, ok := e.Error.InnerError["request-id"].(string); ok && isID(id) {
		request = id
	}
	if code = e.Error.Code; !codeName.MatchString(code) {
		code = ""
		if e.Error.Code != "" || e.Error.Message != "" {
			code = "error"
		}
	}
	return code, e.Error.Message, request
}

var codeName = regexp.MustCompile(`^[A-Za-z][A-Za-z_.]{0,63}$`)

func isID(s string) bool { return uuid.Validate(s) == nil && len(s) == 36 }

// trace is what Microsoft's support asks for.
func (a *answer) trace() string {
	if a.request == "" {
		return ""
	}
	return " (request-id " + a.request + ")"
}

// unexpected is the error for an answer to something Graph should not refuse.
func (c *Connector) unexpected(doing string, a *answer) error {
	return connectors.Errorf(connectors.Permanent, "graph: %s: Graph answered %s", doing, a.says())
}

func (a *answer) says() string { return fmt.Sprintf("%d (%s)%s", a.status, a.code, a.trace()) }

// no turns a refusal into a result. Of Graph's own words only what is known to
// be a reason is kept, and the names of properties that were sent: the rest
// may name people.
func (a *answer) no(sent ...string) connectors.Result {
	for _, r := range reasons {
		if strings.Contains(a.message, r.says) {
			return refused("%s", r.means)
		}
	}
	why := "Graph says: " + a.says()
	if strings.Contains(a.message, "read-only") {
		why = "Graph keeps it read-only"
	}
	var named []string
	for _, name := range sent {
		for _, word := range []string{name[strings.LastIndexByte(name, '.')+1:], strings.Split(name, ".")[0]} {
			if !slices.Contains(named, name) && regexp.MustCompile(`\b`+regexp.QuoteMeta(word)+`\b`).MatchString(a.message) {
				named = append(named, name)
			}
		}
	}
	if len(named) > 0 {
		why += ": " + strings.Join(named, ", ")
	}
	return refused("%s", why)
}

// reasons are what Graph is known to say, and what it means.
var reasons = []struct{ says, means string }{
	{"on-premises mastered", synced},
	{"property userPrincipalName already exists", taken},
	{"property proxyAddresses already exists", "another object has the address that the name makes: it is taken"},
	{"domain portion of the userPrincipalName", "the name's domain is not a verified domain of the tenant"},
	{"Property userPrincipalName is invalid", "the name has characters that a user principal name cannot have"},
	{"does not have any available licenses", noUnits},
	{"invalid usage location", noLocation},
	{"inherited from a group", "the licence comes with a group: take the membership away"},
	{"dynamic membership", dynamic},
	{"mail-enabled security groups and or distribution list", mailEnabled},
}

const (
	synced      = "the user is synced from the directory on the premises: change it there"
	taken       = "the name is taken"
	dynamic     = "the group is dynamic: its rule decides who is a member"
	groupSynced = "the group is synced from the directory on the premises: change its members there"
	mailEnabled = "the group is a distribution list or a mail-enabled security group, which Graph cannot change"
	noUnits     = "no licence of that kind is left: buy more or take one away"
	noLocation  = "the user has no usage location, without which there are no licences: set usageLocation"
	isGuest     = "the account is a guest's: say guests: true to manage those"
	noAccount   = "there is no such account"
)

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
