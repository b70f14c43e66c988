package main

import (
	"fmt"
	"strings"

	"github.com/behov/behov/internal/access"
)

// printPerson prints where a person stands.
func (a *app) printPerson(d *backend, p access.Person) {
	login := p.Login
	if p.Masked {
		login = "masked"
	}
	a.printf("%s, login %s, on %s\n", d.name(p.Person), login, p.AsOf)
	a.printf("  %s: %s\n", p.Stage.State, p.Stage.Because.Text)
	for _, decided := range []access.Reason{p.Suspended, p.LegalHold} {
		if !decided.IsZero() {
			a.printf("  %s\n", decided.Text)
		}
	}
	for _, e := range p.Employments {
		a.printf("  %s: %s, %s to %s%s\n", e.Employment, termsText(e.Terms, p.Masked), e.Start, orDash(string(e.End)), employmentText(e))
		for _, later := range e.Later {
			a.printf("    from %s: %s\n", later.From, termsText(later, p.Masked))
		}
	}
	if !p.Active {
		a.printf("  No employment runs, so the rules give nothing.\n")
	}
}

func termsText(t access.Terms, masked bool) string {
	unit := t.UnitName
	if masked {
		unit = "masked"
	}
	return fmt.Sprintf("%s at %s, %g %%", orDash(t.JobTitle), orDash(unit), t.Percent)
}

func employmentText(e access.Employment) string {
	switch e.State {
	case access.EmploymentWithdrawn:
		return ", withdrawn by HR on " + string(e.Withdrawn)
	case access.EmploymentNotBegun:
		return ", not begun"
	case access.EmploymentEnded:
		return ", ended"
	case access.EmploymentOnLeave:
		return ", on leave"
	}
	return ""
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

func prefixed(prefix, s string) string {
	if strings.TrimSpace(s) == "" {
		return ""
	}
	return fmt.Sprint(prefix, s)
}
