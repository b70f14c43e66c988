package web

import (
	"errors"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// nonHumanPage is the register of accounts that are no person's.
type nonHumanPage struct {
	Accounts    []access.NonHumanAccount
	MayRegister bool
}

// registerAccountPage is the form by which an account is entered in the register.
type registerAccountPage struct {
	Targets           []string
	Kinds             []store.NonHumanKind
	Systems           []access.System // of which the reader may register accounts
	FirstDay, LastDay identity.Date
	Values            map[string]string // what was entered
	Wrong             string            // why it cannot be as it is
}

func (s *site) nonHumanAccounts() {
	s.page("/non-human-accounts", "non-human-accounts", func(v *visit) (any, error) {
		all, err := v.NonHumanAccounts()
		if err != nil {
			return nil, err
		}
		systems, err := v.systemsToRegister()
		return nonHumanPage{all, len(systems) > 0}, err
	})
	s.page("/non-human-accounts/register", "register-account", func(v *visit) (any, error) {
		return v.registerAccount(map[string]string{"until": string(v.Today().AddDays(policy.MostAccountDays))}, "")
	})
	s.form("/non-human-accounts/register", func(v *visit) (string, error) {
		values := map[string]string{}
		for field := range v.request.PostForm {
			values[field] = v.field(field)
		}
		_, made, err := v.governance().RegisterAccount(v, governance.Registration{Target: values["target"], Account: values["account"], Kind: store.NonHumanKind(values["kind"]), System: values["system"], Owner: values["owner"],
			Purpose: values["purpose"], Until: identity.Date(values["until"])}, v.caller.Subject, values["reason"])
		var refused *reason.Refusal
		if errors.As(err, &refused) || errors.Is(err, store.ErrNoPerson) {
			page, failed := v.registerAccount(values, v.words.Error(err))
			if failed != nil {
				return "", failed
			}
			return "", &unfinished{"register-account", page}
		}
		return "/non-human-accounts?done=" + strconv.FormatInt(made.Seq, 10), err
	})
	for path, decide := range map[string]struct {
		action rights.Action
		may    func(access.NonHumanAccount) bool
		act    func(*visit, store.NonHumanAccount) (store.Decision, error)
	}{
		"hand-over": {rights.HandOverAccount, func(a access.NonHumanAccount) bool { return a.MayHandOver }, func(v *visit, a store.NonHumanAccount) (store.Decision, error) {
			return v.governance().HandOverAccount(v, a, v.field("owner"), v.caller.Subject, v.field("reason"))
		}},
		"renew": {rights.RenewAccount, func(a access.NonHumanAccount) bool { return a.MayRenew }, func(v *visit, a store.NonHumanAccount) (store.Decision, error) {
			return v.governance().RenewAccount(v, a, identity.Date(v.field("until")), v.caller.Subject, v.field("reason"))
		}},
		"retire": {rights.RetireAccount, func(a access.NonHumanAccount) bool { return a.MayRetire }, func(v *visit, a store.NonHumanAccount) (store.Decision, error) {
			return v.governance().RetireAccount(v, a, v.caller.Subject, v.field("reason"))
		}},
	} {
		s.page("/non-human-accounts/{account}/"+path, "decide", func(v *visit) (any, error) {
			a, err := v.NonHumanAccount(v.request.PathValue("account"))
			if err != nil {
				return nil, err
			}
			if !decide.may(a) {
				return nil, v.site.Config.Rights.Refuse(decide.action)
			}
			key := "decide." + path + "-account"
			page := decidePage{Title: v.T(key+".title", "what", a.Name), Text: v.T(key + ".text"), Button: v.T(key + ".button"), To: "/non-human-accounts/" + string(a.Account) + "/" + path, Back: "/non-human-accounts", Grave: path == "retire", Owner: path == "hand-over"}
			if path == "renew" {
				system, _ := v.config.Rules.Catalogue.System(a.System)
				days, _ := system.Controls.AccountDaysAtMost()
				page.FirstDay, page.LastDay = v.Today(), v.Today().AddDays(days)
				page.Suggested = page.LastDay
			}
			return page, nil
		})
		s.form("/non-human-accounts/{account}/"+path, func(v *visit) (string, error) {
			a, err := v.FindNonHumanAccount(v.request.PathValue("account"))
			if err != nil {
				return "", err
			}
			made, err := decide.act(v, a)
			return "/non-human-accounts?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
}

// systemsToRegister returns the systems of which the reader may register accounts.
func (v *visit) systemsToRegister() ([]access.System, error) {
	all, _, err := v.May(rights.RegisterAccount)
	var systems []access.System
	for _, s := range v.Systems() {
		if all || s.Mine {
			systems = append(systems, s)
		}
	}
	return systems, err
}

// registerAccount returns the form with what was entered, and what is wrong with it.
func (v *visit) registerAccount(values map[string]string, wrong string) (registerAccountPage, error) {
	p := registerAccountPage{Kinds: store.NonHumanKinds, FirstDay: v.Today(), LastDay: v.Today().AddDays(policy.MostAccountDays), Values: values, Wrong: wrong}
	for _, t := range v.config.Targets {
		p.Targets = append(p.Targets, t.Name)
	}
	var err error
	if p.Systems, err = v.systemsToRegister(); err == nil && len(p.Systems) == 0 {
		err = v.site.Config.Rights.Refuse(rights.RegisterAccount)
	}
	return p, err
}
