package desired

import (
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// Exposed says what in an account of a person with protected identity carries parts of
// their name, and what to do; no reason when nothing does. The account name was given while
// the identity was not protected, and so was the login, which attributes may have. What
// a mapping states for people with protected identity counts as meant. It has no
// personal value.
func Exposed(c config.Target, p identity.Person, account string) reason.Reason {
	x := reason.NameExposed{Target: c.Name}
	if p.NamedIn(account) {
		x.Name = true
		x.ByHand = c.Account.Rename && c.Account.Protected != nil && !c.Account.Protected.Personal()
	}
	if p.NamedIn(p.Login) {
		for _, name := range c.AttributeNames() {
			if a := c.Attributes[name]; !a.Stated && !a.Replaced && a.Value.Reads("Login") {
				x.Attributes = append(x.Attributes, name)
			}
		}
	}
	if !x.Name && len(x.Attributes) == 0 {
		return reason.Reason{}
	}
	return reason.Of(x)
}
