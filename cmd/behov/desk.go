package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/client"
)

// asks is all that commands ask of an installation, on this machine or of a server. Each
// part is declared by the commands that ask it. *local and *client.Client implement it.
type asks interface {
	peopleAsks
	personDecides
	grantAsks
	trailAsks
	holdAsks
	stepAsks
	reviewAsks
	importAsks
	statusAsks
	accountDecides
	passDecides
	suspendDecides
	pauseDecides
	tokenAsks
}

var (
	_ asks = (*local)(nil)
	_ asks = (*client.Client)(nil)
)

// desk is where a command asks and decides, with what it needs to show the answers.
type desk struct {
	asks
	zone  *time.Location
	first string // the HR source whose keys name people without it
}

// name returns how a person in an answer is called.
func (d *desk) name(r access.Ref) string { return r.Name(d.first) }

// about returns how the person is called whom a decision is about.
func (d *desk) about(of access.Decision) string {
	if of.Person == nil {
		return ""
	}
	return d.name(*of.Person)
}

// actor returns how an actor in an answer is called.
func (d *desk) actor(a access.Actor) string { return a.Name(d.first) }

// withDesk makes of f, which asks an installation of this machine or a server, what cobra
// runs. by is the flag that says who decides, here; nil for a command that decides nothing.
func (a *app) withDesk(by *string, f func(ctx context.Context, d *desk, args []string) error) func(*cobra.Command, []string) error {
	if by == nil {
		by = new(string)
	}
	here := a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
		return f(ctx, a.localDesk(i, *by), args)
	})
	return func(cmd *cobra.Command, args []string) error {
		if a.server == "" {
			return here(cmd, args)
		}
		if *by != "" {
			return errors.New("--by goes without --server: the server knows who you are")
		}
		d, err := a.serverDesk(cmd.Context())
		if err != nil {
			return err
		}
		if err := f(cmd.Context(), d, args); err != nil {
			return inZone{a.withSignInHint(err), d.zone}
		}
		return nil
	}
}

func (a *app) localDesk(i *installation, by string) *desk {
	return &desk{asks: &local{app: a, installation: i, by: by}, zone: i.zone, first: i.config.First}
}

// serverDesk asks the server as the person who signed in there.
func (a *app) serverDesk(ctx context.Context) (*desk, error) {
	c, err := a.client()
	if err != nil {
		return nil, err
	}
	i, err := c.Installation(ctx)
	if err != nil {
		return nil, a.withSignInHint(err)
	}
	zone, err := time.LoadLocation(i.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("the time zone of %s: %w", c.Server(), err)
	}
	d := &desk{asks: c, zone: zone, first: i.First}
	a.printPauses(d, i.Paused)
	return d, nil
}

// client returns a client of the server, with the token in BEHOV_TOKEN or of behov login.
func (a *app) client() (*client.Client, error) {
	server, err := client.ParseServer(a.server)
	if err != nil {
		return nil, err
	}
	token := os.Getenv("BEHOV_TOKEN")
	if token == "" {
		known, err := client.LoadCredentials()
		if err != nil {
			return nil, err
		}
		token = known.Servers[server.String()].Token
	}
	if token == "" {
		return nil, fmt.Errorf("you are not signed in at %s: behov login --server %s", server, server)
	}
	return client.New(a.server, client.Options{Token: token, Language: string(language())})
}

// withSignInHint adds to an error that a sign-in would help how to sign in.
func (a *app) withSignInHint(err error) error {
	for _, code := range []string{"not-signed-in", "sign-in-again", "sign-in-stronger"} {
		if client.Is(err, code) {
			return fmt.Errorf("%w: behov login --server %s", err, a.server)
		}
	}
	return err
}
