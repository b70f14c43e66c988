package manual_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/conformance"
	"github.com/behov/behov/connectors/manual"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/seal"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }

// obeyed is a target in which a person makes each change as soon as it is ordered.
type obeyed struct {
	*manual.Connector
	db *store.DB
}

// Apply implements connectors.Connector.
func (o *obeyed) Apply(ctx context.Context, changes []connectors.Change) []connectors.Result {
	return connectors.OneByOne(ctx, changes, func(ctx context.Context, c connectors.Change) (connectors.Outcome, error) {
		r := o.Connector.Apply(ctx, []connectors.Change{c})[0]
		if r.Status != connectors.Ordered {
			return r.Outcome, r.Err
		}
		err := o.db.Write(ctx, func(tx *store.Tx) (err error) {
			r.AccountID, err = carryOut(ctx, tx, c)
			return err
		})
		if c.Op == connectors.CreateAccount && !c.Enabled && err == nil {
			c.Op, c.Account.ID = connectors.DisableAccount, r.AccountID
			err = o.db.Write(ctx, func(tx *store.Tx) error { _, err := carryOut(ctx, tx, c); return err })
		}
		r.Status = connectors.Applied
		return r.Outcome, err
	})
}

func carryOut(ctx context.Context, tx *store.Tx, c connectors.Change) (string, error) {
	return tx.MakeOrdered(ctx, store.WorkOrder{Target: "pay", Person: identity.PersonID(c.Account.Anchor), Op: string(c.Op), Native: c.Entitlement, AccountID: c.Account.ID, Name: c.Account.Name})
}

// TestConformance runs the suite with a person who makes each change at once: what the
// connector orders, what it refuses and what is so already is then that of any target.
func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Fixture {
		key, err := seal.NewMaster()
		if err != nil {
			t.Fatal(err)
		}
		master, err := seal.ParseMaster(key)
		if err != nil {
			t.Fatal(err)
		}
		db, err := store.Open(t.Context(), testenv.Database(t), master)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		list := db.AccountList("pay")
		open := func(t *testing.T) connectors.Connector {
			c, err := manual.New(manual.Config{To: "hr/1", Entitlements: []string{"clerk", "boss"}, Records: list})
			if err != nil {
				t.Fatal(err)
			}
			return &obeyed{c, db}
		}
		return conformance.Fixture{
			Connector: open(t), Reopen: open, Entitlements: []string{"clerk", "boss"}, Text: "none", StrictNames: true,
			Attributes: func(string) map[string][]string { return nil },
			Foreign:    func(t *testing.T, name string) string { return foreign(t, db, list, name) },
			Remove: func(t *testing.T, id string) {
				if err := db.Write(t.Context(), func(tx *store.Tx) error {
					_, err := carryOut(t.Context(), tx, connectors.Change{Op: connectors.DeleteAccount, Account: connectors.AccountRef{ID: id}})
					return err
				}); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}

// foreign has the list have an account more.
func foreign(t *testing.T, db *store.DB, list *store.AccountList, name string) (id string) {
	t.Helper()
	accounts := map[string]*store.ListedAccount{}
	all := func(a connectors.Account) error {
		accounts[a.ID] = &store.ListedAccount{Name: a.Name, Disabled: !a.Enabled, Attributes: a.Attributes}
		return nil
	}
	member := func(account, entitlement string) error {
		accounts[account].Entitlements = append(accounts[account].Entitlements, entitlement)
		return nil
	}
	if err := list.Each(t.Context(), all, member); err != nil {
		t.Fatal(err)
	}
	rows := []store.ListedAccount{{Name: name}}
	for _, a := range accounts {
		rows = append(rows, *a)
	}
	if err := db.Write(t.Context(), func(tx *store.Tx) error {
		_, err := tx.UseList(t.Context(), "pay", identity.DateOf(time.Now(), time.UTC), 1, rows)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if err := list.Some(t.Context(), []connectors.AccountRef{{Name: name}}, func(a connectors.Account) error { id = a.ID; return nil }, func(string, string) error { return nil }); err != nil || id == "" {
		t.Fatal(id, err)
	}
	return id
}
