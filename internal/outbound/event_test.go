package outbound_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/reason"
)

// TestEveryActionIsAnEventOrNot: each action of the trail has events, or stands here as one
// that is neither a decision nor a change of access.
func TestEveryActionIsAnEventOrNot(t *testing.T) {
	none := []audit.Action{audit.HRImported, audit.HRHeld, audit.HRRefused, audit.HRLate, audit.RulesInUse, audit.ConfigInUse, audit.VersionInUse, audit.HoldRaised, audit.HoldExpired,
		audit.ReviewStarted, audit.ReviewClosed, audit.MFAEnrolled, audit.MFAEnded, audit.GrantWaiting, audit.GrantReady, audit.DatabaseCopied, audit.StepIntended, audit.StepParked, audit.ArchiveSwept,
		audit.TokenMade, audit.TokenRevoked} // which have a decision of their own
	types := map[string]bool{}
	for _, action := range actions(t) {
		has := false
		for _, op := range []string{"add-member", "remove-member", "create-account", "enable-account", "disable-account", "delete-account", string(plan.RevokeSessions), string(connectors.UpdateAccount), "invented"} {
			for _, outcome := range []audit.Outcome{audit.Applied, audit.AlreadyApplied, audit.Refused, audit.NotDone, audit.NotKnown} {
				kind := outbound.TypeOf(audit.Record{Action: action, Op: op, Outcome: outcome, Target: "ad", Entitlement: "e"})
				if kind == "" {
					continue
				}
				has, types[kind] = true, true
				if action == audit.StepEnded && (op == "invented" || op == string(connectors.UpdateAccount) || outcome != audit.Applied && outcome != audit.AlreadyApplied) {
					t.Errorf("%s of %s, %s, is told as %s", action, op, outcome, kind)
				}
			}
		}
		if has == slices.Contains(none, action) {
			t.Errorf("%s has events: %v", action, has)
		}
	}
	for _, want := range []string{"behov.decision.made", "behov.access.granted", "behov.access.revoked", "behov.account.enabled", "behov.account.disabled", "behov.account.deleted", "behov.sessions.revoked", "behov.access.found", "behov.access.gone", "behov.pass.issued", "behov.pass.withdrawn"} {
		if !types[want] {
			t.Errorf("nothing is told as %s", want)
		}
	}
	for kind := range types {
		if len(kind) > 32 { // MSGID of RFC 5424
			t.Errorf("%s is too long for a MSGID", kind)
		}
	}
	for op, want := range map[connectors.Op]string{connectors.DisableAccount: "behov.account.disabled", connectors.EnableAccount: "behov.account.enabled", connectors.CreateAccount: "behov.account.enabled",
		connectors.DeleteAccount: "behov.account.deleted", plan.RevokeSessions: "behov.sessions.revoked", connectors.AddMember: "behov.access.granted", connectors.RemoveMember: "behov.access.revoked"} {
		if got := outbound.TypeOf(audit.Record{Action: audit.StepEnded, Op: string(op), Outcome: audit.Applied}); got != want {
			t.Errorf("%s is told as %q", op, got)
		}
	}
	if got := outbound.TypeOf(audit.Record{Action: audit.AccessFound, Entitlement: audit.Account}); got != "behov.account.found" {
		t.Errorf("an account that is found is told as %s", got)
	}
}

// actions returns the constants of audit.Action.
func actions(t *testing.T) (all []audit.Action) {
	t.Helper()
	for _, file := range []string{"record.go", "sweep.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), "../audit/"+file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if named, ok := spec.Type.(*ast.Ident); ok && named.Name == "Action" {
				text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, audit.Action(text))
			}
			return true
		})
	}
	if len(all) < 30 {
		t.Errorf("only %d actions found", len(all))
	}
	return all
}

// withheld are the parameters of reasons that are text and that no event has: what a
// person or a target wrote, what HR or a target calls something, and what stands in
// findings and refusals only.
const withheld = `account accounts action owner anchor as character column columns contract detail employment encoding event field file first former from group
approvers request after_due scope conflict conflicts control controls country needs with method type has hours is item key kinds name named names near no place prefix purpose record says services session setting sheets shows since state stronger systems text user was why yes current start to roles formats missing job unit plan order fault what of values by value pattern written`

// TestEveryParameterIsSharedOrWithheld: a new parameter of a reason that is text is not
// told to others until it is decided here that it may be.
func TestEveryParameterIsSharedOrWithheld(t *testing.T) {
	left := strings.Fields(withheld)
	var walk func(code reason.Code, of reflect.Type)
	walk = func(code reason.Code, of reflect.Type) {
		for i := range of.NumField() {
			f := of.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && f.Type.Kind() == reflect.Struct:
				walk(code, f.Type)
			case f.Type == reflect.TypeFor[reason.Reason]() || f.Type == reflect.TypeFor[[]reason.Reason]():
			case outbound.SharesParameter(name, f.Type):
			case slices.Contains(left, name):
			default:
				t.Errorf("%s of %s (%s) is neither shared nor withheld", name, code, f.Type)
			}
		}
	}
	for code, k := range reason.All() {
		walk(code, reflect.TypeOf(k))
	}
}

// TestFreeTextIsNotShared: what a person or a target wrote is in no event, however deep it
// stands in a reason; what the events need is.
func TestFreeTextIsNotShared(t *testing.T) {
	hidden := "Göta Hemligstam"
	rule := reason.Of(reason.Rule{Rule: "r1", Version: "v1", Place: "policy.csv:1", Why: hidden})
	for _, c := range []struct {
		of   reason.Kind
		want string
	}{
		{reason.With{Because: rule, Note: reason.Of(reason.Answer{Text: "CN=" + hidden})}, `{"because":{"code":"rule","rule":"r1","version":"v1"},"code":"with","note":{"code":"answer"}}`},
		{reason.DecisionMade{Decision: 9007199254740993, Of: "hold", Subject: "d1", Verdict: "release", Why: hidden}, `{"code":"decision-made","decision":9007199254740993,"of":"hold","subject":"d1","verdict":"release"}`},
		{reason.Several{Reasons: []reason.Reason{rule, reason.Of(reason.AccountBound{Decision: 2, Account: "CN=" + hidden})}}, `{"code":"several","reasons":[{"code":"rule","rule":"r1","version":"v1"},{"code":"account-bound","decision":2}]}`},
		{reason.EmploymentEnded{Last: "2026-11-30", Retention: reason.Retention{KeptDays: 90}}, `{"code":"employment-ended","kept_days":90,"last":"2026-11-30"}`},
		{reason.StillSignsIn{Detail: hidden}, `{"code":"still-signs-in"}`},
		{reason.Suspended{Decision: 3, Maker: "person:p1"}, `{"code":"suspended","decision":3,"maker":"person:p1"}`},
		{reason.RecordMerged{Into: "p2"}, `{"code":"record-merged","into":"p2"}`},
	} {
		got, err := outbound.Shared(reason.Of(c.of))
		if err != nil || got != c.want {
			t.Errorf("%T: %v\n got %s\nwant %s", c.of, err, got, c.want)
		}
	}
}
