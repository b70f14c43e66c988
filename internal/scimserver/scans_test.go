package scimserver_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// execute executes a statement on the database of the service.
func (s *service) execute(statement string, args ...any) {
	s.t.Helper()
	driver, dsn := "pgx", s.database
	if file, is := strings.CutPrefix(s.database, "sqlite:"); is {
		driver, dsn = "sqlite", file
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(context.Background(), statement, args...); err != nil {
		s.t.Fatal(err)
	}
}

// TestFilteredPagesReadUsersOnce checks that all pages of a filter without an
// index come from one read of the users, and that a change of any user is seen on
// the next page.
func TestFilteredPagesReadUsersOnce(t *testing.T) {
	s := newService(t)
	var ids []string
	for n := range 4 {
		ids = append(ids, s.push(user(n)))
		s.pass(time.Minute)
	}
	page := func(start int, filter string) (status int, total, id string) {
		status, list, _ := s.send("GET", fmt.Sprintf("/Users?count=1&startIndex=%d&filter=%s", start, url.QueryEscape(filter)), "")
		return status, at(list, "totalResults"), at(list, "Resources.0.id")
	}
	expect := func(start int, total, id string) {
		t.Helper()
		if status, gotTotal, got := page(start, "active eq true"); status != http.StatusOK || gotTotal != total || got != id {
			t.Errorf("page %d: %d, %s users, %q; not %s, %q", start, status, gotTotal, got, total, id)
		}
	}
	expect(1, "4", ids[0])
	// Another read of all users would fail now.
	s.execute(`UPDATE scim_resource SET sealed = $1 WHERE id = $2`, []byte("x"), ids[0])
	expect(2, "4", ids[1])
	expect(4, "4", ids[3])
	expect(5, "4", "")
	if status, _, _ := page(1, "active eq false"); status != http.StatusInternalServerError {
		t.Errorf("another filter: %d", status)
	}
	s.execute(`DELETE FROM scim_resource WHERE id = $1`, ids[0])
	expect(1, "3", ids[1])
	s.must(http.StatusOK, "PATCH", "/Users/"+ids[2], patch(deactivate))
	expect(2, "2", ids[3])
	s.must(http.StatusNoContent, "DELETE", "/Users/"+ids[3], "")
	expect(1, "1", ids[1])
	expect(2, "1", "")
	again := s.push(user(5))
	expect(2, "2", again)
	for n := range 10 { // the results of a few filters are kept
		if status, total, _ := page(1, fmt.Sprintf("userName co %q", fmt.Sprint(n))); status != http.StatusOK || (total == "1") != slices.Contains([]int{1, 5}, n) && n != 2 {
			t.Errorf("userName co %d: %d %s", n, status, total)
		}
	}
	expect(1, "2", ids[1])
}

// TestGroupsAreNotServed checks that a client that pushes groups is told so, in
// the form of RFC 7644 §3.12, and that discovery does not list groups.
func TestGroupsAreNotServed(t *testing.T) {
	s := newService(t)
	for _, path := range []string{"/Groups", "/Groups/1", "/groups", "/Groups/.search", `/Groups?filter=displayName+eq+"x"`} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE"} {
			answer := s.must(http.StatusNotFound, method, strings.ReplaceAll(path, `"`, "%22"), "")
			if at(answer, "schemas.0") != "urn:ietf:params:scim:api:messages:2.0:Error" || answer["status"] != "404" || !strings.Contains(fmt.Sprint(answer["detail"]), "Groups are not served") {
				t.Errorf("%s %s: %v", method, path, answer)
			}
		}
	}
	if types := s.must(http.StatusOK, "GET", "/ResourceTypes", ""); at(types, "totalResults") != "1" || at(types, "Resources.0.id") != "User" {
		t.Errorf("%v", types)
	}
	if answer := s.must(http.StatusNotFound, "GET", "/Elsewhere", ""); strings.Contains(fmt.Sprint(answer["detail"]), "Groups") {
		t.Errorf("%v", answer)
	}
}

// TestMisplacedPathNamesTheRightOne checks that the answer to a PATCH of an
// attribute of an extension, without the extension's URN, has the right path, and
// that the log has it where the attribute is ignored.
func TestMisplacedPathNamesTheRightOne(t *testing.T) {
	s := newService(t)
	path := "/Users/" + s.push(asa)
	for body, want := range map[string]string{
		`{"op": "replace", "path": "department", "value": "library"}`: "department (use " + enterprise + ":department)",
		`{"op": "replace", "path": "Manager.value", "value": "7"}`:    "Manager (use " + enterprise + ":manager)",
		`{"op": "remove", "path": "` + core + `:employeeNumber"}`:     "employeeNumber (use " + enterprise + ":employeeNumber)",
		`{"op": "replace", "path": "shoeSize", "value": "43"}`:        "there is no attribute shoeSize;",
		`{"op": "replace", "path": "name.shoeSize", "value": "43"}`:   "there is no attribute name.shoeSize;",
		`{"op": "remove", "path": "shoes[type eq \"x1y2\"].size"}`:    "there is no attribute shoes.size;",
	} {
		answer := s.must(http.StatusBadRequest, "PATCH", path, patch(body))
		if detail := fmt.Sprint(answer["detail"]); answer["scimType"] != "invalidPath" || !strings.Contains(detail, want) || strings.Contains(detail, "x1y2") {
			t.Errorf("%s: %v", body, answer)
		}
	}
	want := "department (use " + enterprise + ":department)"
	for method, body := range map[string]string{
		"PATCH": patch(`{"op": "replace", "path": "department", "value": "library"}, {"op": "replace", "path": "title", "value": "Head"}`),
		"PUT":   strings.Replace(asa, `"title"`, `"department": "library", "title"`, 1),
	} {
		before := len(s.logged())
		s.must(http.StatusOK, method, path, body)
		if line := s.logged()[before:]; !strings.Contains(line, want) {
			t.Errorf("%s: %s", method, line)
		}
	}
}

// BenchmarkFilteredPages reads all pages of a filter without an index.
func BenchmarkFilteredPages(b *testing.B) {
	s := newService(b)
	people := testenv.BenchSize(10_000)
	ctx := context.Background()
	err := s.db.Write(ctx, func(tx *store.Tx) error {
		for n := range people {
			name := fmt.Sprintf("user%d@example.org", n)
			body := fmt.Sprintf(`{"attributes": {"userName": %q, "externalId": "%d", "active": true, "name": {"givenName": "A", "familyName": "B"}, "title": "Teacher"}}`, name, n)
			r := store.SCIMResource{Source: "idp", ID: fmt.Sprintf("00000000-0000-0000-0000-%012d", n), Key: fmt.Sprint(n), Person: identity.PersonID(fmt.Sprintf("p%d", n)), Body: []byte(body), Version: 1, Made: s.clock(), Changed: s.clock()}
			if err := tx.PutResource(ctx, r, name, fmt.Sprint(n)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		read := 0
		for start := 1; ; start += 100 {
			began := time.Now()
			list := s.must(http.StatusOK, "GET", fmt.Sprintf("/Users?count=100&startIndex=%d&filter=active+eq+true", start), "")
			if start == 1 {
				b.ReportMetric(float64(time.Since(began).Milliseconds()), "ms/first-page")
			}
			page, _ := list["Resources"].([]any)
			if read += len(page); len(page) == 0 {
				break
			}
		}
		if read != people {
			b.Fatalf("%d users", read)
		}
	}
}
