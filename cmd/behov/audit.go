package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/audit"
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
			when, err := a.period(i, at, "", "")
			if err != nil {
				return err
			}
			v := a.view(ctx, i)
			had, err := v.WhoHad(args[0], when)
			if err != nil {
				return err
			}
			return a.printAccess(i, v, had, "no one had "+args[0]+" then")
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "an instant, or a date for the whole day")
	return cmd
}

// period reads the flags of a question about the past: an instant or a day, or a time. It
// returns nil without any, which is now.
func (a *app) period(i *installation, at, from, to string) (*access.Period, error) {
	var p access.Period
	switch {
	case at != "" && (from != "" || to != ""):
		return nil, errors.New("--at goes without --from and --to")
	case at != "":
		s, err := a.parsePast("--at", at, i.zone)
		return &access.Period{From: s.from, To: s.to}, err
	case from == "" && to == "":
		return nil, nil
	}
	if from != "" {
		s, err := a.parsePast("--from", from, i.zone)
		if err != nil {
			return nil, err
		}
		p.From = s.from
	}
	if to != "" {
		s, err := parseStretch(to, i.zone)
		if err != nil {
			return nil, fmt.Errorf("--to: %w", err)
		}
		p.To = s.to
	}
	return &p, nil
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
			v := a.view(ctx, i)
			person, err := v.FindInTrail(args[0])
			if err != nil {
				return err
			}
			when, err := a.period(i, at, from, to)
			if err != nil {
				return err
			}
			had, err := v.AccessOf(person, when)
			if err != nil {
				return err
			}
			return a.printAccess(i, v, had, "nothing then")
		}),
	}
	cmd.Flags().StringVar(&at, "at", "", "an instant, or a date for the whole day")
	cmd.Flags().StringVar(&from, "from", "", "the beginning of a time")
	cmd.Flags().StringVar(&to, "to", "", "the end of a time; a date includes the day")
	return cmd
}

func (a *app) printAccess(i *installation, v *access.View, had []access.Access, none string) error {
	if a.json {
		return a.printJSON(itemsOf(had))
	}
	if len(had) == 0 {
		a.printf("%s.\n", strings.ToUpper(none[:1])+none[1:])
		return nil
	}
	const layout = "2006-01-02 15:04:05"
	t := a.newTable("PERSON", "ENTITLEMENT", "TARGET", "SINCE", "UNTIL", "WHY")
	for _, x := range had {
		until, why := "now", x.Reason.Text
		if x.NotSeenSince != nil {
			until = "unknown, not seen since " + x.NotSeenSince.In(i.zone).Format(layout)
		}
		if x.Until != nil {
			until = x.Until.In(i.zone).Format(layout)
			why += "; ended: " + x.Ended.Text
		}
		t.row(v.Name(x.Person.ID), x.Entitlement, x.Target, x.Since.In(i.zone).Format(layout), until, why)
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
				return a.printJSON(verifyJSON{s.Records, hex.EncodeToString(s.Head), len(s.Intervals), append([]audit.AttemptID{}, s.OpenSteps...)})
			}
			a.printf("Audit trail verified: %s, %s, head %x.\n", count(int(s.Records), "record", "records"), count(len(s.Intervals), "access interval", "access intervals"), s.Head)
			if n := len(s.OpenSteps); n > 0 {
				a.printf("%s begun and not seen to end; the next apply finds out.\n", count(n, "step was", "steps were"))
			}
			return nil
		}),
	}
}
