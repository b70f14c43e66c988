package governance

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// Review is a review to start: what it is about, who answers, and until when.
type Review struct {
	Scope store.CampaignScope
	// Of is the system, the unit or the entitlement.
	Of     string
	People []identity.PersonID // of the scope people
	// Asks is who answers; the owner of the system when it is empty.
	Asks     store.CampaignAsks
	Reviewer identity.PersonID // who answers everything
	// Fallback answers where no one else can: what would be about themselves.
	Fallback identity.PersonID
	// Days is for how many days answers are awaited; 30 when it is zero. After them,
	// AfterDue says what becomes of access about which none came: Keep, when it is empty, or
	// Revoke.
	Days     int
	AfterDue store.Verdict
	// All asks about every person who has access, also where a rule gives it.
	All bool
	// KnownWrong is access of which who starts the review knows that it should not be there, and
	// that the review asks about: the report says how many of it each reviewer revoked.
	KnownWrong []KnownWrong
}

// KnownWrong is what a person has and should not.
type KnownWrong struct {
	Person      identity.PersonID
	Entitlement policy.EntitlementID
}

const (
	// answerDays is for how many days a review awaits answers, unless it says otherwise.
	answerDays = 30
	// MostAnswerDays is for how many days a review awaits answers at most.
	MostAnswerDays = 365
	// fewPeers is how many others there must be in the same unit and job for their share to
	// say anything, and outlierPercent which share is so small that the person is asked about.
	fewPeers       = 4
	outlierPercent = 20
	// reviewPage is how many intervals are looked at at a time.
	reviewPage = 1000
	// unitsShown is how many units the evidence of a rule names.
	unitsShown = 20
)

// Asked is what a review would ask.
type Asked struct {
	Campaign store.Campaign
	Items    []store.ReviewItem
	// Holders is how much access the review is about: as many questions as there would be if
	// it asked about every holder of every entitlement.
	Holders int
}

// StartReview begins a review. It asks about rules, once each for all whom they give
// something in a system, and about people where judgement is needed (package access says
// why). It returns what it asks.
func (g *Governance) StartReview(ctx context.Context, r Review, by rights.Subject) (Asked, error) {
	d, err := g.mayStart(ctx, r, by)
	if err != nil {
		return Asked{}, err
	}
	asked, err := g.asks(ctx, r)
	if err != nil {
		return asked, err
	}
	asked.Campaign.StartedBy = d.Maker
	return asked, g.start(ctx, &asked, d.Authority)
}

// PreviewReview returns what a review would ask, and starts none.
func (g *Governance) PreviewReview(ctx context.Context, r Review, by rights.Subject) (Asked, error) {
	if _, err := g.mayStart(ctx, r, by); err != nil {
		return Asked{}, err
	}
	return g.asks(ctx, r)
}

// start records a review, and numbers its items.
func (g *Governance) start(ctx context.Context, asked *Asked, authority string) error {
	now, c := g.Now(), &asked.Campaign
	err := g.DB.Write(ctx, func(tx *store.Tx) (err error) {
		if c.ID, err = tx.StartReview(ctx, *c, now, asked.Items); err != nil {
			return err
		}
		tx.Audit(audit.Record{At: now, Actor: c.StartedBy, Authority: authority, Action: audit.ReviewStarted,
			Reason: reason.Of(reason.ReviewStarted{Review: c.ID, Scope: string(c.Scope), Of: c.Of, Count: len(asked.Items)})})
		return nil
	})
	for n := range asked.Items {
		asked.Items[n].Campaign, asked.Items[n].Number = c.ID, int64(n+1)
	}
	return err
}

// mayStart checks what a review is about, and asks rights.
func (g *Governance) mayStart(ctx context.Context, r Review, by rights.Subject) (store.Decision, error) {
	catalogue, object := &g.Config.Rules.Catalogue, rights.Object{}
	system := ""
	switch r.Scope {
	case store.SystemScope:
		if _, ok := catalogue.System(r.Of); !ok {
			return store.Decision{}, noSuchSystem(r.Of, systems(g.Config.Rules))
		}
		system = r.Of
	case store.EntitlementScope:
		e, ok := catalogue.Entitlement(policy.EntitlementID(r.Of))
		if !ok {
			return store.Decision{}, refuse(reason.NoSuchEntitlement{Entitlement: r.Of})
		}
		system = e.System
	case store.UnitScope:
		if !g.Config.Rules.Units.Has(r.Of) {
			return store.Decision{}, refuse(reason.NoSuchUnit{Unit: r.Of})
		}
	}
	if system != "" {
		var err error
		if object.Owners, err = g.owners(ctx, system); err != nil {
			return store.Decision{}, err
		}
	}
	if r.AfterDue != "" && r.AfterDue != store.Keep && r.AfterDue != store.Revoke {
		return store.Decision{}, noVerdict(r.AfterDue)
	}
	if r.Days < 0 || r.Days > MostAnswerDays { // a day that has passed would decide before anyone is asked
		return store.Decision{}, lastDayWrong(g.today().AddDays(1), g.today().AddDays(MostAnswerDays))
	}
	return g.authorize(ctx, by, rights.StartReview, object, "a review")
}

// asks works out what a review asks.
func (g *Governance) asks(ctx context.Context, r Review) (Asked, error) {
	c := store.Campaign{Scope: r.Scope, Of: r.Of, Asks: cmp.Or(r.Asks, store.AsksOwner), AfterDue: cmp.Or(r.AfterDue, store.Keep), Due: g.today().AddDays(cmp.Or(r.Days, answerDays))}
	if r.Scope == store.SystemScope {
		c.System = r.Of
	}
	if r.Reviewer != "" {
		c.Asks, c.Reviewer = store.AsksPerson, identity.PersonActor(r.Reviewer)
	}
	if r.Fallback != "" {
		c.Fallback = identity.PersonActor(r.Fallback)
	}
	for _, id := range []identity.PersonID{r.Reviewer, r.Fallback} {
		if id == "" {
			continue
		}
		if p, err := g.DB.Person(ctx, id); err != nil || !p.IsActive(g.today()) {
			return Asked{}, cmp.Or(err, refuse(reason.ReviewerAway{}))
		}
	}
	has, err := g.accessIn(ctx, r)
	if err != nil {
		return Asked{}, err
	}
	asked := Asked{Campaign: c, Holders: len(has)}
	accounts, err := g.accountItems(ctx, r)
	if err != nil {
		return asked, err
	}
	if len(has)+len(accounts) == 0 {
		if r.Scope == store.SystemScope {
			return asked, nothingInSystem(r.Of)
		}
		return asked, refuse(reason.NothingToReview{})
	}
	found, err := g.find(ctx, has, r.All)
	if err != nil {
		return asked, err
	}
	if asked.Items, err = found.items(ctx, g); err != nil {
		return asked, err
	}
	rules := 0
	for rules < len(asked.Items) && asked.Items[rules].Kind == store.RuleItem {
		rules++
	}
	asked.Items = slices.Insert(asked.Items, rules, accounts...)
	if err := asked.mark(r.KnownWrong); err != nil {
		return asked, err
	}
	return asked, g.assign(ctx, &asked, found.people)
}

// mark notes which questions are about access that is known to be wrong.
func (a *Asked) mark(known []KnownWrong) error {
	for _, w := range known {
		at := slices.IndexFunc(a.Items, func(i store.ReviewItem) bool {
			return i.Kind == store.AccessItem && i.Person == w.Person && i.Entitlement == string(w.Entitlement)
		})
		if at < 0 {
			return refuse(reason.ReviewLacks{Person: w.Person, Entitlement: string(w.Entitlement)})
		}
		a.Items[at].KnownWrong = true
	}
	return nil
}

// accessIn returns the access that a review is about, sorted by person.
func (g *Governance) accessIn(ctx context.Context, r Review) ([]audit.Interval, error) {
	people := r.People
	switch r.Scope {
	case store.SystemScope, store.EntitlementScope, store.EverythingScope:
		var all []audit.Interval
		for _, e := range g.Config.Rules.Catalogue.Entitlements {
			if r.Scope == store.SystemScope && e.System != r.Of || r.Scope == store.EntitlementScope && string(e.ID) != r.Of {
				continue
			}
			of, err := g.DB.Intervals(ctx, store.IntervalQuery{Entitlement: string(e.ID), Open: true})
			if err != nil {
				return nil, err
			}
			all = append(all, of...)
		}
		audit.SortIntervals(all)
		return all, nil
	case store.UnitScope:
		var err error
		if people, err = g.DB.PeopleInUnits(ctx, g.Config.Rules.Units.On(g.today()).Within(r.Of)); err != nil {
			return nil, err
		}
	}
	all, err := g.DB.OpenIntervalsOf(ctx, people)
	return slices.DeleteFunc(all, func(i audit.Interval) bool { return i.Entitlement == audit.Account }), err
}

func systems(r *policy.Rules) []string {
	names := make([]string, 0, len(r.Catalogue.Systems))
	for _, s := range r.Catalogue.Systems {
		names = append(names, s.ID)
	}
	return names
}

// ruleInSystem is a rule, by what it gives in a system.
type ruleInSystem struct{ rule, system string }

// ruleFound is what a rule gives in a system to the people whom a review is about.
type ruleFound struct {
	why          reason.Rule
	people       map[identity.PersonID]bool
	entitlements map[string]bool
}

// found is what a review found: what to ask about people, and the rules.
type found struct {
	access []store.ReviewItem
	rules  map[ruleInSystem]*ruleFound
	people map[identity.PersonID]identity.Person
	// signIns are the days of the last sign-ins, of targets that tell them.
	signIns map[inTarget]string
}

// inTarget is a person in a target.
type inTarget struct {
	person identity.PersonID
	target string
}

// readSignIns reads when people last signed in.
func (f *found) readSignIns(ctx context.Context, g *Governance, people []identity.Person) error {
	ids := make([]identity.PersonID, len(people))
	for n, p := range people {
		ids[n] = p.ID
	}
	all, err := g.DB.LastSignIns(ctx, ids)
	f.signIns = make(map[inTarget]string, len(all))
	for _, x := range all {
		f.signIns[inTarget{x.Person, x.Target}] = x.SignedIn
	}
	return err
}

// unused returns why a person is asked about who did not use access; none when they did, when the
// target does not tell, or the access is too new to say. What a target tells may be behind by
// reconcile.SignInLagDays. Who is on leave is not asked about: they come back.
func unused(s reconcile.PersonStatus, has audit.Interval, e policy.Entitlement, signedIn string, today identity.Date) reason.Reason {
	days := e.Controls.UnusedAfter()
	longAgo := today.AddDays(-days - reconcile.SignInLagDays)
	if signedIn == "" || s.Stage.State != identity.Working || identity.DateOf(has.Since, time.UTC) > longAgo {
		return reason.Reason{}
	}
	last := identity.Date(signedIn)
	if signedIn == store.NeverSignedIn {
		last = ""
	}
	if last > longAgo {
		return reason.Reason{}
	}
	return reason.Of(reason.AskedUnused{Last: last, Days: days})
}

// find goes through access, and finds what is to be asked about it. Pages are made side by
// side: while one is read, another is decided.
func (g *Governance) find(ctx context.Context, has []audit.Interval, all bool) (*found, error) {
	f := &found{rules: map[ruleInSystem]*ruleFound{}, people: map[identity.PersonID]identity.Person{}}
	var pages [][]audit.Interval
	for from := 0; from < len(has); {
		to := min(from+reviewPage, len(has))
		for to < len(has) && has[to].Person == has[to-1].Person { // a person's access is looked at as a whole
			to++
		}
		pages, from = append(pages, has[from:to]), to
	}
	standing, elsewhere := make([][]reconcile.PersonStatus, len(pages)), make([]map[identity.PersonID][]policy.EntitlementID, len(pages))
	reading, readCtx := errgroup.WithContext(ctx)
	reading.SetLimit(runtime.GOMAXPROCS(0))
	for n, page := range pages {
		reading.Go(func() (err error) {
			standing[n], elsewhere[n], err = g.statusesOf(readCtx, page)
			return err
		})
	}
	if err := reading.Wait(); err != nil {
		return nil, err
	}
	var people []identity.Person
	for _, page := range standing {
		for _, s := range page {
			people = append(people, s.Person)
			f.people[s.Person.ID] = s.Person
		}
	}
	peers, err := access.PeersOf(ctx, g.DB, people, g.today())
	if err != nil {
		return nil, err
	}
	if err := f.readSignIns(ctx, g, people); err != nil {
		return nil, err
	}
	for n, page := range pages {
		byID := make(map[identity.PersonID]reconcile.PersonStatus, len(standing[n]))
		for _, s := range standing[n] {
			byID[s.Person.ID] = s
		}
		for from, to := 0, 0; from < len(page); from = to {
			for to = from; to < len(page) && page[to].Person == page[from].Person; to++ {
			}
			person := page[from].Person
			if err := g.findOf(f, byID[person], page[from:to], elsewhere[n][person], peers, all); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// statusesOf returns how the people of access stand today, and, where something is in
// conflict, what they have in all systems.
func (g *Governance) statusesOf(ctx context.Context, has []audit.Interval) ([]reconcile.PersonStatus, map[identity.PersonID][]policy.EntitlementID, error) {
	ids := make([]identity.PersonID, len(has))
	for i, a := range has {
		ids[i] = a.Person
	}
	ids = slices.Compact(ids)
	people, err := g.DB.PeopleByID(ctx, ids)
	if err != nil {
		return nil, nil, err
	}
	statuses, err := reconcile.PersonStatuses(ctx, g.DB, g.Config, people, g.today())
	if err != nil || len(g.Config.Rules.Catalogue.Conflicts) == 0 {
		return statuses, nil, err
	}
	all, err := g.DB.OpenIntervalsOf(ctx, ids)
	whole := map[identity.PersonID][]policy.EntitlementID{}
	for _, i := range all {
		whole[i.Person] = append(whole[i.Person], policy.EntitlementID(i.Entitlement))
	}
	return statuses, whole, err
}

// findOf finds what is to be asked about what one person has.
func (g *Governance) findOf(f *found, s reconcile.PersonStatus, has []audit.Interval, whole []policy.EntitlementID, peers *access.Peers, all bool) error {
	if s.Person.ID == "" { // erased since
		return nil
	}
	grants, err := g.Config.Rules.Decide(s.Person, g.today(), s.Facts)
	if err != nil {
		return err
	}
	held := g.Config.Rules.Catalogue.Held(func(id policy.EntitlementID) bool { return slices.Contains(whole, id) })
	for n, i := range has {
		e, known := g.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(i.Entitlement))
		if !known || slices.ContainsFunc(has[:n], func(o audit.Interval) bool { return o.Entitlement == i.Entitlement }) {
			continue
		}
		var grant *policy.Grant
		if at := slices.IndexFunc(grants, func(g policy.Grant) bool { return string(g.Entitlement) == i.Entitlement }); at >= 0 {
			grant = &grants[at]
		}
		if grant != nil && grant.Gate == policy.Revoked {
			continue // it goes already
		}
		with, others := peers.Share(s.Person, i.Entitlement)
		asked := f.give(s.Person.ID, e, grant)
		for name, sides := range held {
			if slices.Contains(sides, e.ID) {
				asked = append(asked, reason.Of(reason.AskedConflict{Conflict: name}))
			}
		}
		if others >= fewPeers && with*100 < outlierPercent*others {
			asked = append(asked, reason.Of(reason.AskedOutlier{With: with, Count: others}))
		}
		signedIn := f.signIns[inTarget{s.Person.ID, e.Target}]
		if why := unused(s, i, e, signedIn, g.today()); !why.IsZero() {
			asked = append(asked, why)
		}
		if all || e.Controls.ReviewAll.Value {
			asked = append(asked, reason.Of(reason.AskedOfAll{Control: e.Controls.ReviewAll.By}))
		}
		if len(asked) == 0 {
			continue
		}
		item := store.ReviewItem{Kind: store.AccessItem, Person: s.Person.ID, Entitlement: i.Entitlement, System: e.System, Why: reasonsOf(grant), Asked: reason.Join(asked...), Needs: e.Controls.Reviewers.Value,
			Evidence: store.ReviewEvidence{Since: store.Micros(i.Since.UnixMicro()), Peers: others, PeersWith: with, SignedIn: signedIn}}
		item.Evidence.Together = others >= fewPeers && with*2 >= others && unusual(item) >= slices.Index(askedFirst, reason.CodeOf(reason.AskedOfAll{}))
		f.access = append(f.access, item)
	}
	return nil
}

// give notes which rules give an entitlement to a person, and returns why the person is to be
// asked about besides.
func (f *found) give(person identity.PersonID, e policy.Entitlement, grant *policy.Grant) (asked []reason.Reason) {
	if grant == nil {
		return []reason.Reason{reason.Of(reason.AskedNoRule{})}
	}
	switch grant.Gate {
	case policy.Denied, policy.Withheld:
		return []reason.Reason{reason.Of(reason.AskedClosed{})}
	case policy.Kept:
		if grant.GateReason.Code() == reason.CodeOf(reason.HandedOver{}) {
			return []reason.Reason{reason.Of(reason.AskedHandover{Until: grant.Until})}
		}
		return []reason.Reason{reason.Of(reason.AskedDecision{})}
	}
	given := false
	for _, r := range grant.Reasons {
		kind, err := r.By.Kind()
		rule, ok := kind.(reason.Rule)
		if err != nil || !ok {
			continue
		}
		given = true
		key := ruleInSystem{rule.Rule, e.System}
		of := f.rules[key]
		if of == nil {
			rule.Via = ""
			of = &ruleFound{why: rule, people: map[identity.PersonID]bool{}, entitlements: map[string]bool{}}
			f.rules[key] = of
		}
		of.people[person], of.entitlements[string(e.ID)] = true, true
	}
	if !given {
		asked = append(asked, reason.Of(reason.AskedDecision{}))
	}
	if !grant.Exemption.IsZero() {
		asked = append(asked, reason.Of(reason.AskedExemption{}))
	}
	if !grant.Allowed.IsZero() {
		asked = append(asked, reason.Of(reason.AskedAllowance{}))
	}
	return asked
}

// reasonsOf returns the reasons of a grant.
func reasonsOf(grant *policy.Grant) reason.Reason {
	switch {
	case grant == nil:
		return reason.Of(reason.NoRule{})
	case len(grant.Reasons) > 0:
		return policy.Reasons(grant.Reasons)
	}
	return grant.GateReason
}

// items returns what is asked: rules first, those with the most people before others; then
// people, what is most unusual first.
func (f *found) items(ctx context.Context, g *Governance) ([]store.ReviewItem, error) {
	var rules []store.ReviewItem
	for key, of := range f.rules {
		why := of.why
		item := store.ReviewItem{Kind: store.RuleItem, System: key.system, Rule: key.rule, Why: reason.Of(why), Needs: 1, Evidence: store.ReviewEvidence{People: len(of.people)}}
		before, known, err := g.DB.RuleReach(ctx, key.rule, key.system)
		if err != nil {
			return nil, err
		}
		asked := reason.AskedRule{Count: len(of.people), Before: -1}
		if known {
			item.Evidence.Before, asked.Before = &before, before
		}
		item.Asked = reason.Of(asked)
		for e := range of.entitlements {
			item.Evidence.Entitlements = append(item.Evidence.Entitlements, e)
			controls, _ := g.Config.Rules.Catalogue.Entitlement(policy.EntitlementID(e))
			item.Needs = max(item.Needs, controls.Controls.Reviewers.Value)
		}
		slices.Sort(item.Evidence.Entitlements)
		item.Evidence.Units = f.unitsOf(of, g.today())
		rules = append(rules, item)
	}
	slices.SortFunc(rules, func(a, b store.ReviewItem) int {
		return cmp.Or(cmp.Compare(b.Evidence.People, a.Evidence.People), strings.Compare(a.Rule, b.Rule), strings.Compare(a.System, b.System))
	})
	slices.SortStableFunc(f.access, func(a, b store.ReviewItem) int { return cmp.Compare(unusual(a), unusual(b)) })
	return append(rules, f.access...), nil
}

// unitsOf returns where most of the people of a rule work.
func (f *found) unitsOf(of *ruleFound, day identity.Date) []store.UnitReach {
	count := map[string]int{}
	for id := range of.people {
		var seen []string
		for _, at := range access.PositionsOf(f.people[id], day) {
			if !slices.Contains(seen, at.Unit) {
				seen = append(seen, at.Unit)
				count[at.Unit]++
			}
		}
	}
	units := make([]store.UnitReach, 0, len(count))
	for unit, people := range count {
		units = append(units, store.UnitReach{Unit: unit, People: people})
	}
	slices.SortFunc(units, func(a, b store.UnitReach) int {
		return cmp.Or(cmp.Compare(b.People, a.People), strings.Compare(a.Unit, b.Unit))
	})
	return units[:min(len(units), unitsShown)]
}

// askedFirst are the reasons to ask, the most telling first.
var askedFirst = []reason.Code{reason.CodeOf(reason.AskedConflict{}), reason.CodeOf(reason.AskedClosed{}), reason.CodeOf(reason.AskedNoRule{}), reason.CodeOf(reason.AskedAllowance{}),
	reason.CodeOf(reason.AskedExemption{}), reason.CodeOf(reason.AskedDecision{}), reason.CodeOf(reason.AskedOutlier{}), reason.CodeOf(reason.AskedUnused{}), reason.CodeOf(reason.AskedHandover{}), reason.CodeOf(reason.AskedOfAll{})}

// unusual says how far behind a question comes.
func unusual(i store.ReviewItem) int {
	first := len(askedFirst)
	for _, why := range i.Asked.Each() {
		if at := slices.Index(askedFirst, why.Code()); at >= 0 {
			first = min(first, at)
		}
	}
	return first
}

// assign says who is asked about what. No one is asked about their own access, or what they
// approved, where another person can be.
func (g *Governance) assign(ctx context.Context, asked *Asked, people map[identity.PersonID]identity.Person) error {
	c := asked.Campaign
	managers, err := g.managersOf(ctx, asked.Items, people)
	if err != nil {
		return err
	}
	approved, err := g.approvedBy(ctx, asked.Items)
	if err != nil {
		return err
	}
	subjects, err := g.subjectsOf(ctx, asked.Items)
	if err != nil {
		return err
	}
	owners := map[string][]identity.PersonID{}
	for n := range asked.Items {
		i := &asked.Items[n]
		other := func(p identity.PersonID) bool { return p != "" && p != subjects[n] && !slices.Contains(approved[n], p) }
		if owners[i.System] == nil {
			if owners[i.System], err = g.ownersWorking(ctx, i.System); err != nil {
				return err
			}
		}
		others := slices.DeleteFunc(slices.Clone(owners[i.System]), func(o identity.PersonID) bool { return !other(o) })
		reviewer, _ := c.Reviewer.Person()
		fallback, _ := c.Fallback.Person()
		if c.Asks == store.AsksManager || c.Asks == store.AsksManagerThenOwner {
			reviewer = managers[i.Person]
		}
		if c.Asks == store.AsksManagerThenOwner && other(reviewer) && slices.ContainsFunc(others, func(o identity.PersonID) bool { return o != reviewer }) {
			i.Next = store.AsksOwner // the same person is not asked twice
		}
		switch {
		case other(reviewer):
			i.Reviewer = identity.PersonActor(reviewer)
		case len(others) > 0: // the owner of the system
		case other(fallback):
			i.Reviewer = c.Fallback
		case other(managers[i.Person]):
			i.Reviewer = identity.PersonActor(managers[i.Person])
		}
	}
	return nil
}

// ownersWorking returns the owner and the deputies of a system who work here today and are not
// suspended: those who can answer.
func (g *Governance) ownersWorking(ctx context.Context, system string) ([]identity.PersonID, error) {
	ids, err := g.owners(ctx, system)
	if err != nil {
		return nil, err
	}
	people, err := g.DB.PeopleByID(ctx, ids)
	if err != nil {
		return nil, err
	}
	works, err := access.WhoWorks(ctx, g.DB, g.Config, people, g.today())
	working := []identity.PersonID{}
	for _, p := range people {
		if works[p.ID] {
			working = append(working, p.ID)
		}
	}
	return working, err
}

// managersOf returns the manager of each person whom a question is about; none for who has
// none who works here today and is another.
func (g *Governance) managersOf(ctx context.Context, items []store.ReviewItem, people map[identity.PersonID]identity.Person) (map[identity.PersonID]identity.PersonID, error) {
	var about []identity.Person
	for _, i := range items {
		if p, known := people[i.Person]; known {
			about = append(about, p)
		}
	}
	found, err := access.ManagersOf(ctx, g.DB, g.Config, g.today(), about)
	managers := make(map[identity.PersonID]identity.PersonID, len(found))
	for person, m := range found {
		managers[person] = m.ID
	}
	return managers, err
}
