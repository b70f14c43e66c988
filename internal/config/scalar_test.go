package config_test

import (
	"strings"
	"testing"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/testenv"
)

var view = identity.View{}

// TestTextIsWhatIsWritten: YAML takes 01002 for the octal number 514, and much
// else for what it is not.
func TestTextIsWhatIsWritten(t *testing.T) {
	for _, written := range []string{"01002", "0123", "0x1f", "1_000", "1e3", "1.10", "0o17", "0b11", ".5", "+5", "-0", "2026-01-01", "2026-01-01T10:00:00Z", "12:30:00", "yes", "no", "on", "true", "False", "null", "NULL", "Null", ".inf", ".nan", "99999999999999999999999"} {
		dir := example(t)
		edit(t, dir, "catalogue.yaml", `owner: "1002"`, "owner: "+written)
		edit(t, dir, "catalogue.yaml", "native: teachers}", "native: "+written+"}")
		edit(t, dir, "behov.yaml", "groups: [all-staff, teachers,", "groups: [all-staff, "+written+",")
		edit(t, dir, "behov.yaml", "      shrink_limit:", "      constants: {job_code: "+written+"}\n      columns: {unit: "+written+"}\n      shrink_limit:")
		edit(t, dir, "behov.yaml", `title: "{{.JobTitle}}"`, `title: `+written)
		c, problems := config.Load(dir)
		if c == nil {
			t.Errorf("%s: %v", written, problems)
			continue
		}
		school, _ := c.Rules.Catalogue.System("school")
		teachers, _ := c.Rules.Catalogue.Entitlement("school:teachers")
		hr := c.Sources["hr"]
		value, _ := c.Targets[0].Attributes["title"].Value.Execute(view)
		for what, got := range map[string]string{"owner": strings.TrimPrefix(school.Owner, "hr/"), "native": teachers.Native, "constant": hr.Constants["job_code"], "column": hr.Columns["unit"], "template": value, "group": c.Targets[0].Settings.(config.MemorySettings).Groups[1]} {
			if got != written {
				t.Errorf("%s: %s is %q", written, what, got)
			}
		}
	}
}

func TestKeyIsWhatIsWritten(t *testing.T) {
	dir := example(t)
	edit(t, dir, "catalogue.yaml", "  school:\n", "  0123:\n")
	edit(t, dir, "catalogue.yaml", "teachers: {", "null: {")
	edit(t, dir, "catalogue.yaml", "register: {", "1e3: {")
	edit(t, dir, "policy.csv", "school:teachers", "0123:null")
	edit(t, dir, "policy.csv", "school:register", "0123:1e3")
	if c, problems := config.Load(dir); c == nil {
		t.Error(problems)
	}
}

func TestNumbersAreDecimal(t *testing.T) {
	for _, written := range []string{"0x10", "1_0", "010", "0o17", "0b11", "1e1", "1e400", ".inf", "-.inf", ".nan", "+5", ".5", "5.", `"5"`, "five", "true", "9999999999999"} {
		for _, field := range []struct{ old, new string }{
			{"prepare_days: 7", "prepare_days: "}, {"percent: 10}", "percent: "}, {"number: 5, percent: 50", "percent: 50, number: "},
		} {
			dir := example(t)
			end := ""
			if strings.HasSuffix(field.old, "}") {
				end = "}"
			}
			edit(t, dir, "behov.yaml", field.old, field.new+written+end)
			c, problems := config.Load(dir)
			if c != nil || len(problems) != 1 || problems[0].Line == 0 || problems[0].Column == 0 || !strings.Contains(testenv.ProblemText(problems[0]), "must be a number") {
				t.Errorf("%s%s: got %v", field.new, written, problems)
			}
		}
	}
	for _, written := range []string{"1e3s", "0x10s", "100000h", "5", "1_0s", "five", "-10s", `"10"`} {
		dir := example(t)
		edit(t, dir, "behov.yaml", "    ignore: [", "    reconcile_every: "+written+"\n    ignore: [")
		if c, problems := config.Load(dir); c != nil || len(problems) != 1 || problems[0].Line != 101 || problems[0].Column != 22 {
			t.Errorf("reconcile_every: %s: got %v", written, problems)
		}
	}
	for _, option := range []string{"handover=0x10", "handover=014", "handover=+14", "handover=1e1", "handover=1_0", "handover=366", "handover=-1", "handover=14.0"} {
		dir := example(t)
		edit(t, dir, "policy.csv", "can lend, handover=14", "can lend, "+option)
		if c, problems := config.Load(dir); c != nil || len(problems) != 1 || problems[0].Line != 26 || !strings.Contains(testenv.ProblemText(problems[0]), "from 1 to 365") {
			t.Errorf("%s: got %v", option, problems)
		}
	}
}

// TestANumberThatIsNoneIsToldHowToBeWritten: what YAML takes for text, and what
// is not there, is not told to lose quotes that it does not have.
func TestANumberThatIsNoneIsToldHowToBeWritten(t *testing.T) {
	const whole = "write a whole number in decimal digits, such as 10, at most 12 of them, without zeros in front"
	for written, want := range map[string]string{
		"1e9": `"1e9" must be a number: ` + whole, "099": `"099" must be a number: ` + whole, "12345678901234567890": `"12345678901234567890" must be a number: ` + whole,
		"5.5": `"5.5" must be a number: ` + whole, "5.0": `"5.0" must be a number: ` + whole, "many": `"many" must be a number: ` + whole, "true": `"true" must be a number: ` + whole,
		"~": "it must be a number, and there is none: " + whole, "null": "it must be a number, and there is none: " + whole, "": "it must be a number, and there is none: " + whole,
		`"5"`: "it must be a number, without quotes", "'5'": "it must be a number, without quotes",
	} {
		for _, field := range []string{"prepare_days: 7", "expire_days: 7"} {
			dir := example(t)
			name, _, _ := strings.Cut(field, " ")
			edit(t, dir, "behov.yaml", field, name+" "+written)
			c, problems := config.Load(dir)
			if c != nil || len(problems) != 1 || problems[0].Line == 0 || problems[0].Column == 0 || !strings.HasPrefix(testenv.ProblemText(problems[0]), want) {
				t.Errorf("%s %s: got %v", name, written, problems)
			}
		}
	}
	dir := example(t)
	edit(t, dir, "behov.yaml", "percent: 10}", "percent: 1e1}")
	if _, problems := config.Load(dir); len(problems) != 1 || !strings.HasSuffix(testenv.ProblemText(problems[0]), `"1e1" must be a number: write decimal digits, such as 10 or 2.5, at most 12 of them`) {
		t.Errorf("a percentage: %v", problems)
	}
}

// TestTextThatLooksTheSameIsTheSame: names of one thing in two files, written in
// two ways that look the same.
func TestTextThatLooksTheSameIsTheSame(t *testing.T) {
	dir := example(t)
	edit(t, dir, "catalogue.yaml", "  library:\n", "  \"f\u00f6rskola\u200b\":\n")
	edit(t, dir, "policy.csv", "library:desk", "fo\u0308rskola:desk")
	edit(t, dir, "policy.csv", "library:loans", "f\u00f6rskola:loans")
	edit(t, dir, "units.csv", "finance,office,Finance", "fi\u00adn\u200bance,office,Finance")
	edit(t, dir, "units.csv", "library,culture", "bo\u0308rs\u00a0hus,culture")
	edit(t, dir, "policy.csv", "r.sub.unit == 'library'\",", "r.sub.unit == 'b\u00f6rs hus'\",")
	edit(t, dir, "policy.csv", "r.sub.unit == 'library' &&", "r.sub.unit == 'bo\u0308rs  hus' &&")
	if c, problems := config.Load(dir); c == nil {
		t.Error(problems)
	}
	dir = example(t)
	edit(t, dir, "catalogue.yaml", "  library:\n", "  \"care\u200b\":\n")
	if c, problems := config.Load(dir); c != nil || len(problems) == 0 || !strings.Contains(testenv.ProblemText(problems[0]), `the key "care" is there twice`) || problems[0].Line != 36 {
		t.Errorf("a key twice: got %v", problems)
	}
	for _, c := range []struct{ old, new, want string }{
		{"p, temps,", "p, te\u200bmps,", `policy.csv:15:4: "te\u200bmps" contains an invisible character`},
		{"base:temps, allow", "base:temps, al\u200blow", `policy.csv:15:49: `},
		{"r.sub.type ==", "r.sub.type\u00a0==", `policy.csv:15:22: rule temps: the character '\u00a0' (U+00A0) is outside quotes`},
	} {
		dir := example(t)
		edit(t, dir, "policy.csv", c.old, c.new)
		if loaded, problems := config.Load(dir); loaded != nil || len(problems) != 1 || !has(problems, c.want) {
			t.Errorf("%s: got %v", c.want, problems)
		}
	}
}
