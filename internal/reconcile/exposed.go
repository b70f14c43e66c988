package reconcile

import (
	"context"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// Exposed says what in an account of a person with protected identity carries parts of
// their name, and what to do; empty when nothing does. The account name was given while
// the identity was not protected, and so was the login, which attributes may have. What
// a mapping states for people with protected identity counts as meant. It has no
// personal value.
func Exposed(c config.Target, p identity.Person, account string) string {
	var what, todo []string
	at := "targets." + c.Name
	if p.NamedIn(account) {
		what = append(what, "the account name")
		switch protected := c.Account.Protected != nil && !c.Account.Protected.Personal(); {
		case c.Account.Rename && protected:
			todo = append(todo, "rename the account in the target by hand, as behov cannot")
		default:
			todo = append(todo, fmt.Sprintf("set %s.name to {value: …, protected: 'u{{last 7 .PersonID}}', rename: true}, or rename the account by hand", at))
		}
	}
	var attributes []string
	if p.NamedIn(p.Login) {
		for _, name := range c.AttributeNames() {
			if a := c.Attributes[name]; !a.Stated && !a.Replaced && a.Value.Reads("Login") {
				attributes = append(attributes, name)
			}
		}
	}
	if len(attributes) > 0 {
		what = append(what, "the login in "+strings.Join(attributes, ", "))
		todo = append(todo, fmt.Sprintf("give %s.attributes.%s a protected value", at, strings.Join(attributes, ", ")))
	}
	if len(what) == 0 {
		return ""
	}
	return fmt.Sprintf("the person's identity is protected, and %s carries parts of the name: %s", strings.Join(what, " and "), strings.Join(todo, "; "))
}

// ExposedKnown is Exposed for each target in which the person has an account, by what
// the database knows: the login, and account names that the target's template makes.
func ExposedKnown(ctx context.Context, db *store.DB, c *config.Config, p identity.Person, day identity.Date) ([]string, error) {
	if !p.Protected {
		return nil, nil
	}
	var all []string
	if p.NamedIn(p.Login) {
		all = append(all, "the person's identity is protected, and the login carries parts of the name: it was given before, and stays; give the targets account names of their own, by name: {value: …, protected: …, rename: true}")
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
				if owner == string(p.ID) {
					account = candidate
				}
			}
		}
		if text := Exposed(t, p, account); text != "" {
			all = append(all, "target "+t.Name+": "+text)
		}
	}
	return all, nil
}
