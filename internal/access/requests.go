package access

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// RequestStanding is where a request is on a day.
type RequestStanding string

// Where a request can be.
const (
	StandsWaiting   RequestStanding = "waiting"   // for approvals; emergency access gives access meanwhile
	StandsApproved  RequestStanding = "approved"  // and not ended
	StandsEnded     RequestStanding = "ended"     // it was approved, and gives nothing any more
	StandsRefused   RequestStanding = "refused"   // by an approver
	StandsWithdrawn RequestStanding = "withdrawn" // by the person or their manager
	StandsLapsed    RequestStanding = "lapsed"    // its last day passed before it was approved
)

// RenewDays is how many days before its last day a request can be renewed.
const RenewDays = 14

// Request is a request for access that ends, or emergency access.
type Request struct {
	Request     int64                `json:"request"` // its number
	Person      Ref                  `json:"person"`
	Entitlement policy.EntitlementID `json:"entitlement"`
	System      string               `json:"system"`
	// Employment is the one that it is for: the access ends with it, and when its manager or
	// unit changes.
	Employment EmploymentRef   `json:"employment"`
	AskedBy    Actor           `json:"asked_by"`
	AskedAt    store.Micros    `json:"asked_at"`
	Reason     string          `json:"reason,omitempty"` // as it was asked; empty when the person is masked
	Until      identity.Date   `json:"until"`            // the last day
	Emergency  bool            `json:"emergency"`
	Renews     int64           `json:"renews,omitempty"` // the request that it goes on with
	State      RequestStanding `json:"state"`
	// Gives: it gives access now, unless a gate is closed.
	Gives bool `json:"gives"`
	// Ended is why a request that was given gives nothing any more.
	Ended     Reason            `json:"ended,omitzero"`
	Approvers []RequestApprover `json:"approvers"`
	// Mine: it waits for the viewer to approve or refuse it.
	Mine bool `json:"-"`
	// MayWithdraw: the viewer may withdraw it.
	MayWithdraw bool `json:"-"`
	// MayRenew: the viewer may ask for it again, and it ends soon.
	MayRenew bool `json:"-"`
}

// RequestApprover is a part of the approval of a request.
type RequestApprover struct {
	Approver policy.Approver `json:"approver"`
	// People are those who can take the part while it is open, as far as the viewer may see
	// them. Vacant says that there are none: a person whom the rights let approve in an
	// approver's place can take it then.
	People   []Ref     `json:"people"`
	Vacant   bool      `json:"vacant"`
	Decision *Decision `json:"decision,omitempty"` // that took it
}

// RequestDetail is a request with what an approver needs to know. Every approver sees the same.
type RequestDetail struct {
	Request
	Name    string `json:"name"` // of the entitlement
	Purpose string `json:"purpose,omitempty"`
	// Class is the information class of the system; left out when it has none.
	Class    *policy.Class   `json:"class,omitempty"`
	Controls policy.Controls `json:"controls"`
	// MFA is "enrolled" or "not-enrolled"; left out when no target was asked or could say.
	MFA policy.MFA `json:"mfa,omitempty"`
	// MFAMethod is how strong the person's strongest method is; left out when no target said.
	MFAMethod policy.Method `json:"mfa_method,omitempty"`
	// ScreenedUntil is the last day of a screening (säkerhetsprövning) that is valid.
	ScreenedUntil identity.Date `json:"screened_until,omitempty"`
	// Gate is how it would be given today, and GateReason why not at once.
	Gate       policy.Gate `json:"gate,omitempty"`
	GateReason Reason      `json:"gate_reason,omitzero"`
	// Peers are how many other people work in the same unit and job, and PeersWith how many of
	// them have it; left out for a viewer who does not see where the person works.
	Peers     int `json:"peers,omitempty"`
	PeersWith int `json:"peers_with,omitempty"`
	// Conflicts are the segregations of duties of which the person would have both sides.
	Conflicts []RequestConflict `json:"conflicts"`
	// Decisions are those about this request, the oldest first, and Earlier those about the same
	// entitlement of the person before it, the newest first.
	Decisions []Decision `json:"decisions"`
	Earlier   []Decision `json:"earlier"`
}

// RequestConflict is a conflict that a request would bring about.
type RequestConflict struct {
	Conflict string                 `json:"conflict"`
	Why      string                 `json:"why"`
	Severity policy.Severity        `json:"severity"`
	Sides    []policy.EntitlementID `json:"sides"` // that the person would have
}

// RequestsWaiting returns the requests that wait for approvals and that the viewer may see, the
// oldest first; with mine those that wait for the viewer.
func (v *View) RequestsWaiting(mine bool) ([]Request, error) {
	all, err := v.waitingRequests()
	if err != nil {
		return nil, err
	}
	shown, err := v.requests(all)
	if mine {
		shown = slices.DeleteFunc(shown, func(r Request) bool { return !r.Mine })
	}
	return shown, err
}

// waitingRequests returns the waiting requests among which are all that the viewer may see. Who
// neither manages people nor may approve for others does not wait for those of everyone.
func (v *View) waitingRequests() ([]store.AccessRequest, error) {
	everyone := v.everyone
	if !everyone {
		instead, _, err := v.May(rights.ApproveInstead)
		if err != nil {
			return nil, err
		}
		staff, err := v.managesPeople()
		if err != nil {
			return nil, err
		}
		everyone = instead || staff
	}
	if everyone {
		return v.DB.WaitingRequests(v.ctx, v.Today())
	}
	var owned []string
	for i := range v.Config.Rules.Catalogue.Entitlements {
		e := &v.Config.Rules.Catalogue.Entitlements[i]
		if s, _ := v.Config.Rules.Catalogue.System(e.System); v.owns(s) {
			owned = append(owned, string(e.ID))
		}
	}
	all, err := v.DB.WaitingRequestsFor(v.ctx, owned, v.Today())
	if err != nil || v.viewer.Subject.Person == "" {
		return all, err
	}
	own, err := v.DB.RequestsOf(v.ctx, v.viewer.Subject.Person, 0, ownWaiting)
	if err != nil {
		return nil, err
	}
	for _, r := range own {
		waits := r.State == store.RequestWaiting && (r.Emergency || r.Until >= v.Today())
		if waits && !slices.ContainsFunc(all, func(o store.AccessRequest) bool { return o.ID == r.ID }) {
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b store.AccessRequest) int { return cmp.Compare(a.ID, b.ID) })
	return all, nil
}

// ownWaiting is among how many of their newest requests a viewer's waiting ones are looked for.
const ownWaiting = 200

// managesPeople reports whether an employment names the viewer as manager.
func (v *View) managesPeople() (bool, error) {
	var keys []string
	for _, name := range v.known.Names() {
		if source, key, ok := strings.Cut(name, "/"); ok && source == v.Config.First {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return false, nil
	}
	staff, err := v.DB.PeopleUnder(v.ctx, v.Config.First, keys)
	return len(staff) > 0, err
}

// MyRequests returns the newest requests for the viewer, and those that the viewer asked for
// others: at most so many.
func (v *View) MyRequests(most int) ([]Request, error) {
	if v.viewer.Subject.Person == "" {
		return []Request{}, nil
	}
	all, err := v.DB.RequestsOf(v.ctx, v.viewer.Subject.Person, 0, most)
	if err != nil {
		return nil, err
	}
	return v.requests(all)
}

// RequestsPage returns a page of all requests that the viewer may see, the newest first, and the
// key after which the next begins; empty at the end. A viewer who may not see everyone gets
// their own.
func (v *View) RequestsPage(page Page) (requests []Request, next string, err error) {
	before := int64(0)
	if page.After != "" {
		if before, err = strconv.ParseInt(page.After, 10, 64); err != nil || before < 1 {
			return nil, "", &CursorError{}
		}
	}
	var all []store.AccessRequest
	if v.everyone {
		all, err = v.DB.NewestRequests(v.ctx, before, page.Limit+1)
	} else {
		all, err = v.DB.RequestsOf(v.ctx, v.viewer.Subject.Person, before, page.Limit+1)
	}
	if err != nil {
		return nil, "", err
	}
	if len(all) > page.Limit {
		all = all[:page.Limit]
		next = strconv.FormatInt(all[len(all)-1].ID, 10)
	}
	requests, err = v.requests(all)
	return requests, next, err
}

// Request returns one request with what an approver needs to know. statuses says who is enrolled
// for MFA; nil leaves it out.
func (v *View) Request(number int64, statuses Statuses) (RequestDetail, error) {
	var out RequestDetail
	r, err := v.DB.AccessRequest(v.ctx, number)
	if err != nil {
		return out, err
	}
	all, err := v.requests([]store.AccessRequest{r})
	if err != nil {
		return out, err
	}
	if len(all) == 0 { // whom the viewer may not see is not told from a request that is not there
		return out, &reason.Refusal{Reason: reason.Of(reason.NoSuchRequest{Request: strconv.FormatInt(number, 10)})}
	}
	e, _ := v.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(r.Entitlement))
	s, _ := v.Config.Rules.Catalogue.System(e.System)
	out = RequestDetail{Request: all[0], Name: cmp.Or(e.Name, r.Entitlement), Purpose: e.Purpose, Class: s.Class, Controls: e.Controls, Conflicts: []RequestConflict{}, Decisions: []Decision{}, Earlier: []Decision{}}
	about, err := v.about(string(r.Person), statuses)
	if err != nil {
		return out, err
	}
	out.MFA, out.MFAMethod, out.ScreenedUntil = about.status.Facts.MFA, about.status.Facts.Method, about.status.Facts.ScreenedUntil
	if about.sees == full {
		peers, err := PeersOf(v.ctx, v.DB, []identity.Person{about.Person}, v.Today())
		if err != nil {
			return out, err
		}
		out.PeersWith, out.Peers = peers.Share(about.Person, r.Entitlement)
	}
	if err := v.foresee(&out, r, about); err != nil {
		return out, err
	}
	return out, v.decided(&out, r)
}

// foresee says how a request would be given, and which conflicts it would bring about.
func (v *View) foresee(out *RequestDetail, r store.AccessRequest, about subject) error {
	rules, facts := v.Config.Rules, about.status.Facts
	before, err := rules.Decide(about.Person, about.day, facts)
	if err != nil {
		return err
	}
	after := before
	if !out.Gives && out.State == StandsWaiting {
		q := reconcile.RequestOf(r, r.AskedBy)
		q.Decision = 1 << 62 // after every other
		facts.Requests = append(slices.Clone(facts.Requests), q)
		if after, err = rules.Decide(about.Person, about.day, facts); err != nil {
			return err
		}
	}
	for _, g := range after {
		if string(g.Entitlement) == r.Entitlement {
			out.Gate, out.GateReason = g.Gate, v.Because(g.GateReason)
		}
	}
	has := func(id policy.EntitlementID) bool {
		return string(id) == r.Entitlement || slices.ContainsFunc(before, func(g policy.Grant) bool {
			return g.Entitlement == id && (g.Gate == policy.Open || g.Gate == policy.Kept || g.Gate == policy.AwaitingMFA || g.Gate == policy.MFAUnknown)
		})
	}
	for name, sides := range rules.Catalogue.Held(has) {
		if c, ok := rules.Catalogue.Conflict(name); ok && slices.Contains(sides, policy.EntitlementID(r.Entitlement)) {
			out.Conflicts = append(out.Conflicts, RequestConflict{Conflict: name, Why: c.Why, Severity: c.Severity, Sides: sides})
		}
	}
	slices.SortFunc(out.Conflicts, func(a, b RequestConflict) int { return strings.Compare(a.Conflict, b.Conflict) })
	return nil
}

// earlierDecisions is how many decisions about a person are looked at for those before a request.
const earlierDecisions = 200

// decided adds the decisions about a request, and those about the same before it.
func (v *View) decided(out *RequestDetail, r store.AccessRequest) error {
	all, err := v.DB.DecisionsAbout(v.ctx, r.Person, earlierDecisions)
	if err != nil {
		return err
	}
	var ids []identity.PersonID
	for _, d := range all {
		maker, _ := d.Maker.Person()
		ids = append(ids, maker)
	}
	if err := v.Load(ids); err != nil {
		return err
	}
	for _, d := range all {
		switch {
		case d.Kind == store.RequestDecision && d.Subject == store.RequestSubject(r.ID):
			out.Decisions = append(out.Decisions, v.Decision(d))
		case d.Entitlement == r.Entitlement && d.Seq < r.Asked:
			out.Earlier = append(out.Earlier, v.Decision(d))
		}
	}
	slices.Reverse(out.Decisions)
	return nil
}

// requests returns requests as the viewer sees them, without those that are no concern of
// theirs. It asks the database as often for many as for one.
func (v *View) requests(all []store.AccessRequest) ([]Request, error) {
	shown := []Request{}
	if len(all) == 0 {
		return shown, nil
	}
	approvers, err := ApproversOf(v.ctx, v.DB, v.Config, v.Today(), all...)
	if err != nil {
		return nil, err
	}
	who := v.viewer.Subject.Person
	var ids []identity.PersonID
	var seqs []int64
	for _, r := range all {
		e, _ := v.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(r.Entitlement))
		v.markOwned(e.System, r.Person)
		asked, _ := r.AskedBy.Person()
		ids, seqs = append(ids, r.Person, asked), append(seqs, r.Asked)
		for _, a := range approvers[r.ID] {
			ids, seqs = append(ids, a.People...), append(seqs, a.Decision)
			if slices.Contains(a.People, who) {
				v.markAsked(who, r.Person)
			}
		}
	}
	decisions := map[int64]store.Decision{}
	read, err := v.DB.DecisionsBySeq(v.ctx, slices.DeleteFunc(seqs, func(n int64) bool { return n == 0 }))
	if err != nil {
		return nil, err
	}
	for _, d := range read {
		maker, _ := d.Maker.Person()
		decisions[d.Seq], ids = d, append(ids, maker)
	}
	statuses, err := v.statusesOf(all)
	if err != nil {
		return nil, err
	}
	if err := v.Load(ids); err != nil {
		return nil, err
	}
	for _, r := range all {
		if !v.concerns(r, approvers[r.ID]) || v.hides(r.Person) {
			continue
		}
		x, err := v.request(r, approvers[r.ID], decisions, statuses[r.Person])
		if err != nil {
			return nil, err
		}
		shown = append(shown, x)
	}
	return shown, nil
}

// statusesOf returns where the people of requests stand, with their employments. They are known
// to the view then.
func (v *View) statusesOf(all []store.AccessRequest) (map[identity.PersonID]reconcile.PersonStatus, error) {
	ids := make([]identity.PersonID, len(all))
	for i, r := range all {
		ids[i] = r.Person
	}
	people, err := v.DB.PeopleByID(v.ctx, slices.Compact(slices.Sorted(slices.Values(ids))))
	if err != nil {
		return nil, err
	}
	statuses, err := reconcile.PersonStatuses(v.ctx, v.DB, v.Config, people, v.Today())
	if err != nil {
		return nil, err
	}
	of := map[identity.PersonID]reconcile.PersonStatus{}
	for i, p := range people {
		if err := v.Add(p); err != nil {
			return nil, err
		}
		of[p.ID] = statuses[i]
	}
	return of, nil
}

// concerns reports whether a request is any concern of the viewer: that a person is seen for
// another reason does not show what they ask for.
func (v *View) concerns(r store.AccessRequest, approvers []Approver) bool {
	who := v.viewer.Subject.Person
	if v.everyone || r.Person == who || slices.Contains(v.linked, r.Person) || r.AskedBy == v.viewer.Subject.Actor() {
		return true
	}
	e, _ := v.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(r.Entitlement))
	s, _ := v.Config.Rules.Catalogue.System(e.System)
	p, _ := v.person(r.Person)
	return v.owns(s, r.Person) || v.manages(p) || slices.ContainsFunc(approvers, func(a Approver) bool { return slices.Contains(a.People, who) })
}

func (v *View) request(r store.AccessRequest, approvers []Approver, decisions map[int64]store.Decision, status reconcile.PersonStatus) (Request, error) {
	asked := decisions[r.Asked]
	s := subject{Person: status.Person, status: status, day: v.Today(), sees: v.sees[r.Person]}
	e, _ := v.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(r.Entitlement))
	x := Request{Request: r.ID, Person: v.Ref(r.Person), Entitlement: policy.EntitlementID(r.Entitlement), System: e.System, Employment: s.employmentOf(r.Employment), AskedBy: v.ActorOf(r.AskedBy), AskedAt: asked.DecidedUS,
		Until: r.Until, Emergency: r.Emergency, Renews: r.Renews, Approvers: []RequestApprover{}}
	if !v.Masked(r.Person) {
		x.Reason = asked.Reason
	}
	v.standOf(&x, r, status)
	for _, a := range approvers {
		part := RequestApprover{Approver: a.As, People: []Ref{}, Vacant: a.Decision == 0 && len(a.People) == 0}
		for _, id := range a.People {
			if !v.hides(id) {
				part.People = append(part.People, v.Ref(id))
			}
		}
		if d, known := decisions[a.Decision]; known {
			shown := v.Decision(d)
			part.Decision = &shown
		}
		x.Approvers = append(x.Approvers, part)
	}
	var err error
	if x.State == StandsWaiting {
		if x.Mine, err = v.mayApprove(r, approvers, decisions); err != nil {
			return x, err
		}
	}
	if r.State == store.RequestWaiting || x.Gives {
		if x.MayWithdraw, _, err = v.MayDecide(rights.WithdrawRequest, status.Person); err != nil {
			return x, err
		}
		x.MayWithdraw = x.MayWithdraw && (x.Gives || !r.Emergency && x.State == StandsWaiting)
	}
	if x.Gives && !r.Emergency && e.Requesting.Allowed && r.Until <= v.Today().AddDays(RenewDays) {
		x.MayRenew, _, err = v.MayDecide(rights.RequestAccess, status.Person)
	}
	return x, err
}

// standOf says where a request is today, and whether it gives anything.
func (v *View) standOf(x *Request, r store.AccessRequest, status reconcile.PersonStatus) {
	x.State = map[store.RequestState]RequestStanding{store.RequestWaiting: StandsWaiting, store.RequestApproved: StandsApproved, store.RequestRefused: StandsRefused, store.RequestWithdrawn: StandsWithdrawn}[r.State]
	if r.State == store.RequestWaiting && !r.Emergency && r.Until < v.Today() {
		x.State = StandsLapsed
	}
	if r.Given == 0 {
		if x.State == StandsApproved { // emergency access that was given up
			x.State = StandsEnded
		}
		return
	}
	why := v.Config.Rules.RequestEnds(status.Person, v.Today(), reconcile.RequestOf(r, ""))
	if decided := status.Facts.Verdicts[x.Entitlement]; why.IsZero() && decided.Revoke && decided.Decision > r.Given {
		why = decided.Reason
	}
	if x.Gives = why.IsZero(); x.Gives {
		return
	}
	if x.Ended = v.Because(why); x.State == StandsApproved {
		x.State = StandsEnded
	}
}

// mayApprove reports whether a request waits for the viewer.
func (v *View) mayApprove(r store.AccessRequest, approvers []Approver, decisions map[int64]store.Decision) (bool, error) {
	who := v.viewer.Subject.Person
	if who == "" {
		return false, nil
	}
	o := rights.Object{About: []identity.PersonID{r.Person}}
	if slices.Contains(v.linked, r.Person) {
		o.About = append(o.About, who)
	}
	caused := func(a identity.Actor) {
		if id, ok := a.Person(); ok && (id == who || slices.Contains(v.linked, id)) {
			o.CausedBy = []identity.PersonID{who}
		}
	}
	caused(r.AskedBy)
	action := rights.Action("")
	for _, a := range approvers {
		switch {
		case a.Decision != 0:
			caused(decisions[a.Decision].Maker)
		case slices.Contains(a.People, who):
			action = rights.ApproveRequest
			if a.As == policy.ManagerApprover {
				o.Managers = []identity.PersonID{who}
			} else {
				o.Owners = []identity.PersonID{who}
			}
		case len(a.People) == 0 && action == "":
			action = rights.ApproveInstead
		}
	}
	if action == "" {
		return false, nil
	}
	may, _, err := v.mayDecide(action, o)
	return may, err
}

// Requestable is what people can ask for.
type Requestable struct {
	Entitlement policy.EntitlementID `json:"entitlement"`
	Name        string               `json:"name"`
	Purpose     string               `json:"purpose,omitempty"`
	System      string               `json:"system"`
	SystemName  string               `json:"system_name"`
	// Days is for how many days it can be asked for at most; 0 when it can be taken in an
	// emergency only. EmergencyDays is the same of emergency access; 0 when there is none.
	Days          int               `json:"days"`
	EmergencyDays int               `json:"emergency_days,omitempty"`
	Approvers     []policy.Approver `json:"approvers"`
	MFA           bool              `json:"mfa"` // it waits until the person is enrolled
}

// Requestable returns what people can ask for, sorted by system and name: that for every word
// of which the system, the name or the purpose has it.
func (v *View) Requestable(search string) []Requestable {
	words := strings.Fields(strings.ToLower(search))
	found := []Requestable{}
	for i := range v.Config.Rules.Catalogue.Entitlements {
		e := &v.Config.Rules.Catalogue.Entitlements[i]
		if e.Requesting == (policy.Requesting{}) {
			continue
		}
		s, _ := v.Config.Rules.Catalogue.System(e.System)
		x := Requestable{Entitlement: e.ID, Name: e.Name, Purpose: e.Purpose, System: s.ID, SystemName: s.Name, Approvers: e.Controls.ApproversOf(), MFA: e.NeedsMFA() != ""}
		if e.Requesting.Allowed {
			x.Days, _ = e.Controls.RequestDaysAtMost(false)
		}
		if e.Requesting.Emergency {
			x.EmergencyDays, _ = e.Controls.RequestDaysAtMost(true)
		}
		text := strings.ToLower(string(e.ID) + " " + e.Name + " " + e.Purpose + " " + s.Name)
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			found = append(found, x)
		}
	}
	slices.SortStableFunc(found, func(a, b Requestable) int {
		return cmp.Or(strings.Compare(a.SystemName, b.SystemName), strings.Compare(a.Name, b.Name))
	})
	return found
}
