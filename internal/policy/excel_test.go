package policy

import (
	"slices"
	"strings"
	"testing"
)

// TestPolicyFileSavedByExcel reads semicolons, empty fields at the end of lines
// and quoted comments, and checks the places of problems.
func TestPolicyFileSavedByExcel(t *testing.T) {
	const plain = "# who, and why\np, everyone, true, mail:basic, allow, everyone\np, nurses, \"r.sub.job_code in ('3300', '3301')\", role:nurse, allow, nurses, handover=14\np, none, r.sub.cost_centre == '9', mail:basic, deny, \ng, role:nurse, care:record\n"
	want, problems := compile(t, plain)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	excel := "\"# who, and why\";;;;;;\r\np;everyone;true;mail:basic;allow;everyone;\r\n;;;;;;\r\np;nurses;r.sub.job_code in ('3300', '3301');role:nurse;allow;nurses;handover=14\r\np;none;r.sub.cost_centre == '9';mail:basic;deny;;\r\ng;role:nurse;care:record;;;;\r\n"
	for name, text := range map[string]string{"semicolons": excel, "sep=": "sep=;\r\n" + excel, "tabs": strings.ReplaceAll(excel, ";", "\t"), "a mark": "\ufeff" + excel, "commas": plain + ",,,,,\n"} {
		got, problems := compile(t, text)
		if len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
			continue
		}
		if !slices.EqualFunc(got.source.Rules, want.source.Rules, func(a, b Rule) bool {
			return a.Version == b.Version && a.Condition == b.Condition && a.Grants == b.Grants
		}) {
			t.Errorf("%s: %+v", name, got.source.Rules)
		}
	}
	_, problems = compile(t, "sep=;\r\n"+excel+"p;a;r.sub.title == 'x';mail:basic;allow;w;\r\n")
	if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), "policy.csv:8:5: rule a: unknown attribute r.sub.title") {
		t.Error(problems)
	}
}
