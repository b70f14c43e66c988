package scimserver_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/scimserver"
)

// TestDeactivatedUserIsReactivated checks that a POST of a deactivated user is
// the same user, under the same ID (RFC 7644 §3.3: 201 with Location; §3.12 has
// 409 for a value in use), with a new employment where one begins.
func TestDeactivatedUserIsReactivated(t *testing.T) {
	silent := without(t, `"startDate": "2026-01-01", `)
	for name, c := range map[string]struct{ body, works, before string }{
		"by externalId":           {strings.ReplaceAll(silent, "asa.ek@", "asa.alm@"), "[1001-2026-11-25 school", "[1001 school"},
		"by userName":             {strings.Replace(strings.Replace(silent, `"externalId": "1001", `, "", 1), `, "employeeNumber": "1001"`, "", 1), "[1001-2026-11-25 school", "[1001 school"},
		"by employeeNumber":       {strings.Replace(silent, `"externalId": "1001", `, "", 1), "[1001-2026-11-25 school", "[1001 school"},
		"the ending was wrong":    {asa, "[1001 school", "[1001 school"},
		"with a start of its own": {strings.Replace(asa, "2026-01-01", "2026-11-24", 1), "[1001-2026-11-24 school", "[1001 school"},
		"with an employment":      {strings.Replace(asa, `"startDate": "2026-01-01"`, `"startDate": "2026-11-25", "employmentId": "E2"`, 1), "[E2 school", "[1001 school"},
		"without active":          {strings.Replace(silent, `"active": true,`, "", 1), "[1001-2026-11-25 school", "[1001 school"},
		"by a client without our URN": {without(t, `,
	"`+scimserver.EmploymentURN+`": {"startDate": "2026-01-01", "jobCode": "1", "percent": "75", "cost_centre": "10", "nationalId": "19700101-0011"}`), "[1001-2026-11-25 school", "[1001 school"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			id := s.push(strings.Replace(asa, `"jobCode": "1"`, `"jobCode": "1", "protected": true`, 1))
			s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(deactivate))
			s.pass(48 * time.Hour)
			status, answer, header := s.send("POST", "/Users", c.body)
			if status != http.StatusCreated || answer["id"] != id || header.Get("Location") != s.url+"/Users/"+id || answer["active"] != true {
				t.Fatalf("%d %v %s", status, answer, header.Get("Location"))
			}
			if got := s.people("2026-11-25"); !strings.Contains(got, c.works) || strings.Count(got, "[") != 2 || !strings.Contains(got, " protected") || strings.Contains(got, "; ") {
				t.Errorf("now: %s", got)
			}
			if got := s.people("2026-11-22"); !strings.Contains(got, c.before) || strings.Count(got, "[") != 2 {
				t.Errorf("before: %s", got)
			}
			s.must(http.StatusOK, "PUT", "/Users/"+id, c.body)
			s.must(http.StatusConflict, "POST", "/Users", c.body)
			if got := s.people("2026-11-25"); !strings.Contains(got, c.works) {
				t.Errorf("after a PUT: %s", got)
			}
		})
	}
}

// TestConflictNamesItsAttribute checks that a value of an active user, or of
// another person, is answered with 409 and the attribute's name (RFC 7644 §3.3
// and §3.12).
func TestConflictNamesItsAttribute(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	other := s.push(user(2))
	conflict := func(attribute, method, path, body string) {
		t.Helper()
		answer := s.must(http.StatusConflict, method, path, body)
		if detail := fmt.Sprint(answer["detail"]); answer["scimType"] != "uniqueness" || !strings.HasPrefix(detail, attribute+": ") || strings.Contains(detail, "asa") {
			t.Errorf("%v", answer)
		}
	}
	conflict("externalId", "POST", "/Users", strings.ReplaceAll(asa, "asa.ek@", "x@"))
	conflict("userName", "POST", "/Users", strings.ReplaceAll(asa, "1001", "1003"))
	conflict("employeeNumber", "POST", "/Users", strings.ReplaceAll(strings.Replace(asa, `"externalId": "1001", `, "", 1), "asa.ek@", "x@"))
	conflict("userName", "PATCH", "/Users/"+other, patch(`{"op": "replace", "path": "userName", "value": "asa.ek@example.org"}`))
	// A user with a new number keeps the key.
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "externalId", "value": "2001"}`))
	conflict("externalId", "POST", "/Users", strings.NewReplacer("1001", "2001", "asa.ek@", "x@").Replace(asa))
	conflict("externalId", "POST", "/Users", strings.ReplaceAll(asa, "asa.ek@", "x@"))
	// A free name belongs to the next person who gets it.
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(deactivate))
	before := s.people("2026-11-22")
	conflict("userName", "POST", "/Users", strings.ReplaceAll(asa, "1001", "1003"))
	conflict("userName", "POST", "/Users", strings.NewReplacer(`"externalId": "1001", `, "", `, "employeeNumber": "1001"`, "", "19700101-0011", "19640823-3234").Replace(asa))
	conflict("userName", "POST", "/Users", strings.NewReplacer(`"externalId": "1001", `, "", `, "employeeNumber": "1001"`, "", `, "nationalId": "19700101-0011"`, "").Replace(asa)) // it contains no identifier
	conflict("userName", "POST", "/Users", strings.Replace(user(2), "asa.ek2@", "asa.ek@", 2))
	if got := s.people("2026-11-22"); got != before {
		t.Errorf("something was kept: %s, not %s", got, before)
	}
}

// TestFilterValuesAreJSONStrings checks compValue as a JSON string (RFC 7644
// §3.4.2.2), with every escape of RFC 8259 §7.
func TestFilterValuesAreJSONStrings(t *testing.T) {
	s := newService(t)
	s.push(strings.NewReplacer(`"userName": "asa.ek@example.org"`, `"userName": "o'b+\u00f6\"q\\w/@x"`, `"externalId": "1001"`, `"externalId": "e+1'"`).Replace(asa))
	s.push(user(2))
	for _, filter := range []string{
		`userName eq "o'b+ö\"q\\w/@x"`, `userName eq "o\u0027b\u002Bö\"q\\w/@x"`, `userName eq "o\u0027b\u002b\u00f6\u0022q\u005cw\/@x"`, `userName eq "O'B+\u00D6\"Q\\W\/@X"`, `externalId eq "e\u002B1\u0027"`, `externalId eq "e\u002b1'"`,
		`userName sw "o\u0027b\u002b\u00f6"`, `userName co "\\w" and active eq true`, `not (userName eq "asa.ek2\u0040example.org")`, `emails[type eq "w\u006frk" and value eq "asa.ek\u0040example.org"]`,
	} {
		if got := s.names(filter, http.StatusOK); len(got) != 1 || !strings.HasPrefix(got[0], "o'b") {
			t.Errorf("%s: %v", filter, got)
		}
	}
	for _, broken := range []string{`userName eq "\u12"`, `userName eq "\x"`, `userName eq "a`, `userName eq "a\"`, `userName eq 'a'`} {
		if answer := s.must(http.StatusBadRequest, "GET", "/Users?filter="+url.QueryEscape(broken), ""); answer["scimType"] != "invalidFilter" {
			t.Errorf("%s: %v", broken, answer)
		}
	}
	id := at(s.must(http.StatusOK, "GET", `/Users?filter=`+url.QueryEscape(`externalId eq "1002"`), ""), "Resources.0.id")
	s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "emails[type eq \"w\\u006frk\" and primary eq \"True\"].value", "value": "b@x"}`))
	if got := at(s.must(http.StatusOK, "GET", "/Users/"+id, ""), "emails"); !strings.Contains(got, "b@x") || strings.Count(got, "value:") != 1 {
		t.Errorf("a path: %s", got)
	}
}

// TestFiltersOnCommonAttributes checks filters on id and meta (RFC 7643 §3.1), as
// in Entra ID's full and delta reads, on attributes of an extension without its
// URN, and on the presence of a complex attribute (RFC 7644 §3.4.2.2, pr).
func TestFiltersOnCommonAttributes(t *testing.T) {
	s := newService(t)
	var ids, changed []string
	for n := 1; n <= 4; n++ {
		ids = append(ids, s.push(user(n)))
		s.pass(time.Minute)
	}
	s.must(http.StatusOK, "PATCH", "/Users/"+ids[1], patch(`{"op": "add", "path": "`+enterprise+`:manager", "value": "`+ids[0]+`"}`))
	for _, id := range ids {
		changed = append(changed, at(s.must(http.StatusOK, "GET", "/Users/"+id, ""), "meta.lastModified"))
	}
	for filter, want := range map[string][]string{
		`id eq "` + ids[2] + `"`: {"asa.ek3"}, `ID eq "` + ids[2] + `" and active eq true`: {"asa.ek3"}, `id eq "` + ids[2] + `" and active eq false`: {}, `id eq "x"`: {}, `id pr`: {"asa.ek1", "asa.ek2", "asa.ek3", "asa.ek4"}, `id ne "` + ids[2] + `"`: {"asa.ek1", "asa.ek2", "asa.ek4"},
		`meta.lastModified gt "` + changed[3] + `"`: {"asa.ek2"}, `meta.lastModified ge "` + changed[3] + `"`: {"asa.ek2", "asa.ek4"}, `meta.lastModified eq "` + changed[0] + `"`: {"asa.ek1"}, `meta.LastModified le "` + changed[0] + `"`: {"asa.ek1"},
		`meta.lastModified lt "` + changed[0] + `"`: {}, `meta.created gt "2026-11-23T12:01:30Z"`: {"asa.ek3", "asa.ek4"}, `meta.created gt "2026-11-23T13:01:30+01:00" and meta.created lt "2026-11-23T12:02:30Z"`: {"asa.ek3"},
		`meta.lastModified gt "` + changed[2] + `" and active eq true`: {"asa.ek2", "asa.ek4"}, `meta.created lt "2026-11-23T12:00:30Z" or meta.created gt "2026-11-23T12:02:30Z"`: {"asa.ek1", "asa.ek4"}, `not (meta.lastModified gt "` + changed[0] + `")`: {"asa.ek1"},
		`meta.resourceType eq "User" and externalId eq "1004"`: {"asa.ek4"}, `meta.created lt "0001-01-01T00:00:00Z"`: {}, `meta.created gt "9999-12-31T23:59:59Z"`: {}, `schemas eq "` + core + `" and externalId eq "1001"`: {"asa.ek1"},
		core + `:userName eq "asa.ek1@example.org"`: {"asa.ek1"}, strings.ToUpper(enterprise) + `:department eq "school" and externalId eq "1001"`: {"asa.ek1"},
		`manager.value pr`: {"asa.ek2"}, `manager pr`: {"asa.ek2"}, `manager.value eq "` + ids[0] + `"`: {"asa.ek2"}, enterprise + `:manager.value pr`: {"asa.ek2"}, `not (manager.value pr)`: {"asa.ek1", "asa.ek3", "asa.ek4"},
		`name pr and externalId eq "1001"`: {"asa.ek1"}, `name.middleName pr`: {}, `addresses pr`: {}, `emails pr and externalId eq "1001"`: {"asa.ek1"}, `userName gt "asa.ek3@"`: {"asa.ek3", "asa.ek4"},
	} {
		if got := s.names(filter, http.StatusOK); !slices.Equal(got, want) {
			t.Errorf("%s: %v, not %v", filter, got, want)
		}
	}
	for _, broken := range []string{`meta.shoeSize pr`, `id.x eq "1"`, `meta.created gt "yesterday"`, `active gt true`, `emails[shoe eq "1"]`, `manager.shoe pr`, `x[type eq "work"]`} {
		if answer := s.must(http.StatusBadRequest, "GET", "/Users?filter="+url.QueryEscape(broken), ""); answer["scimType"] != "invalidFilter" {
			t.Errorf("%s: %v", broken, answer)
		}
	}
	if got := s.names(`meta.lastModified ge "`+changed[0]+`"`, http.StatusOK, "startIndex", "2", "count", "2"); !slices.Equal(got, []string{"asa.ek2", "asa.ek3"}) {
		t.Errorf("a page: %v", got)
	}
}

// TestFilterReadsOnlyWhatItNeeds checks that one user, and a page, are read
// without the others, one of which cannot be decrypted here.
func TestFilterReadsOnlyWhatItNeeds(t *testing.T) {
	s := newService(t)
	broken := s.push(user(1))
	s.pass(time.Minute)
	id := s.push(user(2))
	s.pass(time.Minute)
	s.push(user(3))
	driver, dsn := "pgx", s.database
	if file, is := strings.CutPrefix(s.database, "sqlite:"); is {
		driver, dsn = "sqlite", file
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(context.Background(), `UPDATE scim_resource SET sealed = $1 WHERE id = $2`, []byte("x"), broken); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{
		"": 500, "filter=active+eq+true": 500, `filter=meta.created+lt+"2026-11-23T12:00:30Z"`: 500,
		`filter=id+eq+"` + id + `"`: 1, `filter=externalId+eq+"1002"`: 1, `filter=userName+eq+"asa.ek2@example.org"`: 1, `filter=userName+eq+"asa.ek2@example.org"+and+active+eq+true`: 1,
		"startIndex=2&count=1": 1, "count=0": 0, `filter=meta.lastModified+gt+"2026-11-23T12:00:30Z"`: 2, `filter=meta.lastModified+ge+"2026-11-23T12:00:30Z"+and+active+eq+true`: 2, `filter=meta.created+ge+"2026-11-23T12:00:00Z"&startIndex=3&count=1`: 1,
	} {
		status, list, _ := s.send("GET", "/Users?"+strings.ReplaceAll(query, `"`, "%22"), "")
		if resources, _ := list["Resources"].([]any); want == 500 && status != want || want < 500 && (status != http.StatusOK || len(resources) != want) {
			t.Errorf("%s: %d %v", query, status, list)
		}
	}
}

// TestOneValueIsPrimary checks that a new primary value unsets the earlier one
// (RFC 7644 §3.5.2), and that a list has one primary value and no duplicates (RFC
// 7643 §2.4).
func TestOneValueIsPrimary(t *testing.T) {
	for name, c := range map[string]struct{ operations, want string }{
		"added":            {`{"op": "add", "path": "emails", "value": [{"type": "home", "value": "h@x", "primary": true}]}`, "work asa.ek@example.org false; home h@x true"},
		"without a path":   {`{"op": "add", "value": {"emails": [{"type": "home", "value": "h@x", "primary": true}]}}`, "work asa.ek@example.org false; home h@x true"},
		"made by a filter": {`{"op": "add", "path": "emails[type eq \"home\" and primary eq true].value", "value": "h@x"}`, "work asa.ek@example.org false; home h@x true"},
		"by its flag":      {`{"op": "add", "path": "emails", "value": {"type": "home", "value": "h@x"}}, {"op": "replace", "path": "emails[type eq \"home\"].primary", "value": "True"}`, "work asa.ek@example.org false; home h@x true"},
		"as a whole":       {`{"op": "add", "path": "emails", "value": {"type": "home", "value": "h@x"}}, {"op": "replace", "path": "emails[type eq \"home\"]", "value": {"type": "home", "value": "i@x", "primary": true}}`, "work asa.ek@example.org false; home i@x true"},
		"the same again":   {`{"op": "add", "path": "emails", "value": {"type": "work", "value": "asa.ek@example.org", "primary": true}}`, "work asa.ek@example.org true"},
		"another flag":     {`{"op": "add", "path": "emails", "value": {"type": "work", "value": "asa.ek@example.org", "primary": false}}`, "work asa.ek@example.org false"},
		"replaced":         {`{"op": "replace", "path": "emails", "value": [{"type": "home", "value": "h@x", "primary": true}]}`, "home h@x true"},
		"no primary":       {`{"op": "add", "path": "emails", "value": {"type": "home", "value": "h@x"}}`, "work asa.ek@example.org true; home h@x false"},
	} {
		s := newService(t)
		id := s.push(asa)
		s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(c.operations))
		var got []string
		list, _ := s.must(http.StatusOK, "GET", "/Users/"+id, "")["emails"].([]any)
		for _, e := range list {
			got = append(got, fmt.Sprintf("%s %s %t", at(e, "type"), at(e, "value"), at(e, "primary") == "true"))
		}
		if strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %v, not %s", name, got, c.want)
		}
	}
	s := newService(t)
	id := s.push(asa)
	two := strings.Replace(asa, `"emails": [`, `"emails": [{"value": "h@x", "primary": true}, `, 1)
	for method, body := range map[string]string{"PUT": two, "PATCH": patch(`{"op": "add", "path": "emails", "value": [{"value": "h@x", "primary": true}, {"value": "i@x", "primary": true}]}`)} {
		if answer := s.must(http.StatusBadRequest, method, "/Users/"+id, body); answer["scimType"] != "invalidValue" || !strings.HasPrefix(fmt.Sprint(answer["detail"]), "emails: ") {
			t.Errorf("%v", answer)
		}
	}
	s.must(http.StatusOK, "PUT", "/Users/"+id, strings.Replace(two, `"active": true`, `"active": false`, 1)) // an ending must not wait
	if got := s.people(today); strings.Contains(got, "[") {
		t.Error(got)
	}
}

// TestPatchForms checks null as no value (RFC 7643 §2.5), a list of one as a
// single value (§2.4), and names in any case (§2.1).
func TestPatchForms(t *testing.T) {
	ent := strings.ToUpper(enterprise[:len(enterprise)-5]) + ":USER"
	for _, c := range []struct{ name, operations, path, want string }{
		{"null replaced", `{"op": "replace", "path": "title", "value": null}`, "title", ""},
		{"null added", `{"op": "add", "path": "title", "value": null}`, "title", "Teacher"},
		{"null beneath a filter", `{"op": "replace", "path": "emails[type eq \"work\"].value", "value": null}`, "emails.0.value", ""},
		{"null in an object", `{"op": "replace", "path": "name", "value": {"middleName": "M"}}, {"op": "replace", "path": "name", "value": {"middleName": null}}`, "name.middleName", ""},
		{"null in an object without a path", `{"op": "add", "path": "name.middleName", "value": "M"}, {"op": "replace", "value": {"name": {"middleName": null, "honorificPrefix": "Dr"}}}`, "name.middleName", ""},
		{"and the rest of it", `{"op": "replace", "value": {"name": {"middleName": null, "honorificPrefix": "Dr"}}}`, "name.honorificPrefix", "Dr"},
		{"null of an extension", `{"op": "replace", "value": {"` + scimserver.EmploymentURN + `": {"jobCode": null}}}`, scimserver.EmploymentURN + ".jobCode", ""},
		{"null manager", `{"op": "add", "path": "` + enterprise + `:manager", "value": "boss"}, {"op": "replace", "path": "` + enterprise + `:manager", "value": {"value": null}}`, enterprise + ".manager", ""},
		{"an empty list", `{"op": "replace", "path": "emails", "value": []}`, "emails", ""},
		{"a list of one manager", `{"op": "add", "path": "` + enterprise + `:manager", "value": [{"value": "boss"}]}`, enterprise + ".manager.value", "boss"},
		{"a list of one manager's text", `{"op": "replace", "path": "` + enterprise + `:manager", "value": ["boss"]}`, enterprise + ".manager.value", "boss"},
		{"a list of one in an object", `{"op": "replace", "value": {"` + enterprise + `": {"manager": [{"value": "boss"}]}, "title": ["Head"]}}`, enterprise + ".manager.value", "boss"},
		{"a list of one text", `{"op": "replace", "path": "title", "value": ["Head"]}`, "title", "Head"},
		{"a list of one truth", `{"op": "replace", "path": "active", "value": ["False"]}`, "active", "false"},
		{"one value where there may be many", `{"op": "replace", "path": "emails", "value": {"value": "a@x"}}`, "emails.0.value", "a@x"},
		{"Entra ID's roles", `{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}`, "roles.0.value", "Admin"},
		{"are marked with a truth", `{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}`, "roles.0.primary", "true"},
		{"and found again", `{"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "Admin"}, {"op": "Replace", "path": "roles[primary eq \"True\"].value", "value": "Clerk"}`, "roles", "[map[primary:true value:Clerk]]"},
		{"a name in capitals", `{"op": "replace", "path": "DISPLAYNAME", "value": "Å"}`, "displayName", "Å"},
		{"a name in capitals without a path", `{"op": "replace", "value": {"TITLE": "Head", "NAME": {"GIVENNAME": "Eva"}}}`, "name.givenName", "Eva"},
		{"a sub-attribute in capitals", `{"op": "replace", "path": "NAME.GIVENNAME", "value": "Eva"}`, "name.givenName", "Eva"},
		{"an element in capitals", `{"op": "add", "path": "PhoneNumbers", "value": [{"TYPE": "work", "VALUE": "070"}]}`, "phoneNumbers.0.value", "070"},
		{"a filter in capitals", `{"op": "replace", "path": "EMAILS[TYPE EQ \"Work\"].VALUE", "value": "a@x"}`, "emails.0.value", "a@x"},
		{"an element made by one", `{"op": "add", "path": "PHONENUMBERS[TYPE EQ \"mobile\"].VALUE", "value": "070"}`, "phoneNumbers.0.type", "mobile"},
		{"an extension removed", `{"op": "remove", "path": "` + ent + `"}`, enterprise, ""},
		{"an extension in capitals", `{"op": "replace", "path": "` + ent + `:DEPARTMENT", "value": "library"}`, enterprise + ".department", "library"},
		{"an extension in capitals in a value", `{"op": "replace", "value": {"` + ent + `": {"DEPARTMENT": "library"}}}`, enterprise + ".department", "library"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			id := s.push(asa)
			s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(c.operations))
			if got := at(s.must(http.StatusOK, "GET", "/Users/"+id, ""), c.path); got != c.want {
				t.Errorf("%s is %q, not %q", c.path, got, c.want)
			}
		})
	}
	s := newService(t)
	id := s.push(strings.NewReplacer(`"title": "Teacher"`, `"TITLE": ["Teacher"], "NickName": null`, `"type": "work", "value"`, `"TYPE": "work", "Value"`, `"department": "school"`, `"DEPARTMENT": "school", "manager": [{"value": "boss"}]`).Replace(asa))
	got := s.must(http.StatusOK, "GET", "/Users/"+id, "")
	if at(got, "title") != "Teacher" || at(got, "emails.0.value") != "asa.ek@example.org" || at(got, enterprise+".manager.value") != "boss" || at(got, enterprise+".department") != "school" {
		t.Errorf("a POST: %v", got)
	}
}

// TestReadOnlyIsMutability checks that a change of a read-only attribute is
// refused as mutability, with its name (RFC 7644 §3.5.2 and §3.12); an ending in
// the same request takes effect.
func TestReadOnlyIsMutability(t *testing.T) {
	s := newService(t)
	path := "/Users/" + s.push(asa)
	for _, c := range [][2]string{
		{`{"op": "replace", "path": "id", "value": "x"}`, "id"}, {`{"op": "remove", "path": "id"}`, "id"}, {`{"op": "replace", "path": "meta.created", "value": "x"}`, "meta"}, {`{"op": "add", "path": "groups", "value": [{"value": "x"}]}`, "groups"},
		{`{"op": "replace", "value": {"groups": [{"value": "x"}], "title": "Head"}}`, "groups"}, {`{"op": "remove", "path": "userName"}`, "userName"}, {`{"op": "replace", "path": "` + enterprise + `:manager.displayName", "value": "x"}`, "manager.displayName"},
	} {
		answer := s.must(http.StatusBadRequest, "PATCH", path, patch(c[0]))
		if detail := fmt.Sprint(answer["detail"]); answer["scimType"] != "mutability" || !strings.Contains(detail, c[1]+":") {
			t.Errorf("%s: %v", c[0], answer)
		}
	}
	s.must(http.StatusOK, "PATCH", path, patch(`{"op": "replace", "value": {"id": "x", "meta": {"version": "1"}, "title": "Head"}}`)) // as Okta sends it
	s.must(http.StatusOK, "PATCH", path, patch(`{"op": "add", "path": "groups", "value": [{"value": "x"}]}, `+deactivate))
	if got := s.people(today); strings.Contains(got, "[") {
		t.Error(got)
	}
}

// TestMethods checks HEAD (RFC 9110 §9.3.2), Allow in an answer 405 (§15.5.6),
// the methods of each endpoint (RFC 7644 §3.2), and that discovery supports
// reading only, without filters (§4).
func TestMethods(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	for _, path := range []string{"/Users", "/Users/" + id, "/ServiceProviderConfig", "/Schemas", "/Schemas/" + core, "/ResourceTypes", "/ResourceTypes/User"} {
		status, _, got := s.send("HEAD", path, "")
		_, _, want := s.send("GET", path, "")
		if status != http.StatusOK || got.Get("Content-Type") != want.Get("Content-Type") || got.Get("Etag") != want.Get("Etag") || got.Get("Content-Length") != want.Get("Content-Length") {
			t.Errorf("HEAD %s: %d %v, GET %v", path, status, got, want)
		}
	}
	s.must(http.StatusNotFound, "HEAD", "/Users/nobody", "")
	before := s.people(today)
	for path, allow := range map[string]string{
		"/Users": "GET, HEAD, POST", "/Users/" + id: "GET, HEAD, PUT, PATCH, DELETE", "/.search": "POST", "/Users/.search": "POST",
		"/ServiceProviderConfig": "GET, HEAD", "/Schemas": "GET, HEAD", "/Schemas/" + core: "GET, HEAD", "/ResourceTypes": "GET, HEAD", "/ResourceTypes/User": "GET, HEAD",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} {
			if slices.Contains(strings.Split(allow, ", "), method) {
				continue
			}
			status, answer, header := s.send(method, path, asa)
			if status != http.StatusMethodNotAllowed || header.Get("Allow") != allow || method != "HEAD" && (answer["status"] != "405" || strings.Contains(fmt.Sprint(answer["detail"]), id)) {
				t.Errorf("%s %s: %d %v %v", method, path, status, answer, header)
			}
		}
	}
	if got := s.people(today); got != before {
		t.Error(got)
	}
	for _, path := range []string{"/Schemas", "/ResourceTypes", "/ServiceProviderConfig"} {
		s.must(http.StatusForbidden, "GET", path+"?filter="+url.QueryEscape(`id eq "x"`), "")
	}
}

// TestSearchByPost checks searches whose query is not in the URL (RFC 7644
// §3.4.3).
func TestSearchByPost(t *testing.T) {
	s := newService(t)
	for n := 1; n <= 3; n++ {
		s.push(user(n))
		s.pass(time.Second)
	}
	search := func(more string) string {
		return `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"]` + more + `}`
	}
	for _, path := range []string{"/.search", "/Users/.search"} {
		list := s.must(http.StatusOK, "POST", path, search(`, "filter": "userName sw \"asa\" and not (externalId eq \"1002\")", "attributes": ["userName", "name.givenName"], "startIndex": 2, "count": 1`))
		if at(list, "totalResults") != "2" || at(list, "startIndex") != "2" || at(list, "itemsPerPage") != "1" || at(list, "Resources.0.userName") != "asa.ek3@example.org" || at(list, "Resources.0.title") != "" || at(list, "Resources.0.name") != "map[givenName:Åsa]" {
			t.Errorf("%v", list)
		}
		if list := s.must(http.StatusOK, "POST", path, search(`, "ExcludedAttributes": ["name"]`)); at(list, "totalResults") != "3" || at(list, "Resources.0.name") != "" || at(list, "Resources.0.title") != "Teacher" {
			t.Errorf("%v", list)
		}
		for body, kind := range map[string]string{`{}`: "invalidSyntax", "[": "invalidSyntax", search(`, "filter": "shoeSize eq \"43\""`): "invalidFilter", search(`, "sortBy": "userName"`): "invalidValue"} {
			if answer := s.must(http.StatusBadRequest, "POST", path, body); answer["scimType"] != kind {
				t.Errorf("%s: %v", body, answer)
			}
		}
		s.must(http.StatusBadRequest, "POST", path, search(`, "count": "many"`))
	}
}

// TestAttributesAreSelected checks attribute selection (RFC 7644 §3.9) in every
// answer with a resource; attributes with returned: always (RFC 7643 §7) remain.
func TestAttributesAreSelected(t *testing.T) {
	s := newService(t)
	id := s.push(asa)
	keys := func(method, path, body string) string {
		t.Helper()
		status, answer, _ := s.send(method, path, body)
		if status >= 300 {
			t.Fatalf("%s %s: %d %v", method, path, status, answer)
		}
		if list, is := answer["Resources"].([]any); is {
			answer, _ = list[0].(object)
		}
		delete(answer, "schemas")
		delete(answer, "id")
		raw, err := json.Marshal(answer)
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for query, want := range map[string]string{
		"attributes=userName":                                      `{"userName":"asa.ek@example.org"}`,
		"attributes=USERNAME,name.GIVENNAME":                       `{"name":{"givenName":"Åsa"},"userName":"asa.ek@example.org"}`,
		"attributes=" + core + ":title":                            `{"title":"Teacher"}`,
		"attributes=emails.value":                                  `{"emails":[{"value":"asa.ek@example.org"}]}`,
		"attributes=" + enterprise:                                 `{"` + enterprise + `":{"department":"school","employeeNumber":"1001"}}`,
		"attributes=" + enterprise + ":department":                 `{"` + enterprise + `":{"department":"school"}}`,
		"attributes=shoeSize":                                      `{}`,
		"attributes=meta.resourceType":                             `{"meta":{"resourceType":"User"}}`,
		"excludedAttributes=meta,emails,id,schemas,name.givenName": `{"active":true,"externalId":"1001","name":{"familyName":"Ek"},"title":"Teacher","` + scimserver.EmploymentURN + `":{"cost_centre":"10","jobCode":"1","nationalId":"19700101-0011","percent":"75","startDate":"2026-01-01"},"` + enterprise + `":{"department":"school","employeeNumber":"1001"},"userName":"asa.ek@example.org"}`,
		"excludedAttributes=meta,emails.primary,emails.value,emails.type,name,active,title,externalId," + scimserver.EmploymentURN + "," + enterprise + ":department": `{"` + enterprise + `":{"employeeNumber":"1001"},"userName":"asa.ek@example.org"}`,
	} {
		for _, path := range []string{"/Users", "/Users/" + id} {
			if got := keys("GET", path+"?"+query, ""); !sameJSON(got, want) {
				t.Errorf("%s?%s: %s, not %s", path, query, got, want)
			}
		}
	}
	if got := keys("PUT", "/Users/"+id+"?attributes=title", asa) + keys("PATCH", "/Users/"+id+"?attributes=title", patch(`{"op": "replace", "path": "title", "value": "Head"}`)) + keys("POST", "/Users?attributes=title", user(2)); got != `{"title":"Teacher"}{"title":"Head"}{"title":"Teacher"}` {
		t.Error(got)
	}
	// RFC 7643 §3: schemas lists those of the present attributes.
	for query, want := range map[string]string{"": core + " " + enterprise + " " + scimserver.EmploymentURN, "attributes=" + enterprise: core + " " + enterprise, "attributes=title": core} {
		list, _ := s.must(http.StatusOK, "GET", "/Users/"+id+"?"+query, "")["schemas"].([]any)
		if got := strings.Trim(fmt.Sprint(list), "[]"); got != want {
			t.Errorf("%s: schemas %s", query, got)
		}
	}
	status, _, header := s.send("POST", "/Users?attributes=title", user(3))
	if status != http.StatusCreated || !strings.HasPrefix(header.Get("Location"), s.url+"/Users/") {
		t.Errorf("%d %v", status, header)
	}
	s.must(http.StatusBadRequest, "GET", "/Users?attributes=title&excludedAttributes=name", "")
	if got := at(s.must(http.StatusOK, "GET", "/Users/"+id, ""), "name.givenName"); got != "Åsa" {
		t.Errorf("what was not shown is gone: %s", got)
	}
}

func sameJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && fmt.Sprint(x) == fmt.Sprint(y)
}

// TestItemsPerPage checks the number of resources in an answer (RFC 7644 §3.4.2).
func TestItemsPerPage(t *testing.T) {
	s := newService(t)
	for n := 1; n <= 3; n++ {
		s.push(user(n))
	}
	for query, want := range map[string]string{"": "3", "count=2": "2", "startIndex=3&count=2": "1", "startIndex=9": "0", "count=0": "0", "filter=userName+eq+%22x%22": "0"} {
		if list := s.must(http.StatusOK, "GET", "/Users?"+query, ""); at(list, "itemsPerPage") != want {
			t.Errorf("%s: %v", query, list)
		}
	}
	for _, path := range []string{"/Schemas", "/ResourceTypes"} {
		list := s.must(http.StatusOK, "GET", path, "")
		if resources, _ := list["Resources"].([]any); at(list, "itemsPerPage") != fmt.Sprint(len(resources)) || len(resources) == 0 {
			t.Errorf("%s: %v", path, list)
		}
	}
}

// TestVersions checks If-Match (RFC 7644 §3.14 and RFC 9110 §13.1): it applies to
// every change, may be a list, and compares weakly (§8.8.3.2); an unchanged
// resource is answered with 304.
func TestVersions(t *testing.T) {
	s := newService(t)
	path := "/Users/" + s.push(asa)
	head := patch(`{"op": "replace", "path": "title", "value": "Head"}`)
	s.must(http.StatusOK, "PATCH", path, head, "If-Match", `W/"9", W/"1"`)
	s.must(http.StatusOK, "PATCH", path, head, "If-Match", `"2"`)
	s.must(http.StatusOK, "PUT", path, asa, "If-Match", `*`)
	for _, match := range []string{`W/"1"`, `W/"1", W/"2"`, `"x"`} {
		s.must(http.StatusPreconditionFailed, "DELETE", path, "", "If-Match", match)
		s.must(http.StatusPreconditionFailed, "PUT", path, asa, "If-Match", match)
		s.must(http.StatusPreconditionFailed, "PATCH", path, head, "If-Match", match)
	}
	if got := s.people(today); !strings.Contains(got, "[1001 ") {
		t.Error(got)
	}
	for match, want := range map[string]int{`W/"4"`: http.StatusNotModified, `"1", "4"`: http.StatusNotModified, `W/"3"`: http.StatusOK} {
		if status, answer, header := s.send("GET", path, "", "If-None-Match", match); status != want || header.Get("Etag") != `W/"4"` || (status == http.StatusOK) != (answer != nil) {
			t.Errorf("%s: %d %v", match, status, answer)
		}
	}
	s.must(http.StatusNoContent, "DELETE", path, "", "If-Match", `W/"3", W/"4"`)
}

// TestDiscoveryIsAccurate checks etag (RFC 7643 §5), required (§7), and
// references, which are URIs and never empty (§2.3.7).
func TestDiscoveryIsAccurate(t *testing.T) {
	s := newService(t)
	config := s.must(http.StatusOK, "GET", "/ServiceProviderConfig", "")
	if at(config, "etag.supported") != "true" || at(config, "patch.supported") != "true" || at(config, "meta.location") != s.url+"/ServiceProviderConfig" {
		t.Errorf("%v", config)
	}
	required := map[string]bool{}
	collect := func(schema any) {
		list, _ := schema.(object)["attributes"].([]any)
		for _, a := range list {
			name := at(a, "name")
			required[name] = at(a, "required") == "true"
			subs, _ := a.(object)["subAttributes"].([]any)
			for _, sub := range subs {
				required[name+"."+at(sub, "name")] = at(sub, "required") == "true"
			}
		}
	}
	collect(s.must(http.StatusOK, "GET", "/Schemas/"+core, ""))
	for name, is := range required {
		if want := name == "userName" || name == "name" || name == "name.givenName" || name == "name.familyName"; is != want {
			t.Errorf("%s: required is %t", name, is)
		}
	}
	// A POST without a required attribute is refused, and one with only these is
	// not.
	s.must(http.StatusBadRequest, "POST", "/Users", `{"schemas": ["`+core+`"], "userName": "x"}`)
	s.must(http.StatusCreated, "POST", "/Users", `{"schemas": ["`+core+`"], "userName": "x", "name": {"givenName": "A", "familyName": "B"}}`)
	for _, path := range []string{"/ServiceProviderConfig", "/Schemas", "/Schemas/" + scimserver.EmploymentURN, "/ResourceTypes", "/ResourceTypes/User"} {
		raw, err := json.Marshal(s.must(http.StatusOK, "GET", path, ""))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(raw), `:""`) {
			t.Errorf("%s has something empty: %s", path, raw)
		}
	}
}
