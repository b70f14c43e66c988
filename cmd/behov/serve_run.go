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
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/outbound"
	"github.com/behov/behov/internal/scimserver"
	"github.com/behov/behov/internal/server"
	"github.com/behov/behov/internal/service"
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

// serve serves and listens until ctx ends, or until it cannot.
func (a *app) serve(ctx context.Context, i *installation, s serving) error {
	var handler slog.Handler = slog.NewTextHandler(a.stderr, nil)
	if a.json {
		handler = slog.NewJSONHandler(a.stderr, nil)
	}
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
	service := &service.Service{DB: i.db, Config: i.config, Now: a.now, Log: slog.New(handler), Every: s.every, Apply: s.apply, Again: again, Load: a.loadAgain,
		Connect: func(c *config.Config) (map[string]connectors.Connector, error) { return targets.Connect(c, i.db) }}
	service.Listen = func(c *config.Config, importer *hr.Importer) (http.Handler, error) {
		scim, err := scimserver.New(importer, c.Sources, scimserver.Host{Log: slog.New(handler), TokenRefused: service.TokenRefused})
		if err != nil {
			return nil, err
		}
		events, err := outbound.Handler(c, i.db, a.now, slog.New(handler))
		return server.New(service.Ready, map[string]http.Handler{scimserver.Path: scim, outbound.Path: events, outbound.WellKnown: events}), err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	metrics := http.NewServeMux()
	metrics.Handle("GET /metrics", service.Metrics())
	listeners := map[*server.Listener]http.Handler{}
	for _, each := range []struct {
		flag, address string
		h             http.Handler
	}{{"--listen", s.listen, service}, {"--metrics", s.metrics, metrics}} {
		if each.address == "" {
			continue
		}
		l, err := server.Listen(ctx, each.address, s.cert, s.key, slog.New(handler))
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
