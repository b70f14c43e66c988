package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/client"
)

func (a *app) loginCommand() *cobra.Command {
	var token string
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in at a behov server, to work against it",
		Long: `Sign in at a behov server, to work against it with --server. behov shows a code and an
address: open the address in any browser, sign in there as you are used to, compare the
code and confirm. This machine then acts as you, with all that you may do, for ten
hours. What demands a sign-in of the last minutes demands it here, too: log in again.

With --token - a token is read from the standard input instead, as one that behov token
make printed: it never stands in an argument list.

The token is kept in the user's own configuration directory, readable for the user
alone. Without keeping one, BEHOV_TOKEN is used.`,
		Example: "  behov login --server https://behov.example.org\n  behov login --server https://behov.example.org --token - < token",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case a.server == "":
				return errors.New("say where: --server https://behov.example.org")
			case token != "" && token != "-":
				return errors.New("a token is not given as an argument, where others see it: --token - reads it from the standard input")
			}
			known, err := client.LoadCredentials()
			if err != nil {
				return err
			}
			made, err := a.signIn(cmd.Context(), token == "-")
			if err != nil {
				return err
			}
			c, err := client.New(a.server, client.Options{Token: made.Token, Language: string(language())})
			if err != nil {
				return err
			}
			me, err := c.Me(cmd.Context())
			if err != nil {
				return err
			}
			if made.Expires.IsZero() && me.Expires != nil {
				made.Expires = *me.Expires
			}
			known.Servers[c.Server()] = made
			if err := known.Save(); err != nil {
				return err
			}
			return a.printMe(cmd.Context(), c, me)
		},
	}
	cmd.Flags().StringVar(&token, "token", "", "- to read a token from the standard input")
	return cmd
}

// signIn returns a token: one that is pasted, or one of a sign-in that begins here.
func (a *app) signIn(ctx context.Context, pasted bool) (client.Credential, error) {
	if pasted {
		text, err := io.ReadAll(io.LimitReader(a.stdin, 4096))
		if token := strings.TrimSpace(string(text)); err != nil || token != "" {
			return client.Credential{Token: token}, err
		}
		return client.Credential{}, errors.New("there is no token on the standard input")
	}
	c, err := client.New(a.server, client.Options{Language: string(language())})
	if err != nil {
		return client.Credential{}, err
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "" // the page says that it has no name
	}
	begun, err := c.BeginSignIn(ctx, machine)
	if err != nil {
		return client.Credential{}, err
	}
	fmt.Fprintf(a.stderr, "Open this in a browser, and confirm the code %s:\n  %s\n", begun.UserCode, begun.Complete)
	made, err := c.AwaitToken(ctx, begun)
	if err != nil {
		return client.Credential{}, fmt.Errorf("the sign-in at %s: %w", c.Server(), err)
	}
	return made, nil
}

func (a *app) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "logout",
		Short:   "End the token of a behov server, and forget it",
		Long:    "End the token that behov login keeps of a server, there and here. One that the server\ndoes not take any more, or when it does not answer, is forgotten all the same.",
		Example: "  behov logout --server https://behov.example.org",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := client.ParseServer(a.server)
			if err != nil {
				return err
			}
			known, err := client.LoadCredentials()
			if err != nil {
				return err
			}
			kept, there := known.Servers[server.String()]
			if !there {
				return fmt.Errorf("no token of %s is kept on this machine", server)
			}
			revoked := a.revoke(cmd.Context(), kept.Token)
			delete(known.Servers, server.String())
			if err := known.Save(); err != nil {
				return err
			}
			if a.json {
				return errors.Join(a.printJSON(loggedOutJSON{server.String(), revoked == nil}), revoked)
			}
			if revoked != nil {
				return fmt.Errorf("the token is forgotten here, and was not ended at the server: %w", revoked)
			}
			a.printf("Logged out of %s.\n", server)
			return nil
		},
	}
}

// revoke ends a token at the server. One that it does not take is ended.
func (a *app) revoke(ctx context.Context, token string) error {
	c, err := client.New(a.server, client.Options{Token: token, Language: string(language())})
	if err != nil {
		return err
	}
	me, err := c.Me(ctx)
	if client.Is(err, "not-signed-in") {
		return nil
	}
	if err != nil {
		return err
	}
	return c.RevokeToken(ctx, me.Token, "logged out")
}
