package access

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// mostExtracted is how many items a list of an extract has at most.
const mostExtracted = 10_000

// extraction is an extract that is being made.
type extraction struct {
	*View  // names the people of the extract alone
	who    identity.PersonID
	people []identity.Person
	ids    []identity.PersonID
	keys   []identity.SourceKey // theirs
	sees   visibility           // of all of them
	others map[identity.SourceKey]identity.Person
	out    Extract
}

// MayExtract returns the person and those who were found to be the same, or an error when the
// viewer may not have an extract of them. Whoever merely has the same national identity number
// is another person here: it may be a typing error.
func (v *View) MayExtract(p identity.Person) ([]identity.PersonID, error) {
	ids, err := v.DB.MergedPeople(v.ctx, p.ID)
	if err != nil {
		return nil, err
	}
	_, err = v.Config.Rights.May(v.known, rights.Extract, rights.Object{About: ids})
	return ids, err
}

// Extract returns the register extract of a person: it was asked for as a role. The caller
// records who asked.
func (v *View) Extract(p identity.Person, as string) (Extract, error) {
	ids, err := v.MayExtract(p)
	if err != nil {
		return Extract{}, err
	}
	x, err := v.extraction(ids)
	if err != nil {
		return Extract{}, err
	}
	x.out.As = as
	for _, part := range []func() error{x.standing, x.identities, x.employments, x.events, x.accounts, x.access, x.decisions, x.reviews, x.signIns, x.steps, x.findings, x.records, x.retention} {
		if err := part(); err != nil {
			return Extract{}, fmt.Errorf("extract of person %s: %w", p.ID, err)
		}
	}
	return x.out, nil
}

// extraction begins an extract: with a view of the same viewer that names no one else.
func (v *View) extraction(ids []identity.PersonID) (*extraction, error) {
	own := *v
	own.only, own.most, own.people, own.sees, own.decisions = ids, full, map[identity.PersonID]identity.Person{}, map[identity.PersonID]visibility{}, map[int64]store.Decision{}
	own.owned, own.asked = maps.Clone(v.owned), maps.Clone(v.asked)
	x := &extraction{View: &own, ids: ids, sees: full, out: Extract{AskedAt: v.Now().UTC(), Cut: []string{}, Identities: []ExtractIdentity{}, Employments: []ExtractEmployment{}, Events: []ExtractEvent{}, Pushed: []ExtractPushed{},
		Accounts: []ExtractAccount{}, Access: []Access{}, Decisions: []Decision{}, Made: []ExtractMade{}, Imports: []ExtractImport{}, Reviews: []ReviewItem{}, Enrolments: []ExtractEnrolment{}, Sessions: []ExtractSession{}, Tokens: []ExtractToken{}, Owned: []ExtractOwned{},
		Held: []ExtractHeld{}, StepDecisions: []ExtractStepDecision{}, Steps: []FailingStep{}, Open: []ExtractOpen{}, Findings: []ExtractFinding{}, Records: []Record{}}}
	reader := wording.Reader{Language: v.viewer.Language, Place: wording.Page, Zone: v.Config.Zone, Person: x.called, Decision: own.decisionText}
	if reader.Language == "" {
		reader.Language = wording.English
	}
	var err error
	if own.words, err = wording.New(reader); err != nil {
		return nil, err
	}
	if x.people, err = own.DB.PeopleByID(own.ctx, ids); err != nil {
		return nil, err
	}
	if len(x.people) == 0 { // erased meanwhile
		return nil, fmt.Errorf("%w (%q)", store.ErrNoPerson, ids[0])
	}
	if slices.Contains(ids, own.viewer.Subject.Person) { // over several merges, too
		own.linked = ids
	}
	slices.SortFunc(x.people, func(a, b identity.Person) int { // first the one into whom the others were merged
		return cmp.Or(cmp.Compare(min(1, len(a.MergedInto)), min(1, len(b.MergedInto))), cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID)))
	})
	x.who = x.people[0].ID
	x.out.People = append([]identity.PersonID{x.who}, slices.DeleteFunc(slices.Clone(ids), func(id identity.PersonID) bool { return id == x.who })...)
	for _, q := range x.people {
		sees, err := own.visible(q)
		if err != nil {
			return nil, err
		}
		x.sees = min(x.sees, sees)
		for _, k := range q.Keys {
			x.keys = append(x.keys, k.SourceKey)
		}
	}
	if x.sees == hidden {
		return nil, own.Config.Rights.Refuse(rights.SeePerson)
	}
	own.most = x.sees // what is masked of one of the records is of all
	x.out.Masked, x.out.AskedBy = x.sees != full, own.ActorOf(own.viewer.Subject.Actor())
	return x, nil
}

// called returns how a person is called in the sentences of an extract.
func (x *extraction) called(id identity.PersonID) string {
	if slices.Contains(x.ids, id) {
		if r := x.Ref(id); r.DisplayName != "" {
			return r.DisplayName
		}
		return string(id)
	}
	return x.words.Text("extract.another", map[string]any{"id": string(id)})
}

// cut notes that a list may not be whole, once.
func (x *extraction) cut(list string, n int) {
	if n >= mostExtracted && !slices.Contains(x.out.Cut, list) {
		x.out.Cut = append(x.out.Cut, list)
	}
}

// standing is where the person stands, and what rules and decisions give.
func (x *extraction) standing() error {
	p, err := x.Grants(string(x.who), nil)
	x.out.Stage, x.out.LegalHold, x.out.Suspended, x.out.Grants = p.Stage, p.LegalHold, p.Suspended, p.Grants
	return err
}

func (x *extraction) identities() error {
	for _, p := range x.people {
		row, err := x.DB.PersonRowOf(x.ctx, p.ID)
		if err != nil {
			return err
		}
		i := ExtractIdentity{ID: p.ID, Protected: p.Protected, ProtectedByHand: row.ProtectedByHand, MainEmployment: p.MainEmployment, MergedInto: p.MergedInto, Records: []ExtractRecord{}}
		if x.sees == full {
			i.GivenName, i.FamilyName, i.NationalID, i.Email, i.Phone, i.Login, i.Position = p.GivenName, p.FamilyName, row.NationalID, p.Email, p.Phone, p.Login, row.Position
		}
		records, err := x.DB.SourceRecords(x.ctx, p.ID)
		if err != nil {
			return err
		}
		staff := map[identity.PersonID]bool{}
		for _, r := range records {
			shown := x.record(r.SourceKey, r.Facts)
			shown.Stamp, shown.Formerly = r.Stamp, r.Formerly
			i.Records = append(i.Records, shown)
			under, err := x.DB.PeopleUnder(x.ctx, r.Source, []string{r.Key})
			if err != nil {
				return err
			}
			for _, id := range under {
				staff[id] = true
			}
		}
		i.ManagerOf = len(staff)
		x.out.Identities = append(x.out.Identities, i)
	}
	return nil
}

// record returns what a record of a source says of the person.
func (x *extraction) record(key identity.SourceKey, f *identity.PersonFacts) ExtractRecord {
	r := ExtractRecord{Source: key.Source}
	if x.sees == full || shows(x.sees, key) {
		r.Key = key.Key
	}
	if f != nil {
		r.Protected = f.Protected
	}
	if f != nil && x.sees == full {
		r.GivenName, r.FamilyName, r.NationalID, r.Email, r.Phone = f.GivenName, f.FamilyName, f.NationalID, f.Email, f.Phone
	}
	return r
}
