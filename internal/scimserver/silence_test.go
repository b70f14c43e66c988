package scimserver_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/scimserver"
)

const deactivate = `{"op": "replace", "path": "active", "value": false}`

// without returns the user asa without one of its attributes.
func without(t *testing.T, parts ...string) string {
	t.Helper()
	body := asa
	for _, part := range parts {
		if !strings.Contains(body, part) {
			t.Fatalf("asa has no %s", part)
		}
		body = strings.Replace(body, part, "", 1)
	}
	return body
}

// TestOmittedActiveLeavesALeaverInactive checks that a PUT without active, a null
// and a PATCH that removes it do not give a leaver access.
func TestOmittedActiveLeavesALeaverInactive(t *testing.T) {
	null := strings.Replace(asa, `"active": true`, `"active": null`, 1)
	for name, c := range map[string]struct{ method, body string }{
		"PUT without active":              {"PUT", without(t, `"active": true,`)},
		"PUT of null":                     {"PUT", null},
		"PATCH remove":                    {"PATCH", patch(`{"op": "remove", "path": "active"}`)},
		"PATCH of null":                   {"PATCH", patch(`{"op": "replace", "path": "active", "value": null}`)},
		"PATCH of null, without a path":   {"PATCH", patch(`{"op": "replace", "value": {"active": null, "title": "Head"}}`)},
		"PATCH of something else":         {"PATCH", patch(`{"op": "replace", "path": "title", "value": "Head"}`)},
		"PUT without extensions, as well": {"PUT", `{"schemas": ["` + core + `"], "userName": "asa.ek@example.org", "name": {"givenName": "Åsa", "familyName": "Ek"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			path := "/Users/" + s.push(asa)
			s.must(http.StatusOK, "PATCH", path, patch(deactivate))
			s.pass(72 * time.Hour)
			left := s.people("2026-11-22")
			if got := s.must(http.StatusOK, c.method, path, c.body)["active"]; got != false {
				t.Errorf("active is %v", got)
			}
			if got := s.people("2026-11-26"); strings.Contains(got, "[") {
				t.Errorf("the leaver works again: %s", got)
			}
			if got := s.people("2026-11-22"); strings.Count(got, "[") != strings.Count(left, "[") {
				t.Errorf("the last day moved: %s, not %s", got, left)
			}
		})
	}
}

// TestOmittedActiveLeavesAnActiveUserActive checks that the same omissions end
// nothing, and that on a POST the default is active.
func TestOmittedActiveLeavesAnActiveUserActive(t *testing.T) {
	for name, body := range map[string]string{"absent": without(t, `"active": true,`), "null": strings.Replace(asa, `"active": true`, `"active": null`, 1)} {
		s := newService(t)
		path := "/Users/" + s.push(body)
		works := s.people(today)
		if !strings.Contains(works, "[1001") {
			t.Errorf("%s on a POST: %s", name, works)
		}
		s.must(http.StatusOK, "PUT", path, body)
		s.must(http.StatusOK, "PATCH", path, patch(`{"op": "remove", "path": "active"}`))
		if got := s.people(today); got != works {
			t.Errorf("%s: %s, not %s", name, got, works)
		}
	}
}

// TestPutWithoutAnExtensionKeepsIt checks that a client that does not support the
// extension changes neither the start date nor anything else in it.
func TestPutWithoutAnExtensionKeepsIt(t *testing.T) {
	own := `,
	"` + scimserver.EmploymentURN + `": {"startDate": "2026-01-01", "jobCode": "1", "percent": "75", "cost_centre": "10", "nationalId": "19700101-0011"}`
	const department = `,
	"` + enterprise + `": {"department": "school", "employeeNumber": "1001"}`
	s := newService(t)
	future := strings.Replace(asa, `"startDate": "2026-01-01"`, `"startDate": "2027-01-01", "protected": true, "employmentId": "E7"`, 1)
	path := "/Users/" + s.push(future)
	want := s.people("2027-01-01")
	if !strings.Contains(want, "[E7 school 1 Teacher 75 map[cost_centre:10] 2027-01-01]") || !strings.Contains(want, "protected") {
		t.Fatal(want)
	}
	for name, body := range map[string]string{
		"without ours":                            without(t, own),
		"without either":                          without(t, own, department),
		"with ours as null":                       strings.Replace(asa, own, `, "`+scimserver.EmploymentURN+`": null`, 1),
		"with ours, but not the start":            strings.Replace(asa, `"startDate": "2026-01-01", `, "", 1),
		"with the start as null, and unprotected": strings.Replace(asa, `"startDate": "2026-01-01"`, `"startDate": null, "protected": null`, 1),
	} {
		s.must(http.StatusOK, "PUT", path, body)
		if got := s.people("2027-01-01"); got != want {
			t.Errorf("%s: %s, not %s", name, got, want)
		}
		if got := s.people(today); strings.Contains(got, "[") {
			t.Errorf("%s: it runs already: %s", name, got)
		}
	}
	s.must(http.StatusOK, "PATCH", path, patch(`{"op": "remove", "path": "`+scimserver.EmploymentURN+`:startDate"}`))
	if got := s.people(today); strings.Contains(got, "[") {
		t.Errorf("the start removed: it runs already: %s", got)
	}
	// An extension that is sent replaces the earlier one.
	s.must(http.StatusOK, "PUT", path, strings.Replace(asa, `"startDate": "2026-01-01", "jobCode": "1"`, `"startDate": "2026-02-01", "protected": false`, 1))
	if got := s.people(today); !strings.Contains(got, "[E7 school  Teacher 75 map[cost_centre:10] 2026-02-01]") || strings.Contains(got, "protected") {
		t.Errorf("replaced: %s", got)
	}
}

// TestPushedTextIsCleaned checks that text that looks equal is equal, in keys,
// values and filters, and that a second push of it creates no second user.
func TestPushedTextIsCleaned(t *testing.T) {
	s := newService(t)
	s.push(asa)
	want := s.people(today)
	disguise := strings.NewReplacer("Åsa", "A\u030asa ", `"1001"`, `"1001\u200b"`, `"school"`, `"\ufeffschool\u00a0"`, `"Teacher"`, `"Teacher  "`, `"10"`, `"1\u00ad0"`, `asa.ek@example.org"`, `asa.ek@example.org\u200b"`)
	again := newService(t)
	id := again.push(disguise.Replace(asa))
	if got := again.people(today); got != want {
		t.Errorf("%s, not %s", got, want)
	}
	again.must(http.StatusConflict, "POST", "/Users", disguise.Replace(asa))
	again.must(http.StatusOK, "PUT", "/Users/"+id, asa)
	again.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "title", "value": "Head\u00a0 teacher\u200b"}`))
	if got := again.people(today); got != strings.Replace(want, "Teacher", "Head teacher", 1) {
		t.Errorf("patched: %s", got)
	}
	for _, filter := range []string{"userName eq \"asa.ek@example.org\u200b\"", "externalId eq \"1001\u00ad\"", "name.givenName eq \"A\u030asa\"", "title eq \"head\u2003teacher\""} {
		if got := again.names(filter, http.StatusOK); len(got) != 1 {
			t.Errorf("%q finds %v", filter, got)
		}
	}
}

const strange = "urn:example:params:scim:schemas:extension:custom:2.0:User"

// TestUnknownAttributesDoNotLoseADeactivation checks that attributes without a
// schema are ignored anywhere, and that the rest of the request takes effect.
func TestUnknownAttributesDoNotLoseADeactivation(t *testing.T) {
	for name, body := range map[string]string{
		"an unknown extension, before":            patch(`{"op": "add", "path": "` + strange + `:shoeSize", "value": "43"}, ` + deactivate),
		"an unknown extension, after":             patch(deactivate + `, {"op": "add", "path": "` + strange + `:shoeSize", "value": "43"}`),
		"an unknown extension, whole":             patch(`{"op": "replace", "path": "` + strange + `", "value": {"shoeSize": 43}}, ` + deactivate),
		"an unknown extension, in a value":        patch(`{"op": "replace", "value": {"active": false, "` + strange + `": {"shoeSize": 43}}}`),
		"an unknown extension, by path in one":    patch(`{"op": "replace", "value": {"active": false, "` + strange + `:shoeSize": 43}}`),
		"removed from an unknown extension":       patch(`{"op": "remove", "path": "` + strange + `:sizes[type eq \"shoe\"].value"}, ` + deactivate),
		"unknown in behov's own":                  patch(`{"op": "add", "path": "` + scimserver.EmploymentURN + `:shoeSize", "value": "43"}, ` + deactivate),
		"unknown in behov's own, in a value":      patch(`{"op": "replace", "value": {"active": false, "` + scimserver.EmploymentURN + `": {"shoeSize": 43, "jobCode": "2"}}}`),
		"unknown in the enterprise extension":     patch(`{"op": "add", "path": "` + enterprise + `:shoeSize", "value": "43"}, ` + deactivate),
		"the enterprise extension, whole":         patch(`{"op": "replace", "path": "` + enterprise + `", "value": {"shoeSize": 43, "department": "library"}}, ` + deactivate),
		"unknown below what is known":             patch(`{"op": "add", "path": "name.shoeSize", "value": "43"}, ` + deactivate),
		"unknown in the core schema":              patch(`{"op": "add", "path": "shoeSize", "value": "43"}, ` + deactivate),
		"unknown in the core schema, in a value":  patch(`{"op": "replace", "value": {"shoeSize": 43, "active": false}}`),
		"what behov says itself":                  patch(`{"op": "replace", "value": {"id": "x", "schemas": ["` + core + `"], "meta": {"version": "1"}, "active": "False"}}`),
		"null beside it":                          patch(`{"op": "replace", "value": {"title": null, "active": false}}`),
		"the core schema's URN in another case":   patch(`{"op": "replace", "path": "URN:ietf:params:scim:schemas:core:2.0:User:Active", "value": false}`),
		"a department that is a unit no more":     patch(`{"op": "replace", "path": "` + enterprise + `:department", "value": "closed"}, ` + deactivate),
		"PUT with an unknown extension":           strings.Replace(asa, `"active": true`, `"active": false, "`+strange+`": {"shoeSize": 43}`, 1),
		"PUT with unknown attributes":             strings.NewReplacer(`"active": true`, `"active": false, "shoeSize": 43`, `"jobCode": "1"`, `"shoeSize": 43`).Replace(asa),
		"PUT with an extension's URN in capitals": strings.NewReplacer(`"active": true`, `"active": false`, `"`+enterprise+`": {`, `"`+strings.ToUpper(enterprise)+`": {`).Replace(asa),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			path := "/Users/" + s.push(asa)
			method := "PATCH"
			if !strings.Contains(body, "PatchOp") {
				method = "PUT"
			}
			s.must(http.StatusOK, method, path, body)
			if got := s.people(today); strings.Contains(got, "[") {
				t.Errorf("the user still works: %s", got)
			}
			if got := s.people("2026-11-22"); !strings.Contains(got, "[1001 ") {
				t.Errorf("the day before: %s", got)
			}
		})
	}
}

// TestIgnoredAttributesAreLoggedByTheGivenLogger checks that these log lines have
// the format of behov serve's log.
func TestIgnoredAttributesAreLoggedByTheGivenLogger(t *testing.T) {
	s := newService(t)
	s.push(strings.Replace(asa, `"active": true`, `"active": true, "shoeSize": "43"`, 1))
	var line struct{ Level, Msg, Source, Attributes string }
	if err := json.Unmarshal([]byte(s.logged()), &line); err != nil || line.Level != "WARN" || line.Source != "idp" || line.Attributes != "shoeSize" {
		t.Errorf("%q: %+v, %v", s.logged(), line, err)
	}
}

// TestPatchOfUnknownAttributesOnlyChangesNothing checks that a request is
// accepted when all of it is ignored.
func TestPatchOfUnknownAttributesOnlyChangesNothing(t *testing.T) {
	s := newService(t)
	path, before := "/Users/"+s.push(asa), s.people(today)
	s.must(http.StatusOK, "PATCH", path, patch(`{"op": "add", "path": "`+strange+`:shoeSize", "value": "43"}`))
	s.must(http.StatusOK, "PATCH", path, patch(`{"op": "add", "value": {"`+strange+`": {"shoeSize": 43}}}`))
	if got := s.people(today); got != before {
		t.Errorf("%s, not %s", got, before)
	}
}

// TestRefusedDeactivationIsRecorded checks that a malformed request is refused as
// a whole (RFC 7644 §3.5.2), and that the lost deactivation is recorded and
// alerted.
func TestRefusedDeactivationIsRecorded(t *testing.T) {
	for name, c := range map[string]struct {
		method, body string
		told         bool
	}{
		"a malformed path":        {"PATCH", patch(`{"op": "add", "path": "shoe size", "value": "43"}, ` + deactivate), true},
		"a value that is none":    {"PATCH", patch(deactivate + `, {"op": "replace", "path": "name", "value": 7}`), true},
		"an unknown operation":    {"PATCH", patch(`{"op": "move", "path": "title", "value": "x"}, {"op": "Replace", "value": {"active": "False"}}`), true},
		"nothing to deactivate":   {"PATCH", patch(`{"op": "add", "path": "shoe size", "value": "43"}`), false},
		"a user who is not here":  {"PATCH", patch(deactivate), false},
		"malformed, and not here": {"PATCH", patch(`{"op": "add", "path": "shoe size", "value": "43"}, ` + deactivate), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			id := s.push(asa)
			if strings.Contains(name, "not here") {
				id = "nobody"
			}
			status, answer, _ := s.send(c.method, "/Users/"+id, c.body)
			if status < 400 || status >= 500 {
				t.Fatalf("%d %v", status, answer)
			}
			all, err := s.db.Imports(context.Background(), "idp", 1)
			if err != nil {
				t.Fatal(err)
			}
			if told := all[0].Status == "refused"; told != c.told {
				t.Errorf("the newest import is %+v", all[0])
			}
			if c.told && (!strings.Contains(all[0].Problems, id) || !strings.Contains(all[0].Problems, "deactivation-refused") || strings.Contains(all[0].Problems, "Ek")) {
				t.Errorf("it says %s", all[0].Problems)
			}
		})
	}
}

// TestBadValueDoesNotDelayADeactivation checks that the user is deactivated,
// valid values apply, and the others are unchanged, which the log and the import
// report.
func TestBadValueDoesNotDelayADeactivation(t *testing.T) {
	own := func(name, value string) string {
		return patch(`{"op": "replace", "path": "` + scimserver.EmploymentURN + `:` + name + `", "value": "` + value + `"}, {"op": "replace", "path": "title", "value": "Head"}, ` + deactivate)
	}
	for name, c := range map[string]struct{ body, ignored string }{
		"percent":           {own("percent", "150"), "percent"},
		"percent as number": {strings.Replace(own("percent", "150"), `"150"`, "150", 1), "percent"},
		"percent of words":  {own("percent", "half"), "percent"},
		"start date":        {own("startDate", "2026-02-30"), "startDate"},
		"leave":             {own("leaveEnd", "2026-02-01"), "leaveEnd"},
		"no userName":       {patch(`{"op": "replace", "value": {"userName": "\u200b", "title": "Head", "active": false}}`), "userName"},
		"NUL in userName":   {patch(`{"op": "replace", "value": {"userName": "a\u0000", "title": "Head", "active": false}}`), "userName"},
		"no name":           {patch(`{"op": "replace", "value": {"name": {"givenName": ""}, "title": "Head", "active": false}}`), "name"},
		"PUT, 30 February":  {strings.NewReplacer(`"active": true`, `"active": false`, "2026-01-01", "2026-02-30", "Teacher", "Head").Replace(asa), "startDate"},
		"PUT, a long text":  {strings.NewReplacer(`"active": true`, `"active": false`, `"jobCode": "1"`, `"jobCode": "`+strings.Repeat("1", 600)+`"`, "Teacher", "Head").Replace(asa), "jobCode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newService(t)
			id := s.push(asa)
			method := "PATCH"
			if !strings.Contains(c.body, "PatchOp") {
				method = "PUT"
			}
			got := s.must(http.StatusOK, method, "/Users/"+id, c.body)
			if got["active"] != false || got["title"] != "Head" || got["userName"] != "asa.ek@example.org" {
				t.Errorf("the user is %v", got)
			}
			if got := s.people(today); strings.Contains(got, "[") {
				t.Errorf("the user still works: %s", got)
			}
			if got := s.people("2026-11-22"); !strings.Contains(got, "[1001 school 1 Teacher 75 map[cost_centre:10] 2026-01-01]") && !strings.Contains(got, "[1001 school 1 Head 75 map[cost_centre:10] 2026-01-01]") {
				t.Errorf("the day before: %s", got)
			}
			all, err := s.db.Imports(context.Background(), "idp", 1)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(all[0].Problems, c.ignored) || !strings.Contains(all[0].Problems, "values-ignored") {
				t.Errorf("the import says %s", all[0].Problems)
			}
			if log := s.logged(); !strings.Contains(log, c.ignored) || !strings.Contains(log, id) || strings.Contains(log, "Ek") {
				t.Errorf("the log says %s", log)
			}
			s.must(http.StatusOK, "PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "active", "value": true}`)) // no invalid value was stored
		})
	}
}

// TestBadValueWithoutADeactivationIsRefused checks that no part of such a request
// applies.
func TestBadValueWithoutADeactivationIsRefused(t *testing.T) {
	s := newService(t)
	path := "/Users/" + s.push(asa)
	bad := `{"op": "replace", "path": "` + scimserver.EmploymentURN + `:percent", "value": "150"}`
	s.must(http.StatusBadRequest, "PATCH", path, patch(bad))
	s.must(http.StatusOK, "PATCH", path, patch(strings.Replace(bad, `"150"`, "50.5", 1))) // a number is valid
	if got := s.people(today); !strings.Contains(got, " 50.5 ") {
		t.Errorf("a percent that is a number: %s", got)
	}
	s.must(http.StatusOK, "PATCH", path, patch(deactivate))
	s.must(http.StatusBadRequest, "PATCH", path, patch(bad+`, {"op": "replace", "path": "active", "value": true}`))
}

// TestTakenUserNameDoesNotDelayADeactivation checks that a value of another user
// is ignored.
func TestTakenUserNameDoesNotDelayADeactivation(t *testing.T) {
	s := newService(t)
	path := "/Users/" + s.push(asa)
	s.push(user(2))
	got := s.must(http.StatusOK, "PATCH", path, patch(`{"op": "replace", "path": "userName", "value": "asa.ek2@example.org"}, `+deactivate))
	if got["active"] != false || got["userName"] != "asa.ek@example.org" {
		t.Errorf("the user is %v", got)
	}
}

// TestPostWithoutActiveAfterADeleteIsARehire checks the lifecycle of a client
// without active, which is DELETE and POST. A POST states that the user exists
// (RFC 7644 §3.3), and is no omission about a known user: otherwise every rehire
// by such a client would be inactive.
func TestPostWithoutActiveAfterADeleteIsARehire(t *testing.T) {
	s := newService(t)
	body := without(t, `"active": true,`, `"startDate": "2026-01-01", `)
	path := "/Users/" + s.push(body)
	s.must(http.StatusNoContent, "DELETE", path, "")
	s.pass(48 * time.Hour)
	s.push(body)
	if got := s.people("2026-11-25"); !strings.Contains(got, " 2026-11-25]") {
		t.Errorf("the rehire begins on the day of the POST: %s", got)
	}
	if got := s.people("2026-11-24"); strings.Contains(got, "[") {
		t.Errorf("and not before: %s", got)
	}
}

// TestBadDateOverSCIMNamesTheFormat checks that the error names the format, and
// no setting of a file.
func TestBadDateOverSCIMNamesTheFormat(t *testing.T) {
	s := newService(t)
	answer := s.must(http.StatusBadRequest, "POST", "/Users", strings.Replace(asa, "2026-01-01", "1 January", 1))
	if got := answer["detail"]; got != `column startDate: it is not a date in the format YYYY-MM-DD` {
		t.Errorf("%v", got)
	}
}
