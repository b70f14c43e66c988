package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/store"
)

// requestOperations is what commands ask and decide about requests for access that ends.
type requestOperations interface {
	Requestable(ctx context.Context, search string) ([]access.Requestable, error)
	Requests(ctx context.Context) ([]access.Request, error)
	RequestsWaiting(ctx context.Context, mine bool) ([]access.Request, error)
	MyRequests(ctx context.Context) ([]access.Request, error)
	Request(ctx context.Context, number int64) (access.RequestDetail, error)
	RequestAccess(ctx context.Context, ref string, ask api.AccessAsked, emergency bool, reason string) (access.Decision, error)
	DecideRequest(ctx context.Context, number int64, verdict store.Verdict, reason string) (access.Decision, error)
}

func (a *app) requestsCommand() *cobra.Command {
	var mine, all, approve bool
	var by string
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "Ask for access until a day, and approve what others ask for",
		Long: `List the requests that wait for approvals, the oldest first; --to-approve lists those
that wait for you, --mine your own and those that you asked for others, and --all every
one, the newest first. What can be requested is in the
catalogue (behov requests catalogue), and the class of the system says for how long and
who approves. See behov help requests.`,
		Example: "  behov requests\n  behov requests --to-approve --by 1006\n  behov requests --mine --by 1004\n  behov requests --all",
		Args:    cobra.NoArgs,
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, _ []string) error {
			list := func(ctx context.Context) ([]access.Request, error) { return d.RequestsWaiting(ctx, approve) }
			switch {
			case mine && all, approve && (mine || all):
				return errors.New("say either --to-approve, --mine or --all")
			case mine:
				list = d.MyRequests
			case all:
				list = d.Requests
			}
			rows, err := list(ctx)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(rows))
			}
			if len(rows) == 0 {
				a.printf("No request%s.\n", map[bool]string{true: " waits"}[!mine && !all])
				return nil
			}
			t := a.newTable("REQUEST", "PERSON", "FOR", "UNTIL", "STATE", "WAITS FOR", "WHY")
			for _, r := range rows {
				t.row(r.Request, d.name(r.Person), r.Entitlement, r.Until, stateOf(r), waitsFor(d, r), r.Reason)
			}
			return t.print()
		}),
	}
	cmd.Flags().BoolVar(&approve, "to-approve", false, "list those that wait for you")
	cmd.Flags().BoolVar(&mine, "mine", false, "list your own, and those that you asked for others")
	cmd.Flags().BoolVar(&all, "all", false, "list every request, the newest first")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	cmd.AddCommand(a.requestsCatalogueCommand(), a.requestsShowCommand(), a.requestsAskCommand(), a.requestsEmergencyCommand(), a.requestsRenewCommand(),
		a.requestsDecideCommand(store.Approve, "Approve a request, for the part that waits for you"), a.requestsDecideCommand(store.Refuse, "Refuse a request; emergency access ends by it"),
		a.requestsDecideCommand(store.Withdraw, "Withdraw a request, and end the access that it gives"))
	return cmd
}

// stateOf returns where a request is, in a word or two.
func stateOf(r access.Request) string {
	if r.Emergency && r.State == access.StandsWaiting {
		return "emergency"
	}
	return string(r.State)
}

// waitsFor returns whom a request waits for.
func waitsFor(d *backend, r access.Request) string {
	if r.State != access.StandsWaiting {
		return "–"
	}
	var parts []string
	for _, p := range r.Approvers {
		var names []string
		for _, who := range p.People {
			names = append(names, d.name(who))
		}
		switch {
		case p.Decision != nil:
		case p.Vacant:
			parts = append(parts, string(p.Approver)+" (none works here: an operator)")
		case len(names) == 0:
			parts = append(parts, string(p.Approver))
		default:
			parts = append(parts, string(p.Approver)+" ("+strings.Join(names, " or ")+")")
		}
	}
	return strings.Join(parts, ", ")
}

func (a *app) requestsCatalogueCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "catalogue [SEARCH]",
		Short: "List what can be requested",
		Long: `List what can be requested: the entitlements with requestable: true or emergency: true
in the catalogue, for how many days at most, and who approves.`,
		Example: "  behov requests catalogue\n  behov requests catalogue library",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			all, err := d.Requestable(ctx, strings.Join(args, " "))
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(itemsOf(all))
			}
			if len(all) == 0 {
				a.printf("Nothing that can be requested: write requestable: true in the catalogue (behov help requests).\n")
				return nil
			}
			t := a.newTable("ENTITLEMENT", "NAME", "DAYS", "EMERGENCY", "APPROVED BY", "FOR")
			for _, r := range all {
				approvers := make([]string, len(r.Approvers))
				for i, by := range r.Approvers {
					approvers[i] = string(by)
				}
				t.row(r.Entitlement, r.SystemName+": "+r.Name, daysOr(r.Days), daysOr(r.EmergencyDays), strings.Join(approvers, ", "), r.Purpose)
			}
			return t.print()
		}),
	}
}

func daysOr(days int) string {
	if days == 0 {
		return "–"
	}
	return strconv.Itoa(days)
}

func (a *app) requestsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show REQUEST",
		Short:   "Show a request, with what its approvers need to know",
		Example: "  behov requests show 12",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(nil, func(ctx context.Context, d *backend, args []string) error {
			n, err := requestNumber(args[0])
			if err != nil {
				return err
			}
			r, err := d.Request(ctx, n)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(r)
			}
			a.printRequest(d, r)
			return nil
		}),
	}
}

func (a *app) printRequest(d *backend, r access.RequestDetail) {
	a.printf("Request %d: %s for %s until %s: %s\n", r.Request.Request, r.Entitlement, d.name(r.Person), r.Until, stateOf(r.Request))
	a.printf("  asked by %s on %s for %s: %s\n", d.actor(r.AskedBy), r.AskedAt.Time().In(d.zone).Format("2006-01-02 15:04"), r.Employment, textOr(r.Reason, "no reason is shown"))
	if r.Purpose != "" {
		a.printf("  what it is for: %s\n", r.Purpose)
	}
	if r.Renews != 0 {
		a.printf("  renews request %d\n", r.Renews)
	}
	if !r.Ended.IsZero() {
		a.printf("  gives nothing: %s\n", r.Ended.Text)
	}
	if !r.GateReason.IsZero() {
		a.printf("  would not be given at once: %s\n", r.GateReason.Text)
	}
	if r.Peers > 0 {
		a.printf("  %d of %d others in the same unit and job have it\n", r.PeersWith, r.Peers)
	}
	for _, c := range r.Conflicts {
		a.printf("  conflict %s (%s): %s\n", c.Conflict, c.Severity, c.Why)
	}
	if waits := waitsFor(d, r.Request); r.State == access.StandsWaiting {
		a.printf("  waits for: %s\n", waits)
	}
	for _, made := range r.Decisions {
		a.printf("  %s: %s by %s: %s\n", made.DecidedAt.Time().In(d.zone).Format("2006-01-02 15:04"), made.Decided.Text, d.actor(made.Maker), made.Reason)
	}
	for _, made := range r.Earlier {
		a.printf("  earlier, %s: %s by %s: %s\n", made.DecidedAt.Time().In(d.zone).Format("2006-01-02"), made.Decided.Text, d.actor(made.Maker), made.Reason)
	}
}

func requestNumber(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%q is no number of a request: behov requests lists them", text)
	}
	return n, nil
}

func (a *app) requestsAskCommand() *cobra.Command {
	var ask api.AccessAsked
	var reason, by string
	cmd := &cobra.Command{
		Use:   "ask PERSON ENTITLEMENT",
		Short: "Ask for access until a day, for yourself or your staff",
		Long: `Ask for an entitlement for a person until a day. It is given once all approvers that
the class of the system asks for have approved it, and ends by itself: after its last
day, and when the employment ends, or its manager or unit changes. What the person
would not get anyway is refused at once, with the reason.`,
		Example: "  behov requests ask 1004 library:loans --until 2027-01-31 --reason \"inventory in January\" --by 1004",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			ask.Entitlement = strings.TrimSpace(args[1])
			decided, err := d.RequestAccess(ctx, args[0], ask, false, reason)
			return a.requested(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&ask.Until, "until", "", "the last day (YYYY-MM-DD)")
	cmd.Flags().StringVar(&ask.Employment, "employment", "", "the employment it is for, HR's employment_id (default: the one in which you are the manager, or the main one)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the approvers and the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	_ = cmd.MarkFlagRequired("until") // the flag is there
	return cmd
}

func (a *app) requestsEmergencyCommand() *cobra.Command {
	var ask api.AccessAsked
	var reason, by string
	cmd := &cobra.Command{
		Use:   "emergency PERSON ENTITLEMENT",
		Short: "Take access at once, for a short time, and have it looked at afterwards",
		Long: `Take an entitlement at once, where the catalogue says emergency: true: until the last
day that the class of the system allows, or until an earlier one. It raises an alert.
The approvers approve it or refuse it afterwards, and refused it ends at once; until
they have, it cannot be taken again.`,
		Example: "  behov requests emergency 1004 care:record --reason \"a patient in acute need, the nurse on duty is ill\" --by 1004",
		Args:    cobra.ExactArgs(2),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			ask.Entitlement = strings.TrimSpace(args[1])
			decided, err := d.RequestAccess(ctx, args[0], ask, true, reason)
			return a.requested(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&ask.Until, "until", "", "the last day (YYYY-MM-DD; default: the last one that is allowed)")
	cmd.Flags().StringVar(&ask.Employment, "employment", "", "the employment it is for, HR's employment_id (default: the one in which you are the manager, or the main one)")
	cmd.Flags().StringVar(&reason, "reason", "", "what the emergency is, for the approvers and the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

func (a *app) requestsRenewCommand() *cobra.Command {
	var reason, by, until string
	cmd := &cobra.Command{
		Use:   "renew REQUEST",
		Short: "Ask for the same again until a later day, before it ends",
		Long: `Ask for what a request gives until a later day. It is approved as the request was,
and the access goes on without a break when that happens before its last day.`,
		Example: "  behov requests renew 12 --until 2027-04-30 --reason \"the inventory goes on\" --by 1004",
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			n, err := requestNumber(args[0])
			if err != nil {
				return err
			}
			r, err := d.Request(ctx, n)
			if err != nil {
				return err
			}
			decided, err := d.RequestAccess(ctx, string(r.Person.ID), api.AccessAsked{Entitlement: string(r.Entitlement), Until: until, Renews: n}, false, reason)
			return a.requested(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&until, "until", "", "the last day (YYYY-MM-DD)")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the approvers and the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	_ = cmd.MarkFlagRequired("until") // the flag is there
	return cmd
}

func (a *app) requestsDecideCommand(verdict store.Verdict, short string) *cobra.Command {
	var reason, by string
	cmd := &cobra.Command{
		Use:     string(verdict) + " REQUEST",
		Short:   short,
		Example: fmt.Sprintf("  behov requests %s 12 --reason \"discussed with the unit\" --by 1001", verdict),
		Args:    cobra.ExactArgs(1),
		RunE: a.withBackend(&by, func(ctx context.Context, d *backend, args []string) error {
			n, err := requestNumber(args[0])
			if err != nil {
				return err
			}
			decided, err := d.DecideRequest(ctx, n, verdict, reason)
			return a.requested(d, decided, err)
		}),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the audit trail")
	cmd.Flags().StringVar(&by, "by", "", byHelp)
	return cmd
}

// requested prints a decision about a request.
func (a *app) requested(d *backend, decided access.Decision, err error) error {
	if err != nil {
		return err
	}
	if a.json {
		return a.printJSON(decided)
	}
	a.printf("Decided: %s: %s: %s (request %s, decision %d). See behov requests show %s.\n", d.about(decided), decided.Entitlement, decided.Decided.Text, decided.Subject, decided.Seq, decided.Subject)
	return nil
}
