package standin

import (
	"slices"
)

// has returns the user's assignment of a SKU.
func (u *user) has(id string) object {
	list, _ := u.props["assignedLicenses"].([]any)
	for _, l := range list {
		if o := l.(object); o["skuId"] == id {
			return o
		}
	}
	return nil
}

func (s *Server) used(id string) (n int) {
	for _, u := range s.users {
		if u.live() && u.has(id) != nil {
			n++
		}
	}
	return n
}

func (s *Server) assign(u *user, id string, inherited bool) {
	list, _ := u.props["assignedLicenses"].([]any)
	s.set(u, object{"assignedLicenses": append(slices.Clone(list), object{"skuId": id, "disabledPlans": []any{}})})
	if inherited {
		u.inherited = append(u.inherited, id)
	}
}

func (s *Server) listSKUs(q call, _ []string) answer {
	return s.list(q, listing{
		resource: "subscribedSku", total: len(s.skus),
		properties: func(n string) (property, bool) {
			return property{}, slices.Contains([]string{"id", "skuId", "skuPartNumber", "capabilityStatus", "consumedUnits", "prepaidUnits", "appliesTo"}, n)
		},
		item: func(i int, sel []string, _ string) object {
			k := s.skus[i]
			return pick(object{
				"id": "tenant_" + k.id, "skuId": k.id, "skuPartNumber": k.part, "capabilityStatus": "Enabled", "appliesTo": "User",
				"consumedUnits": s.used(k.id), "prepaidUnits": object{"enabled": k.units, "suspended": 0, "warning": 0},
			}, sel, "skuId", "skuPartNumber", "capabilityStatus", "consumedUnits", "prepaidUnits", "appliesTo")
		},
		key: func(i int) int64 { return int64(i) },
	})
}

// assignLicense adds and removes SKUs, all or none.
func (s *Server) assignLicense(q call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	o, problem := read(q, func(n string) bool { return n == "addLicenses" || n == "removeLicenses" })
	if problem != nil {
		return *problem
	}
	add, ok1 := o["addLicenses"].([]any)
	remove, ok2 := o["removeLicenses"].([]any)
	if !ok1 || !ok2 {
		return badRequest("Cannot convert a value to target type: addLicenses and removeLicenses are required.")
	}
	for _, e := range add {
		l, _ := e.(object)
		id, _ := l["skuId"].(string)
		i := slices.IndexFunc(s.skus, func(k *sku) bool { return k.id == id })
		switch {
		case i < 0:
			return badRequest("License %s does not correspond to a valid company License.", id)
		case u.props["usageLocation"] == nil:
			return badRequest("License assignment cannot be done for user with invalid usage location.")
		case u.has(id) == nil && s.used(id) >= s.skus[i].units:
			return badRequest("Subscription with SKU %s does not have any available licenses.", id)
		}
	}
	for _, e := range remove {
		id, _ := e.(string)
		switch {
		case slices.Contains(u.inherited, id):
			return badRequest("User license is inherited from a group membership and it cannot be removed directly from the user.")
		case u.has(id) == nil:
			return badRequest("User does not have a corresponding license.")
		}
	}
	for _, e := range add {
		if id := e.(object)["skuId"].(string); u.has(id) == nil {
			s.assign(u, id, false)
		}
	}
	list, _ := u.props["assignedLicenses"].([]any)
	s.set(u, object{"assignedLicenses": slices.DeleteFunc(slices.Clone(list), func(l any) bool {
		return slices.Contains(remove, l.(object)["skuId"])
	})})
	return ok(s.show(u, nil, ""))
}
