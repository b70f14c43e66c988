package scimserver

import (
	"slices"
	"strings"

	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"

	"github.com/behov/behov/internal/scimtype"
)

// The schemas of a pushed user.
const (
	coreURN       = schema.UserSchema
	enterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	// EmploymentURN is behov's own extension: the facts of an employment that
	// SCIM has no attribute for.
	EmploymentURN = "urn:behov:params:scim:schemas:extension:employment:1.0:User"
)

// userType returns the schemas of a pushed user: the core and the enterprise
// schema (RFC 7643 §4.1 and §4.3), and behov's own extension.
func userType(columns []string) scimtype.Type {
	core := schema.CoreUserSchema()
	core.Attributes = slices.Clip(append(core.Attributes, schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: schema.CommonAttributeExternalID, CaseExact: true}))))
	own := schema.Schema{ID: EmploymentURN, Name: optional.NewString("Employment"), Description: optional.NewString("What HR knows of an employment")}
	for _, name := range append([]string{"employmentId", "startDate", "endDate", "leaveStart", "leaveEnd", "validFrom", "jobCode", "percent", "type", "nationalId", "sponsor"}, columns...) {
		own.Attributes = append(own.Attributes, schema.SimpleCoreAttribute(schema.SimpleStringParams(schema.StringParams{Name: name})))
	}
	own.Attributes = slices.Clip(append(own.Attributes, schema.SimpleCoreAttribute(schema.SimpleBooleanParams(schema.BooleanParams{Name: "protected"}))))
	return scimtype.Type{Schema: core, Extensions: []schema.Schema{schema.ExtensionEnterpriseUser(), own}, Makes: true}
}

// isSchema returns a function that reports whether a schema has the URN, in any
// case.
func isSchema(urn string) func(schema.Schema) bool {
	return func(s schema.Schema) bool { return strings.EqualFold(s.ID, urn) }
}
