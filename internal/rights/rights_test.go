package rights_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
)

func TestWrongLinesAreNamed(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a bare number", "g, 1001, administrator", `rights.csv:1:4: "1001" has no source: write SOURCE/KEY, such as hr/1001`},
		{"a login", "g, anna berg, administrator", `rights.csv:1:4: "anna berg" cannot have a role`},
		{"a service account of another spelling", "g, service:Payroll, hr", `rights.csv:1:4: "service:Payroll" is no service account`},
		{"a service account without a name", "g, service:, hr", `rights.csv:1:4: "service:" is no service account`},
		{"a derived role", "# who\ng, hr/1, owner", "rights.csv:2:10: the role owner follows from data"},
		{"a role of that kind", "g, hr/1, Administrator", `rights.csv:1:10: "Administrator" is not a role`},
		{"an action", "p, operator, hold.relase, allow, w", `rights.csv:1:14: "hold.relase" is not an action`},
		{"an effect", "p, operator, hold.decide, permit, w", `rights.csv:1:27: "permit" is neither allow nor deny`},
		{"allowing the suspended", "p, suspended, *, allow, w", "rights.csv:1:18: the role suspended cannot have an allow line"},
		{"allowing oneself", "p, self, mfa.pass, allow, w", "rights.csv:1:20: the role self cannot have an allow line"},
		{"a deny without why", "p, manager, person.suspend, deny", "rights.csv:1:29: a deny line needs a fifth field"},
		{"no line", "x, y", `rights.csv:1:1: a line is "p, role, action`},
		{"no CSV", "g, \"hr/1, x", "rights.csv:1:"},
		{"a role no one has", "p, helpdesk, mfa.pass, allow, w", "rights.csv:1: warning: no line gives the role helpdesk to anyone"},
		{"a role in a role", "g, helpdesk, operator", "rights.csv:1: warning: no line gives the role helpdesk to anyone, so this line gives operator to no one"},
	} {
		_, problems := rights.Parse("rights.csv", c.text)
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), c.want) {
			t.Errorf("%s: %v\nwant %s", c.name, problems, c.want)
		}
	}
}

func known(member ...string) rights.Known {
	return rights.Known{Subject: rights.Subject{Person: "p"}, Works: true, Member: member}
}

// A role may be given through another role, may take what the default does not give,
// and a deny line of the installation's wins over it.
func TestAnInstallationsOwnLines(t *testing.T) {
	lines, problems := rights.Parse("rights.csv", `g, unit:servicedesk, helpdesk
g, job:2511, iam
g, iam, operator
p, helpdesk, mfa.pass, allow, the service desk
p, operator, token.make, deny, tokens are made by an administrator
`)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r, err := rights.New(lines)
	if err != nil {
		t.Fatal(err)
	}
	about := rights.Object{About: []identity.PersonID{"other"}}
	for _, c := range []struct {
		s      rights.Known
		action rights.Action
		want   rights.Role
	}{
		{known("unit:servicedesk"), rights.IssuePass, "helpdesk"},
		{known("unit:servicedesk"), rights.DecideHold, ""},
		{known("job:2511"), rights.DecideHold, rights.Operator},
		{known("job:2511"), rights.MakeToken, ""},
		{known("hr/1"), rights.DecideHold, ""},
	} {
		role, err := r.May(c.s, c.action, about)
		if role != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%v %s: %q, %v", c.s.Member, c.action, role, err)
		}
	}
	if _, err := r.May(known("job:2511"), rights.MakeToken, about); err == nil || !strings.Contains(err.Error(), "tokens are made by an administrator") {
		t.Errorf("%v", err)
	}
}

// Law 14: whatever lines an installation adds and whatever roles a person has, no one
// decides about themselves or what they caused, and no one who is suspended or does
// not work here decides.
func TestNoLineOverridesTheLaw(t *testing.T) {
	roles := append(slices.Clone(rights.Given), "helpdesk", rights.Owner, rights.Manager, rights.Reviewer)
	rapid.Check(t, func(t *rapid.T) {
		var text strings.Builder
		for range rapid.IntRange(0, 12).Draw(t, "lines") {
			role := rapid.SampledFrom(roles).Draw(t, "role")
			if rapid.Bool().Draw(t, "given") {
				fmt.Fprintf(&text, "g, hr/%d, %s\n", rapid.IntRange(0, 3).Draw(t, "who"), role)
				continue
			}
			action := rapid.SampledFrom(append(slices.Clone(rights.Actions), "*")).Draw(t, "action")
			fmt.Fprintf(&text, "p, %s, %s, %s, w\n", role, action, rapid.SampledFrom([]string{"allow", "deny"}).Draw(t, "effect"))
		}
		lines, _ := rights.Parse("rights.csv", text.String())
		r, err := rights.New(lines)
		if err != nil {
			t.Fatal(err)
		}
		s := known("hr/0", "hr/1", "hr/2")
		o := rights.Object{About: []identity.PersonID{"other"}, Owners: []identity.PersonID{"p"}, Managers: []identity.PersonID{"p"}, Reviewer: "p"}
		actions := rights.Actions
		switch rapid.IntRange(0, 5).Draw(t, "why not") {
		case 0:
			o.About = append(o.About, "p")
			actions = slices.DeleteFunc(slices.Clone(actions), func(a rights.Action) bool { return slices.Contains(rights.OwnActions, a) })
		case 1:
			o.CausedBy = []identity.PersonID{"x", "p"}
		case 2:
			s.Suspended = true
		case 3:
			s.Works = false
		case 4:
			s.Person = ""
		case 5: // a service account of any role, which works: it does what ServiceActions say
			s.Person, s.Service, s.How = "", "payroll", rights.ByToken
			actions = slices.DeleteFunc(slices.Clone(actions), func(a rights.Action) bool { return slices.Contains(rights.ServiceActions, a) })
		}
		if role, err := r.May(s, rapid.SampledFrom(actions).Draw(t, "asked"), o); err == nil {
			t.Fatalf("allowed as %s by\n%s", role, text.String())
		}
	})
}

// FuzzParse: no file makes the parser panic, and each line that is read can be used.
func FuzzParse(f *testing.F) {
	f.Add("g, hr/1001, administrator\np, helpdesk, mfa.pass, allow, \"the desk\"\n# x\n")
	f.Add("g, unit:a b/c, operator\ng, \"job:1,2\", hr")
	f.Fuzz(func(t *testing.T, text string) {
		lines, _ := rights.Parse("rights.csv", text)
		r, err := rights.New(lines)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if _, err := r.May(known("hr/1001"), rights.DecideHold, rights.Object{About: []identity.PersonID{"p"}}); !rights.IsSelf(err) {
			t.Fatalf("%q: about themselves: %v", text, err)
		}
	})
}

// TestServiceAccounts: a service account has the roles that it is given and no other, also
// for an object without people; it needs no factor, and reads and imports as its roles may.
func TestServiceAccounts(t *testing.T) {
	lines, problems := rights.Parse("rights.csv", "g, service:payroll, hr\ng, service:payroll, cleared\np, cleared, person.see-protected, allow, w\ng, service:root, administrator\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r, err := rights.New(lines)
	if err != nil {
		t.Fatal(err)
	}
	account := func(name string, works bool) rights.Known {
		return rights.Known{Subject: rights.Subject{Service: name, How: rights.ByToken}, Works: works, Member: []string{"service:" + name}}
	}
	// An empty person ID in an object is not the service account.
	own := rights.Object{About: []identity.PersonID{""}, Owners: []identity.PersonID{""}, Managers: []identity.PersonID{""}, CausedBy: []identity.PersonID{""}}
	for _, c := range []struct {
		name   string
		works  bool
		action rights.Action
		want   rights.Role
	}{
		{"payroll", true, rights.ImportFile, rights.HR}, {"payroll", true, rights.SeePerson, rights.HR}, {"payroll", true, rights.SeeProtected, "cleared"}, {"payroll", true, rights.DecideImport, ""},
		{"root", true, rights.ImportFile, rights.Administrator}, {"root", true, rights.SeePerson, rights.Administrator}, {"root", true, rights.SeeProtected, ""}, {"root", true, rights.MakeServiceToken, ""}, {"root", true, rights.EndSessions, ""},
		{"payroll", false, rights.ImportFile, ""}, {"payroll", false, rights.SeePerson, ""}, {"idle", true, rights.SeePerson, ""}, {"idle", true, rights.DecideReview, ""}, {"idle", true, rights.Suspend, ""},
	} {
		role, err := r.May(account(c.name, c.works), c.action, own)
		if role != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %s: %q, %v", c.name, c.action, role, err)
		}
		if err != nil && (!rights.IsRefused(err) || rights.IsSelf(err) || rights.IsCause(err)) {
			t.Errorf("%s %s: %v", c.name, c.action, err)
		}
	}
	_, err = r.May(account("root", true), rights.DecideHold, rights.Object{})
	var refused *rights.RefusedError
	if !errors.As(err, &refused) || refused.Because().JSON() != reason.Of(reason.NeedsPerson{Action: "hold.decide", Service: "root"}).JSON() {
		t.Errorf("%v", err)
	}
	for _, s := range []rights.Subject{{Service: "payroll"}, {Person: "p"}, {}} {
		if s.IsZero() != (s.ID() == "") || s.IsZero() != (s.Actor() == "") || s.Service != "" && s.ID() != string(s.Actor()) {
			t.Errorf("%+v is %q, and acts as %q", s, s.ID(), s.Actor())
		}
	}
}

func BenchmarkMay(b *testing.B) {
	r, err := rights.New([]rights.Line{{Member: "hr/1", Role: rights.Administrator}})
	if err != nil {
		b.Fatal(err)
	}
	s := known("hr/1", "unit:a", "unit:b", "job:1")
	for b.Loop() {
		if _, err := r.May(s, rights.RevokeToken, rights.Object{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestAllActionsIncludeNoReading: to decide everything is not to see everyone; a person may
// see themselves, and decides nothing about themselves.
func TestAllActionsIncludeNoReading(t *testing.T) {
	lines, problems := rights.Parse("rights.csv", "g, hr/1, chief\np, chief, *, allow, w\np, self, person.see-protected, allow, the person themselves\n")
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	r, err := rights.New(lines)
	if err != nil {
		t.Fatal(err)
	}
	other, self := rights.Object{About: []identity.PersonID{"other"}}, rights.Object{About: []identity.PersonID{"p"}}
	for _, c := range []struct {
		action rights.Action
		about  rights.Object
		want   bool
	}{{rights.DecideHold, other, true}, {rights.SeePerson, other, false}, {rights.SeeProtected, other, false}, {rights.DecideHold, self, false}, {rights.SeePerson, self, true}, {rights.SeeProtected, self, true}} {
		if _, err := r.May(known("hr/1"), c.action, c.about); (err == nil) != c.want || err != nil && !rights.IsRefused(err) {
			t.Errorf("%s about %v: %v", c.action, c.about.About, err)
		}
	}
	gone := known("hr/1")
	gone.Works = false
	if _, err := r.May(gone, rights.SeePerson, self); err == nil {
		t.Error("a person who does not work here sees themselves")
	}
}
