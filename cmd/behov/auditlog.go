package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
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
people with protected identity.
` + instantHelp,
		Example: "  behov audit log --from 2026-11-23\n  behov audit log 1004\n  behov audit log --json",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			var person identity.PersonID
			var since, until stretch
			var err error
			if len(args) == 1 {
				if person, err = a.view(ctx, i).FindInTrail(args[0]); err != nil {
					return err
				}
			}
			if from != "" {
				if since, err = a.parsePast("--from", from, i.zone); err != nil {
					return err
				}
			}
			if to != "" {
				if until, err = a.parsePast("--to", to, i.zone); err != nil {
					return err
				}
			}
			n := a.view(ctx, i)
			of := store.Everyone()
			if person != "" {
				of = store.Only(person)
			}
			for r, err := range i.db.AuditRecords(ctx, of) {
				if err != nil {
					return err
				}
				if r.At.Before(since.from) || !until.to.IsZero() && !r.At.Before(until.to) {
					continue
				}
				var opened []byte
				if !n.Masked(r.Person) {
					if opened, err = i.db.DecryptPayload(ctx, r); err != nil {
						return err
					}
				}
				if err := a.printRecord(i, n, r, opened); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "since this instant")
	cmd.Flags().StringVar(&to, "to", "", "until this instant")
	return cmd
}

// printRecord prints a record with its opened payload: as one line of JSON, or as
// people read it.
func (a *app) printRecord(i *installation, n *access.View, r audit.Record, opened []byte) error {
	if a.json {
		line := recordJSON{Version: jsonVersion, Record: r}
		if json.Valid(opened) {
			line.Opened = opened
		}
		return json.NewEncoder(a.stdout).Encode(line)
	}
	by := n.Actor(r.Actor)
	if r.Authority != "" {
		by += " (" + r.Authority + ")"
	}
	if r.Operator != "" && r.Operator != r.Actor {
		by += ", run by " + string(r.Operator)
	}
	var about []string
	if r.Person != "" {
		about = append(about, n.Name(r.Person))
	}
	for _, s := range []string{r.Target, r.Entitlement, r.Op, string(r.Outcome)} {
		if s != "" {
			about = append(about, s)
		}
	}
	reason := n.Text(r.Reason)
	var written struct {
		Reason string `json:"reason"`
	}
	if json.Unmarshal(opened, &written) == nil && written.Reason != "" {
		reason += ": " + written.Reason
	}
	_, err := fmt.Fprintf(a.stdout, "%d  %s  %s  %s\n  by %s\n  %s\n", r.Index, r.At.In(i.zone).Format("2006-01-02 15:04:05"), r.Action, strings.Join(about, ", "), by, reason)
	return err
}
