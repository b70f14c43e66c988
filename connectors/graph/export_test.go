package graph

import (
	"context"
	"fmt"
	"time"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/connectors/limit"
)

// WithSleep replaces the connector's sleep function.
func WithSleep(c connectors.Connector, sleep func(context.Context, time.Duration) error) connectors.Connector {
	inner(c).sleep = sleep
	return c
}

func inner(c connectors.Connector) *Connector {
	if m, ok := c.(*withMFA); ok {
		return m.Connector
	}
	return c.(*Connector)
}

// Age makes the saved state older.
func Age(c connectors.Connector, hours int) {
	i := inner(c)
	s := i.loadState(context.Background(), time.Now())
	s.Full = s.Full.Add(-time.Duration(hours) * time.Hour)
	if err := i.keep(context.Background(), s); err != nil {
		panic(err)
	}
}

// Where returns a connector's URL, authority and scope.
func Where(c connectors.Connector) (url, authority, asked string) {
	cfg := inner(c).cfg
	return cfg.URL, cfg.Authority, scope(cfg.URL)
}

// LimitsOf returns a connector's limits of writes.
func LimitsOf(c connectors.Connector) limit.Limits { return inner(c).cfg.Limits }

// CredentialOf returns the type of a connector's credential.
func CredentialOf(c connectors.Connector) string { return fmt.Sprintf("%T", inner(c).credential) }

// Unpack returns the status of a batch's answers by ID.
func Unpack(body []byte) (map[string]int, error) {
	answers, err := unpack(body)
	out := map[string]int{}
	for id, a := range answers {
		out[id] = a.Status
	}
	return out, err
}

// FilterURL returns the URL of a look-up by employeeId.
func FilterURL(value string) string {
	b, err := newBuilder("https://graph.test/v1.0")
	if err != nil {
		panic(err)
	}
	return b.findUsers(properties["employeeId"], value, []string{"id"}).url
}

// Names converts a name to a user principal name and back, in the domain
// kommun.test.
func Names(name string) (upn, back, why string) {
	c := &Connector{cfg: Config{Domain: "kommun.test"}}
	upn, why = c.upn(name)
	return upn, c.shortName(upn), why
}
