package governance

import (
	"slices"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// What is refused is refused with a reason, which the caller words for who asked.

func refuse(k reason.Kind) error { return &reason.Refusal{Reason: reason.Of(k)} }

func noSuchHold(prefix string) error { return refuse(reason.NoSuchHold{Prefix: prefix}) }

func noSuchToken(id string) error { return refuse(reason.NoSuchToken{Token: id}) }

func notInHold(hold audit.HoldDigest, p identity.PersonID) error {
	return refuse(reason.NotInHold{Hold: string(hold), Person: p})
}

func holdReplaced(hold audit.HoldDigest, current []string) error {
	return refuse(reason.HoldReplaced{Hold: string(hold), Current: current, First: current[0]})
}

func nothingDisabled() error { return refuse(reason.NothingDisabled{}) }

func noSuchRecord(key identity.SourceKey) error {
	return refuse(reason.NoSuchRecord{Source: key.Source, Key: key.Key})
}

func accountLeft(target string, days int) error {
	return refuse(reason.AccountLeft{Target: target, Days: days})
}

func noReviewItem(item string) error { return refuse(reason.NoReviewItem{Item: item}) }

func noErasedRecord(source string) error { return refuse(reason.NoErasedRecord{Source: source}) }

func noMaker() error { return refuse(reason.NoMaker{}) }

func noReasonGiven() error { return refuse(reason.NoReasonGiven{}) }

func holdAmbiguous(n int, prefix string) error {
	return refuse(reason.HoldAmbiguous{Count: n, Prefix: prefix})
}

func holdWhole(h store.HoldState) error {
	return refuse(reason.HoldWhole{Hold: string(h.Digest), Of: string(h.Kind)})
}

func holdGone(h store.HoldState) error {
	return refuse(reason.HoldGone{Hold: string(h.Digest), Subject: h.Subject})
}

func notConnected() error { return refuse(reason.NotConnected{}) }

func noSuchTarget(target string) error { return refuse(reason.NoSuchTarget{Target: target}) }

func nothingOfTarget(target string) error { return refuse(reason.NothingOfTarget{Target: target}) }

func alreadyMain() error { return refuse(reason.AlreadyMain{}) }

func noMainDecision() error { return refuse(reason.NoMainDecision{}) }

func notTheirEmployment(p identity.PersonID) error {
	return refuse(reason.NotTheirEmployment{Person: p})
}

func nothingToLift(kind store.DecisionKind) error {
	return refuse(reason.NothingToLift{Of: string(kind)})
}

func noSuchConflict(name string, all []policy.Conflict) error {
	var names []string
	for _, c := range all {
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return refuse(reason.NoSuchConflict{Conflict: name, Conflicts: names})
}

func lastDayWrong(from, to identity.Date) error {
	return refuse(reason.LastDayWrong{From: from, To: to})
}

func onePerson() error { return refuse(reason.OnePerson{}) }

func alreadyMerged() error { return refuse(reason.AlreadyMerged{}) }

func noSuchService(name string, all []config.ServiceAccount) error {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return refuse(reason.NoSuchService{Service: name, Services: names})
}

func serviceUnattended(name string) error { return refuse(reason.ServiceUnattended{Service: name}) }

func needsPerson(action rights.Action, service string) error {
	return &rights.RefusedError{Action: action, Service: service}
}

func noSuchSession(id string) error {
	if id == "" {
		return refuse(reason.NoSessions{})
	}
	return refuse(reason.NoSuchSession{Session: id})
}

func tokenByToken() error { return refuse(reason.TokenByToken{}) }

func mergeOfTwo() error { return refuse(reason.MergeOfTwo{}) }

func onlyRecord() error { return refuse(reason.OnlyRecord{}) }

func stillHere(s identity.State) error { return refuse(reason.StillHere{State: string(s)}) }

func seenSinceAsked() error { return refuse(reason.SeenSinceAsked{}) }

func recordHasRights(place string) error { return refuse(reason.RecordHasRights{Place: place}) }

func noSuchSystem(system string, all []string) error {
	return refuse(reason.NoSuchSystem{System: system, Systems: all})
}

func nothingInSystem(system string) error { return refuse(reason.NothingInSystem{System: system}) }

func noVerdict(v store.Verdict) error { return refuse(reason.NoVerdict{Verdict: string(v)}) }

func notPaused() error { return refuse(reason.NotPaused{}) }

func tokenThere() error { return refuse(reason.TokenThere{}) }

func noTokenMaker() error { return refuse(reason.NoTokenMaker{}) }
