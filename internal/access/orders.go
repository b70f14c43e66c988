package access

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/behov/behov/connectors/manual"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/rights"
	"github.com/behov/behov/internal/store"
)

// WorkOrder is a change that a person makes in a target without an interface.
type WorkOrder struct {
	Order  int64  `json:"order"` // its number
	Target string `json:"target"`
	Person Ref    `json:"person"`
	// Op is the change, as steps have it: add-member, create-account.
	Op          string               `json:"op"`
	Entitlement policy.EntitlementID `json:"entitlement,omitempty"`
	// Native is the entitlement as the target names it.
	Native string `json:"native,omitempty"`
	// Account is the login name; empty when the person is masked or erased.
	Account   string           `json:"account,omitempty"`
	Reason    Reason           `json:"reason"` // why the change is wanted
	OrderedAt store.Micros     `json:"ordered_at"`
	Due       identity.Date    `json:"due"` // the last day to make it
	Overdue   bool             `json:"overdue"`
	State     store.OrderState `json:"state"`
	// DoneOn is the day on which it was made, as the person who confirmed it said.
	DoneOn   identity.Date `json:"done_on,omitempty"`
	Decision *Decision     `json:"decision,omitempty"` // that ended it
	// Mine: the viewer may say that it is made, or that it cannot be made.
	Mine bool `json:"-"`
}

// ManualTarget is a target without an interface, with the list of its accounts that is in
// use.
type ManualTarget struct {
	Target string `json:"target"`
	// To and Escalate get the orders, and those that are overdue: a person, or a mail address.
	To       OrderReceiver `json:"to"`
	Escalate OrderReceiver `json:"escalate,omitzero"`
	Days     int           `json:"days"`               // in which an order is to be done
	ListDay  identity.Date `json:"list_day,omitempty"` // of which the list in use is
	Accounts int           `json:"accounts"`           // in that list
	Columns  []string      `json:"columns"`            // that a list may have
	// Waiting is how many orders wait, and Overdue how many of them are overdue.
	Waiting int `json:"waiting"`
	Overdue int `json:"overdue"`
	// MayUpload: the viewer may upload a list.
	MayUpload bool `json:"-"`
}

// OrderReceiver is who gets work orders.
type OrderReceiver struct {
	Person *Ref   `json:"person,omitempty"`
	Mail   string `json:"mail,omitempty"`
}

// IsZero reports whether it is no one.
func (r OrderReceiver) IsZero() bool { return r.Person == nil && r.Mail == "" }

// MostOrders is how many work orders of a target a list has at most.
const MostOrders = 1000

// towards is what the viewer is to a target without an interface.
type towards struct {
	assignee, owner bool
}

// isAssigned reports whether the viewer gets the orders of a target.
func (v *View) isAssigned(t config.Target) bool {
	settings, _ := t.Manual()
	names := v.known.Names()
	return slices.Contains(names, settings.To) || settings.Escalate != "" && slices.Contains(names, settings.Escalate)
}

func (v *View) towards(t config.Target, entitlement string) towards {
	is := towards{assignee: v.isAssigned(t)}
	system, _, one := strings.Cut(entitlement, ":")
	for _, id := range v.Config.Rules.Catalogue.SystemsIn(t.Name) {
		s, _ := v.Config.Rules.Catalogue.System(id)
		is.owner = is.owner || (!one || id == system) && v.owns(s)
	}
	return is
}

func (t towards) object(who identity.PersonID) rights.Object {
	o := rights.Object{About: []identity.PersonID{}, Managers: []identity.PersonID{}}
	if t.assignee {
		o.Assignees = []identity.PersonID{who}
	}
	if t.owner {
		o.Owners = []identity.PersonID{who}
	}
	return o
}

// HandlesOrders reports whether there is a target without an interface whose orders the
// viewer may see.
func (v *View) HandlesOrders() bool {
	return slices.ContainsFunc(v.Config.Targets, func(t config.Target) bool {
		_, is := t.Manual()
		return is && (v.everyone || v.towards(t, "") != towards{})
	})
}

// OrdersWaiting returns how many work orders wait in the targets whose orders the viewer
// gets, or of whose system the viewer is an owner.
func (v *View) OrdersWaiting() (int, error) {
	n := 0
	for _, t := range v.Config.Targets {
		if _, is := t.Manual(); !is || v.towards(t, "") == (towards{}) {
			continue
		}
		waiting, _, err := v.DB.CountOrders(v.ctx, t.Name, v.Today())
		if err != nil {
			return 0, err
		}
		n += waiting
	}
	return n, nil
}

// ManualTargets returns the targets without an interface whose orders the viewer may see.
func (v *View) ManualTargets() ([]ManualTarget, error) {
	all := []ManualTarget{}
	for _, t := range v.Config.Targets {
		settings, is := t.Manual()
		on := v.towards(t, "")
		if !is || !v.everyone && !on.assignee && !on.owner {
			continue
		}
		m := ManualTarget{Target: t.Name, Days: settings.Days, Columns: slices.Concat([]string{"account", "entitlement", "enabled"}, t.ListColumns())}
		var err error
		if m.To, err = v.receiver(settings.To); err != nil {
			return nil, err
		}
		if m.Escalate, err = v.receiver(settings.Escalate); err != nil {
			return nil, err
		}
		list, err := v.DB.AccountList(t.Name).Version(v.ctx)
		if err != nil {
			return nil, err
		}
		m.ListDay, m.Accounts = list.Day, list.Accounts
		if m.Waiting, m.Overdue, err = v.DB.CountOrders(v.ctx, t.Name, v.Today()); err != nil {
			return nil, err
		}
		if m.MayUpload, _, err = v.mayDecide(rights.UploadList, on.object(v.viewer.Subject.Person)); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

func (v *View) receiver(ref string) (OrderReceiver, error) {
	if ref == "" || manual.IsMailbox(ref) {
		return OrderReceiver{Mail: ref}, nil
	}
	source, key, _ := strings.Cut(ref, "/")
	p, known, err := v.DB.PersonByKey(v.ctx, identity.SourceKey{Source: source, Key: key})
	if err != nil || !known {
		return OrderReceiver{}, err
	}
	who := v.Ref(p.ID)
	return OrderReceiver{Person: &who}, nil
}

// WorkOrders returns the work orders in a state that the viewer may see, of one target or,
// for the empty name, of all: those that wait by their last day, others the newest first. Of
// each target there are at most MostOrders.
func (v *View) WorkOrders(state store.OrderState, target string) ([]WorkOrder, error) {
	if !slices.Contains(store.OrderStates, state) {
		return nil, &CursorError{}
	}
	var found []store.WorkOrder
	for _, t := range v.Config.Targets {
		_, is := t.Manual()
		on := v.towards(t, "")
		if !is || target != "" && t.Name != target || !v.everyone && !on.assignee && !on.owner {
			continue
		}
		var orders []store.WorkOrder
		var err error
		if state == store.OrderWaiting {
			orders, err = v.DB.OrdersDueBefore(v.ctx, t.Name, lastDay, MostOrders)
		} else {
			orders, err = v.DB.OrdersInState(v.ctx, t.Name, state, 0, MostOrders)
		}
		if err != nil {
			return nil, err
		}
		found = append(found, orders...)
	}
	if state == store.OrderWaiting {
		slices.SortStableFunc(found, func(a, b store.WorkOrder) int {
			return cmp.Or(cmp.Compare(a.Due, b.Due), cmp.Compare(a.ID, b.ID))
		})
	} else {
		slices.SortStableFunc(found, func(a, b store.WorkOrder) int { return cmp.Compare(b.ID, a.ID) })
	}
	return v.workOrders(found)
}

// lastDay is after every day on which an order is due.
const lastDay identity.Date = "9999-12-31"

// WorkOrder returns a work order that the viewer may see.
func (v *View) WorkOrder(number int64) (WorkOrder, error) {
	o, err := v.DB.WorkOrder(v.ctx, number)
	if err != nil {
		return WorkOrder{}, err
	}
	shown, err := v.workOrders([]store.WorkOrder{o})
	if err == nil && len(shown) == 0 {
		err = &reason.Refusal{Reason: reason.Of(reason.NoSuchOrder{Order: fmt.Sprint(number)})}
	}
	if err != nil {
		return WorkOrder{}, err
	}
	return shown[0], nil
}

// workOrders returns work orders as the viewer sees them, without those about people whom
// the viewer may not see.
func (v *View) workOrders(orders []store.WorkOrder) ([]WorkOrder, error) {
	shown := []WorkOrder{}
	people, why, numbers := []identity.PersonID{}, make([]reason.Reason, len(orders)), []int64{}
	for i, o := range orders {
		t, _ := v.Config.Target(o.Target)
		system, _, _ := strings.Cut(o.Entitlement, ":")
		if v.isAssigned(t) {
			v.mark(v.assigned, []identity.PersonID{o.Person})
		}
		for _, id := range v.Config.Rules.Catalogue.SystemsIn(o.Target) {
			if o.Entitlement == "" || id == system {
				v.markOwned(id, o.Person)
			}
		}
		var s plan.Step
		if err := json.Unmarshal([]byte(o.Body), &s); err != nil {
			return nil, fmt.Errorf("work order %d: %w", o.ID, err)
		}
		people, why[i], numbers = append(people, o.Person), s.Reason, append(numbers, o.Decision)
	}
	if err := v.Load(people, why...); err != nil {
		return nil, err
	}
	decisions, err := v.DB.DecisionsBySeq(v.ctx, numbers)
	if err != nil {
		return nil, err
	}
	made := map[int64]store.Decision{}
	for _, d := range decisions {
		made[d.Seq] = d
	}
	for i, o := range orders {
		if v.hides(o.Person) {
			continue
		}
		t, _ := v.Config.Target(o.Target)
		x := WorkOrder{Order: o.ID, Target: o.Target, Person: v.Ref(o.Person), Op: o.Op, Entitlement: policy.EntitlementID(o.Entitlement), Native: o.Native, Reason: v.Because(why[i]),
			OrderedAt: store.Micros(o.OrderedUS), Due: o.Due, Overdue: o.State == store.OrderWaiting && o.Due < v.Today(), State: o.State, DoneOn: o.DoneOn}
		if !v.Masked(o.Person) {
			x.Account = o.Name
		}
		if d, known := made[o.Decision]; known {
			decision := v.Decision(d)
			x.Decision = &decision
		}
		if who := v.viewer.Subject.Person; who != "" && o.State == store.OrderWaiting {
			object := v.towards(t, o.Entitlement).object(who)
			if object.About = append(object.About, o.Person); slices.Contains(v.linked, o.Person) {
				object.About = append(object.About, who)
			}
			if x.Mine, _, err = v.mayDecide(rights.DecideOrder, object); err != nil {
				return nil, err
			}
		}
		shown = append(shown, x)
	}
	return shown, nil
}
