package identity

// NextStart is nextStart.
func (p Person) NextStart(day Date) (Date, bool) { return p.nextStart(day) }

// EndedOn is endedOn.
func (p Person) EndedOn(day Date) (Date, bool) { return p.endedOn(day) }
