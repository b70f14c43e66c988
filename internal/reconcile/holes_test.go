package reconcile_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

const holeHeader = "person_id,employment_id,given_name,family_name,unit,job_code,employment_type,start_date,end_date,protected\n"

func (h *fixture) reconfigure(files map[string]string) {
	h.t.Helper()
	r, db := h.e.Config.Rights, h.e.Config.Database
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(h.e.Config.Dir, name), []byte(text), 0o600); err != nil {
			h.t.Fatal(err)
		}
	}
	c, problems := config.Load(h.e.Config.Dir)
	if c == nil {
		h.t.Fatal(problems)
	}
	c.Rights, c.Database = r, db
	h.e.Config = c
}

func (h *fixture) governs() *governance.Governance {
	return &governance.Governance{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now}
}

func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const holeCatalogue = `systems:
  base: {target: one, entitlements: {staff: {}}}
  care: {owner: hr/9, classification: {confidentiality: 4, integrity: 0, availability: 0}, target: one, entitlements: {school: {}}}
  lib: {target: two, entitlements: {library: {}}}
`
const holeControls = "controls:\n  no-temps: {from: {confidentiality: 4}, not_for: {types: [hourly]}}\n"
const holeConfiguration = `targets:
  one: {hold_above: {all: {number: 1000}}, memory: {groups: [staff, school, secret]}}
  two: {hold_above: {all: {number: 1000}}, memory: {groups: [library]}}
`

// TestNoHandoverByAnExcludedEmployment: what an employment of an excluded type gave is not
// handed over.
func TestNoHandoverByAnExcludedEmployment(t *testing.T) {
	h := newFixtureOf(t, map[string]string{"behov.yaml": holeConfiguration, "catalogue.yaml": holeCatalogue, "controls.yaml": holeControls,
		"policy.csv": "p, staff, true, base:staff, allow, everybody\np, perm, \"r.sub.job_code == 'N'\", care:school, allow, nurses\np, temp, \"r.sub.unit == 'school'\", care:school, allow, who works there, handover=30\n"})
	now := time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)
	h.e.Now = func() time.Time { return now }
	// E1 permanent nurse until today; E2 hourly in the school.
	h.export(holeHeader + "1,E1,A,A,library,N,permanent,2020-01-01,,no\n1,E2,A,A,school,X,hourly,2020-01-01,,no\n")
	h.settledRun()
	h.export(holeHeader + "1,E1,A,A,library,N,permanent,2020-01-01,2026-11-30,no\n1,E2,A,A,school,X,hourly,2020-01-01,,no\n")
	now = now.AddDate(0, 0, 1)
	// at the same time the hourly one moves
	h.export(holeHeader + "1,E1,A,A,library,N,permanent,2020-01-01,2026-11-30,no\n1,E2,A,A,library,X,hourly,2020-01-01,,no\n")
	r := h.settledRun()
	if has := h.has("1"); strings.Contains(has, "care:school") {
		t.Errorf("an hourly temp, excluded, has %s by a handover of the hourly employment: %v", has, r.Plan.Handovers)
	}
}

// TestNothingIsKeptByAnExcludedEmployment: a decision to keep does not let in who is left with
// employments of an excluded type.
func TestNothingIsKeptByAnExcludedEmployment(t *testing.T) {
	h := newFixtureOf(t, map[string]string{"behov.yaml": holeConfiguration, "catalogue.yaml": holeCatalogue, "controls.yaml": "controls:\n  x: {from: {confidentiality: 4}, review_days: 10}\n",
		"policy.csv": "p, staff, true, base:staff, allow, everybody\np, temp, \"r.sub.unit == 'school'\", care:school, allow, who works there\n"})
	h.export(holeHeader + "1,E2,A,A,school,X,hourly,2020-01-01,,no\n9,E9,Z,Z,library,BOSS,permanent,2020-01-01,,no\n")
	h.settledRun()
	asked, err := h.governs().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "care", All: true}, h.decider())
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range asked.Items {
		if _, err := h.governs().DecideItem(t.Context(), i.Ref(), governance.Answer{Verdict: store.Keep, Reason: "needed"}, h.decider()); err != nil {
			t.Fatal(err)
		}
	}
	h.reconfigure(map[string]string{"policy.csv": "p, staff, true, base:staff, allow, everybody\n"})
	h.settledRun()
	h.reconfigure(map[string]string{"controls.yaml": holeControls})
	h.settledRun()
	if has := h.has("1"); strings.Contains(has, "care:school") {
		t.Errorf("only an excluded employment, kept by a decision: %s", has)
	}
	h.reconfigure(map[string]string{"policy.csv": "p, staff, true, base:staff, allow, everybody\np, temp, \"r.sub.unit == 'school'\", care:school, allow, who works there\n"})
	h.settledRun()
}

// TestAccessGivenByHandIsAShortfall: access that no rule gives, in a system that demands a
// screening, is reported and counted.
func TestAccessGivenByHandIsAShortfall(t *testing.T) {
	h := newFixtureOf(t, map[string]string{"behov.yaml": holeConfiguration, "catalogue.yaml": holeCatalogue, "controls.yaml": "controls:\n  x: {from: {confidentiality: 4}, screening: true, withhold_from_protected: true}\n",
		"policy.csv": "p, staff, true, base:staff, allow, everybody\n"})
	h.export(holeHeader + "1,E2,A,A,school,X,hourly,2020-01-01,,no\n")
	h.settledRun()
	h.behind(h.one, connectors.AddMember, h.accounts(h.one, h.person("1"))[0].ID, "school")
	r := h.settledRun()
	// Law 6: what behov did not give is reported, and not taken unless it is authoritative.
	if len(r.Plan.Findings) == 0 {
		t.Error("it is not reported")
	}
	o, err := (&access.Answers{DB: h.e.DB, Config: h.e.Config, Now: h.e.Now}).Organisation(t.Context())
	if err != nil || o.Shortfalls["care"].Count != 1 {
		t.Errorf("%+v, %v", o.Shortfalls, err)
	}
}

// TestMergeCarriesDecisionsOver: what was decided against one of two who are one holds for the
// other.
func TestMergeCarriesDecisionsOver(t *testing.T) {
	for _, what := range []string{"suspend", "protect", "revoke", "legal"} {
		t.Run(what, func(t *testing.T) {
			h := newFixtureOf(t, map[string]string{"behov.yaml": holeConfiguration, "catalogue.yaml": holeCatalogue, "controls.yaml": "controls:\n  x: {from: {confidentiality: 4}, review_days: 10}\n",
				"policy.csv": "p, staff, true, base:staff, allow, everybody\np, temp, \"r.sub.unit == 'school'\", care:school, allow, who works there\n"})
			h.export(holeHeader + "1,E1,A,A,library,X,permanent,2020-01-01,,no\n2,E2,A,B,school,X,permanent,2020-01-01,,no\n")
			h.settledRun()
			boss, boss2 := h.decider(), h.deciderCalled("boss2")
			switch what {
			case "suspend":
				ok[store.Decision](t)(h.governs().Suspend(t.Context(), h.known("2"), false, boss, "police"))
			case "legal":
				ok[store.Decision](t)(h.governs().SetLegalHold(t.Context(), h.known("2"), false, boss, "police"))
			case "protect":
				ok[store.Decision](t)(h.governs().Protect(t.Context(), h.known("2"), false, boss, "threat"))
			case "revoke":
				asked, err := h.governs().StartReview(t.Context(), governance.Review{Scope: store.SystemScope, Of: "care", All: true}, boss)
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range asked.Items {
					if i.Kind == store.RuleItem {
						continue
					}
					ok[store.Decision](t)(h.governs().DecideItem(t.Context(), i.Ref(), governance.Answer{Verdict: store.Revoke, Reason: "no"}, boss))
				}
			}
			h.settledRun()
			ok[store.Decision](t)(h.governs().Merge(t.Context(), h.known("1"), h.known("2"), boss2, "one"))
			h.settledRun()
			has, p := h.has("1"), h.known("1")
			switch {
			case what == "protect" && !p.Protected:
				t.Error("the merged person is not protected any more")
			case what == "suspend" && strings.Contains(has, "account"):
				t.Errorf("the suspension is gone: %s", has)
			case what == "revoke" && strings.Contains(has, "care:school"):
				t.Errorf("the revocation is gone: %s", has)
			case what == "legal":
				held, err := h.e.DB.NewestDecisionPerPerson(t.Context(), store.LegalHoldDecision, store.Only(p.ID))
				if err != nil || len(held) == 0 {
					t.Errorf("the legal hold is gone: %v, %v", held, err)
				}
			}
		})
	}
}

func (h *fixture) known(key string) identity.Person {
	p, err := h.e.DB.FindPerson(h.t.Context(), key, "hr")
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// TestMFAThatNoTargetTells: where no target says who is enrolled, what a class demands MFA for
// is no one's.
func TestMFAThatNoTargetTells(t *testing.T) {
	h := newFixtureOf(t, map[string]string{"behov.yaml": holeConfiguration, "catalogue.yaml": "systems:\n  base: {target: one, entitlements: {staff: {}, school: {}}}\n  lib: {target: two, entitlements: {library: {}}}\n", "controls.yaml": "controls:\n  x: {from: {confidentiality: 4}, mfa: phishing-resistant}\n",
		"policy.csv": "p, staff, true, base:staff, allow, everybody\np, temp, \"r.sub.unit == 'school'\", base:school, allow, who works there\n"})
	h.export(holeHeader + "1,E2,A,A,school,X,hourly,2020-01-01,,no\n")
	h.settledRun()
	h.reconfigure(map[string]string{"catalogue.yaml": "systems:\n  base: {classification: {confidentiality: 4, integrity: 0, availability: 0}, target: one, entitlements: {staff: {}, school: {}}}\n  lib: {target: two, entitlements: {library: {}}}\n"})
	r := h.settledRun()
	if has := h.has("1"); strings.Contains(has, "school") {
		t.Errorf("class 4 demands phishing-resistant, nobody says who is enrolled: %s, %v", has, r.Plan.Findings)
	}
	c, problems := config.Load(h.e.Config.Dir)
	if c == nil {
		t.Error(problems)
	}
}

// TestSplitCarriesDecisionsOver: who is split off is suspended and protected as before.
func TestSplitCarriesDecisionsOver(t *testing.T) {
	h := newFixtureOf(t, map[string]string{"behov.yaml": holeConfiguration, "catalogue.yaml": holeCatalogue, "controls.yaml": "controls:\n  x: {from: {confidentiality: 4}, review_days: 10}\n",
		"policy.csv": "p, staff, true, base:staff, allow, everybody\np, temp, \"r.sub.unit == 'school'\", care:school, allow, who works there\n"})
	h.export(holeHeader + "1,E1,A,A,library,X,permanent,2020-01-01,,no\n2,E2,A,B,school,X,permanent,2020-01-01,,no\n")
	h.settledRun()
	boss, boss2 := h.decider(), h.deciderCalled("boss2")
	ok[store.Decision](t)(h.governs().Merge(t.Context(), h.known("1"), h.known("2"), boss2, "one"))
	ok[store.Decision](t)(h.governs().Suspend(t.Context(), h.known("1"), false, boss, "police"))
	ok[store.Decision](t)(h.governs().Protect(t.Context(), h.known("1"), false, boss, "threat"))
	h.settledRun()
	_, _, err := h.governs().Split(t.Context(), h.known("1"), identity.SourceKey{Source: "hr", Key: "2"}, boss2, "two")
	if err != nil {
		t.Fatal(err)
	}
	h.settledRun()
	if has := h.has("2"); strings.Contains(has, "account") || !h.known("2").Protected {
		t.Errorf("after the split: %s, protected %t", has, h.known("2").Protected)
	}
}
