package store_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/behov/behov/internal/alert"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/queue"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestAnAlertIsNotGivenUp: a mail server that is down for a night must not keep
// a hold from the person who has to look at it.
func TestAnAlertIsNotGivenUp(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		write(t, db, func(tx *store.Tx) error {
			tx.Enqueue(alert.HoldRaised.Job("x"))
			return nil
		})
		list, err := db.Jobs().List(t.Context(), 10)
		if err != nil || len(list) != 1 || list[0].MaxAttempts < mostTries {
			t.Errorf("%+v %v", list, err)
		}
	})
}

// TestADeadReplicaIsFoundOut: PostgreSQL finds out within seconds that a machine
// which held locks lost power, and ends a transaction of which nothing is heard.
// By itself it asks after two hours (tcp(7), tcp_keepalive_time), for which
// no one else would work on what the dead one was at.
func TestADeadReplicaIsFoundOut(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := openWith(t, server.Database(), newMaster(t))
	for name, want := range map[string]string{"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "2", "tcp_user_timeout": "15000", "idle_in_transaction_session_timeout": "120000"} {
		var is string
		if err := store.ReadPool(db).QueryRowContext(t.Context(), `SELECT setting FROM pg_settings WHERE name = '`+name+`'`).Scan(&is); err != nil || is != want {
			t.Errorf("%s is %s, want %s, %v", name, is, want, err)
		}
	}
	own := openWith(t, server.Database()+"&tcp_keepalives_idle=60", newMaster(t))
	var is string
	if err := store.ReadPool(own).QueryRowContext(t.Context(), `SELECT setting FROM pg_settings WHERE name = 'tcp_keepalives_idle'`).Scan(&is); err != nil || is != "60" {
		t.Errorf("the URL says 60, and it is %s, %v", is, err)
	}
}

// mostTries is the largest number of tries of a job that River allows.
const mostTries = 1 << 14

// TestNoJobIsGivenUp: it has as many tries as there can be.
func TestNoJobIsGivenUp(t *testing.T) {
	onBothURLs(t, func(t *testing.T, url string) {
		db := open(t, url)
		write(t, db, func(tx *store.Tx) error {
			tx.Enqueue(queue.People{People: []identity.PersonID{"x"}}, queue.Run{Because: "y"}, queue.Pull{Source: "z"})
			return nil
		})
		fewest := 0
		if err := testenv.Raw(t, url).QueryRowContext(t.Context(), `SELECT MIN(max_attempts) FROM river_job`).Scan(&fewest); err != nil || fewest < mostTries {
			t.Errorf("%d tries, %v", fewest, err)
		}
	})
}

// TestAServerThatSaysNothing lets no one wait for long.
func TestAServerThatSaysNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			if _, err := l.Accept(); err != nil { // and not a word
				return
			}
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := store.Open(ctx, "postgres://x@"+l.Addr().String()+"/x?sslmode=disable", newMaster(t)); err == nil || ctx.Err() != nil {
		t.Errorf("it ended with %v, %v", err, ctx.Err())
	}
}
