package identity

import "fmt"

// Sponsorship defines which contracts need a sponsor, and what happens to a
// contract whose sponsor has left. The zero value requires none.
type Sponsorship struct {
	// In is the HR source of the sponsors.
	In string
	// HandOver passes a contract on to the sponsor's manager. Otherwise, and when
	// there is no manager, the contract ends with the sponsor's employment.
	HandOver bool
}

// UnknownSponsorError says that the source of sponsors does not have the sponsor of an
// employment.
type UnknownSponsorError struct {
	Employment EmploymentID
	Source     string
}

func (e *UnknownSponsorError) Error() string {
	return fmt.Sprintf("employment %s has a sponsor_id that source %s does not contain: correct it in the employment's source", e.Employment, e.Source)
}

// Lookup finds a person by the key in an HR source.
type Lookup func(SourceKey) (Person, bool)

// Sponsor returns the sponsor of a contract on a day: the zero person when there
// is none, and then the last day on which there was one. An unknown sponsor is an
// error: the caller must then leave the contract unchanged.
func (s Sponsorship) Sponsor(e Employment, day Date, find Lookup) (sponsor Person, until Date, err error) {
	p, ok := find(SourceKey{Source: s.In, Key: e.SponsorKey})
	if !ok {
		return Person{}, "", &UnknownSponsorError{Employment: e.ID, Source: s.In}
	}
	seen := map[PersonID]bool{}
	for {
		if p.IsActive(day) {
			return p, "", nil
		}
		if next, coming := p.nextStart(day); coming && until == "" && next <= e.Start {
			return p, "", nil // contract and sponsor begin together
		}
		last, ended := p.endedOn(day)
		if !ended {
			last = e.Start.AddDays(-1)
		}
		until = max(until, last)
		seen[p.ID] = true
		manager, ok := s.manager(p, last, find)
		if !s.HandOver || !ok || seen[manager.ID] {
			return Person{}, until, nil
		}
		p = manager
	}
}

// manager returns the manager of a person's last employment.
func (s Sponsorship) manager(p Person, last Date, find Lookup) (Person, bool) {
	for _, e := range p.Employments {
		if e.LastDay() == last && e.On(last).ManagerKey != "" {
			return find(e.On(last).Manager(e.Key.Source))
		}
	}
	return Person{}, false
}

// Cut returns the person with those contracts ended whose sponsor left without a
// successor. A contract whose sponsor is unknown is an error, and is unchanged.
func (s Sponsorship) Cut(p Person, source string, day Date, find Lookup) (Person, error) {
	cloned := false
	for i, e := range p.Employments {
		if e.Key.Source != source || !e.HasStarted(day) {
			continue
		}
		_, until, err := s.Sponsor(e, day, find)
		if err != nil {
			return p, err
		}
		if until == "" || e.LastDay() != "" && e.LastDay() <= until {
			continue
		}
		if !cloned {
			p.Employments = append([]Employment(nil), p.Employments...)
			cloned = true
		}
		p.Employments[i].End = until
		p.Employments[i].SponsorLeft = true
	}
	return p, nil
}
