package scimserver_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/store"
)

// fromHR imports a full export of the source hr.
func (s *service) fromHR(text string) {
	s.t.Helper()
	source := s.im.Config.Sources["hr"]
	export, err := hr.Read("hr.csv", []byte(text), source, nil, nil, s.im.Today())
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.im.Deliver(s.t.Context(), hr.Delivery{Source: source, Name: "hr.csv", Hash: hr.HashOf([]byte(text)), ExportTimeStated: true, Export: export}); err != nil {
		s.t.Fatal(err)
	}
}

// volatile matches what differs between any two answers.
var volatile = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`)

// TestAnswersDoNotRevealKnownPeople checks that a client cannot find out whether
// a national identity number belongs to a person of another source.
func TestAnswersDoNotRevealKnownPeople(t *testing.T) {
	const known, stranger = "19811218-9876", "19640823-3234"
	for _, joins := range [][]string{nil, {"hr"}} {
		for name, names := range map[string]string{"both names": `"givenName": "Eva", "familyName": "Holm"`, "one name": `"givenName": "Eva", "familyName": "Ek"`, "no name": `"givenName": "Bo", "familyName": "Dahl"`} {
			for _, email := range []string{"eva@x", "other@x"} {
				answers := func(number string) string {
					s := newService(t)
					s.im.Config.Sources["idp"] = pushed(s.im.Config.Sources["idp"], joins)
					s.url = s.second()
					s.fromHR("person_id,employment_id,given_name,family_name,email,national_id,start_date\n1,E1,Eva,Holm,eva@x," + known + ",2020-01-01\n")
					body := strings.NewReplacer(`"givenName": "Åsa", "familyName": "Ek"`, names, "19700101-0011", number, "asa.ek@example.org", email).Replace(asa)
					var all []string
					id := ""
					note := func(method, path, body string) {
						code, answer, header := s.send(method, path, body)
						if id == "" {
							id = fmt.Sprint(answer["id"])
						}
						header.Del("Date")
						all = append(all, fmt.Sprint(method, code, answer, header))
					}
					note("POST", "/Users", body)
					note("GET", "/Users/"+id, "")
					note("GET", "/Users", "")
					note("PUT", "/Users/"+id, body)
					note("PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "title", "value": "Head"}`))
					note("PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "active", "value": false}`))
					note("DELETE", "/Users/"+id, "")
					note("POST", "/Users", body)
					if !strings.HasPrefix(all[0], "POST"+fmt.Sprint(http.StatusCreated)) {
						t.Errorf("%s", all[0])
					}
					text := strings.NewReplacer(id, "ID", number, "NUMBER", s.url, "URL").Replace(strings.Join(all, "\n") + s.logged())
					return volatile.ReplaceAllString(text, "X")
				}
				if a, b := answers(known), answers(stranger); a != b {
					t.Errorf("joins %v, %s, %s: of a known number\n%s\nand of another\n%s", joins, name, email, a, b)
				}
			}
		}
	}
}

func pushed(s config.Source, joins []string) config.Source {
	s.Joins = joins
	return s
}

// TestErasedPersonIsPushedLikeAnyOther checks that the answer does not reveal
// that a person was erased, and that they get no access until a decision.
func TestErasedPersonIsPushedLikeAnyOther(t *testing.T) {
	answers := func(erased bool) (string, int) {
		s := newService(t)
		other := user(5)
		if erased {
			other = asa
		}
		first := s.push(other)
		for p, err := range s.db.People(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			if err := s.db.Write(t.Context(), func(tx *store.Tx) error { return tx.ErasePerson(t.Context(), p.ID, s.clock()) }); err != nil {
				t.Fatal(err)
			}
		}
		s.must(http.StatusNotFound, "GET", "/Users/"+first, "")
		var all []string
		note := func(method, path, body string) object {
			code, answer, header := s.send(method, path, body)
			header.Del("Date")
			all = append(all, fmt.Sprint(method, code, answer, header))
			return answer
		}
		id := fmt.Sprint(note("POST", "/Users", asa)["id"])
		note("GET", "/Users/"+id, "")
		note("PATCH", "/Users/"+id, patch(`{"op": "replace", "path": "title", "value": "Head"}`))
		note("PUT", "/Users/"+id, asa)
		held, err := s.db.HeldRecords(t.Context(), store.Everyone())
		if err != nil {
			t.Fatal(err)
		}
		return volatile.ReplaceAllString(strings.ReplaceAll(strings.Join(all, "\n"), s.url, "URL"), "X"), len(held)
	}
	a, held := answers(true)
	b, free := answers(false)
	if a != b || !strings.HasPrefix(a, "POST201") {
		t.Errorf("of an erased person\n%s\nand of another\n%s", a, b)
	}
	if held != 1 || free != 0 {
		t.Errorf("%d held, and %d of the other", held, free)
	}
}
