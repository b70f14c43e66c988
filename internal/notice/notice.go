// Package notice decides who is told of what waits for them: questions of reviews, requests to
// approve, access that ends, systems to go through, MFA to enrol for; and when their manager is.
// Each notice is told once.
//
// It must never send anything, and a notice must never hold a personal value: people are in it
// by ID, and a mail can be read by others than whom it is to.
package notice

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/behov/behov/connectors/manual"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// FirstHour is the hour of the day, in the zone of the configuration, from which on notices are
// sent.
const FirstHour = 7

// The stages of what has no number of days left.
const (
	asked     = "asked"     // it is told as soon as it is there
	escalated = "escalated" // the manager is told
	joined    = "joined"    // the manager is told of a joiner
)

// Database is what notices are decided from.
type Database interface {
	access.ApproverReader
	OpenCampaigns(ctx context.Context) ([]store.Campaign, error)
	OpenQuestions(ctx context.Context, campaigns []int64) ([]store.OpenQuestions, error)
	WaitingRequests(ctx context.Context, day identity.Date) ([]store.AccessRequest, error)
	RequestsEnding(ctx context.Context, from, to identity.Date) ([]store.AccessRequest, error)
	NewestDecisionPerSubject(ctx context.Context, kind store.DecisionKind) (map[store.Subject]store.Decision, error)
	GatedGrants(ctx context.Context, of store.PersonSet) ([]store.GatedGrant, error)
	OrdersByDay(ctx context.Context, targets []string) ([]store.OrdersDue, error)
	NonHumanAccounts(ctx context.Context, target string) ([]store.NonHumanAccount, error)
	DecisionsBySeq(ctx context.Context, numbers []int64) ([]store.Decision, error)
	NoticesSent(ctx context.Context, about store.NoticeAbout, subjects []string) (map[store.NoticeKey]bool, error)
}

// Due returns the notices that are to be sent now, sorted by the person who is told. People who
// do not work here, are suspended or have no address are told nothing: what waits for them is
// told to their managers in time.
func Due(ctx context.Context, db Database, c *config.Config, now time.Time) ([]store.Notice, error) {
	if c.Notices == nil || now.In(c.Zone).Hour() < FirstHour {
		return nil, nil
	}
	f := finder{ctx: ctx, db: db, config: c, day: identity.DateOf(now, c.Zone)}
	var err error
	if f.away, err = access.DeputiesOn(ctx, db, c, f.day); err != nil {
		return nil, err
	}
	for _, find := range []func() error{f.reviews, f.requests, f.endings, f.revisions, f.enrolments, f.orders, f.accounts, f.absences} {
		if err := find(); err != nil {
			return nil, err
		}
	}
	if err := f.tellManagers(); err != nil {
		return nil, err
	}
	return f.unsent()
}

// finder collects notices.
type finder struct {
	ctx    context.Context
	db     Database
	config *config.Config
	day    identity.Date
	found  []store.Notice
	upward []upward
	away   access.Deputies
}

// upward is what the manager of a person is told.
type upward struct {
	person  identity.PersonID
	about   store.NoticeAbout
	subject string
	stage   string
	kind    reason.Kind
}

// decider is who decides what a person is asked: while they are away, the person who does so in
// their place.
func (f *finder) decider(person identity.PersonID) identity.PersonID {
	return cmp.Or(f.away.Of(person), person)
}

// escalate has the manager of a person told of something, once the person had the time to do
// it.
func (f *finder) escalate(person identity.PersonID, about store.NoticeAbout, subject string, kind reason.Kind) {
	f.upward = append(f.upward, upward{person, about, subject, escalated, kind})
}

func (f *finder) tell(person identity.PersonID, about store.NoticeAbout, subject, stage string, kind reason.Kind) {
	f.found = append(f.found, store.Notice{NoticeKey: store.NoticeKey{Person: person, About: about, Subject: subject, Stage: stage}, Reason: reason.Of(kind)})
}

// stage returns how near the last day of something is; empty when it is too far away, or past.
func (f *finder) stage(last identity.Date) string {
	stage := ""
	for _, days := range f.config.Notices.Remind { // the most first
		if last != "" && f.day <= last && last.AddDays(-days) <= f.day {
			stage = strconv.Itoa(days)
		}
	}
	return stage
}

// reviews finds who has questions to answer.
func (f *finder) reviews() error {
	campaigns, err := f.db.OpenCampaigns(f.ctx)
	if err != nil || len(campaigns) == 0 {
		return err
	}
	byID := map[int64]store.Campaign{}
	for _, c := range campaigns {
		byID[c.ID] = c
	}
	open, err := f.db.OpenQuestions(f.ctx, slices.Sorted(maps.Keys(byID)))
	if err != nil {
		return err
	}
	owners, err := f.owners()
	if err != nil {
		return err
	}
	type place struct {
		campaign int64
		person   identity.PersonID
	}
	counts := map[place]int{}
	var order []place
	add := func(campaign int64, person identity.PersonID, n int) {
		p := place{campaign, f.decider(person)}
		if counts[p] == 0 {
			order = append(order, p)
		}
		counts[p] += n
	}
	for _, q := range open {
		if person, ok := q.Reviewer.Person(); ok {
			add(q.Campaign, person, q.Count)
			continue
		}
		for _, owner := range owners[q.System] {
			add(q.Campaign, owner, q.Count)
		}
	}
	for _, p := range order {
		c := byID[p.campaign]
		subject := strconv.FormatInt(c.ID, 10)
		f.tell(p.person, store.NoticeReview, subject, cmp.Or(f.stage(c.Due), asked), reason.ReviewAsks{Review: c.ID, Count: counts[p], Due: c.Due})
		if c.Due != "" && f.day <= c.Due && c.Due.AddDays(-f.config.Notices.Escalate) <= f.day {
			f.escalate(p.person, store.NoticeReview, subject, reason.ReviewAnswersMissing{Review: c.ID, Count: counts[p], Due: c.Due})
		}
	}
	return nil
}

// requests finds who has requests to approve or refuse.
func (f *finder) requests() error {
	waiting, err := f.db.WaitingRequests(f.ctx, f.day)
	if err != nil || len(waiting) == 0 {
		return err
	}
	approvers, err := access.ApproversOf(f.ctx, f.db, f.config, f.day, waiting...)
	if err != nil {
		return err
	}
	for _, r := range waiting {
		subject := strconv.FormatInt(r.ID, 10)
		for _, part := range approvers[r.ID] {
			for _, person := range part.People {
				person = f.decider(person)
				f.tell(person, store.NoticeRequest, subject, asked, reason.ApprovalAwaited{Request: r.ID, Entitlement: r.Entitlement})
				if r.Since.AddDays(f.config.Notices.Escalate) <= f.day {
					f.escalate(person, store.NoticeRequest, subject, reason.ApprovalUnanswered{Request: r.ID, Entitlement: r.Entitlement, Since: r.Since})
				}
			}
		}
	}
	return nil
}

// endings finds whose access by a request ends soon.
func (f *finder) endings() error {
	if len(f.config.Notices.Remind) == 0 {
		return nil
	}
	ending, err := f.db.RequestsEnding(f.ctx, f.day, f.day.AddDays(f.config.Notices.Remind[0]))
	if err != nil {
		return err
	}
	for _, r := range ending {
		if stage := f.stage(r.Until); stage != "" && !r.Emergency {
			f.tell(r.Person, store.NoticeAccessEnd, strconv.FormatInt(r.ID, 10), stage, reason.AccessEnds{Request: r.ID, Entitlement: r.Entitlement, Until: r.Until})
		}
	}
	return nil
}

// revisions finds the owners of systems that were not gone through for a year.
func (f *finder) revisions() error {
	revised, err := f.db.NewestDecisionPerSubject(f.ctx, store.RevisionDecision)
	if err != nil {
		return err
	}
	owners, err := f.owners()
	if err != nil {
		return err
	}
	for _, s := range f.config.Rules.Catalogue.Systems {
		system := s.ID
		due := identity.Date("")
		if d, known := revised[store.RevisionSubject(system)]; known {
			if due = access.RevisionDue(d, f.config.Zone); due >= f.day {
				continue
			}
		}
		subject := fmt.Sprintf("%s %s", system, due) // each year's is another
		for _, owner := range owners[system] {
			owner = f.decider(owner)
			f.tell(owner, store.NoticeRevision, subject, asked, reason.RevisionLate{System: system, Due: due})
			if due != "" && due.AddDays(f.config.Notices.Escalate) <= f.day {
				f.escalate(owner, store.NoticeRevision, subject, reason.RevisionUnanswered{System: system})
			}
		}
	}
	return nil
}

// enrolments finds who is not enrolled for MFA while access waits for it. Of a joiner the manager
// is told at once, where the configuration has managers ask for passes.
func (f *finder) enrolments() error {
	gated, err := f.db.GatedGrants(f.ctx, store.Everyone())
	if err != nil {
		return err
	}
	waits := map[identity.PersonID]int{}
	var ids []identity.PersonID
	for _, g := range gated {
		if g.Gate != string(policy.AwaitingMFA) {
			continue
		}
		if waits[g.Person]++; waits[g.Person] == 1 {
			ids = append(ids, g.Person)
		}
	}
	people, err := f.db.PeopleByID(f.ctx, ids)
	if err != nil {
		return err
	}
	statuses, err := reconcile.PersonStatuses(f.ctx, f.db, f.config, people, f.day)
	if err != nil {
		return err
	}
	for _, s := range statuses {
		since, working := desired.MFAWaitsSince(s.Person, s.Facts, f.day)
		if !working {
			continue // the days before the first do not count
		}
		person, subject := s.Person.ID, fmt.Sprintf("%s %s", s.Person.ID, since)
		var until identity.Date
		if f.config.MFASuspendAfter > 0 {
			until = since.AddDays(f.config.MFASuspendAfter)
		}
		f.tell(person, store.NoticeMFA, subject, cmp.Or(f.stage(until), asked), reason.MFAAwaited{Count: waits[person], Until: until})
		if first := firstDay(s.Person, f.day); f.config.MFAAskManager && first.AddDays(f.config.Notices.Escalate) > f.day {
			f.upward = append(f.upward, upward{person, store.NoticeMFA, string(person) + " " + string(first), joined, reason.PassNeeded{Start: first}})
		}
		if since.AddDays(f.config.Notices.Escalate) <= f.day {
			f.escalate(person, store.NoticeMFA, subject, reason.MFAMissing{Count: waits[person], Until: until})
		}
	}
	return nil
}

// firstDay returns on which day the person began in the employments that they have on a day.
func firstDay(p identity.Person, day identity.Date) (first identity.Date) {
	for _, e := range p.Active(day) {
		if first == "" || e.Start < first {
			first = e.Start
		}
	}
	return first
}

// orders finds who has changes to make in targets without an interface, and who is told when they
// are overdue.
func (f *finder) orders() error {
	by := map[string]manual.Config{}
	for _, t := range f.config.Targets {
		if settings, is := t.Manual(); is {
			by[t.Name] = settings
		}
	}
	waiting, err := f.db.OrdersByDay(f.ctx, slices.Sorted(maps.Keys(by)))
	if err != nil || len(waiting) == 0 {
		return err
	}
	var keys []identity.SourceKey
	for _, settings := range by {
		for _, ref := range []string{settings.To, settings.Escalate} {
			if source, key, ok := strings.Cut(ref, "/"); ok && !manual.IsMailbox(ref) {
				keys = append(keys, identity.SourceKey{Source: source, Key: key})
			}
		}
	}
	known, err := f.db.PeopleByKeys(f.ctx, keys)
	if err != nil {
		return err
	}
	for _, w := range waiting {
		subject := w.Target + " " + string(w.Due)
		tell := func(ref, stage string, kind reason.Kind) {
			if manual.IsMailbox(ref) {
				f.found = append(f.found, store.Notice{NoticeKey: store.NoticeKey{Mailbox: ref, About: store.NoticeWorkOrders, Subject: subject, Stage: stage}, Reason: reason.Of(kind)})
				return
			}
			source, key, _ := strings.Cut(ref, "/")
			if p, ok := known[identity.SourceKey{Source: source, Key: key}]; ok {
				f.tell(f.decider(p.ID), store.NoticeWorkOrders, subject, stage, kind)
			}
		}
		if w.Due >= f.day {
			tell(by[w.Target].To, cmp.Or(f.stage(w.Due), asked), reason.OrdersWait{Target: w.Target, Count: w.Count, Due: w.Due})
			continue
		}
		for _, ref := range []string{by[w.Target].To, by[w.Target].Escalate} {
			if ref != "" {
				tell(ref, escalated, reason.OrdersOverdue{Target: w.Target, Count: w.Count, Due: w.Due})
			}
		}
	}
	return nil
}

// accounts finds who answers for an account of the register that soon cannot be used: its last day
// comes near, or its owner leaves or has left.
func (f *finder) accounts() error {
	all, err := f.db.NonHumanAccounts(f.ctx, "")
	if err != nil || len(all) == 0 {
		return err
	}
	statuses, err := reconcile.NonHumanStatuses(f.ctx, f.db, f.config, all, f.day)
	if err != nil {
		return err
	}
	for _, s := range statuses {
		if s.Warning(f.day).IsZero() {
			continue
		}
		last := s.Account.Until
		for _, day := range []identity.Date{s.HandOverBy, s.OwnerLeaves} {
			if day != "" {
				last = min(last, day)
			}
		}
		for _, owner := range s.AccountOwners {
			f.tell(f.decider(owner), store.NoticeAccount, fmt.Sprintf("%s %s", s.Account.ID, last), cmp.Or(f.stage(last), asked), reason.AccountEnds{Account: s.Account.Name, Last: last})
			if s.OwnerLeaves != "" { // who leaves may not be the one who hands it over
				f.escalate(owner, store.NoticeAccount, fmt.Sprintf("%s %s", s.Account.ID, last), reason.AccountEnds{Account: s.Account.Name, Last: last})
			}
		}
	}
	return nil
}

// absences tells who decides in the place of another that they do, as soon as it is decided.
func (f *finder) absences() error {
	all, err := f.db.AbsencesFrom(f.ctx, f.day)
	for _, a := range all {
		f.tell(a.Deputy, store.NoticeAbsence, strconv.FormatInt(a.Decision, 10), asked, reason.DecidesInstead{Since: a.Since, Until: a.Until})
	}
	return err
}

// owners returns the owner and the deputies of each system.
func (f *finder) owners() (map[string][]identity.PersonID, error) {
	keys := map[string][]identity.SourceKey{}
	var all []identity.SourceKey
	for _, s := range f.config.Rules.Catalogue.Systems {
		system := s.ID
		keys[system] = access.OwnerKeys(f.config, system)
		all = append(all, keys[system]...)
	}
	known, err := f.db.PeopleByKeys(f.ctx, all)
	if err != nil {
		return nil, err
	}
	owners := map[string][]identity.PersonID{}
	for system, of := range keys {
		for _, key := range of {
			if p, ok := known[key]; ok && !slices.Contains(owners[system], p.ID) {
				owners[system] = append(owners[system], p.ID)
			}
		}
	}
	return owners, nil
}

// tellManagers tells managers what waits for their staff.
func (f *finder) tellManagers() error {
	var ids []identity.PersonID
	for _, u := range f.upward {
		ids = append(ids, u.person)
	}
	people, err := f.db.PeopleByID(f.ctx, distinct(ids))
	if err != nil {
		return err
	}
	managers, err := access.ManagersOf(f.ctx, f.db, f.config, f.day, people)
	if err != nil {
		return err
	}
	works, err := access.WhoWorks(f.ctx, f.db, f.config, people, f.day)
	if err != nil {
		return err
	}
	for _, u := range f.upward {
		if u.about == store.NoticeMFA && !works[u.person] {
			continue // nothing of theirs can be used
		}
		if m, ok := managers[u.person]; ok {
			f.tell(f.decider(m.ID), u.about, u.subject, u.stage+" "+string(u.person), u.kind)
		}
	}
	return nil
}

// unsent returns what was found and is not sent, to those who can be told.
func (f *finder) unsent() ([]store.Notice, error) {
	subjects := map[store.NoticeAbout][]string{}
	for _, n := range f.found {
		subjects[n.About] = append(subjects[n.About], n.Subject)
	}
	sent := map[store.NoticeKey]bool{}
	for about, of := range subjects {
		some, err := f.db.NoticesSent(f.ctx, about, distinct(of))
		if err != nil {
			return nil, err
		}
		for key := range some {
			sent[key] = true
		}
	}
	f.found = slices.DeleteFunc(f.found, func(n store.Notice) bool {
		again := sent[n.NoticeKey] // or told already for another person in whose place they decide
		sent[n.NoticeKey] = true
		return again
	})
	var ids []identity.PersonID
	for _, n := range f.found {
		ids = append(ids, n.Person)
	}
	people, err := f.db.PeopleByID(f.ctx, distinct(ids))
	if err != nil {
		return nil, err
	}
	works, err := access.WhoWorks(f.ctx, f.db, f.config, people, f.day)
	if err != nil {
		return nil, err
	}
	told := map[identity.PersonID]bool{}
	for _, p := range people {
		told[p.ID] = works[p.ID] && HasAddress(p)
	}
	f.found = slices.DeleteFunc(f.found, func(n store.Notice) bool { return n.Mailbox == "" && !told[n.Person] })
	slices.SortStableFunc(f.found, func(a, b store.Notice) int {
		return cmp.Or(cmp.Compare(a.Person, b.Person), cmp.Compare(a.Mailbox, b.Mailbox))
	})
	return f.found, nil
}

// HasAddress reports whether HR gives an address to which a person can be written. One that is
// none is no reason to try again for ever.
func HasAddress(p identity.Person) bool {
	_, err := mail.ParseAddress(p.Email)
	return err == nil
}

func distinct[T cmp.Ordered](of []T) []T {
	of = slices.Clone(of)
	slices.Sort(of)
	return slices.Compact(of)
}

// Path returns where a page shows what a notice is about, below the address of behov.
func Path(n store.Notice) string {
	switch n.About {
	case store.NoticeReview:
		return "/reviews/" + n.Subject
	case store.NoticeRequest:
		return "/requests/" + n.Subject
	case store.NoticeAccessEnd:
		return "/requests"
	case store.NoticeRevision:
		return "/systems/revisions"
	case store.NoticeMFA:
		person, _, _ := strings.Cut(n.Subject, " ")
		return "/people/" + person
	case store.NoticeWorkOrders:
		return "/work-orders"
	case store.NoticeAccount:
		return "/non-human-accounts"
	}
	return "/"
}
