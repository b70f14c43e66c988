package desired

import (
	"errors"
	"slices"
	"strings"

	"github.com/behov/behov/internal/config"
	"github.com/behov/behov/internal/identity"
	"github.com/behov/behov/internal/reason"
)

// ApplySponsors ends contracts whose sponsor has left without a successor, and adds
// warnings of contracts that end soon. A contract whose sponsor is not known stays as it
// is.
func (d *People) ApplySponsors() {
	sources := SponsoredSources(d.Config)
	if len(sources) == 0 {
		return
	}
	byKey := map[identity.SourceKey]identity.Person{}
	for _, p := range d.All {
		for _, k := range p.Keys {
			byKey[k.SourceKey] = p
		}
	}
	find := func(key identity.SourceKey) (identity.Person, bool) { p, ok := byKey[key]; return p, ok }
	for i, p := range d.All {
		for _, source := range sources {
			cut, err := source.Contracts.Cut(p, source.Name, d.Day, find)
			if err != nil {
				d.Undecided[p.ID] = UnknownSponsor(err)
				continue
			}
			d.All[i], p = cut, cut
			d.Warnings[p.ID] = append(d.Warnings[p.ID], d.contractWarnings(p, source, d.Day, find)...)
		}
	}
}

// UnknownSponsor returns the reason for which nothing is changed of a person with a
// contract whose sponsor is not known.
func UnknownSponsor(err error) reason.Reason {
	var unknown *identity.UnknownSponsorError
	if errors.As(err, &unknown) {
		return reason.Of(reason.SponsorUnknown{Employment: unknown.Employment, Source: unknown.Source})
	}
	return reason.Of(reason.EvaluationFailed{Detail: err.Error()})
}

// SponsoredSources returns the sources whose contracts have sponsors, sorted by name.
func SponsoredSources(c *config.Config) []config.Source {
	var sources []config.Source
	for _, s := range c.Sources {
		if s.Contracts.Sponsored {
			sources = append(sources, s)
		}
	}
	slices.SortFunc(sources, func(a, b config.Source) int { return strings.Compare(a.Name, b.Name) })
	return sources
}

// contractWarnings says what of a person's contracts will end soon, and whose they are
// now when the sponsor has left.
func (d *People) contractWarnings(p identity.Person, source config.Source, day identity.Date, find identity.Lookup) []reason.Reason {
	var warnings []reason.Reason
	soon := day.AddDays(d.Config.Lifecycle.Warn)
	for _, c := range p.Employments {
		if c.Key.Source != source.Name || !c.ActiveOn(day) {
			continue
		}
		if c.LastDay() != "" && c.LastDay() <= soon {
			warnings = append(warnings, reason.Of(reason.ContractEnds{Contract: c.Key.Shown(), Last: c.LastDay(), Source: source.Name}))
		}
		named, ok := find(identity.SourceKey{Source: source.Contracts.In, Key: c.SponsorKey})
		if !ok {
			continue
		}
		now, _, err := source.Contracts.Sponsor(c, day, find)
		if err != nil || now.ID == "" {
			continue // another finding reports it
		}
		if now.ID != named.ID {
			warnings = append(warnings, reason.Of(reason.SponsorSucceeded{Contract: c.Key.Shown(), By: now.ID, Source: source.Name}))
		}
		last := Leaves(now, day, soon)
		if last == "" || c.LastDay() != "" && c.LastDay() <= last {
			continue
		}
		next, _, err := source.Contracts.Sponsor(c, last.AddDays(1), find)
		if err == nil {
			warnings = append(warnings, reason.Of(reason.SponsorLeaves{Contract: c.Key.Shown(), Last: last, Source: source.Name, Next: next.ID}))
		}
	}
	return warnings
}

// Leaves returns the last day of a person who works on day and no longer on soon; empty
// for a person who stays.
func Leaves(p identity.Person, day, soon identity.Date) identity.Date {
	for _, turn := range p.ChangeDates(day, soon.AddDays(1)) {
		if !p.IsActive(turn) {
			return turn.AddDays(-1)
		}
	}
	return ""
}
