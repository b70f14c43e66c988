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

// askToImport asks whether the person whom operators name for the user may import a file.
// Without operators nobody knows who the user is.
func (a *app) askToImport(ctx context.Context, i *installation) error {
	if i.config.Operators == nil {
		return nil
	}
	subject, err := a.firstSubject(ctx, i, "")
	if err != nil {
		return err
	}
	return a.governance(i).MayImport(ctx, subject)
}

func pickSource(c *config.Config, name string) (config.Source, error) {
	names := c.FileSources()
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	s, ok := c.Sources[name]
	if !ok || s.Forms {
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
