package policy_test

import (
	"testing"

	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/wording"
)

// TestConditionsInWords: what conditions say is told in plain words in both languages, and a part
// that has none as it is written.
func TestConditionsInWords(t *testing.T) {
	rules := rulesFor(t, "p, all, true, s:a, allow, everyone\n", policy.Catalogue{Systems: []policy.System{{ID: "s"}}, Entitlements: []policy.Entitlement{{ID: "s:a", System: "s", Target: "one", Native: "a"}}}, identity.LeaveKeeps)
	for condition, want := range map[string][2]string{
		"true":                              {"everyone", "alla"},
		"r.sub.job_code == '2120'":          {"the job code is 2120", "befattningskoden är 2120"},
		"r.sub.job_code in ('1', '2', '3')": {"the job code is 1, 2 or 3", "befattningskoden är 1, 2 eller 3"},
		"r.sub.job_code == '2120' && under(r.sub.unit, 'x')":                   {"the job code is 2120 and the unit is x or below it", "befattningskoden är 2120 och enheten är x eller under den"},
		"r.sub.type == 'permanent' && (r.sub.percent >= 50 || r.sub.on_leave)": {"the type of employment is permanent and either the percent of full time is at least 50 or the person is on leave", "anställningsformen är permanent och antingen sysselsättningsgraden är minst 50 eller personen är tjänstledig"},
		"!r.sub.protected":           {"it is not so that the person is a protected identity", "det är inte så att personen är en person med skyddad identitet"},
		"r.sub.on_leave == false":    {"it is not so that the person is on leave", "det är inte så att personen är tjänstledig"},
		"r.sub.job_title =~ '^Head'": {"the job title matches ^Head", "befattningen passar ^Head"},
		"r.sub.job_code != '7'":      {"the job code is not 7", "befattningskoden är inte 7"},
		"r.sub.percent * 2 > 50":     {"r.sub.percent * 2 > 50", "r.sub.percent * 2 > 50"},
	} {
		for i, language := range []wording.Language{wording.English, wording.Swedish} {
			words, err := wording.New(wording.Reader{Language: language})
			if err != nil {
				t.Fatal(err)
			}
			if got := words.Reason(rules.Words(condition)); got != want[i] {
				t.Errorf("%s:\n got %s\nwant %s", condition, got, want[i])
			}
		}
	}
}
