package access

import (
	"strings"
	"time"

	"github.com/behov/behov/internal/reason"
)

// RulesVersion is a version of the rules that came into use.
type RulesVersion struct {
	At     time.Time `json:"at"`
	Digest string    `json:"digest"`
	InUse  bool      `json:"in_use"` // it is the newest
	// Added and Removed are the lines that the version before has not, and that only it has.
	// Order, blank lines and comments mean nothing in rules, and are left out. Both are empty
	// when only the catalogue or the organisation is another.
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
	// First: what was before is not listed.
	First bool `json:"first"`
}

// RulesVersions returns the newest versions of the rules, at most so many, the newest first.
func (v *View) RulesVersions(most int) ([]RulesVersion, error) {
	records, err := v.DB.RulesRecords(v.ctx, most+1)
	if err != nil {
		return nil, err
	}
	var all []RulesVersion
	var digests []string
	for _, r := range records {
		k, err := r.Reason.Kind()
		if err != nil {
			return nil, err
		}
		if used, ok := k.(reason.RulesUsed); ok {
			all = append(all, RulesVersion{At: r.At, Digest: used.Digest, InUse: len(all) == 0, Added: []string{}, Removed: []string{}})
			digests = append(digests, used.Digest)
		}
	}
	texts, err := v.DB.VersionTexts(v.ctx, digests)
	if err != nil {
		return nil, err
	}
	for i := range all {
		if i+1 == len(all) {
			all[i].First = true
			break
		}
		all[i].Added, all[i].Removed = linesOnlyIn(texts[all[i].Digest], texts[all[i+1].Digest]), linesOnlyIn(texts[all[i+1].Digest], texts[all[i].Digest])
	}
	return all[:min(len(all), most)], nil
}

// linesOnlyIn returns the lines of rules that another text has not.
func linesOnlyIn(text, other string) []string {
	known := map[string]int{}
	for line := range strings.Lines(other) {
		known[strings.TrimSpace(line)]++
	}
	only := []string{}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if known[line]--; known[line] < 0 {
			only = append(only, line)
		}
	}
	return only
}
