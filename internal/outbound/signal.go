package outbound

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

// signals is the source of Security Event Tokens for a receiver.
type signals struct {
	*transmitter
	receiver config.Receiver
}

func (s *signals) messages(ctx context.Context, r audit.Record) ([]message, error) {
	if r.Person == "" {
		return nil, nil
	}
	found, why, err := signalsOf(ctx, s.db, r)
	if err != nil {
		return nil, err
	}
	var all []message
	for _, signal := range found {
		if !slices.Contains(s.receiver.Signals, signal) {
			continue
		}
		subject, err := s.subject(ctx, s.receiver, r.Person)
		if err != nil {
			return nil, err
		}
		if stays, err := s.staysAs(ctx, subject, why); err != nil || stays {
			return nil, err
		}
		about, err := details(signal, r, why)
		if err != nil {
			return nil, err
		}
		id := tokenID(s.receiver, r, signal)
		body, err := s.sign(claims{Issuer: s.config.Issuer, ID: id, IssuedAt: r.At.Unix(), Audience: audience(s.receiver), Cause: "record-" + eventID(r), Subject: subject,
			Events: map[string]any{eventURI(signal): about}})
		if err != nil {
			return nil, err
		}
		all = append(all, message{record: r.Index, id: id, kind: signal, at: r.At, body: body})
	}
	return all, nil
}

// staysAs reports whether a record that is shut out was merged into another person whom the
// receiver knows by the same subject, and who stays.
func (s *signals) staysAs(ctx context.Context, subject subjectID, why reason.Reason) (bool, error) {
	k, err := why.Kind()
	merged, ok := k.(reason.RecordMerged)
	if err != nil || !ok {
		return false, nil //nolint:nilerr // a reason that is not known says nothing of a merge
	}
	other, err := s.subject(ctx, s.receiver, merged.Into)
	return other == subject, err
}

// tokenID returns the ID of a token: no two tokens of the transmitter have the same.
func tokenID(receiver config.Receiver, r audit.Record, signal string) string {
	return receiver.Name + "." + eventID(r) + "." + signal
}

// status is what a record says of whether a person may be in.
type status int

const (
	unsaid status = iota
	shutOut
	letIn
)

// signalsOf returns what a record signals, in its order, and why. A person whose accounts
// are disabled in several targets is signalled once: with the first record that says that
// the person is shut out.
func signalsOf(ctx context.Context, db *store.DB, r audit.Record) (found []string, why reason.Reason, err error) {
	switch {
	case r.Action == audit.PassIssued && r.Outcome == audit.Applied, r.Action == audit.PassWithdrawn && r.Outcome == audit.Applied:
		return []string{config.SignalCredentialChange}, r.Reason, nil
	}
	now, why, err := statusOf(ctx, db, r)
	if err != nil || now == unsaid || now == letIn && r.Action != audit.StepEnded {
		return nil, why, err
	}
	before := unsaid
	for earlier, err := range db.RecordsOfPersonBefore(ctx, r.Person, r.Index) {
		if err == nil {
			before, _, err = statusOf(ctx, db, earlier)
		}
		if err != nil {
			return nil, why, err
		}
		if before != unsaid {
			break
		}
	}
	switch {
	case now == shutOut && before != shutOut:
		return []string{config.SignalSessionRevoked, config.SignalAccountDisabled}, why, nil
	case now == letIn && before == shutOut:
		return []string{config.SignalAccountEnabled}, why, nil
	}
	return nil, why, nil
}

// statusOf returns what a record says of its person, and why. A person is shut out by the
// decision that suspends them, before any target is asked; when behov begins to disable an
// account because the person has ended or is suspended, for the other targets may be away;
// and when the last usable account is gone for another cause. A person is let in when an
// account is enabled, by behov or by others.
func statusOf(ctx context.Context, db *store.DB, r audit.Record) (status, reason.Reason, error) {
	switch r.Action {
	case audit.DecisionMade:
		if suspends, why := suspension(r); suspends {
			return shutOut, why, nil
		}
	case audit.AccessFound:
		if r.Entitlement == audit.Account {
			return letIn, r.Reason, nil
		}
	case audit.StepIntended:
		if r.Op == disableAccount || r.Op == revokeSessions || r.Op == deleteAccount {
			if why, is := ofPerson(r.Reason); is {
				return shutOut, why, nil
			}
		}
	case audit.StepEnded:
		if !done(r) {
			return unsaid, reason.Reason{}, nil
		}
		switch r.Op {
		case createAccount, enableAccount:
			return letIn, r.Reason, nil
		case disableAccount, deleteAccount:
			if why, is := ofPerson(r.Reason); is {
				return shutOut, why, nil
			}
			open, err := db.HadOpenAccount(ctx, r.Person, r.Index)
			if err != nil || open {
				return unsaid, reason.Reason{}, err
			}
			return shutOut, r.Reason, nil
		}
	}
	return unsaid, reason.Reason{}, nil
}

// suspension reports whether a decision suspends its person, and returns the reason of
// what follows from it.
func suspension(r audit.Record) (bool, reason.Reason) {
	k, err := r.Reason.Kind()
	d, ok := k.(reason.DecisionMade)
	if err != nil || !ok || d.Of != string(store.SuspensionDecision) || d.Verdict != string(store.Suspend) {
		return false, reason.Reason{}
	}
	return true, reason.Of(reason.Suspended{Decision: d.Decision, Maker: r.Actor})
}

// ofPerson returns the reason, of those of a step, that is about the person as a whole and
// not about one target.
func ofPerson(r reason.Reason) (reason.Reason, bool) {
	k, err := r.Kind()
	if err != nil {
		return reason.Reason{}, false
	}
	switch k := k.(type) {
	case reason.With:
		return ofPerson(k.Because)
	case reason.Suspended, reason.EmploymentEnded, reason.EmploymentUnlisted, reason.EndReported, reason.SponsorLeft, reason.OnLeave, reason.BetweenEmployments,
		reason.NoEmployment, reason.NeverStarted, reason.StartsLater, reason.RecordMerged, reason.RetentionOver:
		return r, true
	}
	return reason.Reason{}, false
}

// details returns what a token says of its event (CAEP 1.0 §2).
func details(signal string, r audit.Record, why reason.Reason) (map[string]any, error) {
	d := map[string]any{}
	switch signal {
	case config.SignalAccountDisabled, config.SignalAccountEnabled:
		return d, nil // RISC 1.0 §2.3 and §2.4: its reasons are of attacks
	case config.SignalCredentialChange:
		d["credential_type"], d["change_type"] = "pin", "create" // a temporary pass is a passcode
		if r.Action == audit.PassWithdrawn {
			d["change_type"] = "revoke"
		}
	}
	words, err := worded(why)
	if err != nil {
		return nil, err
	}
	d["event_timestamp"], d["reason_admin"], d["initiating_entity"] = r.At.Unix(), words, "admin"
	if r.Actor == identity.System {
		d["initiating_entity"] = "policy"
	}
	return d, nil
}

// worded returns a reason in words by language. Only reasons whose sentence has nothing
// but IDs and dates are worded; of any other it is the code.
func worded(r reason.Reason) (map[string]string, error) {
	all := map[string]string{}
	for _, language := range wording.Languages {
		p, err := wording.New(wording.Reader{Language: language, Zone: time.UTC})
		if err != nil {
			return nil, fmt.Errorf("reason: %w", err)
		}
		all[string(language)] = string(r.Code())
		if _, is := ofPerson(r); is || r.Code() == reason.CodeOf(reason.ByDecision{}) {
			all[string(language)] = wording.Sentence(p.Reason(r))
		}
	}
	return all, nil
}
