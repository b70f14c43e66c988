package ldap

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/behov/behov/connectors"
)

// disabledByFlag reports whether accounts are disabled by a flag of
// userAccountControl.
func (v *server) disabledByFlag() bool {
	return strings.EqualFold(v.cfg.Disable.Attribute, flagsAttribute)
}

// disabled reports whether an account is disabled. A lock with a timestamp counts
// unless such locks expire: the server then set it after too many wrong
// passwords, and it ends by itself.
func (v *server) disabled(e *ldap.Entry, locksEnd bool) bool {
	if v.disabledByFlag() {
		bits, ok := flags(e)
		return ok && bits&accountDisabled != 0
	}
	if v.lockedAt(e) && !locksEnd {
		return true
	}
	return slices.ContainsFunc(e.GetEqualFoldAttributeValues(v.cfg.Disable.Attribute), func(value string) bool {
		return strings.EqualFold(value, v.cfg.Disable.Value) || v.disabledByLock() && value == lockedForGood
	})
}

// expired reports whether the server refuses sign-in because the account has
// expired, although it is not disabled.
func (v *server) expired(e *ldap.Entry) bool {
	for _, attribute := range v.flavour.times {
		if t, ok := fromFileTime(e.GetEqualFoldAttributeValue(attribute)); ok && attribute == expiresAttribute {
			return !t.After(time.Now())
		}
	}
	return false
}

// newState adds to a new entry's attributes those that make it enabled or
// disabled.
func (v *server) newState(own map[string][]string, enabled bool) {
	d := v.cfg.Disable
	name := strings.ToLower(d.Attribute)
	switch {
	case v.disabledByFlag() && enabled:
		own[name] = []string{strconv.Itoa(normalAccount)}
	case v.disabledByFlag():
		own[name] = []string{strconv.Itoa(normalAccount | accountDisabled)}
	case !enabled:
		own[name] = []string{d.Value}
	case d.Enabled != "":
		own[name] = []string{d.Enabled}
	}
}

// changeState adds to the request what enables or disables the account, unless it
// is so already. It removes the expiry of an expired account before enabling it.
// Of the flags it changes one bit of the value that was read: when the value has
// changed meanwhile, the server finds no value to delete and refuses.
func (v *server) changeState(request *ldap.ModifyRequest, e *ldap.Entry, enable, locksEnd bool) error {
	if enable && v.expired(e) {
		request.Replace(expiresAttribute, []string{"0"}) // never ([MS-ADA1] 2.3)
	}
	if v.disabled(e, locksEnd) != enable {
		if _, readable := flags(e); !v.disabledByFlag() || readable {
			return nil
		}
	}
	d := v.cfg.Disable
	switch {
	case v.disabledByFlag():
		bits, ok := flags(e)
		if !ok {
			return connectors.Errorf(connectors.Permanent, "ldap: an account has no %s: let the account in bind_dn read it", flagsAttribute)
		}
		request.Delete(d.Attribute, []string{strconv.FormatInt(bits, 10)})
		request.Add(d.Attribute, []string{strconv.FormatInt(bits^accountDisabled, 10)})
	case enable:
		request.Replace(d.Attribute, sortedUnique([]string{d.Enabled}))
	default:
		request.Replace(d.Attribute, []string{d.Value})
	}
	return nil
}

// moveDestination returns the DN below which an enabled or disabled account
// belongs, or "" when it is there.
func (v *server) moveDestination(dn string, enabled bool) string {
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
