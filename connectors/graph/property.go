package graph

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// property is a user property that configuration may name. It is read and written
// through the SDK's model, so that it has Graph's type.
type property struct {
	name string
	// get returns the values; set takes at least one.
	get func(models.Userable) []string
	set func(models.Userable, []string) error
	// readOnly says why it cannot be written; empty when it can.
	readOnly string
	matching connectors.Matching
	// anchorMax is, for a property that may be the anchor, its maximum length in
	// characters.
	anchorMax int
	// advanced reports whether a filter by it needs the header ConsistencyLevel:
	// eventual (https://learn.microsoft.com/graph/aad-advanced-queries).
	advanced bool
	// empty is the value written for no value.
	empty any
	// required reports that Graph never clears the value, and refuses a whole
	// PATCH that tries to.
	required bool
}

// managerAttribute is a reference, and no property of the user.
const managerAttribute = "manager"

// outer is the property's name in $select and in JSON; inner is the name within
// it, when it is nested.
func (p property) outer() string { o, _, _ := strings.Cut(p.name, "."); return o }
func (p property) inner() string { _, i, _ := strings.Cut(p.name, "."); return i }

// filter returns an expression that finds the users with the value.
func (p property) filter(value string) string {
	return strings.ReplaceAll(p.name, ".", "/") + " eq " + quote(value)
}

// quote returns a text as a literal (OData 4.01 ABNF, SQUOTE-in-string).
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func one(s *string) []string {
	if s == nil || *s == "" {
		return nil
	}
	return []string{*s}
}

func single(name string, values []string) (string, error) {
	if len(values) != 1 {
		return "", fmt.Errorf("%s takes one value", name)
	}
	return values[0], nil
}

func text(name string, get func(models.Userable) *string, set func(models.Userable, *string)) property {
	return property{
		name: name, matching: connectors.MatchExact,
		get: func(u models.Userable) []string { return one(get(u)) },
		set: func(u models.Userable, values []string) error {
			v, err := single(name, values)
			set(u, &v)
			return err
		},
	}
}

func boolean(name string, get func(models.Userable) *bool, set func(models.Userable, *bool)) property {
	return property{
		name: name, matching: connectors.MatchBoolean,
		get: func(u models.Userable) []string {
			if b := get(u); b != nil {
				return []string{strconv.FormatBool(*b)}
			}
			return nil
		},
		set: func(u models.Userable, values []string) error {
			v, err := single(name, values)
			if err != nil {
				return err
			}
			b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(v)))
			if err != nil {
				return fmt.Errorf("%s must be true or false", name)
			}
			set(u, &b)
			return nil
		},
	}
}

func instant(name string, get func(models.Userable) *time.Time, set func(models.Userable, *time.Time)) property {
	return property{
		name: name, matching: connectors.MatchTime,
		get: func(u models.Userable) []string {
			if t := get(u); t != nil {
				return []string{t.UTC().Format(time.RFC3339Nano)}
			}
			return nil
		},
		set: func(u models.Userable, values []string) error {
			v, err := single(name, values)
			if err != nil {
				return err
			}
			t, err := time.Parse(time.RFC3339Nano, v)
			if err != nil {
				// A date is the first instant of that day, in UTC.
				if t, err = time.Parse(time.DateOnly, v); err != nil {
					return fmt.Errorf("%s must be a date or an RFC 3339 time", name)
				}
			}
			set(u, &t)
			return nil
		},
	}
}

func list(name string, get func(models.Userable) []string, set func(models.Userable, []string)) property {
	return property{
		name: name, matching: connectors.MatchExact, empty: []any{},
		get: func(u models.Userable) []string { return slices.Clone(get(u)) },
		set: func(u models.Userable, values []string) error { set(u, slices.Clone(values)); return nil },
	}
}

func (p property) compared(m connectors.Matching) property { p.matching = m; return p }
func (p property) anchored(most int) property              { p.anchorMax = most; return p }
func (p property) notNullable() property                   { p.required = true; return p }
func (p property) onlyRead(why string) property            { p.readOnly = why; return p }

// properties are those of the user resource type that a list of users contains
// (https://learn.microsoft.com/graph/api/resources/user). Those that Graph
// returns for a single user only, such as aboutMe, are not among them.
var properties = byTheirName(append(extensionAttributes(),
	text("displayName", models.Userable.GetDisplayName, models.Userable.SetDisplayName).notNullable(),
	text("givenName", models.Userable.GetGivenName, models.Userable.SetGivenName),
	text("surname", models.Userable.GetSurname, models.Userable.SetSurname),
	text("jobTitle", models.Userable.GetJobTitle, models.Userable.SetJobTitle),
	text("department", models.Userable.GetDepartment, models.Userable.SetDepartment),
	text("companyName", models.Userable.GetCompanyName, models.Userable.SetCompanyName),
	text("officeLocation", models.Userable.GetOfficeLocation, models.Userable.SetOfficeLocation),
	text("streetAddress", models.Userable.GetStreetAddress, models.Userable.SetStreetAddress),
	text("city", models.Userable.GetCity, models.Userable.SetCity),
	text("state", models.Userable.GetState, models.Userable.SetState),
	text("country", models.Userable.GetCountry, models.Userable.SetCountry),
	text("postalCode", models.Userable.GetPostalCode, models.Userable.SetPostalCode),
	text("mobilePhone", models.Userable.GetMobilePhone, models.Userable.SetMobilePhone),
	text("faxNumber", models.Userable.GetFaxNumber, models.Userable.SetFaxNumber),
	list("businessPhones", models.Userable.GetBusinessPhones, models.Userable.SetBusinessPhones),
	list("otherMails", models.Userable.GetOtherMails, models.Userable.SetOtherMails).compared(connectors.MatchIgnoreCase),
	text("usageLocation", models.Userable.GetUsageLocation, models.Userable.SetUsageLocation).compared(connectors.MatchIgnoreCase).notNullable(),
	text("preferredLanguage", models.Userable.GetPreferredLanguage, models.Userable.SetPreferredLanguage),
	text("mailNickname", models.Userable.GetMailNickname, models.Userable.SetMailNickname).compared(connectors.MatchIgnoreCase).notNullable(),
	text("employeeId", models.Userable.GetEmployeeId, models.Userable.SetEmployeeId).anchored(16),
	text("employeeType", models.Userable.GetEmployeeType, models.Userable.SetEmployeeType),
	instant("employeeHireDate", models.Userable.GetEmployeeHireDate, models.Userable.SetEmployeeHireDate),
	orgData("costCenter", models.EmployeeOrgDataable.GetCostCenter, models.EmployeeOrgDataable.SetCostCenter),
	orgData("division", models.EmployeeOrgDataable.GetDivision, models.EmployeeOrgDataable.SetDivision),
	text("ageGroup", models.Userable.GetAgeGroup, models.Userable.SetAgeGroup),
	text("consentProvidedForMinor", models.Userable.GetConsentProvidedForMinor, models.Userable.SetConsentProvidedForMinor),
	text("passwordPolicies", models.Userable.GetPasswordPolicies, models.Userable.SetPasswordPolicies),
	boolean("showInAddressList", models.Userable.GetShowInAddressList, models.Userable.SetShowInAddressList).notNullable(),
	text("onPremisesImmutableId", models.Userable.GetOnPremisesImmutableId, models.Userable.SetOnPremisesImmutableId),
	text("userType", models.Userable.GetUserType, models.Userable.SetUserType).compared(connectors.MatchIgnoreCase).notNullable(),
	text("mail", models.Userable.GetMail, models.Userable.SetMail).compared(connectors.MatchIgnoreCase),
	text("userPrincipalName", models.Userable.GetUserPrincipalName, models.Userable.SetUserPrincipalName).compared(connectors.MatchIgnoreCase).notNullable(),
	boolean("accountEnabled", models.Userable.GetAccountEnabled, models.Userable.SetAccountEnabled).notNullable(),
	list("proxyAddresses", models.Userable.GetProxyAddresses, models.Userable.SetProxyAddresses).compared(connectors.MatchIgnoreCase).onlyRead("Exchange keeps it"),
	list("imAddresses", models.Userable.GetImAddresses, models.Userable.SetImAddresses).compared(connectors.MatchIgnoreCase).onlyRead("Exchange keeps it"),
	instant("createdDateTime", models.Userable.GetCreatedDateTime, models.Userable.SetCreatedDateTime).onlyRead("Graph keeps it"),
	boolean("onPremisesSyncEnabled", models.Userable.GetOnPremisesSyncEnabled, models.Userable.SetOnPremisesSyncEnabled).onlyRead("Graph keeps it"),
	text("onPremisesSamAccountName", models.Userable.GetOnPremisesSamAccountName, models.Userable.SetOnPremisesSamAccountName).onlyRead("it comes from an on-premises directory"),
	text("onPremisesDistinguishedName", models.Userable.GetOnPremisesDistinguishedName, models.Userable.SetOnPremisesDistinguishedName).onlyRead("it comes from an on-premises directory"),
))

func byTheirName(list []property) map[string]property {
	all := make(map[string]property, len(list))
	for _, p := range list {
		all[p.name] = p
	}
	return all
}

var extensionName = regexp.MustCompile(`^extension_[0-9a-f]{32}_[A-Za-z0-9_]+$`)

// findProperty finds a property, including an extension property, which is a
// text. For an unknown name the error suggests the nearest.
func findProperty(name string) (property, error) {
	if p, ok := properties[name]; ok {
		return p, nil
	}
	if extensionName.MatchString(name) {
		return extension(name), nil
	}
	best, distance := "", len(name)
	for _, candidate := range slices.Sorted(maps.Keys(properties)) {
		if d := levenshtein(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	if distance*2 > len(name) {
		return property{}, fmt.Errorf("attribute %q does not exist in Graph, or is not available in a list of users", name)
	}
	return property{}, fmt.Errorf("attribute %q does not exist in Graph: did you mean %s?", name, best)
}

// levenshtein returns the Levenshtein distance of two texts, in bytes.
func levenshtein(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			before, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, before+cost)
		}
	}
	return row[len(b)]
}
