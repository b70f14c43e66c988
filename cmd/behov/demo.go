package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/demo"
	"github.com/behov/behov/internal/signin"
)

func (a *app) demoCommand() *cobra.Command {
	var once bool
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See behov work, on a made-up municipality",
		Long: `Play behov's main job on a made-up municipality of 300 people, against a
directory (LDAP) and a service (SCIM) that run inside this command and are
spoken to over real sockets. Each step is checked in those targets. Afterwards
they stay up, and so does the data, to be played with; pages are served on this
machine, with a link for each kind of reader; Ctrl-C ends it.`,
		Example: "  behov demo\n  behov demo --once     # exit after the story, non-zero if a step did not come true",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.demo(cmd.Context(), dir, once)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "exit after the story")
	cmd.Flags().StringVar(&dir, "dir", "", "where to keep the data (default: a new temporary directory; with --once it is removed)")
	return cmd
}

func (a *app) demo(ctx context.Context, dir string, once bool) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "behov-demo-"); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		if once {
			defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
		}
	}
	a.printf("behov demo: the municipality of Solvik, 300 people, 12 units, 60 entitlements.\n")
	servers, err := demo.StartServers(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close()) }()
	if err := demo.Write(dir, servers.At); err != nil {
		return err
	}
	a.printf("Its directory answers at %s, its case system at %s.\n", servers.At.LDAPURL, servers.At.SCIMURL)
	p := newProgress(a.stderr)
	story := demo.Story{Dir: dir, At: servers.At, Out: a.stdout, Progress: p.show}
	err = story.Play(ctx)
	p.done()
	if once || err != nil && !errors.Is(err, demo.ErrNotTrue) {
		return err
	}
	a.printTry(dir, servers.At, story.Mover())
	a.dir = dir
	err = errors.Join(err, a.tour(ctx, &story))
	a.printf("\nThe demo's targets are gone; the data is still in %s.\n", dir)
	return err
}

// tour serves the demo's pages until ctx ends, with a link for each kind of reader.
func (a *app) tour(ctx context.Context, story *demo.Story) error {
	i, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer i.db.Close() //nolint:errcheck // it is asked nothing more
	guides, err := story.Guides(ctx, i.db)
	if err != nil {
		return err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	s := serving{every: time.Minute, apply: true, listen: address}
	a.printf("\nOr open a page, on this machine, as one of them; what you decide is in the targets a second later:\n")
	for _, g := range guides {
		link := signin.NewDemoLink(g.Person)
		s.links = append(s.links, link)
		a.printf("  %s, %s: %s\n    %s\n", g.Name, g.Role, g.Task, link.Address("http://"+address))
	}
	quiet := *a
	quiet.stderr = io.Discard // one line for each request
	return quiet.serve(ctx, i, s)
}

// freeAddress returns a loopback address on which no one listens.
func freeAddress(ctx context.Context) (string, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", "127.0.0.1:8080")
	if err != nil {
		if l, err = c.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("demo: %w", err)
		}
	}
	return l.Addr().String(), l.Close()
}

// printTry says what to do while the targets are up.
func (a *app) printTry(dir string, at demo.Endpoints, mover string) {
	behov := "behov"
	if self, err := os.Executable(); err == nil {
		behov = self
		if strings.Contains(self, "go-build") {
			behov = "go run ./cmd/behov"
		}
	}
	a.printf(`
The targets stay up until Ctrl-C. In another terminal, try:
  %[1]s -c %[2]s plan
  %[1]s -c %[2]s explain %[9]s
  %[1]s -c %[2]s explain %[9]s library:loans
  %[1]s -c %[2]s audit who-had school:register
  %[1]s -c %[2]s audit access %[9]s --from %[3]s
  %[1]s -c %[2]s review list
  %[1]s -c %[2]s audit verify
Change something in HR's last export, %[4]s, and
  %[1]s -c %[2]s hr import %[4]s && %[1]s -c %[2]s plan
Look into the directory yourself:
  ldapsearch -x -H %[5]s -D %[6]s -y %[7]s -b %[8]s '(cn=school-register)'
`, behov, dir, a.now().Format("2006-01-02"), lastExport(dir), at.LDAPURL, at.BindDN, filepath.Join(dir, "directory.password"), at.GroupsDN, mover)
}

func lastExport(dir string) string {
	files, err := filepath.Glob(filepath.Join(dir, "hr-*.csv"))
	if err != nil || len(files) == 0 {
		return "hr.csv"
	}
	return files[len(files)-1]
}
