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

// operations is all that commands ask of an installation, on this machine or of a server. Each
// part is declared by the commands that ask it. *local and *client.Client implement it.
type operations interface {
	peopleReader
	personDecider
	grantReader
	trailReader
	holdOperations
	stepOperations
	reviewOperations
	systemOperations
	conflictOperations
	absenceOperations
	complianceReader
	requestOperations
	orderOperations
	ruleOperations
	importReader
	reporter
	statusReader
	accountDecider
	nonHumanOperations
	passIssuer
	suspender
	pauser
	tokenOperations
}

var (
	_ operations = (*local)(nil)
	_ operations = (*client.Client)(nil)
)

// backend is where a command asks and decides, with what it needs to show the answers.
type backend struct {
	operations
	zone  *time.Location
	first string // the HR source whose keys name people without it
}

// name returns how a person in an answer is called.
func (d *backend) name(r access.Ref) string { return r.Name(d.first) }

// about returns how the person is called whom a decision is about.
func (d *backend) about(of access.Decision) string {
	if of.Person == nil {
		return ""
	}
	return d.name(*of.Person)
}

// actor returns how an actor in an answer is called.
func (d *backend) actor(a access.Actor) string { return a.Name(d.first) }

// withBackend makes of f, which asks an installation of this machine or a server, what cobra
// runs. by is the flag that says who decides, here; nil for a command that decides nothing.
func (a *app) withBackend(by *string, f func(ctx context.Context, d *backend, args []string) error) func(*cobra.Command, []string) error {
	if by == nil {
		by = new(string)
	}
	here := a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
		return f(ctx, a.localBackend(i, *by), args)
	})
	return func(cmd *cobra.Command, args []string) error {
		if a.server == "" {
			return here(cmd, args)
		}
		if *by != "" {
			return errors.New("--by goes without --server: the server knows who you are")
		}
		d, err := a.serverBackend(cmd.Context())
		if err != nil {
			return err
		}
		if err := f(cmd.Context(), d, args); err != nil {
			return inZone{a.withSignInHint(err), d.zone}
		}
		return nil
	}
}

func (a *app) localBackend(i *installation, by string) *backend {
	return &backend{operations: &local{app: a, installation: i, by: by}, zone: i.zone, first: i.config.First}
}

// serverBackend asks the server as the person who signed in there.
func (a *app) serverBackend(ctx context.Context) (*backend, error) {
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
	d := &backend{operations: c, zone: zone, first: i.First}
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
