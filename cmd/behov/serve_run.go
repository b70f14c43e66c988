package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/behov/behov/connectors"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/service"
	"github.com/behov/behov/internal/signin"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/targets"
)

// loadAgain loads the configuration with every problem in one error.
func (a *app) loadAgain() (*config.Config, error) {
	c, problems := config.Load(a.dir)
	if c != nil {
		return c, nil
	}
	var errs []error
	for _, p := range problems {
		if !p.Warning {
			errs = append(errs, p)
		}
	}
	return nil, errors.Join(errs...)
}

// loadInForce loads the configuration with the rules that may be used.
func (a *app) loadInForce(ctx context.Context, db *store.DB) (*config.Config, error) {
	c, err := a.loadAgain()
	if err != nil {
		return nil, err
	}
	return reconcile.RulesInForce(ctx, db, c)
}

// serve serves and listens until ctx ends, or until it cannot.
func (a *app) serve(ctx context.Context, i *installation, s serving) error {
	var handler slog.Handler = slog.NewTextHandler(a.stderr, nil)
	if a.json {
		handler = slog.NewJSONHandler(a.stderr, nil)
	}
	server.ShareProcessors()
	sent, err := traces(ctx)
	if err != nil {
		return err
	}
	defer sent()
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	defer signal.Stop(again)
	if i.db.IsNew() {
		slog.New(handler).Warn("created a new database; if there should be one already, stop and check that its disk is mounted", "database", placeOf(i.config.Database))
	}
	service := &service.Service{DB: i.db, Config: i.config, Now: a.now, Log: slog.New(handler), Every: s.every, Apply: s.apply, Again: again, Load: func() (*config.Config, error) { return a.loadInForce(ctx, i.db) },
		Connect: func(c *config.Config) (map[string]connectors.Connector, error) { return targets.Connect(c, i.db) }}
	m := &mounting{app: a, i: i, service: service, serving: s, log: slog.New(handler)}
	m.links = s.links
	if s.local != "" {
		p, err := i.db.FindPerson(ctx, s.local, i.config.First)
		if err != nil {
			return fmt.Errorf("--local-sign-in: %w", err)
		}
		link := signin.NewLink(p.ID, a.now())
		m.links = append(m.links, link)
		a.printf("To sign in, open this once, on this machine, within 15 minutes:\n  %s\n", link.Address("http://"+s.listen))
	}
	service.Listen = m.handler
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", service.Metrics())
	listeners := map[*server.Listener]http.Handler{}
	options := server.Options{CertFile: s.cert, KeyFile: s.key, Insecure: s.insecure, Proxies: i.config.Serve.Proxies,
		// SCIM signs its clients in by tokens, and metrics name no person. What answers
		// to people is mounted where they can sign in, or on this machine alone.
		SignIn: true}
	public := options
	public.ACME = acme(i.config.Serve.ACME) // of --listen only: metrics are not on port 443
	for _, each := range []struct {
		flag, address string
		h             http.Handler
		options       server.Options
	}{{"--listen", s.listen, service, public}, {"--metrics", s.metrics, metrics, options}} {
		if each.address == "" {
			continue
		}
		l, err := server.Listen(ctx, each.address, each.options, slog.New(handler))
		if err != nil {
			return fmt.Errorf("%s: %w", each.flag, err)
		}
		defer l.Close() //nolint:errcheck // it is closed already when it was served on
		listeners[l] = each.h
	}
	served := make(chan error, 1)
	go func() {
		defer stop()
		served <- service.Run(ctx)
	}()
	var listening []chan error
	for l, h := range listeners {
		done := make(chan error, 1)
		listening = append(listening, done)
		go func() {
			defer stop()
			done <- l.Serve(ctx, h)
		}()
	}
	err = <-served
	for _, done := range listening {
		err = errors.Join(err, <-done)
	}
	return err
}

// acme returns how certificates are got by ACME; nil when they are not.
func acme(c *config.ACME) *server.ACME {
	if c == nil {
		return nil
	}
	return &server.ACME{Hosts: c.Hosts, Directory: c.Directory, Cache: c.Cache, Contact: c.Contact, CAFile: c.CAFile}
}
