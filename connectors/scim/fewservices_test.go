package scim_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"

	"github.com/behov/behov/connectors/scim"
)

// get reads from the real service, without quirk and connector.
func get(r *http.Request, real http.Handler, path string) map[string]any {
	inner := httptest.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.Path[:strings.LastIndex(r.URL.Path, "/v2/")]+"/v2/"+path, nil)
	inner.Header = r.Header.Clone()
	rec := httptest.NewRecorder()
	real.ServeHTTP(rec, inner)
	var body map[string]any
	_ = json.Unmarshal(rec.Body.Bytes(), &body)
	return body
}

func isMember(group map[string]any, id string) bool {
	return slices.ContainsFunc(list(group["members"]), func(m any) bool { return m.(map[string]any)["value"] == id })
}

func answer(w http.ResponseWriter, groups []any) {
	w.Header().Set("Content-Type", "application/scim+json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": len(groups), "Resources": groups,
	})
}

// askedFor returns the value that a filter compares an attribute with.
func askedFor(r *http.Request, attribute string) (value string, ok bool) {
	f, ok := strings.CutPrefix(r.URL.Query().Get("filter"), attribute+" eq ")
	return value, ok && r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Groups") && json.Unmarshal([]byte(f), &value) == nil
}

// twins gives groups that begin with twin the same name, as some services allow.
func twins(next quirk) quirk {
	rename := rewriting(func(_ *http.Request, body map[string]any) {
		for _, g := range resources(body) {
			if name, ok := g["displayName"].(string); ok && strings.HasPrefix(name, "twin") {
				g["displayName"] = "twin"
			}
		}
	})
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		next(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if name, ok := askedFor(r, "displayName"); ok && name == "twin" {
				r = r.Clone(r.Context())
				r.URL.RawQuery = "excludedAttributes=members&count=100"
				rewriting(func(_ *http.Request, body map[string]any) {
					found := slices.DeleteFunc(list(body["Resources"]), func(g any) bool { return g.(map[string]any)["displayName"] != "twin" })
					body["Resources"], body["totalResults"] = found, len(found)
				})(w, r, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { rename(w, r, real) }))
				return
			}
			rename(w, r, real)
		}))
	}
}

func asIs(w http.ResponseWriter, r *http.Request, real http.Handler) { real.ServeHTTP(w, r) }

// byMember is a service that filters groups by member.
func byMember(w http.ResponseWriter, r *http.Request, real http.Handler) {
	id, ok := askedFor(r, "members.value")
	if !ok {
		real.ServeHTTP(w, r)
		return
	}
	found := []any{}
	for _, g := range resources(get(r, real, "Groups?count=100")) {
		if isMember(g, id) {
			delete(g, "members")
			found = append(found, g)
		}
	}
	answer(w, found)
}

// inGroups is a service in which the group finance is a member of staff, and
// whose filter on a member also returns the containing groups.
func inGroups(w http.ResponseWriter, r *http.Request, real http.Handler) {
	all := map[string]map[string]any{}
	for _, g := range resources(get(r, real, "Groups?count=100")) {
		name, _, _ := strings.Cut(g["displayName"].(string), " ")
		all[name] = g
	}
	inner := all["finance"]["id"].(string)
	if id, ok := askedFor(r, "members.value"); ok {
		found := []any{}
		for name, g := range all {
			if isMember(g, id) || name == "staff" && (id == inner || isMember(all["finance"], id)) {
				delete(g, "members")
				found = append(found, g)
			}
		}
		answer(w, found)
		return
	}
	rewriting(func(r *http.Request, body map[string]any) {
		for _, g := range resources(body) {
			if g["displayName"] == "staff" && !r.URL.Query().Has("excludedAttributes") {
				g["members"] = append(list(g["members"]), map[string]any{"value": inner, "type": "Group"})
			}
		}
	})(w, r, real)
}

// withGroups is a service whose users list their groups, as say returns them for
// a user who is in some groups and not in others. where selects the requests
// whose answers get the attribute.
func withGroups(where func(r *http.Request) bool, say func(in, others []any) any) quirk {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		rewriting(func(r *http.Request, body map[string]any) {
			if r.Method != http.MethodGet || !strings.Contains(r.URL.Path, "/Users") || !where(r) {
				return
			}
			all := resources(get(r, real, "Groups?count=100"))
			for _, u := range resources(body) {
				id, _ := u["id"].(string)
				var in, others []any
				for _, g := range all {
					if isMember(g, id) {
						in = append(in, map[string]any{"value": g["id"], "type": "direct"})
					} else {
						others = append(others, map[string]any{"value": g["id"], "type": "indirect"})
					}
				}
				if v := say(in, others); v != nil {
					u["groups"] = v
				}
			}
		})(w, r, real)
	}
}

func everywhere(*http.Request) bool { return true }

func singly(r *http.Request) bool { return strings.Contains(r.URL.Path, "/Users/") }

func truly(in, _ []any) any {
	if in == nil {
		return nil // RFC 7643 §2.5: an attribute without value may be omitted
	}
	return in
}

func around(in, others []any) any { return append(in, others...) }

// fewServices are services of many kinds.
var fewServices = map[string]quirk{
	"well behaved":            asIs,
	"filters on members":      byMember,
	"finds nobody by members": membersAnswered(func(*http.Request, http.Handler) []any { return []any{} }),
	"finds every group by members": membersAnswered(func(r *http.Request, real http.Handler) []any {
		return list(get(r, real, "Groups?excludedAttributes=members")["Resources"])
	}),
	"users say their groups":               withGroups(everywhere, truly),
	"users say so when read by ID":         withGroups(singly, truly),
	"users say so in lists":                withGroups(func(r *http.Request) bool { return !singly(r) }, truly),
	"users never have groups":              withGroups(everywhere, func(_, _ []any) any { return []any{} }),
	"users say the first group":            withGroups(everywhere, func(in, _ []any) any { return in[:min(len(in), 1)] }),
	"users say the names":                  withGroups(everywhere, func(in, _ []any) any { return []any{map[string]any{"value": "staff", "display": "staff"}} }),
	"users in groups around, as well":      withGroups(everywhere, around),
	"filters on members, groups in groups": inGroups,
	"leaves members out of lists": rewriting(func(r *http.Request, body map[string]any) {
		if strings.HasSuffix(r.URL.Path, "/Groups") {
			for _, g := range resources(body) {
				delete(g, "members")
			}
		}
	}),
	"sends members always": func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		q := r.URL.Query()
		q.Del("excludedAttributes")
		r.URL.RawQuery = q.Encode()
		real.ServeHTTP(w, r)
	},
	"filters on userName only and finds nobody else": func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if f := r.URL.Query().Get("filter"); f != "" && !strings.HasPrefix(f, "userName") {
			answer(w, []any{})
			return
		}
		real.ServeHTTP(w, r)
	},
	"finds one group of a name": rewriting(func(r *http.Request, body map[string]any) {
		if _, ok := askedFor(r, "displayName"); ok {
			found := list(body["Resources"])
			found = found[:min(len(found), 1)]
			body["Resources"], body["totalResults"] = found, len(found)
		}
	}),
	"refuses filters": quirky[scim.NoFilter],
	"fails at filters with blanks": func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if name, ok := askedFor(r, "displayName"); ok && strings.Contains(name, " ") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		real.ServeHTTP(w, r)
	},
	"fails at filters on members": func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if _, ok := askedFor(r, "members.value"); ok {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		real.ServeHTTP(w, r)
	},
	"ignores filters, counts too few": func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		q := r.URL.Query()
		q.Del("filter")
		r.URL.RawQuery = q.Encode()
		rewriting(func(_ *http.Request, body map[string]any) {
			if _, ok := body["totalResults"]; ok {
				body["totalResults"] = 0
			}
		})(w, r, real)
	},
	"pages by cursor":                    (&cursors{}).serve,
	"pages by cursor, counts nothing":    (&cursors{noTotals: true}).serve,
	"active as text, other names":        rewriting(odd),
	"string booleans":                    quirky[scim.StringBooleans],
	"no PATCH":                           quirky[scim.NoPatch],
	"no PATCH of groups":                 quirky[scim.NoGroupPatch],
	"deactivates where it should delete": quirky[scim.SoftDelete],
}

func membersAnswered(with func(r *http.Request, real http.Handler) []any) quirk {
	return func(w http.ResponseWriter, r *http.Request, real http.Handler) {
		if _, ok := askedFor(r, "members.value"); ok {
			answer(w, with(r, real))
			return
		}
		real.ServeHTTP(w, r)
	}
}
