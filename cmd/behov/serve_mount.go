package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"reflect"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/governance"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/preview"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/scimserver"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/web"
)

// mounting puts together what behov serve answers over HTTP.
type mounting struct {
	app     *app
	i       *installation
	service *service.Service
	serving serving
	log     *slog.Logger
	links   []*signin.Link // printed on the terminal
}

// handler returns what is answered with a configuration.
func (m *mounting) handler(c *config.Config, e *reconcile.Engine, importer *hr.Importer) (http.Handler, error) {
	scim, err := scimserver.New(importer, c.Sources, scimserver.Host{Log: m.log, TokenRefused: m.service.TokenRefused})
	if err != nil {
		return nil, err
	}
	if !reflect.DeepEqual(c.Serve.ACME, m.i.config.Serve.ACME) {
		m.log.Warn("serve.acme has changed: it is used when behov is restarted")
	}
	events, err := outbound.Handler(c, m.i.db, m.app.now, m.log)
	if err != nil {
		return nil, err
	}
	root := http.NewServeMux()
	root.Handle(outbound.WellKnown+"/", events)
	mounts := map[string]server.Mount{scimserver.Path: {Handler: scim, Body: -1}, outbound.Path: {Handler: events}, "": {Handler: server.Routes(root)}}
	if c.SignIn.Configured() || loopback(m.serving.listen) {
		if err := m.people(root, mounts, c, e, importer); err != nil {
			return nil, err
		}
	}
	return server.New(m.service.Ready, mounts, server.Chain{Log: m.log, Proxies: c.Serve.Proxies,
		PerAddress: server.PerSecond(c.Serve.PerAddress), PerSubject: server.PerSecond(c.Serve.PerSubject)}), nil
}

// people mounts what people, and programs that are theirs, are answered.
func (m *mounting) people(root *http.ServeMux, mounts map[string]server.Mount, c *config.Config, e *reconcile.Engine, importer *hr.Importer) error {
	door, err := signin.New(m.i.db, c, m.app.now, m.log, server.NewLimiter("failed-sign-ins", server.PerMinute(c.Serve.FailedSignIns)))
	if err != nil {
		return err
	}
	door.GiveTokens(func(ctx context.Context, t signin.DeviceToken) (string, error) {
		g := governance.Governance{DB: m.i.db, Config: c, Now: m.app.now}
		token, _, err := g.CreateOwnToken(ctx, governance.OwnToken{Name: strings.TrimSuffix("behov login on "+t.Machine, " on "), Scopes: []string{"*:read", "*:write"}, Expires: t.Expires, SignedIn: t.SignedIn, Login: true}, t.Subject)
		return token, err
	})
	door.Admit(m.links...)
	plans := &preview.Plans{DB: m.i.db, Engine: e, Now: m.app.now, Log: m.log}
	counts, suggestions := &access.Counts{}, &access.SuggestionCounts{}
	answers, doc := api.New(api.Deps{DB: m.i.db, Config: c, Engine: e, Importer: importer, Door: door, Plans: plans, Counts: counts, Suggestions: suggestions, Now: m.app.now, Log: m.log})
	root.Handle(signin.Path, door.Handler())
	root.Handle(signin.Path+"/", door.Handler())
	root.Handle(signin.OutPath, door.Handler())
	root.Handle(api.AuthZENMetadata, answers)
	pages, err := web.New(web.Deps{DB: m.i.db, Config: c, Engine: e, Importer: importer, Door: door, Plans: plans, Counts: counts, Suggestions: suggestions, Scopes: api.Scopes(doc), Now: m.app.now, Log: m.log})
	if err != nil {
		return err
	}
	root.Handle("/", pages)
	mounts[web.UploadPath] = server.Mount{Handler: server.Routes(root), Body: web.MostUploaded}
	mounts[api.Path] = server.Mount{Handler: answers, Body: -1}
	mounts[api.AuthZENPath] = server.Mount{Handler: answers, Body: -1}
	return nil
}

// loopback reports whether an address is of this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}
