package config

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/rights"
)

const defaultRights = "rights.csv"

// first returns the default source of people's keys: the first under
// hr.precedence.default, else the first that supplies given_name. With several
// sources one of these is required (precedence), so that the order of their names
// does not matter.
func (l *loader) first(precedence identity.Precedence) string {
	for _, column := range []string{"", "given_name"} {
		if order := precedence[column]; len(order) > 0 {
			return order[0]
		}
	}
	if len(l.sources) == 0 || slices.Contains(l.sources, defaultSourceName) {
		return defaultSourceName
	}
	return l.sources[0]
}

// person checks the reference to a person's record, SOURCE/KEY or a key of the
// first source, and returns it as SOURCE/KEY. A login or an e-mail address is no
// reference here, as another source, or the person, could change it.
func (l *loader) person(doc *document, at, ref string, c *Config) string {
	ref = identity.CleanText(ref)
	if ref == "" {
		return ""
	}
	source, key, qualified := strings.Cut(ref, "/")
	if !qualified {
		return c.First + "/" + ref
	}
	if _, ok := c.Sources[source]; !ok || key == "" {
		doc.report(at, "%q names no record of an HR source: write SOURCE/KEY, as %s/1001", ref, c.First)
	}
	return ref
}

func (l *loader) people(doc *document, at string, refs []string, c *Config) []string {
	var all []string
	for _, ref := range refs {
		if p := l.person(doc, at, ref, c); p != "" {
			all = append(all, p)
		}
	}
	return all
}

var userName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@\\-]*\$?$`)

// operators parses which user of the operating system is which person.
func (l *loader) operators(doc *document, users map[string]string, c *Config) map[string]identity.SourceKey {
	if users == nil {
		return nil
	}
	all := map[string]identity.SourceKey{}
	for _, user := range sortedKeys(users) {
		at := "$.operators." + quoteKey(user)
		if !userName.MatchString(user) {
			doc.report(at, "%q is no name or number of a user of the operating system", user)
			continue
		}
		ref := l.person(doc, at, users[user], c)
		if ref == "" {
			doc.report(at, "the person of the user %s is missing: use SOURCE/KEY, as %s/1001", user, c.First)
			continue
		}
		source, key, _ := strings.Cut(ref, "/")
		all[user] = identity.SourceKey{Source: source, Key: key}
	}
	return all
}

var serviceName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)

// maxResponsible is how many people may answer for one service account: each request of it
// asks whether one of them works here.
const maxResponsible = 20

// serviceAccounts parses the programs that call the API as themselves.
func (l *loader) serviceAccounts(doc *document, accounts map[string]serviceAccountYAML, c *Config) []ServiceAccount {
	var all []ServiceAccount
	for _, name := range sortedKeys(accounts) {
		at := "$.service_accounts." + quoteKey(name)
		s := ServiceAccount{Name: name, Purpose: identity.CleanText(accounts[name].Purpose)}
		if !serviceName.MatchString(name) {
			doc.report(at, "%q is no name of a service account: use lower-case letters, digits and hyphens, and begin with a letter", name)
		}
		if s.Purpose == "" {
			doc.report(at, "the purpose is missing: say what the program does")
		}
		for _, ref := range l.people(doc, at+".responsible", accounts[name].Responsible, c) {
			source, key, _ := strings.Cut(ref, "/")
			s.Responsible = append(s.Responsible, identity.SourceKey{Source: source, Key: key})
		}
		if n := len(s.Responsible); n == 0 || n > maxResponsible {
			doc.report(at+".responsible", "name the people who answer for it, at least one and at most %d, as [%s/1001]: its tokens are refused while none of them works here", maxResponsible, c.First)
		}
		all = append(all, s)
	}
	return all
}

// rights reads who may decide what. Without a file no role is assigned: system
// owners, reviewers and managers decide about their own, and no person decides
// the rest.
func (l *loader) rights(name string, c *Config, units *identity.Units) *rights.Rights {
	file := or(name, defaultRights)
	var own []rights.Line
	if _, err := os.Stat(l.file(file)); name != "" || !errors.Is(err, fs.ErrNotExist) {
		text, ok := l.read(file)
		if !ok {
			return nil
		}
		var problems []diagnostic.Problem
		own, problems = rights.Parse(file, text)
		l.problems = append(l.problems, problems...)
	}
	report := func(line rights.Line, text string) {
		l.problems = append(l.problems, diagnostic.Problem{File: line.File, Line: line.LineNumber, Text: text})
	}
	for _, line := range own {
		source, record := line.Record()
		unit, isUnit := strings.CutPrefix(line.Member, rights.UnitPrefix)
		service, isService := strings.CutPrefix(line.Member, rights.ServicePrefix)
		_, declared := c.ServiceAccount(service)
		switch {
		case isService && !declared:
			report(line, "there is no service account "+service+" under service_accounts in "+File)
		case isUnit && units != nil && units.Len() > 0 && !units.Has(unit):
			report(line, "there is no unit "+unit)
		case record:
			if _, ok := c.Sources[source]; !ok {
				report(line, "there is no HR source "+source+": a person is SOURCE/KEY, as "+c.First+"/1001")
			}
		}
	}
	r, err := rights.New(own)
	if err != nil {
		l.problems = append(l.problems, diagnostic.Problem{File: file, Text: err.Error()})
	}
	return r
}
