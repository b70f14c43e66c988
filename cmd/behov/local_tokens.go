package main

import (
	"context"

	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/client"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/rights"
)

// Tokens returns the tokens of the person who decides, or everyone's and the sources'.
func (l *local) Tokens(ctx context.Context, everyones bool) ([]api.Token, error) {
	var by rights.Subject
	var err error
	if !everyones {
		if by, err = l.subject(ctx); err != nil {
			return nil, err
		}
	}
	all, err := l.db.Tokens(ctx)
	shown := []api.Token{}
	v := l.view(ctx)
	for _, t := range all {
		if everyones || api.OwnsToken(by, t) {
			shown = append(shown, api.TokenOf(v, t))
		}
	}
	return shown, err
}

func (l *local) MakeToken(ctx context.Context, t client.NewToken) (out api.MadeToken, err error) {
	by, err := l.subject(ctx)
	if err != nil {
		return out, err
	}
	_, doc := api.New(api.Deps{Config: l.config})
	if err := api.CheckScopes(doc, l.config, t.Scopes, t.Systems); err != nil {
		return out, client.Problem(err)
	}
	if t.Service != "" {
		text, made, err := l.governance().CreateServiceToken(ctx, governance.ServiceToken{Service: t.Service, Name: t.Name, Scopes: t.Scopes, Systems: t.Systems, Expires: t.Expires}, by)
		return api.MadeToken{Token: api.TokenOf(l.view(ctx), made), Text: text}, err
	}
	text, made, err := l.governance().CreateOwnToken(ctx, governance.OwnToken{Name: t.Name, Scopes: t.Scopes, Systems: t.Systems, Expires: t.Expires}, by)
	return api.MadeToken{Token: api.TokenOf(l.view(ctx), made), Text: text}, err
}

func (l *local) RevokeToken(ctx context.Context, id, reason string) error {
	by, err := l.subject(ctx)
	if err != nil {
		return err
	}
	return l.governance().RevokeToken(ctx, id, by, reason)
}
