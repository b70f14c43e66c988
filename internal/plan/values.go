package plan

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// same reports whether the target holds two lists of an attribute's values equal.
func (t *Target) same(attribute string, a, b []string) bool {
	// Mostly they are equal as they stand, which takes no copies to see.
	return slices.Equal(a, b) || slices.Equal(t.canonical(attribute, a), t.canonical(attribute, b))
}

// Fingerprint is a keyed hash of an attribute's values, the same for all that
// the target holds equal.
func (t *Target) Fingerprint(key []byte, attribute string, values []string) string {
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%q", t.canonical(attribute, values))
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// canonical is the form that all values share which the target holds equal.
// An account that a person is known by is that person.
func (t *Target) canonical(attribute string, values []string) []string {
	if !t.References[attribute] {
		return t.Matching[attribute].Canonical(values)
	}
	var people []string
	for _, v := range values {
		if person := t.personOf(v); person != "" {
			v = Referred(person)
		}
		people = append(people, v)
	}
	return connectors.MatchExact.Canonical(people)
}

// Referred returns the placeholder for a reference to a person's account, which may not be
// there yet.
func Referred(person identity.PersonID) string { return "person:" + string(person) }

// referring is an account whose references are compared when it is known who
// else gets one.
type referring struct {
	person    identity.PersonID
	desired   map[string]identity.PersonID
	cleared   map[string]bool
	account   connectors.Account // the zero value when it is to be created
	dependsOn audit.StepID       // the step that creates or adopts it, if any
}

// noteReferences notes that an account refers to other accounts, which this plan may
// still create. They are compared after all people were planned, unless the snapshot
// shows that nothing is to be changed.
func (b *builder) noteReferences(r referring) {
	for name, to := range r.desired {
		values, creation, known := b.reference(to, false) // who gets an account later is not there yet
		if !known || creation != "" || !b.t.same(name, values, r.account.Attributes[name]) {
			b.referring = append(b.referring, r)
			return
		}
	}
}

// planReferences plans references between accounts.
func (b *builder) planReferences() {
	for _, r := range b.referring {
		after, before := map[string][]string{}, map[string][]string{}
		var dependsOn []audit.StepID
		if r.dependsOn != "" {
			dependsOn = []audit.StepID{r.dependsOn}
		}
		for _, name := range slices.Sorted(maps.Keys(r.desired)) {
			values, creation, known := b.reference(r.desired[name], r.cleared[name])
			if !known || b.t.same(name, values, r.account.Attributes[name]) {
				continue
			}
			after[name], before[name] = values, r.account.Attributes[name]
			if creation != "" {
				dependsOn = append(dependsOn, creation)
			}
		}
		if len(after) == 0 {
			continue
		}
		b.addStep(Step{Op: connectors.UpdateAccount, Person: r.person, AccountID: r.account.ID, Attributes: b.fingerprints(after), Before: b.fingerprints(before),
			Reason: reason.Of(reason.AttributesChanged{Attributes: slices.Sorted(maps.Keys(after))}), DependsOn: dependsOn})
	}
}

// reference returns the value that refers to the person's account, and the
// step that creates it if there is none yet. It is not known when the person
// has no account here and gets none: then what is there stays, unless it is cleared.
func (b *builder) reference(to identity.PersonID, cleared bool) (values []string, creation audit.StepID, known bool) {
	if to == "" {
		return nil, "", true
	}
	if _, seen := b.t.OwnName(to); seen {
		return []string{Referred(to)}, "", true
	}
	creation = b.created[to]
	if creation == "" && cleared {
		return nil, "", true
	}
	return []string{Referred(to)}, creation, creation != ""
}
