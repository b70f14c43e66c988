package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/jmoiron/sqlx"
)

// silence is for how long a server may send nothing before a connection to it counts as
// dead: when its machine loses power the connection is not closed, and a standby may long
// have taken over.
const silence = 15 * time.Second

const (
	// connecting is for how long one server may take to let us in, before the
	// next one that the URL names is asked; unless the URL says it
	// (connect_timeout).
	connecting = 5 * time.Second
	// idle is how many connections stay open for the next job; those beyond are closed
	// after use.
	idle = 16
	// most is how many connections a process has: PostgreSQL allows a hundred by default,
	// and there are other processes, and operators with commands. A caller that needs
	// another one waits for it, and must not hold one meanwhile.
	most = 24
)

// found makes the server notice within the same time when this process's machine loses
// power: until then it keeps our locks, and other processes wait. By default it notices
// after two hours. It also ends a transaction that is silent for long, which would keep
// others from recording. The URL may set other values.
var found = map[string]string{
	"tcp_keepalives_idle":                 strconv.Itoa(int((silence / 3).Seconds())),
	"tcp_keepalives_interval":             strconv.Itoa(int((silence / 3).Seconds())),
	"tcp_keepalives_count":                "2",
	"tcp_user_timeout":                    strconv.Itoa(int(silence.Milliseconds())),
	"idle_in_transaction_session_timeout": strconv.Itoa(int((2 * time.Minute).Milliseconds())),
}

// dialer connects to PostgreSQL.
var dialer = net.Dialer{
	KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 3, Interval: silence / 3, Count: 2},
	Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = setUserTimeout(fd, silence) })
		return errors.Join(err, failed)
	},
}

// openPostgres opens a PostgreSQL database. Its URL may name several servers, of
// which the one that is written to is taken (target_session_attrs=read-write).
func (db *DB) openPostgres(url string) (*sqlx.DB, error) {
	c, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err) // which says it without the password
	}
	c.DialFunc, c.ConnectTimeout = dialer.DialContext, cmp.Or(c.ConnectTimeout, connecting)
	for name, value := range found {
		c.RuntimeParams[name] = cmp.Or(c.RuntimeParams[name], value)
	}
	pool := sqlx.NewDb(sql.OpenDB(db.wrap(stdlib.GetConnector(*c))), "pgx")
	pool.SetMaxIdleConns(idle)
	pool.SetMaxOpenConns(most)
	pool.SetConnMaxIdleTime(time.Minute)
	return pool, nil
}
