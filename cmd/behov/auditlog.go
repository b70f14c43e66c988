package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
)

func (a *app) logCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "log [PERSON]",
		Short: "List the records of the audit trail, of everything or about one person",
		Long: `List the records of the audit trail in their order: when, what, about whom, why, and
by whom: the person who decided and by which authority, and the user of the operating
system whose process wrote the record. With --json each record is one line, with its
hash, as behov audit verify checks it, and with what is sealed in it opened, but for
people with protected identity. Over a server the values that steps wrote stay sealed.
` + instantHelp,
		Example: "  behov audit log --from 2026-11-23\n  behov audit log 1004\n  behov audit log --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			var since, until stretch
			var err error
			if from != "" {
				if since, err = a.parsePast("--from", from, d.zone); err != nil {
					return err
				}
			}
			if to != "" {
				if until, err = a.parsePast("--to", to, d.zone); err != nil {
					return err
				}
			}
			return d.Records(ctx, strings.Join(args, ""), access.Period{From: since.from, To: until.to}, a.json, func(r access.Record) error {
				return a.printRecord(d, r)
			})
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "since this instant")
	cmd.Flags().StringVar(&to, "to", "", "until this instant")
	return cmd
}

// printRecord prints a record: as one line of JSON, or as people read it.
func (a *app) printRecord(d *backend, r access.Record) error {
	if a.json {
		line := recordJSON{Version: jsonVersion, Opened: r.Opened}
		if r.Stored != nil {
			line.Record = *r.Stored
		}
		return json.NewEncoder(a.stdout).Encode(line)
	}
	by := d.actor(r.Actor)
	if r.Authority != "" {
		by += " (" + r.Authority + ")"
	}
	if r.Operator.Actor != "" && r.Operator.Actor != r.Actor.Actor {
		by += ", run by " + string(r.Operator.Actor)
	}
	var about []string
	if r.Person != nil {
		about = append(about, d.name(*r.Person))
	}
	for _, s := range []string{r.Target, r.Entitlement, r.Op, string(r.Outcome)} {
		if s != "" {
			about = append(about, s)
		}
	}
	reason := r.Reason.Text
	if r.Wrote != "" {
		reason += ": " + r.Wrote
	}
	_, err := fmt.Fprintf(a.stdout, "%d  %s  %s  %s\n  by %s\n  %s\n", r.Index, r.At.In(d.zone).Format("2006-01-02 15:04:05"), r.Action, strings.Join(about, ", "), by, reason)
	return err
}
