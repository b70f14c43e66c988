package ldap

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// byFlag says whether accounts are disabled by a flag among others.
func (v *server) byFlag() bool { return strings.EqualFold(v.cfg.Disable.Attribute, flagsAttribute) }

// disabled says whether an account has been disabled. A lock with a timestamp
// counts as one unless such locks end by themselves: then the server set it
// after too many wrong passwords, and it is not ours and passes.
func (v *server) disabled(e *ldap.Entry, locksEnd bool) bool {
	if v.byFlag() {
		bits, ok := flags(e)
		return ok && bits&accountDisabled != 0
	}
	if v.lockedAt(e) && !locksEnd {
		return true
	}
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues(v.cfg.Disable.Attribute), func(value string) bool {
		return strings.EqualFold(value, v.cfg.Disable.Value) || v.byLock() && value == lockedForGood
	})
}

// expired says whether the server lets the account no longer in, although
// nobody has disabled it.
func (v *server) expired(e *ldap.Entry) bool {
	for _, attribute := range v.flavour.times {
		if t, ok := fromFileTime(e.GetEqualFoldAttributeValue(attribute)); ok && attribute == expiresAttribute {
			return !t.After(time.Now())
		}
	}
	return false
}

// newState adds to a new entry's attributes what makes it enabled or not.
func (v *server) newState(own map[string][]string, enabled bool) {
	d := v.cfg.Disable
	name := strings.ToLower(d.Attribute)
	switch {
	case v.byFlag() && enabled:
		own[name] = []string{strconv.Itoa(normalAccount)}
	case v.byFlag():
		own[name] = []string{strconv.Itoa(normalAccount | accountDisabled)}
	case !enabled:
		own[name] = []string{d.Value}
	case d.Enabled != "":
		own[name] = []string{d.Enabled}
	}
}

// changeState asks for an account to be enabled or disabled, unless it is. One
// that has expired is not enabled before it expires no more.
// Among flags it changes the one bit of the value that was read: were that
// another by now, the server would find nothing to delete.
func (v *server) changeState(request *ldap.ModifyRequest, e *ldap.Entry, enable, locksEnd bool) error {
	if enable && v.expired(e) {
		request.Replace(expiresAttribute, []string{"0"}) // never ([MS-ADA1] 2.3)
	}
	if v.disabled(e, locksEnd) != enable {
		if _, readable := flags(e); !v.byFlag() || readable {
			return nil
		}
	}
	d := v.cfg.Disable
	switch {
	case v.byFlag():
		bits, ok := flags(e)
		if !ok {
			return connectors.Errorf(connectors.Permanent, "ldap: an account has no %s: let the account in bind_dn read it", flagsAttribute)
		}
		request.Delete(d.Attribute, []string{strconv.FormatInt(bits, 10)})
		request.Add(d.Attribute, []string{strconv.FormatInt(bits^accountDisabled, 10)})
	case enable:
		request.Replace(d.Attribute, distinct([]string{d.Enabled}))
	default:
		request.Replace(d.Attribute, []string{d.Value})
	}
	return nil
}

// home returns below which DN an account belongs that is enabled or disabled,
// or "" when it is there.
func (v *server) home(dn string, enabled bool) string {
	away := v.cfg.Disable.MoveTo
	if away == "" {
		return ""
	}
	switch there := below(dn, away); {
	case enabled && there:
		return v.cfg.PeopleDN
	case !enabled && !there:
		return away
	}
	return ""
}
