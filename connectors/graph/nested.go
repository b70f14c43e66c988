package graph

import (
	"fmt"
	"unicode/utf8"

	"github.com/microsoftgraph/msgraph-sdk-go/models"

	"github.com/behov/behov/connectors"
)

// extensionAttributes returns the fifteen of onPremisesExtensionAttributes, which
// Graph lets an application write on users that are not synchronised.
func extensionAttributes() []property {
	type attrs = models.OnPremisesExtensionAttributesable
	type access struct {
		get func(attrs) *string
		set func(attrs, *string)
	}
	var list []property
	for i, a := range []access{
		{attrs.GetExtensionAttribute1, attrs.SetExtensionAttribute1}, {attrs.GetExtensionAttribute2, attrs.SetExtensionAttribute2},
		{attrs.GetExtensionAttribute3, attrs.SetExtensionAttribute3}, {attrs.GetExtensionAttribute4, attrs.SetExtensionAttribute4},
		{attrs.GetExtensionAttribute5, attrs.SetExtensionAttribute5}, {attrs.GetExtensionAttribute6, attrs.SetExtensionAttribute6},
		{attrs.GetExtensionAttribute7, attrs.SetExtensionAttribute7}, {attrs.GetExtensionAttribute8, attrs.SetExtensionAttribute8},
		{attrs.GetExtensionAttribute9, attrs.SetExtensionAttribute9}, {attrs.GetExtensionAttribute10, attrs.SetExtensionAttribute10},
		{attrs.GetExtensionAttribute11, attrs.SetExtensionAttribute11}, {attrs.GetExtensionAttribute12, attrs.SetExtensionAttribute12},
		{attrs.GetExtensionAttribute13, attrs.SetExtensionAttribute13}, {attrs.GetExtensionAttribute14, attrs.SetExtensionAttribute14},
		{attrs.GetExtensionAttribute15, attrs.SetExtensionAttribute15},
	} {
		p := text(fmt.Sprintf("onPremisesExtensionAttributes.extensionAttribute%d", i+1),
			func(u models.Userable) *string {
				if o := u.GetOnPremisesExtensionAttributes(); o != nil {
					return a.get(o)
				}
				return nil
			},
			func(u models.Userable, v *string) { a.set(extensionsOf(u), v) })
		p.advanced = true
		list = append(list, p.anchored(1024))
	}
	return list
}

func extensionsOf(u models.Userable) models.OnPremisesExtensionAttributesable {
	o := u.GetOnPremisesExtensionAttributes()
	if o == nil {
		o = models.NewOnPremisesExtensionAttributes()
		u.SetOnPremisesExtensionAttributes(o)
	}
	return o
}

func orgData(name string, get func(models.EmployeeOrgDataable) *string, set func(models.EmployeeOrgDataable, *string)) property {
	return text("employeeOrgData."+name,
		func(u models.Userable) *string {
			if o := u.GetEmployeeOrgData(); o != nil {
				return get(o)
			}
			return nil
		},
		func(u models.Userable, v *string) { set(orgDataOf(u), v) })
}

func orgDataOf(u models.Userable) models.EmployeeOrgDataable {
	o := u.GetEmployeeOrgData()
	if o == nil {
		o = models.NewEmployeeOrgData()
		u.SetEmployeeOrgData(o)
	}
	return o
}

// extension returns a property that an application registered, which the SDK
// keeps among its additional data.
func extension(name string) property {
	return property{
		name: name, matching: connectors.MatchExact, anchorMax: 256,
		get: func(u models.Userable) []string {
			switch v := u.GetAdditionalData()[name].(type) {
			case *string:
				return one(v)
			case string:
				return one(&v)
			}
			return nil
		},
		set: func(u models.Userable, values []string) error {
			v, err := single(name, values)
			u.GetAdditionalData()[name] = v
			return err
		},
	}
}

// write sets a property in a user to be sent. Without values it removes the
// property: the SDK's models cannot send null, so it is written into the
// additional data.
func (p property) write(u models.Userable, values []string) error {
	for _, v := range values {
		if !utf8.ValidString(v) {
			return fmt.Errorf("%s is not text (UTF-8)", p.name)
		}
	}
	if len(values) > 0 {
		return p.set(u, values)
	}
	switch p.outer() {
	case "onPremisesExtensionAttributes":
		extensionsOf(u).GetAdditionalData()[p.inner()] = nil
	case "employeeOrgData":
		orgDataOf(u).GetAdditionalData()[p.inner()] = nil
	default:
		u.GetAdditionalData()[p.name] = p.empty
	}
	return nil
}
