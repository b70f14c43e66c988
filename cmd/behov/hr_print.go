package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/access"
	"github.com/behov/behov/internal/api"
	"github.com/behov/behov/internal/hr"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/wording"
)

// printImport prints what an import did, with the values that are wrong when
// show says so.
func (a *app) printImport(v *access.View, file string, r *hr.Report, show bool) (err error) {
	said, words := api.ImportOf(v, r), printerFor(wording.Reader{Place: wording.Shell, Zone: v.Config.Zone})
	if a.json {
		if err := a.printJSON(said); err != nil {
			return err
		}
	} else {
		for _, p := range r.Problems {
			if show && p.Value != "" {
				a.printf("%s: %s\n", words.Problem(p), p.Value)
			} else {
				a.printf("%s\n", words.Problem(p))
			}
		}
		if r.LeftOut > 0 {
			others := ""
			if n := r.LeftOut - r.LeftOutNamed; n > 0 {
				others = fmt.Sprintf(" (%d named above, and %d of the same people or employments, or with the same mistake)", r.LeftOutNamed, n)
			}
			a.printf("%s left out%s; the people concerned keep the access they have.\n", count(r.LeftOut, "row", "rows"), others)
		}
		if r.Questions > 0 {
			a.printf("%s about whose record it is: behov people duplicates.\n", count(r.Questions, "question", "questions"))
		}
		if r.Warnings > 0 {
			a.printf("%s to look at; those rows were taken.\n", count(r.Warnings, "warning", "warnings"))
		}
		if r.EndingsWait && r.Held == nil {
			a.printf("No employment was ended by this import: rows are not attributable to a person, or the file may be cut off.\n")
		}
	}
	if h := r.EndingsHeld; h != nil {
		defer func() {
			switch rejected := said.EndingsHeld.Decision; {
			case a.json:
			case rejected != nil:
				a.printf("Endings held, and rejected by %s (decision %d): what they concern stays as it is.\n", v.Actor(rejected.Maker.Actor), rejected.Seq)
				a.printReasons(*said.EndingsHeld)
			default:
				a.printf("Endings held:\n")
				a.printReasons(*said.EndingsHeld)
				a.printf("If the file is right:\n  behov hold release %s --reason \"…\" --by YOU\nand import it again.\n", h.Digest)
			}
			err = errors.Join(err, exit(exitHeld))
		}()
	}
	if len(r.StartsHeld) > 0 {
		defer func() {
			for _, h := range said.StartsHeld {
				if !a.json {
					a.printf("Start held: %s.\nIf the new start is right:\n  behov hold release %s --reason \"…\" --by YOU\nand import that row again.\n", h.Why.Text, h.Digest)
				}
			}
			err = errors.Join(err, exit(exitHeld))
		}()
	}
	if r.Held != nil {
		if rejected := said.Held.Decision; rejected != nil && !a.json {
			a.printf("Held: %s.\nNothing of %s was imported: this import was rejected by %s (decision %d): %s\nIf the file is right all the same:\n  behov hold release %s --reason \"…\" --by YOU\nand import it again.\n", said.Held.Why.Text, file, v.Actor(rejected.Maker.Actor), rejected.Seq, rejected.Reason, said.Held.Digest)
		} else if !a.json {
			a.printf("Held: %s.\nNothing of %s was imported, and no access changes. If the file is right:\n  behov hold release %s --reason \"…\" --by YOU\nand import it again.\n", said.Held.Why.Text, file, said.Held.Digest)
		}
		return exit(exitHeld)
	}
	if r.Rows > 0 && r.LeftOut == r.Rows && r.Events == 0 && r.Postponed == 0 {
		if !a.json {
			a.printf("Nothing of %s was imported: every row was left out.\n", file)
		}
		return exit(exitError)
	}
	if a.json {
		return nil
	}
	if r.Erased > 0 {
		defer a.printf("%s of erased people, whose employments have ended, left out.\n", count(r.Erased, "row", "rows"))
	}
	if r.Events == 0 {
		a.printf("%s read, nothing new.\n", count(r.Rows, "row", "rows"))
		return nil
	}
	if r.Late > 0 {
		defer a.printf("%s had effect before it was learnt: it takes effect at once, and both dates are in the audit trail.\n", count(r.Late, "event", "events"))
	}
	if r.Joined > 0 {
		defer a.printf("%s of people known already, by their national identity number (behov people split undoes it).\n", count(r.Joined, "record was that", "records were those"))
	}
	var parts []string
	for _, kind := range []struct {
		kind      identity.Kind
		one, many string
	}{
		{identity.PersonAdded, "new person", "new people"}, {identity.PersonJoined, "record joined", "records joined"}, {identity.PersonChanged, "person changed", "people changed"},
		{identity.EmploymentAdded, "new employment", "new employments"}, {identity.EmploymentChanged, "employment changed", "employments changed"},
		{identity.EmploymentWithdrawn, "employment withdrawn", "employments withdrawn"},
	} {
		if n := r.Counts[kind.kind]; n > 0 {
			parts = append(parts, count(n, kind.one, kind.many))
		}
	}
	a.printf("%s read: %s.\n", count(r.Rows, "row", "rows"), strings.Join(parts, ", "))
	return nil
}
