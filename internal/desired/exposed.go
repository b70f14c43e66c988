package desired

import (
	"fmt"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
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
