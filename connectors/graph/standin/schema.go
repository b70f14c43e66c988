package standin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// object is a JSON object.
type object = map[string]any

// kind is a property's type.
type kind int

const (
	str kind = iota
	boolean
	dateTime
	strs
	profile  // passwordProfile
	extAttrs // onPremisesExtensionAttributes
	orgData  // employeeOrgData
	licences // assignedLicenses
	signIns  // signInActivity
)

// property is a property of a resource type.
type property struct {
	kind     kind
	readOnly bool
	max      int  // maximum characters; zero means no maximum
	required bool // when created
	advanced bool // $filter needs ConsistencyLevel: eventual and $count
	filter   bool
	synced   bool // synchronised from on-premises, for a synchronised user
	always   bool // not nullable
	// fits restricts the valid texts further.
	fits func(string) bool
}

// userProperties are the supported properties of the user resource type
// (https://learn.microsoft.com/graph/api/resources/user).
var userProperties = map[string]property{
	"id":                            {readOnly: true, filter: true},
	"createdDateTime":               {kind: dateTime, readOnly: true},
	"deletedDateTime":               {kind: dateTime, readOnly: true},
	"signInActivity":                {kind: signIns, readOnly: true},
	"accountEnabled":                {kind: boolean, required: true, filter: true, synced: true},
	"displayName":                   {max: 256, required: true, filter: true, synced: true},
	"mailNickname":                  {max: 64, required: true, filter: true, synced: true},
	"userPrincipalName":             {max: 113, required: true, filter: true, synced: true},
	"passwordProfile":               {kind: profile, required: true},
	"givenName":                     {max: 64, filter: true, synced: true},
	"surname":                       {max: 64, filter: true, synced: true},
	"jobTitle":                      {max: 128, filter: true, synced: true},
	"department":                    {max: 64, filter: true, synced: true},
	"companyName":                   {max: 64, synced: true},
	"officeLocation":                {max: 128, synced: true},
	"streetAddress":                 {max: 1024, synced: true},
	"city":                          {max: 128, synced: true},
	"state":                         {max: 128, synced: true},
	"country":                       {max: 128, synced: true},
	"postalCode":                    {max: 40, synced: true},
	"mobilePhone":                   {max: 64, synced: true},
	"faxNumber":                     {max: 64, synced: true},
	"businessPhones":                {kind: strs, synced: true},
	"otherMails":                    {kind: strs, fits: withoutAccents},
	"usageLocation":                 {max: 2, always: true, fits: isCountry},
	"preferredLanguage":             {max: 5, synced: true},
	"employeeId":                    {max: 16, filter: true, synced: true},
	"employeeType":                  {max: 64, filter: true, synced: true},
	"employeeHireDate":              {kind: dateTime},
	"employeeOrgData":               {kind: orgData},
	"ageGroup":                      {max: 20, fits: oneOf("Minor", "NotAdult", "Adult")},
	"consentProvidedForMinor":       {max: 20, fits: oneOf("Granted", "Denied", "NotRequired")},
	"passwordPolicies":              {max: 64, fits: arePolicies},
	"showInAddressList":             {kind: boolean},
	"onPremisesExtensionAttributes": {kind: extAttrs, filter: true, advanced: true, synced: true},
	"onPremisesImmutableId":         {max: 64, filter: true, fits: func(s string) bool { return !strings.ContainsAny(s, "$_") }},
	"onPremisesSyncEnabled":         {kind: boolean, readOnly: true},
	"userType":                      {max: 10, filter: true},
	"mail":                          {max: 320, filter: true, synced: true, fits: withoutAccents},
	"proxyAddresses":                {kind: strs, readOnly: true},
	"imAddresses":                   {kind: strs, readOnly: true},
	"assignedLicenses":              {kind: licences, readOnly: true},
}

// groupProperties are those of the group resource type
// (https://learn.microsoft.com/graph/api/resources/group).
var groupProperties = map[string]property{
	"id":                    {readOnly: true, filter: true},
	"displayName":           {max: 256, filter: true},
	"description":           {max: 1024},
	"groupTypes":            {kind: strs},
	"uniqueName":            {readOnly: true},
	"mailEnabled":           {kind: boolean},
	"mailNickname":          {max: 64, filter: true},
	"securityEnabled":       {kind: boolean},
	"membershipRule":        {max: 3072},
	"visibility":            {max: 20},
	"isAssignableToRole":    {kind: boolean, readOnly: true},
	"onPremisesSyncEnabled": {kind: boolean, readOnly: true},
}

var extensionName = regexp.MustCompile(`^extension_[0-9a-f]{32}_[A-Za-z0-9_]+$`)

// userProperty finds a property, including extension properties.
func userProperty(name string) (property, bool) {
	if extensionName.MatchString(name) {
		return property{max: 256, filter: true}, true
	}
	p, ok := userProperties[name]
	return p, ok
}

// checkValue returns the error in a value, in Graph's words, or "".
func checkValue(name string, p property, v any) string {
	if v == nil {
		if p.kind == boolean || p.required || p.always || p.kind == strs {
			return fmt.Sprintf("Invalid value specified for property '%s' of resource 'User'.", name)
		}
		return ""
	}
	invalid := fmt.Sprintf("Invalid value specified for property '%s' of resource 'User'.", name)
	wrongType := fmt.Sprintf("Cannot convert a value to target type for property '%s'.", name)
	switch p.kind {
	case str:
		s, ok := v.(string)
		if !ok {
			return wrongType
		}
		if !fits(s, p.max) || p.fits != nil && !p.fits(s) {
			return invalid
		}
	case boolean:
		if _, ok := v.(bool); !ok {
			return wrongType
		}
	case dateTime:
		s, ok := v.(string)
		if _, err := time.Parse(time.RFC3339Nano, s); !ok || err != nil {
			return wrongType
		}
	case strs:
		list, ok := v.([]any)
		if !ok {
			return wrongType
		}
		if name == "businessPhones" && len(list) > 1 {
			return invalid // only one number is accepted
		}
		for _, e := range list {
			if s, ok := e.(string); !ok || !fits(s, 250) || p.fits != nil && !p.fits(s) {
				return invalid
			}
		}
	case profile:
		return checkMembers(name, v, func(n string, v any) bool {
			switch n {
			case "password":
				s, ok := v.(string)
				return ok && strong(s)
			case "forceChangePasswordNextSignIn", "forceChangePasswordNextSignInWithMfa":
				_, ok := v.(bool)
				return ok
			}
			return false
		})
	case extAttrs:
		return checkMembers(name, v, func(n string, v any) bool {
			s, ok := v.(string)
			return extAttr.MatchString(n) && (v == nil || ok && fits(s, 1024))
		})
	case orgData:
		return checkMembers(name, v, func(n string, v any) bool {
			s, ok := v.(string)
			return (n == "division" || n == "costCenter") && (v == nil || ok && fits(s, 64))
		})
	default:
		return invalid
	}
	return ""
}

var extAttr = regexp.MustCompile(`^extensionAttribute([1-9]|1[0-5])$`)

func checkMembers(name string, v any, fine func(string, any) bool) string {
	o, ok := v.(object)
	if !ok {
		return fmt.Sprintf("Cannot convert a value to target type for property '%s'.", name)
	}
	for n, v := range o {
		if n != "@odata.type" && !fine(n, v) {
			return fmt.Sprintf("Invalid value specified for property '%s' of resource 'User'.", name)
		}
	}
	return ""
}

// fits reports whether a text is valid: not empty, not too long, without control
// characters other than the tab.
func fits(s string, limit int) bool {
	return s != "" && utf8.ValidString(s) && (limit == 0 || utf8.RuneCountInString(s) <= limit) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r != '\t' && unicode.IsControl(r) })
}

// isCountry reports whether a text is an assigned country code of ISO 3166-1
// alpha-2, as known to golang.org/x/text.
func isCountry(s string) bool {
	r, err := language.ParseRegion(s)
	return err == nil && len(s) == 2 && r.IsCountry() && r.ISO3() != "ZZZ" && strings.EqualFold(r.String(), s)
}

// withoutAccents: "This property can't contain accent characters".
func withoutAccents(s string) bool {
	return !strings.ContainsFunc(norm.NFD.String(s), func(r rune) bool { return unicode.Is(unicode.Mn, r) })
}

func oneOf(values ...string) func(string) bool {
	return func(s string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return strings.EqualFold(v, s) })
	}
}

// arePolicies: DisableStrongPassword, DisablePasswordExpiration, or both with a
// comma between them; or None.
func arePolicies(s string) bool {
	known := oneOf("DisableStrongPassword", "DisablePasswordExpiration")
	for _, policy := range strings.Split(s, ",") {
		if !known(strings.TrimSpace(policy)) {
			return s == "None"
		}
	}
	return true
}

// strong reports whether a password is accepted: 8 to 256 characters of three
// kinds.
func strong(p string) bool {
	kinds := 0
	for _, is := range []func(rune) bool{unicode.IsLower, unicode.IsUpper, unicode.IsDigit, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }} {
		if strings.ContainsFunc(p, is) {
			kinds++
		}
	}
	return kinds >= 3 && len(p) >= 8 && len(p) <= 256
}

// localPart matches a valid part of a userPrincipalName before the @.
var localPart = regexp.MustCompile(`^[A-Za-z0-9'._!#^~-]{1,64}$`)

// checkUPN returns the error in a userPrincipalName, or "".
func (s *Server) checkUPN(upn string) string {
	local, domain, ok := strings.Cut(upn, "@")
	switch {
	case !ok || !localPart.MatchString(local) || strings.HasPrefix(local, "."), strings.HasSuffix(local, "."), strings.Contains(local, ".."):
		return "Property userPrincipalName is invalid."
	case !slices.ContainsFunc(s.opts.Domains, func(d string) bool { return strings.EqualFold(d, domain) }):
		return "The domain portion of the userPrincipalName property is invalid. You must use one of the verified domain names in your organization."
	}
	return ""
}

// checkNickname returns the error in a mailNickname, or "".
func checkNickname(s string) string {
	if s == "" || len(s) > 64 || strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || strings.ContainsRune(`@()\[]";:<>,`, r) }) {
		return "Invalid value specified for property 'mailNickname' of resource 'User'."
	}
	return ""
}
