package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

// ReviewItem is one question of a review: may this person keep this, or is this rule right?
type ReviewItem struct {
	Item     string               `json:"item"` // CAMPAIGN-NUMBER, for behov review decide
	Campaign int64                `json:"campaign"`
	Kind     store.ReviewItemKind `json:"kind"`
	System   string               `json:"system,omitempty"`
	// Person and Entitlement are what a question about access is about.
	Person      *Ref   `json:"person,omitempty"`
	Entitlement string `json:"entitlement,omitempty"`
	// Rule is the rule that a question is about, as it stands today.
	Rule     *RuleText            `json:"rule,omitempty"`
	Why      Reason               `json:"why"`   // the reasons for the access when the review began
	Asked    []Reason             `json:"asked"` // why it is asked
	Evidence store.ReviewEvidence `json:"evidence"`
	Needs    int                  `json:"needs"` // how many must say keep
	// Next is who is asked once the reviewer says keep: owner; left out for none.
	Next store.CampaignAsks `json:"next,omitempty"`
	// Answers are those that do not settle the question: by the first of several, that it is
	// not theirs, to whom it was handed on.
	Answers []Decision `json:"answers"`
	// Mine: the viewer may answer it.
	Mine bool `json:"-"`
	// Reviewer is who is asked; left out for the owner of the system.
	Reviewer *Actor    `json:"reviewer,omitempty"`
	Decision *Decision `json:"decision,omitempty"`
}

// RuleText is a rule of the policy.
type RuleText struct {
	Rule      string `json:"rule"` // its ID
	Place     string `json:"place,omitempty"`
	Condition string `json:"condition,omitempty"` // empty for a rule that is no longer there
	// Words is when it applies, as people read it; left out for a rule that is no longer there.
	Words  Reason `json:"words,omitzero"`
	Grants string `json:"grants,omitempty"`
	Why    string `json:"why,omitempty"`
}

// ReviewItems returns the questions that are not decided, or all, about people whom the
// viewer may see.
func (v *View) ReviewItems(all bool) ([]ReviewItem, error) {
	if !all {
		items, err := v.DB.OpenReviewItems(v.ctx)
		if err != nil {
			return nil, err
		}
		return v.reviewItems(items, nil)
	}
	items, decisions, err := v.DB.ReviewItems(v.ctx, 0)
	if err != nil {
		return nil, err
	}
	return v.reviewItems(items, decisions)
}

// ReviewQuestions returns the questions of one review, about people whom the viewer may see.
func (v *View) ReviewQuestions(campaign int64) ([]ReviewItem, error) {
	items, decisions, err := v.DB.ReviewItems(v.ctx, campaign)
	if err != nil {
		return nil, err
	}
	return v.reviewItems(items, decisions)
}

// Review is a review with how many questions it has.
type Review struct {
	Campaign  int64               `json:"campaign"`
	Scope     store.CampaignScope `json:"scope"`
	Of        string              `json:"of,omitempty"` // the system, unit or entitlement
	Person    *Ref                `json:"person,omitempty"`
	System    string              `json:"system,omitempty"`
	Asks      store.CampaignAsks  `json:"asks"`
	Reviewer  *Actor              `json:"reviewer,omitempty"` // who is asked about everything
	Due       identity.Date       `json:"due,omitempty"`      // the last day for answers
	AfterDue  store.Verdict       `json:"after_due"`          // what becomes of access about which no answer came
	StartedAt store.Micros        `json:"started_at"`
	StartedBy Actor               `json:"started_by"`
	ClosedAt  *store.Micros       `json:"closed_at,omitempty"`
	Signed    *Decision           `json:"signed,omitempty"`
	Questions int                 `json:"questions"`
	Answered  int                 `json:"answered"`
	// Yours are the questions without an answer that the viewer is asked, Mine says that the
	// viewer may answer, and Asked that the viewer is who is asked: the reviewer, the owner of
	// the system or a deputy.
	Yours int  `json:"-"`
	Mine  bool `json:"-"`
	Asked bool `json:"-"`
}

// Late reports whether the last day has passed and questions are without an answer.
func (r Review) Late(today identity.Date) bool {
	return r.Due != "" && r.Due < today && r.Answered < r.Questions
}

// reviewsListed is how many reviews are listed.
const reviewsListed = 200

// Reviews returns the newest reviews that the viewer may answer, or of a viewer who may see
// everyone all.
func (v *View) Reviews() ([]Review, error) {
	newest, err := v.DB.NewestReviews(v.ctx, reviewsListed)
	if err != nil {
		return nil, err
	}
	return v.reviewsOf(newest)
}

func (v *View) reviewsOf(newest []store.ReviewSummary) ([]Review, error) {
	ids := make([]int64, len(newest))
	for i, r := range newest {
		ids[i] = r.ID
	}
	toAnswer, err := v.toAnswer(ids)
	if err != nil {
		return nil, err
	}
	var owned []string
	for _, s := range v.Config.Rules.Catalogue.Systems {
		if v.owns(s) {
			owned = append(owned, s.ID)
		}
	}
	asking, err := v.DB.ReviewsAsking(v.ctx, v.places(), owned)
	if err != nil {
		return nil, err
	}
	reviews := []Review{}
	for _, r := range newest {
		x := Review{Campaign: r.ID, Scope: r.Scope, Of: r.Of, System: r.System, Asks: r.Asks, Due: r.Due, AfterDue: r.AfterDue, StartedAt: r.StartedUS, StartedBy: v.ActorOf(r.StartedBy), ClosedAt: r.ClosedUS,
			Questions: r.Questions, Answered: r.Answered}
		system, _ := v.Config.Rules.Catalogue.System(r.System)
		asked, _ := r.Reviewer.Person()
		if x.Mine, err = v.mayAnswer(asked, "", system); err != nil {
			return nil, err
		}
		x.Asked = asking[r.ID]
		x.Mine, x.Yours = x.Mine || x.Asked || toAnswer[r.ID].any, max(0, toAnswer[r.ID].mine)
		if !x.Mine && !v.everyone {
			continue
		}
		if r.Scope == store.MoverScope {
			x.Of = ""
			if id := identity.PersonID(r.Of); id != "" {
				if err := v.Load([]identity.PersonID{id}); err != nil {
					return nil, err
				}
				x.Person = v.optional(id)
			}
		}
		if r.Reviewer != "" {
			reviewer := v.ActorOf(r.Reviewer)
			x.Reviewer = &reviewer
		}
		if r.Signed != nil {
			d, err := v.DB.Decision(v.ctx, *r.Signed)
			if err != nil {
				return nil, err
			}
			shown := v.Decision(d)
			x.Signed = &shown
		}
		reviews = append(reviews, x)
	}
	return reviews, nil
}

// Review returns one review.
func (v *View) Review(campaign int64) (Review, error) {
	r, err := v.DB.ReviewSummary(v.ctx, campaign)
	if err != nil {
		return Review{}, err
	}
	all, err := v.reviewsOf([]store.ReviewSummary{r})
	if err == nil && len(all) == 0 {
		err = &reason.Refusal{Reason: reason.Of(reason.NoReview{Review: campaign})}
	}
	if err != nil {
		return Review{}, err
	}
	return all[0], nil
}

func (v *View) reviewItems(items []store.ReviewItem, decisions map[int64]store.Decision) ([]ReviewItem, error) {
	answers, err := v.answersTo(items)
	if err != nil {
		return nil, err
	}
	var ids, accounts []identity.PersonID
	for _, item := range items {
		if item.Kind == store.AccountItem {
			accounts = append(accounts, item.Person)
		}
	}
	if err := v.loadNonHuman(accounts); err != nil {
		return nil, err
	}
	var reasons []reason.Reason
	var opened []*store.Decision
	decided := make([]*store.Decision, len(items))
	for n, item := range items {
		reviewer, _ := item.Reviewer.Person()
		ids = append(ids, item.Person, reviewer)
		if about := v.reviewed(item); about != "" {
			v.markOwned(item.System, about)
			v.markAsked(reviewer, about)
		}
		reasons = append(reasons, item.Why, item.Asked)
		if item.Decision != nil {
			d := decisions[*item.Decision]
			maker, _ := d.Maker.Person()
			ids, decided[n] = append(ids, maker), &d
			opened = append(opened, &d)
		}
		for a := range answers[item.Subject()] {
			d := &answers[item.Subject()][a]
			maker, _ := d.Maker.Person()
			ids, opened = append(ids, maker), append(opened, d)
		}
	}
	if err := v.Load(ids, reasons...); err != nil {
		return nil, err
	}
	if err := v.DB.DecryptReasons(v.ctx, opened...); err != nil {
		return nil, err
	}
	rules := v.ruleTexts()
	shown := []ReviewItem{}
	for n, item := range items {
		if item.Person != "" && v.hides(item.Person) {
			continue
		}
		x := ReviewItem{Item: item.Ref(), Campaign: item.Campaign, Kind: item.Kind, System: item.System, Entitlement: item.Entitlement, Why: v.Because(item.Why), Evidence: item.Evidence, Needs: item.Needs, Next: item.Next, Asked: []Reason{}, Answers: []Decision{}}
		if item.Person != "" {
			ref := v.Ref(item.Person)
			x.Person = &ref
		} else {
			x.Rule = rules(item.Rule)
		}
		for _, why := range item.Asked.Each() {
			if !why.IsZero() {
				x.Asked = append(x.Asked, v.Because(why))
			}
		}
		asked, _ := item.Reviewer.Person()
		system, _ := v.Config.Rules.Catalogue.System(item.System)
		if x.Mine, err = v.mayAnswer(asked, v.reviewed(item), system); err != nil {
			return nil, err
		}
		if item.Reviewer != "" {
			reviewer := v.ActorOf(item.Reviewer)
			x.Reviewer = &reviewer
		}
		if decided[n] != nil {
			d := v.Decision(*decided[n])
			x.Decision = &d
		}
		for _, d := range answers[item.Subject()] {
			if item.Decision == nil || d.Seq != *item.Decision {
				x.Answers = append(x.Answers, v.Decision(d))
			}
		}
		shown = append(shown, x)
	}
	return shown, nil
}

// reviewed returns the person whom a question is about: of an account of the register its owner,
// who does not answer about it.
func (v *View) reviewed(i store.ReviewItem) identity.PersonID {
	if a, account := v.nonHuman[i.Person]; account {
		return a.Owner
	}
	return i.Person
}

// answersTo returns the answers that settle no question by themselves, by what they are
// about.
func (v *View) answersTo(items []store.ReviewItem) (map[store.Subject][]store.Decision, error) {
	all, err := v.DB.ReviewAnswers(v.ctx, items)
	bySubject := map[store.Subject][]store.Decision{}
	for _, d := range all {
		bySubject[d.Subject] = append(bySubject[d.Subject], d)
	}
	return bySubject, err
}

// Words returns when a rule applies, as people read it.
func (v *View) Words(r policy.Rule) Reason { return v.Because(v.Config.Rules.Words(r.Condition)) }

func (v *View) ruleText(r policy.Rule) *RuleText {
	return &RuleText{Words: v.Words(r), Rule: r.ID, Place: fmt.Sprintf("%s:%d", r.File, r.Line), Condition: r.Condition, Grants: r.Grants, Why: r.Why}
}

// ruleTexts returns what the rules are today, by their IDs.
func (v *View) ruleTexts() func(id string) *RuleText {
	byID, made := map[string]policy.Rule{}, map[string]*RuleText{}
	for _, e := range v.Config.Rules.Effects() {
		byID[e.ID] = e.Rule
	}
	return func(id string) *RuleText {
		r, known := byID[id]
		switch {
		case !known:
			return &RuleText{Rule: id}
		case made[id] == nil:
			made[id] = v.ruleText(r)
		}
		return made[id]
	}
}

// ReviewReport is what a review asked and what was answered: evidence that it was done.
type ReviewReport struct {
	Review
	At    time.Time    `json:"at"`    // of the report, UTC
	Rules ReviewCounts `json:"rules"` // questions about rules
	// Access are questions about people's access.
	Access ReviewCounts `json:"access"`
	// Reviewers are who answered, those with the most answers first. It is left out for a
	// viewer who only answers.
	Reviewers []ReviewerPace `json:"reviewers,omitempty"`
	Items     []ReportedItem `json:"items"`
}

// ReviewCounts is how many questions were answered with what.
type ReviewCounts struct {
	Questions  int `json:"questions"`
	Kept       int `json:"kept"`
	Revoked    int `json:"revoked"`
	ChangeRule int `json:"change_rule"`
	Unanswered int `json:"unanswered"`
	// Ended is how much of what was revoked ended, as the target confirmed.
	Ended int `json:"ended"`
}

func (c *ReviewCounts) add(i ReportedItem) {
	c.Questions++
	switch {
	case i.Decision == nil:
		c.Unanswered++
	case i.Decision.Verdict == store.Keep:
		c.Kept++
	case i.Decision.Verdict == store.ChangeRule:
		c.ChangeRule++
	case i.Decision.Verdict == store.Revoke:
		c.Revoked++
		if i.Ended == Confirmed {
			c.Ended++
		}
	}
}

// ReviewerPace is how a person answered.
type ReviewerPace struct {
	Reviewer Actor `json:"reviewer"`
	Answers  int   `json:"answers"`
	Kept     int   `json:"kept"`
	// KnownWrong is how many of the answers were about access that who started the review knew
	// to be wrong, and KnownWrongKept how many of these were kept.
	KnownWrong     int `json:"known_wrong,omitempty"`
	KnownWrongKept int `json:"known_wrong_kept,omitempty"`
	// Seconds is the median time between one answer and the next, of those within the same
	// hour; left out of fewer than three.
	Seconds *float64 `json:"median_seconds,omitempty"`
}

// KnownWrongFound is how many of the answers about access that was known to be wrong did not keep
// it.
func (p ReviewerPace) KnownWrongFound() int { return p.KnownWrong - p.KnownWrongKept }

// ReportedItem is a question with what became of its answer.
type ReportedItem struct {
	ReviewItem
	// Ended says of what was revoked whether the target confirmed that it ended; left out
	// otherwise.
	Ended Ended `json:"ended,omitempty"`
}

// Ended says whether access ended that was revoked.
type Ended string

// Whether it ended.
const (
	Confirmed Ended = "confirmed" // by the target
	Awaited   Ended = "awaited"
)

// ReviewReport returns what a review asked, what was answered, by whom and at which pace, and
// what the targets confirmed.
func (v *View) ReviewReport(campaign int64) (ReviewReport, error) {
	r, err := v.Review(campaign)
	if err != nil {
		return ReviewReport{}, err
	}
	items, err := v.ReviewQuestions(campaign)
	if err != nil {
		return ReviewReport{}, err
	}
	report := ReviewReport{Review: r, At: v.Now().UTC(), Items: []ReportedItem{}}
	var revoked []identity.PersonID
	for _, i := range items {
		if i.Person != nil && i.Decision != nil && i.Decision.Verdict == store.Revoke {
			revoked = append(revoked, i.Person.ID)
		}
	}
	has, err := v.DB.OpenIntervalsOf(v.ctx, store.Only(revoked...).IDs())
	if err != nil {
		return ReviewReport{}, err
	}
	type access struct {
		person      identity.PersonID
		entitlement string
	}
	still := map[access]bool{}
	for _, i := range has {
		still[access{i.Person, i.Entitlement}] = true
	}
	for _, i := range items {
		x := ReportedItem{ReviewItem: i}
		if i.Person != nil && i.Decision != nil && i.Decision.Verdict == store.Revoke {
			if x.Ended = Confirmed; still[access{i.Person.ID, i.Entitlement}] {
				x.Ended = Awaited
			}
		}
		if i.Kind == store.RuleItem {
			report.Rules.add(x)
		} else {
			report.Access.add(x)
		}
		report.Items = append(report.Items, x)
	}
	if v.everyone || r.StartedBy.Actor == v.viewer.Subject.Actor() {
		wrong, err := v.DB.KnownWrong(v.ctx, campaign)
		if err != nil {
			return ReviewReport{}, err
		}
		report.Reviewers = paces(items, wrong)
	}
	return report, nil
}

// paces returns how each person answered; wrong are the items about access that is known to be
// wrong.
func paces(items []ReviewItem, wrong map[string]bool) []ReviewerPace {
	times := map[string][]time.Time{}
	by := map[string]*ReviewerPace{}
	for _, i := range items {
		if i.Decision == nil {
			continue
		}
		id := string(i.Decision.Maker.Actor)
		if by[id] == nil {
			by[id] = &ReviewerPace{Reviewer: i.Decision.Maker}
		}
		by[id].Answers++
		if i.Decision.Verdict == store.Keep {
			by[id].Kept++
		}
		if wrong[i.Item] {
			by[id].KnownWrong++
			if i.Decision.Verdict == store.Keep {
				by[id].KnownWrongKept++
			}
		}
		times[id] = append(times[id], i.Decision.DecidedAt.Time())
	}
	all := []ReviewerPace{}
	for id, p := range by {
		slices.SortFunc(times[id], time.Time.Compare)
		var between []float64
		for n := 1; n < len(times[id]); n++ {
			if took := times[id][n].Sub(times[id][n-1]); took < time.Hour {
				between = append(between, took.Seconds())
			}
		}
		if len(between) >= 2 {
			slices.Sort(between)
			p.Seconds = &between[len(between)/2]
		}
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b ReviewerPace) int {
		return cmp.Or(cmp.Compare(b.Answers, a.Answers), cmp.Compare(a.Reviewer.Actor, b.Reviewer.Actor))
	})
	return all
}

// RuleTask is a rule that a reviewer wants changed, or that decisions hold against: something
// for the IAM engineer.
type RuleTask struct {
	Rule RuleText `json:"rule"`
	// Asked are the answers of reviewers that the rule should change.
	Asked []Decision `json:"asked"`
	// Exceptions are how many people do not get by a decision what the rule would give them.
	Exceptions int `json:"exceptions"`
	// Diff removes the rule from its file; left out of a rule that is changed since.
	Diff string `json:"diff,omitempty"`
}

// RuleTasks returns the rules that reviewers want changed and that are as they were, and those
// against which decisions hold, in the order of the policy.
func (v *View) RuleTasks() ([]RuleTask, error) {
	exceptions, err := v.ruleExceptions()
	if err != nil {
		return nil, err
	}
	items, decisions, err := v.DB.RuleChangesAsked(v.ctx)
	if err != nil {
		return nil, err
	}
	asked := map[string][]*store.Decision{}
	var opened []*store.Decision
	for _, i := range items {
		d := decisions[*i.Decision]
		opened = append(opened, &d)
		for _, why := range i.Why.Each() {
			kind, err := why.Kind()
			if rule, ok := kind.(reason.Rule); ok && err == nil {
				asked[rule.Rule+"@"+rule.Version] = append(asked[rule.Rule+"@"+rule.Version], &d)
			}
		}
	}
	if err := v.DB.DecryptReasons(v.ctx, opened...); err != nil {
		return nil, err
	}
	texts, err := v.DB.VersionTexts(v.ctx, []string{v.Config.Rules.Digest})
	if err != nil {
		return nil, err
	}
	tasks := []RuleTask{}
	for _, e := range v.Config.Rules.Effects() {
		t := RuleTask{Rule: *v.ruleText(e.Rule), Asked: []Decision{}, Exceptions: exceptions[e.ID]}
		for _, d := range asked[e.ID+"@"+e.Version] {
			t.Asked = append(t.Asked, v.Decision(*d))
		}
		if len(t.Asked)+t.Exceptions == 0 {
			continue
		}
		if len(t.Asked) > 0 {
			t.Diff = removal(texts[v.Config.Rules.Digest], e.Rule)
		}
		tasks = append(tasks, t)
	}
	return tasks, nil
}

// removal returns the change that removes a rule from its file; empty when the text of the
// version in use does not have its line.
func removal(text string, rule policy.Rule) string {
	for line := range strings.Lines(text) {
		fields := strings.SplitN(line, ",", 3)
		if len(fields) == 3 && strings.TrimSpace(fields[0]) == "p" && strings.TrimSpace(fields[1]) == rule.ID {
			return fmt.Sprintf("--- %[1]s\n+++ %[1]s\n@@ -%[2]d,1 +%[3]d,0 @@\n-%[4]s\n", rule.File, rule.Line, rule.Line-1, strings.TrimRight(line, "\n"))
		}
	}
	return ""
}

// ruleExceptions returns of how many people a decision takes what each rule would give them.
func (v *View) ruleExceptions() (map[string]int, error) {
	decisions, err := v.DB.ReviewDecisions(v.ctx, store.Everyone())
	if err != nil {
		return nil, err
	}
	var ids []identity.PersonID
	for _, d := range decisions {
		if d.Verdict == store.Revoke || d.Until != "" && d.Until < v.Today() {
			ids = append(ids, d.Person)
		}
	}
	count := map[string]int{}
	for page := range slices.Chunk(store.Only(ids...).IDs(), peersPage) {
		people, err := v.DB.PeopleByID(v.ctx, page)
		if err != nil {
			return nil, err
		}
		statuses, err := reconcile.PersonStatuses(v.ctx, v.DB, v.Config, people, v.Today())
		if err != nil {
			return nil, err
		}
		for _, s := range statuses {
			grants, err := v.Config.Rules.Decide(s.Person, v.Today(), s.Facts)
			if err != nil {
				continue // it is a finding of the run
			}
			for rule := range revokedOf(grants) {
				count[rule]++
			}
		}
	}
	return count, nil
}

// revokedOf returns the rules that would give what a decision takes.
func revokedOf(grants []policy.Grant) map[string]bool {
	rules := map[string]bool{}
	for _, g := range grants {
		if g.Gate != policy.Revoked {
			continue
		}
		for _, r := range g.Reasons {
			kind, err := r.By.Kind()
			if rule, ok := kind.(reason.Rule); ok && err == nil {
				rules[rule.Rule] = true
			}
		}
	}
	return rules
}
