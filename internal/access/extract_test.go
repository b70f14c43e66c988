package access_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
	"github.com/behov/behov/internal/wording"
	"github.com/behov/behov/migrations"
)

// inExtract are the tables of which what is about a person is in a register extract, by the
// path at which it stands in JSON.
var inExtract = map[string]string{
	"person": "identities", "person_source_key": "identities.records", "person_position": "identities.position", "employment": "employments", "hr_import": "imports", "hr_event": "hr_events",
	"api_token": "tokens", "session": "sessions", "scim_resource": "pushed", "decision": "decisions", "review_item": "review_items", "hold_step": "held", "step_decision": "step_decisions",
	"gated_grant": "findings", "held_record": "findings", "evaluator_difference": "findings", "unrepaired_drift": "findings", "account": "accounts", "open_step": "open_steps", "failing_step": "failing_steps",
	"audit_record": "audit_records", "mfa_enrolment": "mfa_enrolments", "non_human_account": "non_human_accounts", "access_interval": "access", "hold": "held",
}

// notInExtract are the tables of which nothing is, each with the reason why not.
var notInExtract = map[string]string{
	"person_word":        "an index of the words of the name, the login and the address, which are in the extract",
	"person_key":         "the wrapped key that opens what is sealed: a secret, which says nothing of the person",
	"employment_manager": "an index of the terms of employments: who names the person as manager is counted in identities",
	"employment_unit":    "an index of the terms of employments",
	"absence":            "an absence is its newest decision, which is in the extract",
	"access_request":     "each request is its decisions, which are in the extract, about one of the employments",
	"login_register":     "a keyed hash of the login, which is in the extract",
	"account_name":       "keyed hashes of account names, which cannot be opened; the names are in the values of the audit trail",
	"erased_record":      "keyed hashes of the records of erased people, of whom there is no extract",
	"device_sign_in":     "ends within minutes, and becomes a token, which is in the extract",
	"task":               "work that was asked for, an hour after it ended, without personal values",
	"notice":             "says only that the person was told of what is in the extract by itself",
	"review_campaign":    "is about a system: who is asked and who began it is in the audit trail",
	"limit_usage":        "counts the steps of the last hour, which are in the audit trail",
	"rules_source":       "the rules as they were written, sealed as a whole: a catalogue names owners by their records, which are in the extract",
	"connector_memory":   "what a connector keeps from one reading of a target to the next, sealed as a whole: it is no register by person",
	"work_order":         "each order is a step and its decisions, which are in the extract",
	"listed_account":     "what a target without an interface holds, sealed as a whole: which accounts are the person's is in accounts",
	"idempotent_request": "answers of the last day, by a hash of what was asked: they repeat what is elsewhere",
}

// ofPeople are columns that name a person, or are sealed.
var ofPeople = regexp.MustCompile(`^(person_id|other_id|owner|owner_id|maker|actor|operator|raised_by|started_by|reviewer|merged_into|formerly|person_key|employment_id|manager_key|sponsor_key|key_hash|body|\w*_person|person_\w+)$|sealed$`)

// TestEveryTableOfPeopleIsInTheExtract, or stands in a list with the reason why not.
func TestEveryTableOfPeopleIsInTheExtract(t *testing.T) {
	files, err := fs.Glob(migrations.FS, "sqlite/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := map[string]bool{"person": true}
	created := regexp.MustCompile(`(?ms)^CREATE TABLE (\w+) \((.*?)^\);`)
	added := regexp.MustCompile(`(?m)^ALTER TABLE (\w+) ADD (?:COLUMN )?(\w+)`)
	for _, name := range files {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, table := range created.FindAllStringSubmatch(string(text), -1) {
			for line := range strings.Lines(table[2]) {
				if column, _, _ := strings.Cut(strings.TrimSpace(line), " "); ofPeople.MatchString(column) {
					found[table[1]] = true
				}
			}
		}
		for _, column := range added.FindAllStringSubmatch(string(text), -1) {
			found[column[1]] = found[column[1]] || ofPeople.MatchString(column[2])
		}
	}
	for _, table := range slices.Sorted(maps.Keys(found)) {
		if found[table] && inExtract[table] == "" && notInExtract[table] == "" {
			t.Errorf("table %s names people or is sealed: it belongs in the register extract, or in the list of what does not, with the reason", table)
		}
		if inExtract[table] != "" && notInExtract[table] != "" {
			t.Errorf("table %s is in both lists", table)
		}
	}
	for _, table := range slices.Concat(slices.Collect(maps.Keys(inExtract)), slices.Collect(maps.Keys(notInExtract))) {
		if !found[table] {
			t.Errorf("no table %s names people any more", table)
		}
	}
}

// secretsOfOthers are what the story of tellStory says of others.
var secretsOfOthers = []string{"Familymanager", "Familyadministrator", "Familyowner", "Familyreviewer", "Familystranger", "Familyofficer", "Wrongly", "Joined", "Chefsson", "strangely", "another secret", "cn=manager", "mallory"}

// tellStory makes something of staff in every table, with others around: a manager, those who
// decide, a merged record, and a record that was joined by mistake and split again.
func tellStory(t *testing.T, in *installation) {
	t.Helper()
	ctx, g := t.Context(), in.Governance()
	no := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in.Import("person_id,employment_id,given_name,family_name,national_id,email,phone,unit,job_code,job_title,manager_id,start_date,end_date,protected\nstaff,E1,Anna,Staff,19850709-9805,anna@example.org,070-1,office,LIB,Librarian,manager,2020-01-01,,no\n")
	in.Apply()
	staff, gone, stranger := in.Person("staff"), in.Person("gone"), in.Person("stranger")
	no(g.Suspend(ctx, staff, false, in.By("manager"), "late for work"))
	no(g.Suspend(ctx, staff, true, in.By("personnel"), "a mistake"))
	no(g.SetLegalHold(ctx, staff, false, in.By("officer"), "case 17"))
	no(g.Merge(ctx, staff, gone, in.By("personnel"), "married"))
	no(g.MarkDistinct(ctx, stranger, staff, in.By("personnel"), "another secret"))
	no(g.Suspend(ctx, stranger, false, in.By("staff"), "behaves strangely"))
	no(g.Suspend(ctx, stranger, true, in.By("personnel"), "calmed down"))
	asked, err := g.StartReview(ctx, governance.Review{Scope: store.SystemScope, Of: "lib", All: true}, in.By("owner"))
	no(asked, err)
	items, _, err := in.DB.ReviewItems(ctx, 0)
	no(items, err)
	for _, i := range items {
		if i.Person == staff.ID {
			no(g.DecideItem(ctx, i.Ref(), governance.Answer{Verdict: store.Keep, Reason: "still lends books"}, in.By("owner")))
		}
	}
	body := func(op connectors.Op) string {
		b, err := json.Marshal(plan.Step{Target: "one", Person: staff.ID, Op: op, Entitlement: "lib:library", Reason: reason.Of(reason.Ready{})})
		no(b, err)
		return string(b)
	}
	no(nil, in.DB.Write(ctx, func(tx *store.Tx) error {
		wrong := identity.SourceKey{Source: "hr", Key: "mallory"}
		if err := tx.RecordEvents(ctx, "i-1", nil, []identity.Event{{Source: "hr", Kind: identity.PersonJoined, Person: staff.ID, Key: wrong.Key, Effective: "2026-11-01", Recorded: in.Time,
			PersonFacts: &identity.PersonFacts{GivenName: "Wrongly", FamilyName: "Joined"}}}); err != nil {
			return err
		}
		hold := store.Hold{Digest: "h-1", Kind: store.PlanHold, Subject: "one", Why: reason.Of(reason.Ready{})}
		steps := []store.HoldStep{{Key: "k-1", Person: staff.ID, Body: body(connectors.RemoveMember)}}
		if err := tx.RaiseHold(ctx, hold, steps, identity.System, in.Time); err != nil {
			return err
		}
		if err := tx.DecideSteps(ctx, []store.StepVerdict{{Step: "s-1", Hold: "h-1", Target: "one", Person: staff.ID, Verdict: store.Reject, Decision: 1}}, in.Time); err != nil {
			return err
		}
		if err := tx.PutFailingStep(ctx, store.FailingStep{Key: "k-2", Target: "one", Person: staff.ID, Body: body(connectors.AddMember), Tries: 2, Outcome: "refused", Detail: reason.Of(reason.Answer{Text: "no"}), State: store.Trying}, in.Time); err != nil {
			return err
		}
		if err := tx.IntendSteps(ctx, []store.OpenStep{{AttemptID: "a-1", Target: "one", Person: staff.ID, Body: body(connectors.AddMember)}}, in.Time); err != nil {
			return err
		}
		if err := tx.AuditSealed(audit.Record{At: in.Time, Actor: identity.System, Action: audit.StepIntended, Person: staff.ID, Target: "one", Op: "update-account"},
			map[string]any{"after": map[string]any{"title": []string{"Librarian"}, "manager": []string{"cn=manager"}}}); err != nil {
			return err
		}
		if err := tx.PutResource(ctx, store.SCIMResource{Source: "pushed", ID: "r-1", Key: "p-1", Person: staff.ID, Body: []byte(`{"nickName":"Annie","manager":{"displayName":"Karin Chefsson"}}`), Made: in.Time, Changed: in.Time}, "anna", ""); err != nil {
			return err
		}
		if err := tx.RecordImport(ctx, store.Import{ID: "i-2", Source: "hr", FileHash: "x", Actor: identity.PersonActor(staff.ID), Status: store.ImportDone}, in.Time, in.Time); err != nil {
			return err
		}
		for _, err := range []error{tx.RecordEnrolment(ctx, staff.ID, "strong", identity.System, "one", in.Time), tx.AddGatedGrant(ctx, store.GatedGrant{Person: staff.ID, Entitlement: "lib:library", Gate: "awaiting-mfa"}),
			tx.RecordUnrepairedDrift(ctx, audit.Key{Target: "one", Person: staff.ID, Entitlement: "lib:library"}, in.Time), tx.SetPersonPosition(ctx, staff.ID, "office"),
			tx.HoldRecord(ctx, store.HeldRecord{Person: staff.ID, Other: stranger.ID, Columns: "email"}, in.Time),
			tx.SetEvaluatorDifferences(ctx, "old", staff.ID, []store.EvaluatorDifference{{Entitlement: "lib:library", Detail: "rule x"}}, in.Time)} {
			if err != nil {
				return err
			}
		}
		return nil
	}))
	no(nil, in.DB.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.DecideNonHumanAccount(ctx, store.NonHumanAccount{ID: "00000000-0000-7000-8000-000000000001", Target: "one", Native: "robot-1", Name: "robot", Kind: store.RobotKind, System: "lib", Owner: staff.ID, Purpose: "lends books at night", Until: "2027-01-31", State: store.Registered},
			store.NonHumanAccount{}, store.Decision{Verdict: store.Register, Maker: in.By("owner").Actor(), Reason: "she made it"}, in.Time)
		return err
	}))
	_, _, err = g.Split(ctx, in.Person("staff"), identity.SourceKey{Source: "hr", Key: "mallory"}, in.By("personnel"), "a mistake of ours")
	no(nil, err)
	no(nil, in.DB.PutSession(ctx, store.Session{Hash: store.HashSession("cookie"), ID: "session-1", Person: staff.ID, Data: "{}", BeganUS: store.Micros(in.Time.UnixMicro()), ExpiresUS: store.Micros(in.Time.Add(time.Hour).UnixMicro())}, in.Time))
	no(nil, in.DB.Write(ctx, func(tx *store.Tx) error {
		_, made, err := store.NewToken(store.Token{Name: "my script", Owner: staff.ID, Scopes: "people:read"}, in.Time, in.Time.AddDate(0, 1, 0))
		if err != nil {
			return err
		}
		return tx.PutToken(ctx, made, store.Decision{Maker: identity.PersonActor(staff.ID)})
	}))
}

// TestExtract: what is stored about a person is in the extract, and nothing of others.
func TestExtract(t *testing.T) {
	in := newInstallation(t, "g, hr/staff, operator\n")
	tellStory(t, in)
	asked := func(viewer string, language wording.Language) access.Extract {
		t.Helper()
		v, err := in.Answers().For(t.Context(), access.Viewer{Subject: in.By(viewer), Language: language})
		if err != nil {
			t.Fatal(err)
		}
		x, err := in.Governance().Extract(t.Context(), v, "hr/staff")
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := asked("officer", wording.English)
	b, err := json.Marshal(x)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(b, &fields); err != nil {
		t.Fatal(err)
	}
	for table, path := range inExtract {
		v := any(fields)
		for part := range strings.SplitSeq(path, ".") {
			if all, many := v.([]any); many {
				if len(all) == 0 {
					v = nil
					break
				}
				v = all[0]
			}
			of, _ := v.(map[string]any)
			v = of[part]
		}
		if all, many := v.([]any); v == nil || v == "" || many && len(all) == 0 {
			t.Errorf("nothing of table %s is at %s", table, path)
		}
	}
	for _, told := range []string{"Anna", "198507099805", "anna@example.org", "070-1", "late for work", "a mistake", "case 17", "married", "still lends books", "Annie", "Familygone", "my script", "session-1", "Librarian", "awaiting-mfa", `"key":"gone"`} {
		if !strings.Contains(string(b), told) {
			t.Errorf("it does not tell %q", told)
		}
	}
	checkOthers(t, string(b))
	if x.As == "" || x.Masked || x.LegalHold.IsZero() || len(x.People) != 2 || !slices.ContainsFunc(x.Employments, func(e access.ExtractEmployment) bool { return e.Terms[0].Manager == in.Person("manager").ID }) || x.Made[0].About != in.Person("stranger").ID || len(x.Retention) == 0 || x.Grants[0].Reasons[0].By.Text == "" {
		t.Errorf("%s", b)
	}
	withheld := slices.IndexFunc(x.Events, func(e access.ExtractEvent) bool { return e.Withheld })
	if withheld < 0 || x.Events[withheld].Kind != identity.PersonJoined {
		t.Errorf("the event of a record that is another person's is shown: %+v", x.Events)
	}
	if !slices.ContainsFunc(x.Records, func(r access.Record) bool {
		return r.Action == audit.PersonExtracted && r.Actor.Actor == in.By("officer").Actor() && r.Authority != ""
	}) {
		t.Error("that the officer asked is not in the trail")
	}
	v, err := in.Answers().For(t.Context(), access.Viewer{Subject: in.By("staff")})
	if err != nil {
		t.Fatal(err)
	}
	if merged, err := in.Governance().Extract(t.Context(), v, string(x.People[1])); err != nil || !slices.Equal(merged.People, x.People) || len(merged.Grants) == 0 || merged.Identities[0].GivenName != "Anna" {
		t.Errorf("asked for by the merged record: %+v, %v", merged, err)
	}
	before := len(x.Records)
	own := asked("staff", wording.Swedish)
	if len(own.Records) != before {
		t.Error("that a person asked for their own extract is recorded")
	}
	for _, l := range wording.Languages {
		x := asked("administrator", l)
		words, err := wording.New(wording.Reader{Language: l})
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, s := range x.Sections(words, in.Config.Zone) {
			text.WriteString(s.Title + "\n" + s.Note + "\n" + strings.Join(s.Columns, "\t") + "\n")
			for _, row := range s.Rows {
				if len(row) != len(s.Columns) {
					t.Errorf("section %s has %d columns and a row of %d", s.ID, len(s.Columns), len(row))
				}
				text.WriteString(strings.Join(row, "\t") + "\n")
			}
			if len(s.Rows) == 0 {
				t.Errorf("section %s is empty", s.ID)
			}
		}
		checkOthers(t, text.String())
		if !strings.Contains(text.String(), "198507099805") || strings.Contains(text.String(), "[extract") || strings.Contains(text.String(), "<no value>") {
			t.Errorf("%s", text.String())
		}
	}
	if _, err := in.DB.VerifyAudit(t.Context()); err != nil {
		t.Error(err)
	}
}

func checkOthers(t *testing.T, text string) {
	t.Helper()
	for _, secret := range secretsOfOthers {
		if i := strings.Index(text, secret); i >= 0 {
			t.Errorf("it tells %q of another person: %s", secret, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// TestWhoMayHaveAnExtract: the person, the data-protection officer and an administrator; no
// one else, whatever else they see. It needs a person, and of another person more than one
// factor.
func TestWhoMayHaveAnExtract(t *testing.T) {
	in := newInstallation(t, "")
	g := in.Governance()
	ask := func(by rights.Subject, about string) error {
		v, err := in.Answers().For(t.Context(), access.Viewer{Subject: by})
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.Extract(t.Context(), v, string(in.Person(about).ID))
		return err
	}
	for _, who := range []string{"administrator", "operator", "personnel", "officer", "auditor", "owner", "deputy", "manager", "reviewer", "stranger", "gone"} {
		for _, about := range []string{"staff", "secret", who} {
			want := who == "administrator" || who == "officer" || about == who && who != "gone"
			if err := ask(in.By(who), about); (err == nil) != want || err != nil && !rights.IsRefused(err) {
				t.Errorf("%s about %s: %v", who, about, err)
			}
			v, err := in.Answers().For(t.Context(), access.Viewer{Subject: in.By(who)})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Extract(in.Person(about), ""); (err == nil) != want { // whoever calls it
				t.Errorf("the view of %s about %s: %v", who, about, err)
			}
		}
	}
	for _, service := range []string{"administrator", "auditor", "idle"} {
		if err := ask(rights.Subject{Service: service, How: rights.ByToken}, "staff"); !rights.IsRefused(err) {
			t.Errorf("service account %s: %v", service, err)
		}
	}
	if err := ask(rights.Subject{}, "staff"); !strings.Contains(testenv.ErrorText(err), "say which person decides") && err == nil {
		t.Errorf("no one: %v", err)
	}
	weak := in.By("officer")
	weak.How = rights.SignedIn
	if need, needs := rights.NeedsAssurance(ask(weak, "staff")); !needs || need != rights.MultiFactor {
		t.Error("one factor is enough for the extract of another person")
	}
	if err := ask(weak, "officer"); err != nil {
		t.Errorf("one factor for one's own: %v", err)
	}
	if _, err := g.Suspend(t.Context(), in.Person("officer"), false, in.By("administrator"), "r"); err != nil {
		t.Fatal(err)
	}
	if err := ask(in.By("officer"), "staff"); !rights.IsRefused(err) {
		t.Errorf("a suspended officer: %v", err)
	}
}

// TestTheExtractOfAProtectedPerson is masked for who is not cleared to see who they are.
func TestTheExtractOfAProtectedPerson(t *testing.T) {
	in := newInstallation(t, "g, hr/administrator, cleared\np, cleared, person.see-protected, allow, a test\n")
	in.Apply()
	if _, err := in.Governance().Suspend(t.Context(), in.Person("secret"), false, in.By("personnel"), "lives at the hideout"); err != nil {
		t.Fatal(err)
	}
	words, err := wording.New(wording.Reader{Language: wording.English})
	if err != nil {
		t.Fatal(err)
	}
	for viewer, cleared := range map[string]bool{"officer": false, "administrator": true} {
		v := in.view(t, viewer)
		x, err := in.Governance().Extract(t.Context(), v, string(in.Person("secret").ID))
		if err != nil || x.Masked == cleared || cleared != (x.Identities[0].FamilyName == "Hemligsson") || len(x.Access) == 0 || cleared == x.Events[0].Withheld {
			t.Errorf("%s: %+v, %v", viewer, x, err)
		}
		if !cleared {
			checkMasked(t, viewer, "secret", x, x.Sections(words, in.Config.Zone))
		}
	}
}

// TestThereIsNoExtractOfAnErasedPerson, and the answer says so to who sees everyone.
func TestThereIsNoExtractOfAnErasedPerson(t *testing.T) {
	in := newInstallation(t, "")
	gone := in.Person("gone")
	if err := in.DB.Write(t.Context(), func(tx *store.Tx) error {
		tx.Audit(audit.Record{At: in.Time, Actor: identity.System, Action: audit.PersonErased, Person: gone.ID})
		return tx.ErasePerson(t.Context(), gone.ID, in.Time)
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Governance().Extract(t.Context(), in.view(t, "officer"), string(gone.ID)); !strings.Contains(testenv.ErrorText(err), "was erased") {
		t.Errorf("%v", err)
	}
	if _, err := in.Governance().Extract(t.Context(), in.view(t, "stranger"), string(gone.ID)); err == nil || strings.Contains(testenv.ErrorText(err), "was erased") {
		t.Errorf("a stranger is told: %v", err)
	}
}
