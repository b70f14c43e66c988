package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/client"
	"github.com/behov/behov/internal/rights"
)

func (a *app) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "whoami",
		Short:   "Say as whom you are signed in at a behov server",
		Long:    "Say as whom you are signed in at a behov server, with which roles, how surely you are\nknown there, and until when.",
		Example: "  behov whoami --server https://behov.example.org",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.client()
			if err != nil {
				return err
			}
			me, err := c.Me(cmd.Context())
			if err != nil {
				return a.withSignInHint(err)
			}
			return a.printMe(cmd.Context(), c, me)
		},
	}
}

// assurances are how surely a person is known, in words.
var assurances = map[rights.Assurance]string{
	rights.SingleFactor: "with one factor: enough to see, and to decide nothing",
	rights.MultiFactor:  "with more than one factor, a while ago",
	rights.Fresh:        "with more than one factor, just now",
}

// printMe says as whom a person is signed in.
func (a *app) printMe(ctx context.Context, c *client.Client, me api.Me) error {
	if a.json {
		return a.printJSON(me)
	}
	who := "the service account " + me.Service
	if me.Person != nil {
		who = me.Person.DisplayName
	}
	a.printf("%s, at %s\n", who, c.Server())
	a.printRoles(me.Roles)
	known := "known " + assurances[rights.Assurance(me.Assurance)]
	switch {
	case me.Service != "":
		known = "reads, sends HR events and asks by AuthZEN, and decides nothing"
	case me.SignedIn == rights.Claimed:
		known = "known by a link of the first start, which proves nothing"
	}
	a.printf("  %s\n", known)
	if me.Expires == nil {
		return nil
	}
	zone := time.UTC
	if i, err := c.Installation(ctx); err == nil { // a token for some scopes may not ask it
		if of, err := time.LoadLocation(i.TimeZone); err == nil {
			zone = of
		}
	}
	a.printf("  until %s\n", me.Expires.In(zone).Format("2006-01-02 15:04 MST"))
	return nil
}
