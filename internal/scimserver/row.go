package scimserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/scimtype"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// fields converts a user into a row of an HR export, which is then read and
// checked like that of any other source.
func (u *users) fields(r *http.Request, key string, d document) (map[string]string, error) {
	a := view(d.Attributes)
	enterprise, own, name := a.object(enterpriseURN), a.object(EmploymentURN), a.object("name")
	f := map[string]string{
		"person_id": key, "employment_id": employmentOf(key, d.Attributes),
		"given_name": name.text("givenName"), "family_name": name.text("familyName"),
		"email": a.primary("emails"), "phone": a.primary("phoneNumbers"), "national_id": own.text("nationalId"),
		"unit": enterprise.text("department"), "job_code": own.text("jobCode"), "job_title": a.text("title"), "employment_type": first(own.text("type"), a.text("userType")), "employment_percent": own.text("percent"),
		"start_date": first(own.text("startDate"), string(d.Pushed)), "end_date": own.text("endDate"), "leave_start": own.text("leaveStart"), "leave_end": own.text("leaveEnd"),
		"valid_from": own.text("validFrom"), "sponsor_id": own.text("sponsor"), "protected": yesNo(own["protected"]), "changed_at": u.nextStamp(),
	}
	// Some clients send only a display name, given name first.
	if words := strings.Fields(a.text("displayName")); f["given_name"] == "" && f["family_name"] == "" && len(words) > 1 {
		f["given_name"], f["family_name"] = strings.Join(words[:len(words)-1], " "), words[len(words)-1]
	}
	if boss := enterprise.object("manager").text("value"); boss != "" {
		f["manager_id"] = boss
		if kept, err := u.im.DB.Resource(r.Context(), u.source.Name, boss); err == nil {
			f["manager_id"] = kept.Key
		} else if !errors.Is(err, store.ErrNoResource) {
			return nil, internalError(err)
		}
	}
	for _, column := range u.im.Config.Attributes {
		f[column] = own.text(column)
	}
	if d.Ended == "" {
		return f, nil
	}
	// Not active: the employment ended on the day before, or at its end date.
	if f["start_date"] > string(d.Ended) {
		f["removed"], f["valid_from"] = "yes", string(u.im.Today()) // it never began
	} else if f["end_date"] == "" || f["end_date"] > string(d.Ended) {
		f["end_date"] = string(d.Ended)
	}
	return f, nil
}

// scimNames maps columns to SCIM attributes, for error messages.
func scimNames(taken []string) map[string]string {
	names := map[string]string{"person_id": "externalId", "employment_id": "employmentId", "given_name": "givenName", "family_name": "familyName", "email": "emails", "phone": "phoneNumbers",
		"national_id": "nationalId", "unit": "department", "job_code": "jobCode", "job_title": "title", "employment_type": "userType", "employment_percent": "percent", "manager_id": "manager",
		"start_date": "startDate", "end_date": "endDate", "leave_start": "leaveStart", "leave_end": "leaveEnd", "valid_from": "validFrom", "sponsor_id": "sponsor"}
	for column, name := range names {
		if slices.Contains(taken, name) {
			delete(names, column)
		}
	}
	return names
}

// nextStamp returns a stamp later than every earlier one, to the microsecond,
// which is the database's precision. The caller holds the lock of the source.
func (u *users) nextStamp() string {
	now := u.im.Now().UTC().Truncate(time.Microsecond)
	if !now.After(u.lastStamp) {
		now = u.lastStamp.Add(time.Microsecond)
	}
	u.lastStamp = now
	return now.Format(time.RFC3339Nano)
}

// errRefused rolls back a delivery of which something is invalid.
var errRefused = errors.New("refused")

// export reads the fields like a row of any other source.
func (u *users) export(fields map[string]string) (*hr.Export, hr.Delivery, error) {
	row := map[string]string{}
	for _, name := range u.names {
		row[name] = ""
	}
	for column, v := range fields {
		row[first(u.names[column], column)] = v
	}
	content, err := json.Marshal(row)
	if err != nil {
		return nil, hr.Delivery{}, internalError(err)
	}
	s := config.Source{Name: u.source.Name, SCIM: true, Changes: true, Format: "jsonl", Dates: identity.DateReader{}.In(u.im.Config.Zone), Columns: u.names, Contracts: u.source.Contracts, Constants: u.source.Constants, Joins: u.source.Joins}
	units := u.im.Config.Rules.Units
	if fields["removed"] == "yes" || fields["end_date"] != "" && fields["end_date"] < string(u.im.Today()) {
		units = &identity.Units{} // an ending must not depend on a unit that no longer exists
	}
	export, err := hr.Read("scim", content, s, u.im.Config.Attributes, units, u.im.Today())
	if err != nil {
		return nil, hr.Delivery{}, invalid(err.Error())
	}
	return export, hr.Delivery{Source: s, Name: "SCIM", Hash: hr.HashOf(content), ExportedAt: u.im.Now(), ExportTimeStated: true, Export: export}, nil
}

// deliver imports one employment, and runs with in the same transaction. A
// problem is the client's error, and nothing is stored. The import records the
// warnings.
func (u *users) deliver(r *http.Request, fields map[string]string, warnings []diagnostic.Problem, with func(*store.Tx, identity.PersonID) error) error {
	export, delivery, err := u.export(fields)
	if err != nil {
		return err
	}
	export.Problems = append(export.Problems, warnings...)
	delivery.AlsoCommit = func(tx *store.Tx) error {
		if problemText(export) != "" {
			return errRefused
		}
		key := fields["person_id"]
		if len(export.Rows) > 0 {
			key = export.Rows[0].PersonKey // as stored
		}
		p, known, err := tx.PersonByKey(r.Context(), identity.SourceKey{Source: u.source.Name, Key: key})
		if err != nil {
			return err
		}
		if !known {
			return errRefused
		}
		return with(tx, p.ID)
	}
	switch _, err := u.im.Deliver(r.Context(), delivery); {
	case errors.Is(err, store.ErrKeyTaken):
		return uniquenessError("externalId")
	case errors.Is(err, store.ErrUserNameTaken):
		return uniquenessError("userName")
	case errors.Is(err, errRefused):
		return invalid(first(problemText(export), "the user could not be taken"))
	case err != nil:
		return internalError(err)
	}
	return nil
}

// words words problems for clients, which are programs: in English.
var words = sync.OnceValue(func() *wording.Printer {
	p, err := wording.New(wording.Reader{Language: wording.English})
	if err != nil { // the sentences are built in: package wording's tests read them
		panic(err)
	}
	return p
})

// problemText returns the text of an export's problems, without warnings.
func problemText(export *hr.Export) string {
	var all []string
	for _, p := range export.Problems {
		if !p.Warning {
			all = append(all, words().Reason(p.Reason))
		}
	}
	return strings.Join(all, "; ")
}

// keyOf returns the source's key for a new user: a number, or otherwise the ID
// that behov assigned. A key is shown where names are masked, so an e-mail
// address is never used, and neither is userName.
func keyOf(id string, attributes map[string]any) string {
	a := view(attributes)
	for _, key := range []string{a.text("externalId"), a.object(enterpriseURN).text("employeeNumber")} {
		if key != "" && !strings.Contains(key, "@") {
			return key
		}
	}
	return id
}

func employmentOf(key string, attributes map[string]any) string {
	return first(view(attributes).object(EmploymentURN).text("employmentId"), key)
}

// view reads attributes, and returns zero values for missing ones.
type view map[string]any

func (v view) text(name string) string {
	switch t := v[name].(type) {
	case string:
		return strings.TrimSpace(t)
	case nil, map[string]any, []any:
		return ""
	default:
		return fmt.Sprint(t)
	}
}

func (v view) object(name string) view {
	o, _ := v[name].(map[string]any)
	return o
}

// primary returns the primary value, or the first.
func (v view) primary(name string) string {
	found := ""
	for _, x := range scimtype.ListOf(v[name]) {
		element, _ := x.(map[string]any)
		text := view(element).text("value")
		if is, _ := element["primary"].(bool); is && text != "" {
			return text
		}
		found = first(found, text)
	}
	return found
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func yesNo(v any) string {
	if is, _ := v.(bool); is {
		return "yes"
	}
	return "no"
}
