package reconcile

import (
	"context"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/desired"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Exposure says what carries parts of the name of a person with protected identity: an
// account in a target, or the login when Target is empty.
type Exposure struct {
	Target string        `json:"target,omitempty"`
	Reason reason.Reason `json:"reason"`
}

// accountNameReader reads whether a person has an account in a target, and whose an
// account name is.
type accountNameReader interface {
	HasAccount(ctx context.Context, target string, person identity.PersonID) (bool, error)
	NameRegister(target string) *store.NameRegister
}

// ExposedKnown is desired.Exposed for each target in which the person has an account, by what
// the database knows: the login, and account names that the target's template makes.
func ExposedKnown(ctx context.Context, db accountNameReader, c *config.Config, p identity.Person, day identity.Date) ([]Exposure, error) {
	if !p.Protected {
		return nil, nil
	}
	var all []Exposure
	if p.NamedIn(p.Login) {
		all = append(all, Exposure{Reason: reason.Of(reason.LoginExposed{})})
	}
	for _, t := range c.Targets {
		has, err := db.HasAccount(ctx, t.Name, p.ID)
		if err != nil {
			return nil, err
		}
		if !has {
			continue
		}
		account := ""
		if protected := t.Account.Protected; !t.Account.Rename || protected == nil || protected.Personal() {
			name, err := t.Account.Value.Execute(p.ViewOn(day, t.Main))
			if err != nil {
				continue // the plan says so
			}
			for i := 1; i < 10 && account == ""; i++ {
				candidate := identity.NameCandidate(name, i, t.Account.Most)
				owner, err := db.NameRegister(t.Name).Owner(ctx, candidate)
				if err != nil {
					return nil, err
				}
				if owner == p.ID {
					account = candidate
				}
			}
		}
		if why := desired.Exposed(t, p, account); !why.IsZero() {
			all = append(all, Exposure{Target: t.Name, Reason: why})
		}
	}
	return all, nil
}
