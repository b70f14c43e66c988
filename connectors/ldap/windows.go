package ldap

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
)

const (
	flagsAttribute   = "userAccountControl"
	expiresAttribute = "accountExpires"
	upnAttribute     = "userPrincipalName"
	signInAttribute  = "lastLogonTimestamp"

	// The bits of userAccountControl in use ([MS-ADTS] 2.2.16).
	accountDisabled = 0x0002
	normalAccount   = 0x0200
)

// invalidWindowsName returns why a login name is invalid as a person's
// sAMAccountName ([MS-SAMR] 3.1.1.6): sign-in with a name of more than 20
// characters fails, although the attribute itself holds 256.
func invalidWindowsName(name string) string {
	switch {
	case utf8.RuneCountInString(name) > 20:
		return "the login name is longer than 20 characters, the maximum for sAMAccountName"
	case strings.ContainsAny(name, `"/\[]:;|=,+*?<>@`) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return `the login name has a character that sAMAccountName does not allow: " / \ [ ] : ; | = , + * ? < > @, or one that is not printable`
	case strings.TrimSpace(name) != name || strings.HasSuffix(name, ".") || strings.HasSuffix(name, "$"):
		return "the login name begins or ends with a space, or ends with a full stop or a dollar sign, which sAMAccountName does not allow"
	}
	return ""
}

// guidString formats the octets of an objectGUID as Windows does: the first three
// parts are little-endian ([MS-DTYP] 2.3.4.2).
func guidString(octets string) string {
	if len(octets) != 16 {
		return ""
	}
	var id uuid.UUID
	copy(id[:], octets)
	swapGUID(&id)
	return id.String()
}

// guidFilter returns a filter for an objectGUID, or false when id is not in the
// form of guidString.
func guidFilter(attribute, id string) (string, bool) {
	u, err := uuid.Parse(id)
	if err != nil || u.String() != id {
		return "", false
	}
	swapGUID(&u)
	var b strings.Builder
	for _, octet := range u {
		b.WriteString(`\`)
		b.WriteString(hex.EncodeToString([]byte{octet}))
	}
	return "(" + attribute + "=" + b.String() + ")", true
}

func swapGUID(id *uuid.UUID) {
	id[0], id[1], id[2], id[3] = id[3], id[2], id[1], id[0]
	id[4], id[5], id[6], id[7] = id[5], id[4], id[7], id[6]
}

// neverExpires is the value of accountExpires, besides zero, of an account that
// does not expire ([MS-ADA1] 2.3).
const neverExpires = math.MaxInt64

// fileTimeEpochOffset is the number of seconds from the epoch of FILETIME, the
// year 1601, to that of Unix, 1970 ([MS-DTYP] 2.3.3).
const fileTimeEpochOffset = 11644473600

// fromFileTime returns the instant of a FILETIME; false for never and for
// malformed values.
func fromFileTime(value string) (time.Time, bool) {
	ticks, err := strconv.ParseInt(value, 10, 64)
	if err != nil || ticks <= 0 || ticks == neverExpires {
		return time.Time{}, false
	}
	t := time.Unix(ticks/1e7-fileTimeEpochOffset, ticks%1e7*100).UTC()
	return t, t.Year() <= 9999
}

// toFileTime is the inverse of fromFileTime.
func toFileTime(t time.Time) string {
	return strconv.FormatInt((t.Unix()+fileTimeEpochOffset)*1e7+int64(t.Nanosecond())/100, 10)
}

// flags returns userAccountControl, or false when it cannot be read.
func flags(e *ldap.Entry) (int64, bool) {
	n, err := strconv.ParseInt(e.GetEqualFoldAttributeValue(flagsAttribute), 10, 64)
	return n, err == nil
}

// rid returns the last part of a security identifier, which primaryGroupID holds
// ([MS-DTYP] 2.4.2).
func rid(sid string) string {
	if len(sid) < 12 {
		return ""
	}
	last := sid[len(sid)-4:]
	return strconv.FormatUint(uint64(last[0])|uint64(last[1])<<8|uint64(last[2])<<16|uint64(last[3])<<24, 10)
}
