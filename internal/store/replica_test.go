package store_test

import (
	"testing"

	"github.com/riverqueue/river"

	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/testenv"
)

// TestAnAlertIsNotGivenUp: a mail server that is down for a night must not keep
// a hold from whoever has to look at it.
func TestAnAlertIsNotGivenUp(t *testing.T) {
	onBoth(t, func(t *testing.T, db *store.DB) {
		write(t, db, func(tx *store.Tx) error {
			tx.Enqueue(store.AlertJob{About: store.HeldAlert, Subject: "x"})
			return nil
		})
		client, err := river.NewClient(db.JobDriver(), &river.Config{})
		if err != nil {
			t.Fatal(err)
		}
		list, err := client.JobList(t.Context(), river.NewJobListParams().First(10))
		if err != nil || len(list.Jobs) != 1 || list.Jobs[0].MaxAttempts != store.Tries {
			t.Errorf("%+v %v", list.Jobs, err)
		}
	})
}

// TestADeadReplicaIsFoundOut: PostgreSQL finds out within seconds that a machine
// which held locks lost power, and ends a transaction of which nothing is heard.
// By itself it asks after two hours (tcp(7), tcp_keepalive_time), for which
// nobody else would work on what the dead one was at.
func TestADeadReplicaIsFoundOut(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := openWith(t, server.Database(), newMaster(t))
	for name, want := range map[string]string{"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "2", "tcp_user_timeout": "15000", "idle_in_transaction_session_timeout": "120000"} {
		var is string
		if err := db.JobDriver().GetExecutor().QueryRow(t.Context(), `SELECT setting FROM pg_settings WHERE name = '`+name+`'`).Scan(&is); err != nil || is != want {
			t.Errorf("%s is %s, want %s, %v", name, is, want, err)
		}
	}
	own := openWith(t, server.Database()+"&tcp_keepalives_idle=60", newMaster(t))
	var is string
	if err := own.JobDriver().GetExecutor().QueryRow(t.Context(), `SELECT setting FROM pg_settings WHERE name = 'tcp_keepalives_idle'`).Scan(&is); err != nil || is != "60" {
		t.Errorf("the URL says 60, and it is %s, %v", is, err)
	}
}
