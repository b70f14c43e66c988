package graph_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/microsoft/kiota-abstractions-go/serialization"
	jsonserialization "github.com/microsoft/kiota-serialization-json-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/users"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/graph/standin"
)

// sent describes one kind of request that the connector may send: the path as
// Graph documents it, the SDK's model of its body, and the model that $select
// names properties of.
type sent struct {
	method, path string
	body         serialization.ParsableFactory
	selects      serialization.ParsableFactory
	options      []string
}

const list = "$select $filter $count $top $skiptoken $expand"

var kinds = []sent{
	{method: "GET", path: "/users", selects: models.CreateUserFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "POST", path: "/users", body: models.CreateUserFromDiscriminatorValue},
	{method: "GET", path: "/users/{}", selects: models.CreateUserFromDiscriminatorValue, options: []string{"$select", "$expand"}},
	{method: "PATCH", path: "/users/{}", body: models.CreateUserFromDiscriminatorValue},
	{method: "DELETE", path: "/users/{}"},
	{method: "PUT", path: "/users/{}/manager/$ref", body: models.CreateReferenceUpdateFromDiscriminatorValue},
	{method: "DELETE", path: "/users/{}/manager/$ref"},
	{method: "POST", path: "/users/{}/revokeSignInSessions"},
	{method: "POST", path: "/users/{}/assignLicense", body: users.CreateItemAssignLicensePostRequestBodyFromDiscriminatorValue},
	{method: "GET", path: "/users/{}/memberOf", selects: models.CreateDirectoryObjectFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "GET", path: "/users/{}/authentication/methods", options: []string{"$skiptoken"}},
	{method: "GET", path: "/users/{}/authentication/temporaryAccessPassMethods", options: []string{"$skiptoken"}},
	{method: "POST", path: "/users/{}/authentication/temporaryAccessPassMethods", body: models.CreateTemporaryAccessPassAuthenticationMethodFromDiscriminatorValue},
	{method: "DELETE", path: "/users/{}/authentication/temporaryAccessPassMethods/{}"},
	{method: "GET", path: "/users/delta()", selects: models.CreateUserFromDiscriminatorValue, options: []string{"$select", "$deltatoken", "$skiptoken"}},
	{method: "GET", path: "/groups", selects: models.CreateGroupFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "GET", path: "/groups/{}", selects: models.CreateGroupFromDiscriminatorValue, options: []string{"$select"}},
	{method: "GET", path: "/groups(uniqueName='{}')", selects: models.CreateGroupFromDiscriminatorValue, options: []string{"$select"}},
	{method: "PATCH", path: "/groups(uniqueName='{}')", body: models.CreateGroupFromDiscriminatorValue},
	{method: "DELETE", path: "/groups/{}"},
	{method: "PATCH", path: "/groups/{}", body: models.CreateGroupFromDiscriminatorValue},
	{method: "GET", path: "/groups/{}/members", selects: models.CreateDirectoryObjectFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "POST", path: "/groups/{}/members/$ref", body: models.CreateReferenceCreateFromDiscriminatorValue},
	{method: "DELETE", path: "/groups/{}/members/{}/$ref"},
	{method: "GET", path: "/groups/delta()", selects: models.CreateGroupFromDiscriminatorValue, options: []string{"$select", "$deltatoken", "$skiptoken"}},
	{method: "GET", path: "/directory/deletedItems/graph.user", selects: models.CreateUserFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "GET", path: "/directory/deletedItems/{}", selects: models.CreateDirectoryObjectFromDiscriminatorValue, options: []string{"$select"}},
	{method: "POST", path: "/directory/deletedItems/{}/restore"},
	{method: "GET", path: "/subscribedSkus", selects: models.CreateSubscribedSkuFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "GET", path: "/organization", selects: models.CreateOrganizationFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "GET", path: "/reports/authenticationMethods/userRegistrationDetails", selects: models.CreateUserRegistrationDetailsFromDiscriminatorValue, options: strings.Fields(list)},
	{method: "POST", path: "/$batch"},
}

var (
	objectID  = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	extension = regexp.MustCompile(`^extension_[0-9a-f]{32}_\w+$`)
)

// problem returns in which point a request violates Graph's paths or the SDK's
// models.
func problem(r standin.Request) string {
	path := objectID.ReplaceAllString(r.Path, "{}")
	i := slices.IndexFunc(kinds, func(k sent) bool { return k.method == r.Method && k.path == path })
	if i < 0 {
		return "no such request"
	}
	k := kinds[i]
	for option, values := range r.Query {
		if !slices.Contains(k.options, option) || len(values) != 1 {
			return "option " + option
		}
	}
	if sel := r.Query.Get("$select"); sel != "" {
		if k.selects == nil {
			return "nothing to select from"
		}
		model, err := k.selects(nil)
		if err != nil {
			return err.Error()
		}
		for _, name := range strings.Split(sel, ",") {
			if _, known := model.GetFieldDeserializers()[name]; !known && !extension.MatchString(name) {
				return "it selects " + name
			}
		}
	}
	if path == "/$batch" {
		return ""
	}
	if k.body == nil {
		if len(r.Body) > 0 {
			return "a body"
		}
		return ""
	}
	return wrongBody(r.Body, k.body)
}

// wrongBody parses a body with the SDK's model and returns what the model does
// not know, or knows as another type.
func wrongBody(body []byte, factory serialization.ParsableFactory) string {
	node, err := jsonserialization.NewJsonParseNode(body)
	if err != nil {
		return "the body is not JSON"
	}
	model, err := node.GetObjectValue(factory)
	if err != nil {
		return "the body does not fit the model: " + err.Error()
	}
	if why := extra(model, "", 0); why != "" {
		return why
	}
	// Serialise what was parsed: a value of another type is lost.
	w := jsonserialization.NewJsonSerializationWriter()
	if err := w.WriteObjectValue("", model); err != nil {
		return err.Error()
	}
	again, err := w.GetSerializedContent()
	if err != nil {
		return err.Error()
	}
	var a, b map[string]any
	if json.Unmarshal(body, &a) != nil || json.Unmarshal(again, &b) != nil {
		return "not an object"
	}
	return lost(a, b, "")
}

// extra returns the additional data of the model and of nested models.
func extra(v any, at string, depth int) string {
	if depth > 3 {
		return ""
	}
	if holder, ok := v.(serialization.AdditionalDataHolder); ok {
		for name := range holder.GetAdditionalData() {
			if name != "members@odata.bind" && !extension.MatchString(name) {
				return "the model does not know " + at + name
			}
		}
	}
	value := reflect.ValueOf(v)
	for i := range value.NumMethod() {
		name := value.Type().Method(i).Name
		m := value.Method(i)
		if !strings.HasPrefix(name, "Get") || m.Type().NumIn() != 0 || m.Type().NumOut() != 1 {
			continue
		}
		got := m.Call(nil)[0]
		if got.Kind() == reflect.Interface && !got.IsNil() {
			if inner, ok := got.Interface().(serialization.Parsable); ok {
				if why := extra(inner, at+name[3:]+".", depth+1); why != "" {
					return why
				}
			}
		}
	}
	return ""
}

// lost returns what is in a and not in b. It ignores null, which has no type.
func lost(a, b map[string]any, at string) string {
	for name, v := range a {
		switch v := v.(type) {
		case nil:
		case []any:
			if w, ok := b[name].([]any); len(v) > 0 && (!ok || len(w) != len(v)) {
				return fmt.Sprintf("%s%s is of another type", at, name)
			}
		case map[string]any:
			w, _ := b[name].(map[string]any)
			if why := lost(v, w, at+name+"."); why != "" {
				return why
			}
		default:
			same := reflect.DeepEqual(v, b[name])
			if t, err := time.Parse(time.RFC3339Nano, fmt.Sprint(v)); err == nil {
				u, err := time.Parse(time.RFC3339Nano, fmt.Sprint(b[name]))
				same = err == nil && t.Equal(u)
			}
			if !same {
				return fmt.Sprintf("%s%s is of another type", at, name)
			}
		}
	}
	return ""
}

// wantKnownRequests checks every request against Graph's paths and the SDK's
// models, and against what must never be sent.
func wantKnownRequests(t *testing.T, requests []standin.Request) {
	t.Helper()
	for _, r := range requests {
		if why := problem(r); why != "" && !strings.Contains(string(r.Body), "\\u0000") {
			t.Errorf("%s %s?%s: %s\n%s", r.Method, r.Path, r.Query.Encode(), why, r.Body)
		}
		if r.Method == http.MethodDelete && strings.Contains(r.Path, "/members/") && !strings.HasSuffix(r.Path, "/$ref") {
			t.Errorf("DELETE %s would delete the user", r.Path)
		}
	}
}

// groupsOfItsOwn creates, renames and deletes a group.
func groupsOfItsOwn(t *testing.T, c connectors.Connector) {
	t.Helper()
	id := ""
	for _, change := range []connectors.GroupChange{
		{Op: connectors.CreateGroup, Name: "made", Mark: "0193f2a4-7c1e-7000-8000-00000000cccc", Purpose: "a test"},
		{Op: connectors.RenameGroup, Name: "made again"},
		{Op: connectors.DeleteGroup},
	} {
		if change.Op != connectors.CreateGroup {
			change.ID = id
		}
		out, err := c.(connectors.GroupManager).ChangeGroup(t.Context(), change)
		if err != nil || out.Status != connectors.Applied {
			t.Fatalf("%s: %+v, %v", change.Op, out, err)
		}
		id = cmp.Or(out.GroupID, id)
	}
}

// TestRequestsFitTheSDK uses everything the connector can do, and checks that it
// sent each kind of request, and that all are valid.
func TestRequestsFitTheSDK(t *testing.T) {
	t.Parallel()
	s, cfg := start(t, standin.Options{MaxPage: 5, Lag: 300 * time.Millisecond, Licences: []standin.Licence{{SKU: "E3", Units: 3}}})
	cfg.Licences = true
	cfg.StateStore = &memory{}
	c := open(t, cfg)
	cfg.StateStore, cfg.References, cfg.Attributes, cfg.Licences = &memory{}, nil, managed[:len(managed)-1], false
	byDelta := open(t, cfg)
	everything(t, s, c)
	snapshot(t, byDelta)
	groupsOfItsOwn(t, c)
	snapshot(t, byDelta)
	requests := s.Requests()
	wantKnownRequests(t, requests)
	for _, k := range kinds {
		if !slices.ContainsFunc(requests, func(r standin.Request) bool {
			return r.Method == k.method && objectID.ReplaceAllString(r.Path, "{}") == k.path
		}) {
			t.Errorf("%s %s was never sent: the run is not a full one", k.method, k.path)
		}
	}
}

// everything applies one of each change and uses each ability.
func everything(t *testing.T, s *standin.Server, c connectors.Connector) {
	t.Helper()
	group := s.AddGroup("staff", nil)
	boss, foreign := s.AddUser("boss", nil), s.AddUser("foreign", nil)
	if err := c.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	attributes := map[string][]string{
		"displayName": {"Anna"}, "usageLocation": {"SE"}, "businessPhones": {"1"}, "employeeHireDate": {"2026-11-01"}, "showInAddressList": {"True"},
		"employeeOrgData.costCenter": {"4711"}, "onPremisesExtensionAttributes.extensionAttribute1": {"x"}, "manager": {boss}, "otherMails": {"a@b.test", "c@d.test"},
		"extension_0123456789abcdef0123456789abcdef_unit": {"Skolan"},
	}
	created := apply(t, c, connectors.Applied, creation("anna", attributes), creation("berit", attributes))
	id, other := created[0].AccountID, created[1].AccountID
	ref := connectors.AccountRef{ID: id}
	empty := map[string][]string{}
	for name := range attributes {
		if name != "displayName" && name != "usageLocation" && name != "showInAddressList" {
			empty[name] = nil
		}
	}
	member := func(op connectors.Op, id, e string) connectors.Change {
		return connectors.Change{Op: op, Account: connectors.AccountRef{ID: id}, Entitlement: e}
	}
	apply(t, c, connectors.Applied,
		member(connectors.AddMember, id, "staff"), member(connectors.AddMember, other, "staff"), member(connectors.AddMember, foreign, "staff"))
	apply(t, c, connectors.Applied,
		member(connectors.AddMember, id, "licence:E3"),
		connectors.Change{Op: connectors.DisableAccount, Account: ref},
		connectors.Change{Op: connectors.EnableAccount, Account: ref},
		connectors.Change{Op: connectors.RenameAccount, Account: connectors.AccountRef{ID: id, Name: "annika"}},
		connectors.Change{Op: connectors.AdoptAccount, Account: connectors.AccountRef{ID: foreign, Anchor: "behov-foreign"}})
	snapshot(t, c)
	few(t, c, []connectors.AccountRef{{ID: id, Anchor: "behov-anna", Name: "annika"}}, "staff", group, "licence:E3")
	apply(t, c, connectors.AlreadyApplied, member(connectors.AddMember, id, group))
	apply(t, c, connectors.Applied,
		member(connectors.RemoveMember, id, group), member(connectors.RemoveMember, id, "licence:E3"),
		connectors.Change{Op: connectors.UpdateAccount, Account: ref, Attributes: empty})
	if got := s.User(id); got["employeeOrgData"].(map[string]any)["costCenter"] != nil || len(got["businessPhones"].([]any)) > 0 || s.Manager(id) != "" {
		t.Errorf("attributes are not removed: %v", got)
	}
	snapshot(t, c)
	if out, err := c.(connectors.SessionRevoker).RevokeSessions(t.Context(), ref); err != nil || out.Status != connectors.Applied || s.Revoked(id) != 1 {
		t.Errorf("revoke: %+v, %v", out, err)
	}
	issuer := c.(connectors.PassIssuer)
	if _, err := issuer.IssuePass(t.Context(), ref, time.Hour); err != nil {
		t.Error(err)
	}
	if out, err := issuer.WithdrawPass(t.Context(), ref); err != nil || out.Status != connectors.Applied {
		t.Errorf("withdraw: %+v, %v", out, err)
	}
	if _, err := c.(connectors.SingleMFAReader).MFAEnrolledFor(t.Context(), ref); err != nil {
		t.Error(err)
	}
	if _, err := c.(connectors.MFAReader).MFAEnrolled(t.Context(), func(string, connectors.MFAMethod) error { return nil }); err != nil {
		t.Error(err)
	}
	apply(t, c, connectors.Applied, connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: other}})
	apply(t, c, connectors.Applied, creation("berit", attributes))
	s.RemoveUser(id)
	apply(t, c, connectors.Refused, connectors.Change{Op: connectors.DisableAccount, Account: ref})
	snapshot(t, c)
}

func creation(name string, attributes map[string][]string) connectors.Change {
	return connectors.Change{Op: connectors.CreateAccount, Account: connectors.AccountRef{Name: name, Anchor: "behov-" + name}, Attributes: attributes, Enabled: true}
}

// apply applies changes that must all have the same status.
func apply(t testing.TB, c connectors.Connector, want connectors.Status, changes ...connectors.Change) []connectors.Result {
	t.Helper()
	results := c.Apply(t.Context(), changes)
	for i, r := range results {
		if r.Err != nil || r.Status != want {
			t.Fatalf("change %d (%s): %s %s %v, want %s", i, changes[i].Op, r.Status, r.Detail, r.Err, want)
		}
	}
	return results
}

// TestRequestCheckFindsErrors checks that the check of requests tells invalid
// from valid ones.
func TestRequestCheckFindsErrors(t *testing.T) {
	id := "00000000-0000-4000-8000-00000000dead"
	request := func(method, path, query, body string) standin.Request {
		r, err := http.NewRequest(method, "https://graph.test"+path+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		return standin.Request{Method: method, Path: r.URL.Path, Query: r.URL.Query(), Body: []byte(body)}
	}
	for _, r := range []standin.Request{
		request("GET", "/user", "", ""),
		request("PUT", "/users/"+id, "", `{}`),
		request("GET", "/users/anna@kommun.test", "", ""),
		request("GET", "/users", "?$select=id,titel", ""),
		request("GET", "/users", "?$orderby=id", ""),
		request("DELETE", "/users/"+id, "", `{}`),
		request("PATCH", "/users/"+id, "", `{"titel":"x"}`),
		request("PATCH", "/users/"+id, "", `{"jobTitle":1}`),
		request("PATCH", "/users/"+id, "", `{"accountEnabled":"true"}`),
		request("PATCH", "/users/"+id, "", `{"businessPhones":"1"}`),
		request("PATCH", "/users/"+id, "", `{"employeeOrgData":{"costcentre":"1"}}`),
		request("PATCH", "/users/"+id, "", `{"employeeHireDate":"tomorrow"}`),
		request("PUT", "/users/"+id+"/manager/$ref", "", `{"id":"x"}`),
	} {
		if problem(r) == "" {
			t.Errorf("%s %s %s passes", r.Method, r.Path, r.Body)
		}
	}
	for _, r := range []standin.Request{
		request("PATCH", "/users/"+id, "", `{"jobTitle":null,"employeeHireDate":"2026-11-01T00:00:00Z","businessPhones":[],"accountEnabled":true}`),
		request("GET", "/users", "?$select=id,jobTitle&$top=999", ""),
	} {
		if why := problem(r); why != "" {
			t.Errorf("%s %s %s: %s", r.Method, r.Path, r.Body, why)
		}
	}
}
