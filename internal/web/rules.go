package web

import (
	"cmp"
	"errors"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// rulesPage is the rules in force, the versions that were, and those that wait for approval.
type rulesPage struct {
	Digest     string
	Rules      []ruleEffect
	Versions   []access.RulesVersion
	Approval   access.RulesApproval
	MayPropose bool
	MayApprove bool
	Me         string // the person who looks: no one approves what they proposed
	Busy       bool   // other plans are being made
}

// ruleEffect is a rule with what it gives, and when it applies in words.
type ruleEffect struct {
	policy.RuleEffect
	Words string
}

// suggestionsPage is which rules are missing, and which are not needed; nil while it is
// counted.
type suggestionsPage struct{ Suggestions *access.Suggestions }

// rulesListed is how many versions of the rules the page lists.
const rulesListed = 50

const rulesPath = "/administration/rules"

func (s *site) rules() {
	s.page(rulesPath, "rules", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		p := rulesPage{Digest: s.Config.Rules.Digest, Me: string(v.caller.Subject.Person), Busy: v.request.URL.Query().Has("busy")}
		for _, e := range s.Config.Rules.Effects() {
			p.Rules = append(p.Rules, ruleEffect{e, v.Words(e.Rule).Text})
		}
		var err error
		if p.Versions, err = v.RulesVersions(rulesListed); err != nil {
			return nil, err
		}
		if p.Approval, err = v.RulesApproval(); err != nil {
			return nil, err
		}
		if p.MayPropose, _, err = v.May(rights.ProposeRules); err != nil {
			return nil, err
		}
		p.MayApprove, _, err = v.May(rights.ApproveRules)
		return p, err
	})
	s.page(rulesPath+"/suggestions", "suggestions", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		found, err := v.Suggestions(s.Suggestions)
		return suggestionsPage{found}, err
	})
	s.page(rulesPath+"/test", "rules-test", func(v *visit) (any, error) {
		if !v.SeesEveryone() {
			return nil, errEveryone
		}
		return v.RulesTest()
	})
	s.page(rulesPath+"/propose", "decide", func(v *visit) (any, error) {
		if err := v.decides(rights.ProposeRules); err != nil {
			return nil, err
		}
		return decidePage{Title: v.T("decide.propose-rules.title"), Text: v.T("decide.propose-rules.text"), Button: v.T("decide.propose-rules.button"), To: rulesPath + "/propose", Back: rulesPath}, nil
	})
	s.form(rulesPath+"/propose", func(v *visit) (string, error) {
		made, err := v.governance().ProposeRules(v, s.Engine, v.caller.Subject, v.field("reason"))
		return rulesPath + "?done=" + strconv.FormatInt(made.Seq, 10), err
	})
	s.form(rulesPath+"/waiting/{digest}/try", func(v *visit) (string, error) {
		if !v.SeesEveryone() {
			return "", errEveryone
		}
		source, waits, err := v.WaitingSource(v.request.PathValue("digest"))
		if err != nil || !waits {
			return "", cmp.Or(err, error(&access.CursorError{}))
		}
		t, err := s.Plans.Try(v, string(v.caller.Subject.Person), preview.Trial{Instead: source.Instead(s.Config.RuleFiles)}, s.Importer, v.trialFault)
		if errors.Is(err, preview.ErrBusy) {
			return rulesPath + "?busy", nil
		}
		return whatIfPath + "/" + t.ID, err
	})
	for _, d := range []struct {
		path    string
		verdict store.Verdict
	}{{"approve", store.Approve}, {"reject", store.Reject}} {
		at := rulesPath + "/waiting/{digest}/" + d.path
		s.page(at, "decide", func(v *visit) (any, error) {
			if err := v.decides(rights.ApproveRules); err != nil {
				return nil, err
			}
			digest := v.request.PathValue("digest")
			all, err := v.RulesApproval()
			if err != nil {
				return nil, err
			}
			for _, w := range all.Waiting {
				if w.Digest == digest {
					words := "decide." + d.path + "-rules"
					return decidePage{Title: v.T(words+".title", "version", digest[:min(len(digest), 12)]), Text: w.Evidence.Text, Consequences: []string{v.T(words + ".text")}, Button: v.T(words + ".button"),
						To: rulesPath + "/waiting/" + digest + "/" + d.path, Back: rulesPath}, nil
				}
			}
			return nil, &access.CursorError{}
		})
		s.form(at, func(v *visit) (string, error) {
			made, err := v.governance().DecideRules(v, v.request.PathValue("digest"), d.verdict, v.caller.Subject, v.field("reason"))
			return rulesPath + "?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
}

// decides returns an error when the viewer may not take an action that is about no person, or
// has to sign in again for it.
func (v *visit) decides(action rights.Action) error {
	may, need, err := v.May(action)
	switch {
	case err != nil:
		return err
	case !may:
		return v.site.Config.Rights.Refuse(action)
	case need > 0:
		return &rights.AssuranceError{Action: action, Requires: need}
	}
	return nil
}
