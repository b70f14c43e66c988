package store

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
)

// Subject is what a decision is about besides its person. What it is depends on the
// kind of the decision (DecisionKind), as does the constructor to use. Its text is
// stored, joined with the digests of holds and the IDs of people, and stands in the
// audit trail; this file is the only place that composes or parses it.
type Subject string

// HoldSubject is the subject of a HoldDecision.
func HoldSubject(digest audit.HoldDigest) Subject { return Subject(digest) }

// Subject is the subject of a ReviewDecision or a ReviewAnswerDecision on the item.
func (i ReviewItem) Subject() Subject { return Subject(i.Ref()) }

// CampaignSubject is the subject of a ReviewAnswerDecision on a whole review.
func CampaignSubject(campaign int64) Subject { return Subject(fmt.Sprint(campaign)) }

// PersonSubject is the subject of a RecordDecision about two people: the other person.
func PersonSubject(other identity.PersonID) Subject { return Subject(other) }

// EmploymentSubject is the subject of a ReportDecision, and of a MainEmploymentDecision;
// empty when that is lifted.
func EmploymentSubject(e identity.EmploymentID) Subject { return Subject(e) }

// StepSubject is the subject of a StepDecision, by the step's key.
func StepSubject(key audit.StepKey) Subject { return Subject(key) }

// TargetSubject is the subject of a decision about a target: PauseDecision,
// TargetDecision, EnableDecision, BindDecision, PassDecision, AccountListDecision. A pause is of one target
// or of EveryTarget; enabling is in one target, or in all for the empty name.
func TargetSubject(target string) Subject { return Subject(target) }

// TokenSubject is the subject of a TokenDecision, by the token's ID.
func TokenSubject(id string) Subject { return Subject(id) }

// ConflictSubject is the subject of a ConflictDecision, by the conflict's name.
func ConflictSubject(name string) Subject { return Subject(name) }

// RequestSubject is the subject of a RequestDecision, by the number of the request.
func RequestSubject(request int64) Subject { return Subject(strconv.FormatInt(request, 10)) }

// WorkOrderSubject is the subject of a WorkOrderDecision, by the number of the order.
func WorkOrderSubject(order int64) Subject { return Subject(strconv.FormatInt(order, 10)) }

// RulesSubject is the subject of a RulesDecision, by the digest of the rules.
func RulesSubject(digest string) Subject { return Subject(digest) }

// NonHumanAccountSubject is the subject of a NonHumanAccountDecision, by the ID in the
// register.
func NonHumanAccountSubject(id identity.PersonID) Subject { return Subject(id) }

// RevisionSubject is the subject of a RevisionDecision: a system of the catalogue, or one of
// Revised.
func RevisionSubject(of string) Subject { return Subject(of) }

// RevisedPolicies are what is gone through as systems are: the rules, the controls and the rights. No
// system has such a name.
var RevisedPolicies = []string{"policy rules", "policy controls", "policy rights"}

// SessionSubject is the subject of a SessionDecision, by the session's ID; empty for all
// sessions of the person.
func SessionSubject(id string) Subject { return Subject(id) }

const recordInfix = " record "

// RecordSubject is the subject of a RecordDecision about a record of an HR source: the
// source and a keyed hash, for a key of HR may be a personal number.
func (db *DB) RecordSubject(key identity.SourceKey) (Subject, error) {
	hash, err := db.master.Hash("decision.record", key.Source+"\x00"+key.Key)
	if err != nil {
		return "", fmt.Errorf("record of %s: %w", key.Source, err)
	}
	return Subject(key.Source + recordInfix + hex.EncodeToString(hash[:8])), nil
}

// formerRecordSubject is what RecordSubject was in earlier versions.
func formerRecordSubject(key identity.SourceKey) Subject {
	return Subject(key.Source + "/" + key.Key)
}

// readmissionSubject is the subject of a ReadmissionDecision: the source and the keyed
// hash of its record.
func readmissionSubject(source string, hash []byte) Subject {
	return Subject(source + "/" + hex.EncodeToString(hash[:8]))
}

// readmitsTo reports whether the subject of a ReadmissionDecision is a record of the
// source.
func (s Subject) readmitsTo(source string) bool { return strings.HasPrefix(string(s), source+"/") }

// isRecord reports whether the subject of a RecordDecision is a record, and not a person.
func (s Subject) isRecord() bool {
	return strings.Contains(string(s), "/") || strings.Contains(string(s), recordInfix)
}

// OtherPerson returns the other person of a RecordDecision that merges two people or says
// that they are two; false for any other decision.
func (d Decision) OtherPerson() (identity.PersonID, bool) {
	if d.Kind != RecordDecision || d.Verdict != Merge && d.Verdict != Apart || d.Subject.isRecord() {
		return "", false
	}
	return identity.PersonID(d.Subject), true
}

// HoldDigest returns the digest of the hold that a HoldDecision is about, and "" for any
// other decision.
func (d Decision) HoldDigest() audit.HoldDigest {
	if d.Kind != HoldDecision {
		return ""
	}
	return audit.HoldDigest(d.Subject)
}

// Target returns the target that a decision is about (see TargetSubject), and "" for a
// decision about none.
func (d Decision) Target() string {
	switch d.Kind {
	case PauseDecision, TargetDecision, EnableDecision, BindDecision, PassDecision, AccountListDecision:
		return string(d.Subject)
	}
	return ""
}
