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

// errThrottled is wrapped by errors after which the request was not carried out
// and may be sent again; errForbidden by those that concern some requests only.
var (
	errThrottled = errors.New("the tenant is throttled")
	errForbidden = errors.New("the application lacks a permission")
)

// failure returns an error when an answer shows that Graph could not handle the
// request at all.
func (c *Connector) failure(q request, r *raw, a *answer) error {
	say := func(class connectors.Class, format string, args ...any) error {
		return &connectors.Error{Class: class, RetryAfter: transport.RetryAfter(r.header.Get("Retry-After"), time.Now()),
			Err: fmt.Errorf("graph: %s: %w%s", q.doing, fmt.Errorf(format, args...), a.requestID())}
	}
	switch status := r.status; {
	case status == http.StatusUnauthorized:
		return say(connectors.Permanent, "%w: the token was refused (401): check tenant_id, cloud and url", errToken)
	case status == http.StatusForbidden && strings.Contains(a.code, "Quota"):
		return say(connectors.Permanent, "the tenant's quota of directory objects is used up (%s): delete objects permanently, or have the quota raised", a.code)
	case status == http.StatusForbidden:
		return say(connectors.Permanent, "%w (403 %s): %s", errForbidden, a.code, requiredPermission(q))
	case status == http.StatusTooManyRequests:
		return say(connectors.RetryLater, "%w (429)", errThrottled)
	case status >= 300 && status < 400:
		return say(connectors.Permanent, "%s redirects (%d): set url to the address it redirects to", c.cfg.URL, status)
	case status == http.StatusBadGateway, status == http.StatusGatewayTimeout, status == http.StatusServiceUnavailable,
		status == http.StatusInternalServerError, status == http.StatusRequestTimeout, status == http.StatusLocked, status == http.StatusConflict && (a.code == "" || strings.Contains(a.code, "Concurrency")),
		status == http.StatusPreconditionFailed, status > 505:
		return say(connectors.RetryLater, "Graph failed (%d)", status)
	}
	return nil
}

// requiredPermission returns the application permission that a request needs
// (https://learn.microsoft.com/graph/permissions-reference).
func requiredPermission(q request) string {
	permission := "User.ReadWrite.All"
	path := q.url
	switch read := q.method == http.MethodGet; {
	case strings.Contains(path, "/temporaryAccessPassMethods") && !read:
		permission = "UserAuthenticationMethod.ReadWrite.All"
	case strings.Contains(path, "/authentication/"):
		permission = "UserAuthenticationMethod.Read.All"
	case strings.Contains(path, "/reports/") || strings.Contains(path, "signInActivity"):
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

// errorOf parses Graph's error. It keeps the code when it looks like one: other
// text may hold personal data.
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

// requestID returns the request ID, which Microsoft's support asks for.
func (a *answer) requestID() string {
	if a.request == "" {
		return ""
	}
	return " (request-id " + a.request + ")"
}

// unexpected returns the error for an answer that Graph should not give.
func (c *Connector) unexpected(doing string, a *answer) error {
	return connectors.Errorf(connectors.Permanent, "graph: %s: Graph answered %s", doing, a.statusText())
}

func (a *answer) statusText() string {
	return fmt.Sprintf("%d (%s)%s", a.status, a.code, a.requestID())
}

// refusal turns a refused request into a result. Of Graph's own text it keeps
// only known reasons and the names of properties that were sent: the rest may
// hold personal data.
func (a *answer) refusal(sent ...string) connectors.Result {
	for _, r := range reasons {
		if strings.Contains(a.message, r.says) {
			return refused("%s", r.means)
		}
	}
	why := "Graph says: " + a.statusText()
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

// reasons maps known texts of Graph to their meaning.
var reasons = []struct{ says, means string }{
	{"on-premises mastered", synced},
	{"property userPrincipalName already exists", taken},
	{"property proxyAddresses already exists", "another object has the address made of the name"},
	{"domain portion of the userPrincipalName", "the name's domain is not a verified domain of the tenant"},
	{"Property userPrincipalName is invalid", "the name has characters that a user principal name does not allow"},
	{"does not have any available licenses", noUnits},
	{"invalid usage location", noLocation},
	{"inherited from a group", "the licence is inherited from a group: remove the membership"},
	{"dynamic membership", dynamic},
	{"mail-enabled security groups and or distribution list", mailEnabled},
}

const (
	synced      = "the user is synchronised from an on-premises directory: change it there"
	taken       = "the name is taken"
	dynamic     = "the group is dynamic: its rule decides who is a member"
	groupSynced = "the group is synchronised from an on-premises directory: change its members there"
	mailEnabled = "the group is a distribution list or a mail-enabled security group, which Graph cannot change"
	noUnits     = "no licence of that kind is available: buy more, or unassign one"
	noLocation  = "the user has no usage location, which a licence requires: set usageLocation"
	isGuest     = "the account is a guest: set guests: true to manage guests"
	noAccount   = "no such account"
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
