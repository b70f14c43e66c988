package ldap

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// disabledByLock reports whether accounts are disabled by the lock of the
// password policy.
func (v *server) disabledByLock() bool {
	return strings.EqualFold(v.cfg.Disable.Attribute, lockedAttribute)
}

// lockedAt reports whether an account has a lock with a timestamp: the server
// sets one after too many wrong passwords, and an administrator's tool may set
// one.
func (v *server) lockedAt(e *ldap.Entry) bool {
	return v.disabledByLock() && slices.ContainsFunc(e.GetEqualFoldAttributeValues(lockedAttribute), func(value string) bool {
		return !slices.Contains([]string{"", lockedForGood, v.cfg.Disable.Value, v.cfg.Disable.Enabled}, value)
	})
}

// lockoutPolicy knows whether locks with a timestamp expire. It asks the server
// once, when an account has such a lock.
type lockoutPolicy struct {
	session     *session
	asked, ends bool
}

// locksExpire reports whether the server ends the locks with a timestamp that the
// accounts may have: whether every password policy that can be read has a
// pwdLockoutDuration (draft-behera-ldap-password-policy §5.2.12). Without one, or
// with 0, a lock remains until an administrator removes it.
func (l *lockoutPolicy) locksExpire(ctx context.Context, accounts ...*ldap.Entry) (bool, error) {
	if l.asked || !slices.ContainsFunc(accounts, l.session.lockedAt) {
		return l.ends, nil
	}
	policies, _, err := l.session.passwordPolicies(ctx, "pwdLockoutDuration")
	if err != nil {
		return false, err
	}
	stays := func(policy *ldap.Entry) bool {
		seconds, err := strconv.Atoi(policy.GetEqualFoldAttributeValue("pwdLockoutDuration"))
		return err != nil || seconds <= 0
	}
	l.asked, l.ends = true, len(policies) > 0 && !slices.ContainsFunc(policies, stays)
	return l.ends, nil
}

// passwordPolicies returns the password policies that can be read. all is false
// when the server refused to show a naming context, or its size limit left some
// out.
func (s *session) passwordPolicies(ctx context.Context, attributes ...string) (policies []*ldap.Entry, all bool, err error) {
	all = true
	for _, base := range s.namingContexts() {
		result, err := s.search(ctx, &ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeWholeSubtree, Filter: "(objectClass=pwdPolicy)", Attributes: attributes})
		if err := s.failure(ctx, "read the password policies", err); err != nil && connectors.ClassOf(err) != connectors.Permanent {
			return nil, false, err
		}
		all = all && err == nil
		policies = append(policies, result.Entries...)
	}
	return policies, all, nil
}
