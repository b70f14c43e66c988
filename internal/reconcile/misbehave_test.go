package reconcile_test

import (
	"context"
	"slices"
	"strings"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/plan"
	"github.com/behov/behov/internal/testenv"
)

// brokenOff is a target whose reading shows what it shows and then breaks off.
type brokenOff struct {
	*scripted
	lacks string // the ID of an account that is not shown
}

func (b *brokenOff) Snapshot(ctx context.Context, sink connectors.Sink) (connectors.Completeness, error) {
	_, err := b.scripted.Snapshot(ctx, without{Sink: sink, account: b.lacks})
	return connectors.Completeness{Why: "page 2 of 3 did not come"}, err
}

// without drops an account, and what it has, from a snapshot.
type without struct {
	connectors.Sink
	account string
}

func (w without) Account(a connectors.Account) error {
	if a.ID == w.account {
		return nil
	}
	return w.Sink.Account(a)
}

func (w without) Membership(m connectors.Membership) error {
	if m.AccountID == w.account {
		return nil
	}
	return w.Sink.Membership(m)
}

// withSessions is a target that can end sessions, and notes what it is asked.
type withSessions struct {
	*scripted
	asked []connectors.Op
}

func (s *withSessions) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	for _, c := range changes {
		s.asked = append(s.asked, c.Op)
	}
	return s.scripted.Apply(ctx, changes)
}

func (s *withSessions) RevokeSessions(context.Context, connectors.AccountRef) (connectors.Outcome, error) {
	s.asked = append(s.asked, plan.RevokeSessions)
	return connectors.Outcome{Status: connectors.Applied}, nil
}

func (h *fixture) person(key string) identity.PersonID {
	h.t.Helper()
	p, err := h.e.DB.FindPerson(h.t.Context(), key, "hr")
	if err != nil {
		h.t.Fatal(err)
	}
	return p.ID
}

// accounts returns the accounts that say they are the person's.
func (h *fixture) accounts(s *scripted, id identity.PersonID) []connectors.Account {
	h.t.Helper()
	o := plan.NewObserved()
	c, err := s.Connector.Snapshot(h.t.Context(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	o.Done(c)
	return o.ByAnchor(string(id))
}

// behind changes a target behind our back.
func (h *fixture) behind(s *scripted, op connectors.Op, account, native string) {
	h.t.Helper()
	r := s.Connector.Apply(h.t.Context(), []connectors.Change{{Op: op, Account: connectors.AccountRef{ID: account}, Entitlement: native}})[0]
	if r.Err != nil || r.Status != connectors.Applied {
		h.t.Fatal(r)
	}
}

// put writes an account behind our back.
func (h *fixture) put(s *scripted, a connectors.Account) string {
	h.t.Helper()
	id, err := s.Put(a, false)
	if err != nil {
		h.t.Fatal(err)
	}
	return id
}

// raw is the database without the rules of the store.
func (h *fixture) raw(statement string) {
	h.t.Helper()
	if _, err := testenv.Raw(h.t, h.e.Config.Database).ExecContext(h.t.Context(), statement); err != nil {
		h.t.Fatal(err)
	}
}

// noRoom makes what would be done to a table fail, until room is made again.
func (h *fixture) noRoom(done, table string) (room func()) {
	h.t.Helper()
	if !testenv.OnPostgres() {
		h.raw(`CREATE TRIGGER no_room BEFORE ` + done + ` ON ` + table + ` BEGIN SELECT RAISE(ABORT, 'disk full'); END`)
		return func() { h.raw(`DROP TRIGGER no_room`) }
	}
	h.raw(`CREATE FUNCTION no_room() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$ LANGUAGE plpgsql`)
	h.raw(`CREATE TRIGGER no_room BEFORE ` + done + ` ON ` + table + ` FOR EACH ROW EXECUTE FUNCTION no_room()`)
	return func() { h.raw(`DROP TRIGGER no_room ON ` + table) }
}

// told counts the records of an action.
func (h *fixture) told(action audit.Action) int {
	h.t.Helper()
	n := 0
	for _, r := range records(h.t, h) {
		if r.Action == action {
			n++
		}
	}
	return n
}

func finding(p *plan.Plan, kind plan.FindingKind, person identity.PersonID) bool {
	return slices.ContainsFunc(p.Findings, func(f plan.Finding) bool { return f.Kind == kind && f.Person == person })
}

// opsOf lists what the steps do, as "target op entitlement".
func opsOf(steps []plan.Step) []string {
	var ops []string
	for _, s := range steps {
		ops = append(ops, strings.TrimSpace(s.Target+" "+string(s.Op)+" "+string(s.Entitlement)))
	}
	return ops
}
