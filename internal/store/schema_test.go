package store_test

import (
	"fmt"
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/behov/behov/internal/blastradius"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/migrations"
)

// values returns what a value is, as text.
func values[T ~string](all ...T) []string {
	var list []string
	for _, v := range all {
		list = append(list, string(v))
	}
	return list
}

// TestTheSchemaKnowsEveryKind: the database refuses a kind or a state that the code does
// not have, and takes each that it has.
func TestTheSchemaKnowsEveryKind(t *testing.T) {
	for column, want := range map[string][]string{
		"decision.kind": values(store.ReviewDecision, store.ReviewAnswerDecision, store.HoldDecision, store.RecordDecision, store.SuspensionDecision, store.ProtectionDecision, store.LegalHoldDecision, store.MainEmploymentDecision, store.StepDecision,
			store.PauseDecision, store.TargetDecision, store.EnableDecision, store.ErasureDecision, store.BindDecision, store.PassDecision, store.NonHumanAccountDecision, store.AbsenceDecision, store.TokenDecision, store.SessionDecision, store.ReadmissionDecision, store.ReportDecision, store.ScreeningDecision, store.MFAExemptionDecision, store.RevisionDecision, store.ConflictDecision, store.RequestDecision, store.RulesDecision, store.WorkOrderDecision, store.AccountListDecision),
		"notice.about":              values(store.NoticeReview, store.NoticeRequest, store.NoticeAccessEnd, store.NoticeRevision, store.NoticeMFA, store.NoticeWorkOrders, store.NoticeAccount, store.NoticeAbsence),
		"work_order.state":          values(store.OrderStates...),
		"review_campaign.scope":     values(store.SystemScope, store.UnitScope, store.EntitlementScope, store.PeopleScope, store.EverythingScope, store.MoverScope),
		"review_campaign.asks":      values(store.AsksOwner, store.AsksManager, store.AsksPerson, store.AsksManagerThenOwner),
		"review_campaign.after_due": values(store.Keep, store.Revoke),
		"review_item.kind":          values(store.AccessItem, store.RuleItem, store.AccountItem),
		"hold.kind":                 values(store.PlanHold, store.HRImportHold, store.HREndingsHold, store.HRStartHold, store.AccountBindHold, store.ErasureHold),
		"step_decision.verdict":     values(store.Release, store.Reject, store.StaysHeld),
		"failing_step.state":        values(store.Trying, store.Parked, store.GivenUp),
		"hr_import.status":          values(store.ImportDone, store.ImportEndingsHeld, store.ImportHeld, store.ImportRefused),
		"non_human_account.kind":    values(store.NonHumanKinds...),
		"non_human_account.state":   values(store.Registered, store.Retired),
		"hr_event.kind":             values(identity.PersonAdded, identity.PersonJoined, identity.PersonChanged, identity.EmploymentAdded, identity.EmploymentChanged, identity.EmploymentWithdrawn, identity.EmploymentReported),
		"gated_grant.gate":          values(policy.AwaitingMFA, policy.MFAUnknown),
		"mfa_enrolment.method":      values(policy.Methods...),
		"limit_usage.kind":          values(blastradius.Kinds...),
		"version_in_use.kind":       values(store.RulesVersion, store.ConfigurationVersion, store.ProgramVersion),
	} {
		table, name, _ := strings.Cut(column, ".")
		for _, dialect := range []string{"sqlite", "postgres"} {
			text, err := fs.ReadFile(migrations.FS, dialect+"/00001_schema.sql")
			if err != nil {
				t.Fatal(err)
			}
			_, of, _ := strings.Cut(string(text), "CREATE TABLE "+table+" (")
			of, _, _ = strings.Cut(of, "\n);")
			check := regexp.MustCompile(`(?m)^ +` + name + ` .*CHECK \(` + name + ` IN \((.*)\)\)`).FindStringSubmatch(of)
			if check == nil {
				t.Fatalf("%s: %s has no check", dialect, column)
			}
			has := map[string]bool{}
			for _, value := range strings.Split(check[1], ", ") {
				has[strings.Trim(value, "'")] = true
			}
			for _, value := range want {
				if !has[value] {
					t.Errorf("%s: %s refuses %q", dialect, column, value)
				}
				delete(has, value)
			}
			if len(has) > 0 {
				t.Errorf("%s: %s takes %s, which the code does not have", dialect, column, fmt.Sprint(has))
			}
		}
	}
}
