package access

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// RulesApproval is which version of the rules is in force, and which wait for approval.
type RulesApproval struct {
	// Required: a version comes into use when a second person approves it.
	Required bool `json:"required"`
	// InForce is the digest; empty before the first version is approved, when no run changes
	// anything.
	InForce string `json:"in_force"`
	// Approved is the decision by which it is in force; left out without one.
	Approved *Decision `json:"approved,omitempty"`
	// Directory is the digest of the files, when they are not in force, and Unproposed that
	// no one has proposed them.
	Directory  string `json:"directory,omitempty"`
	Unproposed bool   `json:"unproposed"`
	// Changes are those of the files that no one has proposed.
	Changes []RulesChange `json:"changes"`
	// Waiting are the versions that were proposed, the newest first.
	Waiting []WaitingRules `json:"waiting"`
}

// WaitingRules is a version of the rules that waits for approval.
type WaitingRules struct {
	Digest   string   `json:"digest"`
	Proposed Decision `json:"proposed"`
	// Evidence is what the simulation said when it was proposed.
	Evidence Reason `json:"evidence"`
	// InDirectory: the files still say so.
	InDirectory bool          `json:"in_directory"`
	Changes     []RulesChange `json:"changes"`
}

// RulesChange is how a file of the rules is other than in the version in force: the lines that
// it gets, and that go. Order, blank lines and comments are left out. Binary is that the file
// is no text.
type RulesChange struct {
	File    string   `json:"file"`
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	Binary  bool     `json:"binary,omitempty"`
}

// rulesDecided is how many decisions about rules are looked at for those that wait.
const rulesDecided = 500

// RulesApproval returns which version of the rules is in force, and which wait.
func (v *View) RulesApproval() (RulesApproval, error) {
	out := RulesApproval{Required: v.Config.RulesApproval, InForce: v.Config.Rules.Digest, Changes: []RulesChange{}, Waiting: []WaitingRules{}}
	if !out.Required {
		return out, nil
	}
	all, err := v.DB.RulesDecisions(v.ctx, rulesDecided)
	if err != nil {
		return out, err
	}
	var reasons []reason.Reason
	for _, d := range all {
		reasons = append(reasons, reason.Of(reason.ByDecision{Decision: d.Seq}))
	}
	if err := v.Load(nil, reasons...); err != nil {
		return out, err
	}
	directory := v.Config
	if v.Config.InDirectory != nil {
		directory = v.Config.InDirectory
		out.Directory, out.Unproposed = directory.Rules.Digest, true
	}
	if may, err := v.DB.MayApplyRules(v.ctx, out.InForce); err != nil {
		return out, err
	} else if !may {
		out.Directory, out.Unproposed, out.InForce = out.InForce, true, ""
	}
	seen := map[store.Subject]bool{}
	for _, d := range all {
		if string(d.Subject) == out.InForce && d.Verdict == store.Approve && out.Approved == nil {
			shown := v.Decision(d)
			out.Approved = &shown
		}
		if seen[d.Subject] {
			continue
		}
		seen[d.Subject] = true
		if d.Verdict != store.Propose {
			continue
		}
		w := WaitingRules{Digest: string(d.Subject), Proposed: v.Decision(d), Evidence: v.Because(d.Because), InDirectory: string(d.Subject) == directory.Rules.Digest}
		source, err := v.DB.RulesSource(v.ctx, w.Digest)
		if err != nil {
			return out, err
		}
		var s config.RulesSource
		if err := json.Unmarshal(source, &s); err != nil {
			return out, fmt.Errorf("rules %s: %w", w.Digest, err)
		}
		w.Changes = v.rulesChanges(s)
		out.Waiting = append(out.Waiting, w)
		out.Unproposed = out.Unproposed && !w.InDirectory
	}
	if out.Unproposed {
		out.Changes = v.rulesChanges(directory.RulesSource)
	}
	return out, nil
}

// WaitingSource returns the source of a version of the rules that waits for approval.
func (v *View) WaitingSource(digest string) (s config.RulesSource, waits bool, err error) {
	all, err := v.DB.RulesDecisionsOn(v.ctx, digest)
	if err != nil || len(all) == 0 || all[len(all)-1].Verdict != store.Propose {
		return s, false, err
	}
	source, err := v.DB.RulesSource(v.ctx, digest)
	if err != nil {
		return s, false, err
	}
	return s, true, json.Unmarshal(source, &s)
}

// rulesChanges returns the files that are other than those in force.
func (v *View) rulesChanges(s config.RulesSource) []RulesChange {
	changes := []RulesChange{}
	now, names := v.Config.RulesSource, v.Config.RuleFiles
	for _, f := range []struct {
		name        string
		then, today []byte
	}{{names.Policy, s.Policy, now.Policy}, {names.Catalogue, s.Catalogue, now.Catalogue}, {names.Units, s.Units, now.Units}, {names.Controls, s.Controls, now.Controls}, {names.Conflicts, s.Conflicts, now.Conflicts}} {
		if slices.Equal(f.then, f.today) {
			continue
		}
		c := RulesChange{File: f.name, Added: []string{}, Removed: []string{}, Binary: slices.Contains(f.then, 0) || slices.Contains(f.today, 0)}
		if !c.Binary {
			c.Added, c.Removed = linesOnlyIn(string(f.then), string(f.today)), linesOnlyIn(string(f.today), string(f.then))
		}
		changes = append(changes, c)
	}
	if s.Leave != now.Leave {
		changes = append(changes, RulesChange{File: config.File, Added: []string{"leave: " + s.Leave}, Removed: []string{"leave: " + now.Leave}})
	}
	return changes
}
