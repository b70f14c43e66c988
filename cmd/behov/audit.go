package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/audit"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/reconcile"
	"github.com/behov/behov/internal/store"
)

func (a *app) auditCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Ask who had access to what, when and why; verify the trail"}
	cmd.AddCommand(a.whoHadCommand(), a.accessCommand(), a.logCommand(), a.verifyCommand())
	return cmd
}

const instantHelp = `An instant is "2026-11-23T14:05:00+01:00", "2026-11-23 14:05" in the
organisation's time zone, or a date, which stands for the whole day.`

// stretch is a stretch of time; a single instant is a microsecond long.
type stretch struct{ from, to time.Time }

// parseStretch reads an instant, or a date, which is the whole day.
func parseStretch(s string, zone *time.Location) (stretch, error) {
	if t, err := time.ParseInLocation(time.DateOnly, s, zone); err == nil {
		return stretch{t, t.AddDate(0, 0, 1)}, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return stretch{t, t.Add(time.Microsecond)}, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			return stretch{t, t.Add(time.Microsecond)}, nil
		}
	}
	return stretch{}, fmt.Errorf("%q is no instant: write 2026-11-23, \"2026-11-23 14:05\" or 2026-11-23T14:05:00+01:00", s)
}

// parsePast reads an instant or a date that has begun. The trail knows nothing of the
// future, and who has something now would be listed as having it then.
func (a *app) parsePast(flag, text string, zone *time.Location) (stretch, error) {
	s, err := parseStretch(text, zone)
	if err == nil && s.from.After(a.now()) {
		err = fmt.Errorf("%s has not come yet, and the audit trail says what was: see with behov plan --as-of %s what will change until then", text, s.from.In(zone).Format(time.DateOnly))
	}
	if err != nil {
		return stretch{}, fmt.Errorf("%s: %w", flag, err)
	}
	return s, nil
}

func (a *app) whoHadCommand() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:     "who-had ENTITLEMENT",
		Short:   "List who had an entitlement at an instant (now, unless told)",
		Long:    "List who had an entitlement, since when, until when, and why.\n" + instantHelp,
		Example: "  behov audit who-had care:record\n  behov audit who-had care:record --at 2026-11-23\n  behov audit who-had account --at \"2026-11-23 14:05\"     # everyone with a usable account",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			q := store.IntervalQuery{Entitlement: args[0]}.At(a.now())
			if at != "" {
				s, err := a.parsePast("--at", at, i.zone)
				if err != nil {
					return err
				}
				q.From, q.To = s.from, s.to
			}
			intervals, err := i.db.Intervals(ctx, q)
			if err != nil {
				return err
			}
			if len(intervals) == 0 && args[0] != audit.Account {
				if err := knownEntitlement(ctx, i, args[0]); err != nil {
					return err
				}
			}
			return a.printIntervals(ctx, i, intervals, at == "", "no one had "+args[0]+" then")
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "an instant, or a date for the whole day")
	return cmd
}

// knownEntitlement fails for an entitlement that neither the catalogue nor the audit
// trail knows, so that a misspelt one is not answered with an empty list.
func knownEntitlement(ctx context.Context, i *installation, id string) error {
	for _, e := range i.config.Rules.Catalogue.Entitlements {
		if string(e.ID) == id {
			return nil
		}
	}
	ever, err := i.db.EntitlementEverHeld(ctx, id)
	if err != nil || ever {
		return err
	}
	return fmt.Errorf("no entitlement %q is in the catalogue or was ever given", id)
}

func (a *app) accessCommand() *cobra.Command {
	var at, from, to string
	cmd := &cobra.Command{
		Use:     "access PERSON",
		Short:   "List what a person had, at an instant or during a time (now, unless told)",
		Long:    "List what a person had, since when, until when, and why. A person who was erased is\nknown by their ID only.\n" + instantHelp,
		Example: "  behov audit access 1004\n  behov audit access 1004 --at 2026-11-23\n  behov audit access 1004 --from 2026-01-01 --to 2026-12-31",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			person, err := findAuditedPerson(ctx, i, args[0])
			if err != nil {
				return err
			}
			q := store.IntervalQuery{Person: person}
			switch {
			case at != "" && (from != "" || to != ""):
				return fmt.Errorf("--at goes without --from and --to")
			case at != "":
				s, err := a.parsePast("--at", at, i.zone)
				if err != nil {
					return err
				}
				q.From, q.To = s.from, s.to
			case from != "" || to != "":
				if from != "" {
					s, err := a.parsePast("--from", from, i.zone)
					if err != nil {
						return err
					}
					q.From = s.from
				}
				if to != "" {
					s, err := parseStretch(to, i.zone)
					if err != nil {
						return fmt.Errorf("--to: %w", err)
					}
					q.To = s.to
				}
			default:
				q = q.At(a.now())
			}
			intervals, err := i.db.Intervals(ctx, q)
			if err != nil {
				return err
			}
			return a.printIntervals(ctx, i, intervals, at == "" && from == "" && to == "", "nothing then")
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "an instant, or a date for the whole day")
	cmd.Flags().StringVar(&from, "from", "", "the beginning of a time")
	cmd.Flags().StringVar(&to, "to", "", "the end of a time; a date includes the day")
	return cmd
}

// intervalJSON is an interval as --json prints it.
type intervalJSON struct {
	Person      identity.PersonID `json:"person"`
	Name        string            `json:"name"`
	Target      string            `json:"target"`
	Entitlement string            `json:"entitlement"`
	Since       time.Time         `json:"since"`
	Until       *time.Time        `json:"until,omitempty"`
	// NotSeen is since when no reading of the target shows it: whether it is still
	// there is unknown.
	NotSeen *time.Time `json:"not_seen_since,omitempty"`
	// Reason and Ended are why it was given, and why it ended; Why and EndedWhy the same
	// in words.
	Reason   reason.Reason `json:"reason"`
	Ended    reason.Reason `json:"ended,omitzero"`
	Why      string        `json:"why"`
	EndedWhy string        `json:"ended_why,omitempty"`
	Records  []int64       `json:"records"`
}

// printIntervals prints access. Of what people have now the reason is the one in
// force, which after a move may be a handover, and not the one it was given for.
func (a *app) printIntervals(ctx context.Context, i *installation, intervals []audit.Interval, now bool, none string) error {
	n := newNames(ctx, i)
	var ids []identity.PersonID
	var numbers []int64
	var reasons []reason.Reason
	for _, x := range intervals {
		ids = append(ids, x.Person)
		reasons = append(reasons, x.Reason)
		if !x.Until.IsZero() {
			numbers = append(numbers, x.UntilRecord)
		}
	}
	whys, err := i.db.RecordReasons(ctx, numbers)
	if err != nil {
		return err
	}
	if err := n.load(ids, slices.AppendSeq(reasons, maps.Values(whys))...); err != nil {
		return err
	}
	var handed map[identity.PersonID]map[policy.EntitlementID]reason.Reason
	if now {
		if handed, err = reconcile.HandoversOn(ctx, i.db, i.config, ids, identity.DateOf(a.now(), i.zone)); err != nil {
			return err
		}
	}
	rows := make([]intervalJSON, len(intervals))
	for j, x := range intervals {
		rows[j] = intervalJSON{Person: x.Person, Name: n.of(x.Person), Target: x.Target, Entitlement: x.Entitlement, Since: x.Since,
			Reason: x.Reason, Records: []int64{x.SinceRecord}}
		if why := handed[x.Person][policy.EntitlementID(x.Entitlement)]; !why.IsZero() {
			rows[j].Reason = why
		}
		rows[j].Why = n.in(rows[j].Reason)
		if !x.UnseenSince.IsZero() {
			rows[j].NotSeen = &x.UnseenSince
			rows[j].Records = append(rows[j].Records, x.UnseenRecord)
		}
		if !x.Until.IsZero() {
			rows[j].Until, rows[j].Ended, rows[j].EndedWhy = &x.Until, whys[x.UntilRecord], n.in(whys[x.UntilRecord])
			rows[j].Records = append(rows[j].Records, x.UntilRecord)
		}
	}
	if a.json {
		return a.printJSON(rows)
	}
	if len(rows) == 0 {
		a.printf("%s.\n", strings.ToUpper(none[:1])+none[1:])
		return nil
	}
	const layout = "2006-01-02 15:04:05"
	t := a.newTable("PERSON", "ENTITLEMENT", "TARGET", "SINCE", "UNTIL", "WHY")
	for _, r := range rows {
		until, why := "now", r.Why
		if r.NotSeen != nil {
			until = "unknown, not seen since " + r.NotSeen.In(i.zone).Format(layout)
		}
		if r.Until != nil {
			until = r.Until.In(i.zone).Format(layout)
			why += "; ended: " + r.EndedWhy
		}
		t.row(r.Name, r.Entitlement, r.Target, r.Since.In(i.zone).Format(layout), until, why)
	}
	return t.print()
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Verify that the audit trail was not changed",
		Long: `Read the whole audit trail and check that no record was changed, removed, put in
or moved, that every step has one outcome, and that the access intervals that
questions are answered from are those the records give. Note the head it prints
somewhere else: the same head later proves that nothing before it changed.`,
		Example: "  behov audit verify",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			s, err := i.db.VerifyAudit(ctx)
			if err != nil {
				return fmt.Errorf("the audit trail does not verify: %w", err)
			}
			if a.json {
				return a.printJSON(map[string]any{"records": s.Records, "head": hex.EncodeToString(s.Head), "intervals": len(s.Intervals), "open_steps": s.OpenSteps})
			}
			a.printf("Audit trail verified: %s, %s, head %x.\n", count(int(s.Records), "record", "records"), count(len(s.Intervals), "access interval", "access intervals"), s.Head)
			if n := len(s.OpenSteps); n > 0 {
				a.printf("%s begun and not seen to end; the next apply finds out.\n", count(n, "step was", "steps were"))
			}
			return nil
		}),
	}
}
