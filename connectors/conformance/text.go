package conformance

import (
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/behov/behov/connectors"
)

// awkward are texts that some protocol takes for syntax. No two differ in case or
// white space only.
var awkward = []string{
	"Åsa Öberg-Ängström",
	"Weiß ẞ ﬁ Ǆ",
	"名前 🙂 \u202eedoc",
	"Svensson, Anna",
	`quo"te`,
	"apo'strophe",
	"a+b=c",
	`back\slash`,
	`trailing backslash\`,
	`\2a\29`,
	"(parentheses)",
	"*",
	"a*",
	"<angle> & amp; </angle>",
	"semi;colon",
	"#hash",
	" leading space",
	"trailing space ",
	"two  spaces",
	"%41 %s {0} ${HOME} $(id)",
	"a/b?c=d&e",
	"line\tand tab",
	`{"json": ["x"]}`,
	"' OR 1=1 --",
	"*)(objectClass=*",
	"anna)(|(uid=*",
	"anna,ou=elsewhere",
	"x,dc=se",
	"../../etc/passwd",
	"null",
	"true",
	"0",
	"NUL \x00 inside",
	strings.Repeat("lång ", 40) + "x",
}

var textTests = []test{
	{"attribute values come back as they went", func(r *runner) {
		r.needs(connectors.Update)
		id := r.create("anna")[0]
		for _, text := range awkward {
			c := update(id, r.Text, text)
			if strings.Contains(text, "\x00") { // many targets cannot store it
				if res := r.apply(c)[0]; res.Status == connectors.Refused {
					continue
				}
				r.expect(connectors.AlreadyApplied, c)
			} else {
				r.expect(connectors.Applied, c)
			}
			if got := r.snapshot().accounts[id].Attributes[r.Text]; !slices.Equal(got, []string{text}) {
				r.Errorf("wrote %q, read %q", text, got)
			}
			r.expect(connectors.AlreadyApplied, c)
		}
	}},
	{"names come back as they went, or are refused", func(r *runner) {
		r.needs(connectors.Members)
		e := r.Entitlements[0]
		for _, name := range awkward {
			before := len(r.snapshot().accounts)
			res := r.apply(r.creation(name))[0]
			if res.Status == connectors.Refused && r.StrictNames {
				if n := len(r.snapshot().accounts); n != before {
					r.Errorf("%q is refused, but there are %d accounts after %d", name, n, before)
				}
				continue
			}
			if res.Status != connectors.Applied {
				r.Errorf("%q: %s (%s), want applied", name, res.Status, res.Detail)
				continue
			}
			s := r.snapshot()
			a := s.accounts[res.AccountID]
			if a.Name != name || a.Anchor != anchor(name) || len(s.accounts) != before+1 {
				r.Errorf("wrote name %q, read name %q, anchor %q, %d accounts", name, a.Name, a.Anchor, len(s.accounts))
			}
			r.wantID(res.AccountID, r.expect(connectors.AlreadyApplied, r.creation(name)))
			taken := r.creation(name)
			taken.Account.Anchor = "behov-another-person"
			r.expect(connectors.Refused, taken)
			add := member(connectors.AddMember, res.AccountID, e)
			r.expect(connectors.Applied, add)
			r.expect(connectors.AlreadyApplied, add)
			r.wantMembers(e, res.AccountID)
			r.expect(connectors.Applied, member(connectors.RemoveMember, res.AccountID, e))
			r.wantMembers(e)
		}
	}},
	{"anchors are not patterns", func(r *runner) {
		r.create("anna", "berit")
		for i, a := range []string{"*", "behov-*", "behov-anna)(uid=*", `behov-ann\61`, "behov-anna)(|(objectClass=*)"} {
			c := r.creation(many("pattern", i+1)[i])
			c.Account.Anchor = a
			res := r.apply(c)[0]
			if res.Status == connectors.AlreadyApplied {
				r.Errorf("anchor %q matched another person's account", a)
			}
			if res.Status == connectors.Applied {
				if got := r.snapshot().accounts[res.AccountID].Anchor; got != a {
					r.Errorf("wrote anchor %q, read %q", a, got)
				}
			}
		}
	}},
	{"account IDs are not patterns", func(r *runner) {
		id := r.create("anna")[0]
		for _, bad := range []string{"*", id + "*", id + ")(uid=*", "*)(objectClass=*", "anna", "uid=anna", strings.Repeat("x", 4000), "\x00"} {
			r.expect(connectors.Refused, change(connectors.DisableAccount, bad), update(bad, r.Text, "x"), member(connectors.AddMember, bad, r.Entitlements[0]))
			r.expect(connectors.AlreadyApplied, change(connectors.DeleteAccount, bad))
		}
		s := r.snapshot()
		if a, ok := s.accounts[id]; !ok || !a.Enabled || len(a.Attributes[r.Text]) > 0 || len(s.members) > 0 {
			r.Errorf("the account is %+v, memberships %v; want it untouched", a, s.members)
		}
	}},
	{"nothing gets out of a value", func(r *runner) {
		// Any value of a mapped attribute is stored or refused, and changes
		// nothing else.
		r.needs(connectors.Update)
		ids := r.create("anna", "berit")
		others := r.snapshot()
		attributes := slices.Sorted(maps.Keys(r.Attributes("anna")))
		if r.Multi != "" {
			attributes = append(attributes, r.Multi)
		}
		for _, name := range append(attributes, r.Text) {
			last := ""
			for _, text := range []string{"*)(objectClass=*", "anna)(|(uid=*", `x" or userName pr or "`, "x,dc=se", "' OR 1=1 --", `{"active": false}`, "a\r\nb: c", "\x00", "x\u202ex", `\`} {
				if r.apply(update(ids[0], name, text))[0].Status != connectors.Refused {
					last = text
				}
			}
			s := r.snapshot()
			if got := s.accounts[ids[0]].Attributes[name]; last != "" && !slices.Contains(got, last) && !same(r.Connector, name, got, last) {
				r.Errorf("wrote %s %q, and read %q", name, last, got)
			}
			if len(s.accounts) != len(others.accounts) || len(s.members) != 0 || !s.accounts[ids[0]].Enabled || !cmp.Equal(s.accounts[ids[1]], others.accounts[ids[1]]) {
				r.Fatalf("a value of %s changed more than itself", name)
			}
		}
	}},
	{"unknown attributes are refused or come back", func(r *runner) {
		r.needs(connectors.Update)
		id := r.create("anna")[0]
		res := r.apply(update(id, "noSuchAttribute", "x"))[0]
		if res.Status == connectors.AlreadyApplied {
			r.Error("an attribute that is not there is said to be so already")
		}
	}},
}

// same reports whether the target holds the values equal.
func same(c connectors.Connector, attribute string, got []string, want string) bool {
	m, ok := c.(connectors.Matcher)
	return ok && m.Matching()[attribute].Same(got, []string{want})
}
