package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/diagnostic"
	"github.com/behov/behov/internal/policy"
	"github.com/behov/behov/internal/store"
	"github.com/behov/behov/internal/wording"
)

func (a *app) rulesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "rules", Short: "Test rules, approve them, and see which are missing or not needed"}
	cmd.AddCommand(a.rulesTestCommand(), a.rulesSuggestCommand(), a.rulesListCommand(), a.rulesProposeCommand(), a.rulesDecideCommand("approve", store.Approve), a.rulesDecideCommand("reject", store.Reject))
	return cmd
}

func (a *app) rulesTestCommand() *cobra.Command {
	var pattern string
	var offline bool
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Run the cases beside the rules",
		Long: `Run the cases in tests.yaml and *_test.yaml beside the rules: each says what a person,
made up or known, has on a day. What a case lacks is printed at its place in the file,
with the nearest rule; what is too much with the rule that gives it.

Exit status: 0 all cases pass, 1 one fails or cannot be read.`,
		Example: "  behov rules test\n  behov rules test --run nurse\n  behov rules test --offline     # without cases about people in the database, as in a CI job",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.testRules(cmd.Context(), c, pattern, offline)
		},
	}
	cmd.Flags().StringVar(&pattern, "run", "", "run the cases with this in their names, in any case")
	cmd.Flags().BoolVar(&offline, "offline", false, "skip cases about people in the database")
	return cmd
}

func (a *app) testRules(ctx context.Context, c *config.Config, pattern string, offline bool) error {
	cases, problems := c.Cases()
	all := len(cases) + len(problems)
	cases = slices.DeleteFunc(cases, func(x policy.Case) bool { return !policy.MatchesCase(&x, pattern) })
	var db *store.DB
	if !offline && slices.ContainsFunc(cases, func(x policy.Case) bool { return x.NeedsPerson() }) {
		var err error
		if db, err = currentDatabase(ctx, c); err != nil {
			return err
		}
		if db != nil {
			defer db.Close() //nolint:errcheck // it is only read
		}
	}
	results, err := a.runCases(ctx, c, db, cases)
	if err != nil {
		return err
	}
	out := access.CountCases(results, problems)
	words := printerFor(wording.Reader{Place: wording.Shell})
	for _, p := range problems {
		fmt.Fprintln(a.stderr, words.Problem(p))
	}
	status := error(nil)
	if out.Failed > 0 || len(problems) > 0 {
		status = exit(exitError)
	}
	if a.json {
		return errors.Join(a.printJSON(out), status)
	}
	for _, r := range results {
		for _, line := range failureLines(r) {
			a.printf("%s\n", line)
		}
	}
	switch {
	case all == 0:
		a.printf("There are no cases: write tests.yaml beside the rules (behov help rules).\n")
		return nil
	case len(results) == 0 && len(problems) == 0:
		return fmt.Errorf("no case has %q in its name", pattern)
	}
	a.printf("%s", count(out.Passed, "case passes", "cases pass"))
	if out.Failed > 0 {
		a.printf(", %s", count(out.Failed, "fails", "fail"))
	}
	if out.Skipped > 0 {
		a.printf(", %s about a known person and not run", count(out.Skipped, "is", "are"))
	}
	if len(problems) > 0 {
		a.printf(", %s", count(len(problems), "problem in case files", "problems in case files"))
	}
	a.printf(".\n")
	return status
}

// runCases runs cases; without a database those about people who are known are skipped.
func (a *app) runCases(ctx context.Context, c *config.Config, db *store.DB, cases []policy.Case) ([]access.CaseResult, error) {
	answers := &access.Answers{Config: c, Now: a.now}
	if db != nil {
		answers.DB = db
	}
	v, err := answers.For(ctx, access.Viewer{Language: language(), Place: wording.Shell})
	if err != nil {
		return nil, err
	}
	return v.TestRules(cases)
}

// outcomeWords say how an entitlement stands in a test of rules.
var outcomeWords = map[policy.Outcome]string{
	policy.Outcome(policy.Open): "given", policy.NotGiven: "not given", policy.Outcome(policy.AwaitingMFA): "waiting for MFA", policy.Outcome(policy.MFAUnknown): "waiting: it is not known who is enrolled for MFA",
	policy.Outcome(policy.Withheld): "withheld", policy.Outcome(policy.Denied): "denied", policy.Outcome(policy.Revoked): "revoked by a decision", policy.Outcome(policy.Kept): "kept",
}

// failureLines returns what is printed of a case that fails; none of another.
func failureLines(r access.CaseResult) []string {
	place := diagnostic.Problem{File: r.File, Line: r.Line, Column: r.Column}
	if r.Error != "" {
		return []string{fmt.Sprintf("%s: case %q: %s", place.Place(), r.Case, r.Error)}
	}
	var lines []string
	for _, d := range r.Differences {
		place.Line, place.Column = d.Line, d.Column
		switch {
		case d.Want == policy.NotGiven:
			lines = append(lines, fmt.Sprintf("%s: case %q: too much: %s is %s", place.Place(), r.Case, d.Entitlement, outcomeWords[d.Got]))
		case d.Want == policy.Outcome(policy.Open):
			lines = append(lines, fmt.Sprintf("%s: case %q: missing: %s is %s", place.Place(), r.Case, d.Entitlement, outcomeWords[d.Got]))
		default:
			lines = append(lines, fmt.Sprintf("%s: case %q: %s is %s, and should be %s", place.Place(), r.Case, d.Entitlement, outcomeWords[d.Got], outcomeWords[d.Want]))
		}
		for _, why := range d.Reasons {
			lines = append(lines, "    "+why.Text)
		}
		switch n := d.Nearest; {
		case n != nil:
			lines = append(lines, fmt.Sprintf("    nearest: rule %s (%s)%s", n.Rule, n.Place, madeUp(n)))
			for _, part := range n.Parts {
				if !part.Satisfied {
					lines = append(lines, fmt.Sprintf("      fails  %s%s", part.Text, prefixed("   — ", fieldValues(part.Actual))))
				}
			}
		case d.Got == policy.NotGiven:
			lines = append(lines, "    no rule gives it to an employment of the person")
		}
	}
	return lines
}

// madeUp names the employment of a person who is made up, by its place in the case.
func madeUp(n *policy.NearRule) string {
	if strings.HasPrefix(string(n.Employment), "employment ") {
		return ", for " + string(n.Employment)
	}
	return ""
}

// checkCases runs the cases beside the rules that need no database, for behov check, and
// returns a warning for each that fails or cannot be read: it stops no one from connecting a
// target.
func (a *app) checkCases(ctx context.Context, c *config.Config) (counted casesJSON, problems []diagnostic.Problem, err error) {
	cases, problems := c.Cases()
	results, err := a.runCases(ctx, c, nil, cases)
	if err != nil {
		return counted, nil, err
	}
	for _, r := range results {
		switch {
		case r.Passed:
			counted.Passed++
		case r.Skipped:
			counted.Skipped++
		default:
			problems = append(problems, diagnostic.Problem{File: r.File, Line: r.Line, Column: r.Column, Text: fmt.Sprintf("case %q fails: %s", r.Case, firstFailure(r))})
		}
	}
	for i := range problems {
		problems[i].Warning = true
	}
	return counted, problems, nil
}

func (c casesJSON) text() string {
	if c == (casesJSON{}) {
		return ""
	}
	said := "Of the cases beside the rules " + count(c.Passed, "passes", "pass")
	if c.Skipped > 0 {
		said += fmt.Sprintf("; %s a known person (behov rules test)", count(c.Skipped, "is about", "are about"))
	}
	return said + ".\n"
}

// firstFailure says where a case that fails first differs.
func firstFailure(r access.CaseResult) string {
	if r.Error != "" {
		return r.Error
	}
	texts := make([]string, 0, len(r.Differences))
	for _, d := range r.Differences {
		texts = append(texts, fmt.Sprintf("%s is %s, and should be %s", d.Entitlement, outcomeWords[d.Got], outcomeWords[d.Want]))
	}
	return strings.Join(texts, "; ")
}
