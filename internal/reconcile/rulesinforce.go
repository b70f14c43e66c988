package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// approvedRules reads which version of the rules was approved.
type approvedRules interface {
	ApprovedRules(ctx context.Context) (store.Decision, bool, error)
	VersionInUse(ctx context.Context, kind store.VersionKind) (string, error)
	RulesSource(ctx context.Context, digest string) ([]byte, error)
}

// RulesInForce returns the configuration with the rules that may be used: those of its files,
// or, where rules need approval, the version that was approved last. While none was, that is the
// version that the last run used; before the first run it is that of the files, with which no
// run changes anything. An approved version that cannot be used with the rest of the
// configuration is an error, so that nothing is taken by mistake.
func RulesInForce(ctx context.Context, db approvedRules, c *config.Config) (*config.Config, error) {
	if !c.RulesApproval {
		return c, nil
	}
	digest, err := digestInForce(ctx, db)
	if err != nil || digest == "" || digest == c.Rules.Digest {
		return c, err
	}
	source, err := db.RulesSource(ctx, digest)
	if err != nil {
		return nil, err
	}
	other, err := LoadRules(c, digest, source)
	if err != nil {
		return nil, err
	}
	other.Files, other.InDirectory = c.Files, c
	return other, nil
}

// digestInForce returns the digest of the version that was approved last, or that the last run
// used; empty before the first run.
func digestInForce(ctx context.Context, db approvedRules) (string, error) {
	d, approved, err := db.ApprovedRules(ctx)
	if err != nil || approved {
		return string(d.Subject), err
	}
	return db.VersionInUse(ctx, store.RulesVersion)
}

// ApprovedConfig returns the configuration with the version of the rules in force where those
// of the files cannot be used; nil when no version is in force, or the rest of the
// configuration cannot be used either. settings are those of config.LoadSettings.
func ApprovedConfig(ctx context.Context, db approvedRules, settings *config.Config) (*config.Config, error) {
	digest, err := digestInForce(ctx, db)
	if err != nil || digest == "" {
		return nil, err
	}
	source, err := db.RulesSource(ctx, digest)
	if err != nil || source == nil {
		return nil, err
	}
	c, err := LoadRules(settings, digest, source)
	var refused *reason.Refusal
	if errors.As(err, &refused) { // the files say why
		return nil, nil
	}
	if err == nil {
		c.Files = settings.Files // so that a service sees when they are mended
	}
	return c, err
}

// LoadRules returns a configuration with a version of the rules, from its source. It fails
// when the version cannot be used with the rest of the configuration, or when its digest would
// be another.
func LoadRules(c *config.Config, digest string, source []byte) (*config.Config, error) {
	unusable := func(detail string) error {
		return &reason.Refusal{Reason: reason.Of(reason.RulesUnusable{Digest: digest, Detail: detail})}
	}
	if source == nil {
		return nil, unusable("its text is not kept")
	}
	var s config.RulesSource
	if err := json.Unmarshal(source, &s); err != nil {
		return nil, fmt.Errorf("rules %s: %w", digest, err)
	}
	other, problems := config.LoadInstead(c.Dir, s.Instead(c.RuleFiles))
	if other == nil {
		first := problems[slices.IndexFunc(problems, func(p diagnostic.Problem) bool { return !p.Warning })]
		return nil, unusable(first.Error())
	}
	if other.Rules.Digest != digest {
		return nil, unusable("its digest is " + other.Rules.Digest + " now")
	}
	return other, nil
}

// checkRulesApproved returns an error where rules need approval and the engine's were never
// approved. A process that does not know of a newer approval yet goes on with the older one.
func (e *Engine) checkRulesApproved(ctx context.Context) error {
	if !e.Config.RulesApproval {
		return nil
	}
	may, err := e.DB.MayApplyRules(ctx, e.Config.Rules.Digest)
	if err == nil && !may {
		err = &reason.Refusal{Reason: reason.Of(reason.RulesNotApproved{Digest: e.Config.Rules.Digest})}
	}
	return err
}

// SimulateRules says what a version of the rules would do, as evidence for who approves it.
func (e *Engine) SimulateRules(ctx context.Context, c *config.Config) (reason.RulesSimulated, error) {
	s, err := e.Simulate(ctx, "", Change{Rules: c.Rules})
	if err != nil {
		return reason.RulesSimulated{}, err
	}
	said := reason.RulesSimulated{Plan: string(s.Plan), Holds: len(s.Holds)}
	people := map[identity.PersonID]bool{}
	for _, g := range s.Grants {
		if s.protected[g.Person] {
			continue
		}
		people[g.Person] = true
		var c EntitlementChange
		c.count(g.Before, g.After, 1)
		said.Begin, said.End = said.Begin+c.Begin, said.End+c.End
	}
	for _, x := range slices.Concat(s.Steps, s.Dropped) {
		if !s.protected[x.Person] {
			people[x.Person] = true
			said.Steps++
		}
	}
	said.Count = len(people)
	return said, nil
}
