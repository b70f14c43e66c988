package hr

import (
	"context"
	"fmt"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
	"github.com/behov/behov/internal/store"
)

// Shorter describes numbers that are one digit shorter than the others, such as a
// spreadsheet leaves when it drops a leading zero.
type Shorter struct {
	Key    string // the first one
	Line   int
	People int
	Digits int // of the others
}

const (
	// manyShorter is the minimum of shorter numbers to report; fewShorter bounds
	// their share to one in that many people: more may be numbers from before a
	// digit was added.
	manyShorter, fewShorter = 2, 5
	leastDigits             = 4
)

// findShorter finds such numbers among those of the people.
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

// warnShorter warns of shorter numbers, unless people are stored under them.
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
		setting = fmt.Sprintf("'{{%s | pad %d}}'", field, short.Digits)
	}
	r.warn(Row{Line: short.Line, PersonKey: short.Key}, inColumn(r.Source.Shown("person_id"), reason.ZerosLost{Count: short.People, Digits: short.Digits - 1, Others: short.Digits, Source: r.Source.Name, Setting: setting}))
	return nil
}
