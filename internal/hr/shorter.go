package hr

import (
	"context"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/store"
)

// Shorter are numbers that are one digit shorter than the others, as a spreadsheet
// leaves of those that begin with a zero.
type Shorter struct {
	Key    string // the first one
	Line   int
	People int
	Digits int // that the others have
}

const (
	// manyShorter is how many shorter numbers are no coincidence, and fewShorter of how
	// many people they are one at most: more are as likely numbers from before there was
	// another digit.
	manyShorter, fewShorter = 2, 5
	leastDigits             = 4
)

// findShorter looks for such numbers among those of the people.
func (p *parser) findShorter() {
	byLength := map[int]Shorter{}
	seen := map[string]bool{}
	for _, row := range p.export.Rows {
		if seen[row.PersonKey] {
			continue
		}
		seen[row.PersonKey] = true
		if strings.Trim(row.PersonKey, "0123456789") != "" {
			return
		}
		of := byLength[len(row.PersonKey)]
		if of.People++; of.People == 1 {
			of.Key, of.Line = row.PersonKey, row.Line
		}
		byLength[len(row.PersonKey)] = of
	}
	for digits, of := range byLength {
		short := byLength[digits-1]
		if len(byLength) > 3 || digits < leastDigits || short.People < manyShorter || fewShorter*short.People > len(seen) || 2*of.People < len(seen) || byLength[digits+1].People > 0 {
			continue
		}
		short.Digits = digits
		p.export.Shorter = short
	}
}

// warnShorter warns of shorter numbers, unless they are those by which people are known.
func (r *run) warnShorter(ctx context.Context, tx *store.Tx) error {
	short := r.Export.Shorter
	if short.People == 0 || r.Export.Partial {
		return nil
	}
	if _, known, err := tx.PersonByKey(ctx, identity.SourceKey{Source: r.Source.Name, Key: short.Key}); err != nil || known {
		return err
	}
	column := defaultString(r.Source.Columns["person_id"], "person_id")
	setting := ""
	if v, err := config.ReadValue("person_id", column); err == nil && v.Name != "" && v.Parts == nil {
		field := "." + v.Name
		if !plainField.MatchString(v.Name) {
			field = fmt.Sprintf("col %q", v.Name)
		}
		setting = fmt.Sprintf(", or say so under hr.sources.%s: columns: {person_id: '{{%s | pad %d}}'}", r.Source.Name, field, short.Digits)
	}
	r.warn(Row{Line: short.Line, PersonKey: short.Key}, "column %s: %d numbers, this one is the first, have %d digits and almost all others %d: a spreadsheet leaves out zeros at the start; format the column as text and export it again%s", r.Source.Shown("person_id"), short.People, short.Digits-1, short.Digits, setting)
	return nil
}
