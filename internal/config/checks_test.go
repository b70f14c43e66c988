package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/text/encoding/charmap"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/testenv"
)

const memoryTarget = "    memory:\n      file: directory.json\n      groups: [all-staff, teachers, school-register, nurses, care-record, library-desk, library-loans, finance-ledger, temps]\n"

const ldapTarget = "    ldap:\n      url: ldaps://ldap.example.org\n      bind_dn: cn=behov\n      password: env:P\n      people_dn: ou=people\n      groups_dn: ou=groups\n"

// What loads and does something else than it says is worse than what does not
// load.
func TestWhatCannotBeMeantIsRefused(t *testing.T) {
	for _, c := range []struct{ name, file, old, text, want string }{
		{"negative limit", "behov.yaml", "{number: 10,", "{number: -5,", `behov.yaml:99:36: it must not be negative`},
		{"more than everybody", "behov.yaml", "number: 10, percent: 5", "number: 10, percent: 1000", `behov.yaml:99:49: it must be between 0 and 100`},
		{"no number", "behov.yaml", "number: 10, percent: 5", "number: 10, percent: .nan", `behov.yaml:99:49: ".nan" must be a number: write decimal digits`},
		{"negative shrinking", "behov.yaml", "number: 5, percent: 50}", "number: 5, percent: -5}", `behov.yaml:74:42: it must be between 0 and 100`},
		{"no one makes the changes", "behov.yaml", "targets:\n", "targets:\n  doors: {manual: {}}\n", `behov.yaml:95:19: to is missing`},
		{"orders to no address", "behov.yaml", "targets:\n", "targets:\n  doors: {manual: {to: a@b@c}}\n", `behov.yaml:95:24: "a@b@c" is no mail address`},
		{"orders to no record", "behov.yaml", "targets:\n", "targets:\n  doors: {manual: {to: x/1}}\n", `behov.yaml:95:24: "x/1" names no record of an HR source`},
		{"orders for years", "behov.yaml", "targets:\n", "targets:\n  doors: {manual: {to: \"1\", days: 900}}\n", `behov.yaml:95:20: days is 900`},
		{"escalated to the same", "behov.yaml", "targets:\n", "targets:\n  doors: {manual: {to: \"1\", escalate: hr/1}}\n", `behov.yaml:95:20: escalate is the same as to`},
		{"values in orders", "behov.yaml", "targets:\n", "targets:\n  doors: {attributes: {mail: x}, manual: {to: \"1\"}}\n", `behov.yaml:95:24: a target of this kind cannot: update accounts`},
		{"own column hides one", "behov.yaml", "attributes: [cost_centre]", "attributes: [unit]", `behov.yaml:52:15: "unit" is one of behov's own`},
		{"own column hides an attribute", "behov.yaml", "attributes: [cost_centre]", "attributes: [type]", `behov.yaml:52:15: "type" is one of behov's own`},
		{"own column twice", "behov.yaml", "attributes: [cost_centre]", "attributes: [a, a]", `behov.yaml:52:15: "a" is there twice`},
		{"own column with a dash", "behov.yaml", "attributes: [cost_centre]", "attributes: [cost-centre]", `behov.yaml:52:15: "cost-centre" cannot be named in a rule`},
		{"two columns from one", "behov.yaml", "      shrink_limit:", "      columns: {unit: X, job_code: X}\n      shrink_limit:", `behov.yaml:74:23: job_code and unit are both read from "X"`},
		{"read and constant", "behov.yaml", "      shrink_limit:", "      columns: {unit: X}\n      constants: {unit: finance}\n      shrink_limit:", `behov.yaml:75:25: unit is under columns already`},
		{"everybody is one person", "behov.yaml", "      shrink_limit:", "      constants: {person_id: x}\n      shrink_limit:", `behov.yaml:74:30: person_id tells rows apart`},
		{"quotation mark as delimiter", "behov.yaml", "      shrink_limit:", "      delimiter: '\"'\n      shrink_limit:", `behov.yaml:74:18: "\"" must be one character and no quotation mark`},
		{"the key itself", "behov.yaml", "file:behov.key", "hunter2", `behov.yaml:21:6: a secret must not stand`},
		{"password in a URL's query", "behov.yaml", "sqlite:behov.db", "postgres://u@h/d?password=hunter2", `behov.yaml:17:11: a password must not stand`},
		{"no database file", "behov.yaml", "sqlite:behov.db", `"sqlite:"`, `behov.yaml:17:11: it must be "sqlite:FILE"`},
		{"database that is not set", "behov.yaml", "sqlite:behov.db", "env:BEHOV_TEST_NOT_SET", `behov.yaml:17:11: the environment variable BEHOV_TEST_NOT_SET is not set`},
		{"the machine's time zone", "behov.yaml", "Europe/Stockholm", "Local", `behov.yaml:13:11: "Local" is no time zone`},
		{"second document", "behov.yaml", "database:", "---\ndatabase:", `behov.yaml:18:1: a second document begins here`},
		{"not UTF-8", "behov.yaml", "# Dates in HR", "# Dat\xe9s in HR", `behov.yaml:12: the file is not UTF-8`},
		{"kind without settings", "behov.yaml", memoryTarget, "    ldap:\n", `behov.yaml:99:5: a target has exactly one of ldap, scim, graph, manual and memory; this one has 0`},
		{"setting that is missing", "behov.yaml", memoryTarget, strings.Replace(ldapTarget, "      groups_dn: ou=groups\n", "", 1), `behov.yaml:115:7: groups_dn is missing`},
		{"unencrypted", "behov.yaml", memoryTarget, strings.Replace(ldapTarget, "ldaps:", "ldap:", 1), `behov.yaml:115:7: the connection would not be encrypted`},
		{"attribute that SCIM has not", "behov.yaml", memoryTarget, "    scim: {url: \"https://x\", token: env:T}\n", `behov.yaml:114:12: attribute "cn" is not in the schema`},
		{"MFA where nobody knows of it", "behov.yaml", memoryTarget, ldapTarget, `behov.yaml:92:11: target directory does not know who is enrolled: mfa_attribute is not configured`},
		{"timeout without a unit", "behov.yaml", memoryTarget, ldapTarget + "      timeout: 30\n", `behov.yaml:120:16: it must be a time such as 30s`},
		{"timeout in words", "behov.yaml", memoryTarget, ldapTarget + "      timeout: soon\n", `behov.yaml:120:16: it must be a time such as 30s`},
		{"name template", "behov.yaml", "    ignore: [", "    name: \"{{.Nobody}}\"\n    ignore: [", `behov.yaml:101:11: template`},
		{"collision rule", "behov.yaml", "    ignore: [", "    name: {value: x, collision: toss}\n    ignore: [", `behov.yaml:101:33: "toss" is not valid: use report`},
		{"name's length", "behov.yaml", "    ignore: [", "    name: {max_length: -1}\n    ignore: [", `behov.yaml:101:24: it must not be negative`},
		{"unknown field of a name", "behov.yaml", "    ignore: [", "    name: {length: 1}\n    ignore: [", `behov.yaml:101:12: unknown field "length"`},
		{"when an attribute is set", "behov.yaml", `title: "{{.JobTitle}}"`, `title: {value: x, set: sometimes}`, `behov.yaml:113:15: attribute title: set is always`},
		{"default that is no template", "behov.yaml", `title: "{{.JobTitle}}"`, `title: {value: x, default: "{{.Nobody}}"}`, `behov.yaml:113:15: attribute title: default: template`},
		{"whom an attribute refers to", "behov.yaml", `title: "{{.JobTitle}}"`, `title: {reference: deputy}`, `behov.yaml:113:15: attribute title: reference is manager`},
		{"reference with a value", "behov.yaml", `title: "{{.JobTitle}}"`, `title: {reference: manager, value: x}`, `behov.yaml:113:15: attribute title: a reference has no value`},
		{"rename that never renames", "behov.yaml", "    ignore: [", "    name: {rename: true}\n    ignore: [", `behov.yaml:101:20: it never renames an account`},
		{"missing without a reference", "behov.yaml", `title: "{{.JobTitle}}"`, `title: {value: x, missing: clear}`, `behov.yaml:113:15: attribute title: missing is for a reference`},
		{"unknown word for missing", "behov.yaml", `title: "{{.JobTitle}}"`, `title: {reference: manager, missing: drop}`, `behov.yaml:113:15: attribute title: missing is keep`},
		{"adoption by two at once", "behov.yaml", "    ignore: [", "    adopt: [{a: x, b: y}]\n    ignore: [", `behov.yaml:101:14: each rule is one attribute`},
		{"adoption by nothing", "behov.yaml", "    ignore: [", "    adopt: [{a: \"\"}]\n    ignore: [", `behov.yaml:101:14: a: the value is missing`},
		{"adoption by what behov made up", "behov.yaml", "    ignore: [", "    adopt: [{name: \"{{.Login}}\"}]\n    ignore: [", `behov.yaml:101:14: name: a value that behov generates cannot identify`},
		{"adoption by what everybody has", "behov.yaml", "    ignore: [", "    adopt: [{a: \"1001\"}]\n    ignore: [", `behov.yaml:101:14: a: "1001" is not one person's alone`},
		{"adoption by a column that is not there", "behov.yaml", "    ignore: [", "    adopt: [{a: \"{{.Attributes.user_name}}\"}]\n    ignore: [", `behov.yaml:101:14: there is no column user_name: list it under hr.attributes`},
		{"column that is not there", "behov.yaml", `title: "{{.JobTitle}}"`, `title: "{{.Attributes.title}}"`, `behov.yaml:113:14: there is no column title`},
		{"negative rate", "behov.yaml", "    ignore: [", "    limits: {requests_per_second: -1}\n    ignore: [", `behov.yaml:101:14: numbers must not be negative`},
		{"first passwords in a file", "behov.yaml", "    ignore: [", "    first_password: {directory: d}\n    ignore: [", `behov.yaml:101:22: a target of this kind cannot: first password`},
		{"two ways for first passwords", "behov.yaml", "    ignore: [", "    first_password: {directory: d, command: [/bin/x]}\n    ignore: [", `behov.yaml:101:22: either a directory or a command`},
		{"passes for a program that could be any", "behov.yaml", "mfa:\n", "mfa:\n  first_pass: {command: [x]}\n", `behov.yaml:92:25: "x" must be an absolute path, so that it is clear which program gets the passes`},
		{"passes for no one", "behov.yaml", "mfa:\n", "mfa:\n  first_pass: {hours: 4}\n", `behov.yaml:92:16: it says for how long`},
		{"passes without an end", "behov.yaml", "mfa:\n", "mfa:\n  first_pass: {directory: d, hours: 1000}\n", `behov.yaml:92:37: 1000 hours: it must be 1 to 720`},
		{"a program that could be any", "behov.yaml", "    ignore: [", "    first_password: {command: [x]}\n    ignore: [", `behov.yaml:101:31: "x" must be an absolute path`},
		{"secret below a connector", "behov.yaml", memoryTarget, "    scim: {url: \"https://x\", oauth: {token_url: \"https://y\", client_id: c, client_secret: hunter2}}\n", `behov.yaml:114:91: a secret must not stand`},
		{"API key below a connector", "behov.yaml", memoryTarget, "    scim: {url: \"https://x\", api_key: {value: hunter2}}\n", `behov.yaml:114:47: a secret must not stand`},
		{"quirk that is none", "behov.yaml", memoryTarget, "    scim: {url: \"https://x\", token: env:T, quirks: [odd]}\n", `behov.yaml:114:12: unknown quirk odd`},
		{"yes for true", "catalogue.yaml", "mfa: true", "mfa: yes", `catalogue.yaml:35:64: it must be true or false`},
		{"text for fields", "catalogue.yaml", "{name: Hourly temps, native: temps}", "temps", `catalogue.yaml:19:14: `},
		{"colon in a name", "catalogue.yaml", "      temps: {", "      \"a:b\": {native: q}\n      temps: {", `catalogue.yaml:19:15: "a:b" is no name for an entitlement`},
		{"a group with two lines", "catalogue.yaml", "native: temps}", `native: "a\nb"}`, `catalogue.yaml:19:43: entitlement base:temps: native is "a\nb", with a control character`},
		{"a group written from right to left", "catalogue.yaml", "native: temps}", `native: "a\u202eb"}`, `catalogue.yaml:19:43: entitlement base:temps: native is "a\u202eb", with a control character`},
		{"a way to retire that is none", "catalogue.yaml", "native: temps}", "native: temps, group: {retire: soon}}", `catalogue.yaml:19:66: "soon" is not a way to retire a group: empty keeps it`},
		{"retired and requestable", "catalogue.yaml", "native: temps}", "native: temps, requestable: true, group: {retire: delete}}", `catalogue.yaml:19:85: entitlement base:temps is retired and can be requested`},
		{"an owner of no source", "catalogue.yaml", "native: temps}", "native: temps, group: {owner: payroll/1}}", `catalogue.yaml:19:65: "payroll/1" names no record of an HR source`},
		{"a field of a group that is none", "catalogue.yaml", "native: temps}", "native: temps, group: {manage: true}}", `catalogue.yaml:19:58: unknown field "manage"`},
		{"no name", "catalogue.yaml", "      temps: {", "      \"\": {native: q}\n      temps: {", `catalogue.yaml:`},
		{"parent that is no unit", "units.csv", "finance,office,Finance", "finance,nowhere,Finance", `units.csv:4: unit "finance" lies under "nowhere"`},
		{"unit without an ID", "units.csv", "finance,office,Finance", ",office,Finance", `units.csv:4: a unit has no ID`},
		{"units' first line", "units.csv", "unit,parent,name", "id,parent,name", `units.csv:1: there is no column "id" of a unit: the first line is unit,parent,name`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := example(t)
			edit(t, dir, c.file, c.old, c.text)
			config, problems := config.Load(dir)
			if config != nil || len(problems) == 0 {
				t.Fatalf("no problem is seen: %v", problems)
			}
			if got := testenv.ErrorText(problems[0]); !strings.HasPrefix(got, c.want) {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for _, p := range problems {
				if strings.Contains(testenv.ErrorText(p), "\n") || strings.Contains(testenv.ErrorText(p), "hunter2") {
					t.Errorf("more than a line, or a secret: %q", testenv.ErrorText(p))
				}
			}
		})
	}
}

// TestNativeNamesThatATargetHoldsEqualAreRefused: two entitlements that a target
// takes for one group would give and take each other's members.
func TestNativeNamesThatATargetHoldsEqualAreRefused(t *testing.T) {
	for native, want := range map[string]string{
		"all-staff":               `entitlements base:staff and base:temps are both "all-staff" in target directory: give each its own`,
		"All-Staff":               `entitlement base:temps is "All-Staff" in target directory, and entitlement base:staff is "all-staff" there`,
		`" all-staff"`:            `entitlement base:temps is " all-staff" in target directory`,
		`"all-\u200bstaff\u00a0"`: `entitlement base:temps is "all-\u200bstaff\u00a0" in target directory`,
		"ALL-STAFF":               `entitlement base:temps is "ALL-STAFF" in target directory`,
		"all-staff-2":             "",
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "groups: [all-staff,", "groups: [all-staff, all-staff-2, All-Staff,")
		edit(t, dir, "catalogue.yaml", "native: temps}", "native: "+native+"}")
		c, problems := config.Load(dir)
		if want == "" {
			if c == nil {
				t.Errorf("%s: %v", native, problems)
			}
			continue
		}
		if c != nil || len(problems) == 0 || !strings.HasPrefix(testenv.ErrorText(problems[0]), "catalogue.yaml:19:15: "+want) {
			t.Errorf("%s: %v", native, problems)
		}
	}
}

// The secret and the certificates of a target need not be on the machine that
// checks its configuration.
func TestSecretsNeedNotBeThereToCheck(t *testing.T) {
	dir := example(t)
	edit(t, dir, "behov.yaml", memoryTarget, ldapTarget+"      ca_file: nowhere.pem\n      mfa_attribute: mfa\n")
	c, problems := config.Load(dir)
	if c == nil {
		t.Fatal(problems)
	}
	if c.Targets[0].Settings.(config.LDAPSettings).Password != "" || c.Targets[0].Settings.(config.LDAPSettings).CAFile != filepath.Join(dir, "nowhere.pem") {
		t.Errorf("got %+v", c.Targets[0].Settings.(config.LDAPSettings))
	}
	if _, err := c.Targets[0].Connect(dir, config.Services{}); err == nil || !strings.Contains(err.Error(), "the environment variable P is not set") {
		t.Errorf("the secret: %v", err)
	}
	t.Setenv("P", "s")
	if _, err := c.Targets[0].Connect(dir, config.Services{}); err == nil || !strings.Contains(err.Error(), "nowhere.pem") {
		t.Errorf("with the secret: %v", err)
	}
}

// Some editors put a byte order mark in front.
func TestAByteOrderMarkDoesNotMatter(t *testing.T) {
	dir := example(t)
	for _, name := range []string{"behov.yaml", "catalogue.yaml", "units.csv", "policy.csv"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), append([]byte("\ufeff"), b...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if c, problems := config.Load(dir); c == nil {
		t.Error(problems)
	}
}

// Every problem is told, not only the first, in the order of the file.
func TestAllProblemsAreTold(t *testing.T) {
	dir := example(t)
	edit(t, dir, "behov.yaml", "Europe/Stockholm", "Mars")
	edit(t, dir, "behov.yaml", "  target: directory", "  target: nowhere")
	edit(t, dir, "behov.yaml", "number: 10, percent: 5", "number: -1, percent: 101")
	edit(t, dir, "units.csv", "finance,office,Finance", "finance,nowhere,Finance")
	_, problems := config.Load(dir)
	var places []string
	for _, p := range problems {
		place, _, _ := strings.Cut(testenv.ErrorText(p), ": ")
		places = append(places, place)
	}
	if got, want := strings.Join(places, " "), "behov.yaml:13:11 behov.yaml:92:11 behov.yaml:99:36 behov.yaml:99:49 units.csv:4"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// With several HR sources the number of one must not tell the account of a
// person of another's.
func TestWhoseNumberItIs(t *testing.T) {
	for text, want := range map[string]string{"{{.Key}}": "{{.Keys.hr}}", "{{.Keys.hr}}": ""} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "    ignore: [", "    adopt: [{a: \""+text+"\"}]\n    ignore: [")
		edit(t, dir, "behov.yaml", "  sources:\n", "  precedence: {default: [hr, konsult]}\n  sources:\n    konsult: {}\n")
		c, problems := config.Load(dir)
		if (c != nil) != (want == "") || want != "" && !strings.Contains(testenv.ErrorText(problems[0]), want) {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// With several sources each column of a person has sources that are named for
// it: one whose name comes first in the alphabet supplies nothing by that.
func TestSeveralSourcesNeedAPrecedence(t *testing.T) {
	for text, want := range map[string]string{
		"": "behov.yaml:54:5: there are several sources (agency, hr), and hr.precedence does not say which of them supplies given_name, family_name, national_id, email, phone",
		"  precedence: {default: [hr, agency]}\n":    "",
		"  precedence: {default: [hr]}\n":            "behov.yaml:53:25: source agency is not in it",
		"  precedence: {email: [hr], phone: [hr]}\n": "behov.yaml:53:16: there are several sources (agency, hr), and hr.precedence does not say which of them supplies given_name, family_name, national_id",
		"  precedence: {given_name: [hr], family_name: [hr], national_id: [hr, agency], email: [hr], phone: [hr]}\n": "",
		"  precedence: {default: [hr, agency], email: []}\n":                                                         "it names no source",
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "  sources:\n", text+"  sources:\n    agency: {}\n")
		c, problems := config.Load(dir)
		if (c != nil) != (want == "") || want != "" && (len(problems) != 1 || !strings.Contains(testenv.ErrorText(problems[0]), want)) {
			t.Errorf("%q: %v", text, problems)
		}
	}
	for joins, want := range map[string]string{"hr": "", "[hr]": "", "agency": "it names other sources", "nobody": "it names other sources"} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "  sources:\n", "  precedence: {default: [hr, agency]}\n  sources:\n    agency: {joins: "+joins+"}\n")
		c, problems := config.Load(dir)
		if (c != nil) != (want == "") || want != "" && !strings.Contains(testenv.ErrorText(problems[0]), want) || want == "" && strings.Join(c.Sources["agency"].Joins, " ") != "hr" {
			t.Errorf("joins %s: %v", joins, problems)
		}
	}
}

// A directory is a path, or a path and for how long its files are kept.
func TestADirectoryIsAPathOrMore(t *testing.T) {
	for text, want := range map[string]int{"inbox": 90, "{path: inbox}": 90, "{path: inbox, keep_days: 7}": 7, "{path: inbox, keep_days: 0}": 0, "{path: inbox, keep_days: -1}": -1, "{keep_days: 7}": -1} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "      shrink_limit: {number: 5", "      directory: "+text+"\n      shrink_limit: {number: 5")
		c, problems := config.Load(dir)
		if (c != nil) != (want >= 0) {
			t.Errorf("%s: %v", text, problems)
		} else if c != nil && (c.Sources["hr"].Directory.KeepDays != want || c.Sources["hr"].Directory.Path != filepath.Join(dir, "inbox")) {
			t.Errorf("%s: %+v", text, c.Sources["hr"].Directory)
		}
	}
}

// HR's own export of the units is read as HR writes it, and what is wrong with
// it is told at its place.
func TestUnitsFromHR(t *testing.T) {
	const settings = "  units: {file: enheter.csv, columns: {unit: ENHET, parent: ÖVERENHET, name: BENÄMNING, until: TOM}, date_format: DD.MM.YYYY}\n  sources:\n"
	write := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	export := "KOD;BENÄMNING;ENHET;ÖVERENHET;TOM\n"
	own, err := os.ReadFile(filepath.Join(example(t), "units.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(own)) {
		if f := strings.Split(strings.TrimSpace(line), ","); len(f) >= 3 && f[0] != "unit" && !strings.HasPrefix(line, "#") {
			export += "7;" + f[2] + ";" + f[0] + ";" + f[1] + ";\n"
		}
	}
	latin, err := charmap.Windows1252.NewEncoder().String(export + "7;Närarkivet;nararkiv;office;31.12.2025\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"as it is", latin, ""},
		{"a column lost", strings.Replace(export, "ÖVERENHET", "OVER", 1), "enheter.csv:1: there is no column ÖVERENHET; there are KOD, BENÄMNING"},
		{"a date", export + "7;x;x;office;2025-12-31\n", `enheter.csv:13:14: column TOM: it is not a date in the format DD.MM.YYYY`},
		{"a NUL byte", export + "7;x\x00;x;office;\n", "enheter.csv:13:3: column BENÄMNING: it has a character that was lost on the way"},
		{"an error", export + "7;x;x;#REF!;\n", "enheter.csv:13:7: column ÖVERENHET: the cell shows the error #REF!"},
		{"a parent that is not there", export + "7;x;x;moon;\n", `enheter.csv:13: unit "x" lies under "moon"`},
		{"a web page", "<html>", "enheter.csv: it is a web page"},
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "  sources:\n", settings)
		edit(t, dir, "behov.yaml", "  units: units.csv ", "  # units: ")
		write(dir, "enheter.csv", c.text)
		loaded, problems := config.Load(dir)
		if c.want != "" {
			if loaded != nil || !strings.HasPrefix(testenv.ErrorText(problems[len(problems)-1]), c.want) {
				t.Errorf("%s: %v", c.name, problems)
			}
			continue
		}
		if loaded == nil || len(problems) != 1 || !problems[0].Warning || !strings.Contains(testenv.ErrorText(problems[0]), "Set hr.units.encoding") {
			t.Fatalf("%s: %v", c.name, problems)
		}
		if u := loaded.Rules.Units; u.Name("nararkiv") != "Närarkivet" || u.Name("office") == "office" {
			t.Errorf("%s: %q, %q", c.name, u.Name("nararkiv"), u.Name("office"))
		}
	}
	dir := example(t)
	edit(t, dir, "behov.yaml", "  sources:\n", strings.Replace(settings, "unit: ENHET", "enhet: ENHET", 1))
	if _, problems := config.Load(dir); len(problems) < 2 || !strings.Contains(testenv.ErrorText(problems[1]), `there is no column "enhet" to map`) {
		t.Error(problems)
	}
	dir = example(t)
	edit(t, dir, "behov.yaml", "  sources:\n", settings)
	if _, problems := config.Load(dir); len(problems) == 0 || !strings.Contains(testenv.ErrorText(problems[0]), "hr.units and files.units are both set") {
		t.Error(problems)
	}
}

// TestTheFirstSource: keys without a source are those of the source that precedence
// names first, and no source is first by its name.
func TestTheFirstSource(t *testing.T) {
	for precedence, want := range map[string]string{
		"{default: [personec, agency]}": "personec", "{default: [agency, personec]}": "agency",
		"{given_name: [personec, agency], family_name: [agency, personec], national_id: [agency, personec], email: [agency, personec], phone: [agency, personec]}": "personec",
	} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "  sources:\n    hr:\n", "  precedence: "+precedence+"\n  sources:\n    agency: {}\n    personec:\n")
		edit(t, dir, "rights.csv", "g, hr/1001, administrator", "g, personec/1001, administrator")
		c, problems := config.Load(dir)
		if c == nil {
			t.Fatal(problems)
		}
		library, _ := c.Rules.Catalogue.System("library")
		if c.First != want || library.Owner != want+"/1006" {
			t.Errorf("%s: the first source is %s, the library's owner %s", precedence, c.First, library.Owner)
		}
	}
}

// TestMFAWithoutATarget: an entitlement that waits for enrolment, of which no target
// knows, is a warning at its place.
func TestMFAWithoutATarget(t *testing.T) {
	dir := example(t)
	edit(t, dir, "behov.yaml", "mfa:\n  target: directory\n", "")
	c, problems := config.Load(dir)
	if c == nil || len(problems) == 0 || !problems[0].Warning || !strings.HasPrefix(testenv.ErrorText(problems[0]), "catalogue.yaml:35:") || !strings.Contains(testenv.ProblemText(problems[0]), "mfa.target") {
		t.Errorf("%v", problems)
	}
}
