package access

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// Extract is the register extract of a person (GDPR Article 15): everything that is stored
// about them. It names no one else: other people have an opaque ID. What is sealed is opened,
// unless the identity is protected and the viewer is not cleared to see it.
type Extract struct {
	// People are the person, and those who were found to be the same person: theirs is all
	// that follows.
	People  []identity.PersonID `json:"people"`
	AskedAt time.Time           `json:"asked_at"`
	AskedBy Actor               `json:"asked_by"`
	As      string              `json:"as"`     // the role by which it was asked for
	Masked  bool                `json:"masked"` // the identity is protected: what tells who it is is left out
	Stage   Stage               `json:"stage"`
	// LegalHold is the decision that keeps what would be deleted.
	LegalHold   Reason              `json:"legal_hold,omitzero"`
	Suspended   Reason              `json:"suspended,omitzero"`
	Identities  []ExtractIdentity   `json:"identities"`
	Employments []ExtractEmployment `json:"employments"`
	Events      []ExtractEvent      `json:"hr_events"` // the newest first
	Pushed      []ExtractPushed     `json:"pushed"`    // over SCIM
	Accounts    []ExtractAccount    `json:"accounts"`
	Grants      []Grant             `json:"grants"` // what the person has or gets today, and why
	Access      []Access            `json:"access"` // ever
	Decisions   []Decision          `json:"decisions"`
	// Made are the decisions that the person made, the newest first.
	Made          []ExtractMade         `json:"decisions_made"`
	Imports       []ExtractImport       `json:"imports"` // of files that the person chose
	Reviews       []ReviewItem          `json:"review_items"`
	Sessions      []ExtractSession      `json:"sessions"`
	Tokens        []ExtractToken        `json:"tokens"`
	Held          []ExtractHeld         `json:"held"`
	StepDecisions []ExtractStepDecision `json:"step_decisions"`
	Steps         []FailingStep         `json:"failing_steps"`
	Open          []ExtractOpen         `json:"open_steps"`
	Findings      []ExtractFinding      `json:"findings"`
	Records       []Record              `json:"audit_records"` // in the trail's order
	Retention     []ExtractRetention    `json:"retention"`
	// Cut names the lists of which only the newest, of the audit trail the first, are here.
	Cut []string `json:"cut"`
}

// ExtractIdentity is who a person is.
type ExtractIdentity struct {
	ID         identity.PersonID `json:"id"`
	GivenName  string            `json:"given_name,omitempty"`
	FamilyName string            `json:"family_name,omitempty"`
	NationalID string            `json:"national_id,omitempty"`
	Email      string            `json:"email,omitempty"`
	Phone      string            `json:"phone,omitempty"`
	Login      string            `json:"login,omitempty"`
	Protected  bool              `json:"protected"`
	// ProtectedByHand: a decision protects the identity, whatever HR says.
	ProtectedByHand bool                  `json:"protected_by_hand"`
	MainEmployment  identity.EmploymentID `json:"main_employment,omitempty"` // by a decision
	MergedInto      identity.PersonID     `json:"merged_into,omitempty"`     // whose record this was found to be
	Position        string                `json:"position,omitempty"`        // where the last run saw the person work
	ManagerOf       int                   `json:"manager_of"`                // how many people's employments name the person as manager
	Records         []ExtractRecord       `json:"records"`
}

// ExtractRecord is what a record of an HR source says of a person.
type ExtractRecord struct {
	Source     string            `json:"source"`
	Key        string            `json:"key,omitempty"`
	GivenName  string            `json:"given_name,omitempty"`
	FamilyName string            `json:"family_name,omitempty"`
	NationalID string            `json:"national_id,omitempty"`
	Email      string            `json:"email,omitempty"`
	Phone      string            `json:"phone,omitempty"`
	Protected  bool              `json:"protected"`
	Stamp      string            `json:"stamp,omitempty"`    // the order of what the source said
	Formerly   identity.PersonID `json:"formerly,omitempty"` // whose record it was before a decision
}

// ExtractEmployment is an employment with its terms over time.
type ExtractEmployment struct {
	ID        identity.EmploymentID `json:"id,omitempty"`
	Source    string                `json:"source,omitempty"`
	Key       string                `json:"key,omitempty"`
	Start     identity.Date         `json:"start"`
	End       identity.Date         `json:"end,omitempty"`        // the last day, as the source says
	Stated    identity.Date         `json:"end_stated,omitempty"` // the day on which the end was stated
	Withdrawn identity.Date         `json:"withdrawn,omitempty"`  // the day from which the source does not list it
	Sponsor   identity.PersonID     `json:"sponsor,omitempty"`    // of a contract
	Terms     []ExtractTerms        `json:"terms"`
	Leaves    []SpellOfLeave        `json:"leaves"`
	Report    *ExtractReport        `json:"report,omitempty"` // what the source does not say, yet
}

// ExtractTerms are the terms of an employment from a day on. A masked person's have no unit,
// no manager and no columns of the organisation's own.
type ExtractTerms struct {
	Terms
	JobCode    string            `json:"job_code,omitempty"`
	Type       string            `json:"type,omitempty"`
	Main       bool              `json:"main"`              // HR's own mark
	Manager    identity.PersonID `json:"manager,omitempty"` // who is known by what the source calls the manager
	Attributes map[string]string `json:"attributes,omitempty"`
}

// ExtractReport is what people reported of an employment before its source said it.
type ExtractReport struct {
	Ends     identity.Date `json:"ends,omitempty"` // the last day; empty for a hire
	On       identity.Date `json:"on"`
	Decision int64         `json:"decision"`
}

// ExtractEvent is an HR event about a person.
type ExtractEvent struct {
	Seq       int64         `json:"seq"`
	Source    string        `json:"source"`
	Kind      identity.Kind `json:"kind"`
	Effective identity.Date `json:"effective"`
	Recorded  time.Time     `json:"recorded"`
	// Withheld: what it said is left out, because it cannot be opened, the identity is masked,
	// or the record that it is about is another person's.
	Withheld   bool               `json:"withheld"`
	Record     *ExtractRecord     `json:"record,omitempty"`
	Employment *ExtractEmployment `json:"employment,omitempty"`
	Login      string             `json:"login,omitempty"`
}

// ExtractPushed is what was pushed of a person over SCIM, without the manager.
type ExtractPushed struct {
	Source  string          `json:"source"`
	ID      string          `json:"id"`
	Made    time.Time       `json:"made"`
	Changed time.Time       `json:"changed"`
	Body    json.RawMessage `json:"body,omitempty"` // left out when the identity is masked
}

// ExtractAccount is an account of a person in a target.
type ExtractAccount struct {
	Account
	Created  *time.Time `json:"created,omitempty"`  // by behov
	Disabled *time.Time `json:"disabled,omitempty"` // by behov
	Found    *time.Time `json:"found_disabled,omitempty"`
	Missing  *time.Time `json:"missing,omitempty"` // since when it is not in the target
}

// ExtractMade is a decision that the person made.
type ExtractMade struct {
	Seq     int64              `json:"seq"`
	Kind    store.DecisionKind `json:"kind"`
	Verdict store.Verdict      `json:"verdict"`
	Decided Reason             `json:"decided"`
	At      time.Time          `json:"at"`
	About   identity.PersonID  `json:"about,omitempty"`
}

// ExtractImport is an import of a file that the person chose.
type ExtractImport struct {
	ID     string    `json:"id"`
	Source string    `json:"source"`
	At     time.Time `json:"at"`
}

// ExtractSession is a sign-in of the person in a browser.
type ExtractSession struct {
	ID      string    `json:"id"`
	Began   time.Time `json:"began"`
	Used    time.Time `json:"used"`
	Expires time.Time `json:"expires"`
}

// ExtractToken is a token as which a program calls the API as the person.
type ExtractToken struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Scopes  string     `json:"scopes,omitempty"`
	Systems string     `json:"systems,omitempty"`
	Groups  []string   `json:"groups"` // of the identity provider, when it stands for a sign-in
	Made    time.Time  `json:"made"`
	Used    *time.Time `json:"used,omitempty"`
	Expires *time.Time `json:"expires,omitempty"`
	Revoked *time.Time `json:"revoked,omitempty"`
}

// ExtractHeld is a step about the person that waits for a decision, or with no step that the
// person is proposed to be erased.
type ExtractHeld struct {
	Hold audit.HoldDigest `json:"hold"`
	Kind store.HoldKind   `json:"kind"`
	Why  Reason           `json:"why,omitzero"`
	Step *Step            `json:"step,omitempty"`
}

// ExtractStepDecision is a decision on a held step about the person that is not done.
type ExtractStepDecision struct {
	Step     audit.StepDigest `json:"step"`
	Target   string           `json:"target"`
	Verdict  store.Verdict    `json:"verdict"`
	Decision int64            `json:"decision"`
}

// ExtractOpen is a step about the person whose outcome is not recorded.
type ExtractOpen struct {
	Intended time.Time `json:"intended"`
	Detail   Reason    `json:"detail,omitzero"`
	Step     Step      `json:"step"`
}

// ExtractFinding is what a run found of the person's access, or whose the record may be.
type ExtractFinding struct {
	Kind        store.FindingKind `json:"kind"`
	Target      string            `json:"target,omitempty"`
	Entitlement string            `json:"entitlement,omitempty"`
	Other       identity.PersonID `json:"other,omitempty"`
	Detail      string            `json:"detail,omitempty"`
	At          *time.Time        `json:"at,omitempty"`
}

// Retained is something that is kept for a time.
type Retained string

// What is kept for a time.
const (
	RetainedMemberships Retained = "memberships"
	RetainedAccounts    Retained = "accounts"
	RetainedIdentity    Retained = "identity"
	RetainedFiles       Retained = "hr-files"
	RetainedHolds       Retained = "holds"
	RetainedTrail       Retained = "audit-trail"
	RetainedNames       Retained = "names"
)

// ExtractRetention is for how long something is kept, as is configured.
type ExtractRetention struct {
	What Retained `json:"what"`
	Days int      `json:"days,omitempty"` // left out when no time is set
	Text string   `json:"text"`
}

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
// viewer may not have an extract of them.
func (v *View) MayExtract(p identity.Person) ([]identity.PersonID, error) {
	ids, err := v.DB.MergedPeople(v.ctx, p.ID)
	if err != nil {
		return nil, err
	}
	o := rights.Object{About: slices.Clone(ids)}
	if slices.ContainsFunc(ids, func(id identity.PersonID) bool { return slices.Contains(v.linked, id) }) {
		o.About = append(o.About, v.viewer.Subject.Person)
	}
	_, err = v.Config.Rights.May(v.known, rights.Extract, o)
	return ids, err
}

// Extract returns the register extract of a person: it was asked for as a role. The caller
// records who asked.
func (v *View) Extract(p identity.Person, as string) (Extract, error) {
	ids, err := v.MayExtract(p)
	if err != nil {
		return Extract{}, err
	}
	x, err := v.extraction(p, ids)
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
func (v *View) extraction(p identity.Person, ids []identity.PersonID) (*extraction, error) {
	own := *v
	own.only, own.most, own.people, own.sees, own.decisions = ids, full, map[identity.PersonID]identity.Person{}, map[identity.PersonID]visibility{}, map[int64]store.Decision{}
	own.owned, own.asked = maps.Clone(v.owned), maps.Clone(v.asked)
	x := &extraction{View: &own, who: p.ID, ids: ids, sees: full, out: Extract{People: ids, AskedAt: v.Now().UTC(), Cut: []string{}, Identities: []ExtractIdentity{}, Employments: []ExtractEmployment{}, Events: []ExtractEvent{}, Pushed: []ExtractPushed{},
		Accounts: []ExtractAccount{}, Access: []Access{}, Decisions: []Decision{}, Made: []ExtractMade{}, Imports: []ExtractImport{}, Reviews: []ReviewItem{}, Sessions: []ExtractSession{}, Tokens: []ExtractToken{},
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
	slices.SortFunc(x.people, func(a, b identity.Person) int { // the one that is asked about first
		return cmp.Compare(slices.Index(ids, a.ID), slices.Index(ids, b.ID))
	})
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

// employments are those of now, and the managers and sponsors whom they, and events, name.
func (x *extraction) employments() error {
	var keys []identity.SourceKey
	for _, p := range x.people {
		for _, e := range p.Employments {
			keys = append(keys, x.named(e.Key.Source, e.EmploymentFacts)...)
		}
	}
	if err := x.know(keys); err != nil {
		return err
	}
	for _, p := range x.people {
		for _, e := range p.Employments {
			shown := x.employmentOf(e.ID, e.Key, e.EmploymentFacts)
			shown.Withdrawn, shown.Report = e.Withdrawn, reportOf(e.Report)
			x.out.Employments = append(x.out.Employments, shown)
		}
	}
	return nil
}

// named returns whom an employment names as manager or sponsor, by what the source calls them.
func (x *extraction) named(source string, f identity.EmploymentFacts) (keys []identity.SourceKey) {
	for _, t := range f.Terms {
		if key := t.Manager(source); key.Key != "" {
			keys = append(keys, key)
		}
	}
	if f.SponsorKey != "" {
		keys = append(keys, x.sponsor(source, f))
	}
	return keys
}

func (x *extraction) sponsor(source string, f identity.EmploymentFacts) identity.SourceKey {
	return identity.SourceKey{Source: x.Config.Sources[source].Contracts.In, Key: f.SponsorKey}
}

// know reads who is called so.
func (x *extraction) know(keys []identity.SourceKey) (err error) {
	known, err := x.DB.PeopleByKeys(x.ctx, keys)
	if x.others == nil {
		x.others = map[identity.SourceKey]identity.Person{}
	}
	maps.Copy(x.others, known)
	return err
}

func reportOf(r *identity.Report) *ExtractReport {
	if r == nil {
		return nil
	}
	return &ExtractReport{r.Last, r.On, r.Decision}
}

func (x *extraction) employmentOf(id identity.EmploymentID, key identity.SourceKey, f identity.EmploymentFacts) ExtractEmployment {
	e := ExtractEmployment{ID: id, Source: key.Source, Start: f.Start, End: f.End, Stated: f.StatedEnd, Terms: []ExtractTerms{}, Leaves: []SpellOfLeave{}}
	if x.sees == full || shows(x.sees, key) {
		e.Key = key.Key
	}
	if f.SponsorKey != "" && x.sees == full {
		e.Sponsor = x.others[x.sponsor(key.Source, f)].ID
	}
	for _, l := range f.Leaves {
		e.Leaves = append(e.Leaves, SpellOfLeave{l.Start, l.End})
	}
	for _, t := range f.Terms {
		shown := ExtractTerms{Terms: Terms{From: t.From, JobTitle: t.JobTitle, Percent: t.Percent}, JobCode: t.JobCode, Type: t.Type, Main: t.Main}
		if x.sees == full { // the unit shows where a person can be found
			shown.Unit, shown.UnitName, shown.Attributes = t.Unit, x.Config.Rules.Units.Name(t.Unit), t.Attributes
			if manager := t.Manager(key.Source); manager.Key != "" {
				shown.Manager = x.others[manager].ID
			}
		}
		e.Terms = append(e.Terms, shown)
	}
	return e
}

// events are what HR sources said, and what was pushed.
func (x *extraction) events() error {
	var all []identity.Event
	var keys []identity.SourceKey
	for _, id := range x.ids {
		some, err := x.DB.EventsOf(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		x.cut("hr_events", len(some))
		all = append(all, some...)
	}
	for _, e := range all {
		if e.EmploymentFacts != nil {
			keys = append(keys, x.named(e.Source, *e.EmploymentFacts)...)
		}
	}
	if err := x.know(keys); err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b identity.Event) int { return int(b.Seq - a.Seq) })
	for _, e := range all {
		x.out.Events = append(x.out.Events, x.event(e))
	}
	return x.pushed()
}

func (x *extraction) event(e identity.Event) ExtractEvent {
	shown := ExtractEvent{Seq: e.Seq, Source: e.Source, Kind: e.Kind, Effective: e.Effective, Recorded: e.Recorded}
	if shown.Withheld = x.sees != full || !x.ours(e); shown.Withheld {
		return shown
	}
	shown.Login = e.Login
	key := identity.SourceKey{Source: e.Source, Key: e.Key}
	if e.PersonFacts != nil {
		r := x.record(key, e.PersonFacts)
		r.Stamp = e.Stamp
		shown.Record = &r
	}
	if e.Employment != "" {
		f := identity.EmploymentFacts{}
		if e.EmploymentFacts != nil {
			f = *e.EmploymentFacts
		}
		of := x.employmentOf(e.Employment, key, f)
		of.Report = reportOf(e.Report)
		shown.Employment = &of
	}
	return shown
}

// ours reports whether an event is about a record that is the person's still: one that was
// joined by mistake, and split again, is another person's.
func (x *extraction) ours(e identity.Event) bool {
	key := identity.SourceKey{Source: e.Source, Key: e.Key}
	switch {
	case e.Employment != "" && e.PersonKey == "":
		return slices.ContainsFunc(x.people, func(p identity.Person) bool {
			return slices.ContainsFunc(p.Employments, func(of identity.Employment) bool { return of.ID == e.Employment })
		})
	case e.Employment != "":
		key.Key = e.PersonKey
	}
	return slices.Contains(x.keys, key)
}

func (x *extraction) pushed() error {
	for _, id := range x.ids {
		all, err := x.DB.ResourcesOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, r := range all {
			p := ExtractPushed{Source: r.Source, ID: r.ID, Made: r.Made, Changed: r.Changed}
			if x.sees == full {
				p.Body = x.without(r.Body)
			}
			x.out.Pushed = append(x.out.Pushed, p)
		}
	}
	return nil
}

// without returns JSON without what names other people: values that are called a manager, and
// attributes that are a reference to one by the configuration; and without passwords.
func (x *extraction) without(text []byte) json.RawMessage {
	var v any
	if json.Unmarshal(text, &v) != nil {
		return nil
	}
	names := []string{"password"}
	for _, t := range x.Config.Targets {
		for name, a := range t.Attributes {
			if a.Manager {
				names = append(names, strings.ToLower(name))
			}
		}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, part := range v {
				walk(part)
			}
		case map[string]any:
			for name, part := range v {
				if low := strings.ToLower(name); strings.Contains(low, "manager") || slices.Contains(names, low) {
					delete(v, name)
					continue
				}
				walk(part)
			}
		}
	}
	walk(v)
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

func (x *extraction) accounts() error {
	for _, id := range x.ids {
		all, err := x.DB.AccountsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, a := range all {
			x.out.Accounts = append(x.out.Accounts, ExtractAccount{Account{a.Target, a.Native}, instant(a.Created), instant(a.DisabledByBehov), instant(a.FoundDisabled), instant(a.Missing)})
		}
	}
	return nil
}

// access is every interval, in order of time.
func (x *extraction) access() error {
	for _, id := range x.ids {
		intervals, err := x.DB.Intervals(x.ctx, store.IntervalQuery{Person: id})
		if err != nil {
			return err
		}
		had, err := x.View.access(intervals, false)
		if err != nil {
			return err
		}
		x.out.Access = append(x.out.Access, had...)
	}
	slices.SortStableFunc(x.out.Access, func(a, b Access) int { return a.Since.Compare(b.Since) })
	return nil
}

// decisions are those about the person, and those that the person made.
func (x *extraction) decisions() error {
	seen := map[int64]bool{}
	for _, id := range x.ids {
		about, err := x.DB.DecisionsAbout(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		naming, err := x.DB.DecisionsNaming(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		x.cut("decisions", max(len(about), len(naming)))
		for _, d := range slices.Concat(about, naming) {
			if !seen[d.Seq] {
				seen[d.Seq] = true
				x.out.Decisions = append(x.out.Decisions, x.Decision(d))
			}
		}
		made, err := x.DB.DecisionsBy(x.ctx, identity.PersonActor(id), mostExtracted)
		if err != nil {
			return err
		}
		x.cut("decisions_made", len(made))
		for _, d := range made {
			x.out.Made = append(x.out.Made, ExtractMade{d.Seq, d.Kind, d.Verdict, x.Because(reason.Of(reason.Decided{Of: string(d.Kind), Verdict: string(d.Verdict)})), d.At(), d.Person})
		}
		imports, err := x.DB.ImportsBy(x.ctx, identity.PersonActor(id), mostExtracted)
		if err != nil {
			return err
		}
		x.cut("imports", len(imports))
		for _, i := range imports {
			x.out.Imports = append(x.out.Imports, ExtractImport{i.ID, i.Source, i.At()})
		}
	}
	slices.SortStableFunc(x.out.Decisions, func(a, b Decision) int { return int(b.Seq - a.Seq) })
	return nil
}

func (x *extraction) reviews() error {
	for _, id := range x.ids {
		items, err := x.DB.ReviewItemsOf(x.ctx, id, mostExtracted)
		if err != nil {
			return err
		}
		x.cut("review_items", len(items))
		var numbers []int64
		for _, i := range items {
			if i.Decision != nil {
				numbers = append(numbers, *i.Decision)
			}
		}
		made, err := x.DB.DecisionsBySeq(x.ctx, numbers)
		if err != nil {
			return err
		}
		bySeq := map[int64]store.Decision{}
		for _, d := range made {
			bySeq[d.Seq] = d
		}
		shown, err := x.reviewItems(items, bySeq)
		if err != nil {
			return err
		}
		x.out.Reviews = append(x.out.Reviews, shown...)
	}
	return nil
}

// signIns are sessions and tokens, without what opens them.
func (x *extraction) signIns() error {
	for _, id := range x.ids {
		sessions, err := x.DB.SessionsOf(x.ctx, id, time.Time{})
		if err != nil {
			return err
		}
		for _, s := range sessions {
			x.out.Sessions = append(x.out.Sessions, ExtractSession{s.ID, s.BeganUS.Time(), s.UsedUS.Time(), s.ExpiresUS.Time()})
		}
		tokens, err := x.DB.TokensOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, t := range tokens {
			shown := ExtractToken{ID: t.ID, Name: t.Name, Scopes: t.Scopes, Systems: t.Systems, Groups: []string{}, Made: t.Created(), Used: instant(t.Used()), Expires: instant(t.Expires()), Revoked: instant(t.Revoked())}
			for group := range strings.SplitSeq(t.Groups, "\n") {
				if group != "" {
					shown.Groups = append(shown.Groups, group)
				}
			}
			x.out.Tokens = append(x.out.Tokens, shown)
		}
	}
	return nil
}

// steps are those that are held, decided on, failing and under way.
func (x *extraction) steps() error {
	for _, id := range x.ids {
		held, err := x.DB.HeldStepsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, h := range held {
			if step, readable := x.step(h.Body); readable {
				x.out.Held = append(x.out.Held, ExtractHeld{Hold: h.Hold, Kind: store.PlanHold, Step: &step})
			}
		}
		erasures, err := x.DB.ErasureHold(x.ctx, id)
		if err != nil {
			return err
		}
		for _, h := range erasures {
			x.out.Held = append(x.out.Held, ExtractHeld{Hold: h.Digest, Kind: h.Kind, Why: x.Because(h.Why)})
		}
		verdicts, err := x.DB.StepVerdictsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, d := range verdicts {
			x.out.StepDecisions = append(x.out.StepDecisions, ExtractStepDecision{d.Step, d.Target, d.Verdict, d.Decision})
		}
		failing, err := x.DB.FailingSteps(x.ctx, "", store.Only(id))
		if err != nil {
			return err
		}
		shown, err := x.Steps(failing)
		if err != nil {
			return err
		}
		x.out.Steps = append(x.out.Steps, shown...)
		for _, target := range x.targets() {
			open, err := x.DB.OpenSteps(x.ctx, target, store.Only(id))
			if err != nil {
				return err
			}
			for _, o := range open {
				if step, readable := x.step(o.Body); readable {
					x.out.Open = append(x.out.Open, ExtractOpen{o.Intended(), x.Because(o.Detail), step})
				}
			}
		}
	}
	return nil
}

// targets returns those in which something of the person can be, sorted.
func (x *extraction) targets() (names []string) {
	for _, t := range x.Config.Targets {
		names = append(names, t.Name)
	}
	for _, a := range x.out.Accounts {
		names = append(names, a.Target)
	}
	for _, a := range x.out.Access {
		names = append(names, a.Target)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// step reads a plan's step; one that a later version wrote is not readable.
func (x *extraction) step(body string) (Step, bool) {
	var s plan.Step
	if json.Unmarshal([]byte(body), &s) != nil {
		return Step{}, false
	}
	return x.Step(&s), true
}

func (x *extraction) findings() error {
	for _, id := range x.ids {
		all, err := x.DB.FindingsOf(x.ctx, id)
		if err != nil {
			return err
		}
		for _, f := range all {
			x.out.Findings = append(x.out.Findings, ExtractFinding{f.Kind, f.Target, f.Entitlement, f.Other, f.Detail, instant(f.At)})
		}
	}
	return nil
}

// records are those of the audit trail about the person.
func (x *extraction) records() error {
	for _, id := range x.ids {
		all, next, err := x.View.Records(store.RecordQuery{Person: id, Most: mostExtracted}, false)
		if err != nil {
			return err
		}
		if next != 0 {
			x.cut("audit_records", mostExtracted)
		}
		x.out.Records = append(x.out.Records, all...)
	}
	slices.SortStableFunc(x.out.Records, func(a, b Record) int { return int(a.Index - b.Index) })
	for i := range x.out.Records {
		r := &x.out.Records[i]
		r.Operator = Actor{} // whose process wrote it says nothing of the person
		if r.Opened != nil {
			r.Opened = x.without(r.Opened)
		}
	}
	return nil
}

// retention is for how long each kind is kept.
func (x *extraction) retention() error {
	keep := func(what Retained, days int) {
		id := "extract.retention." + string(what)
		if days == 0 {
			id += "-unlimited"
		}
		x.out.Retention = append(x.out.Retention, ExtractRetention{what, days, x.words.Text(id, map[string]any{"count": days})})
	}
	files := 0
	for _, s := range x.Config.Sources {
		if d := s.Directory; d != nil {
			if files = max(files, d.KeepDays); d.KeepDays == 0 {
				files = 0
				break
			}
		}
	}
	if x.Config.Lifecycle.KeepMemberships > 0 {
		keep(RetainedMemberships, x.Config.Lifecycle.KeepMemberships)
	}
	keep(RetainedAccounts, x.Config.Lifecycle.DeleteAfter)
	keep(RetainedIdentity, x.Config.Lifecycle.EraseAfter)
	if slices.ContainsFunc(slices.Collect(maps.Keys(x.Config.Sources)), func(name string) bool { return x.Config.Sources[name].Directory != nil }) {
		keep(RetainedFiles, files)
	}
	keep(RetainedHolds, int(x.Config.HoldsExpire.Hours()/24))
	keep(RetainedTrail, 0)
	keep(RetainedNames, 0)
	return nil
}
