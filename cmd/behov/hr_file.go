package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/reason"
)

// mayImport asks, where behov.yaml says which user is which person, whether that
// person may import a file: what HR says gives units, jobs and managers, and with them
// rights. While no person is known there is no one to ask.
func (a *app) mayImport(ctx context.Context, i *installation) error {
	if n, err := i.db.CountPeople(ctx); err != nil || n == 0 || i.config.Operators == nil {
		return err
	}
	subject, err := a.subject(ctx, i, "")
	if err != nil {
		return err
	}
	return a.governance(i).MayImport(ctx, subject)
}

func pickSource(c *config.Config, name string) (config.Source, error) {
	names := sortedKeys(c.Sources)
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	s, ok := c.Sources[name]
	if !ok {
		return s, fmt.Errorf("which source is it from? --source with one of %s", strings.Join(names, ", "))
	}
	return s, nil
}

// readFile returns what is in a file, and when it was made and the warning as
// hr.ExportedAt; of the standard input the time is not known.
func (a *app) readFile(name string, zone *time.Location) (content []byte, made time.Time, warning reason.Reason, err error) {
	if name == "-" {
		content, err = io.ReadAll(a.stdin)
		return content, made, warning, err
	}
	if content, err = os.ReadFile(name); err != nil {
		return nil, made, warning, err
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, made, warning, err
	}
	made, warning = hr.ExportedAt(name, info.ModTime(), a.now(), zone)
	return content, made, warning, nil
}
