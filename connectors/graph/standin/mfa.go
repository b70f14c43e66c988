package standin

import (
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"
)

// registrations answers the report of registered authentication methods
// (https://learn.microsoft.com/graph/api/authenticationmethodsroot-list-userregistrationdetails).
func (s *Server) registrations(q call, _ []string) answer {
	all := s.sortedUsers(false)
	row := func(u *user) object {
		registered := []any{}
		if u.mfa {
			registered = append(registered, u.reported)
		}
		return object{"id": u.id, "userPrincipalName": u.upnNow(), "isMfaRegistered": u.mfa, "isMfaCapable": u.mfa, "methodsRegistered": registered}
	}
	return s.list(q, listing{
		resource: "userRegistrationDetails", total: len(all),
		properties: func(n string) (property, bool) {
			return property{filter: n != "methodsRegistered"}, slices.Contains([]string{"id", "userPrincipalName", "isMfaRegistered", "isMfaCapable", "methodsRegistered"}, n)
		},
		item: func(i int, sel []string, _ string) object {
			return pick(row(all[i]), sel, "userPrincipalName", "isMfaRegistered", "isMfaCapable", "methodsRegistered")
		},
		key:   func(i int) int64 { return all[i].order },
		match: func(i int, path string, values []string) bool { return matches(row(all[i]), path, values) },
	})
}

func (s *Server) methodsOf(q call, key string, show func(method) bool, l string) answer {
	u := s.find(key)
	if u == nil {
		return notFound(key)
	}
	all := []method{{id: "28c10230-6103-485e-b985-444c60001490", kind: "password"}}
	all = append(all, u.methods...)
	all = slices.DeleteFunc(all, func(m method) bool { return !show(m) })
	return s.list(q, listing{
		resource: l, total: len(all),
		properties: func(n string) (property, bool) { return property{}, n == "id" },
		item: func(i int, _ []string, _ string) object {
			o := object{"@odata.type": "#microsoft.graph." + all[i].kind + "AuthenticationMethod", "id": all[i].id}
			for k, v := range all[i].with {
				if k != "temporaryAccessPass" { // returned once
					o[k] = v
				}
			}
			return o
		},
		key: func(i int) int64 { return int64(i) },
	})
}

func (s *Server) listMethods(q call, args []string) answer {
	return s.methodsOf(q, args[0], func(method) bool { return true }, "authenticationMethod")
}

func isPass(m method) bool { return m.kind == "temporaryAccessPass" }

func (s *Server) listPasses(q call, args []string) answer {
	return s.methodsOf(q, args[0], isPass, "temporaryAccessPassAuthenticationMethod")
}

func (s *Server) createPass(q call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	o, problem := read(q, func(n string) bool {
		return n == "lifetimeInMinutes" || n == "isUsableOnce" || n == "startDateTime"
	})
	if problem != nil {
		return *problem
	}
	minutes, isNumber := o["lifetimeInMinutes"].(float64)
	once, isBool := o["isUsableOnce"].(bool)
	switch {
	case !isNumber || o["isUsableOnce"] != nil && !isBool || minutes != float64(int(minutes)):
		return badRequest("Cannot convert a value to target type.")
	case int(minutes) < s.opts.PassMin || int(minutes) > s.opts.PassMax:
		return fail(http.StatusBadRequest, "badRequest", "Temporary Access Pass lifetime is not within the range of the tenant's policy.")
	}
	// A new pass replaces the earlier one
	// (https://learn.microsoft.com/entra/identity/authentication/howto-authentication-temporary-access-pass).
	u.methods = slices.DeleteFunc(u.methods, isPass)
	now := s.opts.Now().UTC()
	m := method{id: uuid.NewString(), kind: "temporaryAccessPass", with: object{
		"temporaryAccessPass": uuid.NewString()[:8], "createdDateTime": now.Format(time.RFC3339), "startDateTime": now.Format(time.RFC3339),
		"lifetimeInMinutes": int(minutes), "isUsableOnce": once, "isUsable": true, "methodUsabilityReason": "EnabledByPolicy",
	}}
	u.methods = append(u.methods, m)
	body := object{"id": m.id}
	for k, v := range m.with {
		body[k] = v
	}
	return answer{status: http.StatusCreated, body: body}
}

func (s *Server) deletePass(_ call, args []string) answer {
	u := s.find(args[0])
	if u == nil {
		return notFound(args[0])
	}
	i := slices.IndexFunc(u.methods, func(m method) bool { return isPass(m) && m.id == args[1] })
	if i < 0 {
		return fail(http.StatusNotFound, "resourceNotFound", "The requested resource was not found.")
	}
	u.methods = slices.Delete(u.methods, i, i+1)
	return none()
}

// Passes returns the number of a user's temporary access passes.
func (s *Server) Passes(id string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.users[id].methods {
		if isPass(m) {
			n++
		}
	}
	return n
}
