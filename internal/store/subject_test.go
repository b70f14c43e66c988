package store_test

import (
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// TestSubjectsKeepTheirText: the subject of a decision is stored, and joined with digests
// and IDs.
func TestSubjectsKeepTheirText(t *testing.T) {
	for want, s := range map[string]store.Subject{
		"d1": store.HoldSubject("d1"), "7-2": store.ReviewItem{Campaign: 7, Number: 2}.Subject(), "p2": store.PersonSubject("p2"), "e1": store.EmploymentSubject("e1"),
		"k1": store.StepSubject("k1"), "t1": store.TargetSubject("t1"), "*": store.TargetSubject(store.EveryTarget), "": store.TargetSubject(""), "tok": store.TokenSubject("tok"), "s1": store.SessionSubject("s1"),
	} {
		if string(s) != want {
			t.Errorf("got %q, want %q", s, want)
		}
	}
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "behov.db"))
	s, err := db.RecordSubject(identity.SourceKey{Source: "hr", Key: "190001019876"})
	if err != nil || !strings.HasPrefix(string(s), "hr record ") || strings.Contains(string(s), "19000101") || len(s) != len("hr record ")+16 {
		t.Errorf("a record is %q, %v", s, err)
	}
}

// TestSubjectAccessors: a decision gives back what its subject was made of, and nothing
// that a decision of another kind is about.
func TestSubjectAccessors(t *testing.T) {
	db := open(t, "sqlite:"+filepath.Join(t.TempDir(), "behov.db"))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z0-9-]{1,20}`).Draw(t, "text")
		record, err := db.RecordSubject(identity.SourceKey{Source: text, Key: text})
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range []store.Decision{
			{Kind: store.RecordDecision, Verdict: store.Merge, Subject: store.PersonSubject(identity.PersonID(text))},
			{Kind: store.RecordDecision, Verdict: store.Apart, Subject: store.PersonSubject(identity.PersonID(text))},
			{Kind: store.RecordDecision, Verdict: store.Split, Subject: record},
			{Kind: store.RecordDecision, Verdict: store.Apart, Subject: record},
			{Kind: store.RecordDecision, Verdict: store.Apart, Subject: store.Subject(text + "/" + text)}, // of an earlier version
			{Kind: store.HoldDecision, Verdict: store.Release, Subject: store.HoldSubject(audit.HoldDigest(text))},
			{Kind: store.PauseDecision, Verdict: store.Pause, Subject: store.TargetSubject(text)},
			{Kind: store.EnableDecision, Verdict: store.Release, Subject: store.TargetSubject(text)},
			{Kind: store.StepDecision, Verdict: store.Retry, Subject: store.StepSubject(audit.StepKey(text))},
			{Kind: store.TokenDecision, Verdict: store.Make, Subject: store.TokenSubject(text)},
			{Kind: store.SessionDecision, Verdict: store.End, Subject: store.SessionSubject(text)},
		} {
			other, two := d.OtherPerson()
			if want := d.Kind == store.RecordDecision && string(d.Subject) == text; two != want || two && string(other) != text || !two && other != "" {
				t.Errorf("%+v is about person %q, %v", d, other, two)
			}
			if got := d.HoldDigest(); string(got) != map[bool]string{true: text}[d.Kind == store.HoldDecision] {
				t.Errorf("%+v is about hold %q", d, got)
			}
			if got := d.Target(); got != map[bool]string{true: text}[d.Kind == store.PauseDecision || d.Kind == store.EnableDecision] {
				t.Errorf("%+v is about target %q", d, got)
			}
		}
	})
}
