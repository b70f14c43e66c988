package access

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Ref is a person in an answer. A person whom the viewer may not see, and one who was
// erased, has an ID only. An account of the register that is no person's has its login name.
type Ref struct {
	// ID is the person's opaque ID. It never changes.
	ID identity.PersonID `json:"id"`
	// Keys are the records of HR sources. Keys with a national identity number are left
	// out, and of a masked person those that may tell the name; all of them for a viewer who
	// may not see everyone.
	Keys        []Key  `json:"keys,omitempty"`
	DisplayName string `json:"display_name,omitempty"` // "[protected identity]" when it is masked
	Protected   bool   `json:"protected"`              // the identity is protected
	// Opens: the viewer may ask about the person alone. Who owns a system sees who has it,
	// and not what else they have.
	Opens bool `json:"-"`
}

// Name returns "Given Family (key)", with the opaque ID where no key may be shown. The key
// is one by which commands find the person: one of the first HR source, else another one
// with its source.
func (r Ref) Name(first string) string {
	if r.DisplayName == "" {
		return string(r.ID)
	}
	for _, k := range r.Keys {
		if k.Source == first {
			return r.DisplayName + " (" + k.Key + ")"
		}
	}
	if len(r.Keys) > 0 {
		return r.DisplayName + " (" + r.Keys[0].String() + ")"
	}
	return r.DisplayName + " (" + string(r.ID) + ")"
}

// Key is a record of an HR source.
type Key struct {
	Source string `json:"source"`
	Key    string `json:"key"`
}

// String returns SOURCE/KEY.
func (k Key) String() string { return k.Source + "/" + k.Key }

// Reason is a reason with its sentence in the viewer's language. In JSON the sentence
// stands beside the code and its parameters, as "text".
type Reason struct {
	reason.Reason
	Text string
}

// answerCode is the code of what a target said: its sentence is its parameter text.
var answerCode = reason.CodeOf(reason.Answer{})

// MarshalJSON implements json.Marshaler.
func (r Reason) MarshalJSON() ([]byte, error) {
	if r.IsZero() {
		return []byte("null"), nil
	}
	canonical := r.JSON()
	if r.Code() == answerCode {
		return []byte(canonical), nil
	}
	text, err := quote(r.Text)
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, len(canonical)+len(text)+len(`,"text":}`))
	b = append(b, canonical[:len(canonical)-1]...)
	b = append(append(b, `,"text":`...), text...)
	return append(b, '}'), nil
}

// quote returns a text as JSON. Most sentences have nothing in them that JSON escapes.
func quote(text string) (string, error) {
	if utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' }) {
		return `"` + text + `"`, nil
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		return "", fmt.Errorf("encode: %w", err)
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (r *Reason) UnmarshalJSON(b []byte) error {
	var beside struct {
		Text string `json:"text"`
	}
	if err := json.Unmarshal(b, &beside); err != nil {
		return err
	}
	r.Text = beside.Text
	return r.Reason.UnmarshalJSON(b)
}

// Load reads at once the people, and those and the decisions that reasons name: a list
// reads them all before the first. What is not loaded is read when it is asked for.
func (v *View) Load(ids []identity.PersonID, reasons ...reason.Reason) error {
	var missing []identity.PersonID
	want := func(id identity.PersonID) {
		if _, known := v.people[id]; !known && id != "" {
			missing = append(missing, id)
		}
	}
	for _, id := range ids {
		want(id)
	}
	var named reason.Mentions
	for _, r := range reasons {
		named.Add(r)
	}
	for _, id := range named.People {
		want(id)
	}
	decisions, err := v.DB.DecisionsBySeq(v.ctx, named.Decisions)
	if err != nil {
		return err
	}
	for _, d := range decisions {
		v.decisions[d.Seq] = d
		want(d.Person)
	}
	read := v.DB.PersonNames
	if !v.everyone { // whether the viewer manages them is in their employments
		read = v.DB.PeopleByID
	}
	people, err := read(v.ctx, missing)
	if err != nil {
		return err
	}
	for _, id := range missing {
		v.people[id] = identity.Person{} // erased, unless they are among those
	}
	for _, p := range people {
		if err := v.Add(p); err != nil {
			return err
		}
	}
	return v.loadNonHuman(slices.DeleteFunc(missing, func(id identity.PersonID) bool { return v.people[id].ID != "" }))
}

// loadNonHuman reads accounts of the register: their IDs stand where others name a
// person.
func (v *View) loadNonHuman(ids []identity.PersonID) error {
	if len(ids) == 0 {
		return nil
	}
	accounts, err := v.DB.NonHumanAccountsAbout(v.ctx, ids)
	for _, a := range accounts {
		v.nonHuman[a.ID] = a
	}
	return err
}

// Prepare is Load for callers that answer either way: a person who cannot be read is
// known by ID.
func (v *View) Prepare(ids []identity.PersonID, reasons ...reason.Reason) {
	_ = v.Load(ids, reasons...) // each is read again when asked for
}

// Forget drops what was read: a decision may have changed it.
func (v *View) Forget() {
	clear(v.people)
	clear(v.sees)
	clear(v.decisions)
}

// Add is for a person who was read already, with employments.
func (v *View) Add(p identity.Person) error {
	sees, err := v.visible(p)
	v.people[p.ID], v.sees[p.ID] = p, sees
	return err
}

// person returns a person, the zero value when they are not known or cannot be read.
func (v *View) person(id identity.PersonID) (identity.Person, visibility) {
	if _, known := v.people[id]; !known {
		v.Prepare([]identity.PersonID{id})
	}
	return v.people[id], v.sees[id]
}

// hides reports whether the viewer may know nothing of a person. Of an erased person
// nothing tells whose access it was: they are for those who see everyone.
func (v *View) hides(id identity.PersonID) bool {
	p, sees := v.person(id)
	if _, account := v.nonHuman[id]; account {
		return false
	}
	return p.ID == "" && !v.everyone || p.ID != "" && sees == hidden
}

// Masked reports whether the viewer does not see who a person is.
func (v *View) Masked(id identity.PersonID) bool {
	p, sees := v.person(id)
	return p.ID != "" && sees != full
}

// Ref returns a person as the viewer may see them.
func (v *View) Ref(id identity.PersonID) Ref {
	p, sees := v.person(id)
	if p.ID == "" || sees == hidden {
		return Ref{ID: id, DisplayName: v.nonHuman[id].Name}
	}
	r := Ref{ID: id, DisplayName: displayName(p, sees), Protected: p.Protected,
		Opens: v.everyone || id == v.viewer.Subject.Person || slices.Contains(v.linked, id) || v.manages(p)}
	for _, k := range p.Keys {
		if shows(sees, k.SourceKey) && (sees == full || v.everyone) { // a key leads to a person elsewhere
			r.Keys = append(r.Keys, Key{k.Source, k.Key})
		}
	}
	return r
}

// refs is Ref for a person who may be none.
func (v *View) optional(id identity.PersonID) *Ref {
	if id == "" {
		return nil
	}
	r := v.Ref(id)
	return &r
}

func displayName(p identity.Person, sees visibility) string {
	p.Protected = sees != full
	return p.Name()
}

// shows reports whether a viewer who sees so much of a person sees a key of theirs.
func shows(sees visibility, k identity.SourceKey) bool {
	return sees != hidden && !identity.HasNationalID(k.Key) && (sees == full || !k.MayTellName())
}

// Name returns how a person is called, as Ref.Name.
func (v *View) Name(id identity.PersonID) string { return v.Ref(id).Name(v.Config.First) }

// Actor returns an actor who is a person as Name does, and another one as it is written.
func (v *View) Actor(a identity.Actor) string { return v.words.Actor(a) }

// Text returns the sentence of a reason, with people by their names, and beside a
// decision what its maker wrote.
func (v *View) Text(r reason.Reason) string { return v.words.Reason(r) }

// Because returns a reason with its sentence.
func (v *View) Because(r reason.Reason) Reason { return Reason{r, v.Text(r)} }

// decisionText returns what the maker of a decision wrote; empty when it is about a person
// whom the viewer does not see, or cannot be read.
func (v *View) decisionText(seq int64) string {
	d, known := v.decisions[seq]
	if !known {
		var err error
		if d, err = v.DB.Decision(v.ctx, seq); err != nil {
			return ""
		}
		v.decisions[seq] = d
	}
	if v.Masked(d.Person) || v.only != nil && !slices.Contains(v.only, d.Person) {
		return ""
	}
	if d.Reason == "" {
		return v.Text(d.Because)
	}
	return d.Reason
}

// Decision is a decision of a person, or of behov for a reason.
type Decision struct {
	Seq         int64              `json:"seq"`
	Kind        store.DecisionKind `json:"kind"`
	Verdict     store.Verdict      `json:"verdict"`
	Decided     Reason             `json:"decided"`               // the kind and the verdict in words
	Person      *Ref               `json:"person,omitempty"`      // of a decision about a person
	Entitlement string             `json:"entitlement,omitempty"` // of a decision on a review item
	Subject     store.Subject      `json:"subject,omitempty"`     // what else it is about
	Maker       Actor              `json:"maker"`
	Authority   string             `json:"authority,omitempty"` // the role, how the maker was identified, and the digest of the rights
	// Reason is as the maker wrote it; empty when it is about a masked person.
	Reason    string        `json:"reason,omitempty"`
	Because   Reason        `json:"because,omitzero"` // of a decision that behov made
	Until     identity.Date `json:"until,omitempty"`  // the last day on which it holds
	DecidedAt store.Micros  `json:"decided_at"`
}

// Actor is who did something: a person, or what is none, as a user of the operating
// system or behov itself.
type Actor struct {
	Actor  identity.Actor `json:"actor"`
	Person *Ref           `json:"person,omitempty"`
}

// Name returns how an actor is called: a person as Ref.Name, and another one as it is
// written.
func (a Actor) Name(first string) string {
	if a.Person == nil {
		return string(a.Actor)
	}
	return a.Person.Name(first)
}

// ActorOf returns an actor.
func (v *View) ActorOf(a identity.Actor) Actor {
	id, _ := a.Person()
	return Actor{Actor: a, Person: v.optional(id)}
}

// Decision returns a decision as the viewer may see it.
func (v *View) Decision(d store.Decision) Decision {
	shown := Decision{Seq: d.Seq, Kind: d.Kind, Verdict: d.Verdict, Decided: v.Because(reason.Of(reason.Decided{Of: string(d.Kind), Verdict: string(d.Verdict)})), Person: v.optional(d.Person), Entitlement: d.Entitlement, Subject: d.Subject,
		Maker: v.ActorOf(d.Maker), Authority: d.Authority, Because: v.Because(d.Because), Until: d.Until, DecidedAt: d.DecidedUS}
	if d.Person == "" || !v.Masked(d.Person) {
		shown.Reason = d.Reason
	}
	return shown
}
