package governance

import (
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// What is refused is refused with a reason, which the caller words for who asked.

func refuse(k reason.Kind) error { return &reason.Refusal{Reason: reason.Of(k)} }

func noSuchHold(prefix string) error { return refuse(reason.NoSuchHold{Prefix: prefix}) }

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
