package web

import (
	"errors"
	"net/url"
	"strconv"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// ordersPage is the work orders of targets without an interface.
type ordersPage struct {
	State   store.OrderState
	States  []store.OrderState
	Mine    []access.WorkOrder // that the reader may decide on
	Others  []access.WorkOrder
	Targets []access.ManualTarget
	// Wrong is why a list was not taken, and Target whose it was. Shrank: it lacks more than
	// the limits allow, and can be taken all the same.
	Wrong, Target string
	Shrank        bool
}

// ordersPath is where the work orders are.
const ordersPath = "/work-orders"

func (s *site) orders() {
	s.page(ordersPath, "work-orders", func(v *visit) (any, error) { return v.ordersPage() })
	for verdict, key := range map[store.Verdict]string{store.Confirm: "confirm-order", store.Cannot: "cannot-order"} {
		s.page(ordersPath+"/{order}/"+string(verdict), "decide", func(v *visit) (any, error) {
			n, err := v.orderNumber()
			if err != nil {
				return nil, err
			}
			o, err := v.WorkOrder(n)
			if err != nil {
				return nil, err
			}
			if !o.Mine {
				return nil, v.site.Config.Rights.Refuse(rights.DecideOrder)
			}
			ref := o.Person
			page := decidePage{Title: v.T("decide."+key+".title", "who", v.Who(ref), "target", o.Target), Text: v.T("order.op." + o.Op), Person: &ref, Button: v.T("decide." + key + ".button"),
				To: ordersPath + "/" + strconv.FormatInt(n, 10) + "/" + string(verdict), Back: ordersPath, Grave: verdict == store.Cannot}
			if o.Entitlement != "" {
				page.Text += ": " + v.Entitlement(o.Entitlement)
			}
			if verdict == store.Confirm {
				page.DayLabel, page.NoteOnly = v.T("order.done-on"), true
				page.FirstDay, page.LastDay, page.Suggested = identity.DateOf(o.OrderedAt.Time(), v.config.Zone), v.Today(), v.Today()
			}
			return page, nil
		})
		s.form(ordersPath+"/{order}/"+string(verdict), func(v *visit) (string, error) {
			n, err := v.orderNumber()
			if err != nil {
				return "", err
			}
			var made store.Decision
			if verdict == store.Confirm {
				_, made, err = v.governance().ConfirmOrder(v, n, identity.Date(v.field("until")), v.caller.Subject, v.field("reason"))
			} else {
				_, made, err = v.governance().CannotOrder(v, n, v.caller.Subject, v.field("reason"))
			}
			return ordersPath + "?done=" + strconv.FormatInt(made.Seq, 10), err
		})
	}
	s.upload(UploadPath+"/account-list", func(v *visit) (string, error) {
		name, content, err := v.file("list")
		if err != nil {
			return "", err
		}
		target := v.field("target")
		_, made, err := v.governance().UploadList(v, target, governance.AccountFile{Name: name, Content: content, Day: identity.Date(v.field("day")), Shrunk: v.field("shrunk") != ""}, v.caller.Subject, "")
		var refused *reason.Refusal
		if !errors.As(err, &refused) {
			return ordersPath + "?" + url.Values{"done": {strconv.FormatInt(made.Seq, 10)}}.Encode(), err
		}
		page, failed := v.ordersPage()
		if failed != nil {
			return "", failed
		}
		page.Wrong, page.Target, page.Shrank = v.Because(refused.Reason).Text, target, refused.Reason.Code() == reason.CodeOf(reason.ListShrank{})
		return "", &unfinished{"work-orders", page}
	})
}

// orderNumber returns the number of the work order in the address.
func (v *visit) orderNumber() (int64, error) {
	n, err := strconv.ParseInt(v.request.PathValue("order"), 10, 64)
	if err != nil || n < 1 {
		return 0, &access.CursorError{}
	}
	return n, nil
}

func (v *visit) ordersPage() (ordersPage, error) {
	p := ordersPage{State: store.OrderState(v.query("state")), States: store.OrderStates}
	if p.State == "" {
		p.State = store.OrderWaiting
	}
	orders, err := v.WorkOrders(p.State, "")
	if err != nil {
		return p, err
	}
	for _, o := range orders {
		if o.Mine {
			p.Mine = append(p.Mine, o)
		} else {
			p.Others = append(p.Others, o)
		}
	}
	p.Targets, err = v.ManualTargets()
	return p, err
}

// givesByOrder reports whether a change that is ordered gives something.
func givesByOrder(op string) bool { return !store.WorkOrder{Op: op}.Takes() }
