package client

import (
	"context"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
)

// NonHumanAccounts returns the accounts of the register, what has to be done first.
func (c *Client) NonHumanAccounts(ctx context.Context) ([]access.NonHumanAccount, error) {
	return whole[access.NonHumanAccount](ctx, c, "/non-human-accounts", nil)
}

// RegisterAccount enters an account that is no person's in the register.
func (c *Client) RegisterAccount(ctx context.Context, a api.AccountRegistered, reason string) (access.Decision, error) {
	return c.decide(ctx, "/non-human-accounts", because(reason).with("target", a.Target).with("account", a.Account).with("kind", a.Kind).with("system", a.System).with("owner", a.Owner).with("purpose", a.Purpose).with("until", a.Until))
}

// HandOverAccount makes another person the owner of an account of the register.
func (c *Client) HandOverAccount(ctx context.Context, account, owner, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/non-human-accounts", account, "/hand-over"), because(reason).with("owner", owner))
}

// RenewAccount lets an account of the register be used until a later day.
func (c *Client) RenewAccount(ctx context.Context, account, until, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/non-human-accounts", account, "/renew"), because(reason).with("until", until))
}

// RetireAccount ends the use of an account of the register.
func (c *Client) RetireAccount(ctx context.Context, account, reason string) (access.Decision, error) {
	return c.decide(ctx, at("/non-human-accounts", account, "/retire"), because(reason))
}
